//! Lists of messages: of a contact, of an account in a state; the thread.

use std::collections::HashMap;

use super::cursor;
use super::handle::Engine;
use super::lists::unreadable;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, MessageId};
use crate::domain::message::{Message, State, StateName};
use crate::domain::ticket::{Ticket, TicketKind};
use crate::protocol::api::{
    Caller, EngineError, EngineResult, MessageFilter, MessageView, Page, PageRequest, ThreadEntry,
};
use crate::store::keys::{AttentionMember, HeldMember};
use crate::store::{Entry, Index, RangeQuery, RecordKey, Table, codec, keys};

/// Entries looked at for one page of an account's scheduled messages, among those of other accounts.
const MAX_LOOKED_AT: usize = 20_000;

/// Parts of a contact's list.
const PENDING: u8 = 0;
const PAST: u8 = 1;

impl Engine {
    async fn records(&self, account: AccountNo, ids: &[MessageId]) -> EngineResult<Vec<Message>> {
        let wanted: Vec<_> = ids
            .iter()
            .filter_map(|id| {
                let partition = self.node.partitions.of_message(*id)?;
                Some(RecordKey { partition, table: Table::Message, key: keys::message(*id) })
            })
            .collect();
        let mut messages = Vec::with_capacity(wanted.len());
        for bytes in self.read_records(&wanted).await?.into_iter().flatten() {
            let message: Message = codec::decode(&bytes).map_err(|error| unreadable(&error))?;
            if message.account == account {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    /// Messages of a contact (pending first by due time, then newest first), or of the account in a state.
    ///
    /// # Errors
    /// A filter that names neither or a state that is not listed, a cursor that is none, the store.
    pub async fn messages(
        &self,
        caller: &Caller,
        filter: MessageFilter,
        page: PageRequest,
    ) -> EngineResult<Page<MessageView>> {
        if let Some(contact) = filter.contact {
            let mut listed = self.of_contact(caller, contact, &page).await?;
            if let Some(state) = filter.state {
                listed.items.retain(|(_, view)| {
                    view.state_name() == state
                        || (state == StateName::Scheduled && view.message.state == State::Scheduled)
                });
            }
            return Ok(Page {
                items: listed.items.into_iter().map(|(_, view)| view).collect(),
                next_cursor: listed.next_cursor,
            });
        }
        let account = caller.account;
        let (ids, next_cursor): (Vec<MessageId>, _) = match filter.state {
            Some(StateName::Scheduled) => self.scheduled_of(account, &page).await?,
            Some(StateName::Held) => {
                let listed = self.merged(Index::Held(account), None, UnixMs::MAX, &page, false).await?;
                let ids = listed.items.iter().filter_map(|entry| HeldMember::decode(&entry.member).ok());
                (ids.map(|held| held.message).collect(), listed.next_cursor)
            }
            Some(state @ (StateName::Uncertain | StateName::Failed)) => {
                let listed = self.merged(Index::Attention(account), None, UnixMs::MAX, &page, false).await?;
                let found = listed.items.iter().filter_map(|entry| AttentionMember::decode(&entry.member).ok());
                (found.filter(|found| found.state == state).map(|found| found.message).collect(), listed.next_cursor)
            }
            _ => {
                return Err(EngineError::field(
                    "/state",
                    "filter_needed",
                    "name a contact_id, or a state out of scheduled, held, uncertain, failed",
                ));
            }
        };
        let items = self.views(self.records(account, &ids).await?).await;
        Ok(Page { items, next_cursor })
    }

    /// The due index has every account's messages: those of others are passed over, a bounded number a page.
    async fn scheduled_of(
        &self,
        account: AccountNo,
        page: &PageRequest,
    ) -> EngineResult<(Vec<MessageId>, Option<String>)> {
        let mut ids = Vec::new();
        let mut request = PageRequest { cursor: page.cursor.clone(), limit: page.limit };
        let mut looked_at = 0;
        loop {
            request.limit = page.limit - ids.len();
            let listed = self.merged(Index::Due, None, UnixMs::MAX, &request, false).await?;
            looked_at += listed.items.len();
            ids.extend(
                listed
                    .items
                    .iter()
                    .filter_map(|entry| Ticket::from_entry(entry.score, &entry.member).ok())
                    .filter(|ticket| ticket.account == account && ticket.kind() == TicketKind::Message)
                    .map(|ticket| ticket.message),
            );
            if listed.next_cursor.is_none() || ids.len() >= page.limit || looked_at >= MAX_LOOKED_AT {
                return Ok((ids, listed.next_cursor));
            }
            request.cursor = listed.next_cursor;
        }
    }

    /// A contact's messages: pending by due time, then the past, newest first.
    async fn of_contact(
        &self,
        caller: &Caller,
        contact: ContactId,
        page: &PageRequest,
    ) -> EngineResult<Page<(bool, MessageView)>> {
        self.contact(caller, contact).await?;
        let partition = self.partition_of(contact);
        let (part, mut after) = match &page.cursor {
            Some(text) => {
                let (part, entry) = cursor::decode(text)?;
                (part, Some(entry))
            }
            None => (PENDING, None),
        };
        let wanted = page.limit + 1;
        let query = |index, after, limit, descending| RangeQuery {
            partition,
            index,
            after,
            to: UnixMs::MAX,
            limit,
            descending,
        };
        let mut entries: Vec<(u8, Entry)> = Vec::new();
        if part == PENDING {
            let pending = query(Index::Pending(contact), after.take(), wanted, false);
            entries.extend(self.read_ranges(&[pending]).await?.into_iter().flatten().map(|entry| (PENDING, entry)));
        }
        if entries.len() < wanted {
            let past = query(Index::Timeline(contact), after, wanted - entries.len(), true);
            entries.extend(self.read_ranges(&[past]).await?.into_iter().flatten().map(|entry| (PAST, entry)));
        }
        let has_more = entries.len() > page.limit;
        entries.truncate(page.limit);
        let next_cursor = entries.last().filter(|_| has_more).map(|(part, entry)| cursor::encode(*part, entry));
        let parts: HashMap<MessageId, u8> = entries
            .iter()
            .filter_map(|(part, entry)| Some((keys::message_of_member(&entry.member).ok()?, *part)))
            .collect();
        let ids: Vec<_> = entries.iter().filter_map(|(_, entry)| keys::message_of_member(&entry.member).ok()).collect();
        let views = self.views(self.records(caller.account, &ids).await?).await;
        let items = views.into_iter().map(|view| (parts.get(&view.message.id) == Some(&PENDING), view)).collect();
        Ok(Page { items, next_cursor })
    }

    /// A contact's conversation.
    ///
    /// # Errors
    /// Not found, a cursor that is none, the store.
    pub async fn thread(
        &self,
        caller: &Caller,
        contact: ContactId,
        page: PageRequest,
    ) -> EngineResult<Page<ThreadEntry>> {
        let listed = self.of_contact(caller, contact, &page).await?;
        let entry = |(is_pending, view)| ThreadEntry { is_pending, view };
        Ok(Page { items: listed.items.into_iter().map(entry).collect(), next_cursor: listed.next_cursor })
    }
}
