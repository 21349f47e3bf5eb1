//! Webhooks: made, changed, given another secret, removed. Each has a lane.

use url::Url;

use super::draft::{Draft, set, unchanged};
use super::secrets::new_webhook_secret;
use super::{Directory, check_version, keyed, reused};
use crate::domain::audit::{AuditAction, Stamp};
use crate::domain::directory::webhooks::ReplacedSecret;
use crate::domain::directory::{Snapshot, Webhook};
use crate::domain::egress::{Reach, check_url};
use crate::domain::ids::{AccountNo, LaneNo, WebhookId};
use crate::domain::message::Author;
use crate::protocol::api::{Caller, Created, EngineError, EngineResult};
use crate::protocol::webhooks::{NewWebhook, WebhookPatch, WithSecret};
use crate::shard::Node;
use crate::store::{Counter, Mutation};

/// What a user's URL must be, as far as it shows before anything is sent there.
pub(crate) fn check(url: &Url, reach: Reach, pointer: &str) -> EngineResult<()> {
    let refused = |detail: String| Err(EngineError::field(pointer, "url_refused", detail));
    match check_url(url, reach) {
        Err(error) => refused(error.to_string()),
        Ok(()) if reach == Reach::Public && url.scheme() != "https" => {
            refused("the URL must begin with https://: what is sent there names people".into())
        }
        Ok(()) => Ok(()),
    }
}

fn found<'a>(snapshot: &'a Snapshot, caller: &Caller, id: WebhookId) -> EngineResult<&'a Webhook> {
    snapshot.webhook(caller.account, id).ok_or(EngineError::NotFound)
}

impl Directory {
    /// Adds a webhook and with it a lane. Its secret is told once: a replay has none.
    ///
    /// # Errors
    /// A URL that may not be called, a reused key, too many of them, the store.
    pub async fn create_webhook(
        &self,
        node: &Node,
        caller: &Caller,
        new: &NewWebhook,
    ) -> EngineResult<Created<WithSecret>> {
        check(&new.url, node.settings.webhook_reach, "/url")?;
        let now = node.clock.now();
        let id =
            keyed(&new.idempotency, caller, b"webhook").map_or_else(|| node.ids.webhook(now), WebhookId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        let secret = new_webhook_secret(&node.ids);
        self.change(node, |snapshot, lane: LaneNo| {
            if let Some(existing) = snapshot.webhook(caller.account, id) {
                return if existing.request_hash == hash {
                    let answer = WithSecret { webhook: existing.clone(), secret: None };
                    Ok(unchanged(snapshot, Created::Replayed(answer)))
                } else {
                    Err(reused())
                };
            }
            if snapshot.webhooks_of(caller.account).count() >= Webhook::MAX_PER_ACCOUNT {
                let detail = format!("an account has at most {} webhooks: remove one first", Webhook::MAX_PER_ACCOUNT);
                return Err(EngineError::Conflict { code: "too_many", detail });
            }
            let webhook = Webhook {
                id,
                lane,
                account: caller.account,
                version: 1,
                url: new.url.to_string(),
                description: new.description.clone(),
                events: new.events.clone(),
                secret: secret.clone(),
                replaced: None,
                is_enabled: new.is_enabled,
                created_at: now,
                updated_at: now,
                request_hash: hash,
            };
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.also(Mutation::Add(Counter::Lanes, 1));
            draft.note(caller.stamp(now), webhook.account, AuditAction::WebhookCreated, id, &[]);
            draft.put_webhook(webhook.clone());
            Ok(draft.grown(Created::New(WithSecret { webhook, secret: Some(secret.clone()) })))
        })
        .await
    }

    /// Changes a webhook. What waits for it goes to its new URL.
    ///
    /// # Errors
    /// Not found, another version, a URL that may not be called, the store.
    pub async fn patch_webhook(
        &self,
        node: &Node,
        caller: &Caller,
        id: WebhookId,
        patch: &WebhookPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Webhook> {
        if let Some(url) = &patch.url {
            check(url, node.settings.webhook_reach, "/url")?;
        }
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let mut webhook = found(snapshot, caller, id)?.clone();
            check_version(if_match, webhook.version)?;
            let mut changed = Vec::new();
            set(&mut webhook.url, patch.url.as_ref().map(Url::to_string), "url", &mut changed);
            set(&mut webhook.description, patch.description.clone(), "description", &mut changed);
            set(&mut webhook.events, patch.events.clone(), "events", &mut changed);
            set(&mut webhook.is_enabled, patch.is_enabled, "enabled", &mut changed);
            if changed.is_empty() {
                return Ok(unchanged(snapshot, webhook));
            }
            webhook.version += 1;
            webhook.updated_at = now;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), webhook.account, AuditAction::WebhookUpdated, id, &changed);
            draft.put_webhook(webhook.clone());
            Ok(draft.done(webhook))
        })
        .await
    }

    /// Gives a webhook another secret. The one before signs along for [`Webhook::OVERLAP`], so that its receiver can
    /// be changed over without a gap; one that was replaced before that is forgotten.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn rotate_webhook_secret(&self, node: &Node, caller: &Caller, id: WebhookId) -> EngineResult<WithSecret> {
        let now = node.clock.now();
        let secret = new_webhook_secret(&node.ids);
        self.change(node, |snapshot, _| {
            let mut webhook = found(snapshot, caller, id)?.clone();
            let before = std::mem::replace(&mut webhook.secret, secret.clone());
            webhook.replaced = Some(ReplacedSecret { secret: before, until: now.plus(Webhook::OVERLAP) });
            webhook.version += 1;
            webhook.updated_at = now;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), webhook.account, AuditAction::WebhookSecretRotated, id, &["secret"]);
            draft.put_webhook(webhook.clone());
            Ok(draft.done(WithSecret { webhook, secret: Some(secret.clone()) }))
        })
        .await
    }

    /// Switches webhooks off that say that nobody listens there any more, as they come; goes on until the node stops.
    pub async fn switch_off_gone(&self, node: &Node) {
        loop {
            for (account, id) in node.gone_webhooks.next().await {
                // If it fails, the next notice hears the same.
                if let Err(error) = self.switch_off(node, account, id).await {
                    tracing::warn!(%error, webhook = %id, "a webhook that is gone could not be switched off yet");
                }
            }
        }
    }

    async fn switch_off(&self, node: &Node, account: AccountNo, id: WebhookId) -> EngineResult<()> {
        let now = node.clock.now();
        let was_on = self
            .change(node, |snapshot, _| {
                let webhook = snapshot.webhook(account, id).filter(|webhook| webhook.is_enabled);
                let Some(mut webhook) = webhook.cloned() else { return Ok(unchanged(snapshot, false)) };
                webhook.is_enabled = false;
                webhook.version += 1;
                webhook.updated_at = now;
                let stamp = Stamp { who: Author::System, from: None, at: now };
                let mut draft = Draft::of(snapshot, &node.ids);
                draft.note(stamp, account, AuditAction::WebhookSwitchedOff, id, &["enabled"]);
                draft.put_webhook(webhook);
                Ok(draft.done(true))
            })
            .await?;
        if was_on {
            tracing::info!(webhook = %id, "a webhook answered that it is gone (410), and is switched off");
        }
        Ok(())
    }

    /// Removes a webhook. What waits for it is not sent any more.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_webhook(&self, node: &Node, caller: &Caller, id: WebhookId) -> EngineResult<()> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            found(snapshot, caller, id)?;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), caller.account, AuditAction::WebhookDeleted, id, &[]);
            draft.remove_webhook(caller.account, id);
            Ok(draft.done(()))
        })
        .await
    }
}
