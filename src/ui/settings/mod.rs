//! What people set: themselves, and, for admins, the account.
//!
//! What belongs where: [`you`] is one's own name and password; [`account`] the account with its hours and holidays;
//! [`senders`], [`templates`], [`users`], [`keys`] and [`webhooks`] are lists, each with a form for one more; [`around`] is
//! what stands around all of them. Who is no admin sees
//! themselves alone: whatever else is asked for is refused as the API refuses it. What a form says is spelled as a
//! request of the API and read by its readers. Secrets are in the answer that made them and nowhere else.

pub(super) mod account;
mod around;
pub(super) mod keys;
pub(super) mod senders;
pub(super) mod templates;
pub(super) mod users;
pub(super) mod webhooks;
pub(super) mod you;
