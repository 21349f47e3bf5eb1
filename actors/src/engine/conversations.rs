//! Conversations as people see them: by last activity, read and unread, with notes; and the undo of a last step.

use std::time::Duration;

use super::handle::{Engine, unexpected};
use super::lists::Source;
use crate::contact::command::{Answer, Attend, ContactCommand};
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::conversation::ThreadItem;
use crate::domain::ids::{ContactId, MessageId};
use crate::protocol::api::{
    Caller, CancelOutcome, ConversationFilter, Created, EngineError, EngineResult, Idempotency, MessageView, Page,
    PageRequest, Undone,
};
use crate::shard::{Step, UNDO_WITHIN, Undoable};
use crate::store::{Index, keys};

/// Conversations looked at for one page, among those that a filter leaves out.
const MAX_LOOKED_AT: usize = 5_000;

impl Engine {
    /// An account's conversations, the most recently active first.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn conversations(
        &self,
        caller: &Caller,
        filter: ConversationFilter,
        page: PageRequest,
    ) -> EngineResult<Page<Contact>> {
        let mut items: Vec<Contact> = Vec::new();
        let mut request = page.clone();
        let mut looked_at = 0;
        loop {
            request.limit = page.limit - items.len();
            let listed = self.merged(Source::Down(Index::Inbox(caller.account)), None, UnixMs::MAX, &request).await?;
            looked_at += listed.items.len();
            let ids: Vec<_> =
                listed.items.iter().filter_map(|entry| keys::contact_of_member(&entry.member).ok()).collect();
            let found = self.read_contacts(caller.account, &ids).await?;
            items.extend(found.into_iter().filter(|contact| filter.fits(contact)));
            if listed.next_cursor.is_none() || items.len() >= page.limit || looked_at >= MAX_LOOKED_AT {
                return Ok(Page { items, next_cursor: listed.next_cursor });
            }
            request.cursor = listed.next_cursor;
        }
    }

    /// Marks a conversation as read or unread, or assigns it.
    ///
    /// # Errors
    /// Not found, a user that does not exist, the store.
    pub async fn attend(&self, caller: &Caller, contact: ContactId, attend: Attend) -> EngineResult<Contact> {
        if let Some(Some(user)) = attend.assigned_to
            && self.directory().user(user).is_none_or(|user| user.account != caller.account)
        {
            return Err(EngineError::field("/assigned_user", "unknown_user", "no such user in this account"));
        }
        match self.ask(contact, ContactCommand::Attend(*caller, attend)).await? {
            Answer::Contact(contact) => Ok(*contact),
            other => Err(unexpected(&other)),
        }
    }

    /// Keeps a note in a contact's thread.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn note(
        &self,
        caller: &Caller,
        contact: ContactId,
        text: String,
        idempotency: Option<&Idempotency>,
    ) -> EngineResult<Created<ThreadItem>> {
        self.check_growth()?;
        let partition = self.partition_of(contact);
        let id = match idempotency {
            Some(idempotency) => MessageId::received(contact, &format!("note:{}", idempotency.key), partition),
            None => self.node.ids.message(self.node.clock.now(), partition),
        };
        match self.ask(contact, ContactCommand::Note(*caller, id, text)).await? {
            Answer::Item(item, true) => Ok(Created::New(*item)),
            Answer::Item(item, false) => Ok(Created::Replayed(*item)),
            other => Err(unexpected(&other)),
        }
    }

    /// How long the caller's last schedule or cancel with a contact can still be taken back.
    #[must_use]
    pub fn undo_left(&self, caller: &Caller, contact: ContactId) -> Option<Duration> {
        self.node.undo.left(contact, caller.author, self.node.clock.boot())
    }

    /// With whom the caller can still take back a last step, the latest first.
    #[must_use]
    pub fn undoable(&self, caller: &Caller) -> Vec<Undoable> {
        self.node.undo.of(caller.author, self.node.clock.boot())
    }

    /// Takes back the caller's last schedule or cancel with a contact, within ten seconds.
    ///
    /// # Errors
    /// Nothing to undo, too late, the store.
    pub async fn undo(&self, caller: &Caller, contact: ContactId) -> EngineResult<Undone> {
        self.contact(caller, contact).await?;
        let now = self.node.clock.boot();
        let Some(step) = self.node.undo.take(contact, caller.author, now) else {
            return Err(EngineError::Conflict {
                code: "nothing_to_undo",
                detail: format!(
                    "you scheduled and cancelled nothing here in the last {} seconds",
                    UNDO_WITHIN.as_secs()
                ),
            });
        };
        match step {
            Step::Scheduled(id, _) => match self.cancel_without_step(caller, id).await? {
                CancelOutcome::Canceled => Ok(Undone::Canceled(id)),
                CancelOutcome::AlreadyHandedOver(state) => Err(EngineError::Conflict {
                    code: "already_handed_over",
                    detail: format!("the message is {state} by now: it can no longer be taken back"),
                }),
            },
            Step::Repeated(series, _) => Ok(Undone::Series(Box::new(self.series_canceled(caller, series).await?.0))),
            Step::CanceledSeries(series) => {
                Ok(Undone::Series(Box::new(self.restore_series(caller, contact, series).await?)))
            }
            Step::Canceled(ids) => {
                let mut restored: Vec<MessageView> = Vec::new();
                let mut refused = None;
                for id in ids {
                    match self.restore(caller, contact, id).await {
                        Ok(view) => restored.push(view),
                        Err(error) => refused = Some(error),
                    }
                }
                match refused {
                    Some(error) if restored.is_empty() => Err(error),
                    _ => Ok(Undone::Restored(restored)),
                }
            }
        }
    }

    async fn restore(&self, caller: &Caller, contact: ContactId, id: MessageId) -> EngineResult<MessageView> {
        match self.ask(contact, ContactCommand::Restore(*caller, id)).await? {
            Answer::Message(message) => self.view(*message).await,
            other => Err(unexpected(&other)),
        }
    }
}
