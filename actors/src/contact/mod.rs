//! Contacts: one actor for each active one, which owns every state change of its messages.
//!
//! [`decide`] is the pure core: from what is known and a command to mutations and effects. [`actor`]
//! performs what was decided, in order, after the journal says that it is durable. [`registry`] wakes
//! contacts up and puts them to sleep; [`entries`] knows which index entries a record stands for.
//!
//! A process that dies loses nothing here: every actor is a cache of its records.

pub mod actor;
pub mod command;
mod consulting;
pub mod decide;
pub mod decision;
mod effects;
pub mod entries;
mod open;
mod overlay;
mod reading;
pub mod registry;
