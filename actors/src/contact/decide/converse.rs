//! People at work on a conversation: read, assigned, notes.

use super::{Decision, Known, Surroundings, live, or_refuse};
use crate::contact::command::{Answer, Attend};
use crate::contact::decision::Effect;
use crate::contact::entries::change_item;
use crate::domain::conversation::{ItemKind, Note, ThreadItem};
use crate::domain::ids::MessageId;
use crate::protocol::api::Caller;
use crate::protocol::events::{EventKind, Happened};

pub(super) fn attend(known: &Known<'_>, caller: &Caller, attend: Attend, around: &Surroundings<'_>) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    let mut next = contact.clone();
    if let Some(is_read) = attend.is_read {
        let unread = next.conversation.unread;
        next.conversation.unread = if is_read { 0 } else { unread.max(1) };
    }
    if let Some(user) = attend.assigned_to {
        next.conversation.assigned_to = user;
        // Somebody looks after it now.
        next.conversation.is_unknown &= user.is_none();
    }
    let mut decision = Decision::default();
    if next.conversation != contact.conversation {
        decision.put_contact(Some(contact), next.clone());
        decision.effects.push(Effect::Publish(Happened {
            at: around.now,
            kind: EventKind::ConversationUpdated,
            contact: contact.id,
            message: None,
            item: None,
        }));
    }
    decision.reply(Ok(Answer::Contact(Box::new(next))));
    decision
}

pub(super) fn note(
    known: &Known<'_>,
    caller: &Caller,
    id: MessageId,
    text: String,
    around: &Surroundings<'_>,
) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    if let Some(Some(item)) = known.records.items.get(&id) {
        return Decision::answer(Ok(Answer::Item(Box::new(ThreadItem::clone(item)), false)));
    }
    let item = ThreadItem {
        id,
        account: contact.account,
        contact: contact.id,
        version: 1,
        at: around.now,
        kind: ItemKind::Note(Note { text, by: caller.author }),
    };
    let mut decision = Decision { is_growth: true, ..Decision::default() };
    change_item(&mut decision.mutations, None, Some(&item));
    decision.items.push((id, Some(item.clone().into())));
    decision.effects.push(Effect::Publish(Happened {
        at: around.now,
        kind: EventKind::NoteCreated,
        contact: contact.id,
        message: None,
        item: Some(id),
    }));
    decision.reply(Ok(Answer::Item(Box::new(item), true)));
    decision
}
