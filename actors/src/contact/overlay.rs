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

    /// Puts what was decided over what was read.
    pub(super) fn apply(&self, records: &mut Records) {
        self.messages.apply(&mut records.messages);
        self.contents.apply(&mut records.contents);
        self.aliases.apply(&mut records.aliases);
        self.items.apply(&mut records.items);
        self.suppressions.apply(&mut records.suppressions);
    }

    /// All that need be remembered between commands.
    pub(super) fn records(&self) -> Records {
        let mut records = Records::default();
        self.apply(&mut records);
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let rest = overlay.records();
        assert!(rest.messages.is_empty() && rest.contents.is_empty() && rest.aliases.is_empty());
    }

    #[test]
    fn a_message_that_is_wanted_soon_stays_as_it_was_decided() {
        let mut overlay = Overlay::default();
        let changed = overlay.lay(changes("sent"), &mut Records::default());
        overlay.committed(&changed);
        overlay.forget_durable(|id| id == ID);
        let rest = overlay.records();
        assert_eq!((rest.messages.get(&ID), rest.contents.len()), (Some(&None), 0));
        overlay.forget_durable(|_| false);
        assert!(overlay.records().messages.is_empty());
    }

    #[test]
    fn what_is_durable_stays_while_a_read_that_began_before_is_under_way() {
        let mut overlay = Overlay::default();
        let changed = overlay.lay(changes("new"), &mut Records::default());
        overlay.committed(&changed);
        // No `forget_durable`: a read is under way, and it may have found the old one.
        assert_eq!(overlay.records().contents.get(&ID), Some(&content("new")));
    }
}
