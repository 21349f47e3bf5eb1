//! API keys: made and revoked. Their use is noted in memory and written now and then.

use super::draft::{Draft, unchanged};
use super::secrets::{hash_api_key, new_api_key};
use super::{Directory, check_reach, keyed, reused};
use crate::domain::audit::AuditAction;
use crate::domain::directory::ApiKey;
use crate::domain::ids::ApiKeyId;
use crate::protocol::api::{Caller, Created, EngineError, EngineResult, NewApiKey};
use crate::shard::Node;

/// Keys of one account, revoked ones too.
const MAX_KEYS: usize = 10_000;

impl Directory {
    /// Makes an API key. Its secret is told once: a replay has none.
    ///
    /// # Errors
    /// A role above the caller's, a live key for a test key, a reused key, too many of them, the store.
    pub async fn create_api_key(
        &self,
        node: &Node,
        caller: &Caller,
        new: &NewApiKey,
    ) -> EngineResult<Created<(ApiKey, Option<String>)>> {
        if new.role > caller.role {
            return Err(EngineError::Forbidden {
                code: "role_too_high",
                detail: "a key cannot have more rights than the one that makes it".into(),
            });
        }
        if caller.test && !new.test {
            return Err(EngineError::Forbidden {
                code: "test_key",
                detail: "a test key makes test keys only: use a live key".into(),
            });
        }
        let now = node.clock.now();
        let id = keyed(&new.idempotency, caller, b"api-key").map_or_else(|| node.ids.api_key(now), ApiKeyId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        let secret = new_api_key(&node.ids);
        self.change(node, |snapshot, _| {
            if let Some(existing) = snapshot.api_key(id) {
                return if existing.request_hash == hash {
                    Ok(unchanged(snapshot, Created::Replayed((existing.clone(), None))))
                } else {
                    Err(reused())
                };
            }
            if snapshot.api_keys_of(caller.account).len() >= MAX_KEYS {
                let detail = format!("an account has at most {MAX_KEYS} API keys, with the revoked ones");
                return Err(EngineError::Conflict { code: "too_many", detail });
            }
            let key = ApiKey {
                id,
                account: caller.account,
                hash: hash_api_key(&secret),
                name: new.name.clone(),
                role: new.role,
                test: new.test,
                created_at: now,
                revoked_at: None,
                request_hash: hash,
                last_used_at: None,
            };
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), key.account, AuditAction::ApiKeyCreated, id, &[]);
            draft.put_api_key(key.clone());
            Ok(draft.grown(Created::New((key, Some(secret.clone())))))
        })
        .await
    }

    /// Revokes an API key: it is refused from the answer on. What it scheduled goes on.
    ///
    /// # Errors
    /// Not found, a key with more rights than the caller, the store.
    pub async fn revoke_api_key(&self, node: &Node, caller: &Caller, id: ApiKeyId) -> EngineResult<()> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let found = snapshot.api_key(id).filter(|key| key.account == caller.account);
            let mut key = found.ok_or(EngineError::NotFound)?.clone();
            check_reach(caller, key.role)?;
            if key.revoked_at.is_some() {
                return Ok(unchanged(snapshot, ()));
            }
            key.revoked_at = Some(now);
            key.last_used_at = snapshot.key_last_used(id);
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), key.account, AuditAction::ApiKeyRevoked, id, &[]);
            draft.put_api_key(key);
            Ok(draft.done(()))
        })
        .await
    }
}
