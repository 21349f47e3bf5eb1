//! Which index entries a record stands for, and the mutations between two versions of it.
//!
//! Entries are a pure function of the record. So no change can forget one: a decision makes the new
//! record, and the difference of the two entry sets is what the batch removes and adds.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::conversation::ThreadItem;
use crate::domain::message::{Message, StateName};
use crate::domain::suppression::Suppression;
use crate::domain::ticket::Ticket;
use crate::store::keys::{self, AddressDigest, AttentionMember, HeldMember, SearchMember, TimelineMember};
use crate::store::{Counter, Index, Member, Mutation, Score, Table, codec};

type EntryOf = (Index, Score, Member);

/// Where the due entry of the old version may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueEntry {
    /// In `due`: the ticket came from there.
    InDue,
    /// In one of the two; removing what is not there does nothing.
    Somewhere,
}

impl DueEntry {
    /// Where a message's entry stands, as far as its ticket tells. One that an edit has made another ticket since
    /// tells nothing.
    #[must_use]
    pub fn behind(ticket: &Ticket, message: &Message) -> Self {
        let is_plain = !ticket.may_be_parked() && ticket.member() == Ticket::of_message(message).member();
        if is_plain { Self::InDue } else { Self::Somewhere }
    }
}

/// Whether it is a notice: it stands in no list of messages, and is not counted with them.
fn is_notice(message: &Message) -> bool {
    message.channel == Channel::Webhook
}

/// The entries of a message, apart from its due entry.
fn entries(message: &Message) -> SmallVec<[EntryOf; 4]> {
    let state = message.state.name();
    let mut out = SmallVec::new();
    if is_notice(message) {
        // A dead letter alone is shown.
    } else if state.is_pending() {
        out.push((Index::Pending(message.contact), message.due_at, keys::message_member(message.id)));
    } else {
        out.push((Index::Timeline(message.contact), message.since, keys::message_member(message.id)));
    }
    if state == StateName::Held {
        out.push((
            Index::Held(message.account),
            message.since,
            HeldMember { message: message.id, contact: message.contact }.encode(),
        ));
    }
    let attention = AttentionMember { state, message: message.id, contact: message.contact };
    out.extend(attention.encode().map(|member| (Index::Attention(message.account), message.since, member)));
    out
}

/// The ticket whose entry a message has in `due` (or in `waiting`). A notice that was given up has one, too: it says
/// when to forget it.
pub(super) fn due_ticket(message: &Message) -> Option<Ticket> {
    let state = message.state.name();
    let is_dead_notice = state == StateName::Failed && is_notice(message);
    (state.is_due_indexed() || is_dead_notice).then(|| Ticket::of_message(message))
}

fn unindex_due(out: &mut Vec<Mutation>, ticket: &Ticket, at: DueEntry) {
    let member = Member::from_slice(&ticket.member());
    out.push(Mutation::Unindex(Index::Due, ticket.due_at, member.clone()));
    if at != DueEntry::InDue {
        out.push(Mutation::Unindex(Index::Waiting(ticket.lane, ticket.class()), ticket.due_at, member));
    }
}

/// The mutations that take a message from one version to the next (`None`: it is not there).
pub fn change_message(out: &mut Vec<Mutation>, old: Option<&Message>, new: Option<&Message>, due: DueEntry) {
    let (old_due, new_due) = (old.and_then(due_ticket), new.and_then(due_ticket));
    if let Some(message) = new {
        out.push(Mutation::Put(Table::Message, keys::message(message.id), codec::encode(message)));
    } else if let Some(message) = old {
        out.push(Mutation::Delete(Table::Message, keys::message(message.id)));
    }
    if old_due != new_due {
        if let Some(ticket) = &old_due {
            unindex_due(out, ticket, due);
        }
        if let Some(ticket) = &new_due {
            out.push(Mutation::Index(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
        }
    }
    let old_entries = old.map(entries).unwrap_or_default();
    let new_entries = new.map(entries).unwrap_or_default();
    for (index, score, member) in old_entries.iter().filter(|entry| !new_entries.contains(entry)) {
        out.push(Mutation::Unindex(*index, *score, member.clone()));
    }
    for (index, score, member) in new_entries.iter().filter(|entry| !old_entries.contains(entry)) {
        out.push(Mutation::Index(*index, *score, member.clone()));
    }
    let counts = |message: &Message| message.state.name().is_pending() && !is_notice(message);
    let pending = |message: Option<&Message>| i64::from(message.is_some_and(counts));
    let difference = pending(new) - pending(old);
    if difference != 0 {
        out.push(Mutation::Add(Counter::Pending, difference));
    }
}

/// Removes the entry behind a ticket whose message is no longer due then.
pub fn drop_stale_entry(out: &mut Vec<Mutation>, ticket: &Ticket) {
    unindex_due(out, ticket, DueEntry::Somewhere);
}

/// The mutations that take an item of a thread from one version to the next. Its entry only moves with its time.
pub fn change_item(out: &mut Vec<Mutation>, old: Option<&ThreadItem>, new: Option<&ThreadItem>) {
    let member = |item: &ThreadItem| TimelineMember::Item(item.id).encode();
    match (old, new) {
        (old, Some(item)) => {
            out.push(Mutation::Put(Table::Item, keys::item(item.id), codec::encode(item)));
            let stood = old.map(|old| old.at);
            if stood != Some(item.at) {
                out.extend(old.map(|old| Mutation::Unindex(Index::Timeline(old.contact), old.at, member(old))));
                out.push(Mutation::Index(Index::Timeline(item.contact), item.at, member(item)));
            }
        }
        (Some(item), None) => {
            out.push(Mutation::Delete(Table::Item, keys::item(item.id)));
            out.push(Mutation::Unindex(Index::Timeline(item.contact), item.at, member(item)));
        }
        (None, None) => {}
    }
}

/// The mutations that take a suppressed address from one version to the next.
pub fn change_suppression(
    out: &mut Vec<Mutation>,
    digest: AddressDigest,
    old: Option<&Suppression>,
    new: Option<&Suppression>,
) {
    let Some(account) = old.or(new).map(|suppression| suppression.account) else { return };
    let key = keys::suppression(account, digest);
    match new {
        Some(new) => out.push(Mutation::Put(Table::Suppression, key, codec::encode(new))),
        None => out.push(Mutation::Delete(Table::Suppression, key)),
    }
    let (had, has) = (old.map(|old| old.since), new.map(|new| new.since));
    if had != has {
        let (index, member) = (Index::Suppressions(account), keys::suppression_member(digest));
        out.extend(had.map(|since| Mutation::Unindex(index, since, member.clone())));
        out.extend(has.map(|since| Mutation::Index(index, since, member)));
    }
}

/// The mutations that take a contact from one version to the next.
pub fn change_contact(out: &mut Vec<Mutation>, old: Option<&Contact>, new: Option<&Contact>) {
    match (old, new) {
        (_, Some(contact)) => {
            let value: Bytes = codec::encode(contact);
            out.push(Mutation::Put(Table::Contact, keys::contact(contact.id), value));
        }
        (Some(contact), None) => out.push(Mutation::Delete(Table::Contact, keys::contact(contact.id))),
        (None, None) => {}
    }
    let is_found_alike = old.zip(new).is_some_and(|(old, new)| {
        old.is_live() == new.is_live() && old.account == new.account && old.profile == new.profile
    });
    let entries = |contact| contact_entries(contact, !is_found_alike);
    let old_entries = old.map(entries).unwrap_or_default();
    let new_entries = new.map(entries).unwrap_or_default();
    for (index, score, member) in old_entries.iter().filter(|entry| !new_entries.contains(entry)) {
        out.push(Mutation::Unindex(*index, *score, member.clone()));
    }
    for (index, score, member) in new_entries.iter().filter(|entry| !old_entries.contains(entry)) {
        out.push(Mutation::Index(*index, *score, member.clone()));
    }
    let live = |contact: Option<&Contact>| i64::from(contact.is_some_and(|contact| contact.is_live()));
    let difference = live(new) - live(old);
    if difference != 0 {
        out.push(Mutation::Add(Counter::Contacts, difference));
    }
}

/// A tombstone and a contact that is merged have none: from that commit on no list and no search shows them. Those by
/// which it is found are dear to make, and follow from its profile alone.
fn contact_entries(contact: &Contact, with_search: bool) -> Vec<EntryOf> {
    if !contact.is_live() {
        return Vec::new();
    }
    let mut out = vec![(Index::Contacts(contact.account), contact.created_at, keys::contact_member(contact.id))];
    let active = contact.conversation.last_activity_at;
    out.extend(active.map(|at| (Index::Inbox(contact.account), at, keys::contact_member(contact.id))));
    if !with_search {
        return out;
    }
    out.extend(contact.profile.search_terms().into_iter().filter_map(|term| {
        let member = SearchMember { term, contact: contact.id }.encode()?;
        Some((Index::Search(contact.account), UnixMs(0), member))
    }));
    out
}
