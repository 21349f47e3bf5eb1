//! Webhooks through the engine.

use super::handle::Engine;
use crate::domain::directory::Webhook;
use crate::domain::ids::WebhookId;
use crate::protocol::api::{Caller, Created, EngineResult};
use crate::protocol::webhooks::{NewWebhook, WebhookPatch, WithSecret};

impl Engine {
    /// Adds a webhook; with its secret (`whsec_…`), shown once: a replay has none.
    ///
    /// # Errors
    /// See [`crate::directory::Directory::create_webhook`].
    pub async fn create_webhook(&self, caller: &Caller, new: NewWebhook) -> EngineResult<Created<WithSecret>> {
        self.check_growth()?;
        self.directory.create_webhook(&self.node, caller, &new).await
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// See [`crate::directory::Directory::patch_webhook`].
    pub async fn patch_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        patch: WebhookPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Webhook> {
        self.directory.patch_webhook(&self.node, caller, id, &patch, if_match).await
    }

    /// Gives a webhook another secret, shown once; the one before signs along for a day.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn rotate_webhook_secret(&self, caller: &Caller, id: WebhookId) -> EngineResult<WithSecret> {
        self.directory.rotate_webhook_secret(&self.node, caller, id).await
    }

    /// Removes a webhook. What waits for it is not sent any more.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_webhook(&self, caller: &Caller, id: WebhookId) -> EngineResult<()> {
        self.directory.delete_webhook(&self.node, caller, id).await
    }
}
