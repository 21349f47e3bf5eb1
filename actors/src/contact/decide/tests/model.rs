//! A store of maps, and which entries its records stand for.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::domain::address::Channel;
use crate::domain::audit::AuditEntry;
use crate::domain::conversation::ThreadItem;
use crate::domain::message::{Message, State, StateName};
use crate::domain::suppression::Suppression;
use crate::store::keys::{AttentionMember, HeldMember};
use crate::store::{Counter, Index, Key, Member, Mutation, Score, Table, codec, keys};

/// What a store holds.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) records: BTreeMap<(Table, Key), Bytes>,
    pub(super) index: BTreeSet<(Index, Score, Member)>,
    pub(super) counters: BTreeMap<Counter, i64>,
}

impl Model {
    pub(super) fn apply(&mut self, mutations: &[Mutation]) {
        for mutation in mutations.iter().cloned() {
            match mutation {
                Mutation::Put(table, key, value) => drop(self.records.insert((table, key), value)),
                Mutation::Delete(table, key) => drop(self.records.remove(&(table, key))),
                Mutation::Index(index, score, member) => {
                    let twin = self.index.iter().find(|(i, s, m)| *i == index && *m == member && *s != score);
                    assert!(twin.is_none(), "a member would stand twice in {index:?}");
                    self.index.insert((index, score, member));
                }
                Mutation::Unindex(index, score, member) => drop(self.index.remove(&(index, score, member))),
                Mutation::Move(..) => panic!("a contact knows what it removes"),
                Mutation::Add(counter, by) => *self.counters.entry(counter).or_default() += by,
            }
        }
    }

    pub(super) fn items(&self) -> Vec<ThreadItem> {
        let items = self.records.iter().filter(|((table, _), _)| *table == Table::Item);
        items.map(|(_, bytes)| codec::decode(bytes).unwrap()).collect()
    }

    pub(super) fn suppressions(&self) -> Vec<(Key, Suppression)> {
        let found = self.records.iter().filter(|((table, _), _)| *table == Table::Suppression);
        found.map(|((_, key), bytes)| (key.clone(), codec::decode(bytes).unwrap())).collect()
    }

    pub(super) fn audit(&self) -> Vec<AuditEntry> {
        let found = self.records.iter().filter(|((table, _), _)| *table == Table::Audit);
        found.map(|(_, bytes)| codec::decode(bytes).unwrap()).collect()
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        let messages = self.records.iter().filter(|((table, _), _)| *table == Table::Message);
        messages.map(|(_, bytes)| codec::decode(bytes).unwrap()).collect()
    }
}

/// Where a message must stand, restated state by state. Its due entry apart: that one may be parked.
pub(super) fn expected_entries(message: &Message) -> Vec<(Index, Score, Member)> {
    let Message { id, contact, account, due_at, since, .. } = *message;
    let member = keys::message_member(id);
    let pending = (Index::Pending(contact), due_at, member.clone());
    let timeline = (Index::Timeline(contact), since, member);
    let attention = |state| {
        let member = AttentionMember { state, message: id, contact }.encode().unwrap();
        (Index::Attention(account), since, member)
    };
    match message.state {
        // A notice is in no list but that of dead letters.
        State::Failed if message.channel == Channel::Webhook => vec![attention(StateName::Failed)],
        _ if message.channel == Channel::Webhook => Vec::new(),
        State::Scheduled | State::Sending(_) => vec![pending],
        State::Held => vec![
            pending,
            (Index::Held(account), since, HeldMember { message: id, contact }.encode()),
            attention(StateName::Held),
        ],
        State::Uncertain => vec![pending, attention(StateName::Uncertain)],
        State::Failed => vec![timeline, attention(StateName::Failed)],
        _ => vec![timeline],
    }
}
