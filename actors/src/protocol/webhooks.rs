//! What callers say and hear of webhooks.

use url::Url;

use super::api::Idempotency;
use crate::domain::directory::{Subscribed, Webhook};
use crate::domain::signatures::webhook::WebhookSecret;

/// A new webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where notices are to be posted to.
    pub url: Url,
    /// What people call it.
    pub description: Option<String>,
    /// What it is to be told of.
    pub events: Subscribed,
    /// Whether anything is to be sent to it.
    pub is_enabled: bool,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

impl std::fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewWebhook")
    }
}

/// Changes to a webhook.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct WebhookPatch {
    /// Where notices are to be posted to.
    pub url: Option<Url>,
    /// What people call it.
    pub description: Option<Option<String>>,
    /// What it is to be told of.
    pub events: Option<Subscribed>,
    /// Whether anything is to be sent to it.
    pub is_enabled: Option<bool>,
}

impl std::fmt::Debug for WebhookPatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookPatch")
    }
}

/// A webhook with its secret, which is told once: when it is made, and when it is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithSecret {
    /// The record.
    pub webhook: Webhook,
    /// None where the request is a repetition.
    pub secret: Option<WebhookSecret>,
}
