//! What a contact decided and the store may not have yet: it wins over anything that is read meanwhile.
//!
//! An entry leaves when its last commit is durable and no read that began before is under way (whoever
//! calls [`Overlay::forget_durable`] knows that), and nobody is about to ask for it: a message that is being sent is
//! remembered for its settling. Records alone are not enough: an edit's new content may be a blob of its own, and an
//! alias is a record of another table.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decision::Records;
use crate::domain::conversation::ThreadItem;
use crate::domain::ids::{ContactId, MessageId};
use crate::domain::message::{Content, Message};
use crate::domain::suppression::Suppression;
use crate::store::keys::AddressDigest;

#[derive(Debug)]
struct Overlaid<V> {
    value: V,
    open_commits: u32,
}

#[derive(Debug)]
struct Layer<K, V>(BTreeMap<K, Overlaid<V>>);

impl<K, V> Default for Layer<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Clone> Layer<K, V> {
    fn lay(&mut self, values: Vec<(K, V)>, records: &mut BTreeMap<K, V>) -> Vec<K> {
        let mut keys = Vec::with_capacity(values.len());
        for (key, value) in values {
            records.insert(key.clone(), value.clone());
            let open_commits = self.0.get(&key).map_or(0, |overlaid| overlaid.open_commits) + 1;
            self.0.insert(key.clone(), Overlaid { value, open_commits });
            keys.push(key);
        }
        keys
    }

    fn committed(&mut self, keys: &[K]) {
        for key in keys {
            if let Some(overlaid) = self.0.get_mut(key) {
                overlaid.open_commits = overlaid.open_commits.saturating_sub(1);
            }
        }
    }

    fn forget_durable(&mut self, is_wanted: impl Fn(&K) -> bool) {
        self.0.retain(|key, overlaid| overlaid.open_commits > 0 || is_wanted(key));
    }

    /// As [`Self::forget_durable`] of these alone; what is known loses them, too.
    fn forget(&mut self, keys: &[K], records: &mut BTreeMap<K, V>, is_wanted: impl Fn(&K) -> bool) {
        for key in keys {
            if self.0.get(key).is_some_and(|overlaid| overlaid.open_commits == 0) && !is_wanted(key) {
                self.0.remove(key);
                records.remove(key);
            }
        }
    }

    /// Leaves what is here alone, which is there as well. As many of both: the same.
    fn trim(&self, records: &mut BTreeMap<K, V>) {
        debug_assert!(self.0.keys().all(|key| records.contains_key(key)), "what was decided is known");
        if records.len() != self.0.len() {
            records.retain(|key, _| self.0.contains_key(key));
        }
    }

    fn apply(&self, records: &mut BTreeMap<K, V>) {
        records.extend(self.0.iter().map(|(key, overlaid)| (key.clone(), overlaid.value.clone())));
    }
}

/// New values of one decision.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) messages: Vec<(MessageId, Option<Arc<Message>>)>,
    pub(super) contents: Vec<(MessageId, Option<Content>)>,
    pub(super) aliases: Vec<(String, Option<ContactId>)>,
    pub(super) items: Vec<(MessageId, Option<Arc<ThreadItem>>)>,
    pub(super) suppressions: Vec<(AddressDigest, Option<Suppression>)>,
}

/// What a commit changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    messages: Vec<MessageId>,
    contents: Vec<MessageId>,
    aliases: Vec<String>,
    items: Vec<MessageId>,
    suppressions: Vec<AddressDigest>,
}

/// The overlay of one contact.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    messages: Layer<MessageId, Option<Arc<Message>>>,
    contents: Layer<MessageId, Option<Content>>,
    aliases: Layer<String, Option<ContactId>>,
    items: Layer<MessageId, Option<Arc<ThreadItem>>>,
    suppressions: Layer<AddressDigest, Option<Suppression>>,
}

impl Overlay {
    /// A decision was made: its values count from now on, in the overlay and in what is known.
    pub(super) fn lay(&mut self, changes: Changes, records: &mut Records) -> Changed {
        let Changes { messages, contents, aliases, items, suppressions } = changes;
        Changed {
            messages: self.messages.lay(messages, &mut records.messages),
            contents: self.contents.lay(contents, &mut records.contents),
            aliases: self.aliases.lay(aliases, &mut records.aliases),
            items: self.items.lay(items, &mut records.items),
            suppressions: self.suppressions.lay(suppressions, &mut records.suppressions),
        }
    }

    /// The commit of a decision is durable.
    pub(super) fn committed(&mut self, changed: &Changed) {
        self.messages.committed(&changed.messages);
        self.contents.committed(&changed.contents);
        self.aliases.committed(&changed.aliases);
        self.items.committed(&changed.items);
        self.suppressions.committed(&changed.suppressions);
    }

    /// Nothing is being read: what is durable can be read again. The messages that are wanted soon stay.
    pub(super) fn forget_durable(&mut self, is_wanted: impl Fn(MessageId) -> bool) {
        self.messages.forget_durable(|id| is_wanted(*id));
        self.contents.forget_durable(|_| false);
        self.aliases.forget_durable(|_| false);
        self.items.forget_durable(|_| false);
        self.suppressions.forget_durable(|_| false);
    }

    /// Nothing is being read: what this commit changed goes from here and from what is known if it is durable. A contact may have thousands of open commits, so none of them looks at the others.
    pub(super) fn forget(&mut self, changed: &Changed, records: &mut Records, is_wanted: impl Fn(MessageId) -> bool) {
        self.messages.forget(&changed.messages, &mut records.messages, |id| is_wanted(*id));
        self.contents.forget(&changed.contents, &mut records.contents, |_| false);
        self.aliases.forget(&changed.aliases, &mut records.aliases, |_| false);
        self.items.forget(&changed.items, &mut records.items, |_| false);
        self.suppressions.forget(&changed.suppressions, &mut records.suppressions, |_| false);
    }

    /// A message was wanted, and is no more: it goes if it is durable. What is known goes on knowing it until it is
    /// trimmed.
    pub(super) fn forget_message(&mut self, id: MessageId) {
        if self.messages.0.get(&id).is_some_and(|overlaid| overlaid.open_commits == 0) {
            self.messages.0.remove(&id);
        }
    }

    /// Leaves of what is known all that need be remembered between commands.
    pub(super) fn trim(&self, records: &mut Records) {
        let Records {
            messages,
            contents,
            aliases,
            blobs,
            items,
            suppressions,
            pending,
            pending_count,
            timeline,
            recent,
        } = records;
        self.messages.trim(messages);
        self.contents.trim(contents);
        self.aliases.trim(aliases);
        self.items.trim(items);
        self.suppressions.trim(suppressions);
        blobs.clear();
        (*pending, *pending_count, *timeline, *recent) = (None, None, None, None);
    }

    /// Puts what was decided over what was read.
    pub(super) fn apply(&self, records: &mut Records) {
        self.messages.apply(&mut records.messages);
        self.contents.apply(&mut records.contents);
        self.aliases.apply(&mut records.aliases);
        self.items.apply(&mut records.items);
        self.suppressions.apply(&mut records.suppressions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of it between commands.
    fn rest(overlay: &Overlay) -> Records {
        let mut records = Records::default();
        overlay.apply(&mut records);
        records
    }

    const ID: MessageId = MessageId::from_bytes([7; 16]);

    fn content(text: &str) -> Option<Content> {
        Some(Content { text: Some(text.into()), ..Content::default() })
    }

    fn changes(text: &str) -> Changes {
        Changes {
            messages: vec![(ID, None)],
            contents: vec![(ID, content(text))],
            aliases: vec![("crm-1".into(), Some(ContactId::from_bytes([1; 16])))],
            ..Changes::default()
        }
    }

    #[test]
    fn what_was_decided_wins_over_what_a_read_found_until_its_last_commit_is_durable() {
        let mut overlay = Overlay::default();
        let mut records = Records::default();
        let first = overlay.lay(changes("first"), &mut records);
        let second = overlay.lay(changes("second"), &mut records);
        assert_eq!(records.contents.get(&ID), Some(&content("second")));
        overlay.committed(&first);
        overlay.forget_durable(|_| false);
        let mut read = Records::default();
        read.contents.insert(ID, content("before both"));
        read.aliases.insert("crm-1".into(), None);
        overlay.apply(&mut read);
        assert_eq!(read.contents.get(&ID), Some(&content("second")));
        assert_eq!(read.aliases.get("crm-1"), Some(&Some(ContactId::from_bytes([1; 16]))));
        overlay.committed(&second);
        overlay.forget_durable(|_| false);
        let left = rest(&overlay);
        assert!(left.messages.is_empty() && left.contents.is_empty() && left.aliases.is_empty());
    }

    #[test]
    fn a_message_that_is_wanted_soon_stays_as_it_was_decided() {
        let mut overlay = Overlay::default();
        let changed = overlay.lay(changes("sent"), &mut Records::default());
        overlay.committed(&changed);
        overlay.forget_durable(|id| id == ID);
        let left = rest(&overlay);
        assert_eq!((left.messages.get(&ID), left.contents.len()), (Some(&None), 0));
        overlay.forget_durable(|_| false);
        assert!(rest(&overlay).messages.is_empty());
    }

    #[test]
    fn a_message_that_was_wanted_goes_when_its_last_commit_is_durable() {
        let mut overlay = Overlay::default();
        let sent = overlay.lay(changes("sent"), &mut Records::default());
        overlay.forget_message(ID);
        assert!(rest(&overlay).messages.contains_key(&ID), "a read would find what was before");
        overlay.committed(&sent);
        overlay.forget_message(ID);
        let left = rest(&overlay);
        assert!(left.messages.is_empty());
        assert!(left.contents.contains_key(&ID), "a message alone was asked to go");
    }

    #[test]
    fn what_is_durable_stays_while_a_read_that_began_before_is_under_way() {
        let mut overlay = Overlay::default();
        let changed = overlay.lay(changes("new"), &mut Records::default());
        overlay.committed(&changed);
        // No `forget_durable`: a read is under way, and it may have found the old one.
        assert_eq!(rest(&overlay).contents.get(&ID), Some(&content("new")));
    }

    #[test]
    fn a_commit_that_is_durable_takes_along_what_it_changed_and_nothing_else() {
        let (other, mut overlay, mut records) =
            (MessageId::from_bytes([8; 16]), Overlay::default(), Records::default());
        let first = overlay.lay(changes("first"), &mut records);
        let later = overlay.lay(Changes { messages: vec![(other, None)], ..Changes::default() }, &mut records);
        let again = overlay.lay(Changes { contents: vec![(ID, content("again"))], ..Changes::default() }, &mut records);
        overlay.committed(&first);
        overlay.forget(&first, &mut records, |_| false);
        assert_eq!(records.messages.keys().collect::<Vec<_>>(), [&other]);
        assert_eq!(records.contents.get(&ID), Some(&content("again")), "a later commit of it is open");
        overlay.committed(&later);
        overlay.forget(&later, &mut records, |id| id == other);
        assert!(records.messages.contains_key(&other), "it is wanted soon");
        overlay.committed(&again);
        overlay.forget(&again, &mut records, |_| false);
        records.messages.insert(ID, None);
        records.pending_count = Some(1);
        overlay.trim(&mut records);
        assert_eq!(records.messages.keys().collect::<Vec<_>>(), [&other]);
        assert!(records.contents.is_empty() && records.pending_count.is_none());
    }
}
