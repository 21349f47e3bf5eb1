//! Lists of messages: of a contact, of an account in a state.

use std::collections::HashSet;

use super::handle::Engine;
use super::lists::{Source, unreadable};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, MessageId};
use crate::domain::message::{Message, State, StateName};
use crate::domain::ticket::{Ticket, TicketKind};
use crate::protocol::api::{
    Caller, EngineError, EngineResult, MessageFilter, MessageView, Page, PageRequest, ThreadEntry,
};
use crate::store::keys::{AttentionMember, HeldMember};
use crate::store::{Index, RecordKey, Table, codec, keys};

/// Entries looked at for one page of an account's scheduled messages, among those of other accounts.
const MAX_LOOKED_AT: usize = 20_000;

impl Engine {
    pub(super) async fn records(&self, account: AccountNo, ids: &[MessageId]) -> EngineResult<Vec<Message>> {
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
            if message.account == account && message.channel != Channel::Webhook {
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
            let listed = self.thread(caller, contact, page).await?;
            let mut items: Vec<MessageView> = listed
                .items
                .into_iter()
                .filter_map(|entry| match entry {
                    ThreadEntry::Message { view, .. } => Some(*view),
                    ThreadEntry::Item { .. } => None,
                })
                .collect();
            if let Some(state) = filter.state {
                items.retain(|view| {
                    view.state_name() == state
                        || (state == StateName::Scheduled && view.message.state == State::Scheduled)
                });
            }
            return Ok(Page { items, next_cursor: listed.next_cursor });
        }
        let account = caller.account;
        let (ids, next_cursor): (Vec<MessageId>, _) = match filter.state {
            Some(StateName::Scheduled) => self.scheduled_of(account, &page).await?,
            Some(StateName::Held) => {
                let listed = self.merged(Source::Up(Index::Held(account)), None, UnixMs::MAX, &page).await?;
                let ids = listed.items.iter().filter_map(|entry| HeldMember::decode(&entry.member).ok());
                (ids.map(|held| held.message).collect(), listed.next_cursor)
            }
            Some(state @ (StateName::Uncertain | StateName::Failed)) => {
                let listed = self.merged(Source::Up(Index::Attention(account)), None, UnixMs::MAX, &page).await?;
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

    /// The due index has every account's messages: those of others are passed over, a bounded number a page. One that
    /// was edited while it was read may be met as it was and as it is, and counts once.
    async fn scheduled_of(
        &self,
        account: AccountNo,
        page: &PageRequest,
    ) -> EngineResult<(Vec<MessageId>, Option<String>)> {
        let mut ids: Vec<MessageId> = Vec::new();
        let mut seen = HashSet::new();
        let mut request = PageRequest { cursor: page.cursor.clone(), limit: page.limit };
        let mut looked_at = 0;
        loop {
            request.limit = page.limit - ids.len();
            let listed = self.merged(Source::Scheduled(account), None, UnixMs::MAX, &request).await?;
            looked_at += listed.items.len();
            ids.extend(
                listed
                    .items
                    .iter()
                    .filter_map(|entry| Ticket::from_entry(entry.score, &entry.member).ok())
                    .filter(|ticket| ticket.account == account && ticket.kind() == TicketKind::Message)
                    .filter(|ticket| ticket.channel() != Channel::Webhook)
                    .map(|ticket| ticket.message)
                    .filter(|id| seen.insert(*id)),
            );
            if listed.next_cursor.is_none() || ids.len() >= page.limit || looked_at >= MAX_LOOKED_AT {
                return Ok((ids, listed.next_cursor));
            }
            request.cursor = listed.next_cursor;
        }
    }
}
