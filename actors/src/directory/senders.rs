//! Senders: phone numbers and email identities, each with its lane.

use super::draft::{Draft, set, unchanged};
use super::{Directory, check_version, keyed, reused};
use crate::domain::audit::AuditAction;
use crate::domain::clock::UnixMs;
use crate::domain::directory::{Sender, Snapshot};
use crate::domain::ids::{AccountNo, LaneNo, SenderId, UserId};
use crate::protocol::api::{Caller, Created, EngineError, EngineResult, NewSender, SenderPatch};
use crate::shard::Node;
use crate::store::{Counter, Mutation};

/// One default per channel and account: the new one takes over from the old.
fn take_default(draft: &mut Draft<'_>, sender: &Sender, now: UnixMs) {
    let others: Vec<Sender> = draft
        .next
        .senders_of(sender.account)
        .filter(|other| other.channel() == sender.channel() && other.is_default && other.id != sender.id)
        .cloned()
        .collect();
    for mut other in others {
        other.is_default = false;
        other.version += 1;
        other.updated_at = now;
        draft.put_sender(other);
    }
}

fn check_user(snapshot: &Snapshot, account: AccountNo, user: Option<UserId>) -> EngineResult<()> {
    match user {
        Some(id) if snapshot.user(id).is_none_or(|user| user.account != account) => {
            Err(EngineError::field("/assigned_user", "unknown_user", "no such user in this account"))
        }
        _ => Ok(()),
    }
}

impl Directory {
    /// Adds a sender and with it a lane.
    ///
    /// # Errors
    /// An address that is a sender already, a user that does not exist, a reused key, the store.
    pub async fn create_sender(&self, node: &Node, caller: &Caller, new: &NewSender) -> EngineResult<Created<Sender>> {
        let now = node.clock.now();
        let id = keyed(&new.idempotency, caller, b"sender").map_or_else(|| node.ids.sender(now), SenderId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        self.change(node, |snapshot, lane: LaneNo| {
            if let Some(existing) = snapshot.sender(id) {
                return if existing.request_hash == hash {
                    Ok(unchanged(snapshot, Created::Replayed(existing.clone())))
                } else {
                    Err(reused())
                };
            }
            if snapshot.senders_of(caller.account).any(|sender| sender.address == new.address) {
                let detail = "this address is a sender already: change that one";
                return Err(EngineError::Conflict { code: "sender_exists", detail: detail.into() });
            }
            check_user(snapshot, caller.account, new.assigned_user)?;
            let is_first = snapshot.default_sender(caller.account, new.address.channel()).is_none();
            let sender = Sender {
                id,
                lane,
                account: caller.account,
                version: 1,
                address: new.address.clone(),
                label: new.label.clone(),
                is_default: new.is_default || is_first,
                assigned_user: new.assigned_user,
                limit: new.limit,
                country: new.country.clone(),
                paused: false,
                created_at: now,
                updated_at: now,
                request_hash: hash,
            };
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.also(Mutation::Add(Counter::Lanes, 1));
            if sender.is_default {
                take_default(&mut draft, &sender, now);
            }
            draft.note(caller.stamp(now), sender.account, AuditAction::SenderCreated, id, &[]);
            draft.put_sender(sender.clone());
            Ok(draft.grown(Created::New(sender)))
        })
        .await
    }

    /// Changes a sender. `account`: only one of that account.
    ///
    /// # Errors
    /// Not found, another version, a user that does not exist, the store.
    pub async fn patch_sender(
        &self,
        node: &Node,
        caller: &Caller,
        account: Option<AccountNo>,
        id: SenderId,
        patch: &SenderPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Sender> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let found = snapshot.sender(id).filter(|sender| account.is_none_or(|account| sender.account == account));
            let mut sender = found.ok_or(EngineError::NotFound)?.clone();
            check_version(if_match, sender.version)?;
            if patch.is_default == Some(false) && sender.is_default {
                let detail = "a channel needs a default sender: make another one the default instead";
                return Err(EngineError::Conflict { code: "default_needed", detail: detail.into() });
            }
            check_user(snapshot, sender.account, patch.assigned_user.flatten())?;
            let mut changed = Vec::new();
            set(&mut sender.label, patch.label.clone(), "label", &mut changed);
            set(&mut sender.is_default, patch.is_default, "is_default", &mut changed);
            set(&mut sender.assigned_user, patch.assigned_user, "assigned_user", &mut changed);
            set(&mut sender.limit, patch.limit, "limits", &mut changed);
            set(&mut sender.country, patch.country.clone(), "country", &mut changed);
            set(&mut sender.paused, patch.paused, "paused", &mut changed);
            if changed.is_empty() {
                return Ok(unchanged(snapshot, sender));
            }
            sender.version += 1;
            sender.updated_at = now;
            let mut draft = Draft::of(snapshot, &node.ids);
            if sender.is_default {
                take_default(&mut draft, &sender, now);
            }
            draft.note(caller.stamp(now), sender.account, AuditAction::SenderUpdated, id, &changed);
            draft.put_sender(sender.clone());
            Ok(draft.done(sender))
        })
        .await
    }

    /// Removes a sender. What is scheduled from it is held when it is due.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_sender(&self, node: &Node, caller: &Caller, id: SenderId) -> EngineResult<()> {
        let (now, account) = (node.clock.now(), caller.account);
        self.change(node, |snapshot, _| {
            let sender = snapshot.sender(id).filter(|sender| sender.account == account).ok_or(EngineError::NotFound)?;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), account, AuditAction::SenderDeleted, id, &[]);
            draft.remove_sender(id);
            // The oldest one that is left takes over as default.
            let heir = draft.next.senders_of(account).find(|other| other.channel() == sender.channel()).cloned();
            if let Some(mut heir) = heir.filter(|_| sender.is_default) {
                heir.is_default = true;
                heir.version += 1;
                heir.updated_at = now;
                draft.put_sender(heir);
            }
            Ok(draft.done(()))
        })
        .await
    }
}
