//! Email threads: which mail an email answers, decided when it is handed over, from the conversation as it is then.

use super::{Known, Surroundings};
use crate::domain::address::{Channel, EmailAddress};
use crate::domain::contact::Contact;
use crate::domain::conversation::{EmailThread, ItemKind};
use crate::domain::directory::SenderAddress;
use crate::domain::ids::MessageId;
use crate::domain::message::{Class, Content, Message, MessageThread, ReplyChoice};
use crate::domain::reply_address::ReplyTo;
use crate::domain::threading::{MailId, References, Reply, ThreadedMail};

/// Joins an email to the thread that it goes on with, at its first claim, and gives it that one's subject if it has
/// none. Whether its content was completed so.
pub(super) fn join(
    known: &Known<'_>,
    contact: &Contact,
    message: &mut Message,
    from: &SenderAddress,
    content: &mut Content,
) -> bool {
    let SenderAddress::Email(mailbox) = from else { return false };
    if message.thread.is_some() {
        return false;
    }
    let id = MailId::parse(&message.email_message_id(mailbox.address.domain())).ok();
    let Some((reply, entry)) = answered(known, contact, message) else {
        message.thread = Some(MessageThread { id, in_reply_to: None, references: References::default(), entry: None });
        return false;
    };
    let Reply { in_reply_to, references, subject } = reply;
    message.thread = Some(MessageThread { id, in_reply_to, references, entry: Some(entry) });
    let lacks_subject = content.subject.as_deref().is_none_or(|subject| subject.trim().is_empty());
    if lacks_subject {
        content.subject = Some(subject);
    }
    lacks_subject
}

/// The headers of the answer, and what is answered.
fn answered(known: &Known<'_>, contact: &Contact, message: &Message) -> Option<(Reply, MessageId)> {
    match message.reply {
        ReplyChoice::None => None,
        ReplyChoice::Last if message.class == Class::Campaign => None,
        ReplyChoice::Last => contact.conversation.email.as_ref().map(|thread| (thread.head.reply(), thread.newest)),
        ReplyChoice::To(id) => mail_of(known, id).map(|mail| (mail.reply(), id)),
    }
}

/// The headers of a mail of this thread: a message of ours that went out, or a received one.
fn mail_of(known: &Known<'_>, id: MessageId) -> Option<ThreadedMail> {
    if let Some(Some(message)) = known.records.messages.get(&id) {
        return Some(sent(message)).filter(|_| message.contact == known.id && message.channel == Channel::Email);
    }
    match known.records.items.get(&id).and_then(Option::as_deref).map(|item| &item.kind) {
        Some(ItemKind::Inbound(inbound)) if inbound.channel == Channel::Email => Some(ThreadedMail {
            id: inbound.message_id.clone(),
            ancestors: inbound.references.clone(),
            subject: inbound.content.subject().unwrap_or_default().to_owned(),
        }),
        _ => None,
    }
}

fn sent(message: &Message) -> ThreadedMail {
    ThreadedMail {
        id: message.thread.as_ref().and_then(|thread| thread.id.clone()),
        ancestors: message.thread.as_ref().map(|thread| thread.references.clone()).unwrap_or_default(),
        subject: message.content.subject().unwrap_or_default().to_owned(),
    }
}

/// Whether this is an entry that an email can answer.
pub(super) fn is_mail(known: &Known<'_>, id: MessageId) -> bool {
    mail_of(known, id).is_some()
}

/// The conversation goes on with a mail that was sent; a campaign's is no part of it.
pub(super) fn note_sent(contact: &mut Contact, message: &Message) {
    if message.channel != Channel::Email || message.class == Class::Campaign {
        return;
    }
    let begins = message.thread.as_ref().is_none_or(|thread| thread.entry.is_none());
    EmailThread::advance(&mut contact.conversation.email, &sent(message), message.id, begins);
}

/// The conversation goes on with a mail that came in, or begins with one that belongs to none.
pub(super) fn note_received(contact: &mut Contact, mail: &ThreadedMail, item: MessageId) {
    let thread = &mut contact.conversation.email;
    let begins = thread.as_ref().is_none_or(|thread| !thread.head.continues(mail));
    EmailThread::advance(thread, mail, item, begins);
}

/// The signed address that answers go to, where the installation takes mail in.
pub(super) fn reply_to(contact: &Contact, message: &Message, around: &Surroundings<'_>) -> Option<EmailAddress> {
    let domain = around.settings.reply_domain.as_deref().filter(|_| message.channel == Channel::Email)?;
    let to = ReplyTo { account: contact.account, contact: contact.id };
    around.reply.address(to, domain).ok()
}
