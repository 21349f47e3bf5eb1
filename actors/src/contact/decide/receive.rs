//! The contact wrote: an item of the thread, and what follows from it.
//!
//! The item's id is derived from the provider's or the mail's own id, so that a message that is delivered twice is
//! kept once. An address that no contact has makes one: a conversation that nobody is assigned to, never an error.

use super::profile::made;
use super::sweep::Sweep;
use super::{Decision, Known, Surroundings, activity, threads, track};
use crate::contact::command::{Answer, ContactCommand, Received};
use crate::contact::decision::Effect;
use crate::contact::entries::change_item;
use crate::domain::address::{Address, Channel};
use crate::domain::contact::{Contact, ContactEmail, ContactPhone, LastUsed, Life, Merges, Profile};
use crate::domain::conversation::{Conversation, Inbound, ItemKind, ThreadEvent, ThreadItem};
use crate::domain::ids::{AccountNo, ContactId, MessageId};
use crate::domain::message::{BlobKey, Message, StateName};
use crate::domain::threading::ThreadedMail;
use crate::protocol::api::EngineError;
use crate::protocol::events::{EventKind, Happened};
use crate::store::keys::{self, TimelineMember};
use crate::store::{Mutation, Table};

pub(super) fn receive(known: &Known<'_>, received: Received, around: &Surroundings<'_>) -> Decision {
    let Received { account, item: id, mut inbound, blobs, name, candidates } = received;
    let (old, mut contact) = match known.contact {
        Some(contact) if contact.account != account => return Decision::answer(Err(EngineError::NotFound)),
        Some(contact) if contact.is_deleted() => return Decision::answer(Err(super::profile::being_deleted())),
        Some(contact) if !contact.is_live() => return Decision::answer(Err(super::merging::refusal(contact))),
        Some(contact) => (Some(contact), contact.clone()),
        None => (None, unknown(known.id, account, &inbound.from, name, around)),
    };
    if let Some(Some(_)) = known.records.items.get(&id) {
        return Decision::answer(Ok(Answer::Received { item: id, is_new: false }));
    }
    inbound.in_reply_to = match inbound.channel {
        Channel::Email => candidates.into_iter().find(|candidate| exists(known, *candidate)),
        Channel::Sms => last_between(known, &inbound),
        Channel::Webhook => None,
    };
    let now = around.now;
    let conversation = &mut contact.conversation;
    conversation.touch(inbound.channel, now);
    if !inbound.is_automatic {
        conversation.unread = conversation.unread.saturating_add(1);
        conversation.last_inbound_at.insert(inbound.channel, now);
    }
    if let Some(last) = contact.last_used_mut(inbound.channel) {
        *last = LastUsed { address: Some(inbound.from.clone()), sender: inbound.sender.or(last.sender) };
    }

    if inbound.channel == Channel::Email && !inbound.is_automatic {
        let mail = ThreadedMail {
            id: inbound.message_id.clone(),
            ancestors: inbound.references.clone(),
            subject: inbound.content.subject().unwrap_or_default().to_owned(),
        };
        threads::note_received(&mut contact, &mail, id);
    }

    let (is_automatic, answered) = (inbound.is_automatic, inbound.in_reply_to);
    let item = ThreadItem { id, account, contact: known.id, version: 1, at: now, kind: ItemKind::Inbound(inbound) };
    let kind = if old.is_none() { EventKind::ContactCreated } else { EventKind::ContactUpdated };
    let learned = if is_automatic { None } else { activity::note(&mut contact, around) };
    let mut decision = made(old, contact, kind);
    decision.effects.extend(learned);
    for (number, bytes) in blobs {
        decision.mutations.push(Mutation::Put(Table::Blob, keys::blob(BlobKey { message: id, number }), bytes));
    }
    if let Some(answered) = answered.filter(|_| !is_automatic) {
        track::replied(known, answered, &mut decision, around);
    }
    change_item(&mut decision.mutations, None, Some(&item));
    decision.items.push((id, Some(item.into())));
    decision.reply(Ok(Answer::Received { item: id, is_new: true }));
    decision.effects.push(Effect::Publish(Happened {
        at: now,
        kind: EventKind::MessageReceived,
        contact: known.id,
        message: None,
        item: Some(id),
    }));
    if !is_automatic {
        // The last check knows already; this tidies up what is far from due.
        let sweep = Sweep::Replied { at: now };
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::CancelPending(sweep, None))));
    }
    decision
}

/// Something happened that belongs into the thread.
pub(super) fn happened(
    known: &Known<'_>,
    account: AccountNo,
    id: MessageId,
    event: ThreadEvent,
    around: &Surroundings<'_>,
) -> Decision {
    let is_live = known.contact.is_some_and(|contact| contact.account == account && contact.is_live());
    if !is_live || matches!(known.records.items.get(&id), Some(Some(_))) {
        return Decision::default().done();
    }
    let item = ThreadItem { id, account, contact: known.id, version: 1, at: around.now, kind: ItemKind::Event(event) };
    let mut decision = Decision::default();
    change_item(&mut decision.mutations, None, Some(&item));
    decision.items.push((id, Some(item.into())));
    decision.effects.push(Effect::Publish(Happened {
        at: around.now,
        kind: EventKind::ConversationUpdated,
        contact: known.id,
        message: None,
        item: Some(id),
    }));
    decision.done()
}

/// A contact for an address that none has.
fn unknown(
    id: ContactId,
    account: AccountNo,
    from: &Address,
    name: Option<String>,
    around: &Surroundings<'_>,
) -> Contact {
    let mut profile = Profile { name, ..Profile::default() };
    match from {
        Address::Email(address) => {
            profile.emails.push(ContactEmail { address: address.clone(), label: None, primary: true });
        }
        Address::Phone(number) => {
            profile.phones.push(ContactPhone { number: number.clone(), label: None, primary: true });
        }
        Address::Url(_) => {}
    }
    Contact {
        id,
        account,
        version: 1,
        life: Life::Live,
        profile,
        last_email: LastUsed::default(),
        last_sms: LastUsed::default(),
        conversation: Conversation { is_unknown: true, ..Conversation::default() },
        merges: Merges::default(),
        created_at: around.now,
        updated_at: around.now,
        request_hash: None,
        habit: None,
        sent: Vec::new(),
    }
}

fn message_of<'a>(known: &Known<'a>, id: MessageId) -> Option<&'a Message> {
    known.records.messages.get(&id).and_then(Option::as_deref).filter(|message| message.contact == known.id)
}

fn inbound_of<'a>(known: &Known<'a>, id: MessageId) -> Option<&'a Inbound> {
    match known.records.items.get(&id).and_then(Option::as_deref).map(|item| &item.kind) {
        Some(ItemKind::Inbound(inbound)) => Some(inbound),
        _ => None,
    }
}

fn exists(known: &Known<'_>, id: MessageId) -> bool {
    message_of(known, id).is_some() || inbound_of(known, id).is_some()
}

/// An SMS names no other: it answers the last one between the two numbers.
fn last_between(known: &Known<'_>, inbound: &Inbound) -> Option<MessageId> {
    let is_handed_over = |message: &Message| {
        matches!(
            message.state.name(),
            StateName::Submitted | StateName::Delivered | StateName::Undelivered | StateName::Bounced
        )
    };
    let recent = known.records.recent.iter().flatten();
    recent.filter_map(|entry| TimelineMember::decode(&entry.member).ok()).find_map(|member| match member {
        TimelineMember::Message(id) => message_of(known, id)
            .filter(|message| message.to == inbound.from && Some(message.sender) == inbound.sender)
            .filter(|message| is_handed_over(message))
            .map(|message| message.id),
        TimelineMember::Item(id) => {
            inbound_of(known, id).filter(|other| other.from == inbound.from && other.to == inbound.to).map(|_| id)
        }
    })
}
