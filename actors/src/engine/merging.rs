//! Merging contacts, and the ways that lead from what was merged to where it is.

use std::time::Duration;

use super::handle::{Engine, unexpected};
use super::lists::unreadable;
use crate::contact::command::{Answer, ContactCommand};
use crate::contact::decide::UNDER_WAY;
use crate::domain::contact::{Contact, Life, Merging, limits};
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::ids::{ContactId, MessageId};
use crate::protocol::api::{Caller, EngineError, EngineResult};
use crate::store::{RecordKey, Table, codec, keys};

/// Merges that are followed from one contact to the next.
const MAX_MERGES_FOLLOWED: usize = limits::MERGES;
/// How often what comes from outside is tried again while a merge is under way.
const MAX_TRIES: u32 = 50;
/// How long between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Patience with a merge that is under way. Whoever is told of a reply or a receipt does not tell twice: so the engine
/// waits until it is known where that belongs.
#[derive(Debug, Default)]
pub(super) struct Patience(u32);

impl Patience {
    /// Whether it is worth another try, which is due when this answers.
    pub(super) async fn waits(&mut self, error: &EngineError) -> bool {
        let is_passing = match error {
            EngineError::Conflict { code, .. } => *code == UNDER_WAY,
            error => matches!(error, EngineError::Merged(_)),
        };
        if !is_passing || self.0 == MAX_TRIES {
            return false;
        }
        self.0 += 1;
        tokio::time::sleep(BETWEEN_TRIES).await;
        true
    }
}

impl Engine {
    /// Merges a duplicate into a contact. When this answers, the profile is one, and nothing is handed over from the
    /// duplicate any more; messages and thread follow within moments.
    ///
    /// # Errors
    /// Not found; the same contact twice; more addresses than one contact has; another merge of either is under way;
    /// the store, and then it may still be done: asking again says so.
    pub async fn merge_contacts(&self, caller: &Caller, into: ContactId, from: ContactId) -> EngineResult<Contact> {
        if into == from {
            return Err(EngineError::field("/from", "same_contact", "a contact cannot be merged into itself"));
        }
        let survivor = self.contact(caller, into).await?;
        match self.contact_record(from).await? {
            Some(duplicate) if duplicate.account == caller.account => match duplicate.life {
                Life::Live => {}
                // Asked once more.
                Life::Merging(merging) if merging.into == into => {}
                Life::Merged(other) if other == into => return Ok(survivor),
                Life::Merging(_) | Life::Merged(_) => {
                    return Err(EngineError::field("/from", "contact_merged", "it was merged into another contact"));
                }
                Life::Tombstone { .. } => return Err(unknown()),
            },
            _ => return Err(unknown()),
        }
        match self.ask(into, ContactCommand::ExpectMerge(*caller, from)).await? {
            Answer::Done => {}
            Answer::Expected(token) => match self.ask(from, ContactCommand::Merge(*caller, into, token)).await {
                Ok(Answer::Done) => {}
                Ok(other) => return Err(unexpected(&other)),
                Err(EngineError::NotFound) => return Err(unknown()),
                Err(error) => return Err(error),
            },
            other => return Err(unexpected(&other)),
        }
        self.contact(caller, into).await
    }

    /// A contact's record, whoever's it is and whatever became of it.
    pub(super) async fn contact_record(&self, id: ContactId) -> EngineResult<Option<Contact>> {
        let wanted = RecordKey { partition: self.partition_of(id), table: Table::Contact, key: keys::contact(id) };
        let bytes = self.read_records(&[wanted]).await?.into_iter().next().flatten();
        bytes.map(|bytes| codec::decode(&bytes).map_err(|error| unreadable(&error))).transpose()
    }

    /// Whether what a contact still has is to be shown: that of a deleted one is gone, that of one on its way into
    /// another is not.
    pub(super) async fn check_not_deleted(&self, id: ContactId) -> EngineResult<()> {
        match self.contact_record(id).await? {
            Some(contact) if !contact.is_deleted() => Ok(()),
            _ => Err(EngineError::NotFound),
        }
    }

    /// The contact that has this one's profile by now: itself, if it was not merged.
    pub(super) async fn survivor(&self, id: ContactId) -> EngineResult<ContactId> {
        let mut id = id;
        for _ in 0..MAX_MERGES_FOLLOWED {
            match self.contact_record(id).await?.map(|contact| contact.life) {
                Some(Life::Merged(into) | Life::Merging(Merging { into, is_moving: true, .. })) => id = into,
                _ => break,
            }
        }
        Ok(id)
    }

    /// Where an entry of a thread has moved, if it has.
    pub(super) async fn moved(&self, id: MessageId) -> EngineResult<Option<MessageId>> {
        let mut found = None;
        for _ in 0..MAX_MERGES_FOLLOWED {
            let id = found.unwrap_or(id);
            let Some(partition) = self.node.partitions.of_message(id) else { break };
            let wanted = RecordKey { partition, table: Table::Item, key: keys::item(id) };
            let Some(bytes) = self.read_records(&[wanted]).await?.into_iter().next().flatten() else { break };
            let item: ThreadItem = codec::decode(&bytes).map_err(|error| unreadable(&error))?;
            let ItemKind::Moved(to) = item.kind else { break };
            found = Some(to);
        }
        Ok(found)
    }
}

fn unknown() -> EngineError {
    EngineError::field("/from", "unknown_contact", "no contact of this account has this id")
}
