//! A contact's thread: what is still to come, then the past with everything in it.

use std::collections::HashMap;

use super::cursor;
use super::handle::Engine;
use super::lists::unreadable;
use crate::domain::clock::UnixMs;
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::ids::{AccountNo, ContactId, MessageId};
use crate::domain::message::{BlobKey, Content, StoredContent};
use crate::protocol::api::{Caller, EngineError, EngineResult, MessageView, Page, PageRequest, ThreadEntry};
use crate::store::keys::TimelineMember;
use crate::store::{Entry, Index, RangeQuery, RecordKey, Table, codec, keys};

/// Parts of a contact's list.
const PENDING: u8 = 0;
const PAST: u8 = 1;

impl Engine {
    /// A contact's conversation: pending by due time, then the past, newest first.
    ///
    /// # Errors
    /// Not found, a cursor that is none, the store.
    pub async fn thread(
        &self,
        caller: &Caller,
        contact: ContactId,
        page: PageRequest,
    ) -> EngineResult<Page<ThreadEntry>> {
        self.contact(caller, contact).await?;
        let (entries, next_cursor) = self.thread_entries(contact, &page).await?;
        let ids = |wanted: fn(&TimelineMember) -> bool| -> Vec<MessageId> {
            entries.iter().filter(|(_, member)| wanted(member)).map(|(_, member)| member.id()).collect()
        };
        let messages = ids(|member| matches!(member, TimelineMember::Message(_)));
        let mut views = self.views(self.records(caller.account, &messages).await?).await;
        let is_large = |view: &&MessageView| matches!(view.message.content, StoredContent::Blob { .. });
        let large: Vec<_> = views.iter().filter(is_large).map(|view| view.message.id).collect();
        let mut large = self.large_contents(&large).await?;
        for view in &mut views {
            view.content = large.remove(&view.message.id).unwrap_or_else(|| std::mem::take(&mut view.content));
        }
        let mut views: HashMap<MessageId, MessageView> =
            views.into_iter().map(|view| (view.message.id, view)).collect();
        let mut items = self.items(caller.account, &ids(|member| matches!(member, TimelineMember::Item(_)))).await?;
        let thread = entries.into_iter().filter_map(|(part, member)| match member {
            TimelineMember::Message(id) => {
                let view = Box::new(views.remove(&id)?);
                Some(ThreadEntry::Message { is_pending: part == PENDING, view })
            }
            TimelineMember::Item(id) => {
                let (item, content) = items.remove(&id)?;
                Some(ThreadEntry::Item { item: Box::new(item), content })
            }
        });
        Ok(Page { items: thread.collect(), next_cursor })
    }

    async fn thread_entries(
        &self,
        contact: ContactId,
        page: &PageRequest,
    ) -> EngineResult<(Vec<(u8, TimelineMember)>, Option<String>)> {
        let partition = self.partition_of(contact);
        let (part, mut after) = match &page.cursor {
            Some(text) => {
                let (part, entry) = cursor::decode(text)?;
                (part, Some(entry))
            }
            None => (PENDING, None),
        };
        let wanted = page.limit + 1;
        let query = |index, after, to, limit, descending| RangeQuery { partition, index, after, to, limit, descending };
        let mut entries: Vec<(u8, Entry)> = Vec::new();
        if part == PENDING {
            let pending = query(Index::Pending(contact), after.take(), UnixMs::MAX, wanted, false);
            entries.extend(self.read_ranges(&[pending]).await?.into_iter().flatten().map(|entry| (PENDING, entry)));
        }
        if entries.len() < wanted {
            let past = query(Index::Timeline(contact), after, ThreadItem::LAST_SHOWN, wanted - entries.len(), true);
            entries.extend(self.read_ranges(&[past]).await?.into_iter().flatten().map(|entry| (PAST, entry)));
        }
        let has_more = entries.len() > page.limit;
        entries.truncate(page.limit);
        let next_cursor = entries.last().filter(|_| has_more).map(|(part, entry)| cursor::encode(*part, entry));
        let members = entries.into_iter().map(|(part, entry)| {
            let member = TimelineMember::decode(&entry.member).map_err(|error| unreadable(&error))?;
            Ok((part, member))
        });
        Ok((members.collect::<EngineResult<_>>()?, next_cursor))
    }

    /// Items of this account with what they say.
    pub(super) async fn items(
        &self,
        account: AccountNo,
        ids: &[MessageId],
    ) -> EngineResult<HashMap<MessageId, (ThreadItem, Content)>> {
        let wanted: Vec<_> = ids
            .iter()
            .filter_map(|id| {
                let partition = self.node.partitions.of_message(*id)?;
                Some(RecordKey { partition, table: Table::Item, key: keys::item(*id) })
            })
            .collect();
        let mut found = HashMap::new();
        let mut large = Vec::new();
        for bytes in self.read_records(&wanted).await?.into_iter().flatten() {
            let item: ThreadItem = codec::decode(&bytes).map_err(|error| unreadable(&error))?;
            if item.account != account {
                continue;
            }
            let content = match &item.kind {
                ItemKind::Inbound(inbound) => match &inbound.content {
                    StoredContent::Inline(content) => content.clone(),
                    StoredContent::Blob { subject } => {
                        large.push(item.id);
                        Content { subject: subject.clone(), ..Content::default() }
                    }
                },
                ItemKind::Note(_) | ItemKind::Event(_) | ItemKind::Series(_) | ItemKind::Moved(_) => Content::default(),
            };
            found.insert(item.id, (item, content));
        }
        for (id, large) in self.large_contents(&large).await? {
            if let Some((_, content)) = found.get_mut(&id) {
                *content = large;
            }
        }
        Ok(found)
    }

    /// Contents that are records of their own.
    async fn large_contents(&self, of: &[MessageId]) -> EngineResult<HashMap<MessageId, Content>> {
        let key = |id: &MessageId| RecordKey {
            partition: id.partition(),
            table: Table::Blob,
            key: keys::blob(BlobKey { message: *id, number: BlobKey::CONTENT }),
        };
        let wanted: Vec<_> = of.iter().map(key).collect();
        let mut contents = HashMap::new();
        for (id, bytes) in of.iter().zip(self.read_records(&wanted).await?) {
            if let Some(bytes) = bytes {
                contents.insert(*id, codec::decode(&bytes).map_err(|error| unreadable(&error))?);
            }
        }
        Ok(contents)
    }

    /// One item of a thread.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn item(&self, caller: &Caller, id: MessageId) -> EngineResult<(ThreadItem, Content)> {
        let id = self.moved(id).await?.unwrap_or(id);
        let found = self.items(caller.account, &[id]).await?.remove(&id).ok_or(EngineError::NotFound)?;
        // A deleted contact's things are gone, though its clean-up may still be under way.
        self.check_not_deleted(found.0.contact).await?;
        Ok(found)
    }

    /// A file that came with an item, or the raw mail ([`BlobKey::RAW`]).
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn item_blob(&self, caller: &Caller, id: MessageId, number: u8) -> EngineResult<bytes::Bytes> {
        let id = self.item(caller, id).await?.0.id;
        let key = keys::blob(BlobKey { message: id, number });
        let wanted = RecordKey { partition: id.partition(), table: Table::Blob, key };
        self.read_records(&[wanted]).await?.into_iter().next().flatten().ok_or(EngineError::NotFound)
    }
}
