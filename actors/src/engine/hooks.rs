//! Webhooks through the engine.

use url::Url;

use super::handle::{Engine, unexpected};
use crate::contact::command::{Answer, ContactCommand};
use crate::directory::webhooks::check;
use crate::domain::address::WebUrl;
use crate::domain::directory::Webhook;
use crate::domain::ids::{ContactId, MessageId, WebhookId};
use crate::domain::message::Message;
use crate::domain::signatures::twilio::AuthToken;
use crate::protocol::api::{Caller, Created, EngineError, EngineResult, MessageView};
use crate::protocol::webhooks::{NewWebhook, WebhookPatch, WithSecret};

impl Engine {
    /// Whether a message's changes may be told there: what holds for webhooks' URLs.
    ///
    /// # Errors
    /// A URL that may not be called, at `/callback_url`.
    pub fn check_callback(&self, url: &WebUrl) -> EngineResult<()> {
        let refused =
            |_| EngineError::field("/callback_url", "url_refused", "no URL: give one that begins with https://");
        check(&Url::parse(url.as_str()).map_err(refused)?, self.node.settings.webhook_reach, "/callback_url")
    }

    /// The token that signs the callers' account's status callbacks.
    #[must_use]
    pub fn callback_token(&self, caller: &Caller) -> AuthToken {
        self.node.status_callbacks.token(caller.account)
    }

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

    /// Sends a webhook a `ping`; the id that it will have. It is tried again like any other notice.
    ///
    /// # Errors
    /// Not found, switched off, the store.
    pub async fn test_webhook(&self, caller: &Caller, id: WebhookId) -> EngineResult<MessageId> {
        self.check_growth()?;
        let directory = self.directory();
        let webhook = directory.webhook(caller.account, id).ok_or(EngineError::NotFound)?;
        if !webhook.is_enabled {
            let detail = "the webhook is switched off: switch it on first";
            return Err(EngineError::Conflict { code: "webhook_disabled", detail: detail.into() });
        }
        match self.ask(ContactId::of_webhook(id), ContactCommand::Ping(caller.account, id)).await? {
            Answer::Notified(notice) => Ok(notice),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a notice that was given up once more, under the same id.
    pub(super) async fn revived(&self, caller: &Caller, notice: Message) -> EngineResult<Created<MessageView>> {
        self.check_growth()?;
        match self.ask(notice.contact, ContactCommand::Revive(*caller, notice.id)).await? {
            Answer::Message(notice) => Ok(Created::New(self.view(*notice).await?)),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes a webhook. What waits for it is not sent any more.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_webhook(&self, caller: &Caller, id: WebhookId) -> EngineResult<()> {
        self.directory.delete_webhook(&self.node, caller, id).await
    }
}
