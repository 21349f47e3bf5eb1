//! The pages that people work in: server-rendered, complete without script, nothing from another host.
//!
//! What belongs where:
//! - [`routes`] has every path of a page; [`assets`] the style, the scripts and the icon, compiled in;
//! - [`visitor`] says who looks, [`form`] reads what they post
//!   (with files: [`multipart`]), [`answer`] is how a page goes out, [`error`] how a
//!   refusal looks; [`when`] spells moments for people;
//! - [`signing`] is the way in and out; [`people`] the list at the left, [`thread`] with [`entry`] the conversation,
//!   [`composer`] what is written ([`rich`]: with marks; [`fill`]: from a template;
//!   [`preview`]: as its recipient would get it), with [`moment`] and [`smart`] for when, [`steps`] what is done with a message,
//!   [`contacts`] how contacts come and go, [`edit_contact`] how they are changed,
//!   [`importing`] how many come at once;
//! - [`schedule`] with [`week`] is everything that is scheduled in the account, [`settings`] what people set,
//!   [`ops`] how the installation runs.
//!
//! A page calls the engine as the API's handlers do, in this process, and what it posts is read by the readers of the
//! API's requests: there is one set of rules. Templates (askama) escape whatever they are given; the only text that
//! goes out as HTML is a mail's, after `inbound::html` made it safe. Scripts make a page quicker and live; each thing
//! can be done without them, too.

mod answer;
mod assets;
mod composer;
mod contacts;
mod edit_contact;
mod entry;
mod error;
mod fill;
mod form;
mod importing;
mod moment;
mod multipart;
mod ops;
mod people;
mod preview;
mod rich;
pub(crate) mod routes;
mod schedule;
mod settings;
mod signing;
mod smart;
mod steps;
mod thread;
mod visitor;
mod week;
mod when;
