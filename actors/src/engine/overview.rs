//! Everybody of an account as a list of people shows them: with what was said last and what is to go next.
//!
//! A page of it costs the same however much a contact has: one entry of its past, one of what is to come.

use std::collections::HashMap;

use super::handle::Engine;
use super::lists::Source;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::ids::{ContactId, MessageId};
use crate::domain::message::{StateName, StoredContent};
use crate::protocol::api::{
    Caller, ConversationFilter, EngineError, EngineResult, Glance, LastWords, MessageFilter, Page, PageRequest,
};
use crate::store::keys::TimelineMember;
use crate::store::{Index, RangeQuery, keys};

/// Contacts looked at for one page of those without messages.
const MAX_LOOKED_AT: usize = 5_000;
/// Marks of a cursor: among those with messages, or behind them.
const TALKED: &str = "t.";
const SILENT: &str = "s.";
/// Bytes of what was said last that a list shows.
const WORDS_BYTES: usize = 200;

impl Engine {
    /// Everybody: those with messages by last activity, then those without, the newest first.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn everybody(&self, caller: &Caller, page: PageRequest) -> EngineResult<Page<Contact>> {
        let mut items = Vec::new();
        let mut cursor = page.cursor.as_deref();
        if cursor.is_none_or(|text| text.starts_with(TALKED)) {
            let inner = cursor.and_then(|text| text.strip_prefix(TALKED)).map(str::to_owned);
            let request = PageRequest { cursor: inner, limit: page.limit };
            let talked = self.conversations(caller, ConversationFilter::default(), request).await?;
            items = talked.items;
            if let Some(next) = talked.next_cursor {
                return Ok(Page { items, next_cursor: Some(format!("{TALKED}{next}")) });
            }
            if items.len() >= page.limit {
                return Ok(Page { items, next_cursor: Some(SILENT.to_owned()) });
            }
            cursor = None;
        }
        let inner = match cursor {
            None => None,
            Some(text) => Some(text.strip_prefix(SILENT).ok_or_else(|| {
                EngineError::field("/cursor", "invalid_cursor", "take `next_cursor` of the last page as it is")
            })?),
        };
        let inner = inner.filter(|text| !text.is_empty()).map(str::to_owned);
        let mut request = PageRequest { cursor: inner, limit: page.limit };
        let mut looked_at = 0;
        loop {
            request.limit = page.limit - items.len();
            let listed =
                self.merged(Source::Down(Index::Contacts(caller.account)), None, UnixMs::MAX, &request).await?;
            looked_at += listed.items.len();
            let ids: Vec<_> =
                listed.items.iter().filter_map(|entry| keys::contact_of_member(&entry.member).ok()).collect();
            let found = self.read_contacts(caller.account, &ids).await?;
            items.extend(found.into_iter().filter(|contact| contact.conversation.last_activity_at.is_none()));
            let next = listed.next_cursor.map(|next| format!("{SILENT}{next}"));
            if next.is_none() || items.len() >= page.limit || looked_at >= MAX_LOOKED_AT {
                return Ok(Page { items, next_cursor: next });
            }
            request.cursor = next.as_deref().and_then(|next| next.strip_prefix(SILENT)).map(str::to_owned);
        }
    }

    /// Those to whom something is scheduled, by what is due first. On later pages somebody may come again.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn contacts_with_scheduled(&self, caller: &Caller, page: PageRequest) -> EngineResult<Page<Contact>> {
        let filter = MessageFilter { contact: None, state: Some(StateName::Scheduled) };
        let listed = self.messages(caller, filter, page).await?;
        let mut ids: Vec<ContactId> = Vec::new();
        for view in &listed.items {
            if !ids.contains(&view.message.contact) {
                ids.push(view.message.contact);
            }
        }
        Ok(Page { items: self.read_contacts(caller.account, &ids).await?, next_cursor: listed.next_cursor })
    }

    /// What a list shows of each of these contacts, in their order.
    ///
    /// # Errors
    /// The store.
    pub async fn glances(&self, caller: &Caller, contacts: &[Contact]) -> EngineResult<Vec<Glance>> {
        let query = |contact: &Contact, index: fn(ContactId) -> Index, descending| RangeQuery {
            partition: self.partition_of(contact.id),
            index: index(contact.id),
            after: None,
            to: ThreadItem::LAST_SHOWN,
            limit: 1,
            descending,
        };
        let next = contacts.iter().map(|contact| query(contact, Index::Pending, false));
        let last = contacts.iter().map(|contact| query(contact, Index::Timeline, true));
        let mut found = self.read_ranges(&next.chain(last).collect::<Vec<_>>()).await?;
        let last = found.split_off(contacts.len());
        let newest = |entries: &Vec<crate::store::Entry>| TimelineMember::decode(&entries.first()?.member).ok();
        let newest: Vec<_> = last.iter().map(newest).collect();
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for member in newest.iter().flatten() {
            match member {
                TimelineMember::Message(id) => ours.push(*id),
                TimelineMember::Item(id) => others.push(*id),
            }
        }
        let mut words: HashMap<MessageId, LastWords> = HashMap::new();
        for message in self.records(caller.account, &ours).await? {
            let text = words_of(&message.content);
            words.insert(message.id, LastWords { text, is_ours: true, state: Some(message.state.name()) });
        }
        for (id, (item, content)) in self.items(caller.account, &others).await? {
            let (text, is_ours) = match item.kind {
                ItemKind::Inbound(_) => (words_of(&StoredContent::Inline(content)), false),
                ItemKind::Note(note) => (cut(&note.text), true),
                ItemKind::Event(_) | ItemKind::Series(_) | ItemKind::Moved(_) => continue,
            };
            words.insert(id, LastWords { text, is_ours, state: None });
        }
        let glance = |(next, newest): (Vec<crate::store::Entry>, Option<TimelineMember>)| Glance {
            next_due_at: next.first().map(|entry| entry.score),
            last: newest.and_then(|member| words.remove(&member.id())),
        };
        Ok(found.into_iter().zip(newest).map(glance).collect())
    }
}

/// The subject, else the beginning of the text.
fn words_of(content: &StoredContent) -> String {
    let text = match content {
        StoredContent::Inline(content) => content.subject.as_deref().or(content.text.as_deref()),
        StoredContent::Blob { subject } => subject.as_deref().or(Some("A long message")),
    };
    cut(text.unwrap_or_default())
}

fn cut(text: &str) -> String {
    let end = (0..=WORDS_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}
