//! What stands in the store is what its records stand for: restated here, and held against after every decision.

use std::collections::BTreeSet;

use super::world::*;
use crate::contact::decide::{blobs_of, blobs_of_item};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::message::{BlobKey, State};
use crate::domain::ticket::{Ticket, TicketKind};
use crate::store::{Counter, Index, Member, Score, Table, keys};

impl World {
    /// Holds the store against what its records stand for.
    pub(super) fn check(&self) {
        let messages = self.model.messages();
        let contact = self.contact();
        let is_due = |index: &Index| matches!(index, Index::Due | Index::Waiting(..));
        let is_of_contact =
            |score: &Score, member: &Member| Ticket::from_entry(*score, member).unwrap().kind() != TicketKind::Message;
        let mut due: Vec<_> = self.model.index.iter().filter(|(index, ..)| is_due(index)).collect();
        due.retain(|(_, score, member)| !is_of_contact(score, member));
        let mut due: Vec<_> = due.into_iter().map(|(_, score, member)| (*score, member.to_vec())).collect();
        due.sort();
        let waiting = messages.iter().filter(|message| match message.state {
            State::Scheduled | State::Sending(_) => true,
            // Tells when to forget it.
            State::Failed => message.channel == Channel::Webhook,
            _ => false,
        });
        let mut wanted: Vec<_> =
            waiting.map(|message| (message.due_at, Ticket::of_message(message).member().to_vec())).collect();
        wanted.sort();
        assert_eq!(due, wanted, "due entries");

        let others = self.model.index.iter().filter(|(index, ..)| !is_due(index)).cloned();
        let mut wanted: BTreeSet<_> = messages.iter().flat_map(expected_entries).collect();
        if let Some(contact) = contact.as_ref().filter(|contact| contact.is_live()) {
            wanted.insert((Index::Contacts(ACCOUNT), contact.created_at, keys::contact_member(CONTACT)));
            let active = contact.conversation.last_activity_at;
            wanted.extend(active.map(|at| (Index::Inbox(ACCOUNT), at, keys::contact_member(CONTACT))));
            for term in contact.profile.search_terms() {
                let member = keys::SearchMember { term, contact: CONTACT }.encode().unwrap();
                wanted.insert((Index::Search(ACCOUNT), UnixMs(0), member));
            }
        }
        let items = self.model.items();
        wanted.extend(
            items.iter().map(|item| (Index::Timeline(CONTACT), item.at, keys::TimelineMember::Item(item.id).encode())),
        );
        // Under the record's own digest: its address may have been erased.
        wanted.extend(self.model.suppressions().iter().map(|(key, found)| {
            let digest = key[4..].try_into().unwrap();
            (Index::Suppressions(ACCOUNT), found.since, keys::suppression_member(digest))
        }));
        wanted.extend(self.model.audit().iter().map(|entry| {
            let member = keys::AuditMember { entry: entry.id, partition: PARTITION }.encode();
            (Index::Audit(entry.account), entry.at, member)
        }));
        assert_eq!(others.collect::<BTreeSet<_>>(), wanted, "entries");

        let blobs = self.model.records.keys().filter(|(table, _)| *table == Table::Blob).map(|(_, key)| key.clone());
        let wanted = messages.iter().flat_map(|message| {
            blobs_of(message).map(|number| keys::blob(BlobKey { message: message.id, number })).collect::<Vec<_>>()
        });
        let of_items = items.iter().flat_map(|item| {
            blobs_of_item(item).map(|number| keys::blob(BlobKey { message: item.id, number })).collect::<Vec<_>>()
        });
        let wanted = wanted.chain(of_items);
        let (blobs, wanted) = (blobs.collect::<BTreeSet<_>>(), wanted.collect::<BTreeSet<_>>());
        assert_eq!(blobs.difference(&wanted).count(), 0, "blobs without a message");
        assert_eq!(wanted.difference(&blobs).count(), self.lost_blobs, "blobs");

        let counter = |counter| self.model.counters.get(&counter).copied().unwrap_or(0);
        let pending = messages.iter().filter(|message| message.channel != Channel::Webhook);
        let pending = pending.filter(|message| message.state.name().is_pending()).count();
        assert_eq!(counter(Counter::Pending), pending as i64, "pending messages");
        assert_eq!(counter(Counter::Contacts), i64::from(contact.is_some_and(|contact| contact.is_live())));
    }
}
