//! Lists of messages: of a contact, of an account in a state.

use super::handle::Engine;
use super::lists::{Source, unreadable};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, MessageId};
use crate::domain::message::{Message, State, StateName};
use crate::protocol::api::{
    Caller, EngineError, EngineResult, MessageFilter, MessageView, Page, PageRequest, ScheduleFilter, ThreadEntry,
};
use crate::store::keys::{AttentionMember, HeldMember};
use crate::store::{Index, RecordKey, Table, codec, keys};

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
            Some(StateName::Scheduled) => self.scheduled_of(account, &ScheduleFilter::default(), &page).await?,
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
}
