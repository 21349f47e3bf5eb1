//! Email threads: headers from the conversation as it is at hand-over, the same for every attempt.

use super::receiving::{item_id, mail, receive};
use super::world::*;
use crate::contact::command::{AttemptEnd, Received};
use crate::domain::address::Channel;
use crate::domain::ids::MessageId;
use crate::domain::message::{Class, Content, ReplyChoice};
use crate::domain::threading::References;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::NewMessage;
use crate::sender::transport::Envelope;

fn titled(subject: Option<&str>, reply: ReplyChoice) -> NewMessage {
    let content = Content { subject: subject.map(Into::into), text: Some("hello".into()), ..Content::default() };
    NewMessage { content, reply, ..new_message(Channel::Email) }
}

/// Sends it; its envelope.
fn sent(world: &mut World, new: NewMessage) -> (MessageId, Envelope) {
    let id = world.schedule(new).id;
    let ticket = world.ticket(id);
    let envelope = world.claim(id);
    world.finish(ticket, envelope.attempt, submitted());
    (id, envelope)
}

fn own(id: MessageId) -> String {
    format!("<{id}@example.com>")
}

/// A mail of theirs that answers these.
fn answer_to(n: u8, ids: &[&str], candidates: Vec<MessageId>) -> Received {
    let mut received = mail(n, candidates);
    received.inbound.references = References::read(ids.iter().copied());
    received
}

#[test]
fn a_first_mail_begins_a_conversation_and_the_next_one_answers_it() {
    let mut world = World::new();
    let (first, envelope) = sent(&mut world, titled(Some("Your quote"), ReplyChoice::Last));
    assert_eq!((envelope.in_reply_to, envelope.references), (None, Vec::<String>::new()));
    let (second, envelope) = sent(&mut world, titled(None, ReplyChoice::Last));
    assert_eq!(envelope.in_reply_to, Some(own(first)));
    assert_eq!(envelope.references, [own(first)]);
    assert_eq!(envelope.content.subject.as_deref(), Some("Re: Your quote"));
    assert_eq!(world.message(second).content.subject(), Some("Re: Your quote"), "what was sent is what is kept");
    let (_, envelope) = sent(&mut world, titled(Some("Re: Your quote"), ReplyChoice::Last));
    assert_eq!(envelope.references, [own(first), own(second)]);
}

#[test]
fn the_headers_come_from_the_thread_as_it_is_at_hand_over() {
    let mut world = World::new();
    let (first, _) = sent(&mut world, titled(Some("Your quote"), ReplyChoice::Last));
    let waiting = world.schedule(titled(None, ReplyChoice::Last)).id;
    receive(&mut world, answer_to(1, &[&own(first)], vec![first]));
    let envelope = world.claim(waiting);
    assert_eq!(envelope.in_reply_to.as_deref(), Some("<1@example.com>"));
    assert_eq!(envelope.references, [own(first), "<1@example.com>".into()]);
    assert_eq!(world.message(waiting).thread.unwrap().entry, Some(item_id(1)));
}

#[test]
fn every_attempt_says_the_same_whatever_comes_in_between() {
    let mut world = World::new();
    let (first, _) = sent(&mut world, titled(Some("Your quote"), ReplyChoice::Last));
    let id = world.schedule(titled(None, ReplyChoice::Last)).id;
    let ticket = world.ticket(id);
    let before = world.claim(id);
    let busy = AttemptEnd::Judged(Verdict::Transient(Failure::provider("busy", "try later")));
    world.finish(ticket, before.attempt, busy);
    receive(&mut world, answer_to(1, &[&own(first)], vec![first]));
    world.now = world.message(id).due_at;
    let after = world.claim(id);
    assert_eq!((after.in_reply_to, after.references), (before.in_reply_to, before.references));
    assert_eq!(after.content, before.content);
}

#[test]
fn a_mail_answers_the_one_that_was_named_or_none() {
    let mut world = World::new();
    let (first, _) = sent(&mut world, titled(Some("One"), ReplyChoice::Last));
    sent(&mut world, titled(Some("Two"), ReplyChoice::None));
    let (_, envelope) = sent(&mut world, titled(None, ReplyChoice::To(first)));
    assert_eq!(envelope.in_reply_to, Some(own(first)));
    assert_eq!(envelope.content.subject.as_deref(), Some("Re: One"));
    let (_, envelope) = sent(&mut world, titled(Some("Three"), ReplyChoice::None));
    assert_eq!((envelope.in_reply_to, envelope.references.len()), (None, 0));
    receive(&mut world, mail(1, Vec::new()));
    let (_, envelope) = sent(&mut world, titled(Some("x"), ReplyChoice::To(item_id(1))));
    assert_eq!(envelope.in_reply_to.as_deref(), Some("<1@example.com>"));
}

#[test]
fn what_is_no_mail_of_this_thread_cannot_be_answered() {
    let mut world = World::new();
    let sms = world.sms();
    for id in [sms, item_id(7)] {
        let decision = world.schedule_as(&caller(), titled(None, ReplyChoice::To(id)));
        assert_eq!(refusals(&decision), [("/reply_to_message".into(), "unknown_message")]);
    }
}

#[test]
fn a_campaigns_mail_is_no_part_of_a_conversation() {
    let mut world = World::new();
    world.set_consent(crate::domain::contact::Consent::Granted);
    let (first, _) = sent(&mut world, titled(Some("One"), ReplyChoice::Last));
    let newsletter = NewMessage { class: Some(Class::Campaign), ..titled(Some("News"), ReplyChoice::Last) };
    let (_, envelope) = sent(&mut world, newsletter);
    assert_eq!(envelope.in_reply_to, None);
    let (_, envelope) = sent(&mut world, titled(None, ReplyChoice::Last));
    assert_eq!(envelope.in_reply_to, Some(own(first)));
}

#[test]
fn a_mail_of_theirs_that_belongs_to_no_conversation_begins_one() {
    let mut world = World::new();
    sent(&mut world, titled(Some("Your quote"), ReplyChoice::Last));
    receive(&mut world, mail(1, Vec::new()));
    let (_, envelope) = sent(&mut world, titled(None, ReplyChoice::Last));
    assert_eq!(envelope.references, ["<1@example.com>"]);
}

#[test]
fn answers_come_back_to_a_signed_address_where_mail_is_taken_in() {
    let mut world = World::new();
    let (_, envelope) = sent(&mut world, titled(Some("One"), ReplyChoice::Last));
    assert_eq!(envelope.reply_to, None);
    world.settings.reply_domain = Some("in.example.com".into());
    let (_, envelope) = sent(&mut world, titled(Some("Two"), ReplyChoice::Last));
    let address = envelope.reply_to.expect("it names one");
    let to = world.reply.verify(address.as_str()).expect("it is ours");
    assert_eq!((to.account, to.contact), (ACCOUNT, CONTACT));
}
