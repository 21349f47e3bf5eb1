//! What callers say of templates.

use super::api::Idempotency;
use crate::domain::address::Channel;
use crate::domain::message::Content;

/// A new template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTemplate {
    /// What people are to call it.
    pub name: String,
    /// The channel it is written for.
    pub channel: Channel,
    /// What it says.
    pub content: Content,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

/// Changes to a template. Its channel stays.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TemplatePatch {
    /// What people are to call it.
    pub name: Option<String>,
    /// Another subject.
    pub subject: Option<Option<String>>,
    /// Another text.
    pub text: Option<Option<String>>,
    /// Another HTML alternative.
    pub html: Option<Option<String>>,
}

impl std::fmt::Debug for TemplatePatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TemplatePatch")
    }
}
