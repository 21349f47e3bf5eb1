//! Index entries: a pure function of the record, and changes that forget none and leave none.

use std::time::Duration;

use proptest::prelude::*;

use super::model::{Model, expected_entries};
use super::world::*;
use crate::contact::command::{Answer, AttemptEnd, ContactCommand};
use crate::contact::entries::{DueEntry, change_message};
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::contact::Consent;
use crate::domain::ids::{BootId, LaneNo, MessageId};
use crate::domain::message::tests::EACH_STATE;
use crate::domain::message::{Class, Content, Message, State};
use crate::domain::ticket::Ticket;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{MessageEdit, NewIntent, NewMessage, Resolve};
use crate::sender::Release;
use crate::store::{Counter, Index, Member, Mutation};

/// Everything that a version of a message has in the indexes, and what it counts for.
fn all_of(message: Option<&Message>, parked: bool) -> (Vec<(Index, UnixMs, Member)>, i64) {
    let Some(message) = message else { return (Vec::new(), 0) };
    let mut out = expected_entries(message);
    if matches!(message.state, State::Scheduled | State::Sending(_)) {
        let index = if parked { Index::Waiting(message.lane, message.class) } else { Index::Due };
        let member = Member::from_slice(&Ticket::of_message(message).member());
        out.push((index, message.due_at, member));
    }
    out.sort();
    (out, i64::from(message.state.name().is_pending()))
}

fn base() -> Message {
    let mut world = World::new();
    world.schedule(new_message(Channel::Sms))
}

/// One of two numbers in different countries.
fn recipient(which: usize) -> Address {
    Address::parse(Channel::Sms, ["+12125550123", "+4915112345678"][which]).unwrap()
}

prop_compose! {
    fn version()(
        state in 0..EACH_STATE.len(),
        due_at in 0i64..3,
        since in 0i64..3,
        lane in 1u32..3,
        class in 0u8..3,
        cost in 1u16..3,
        to in 0..2usize,
    ) -> Message {
        Message {
            state: EACH_STATE[state].clone(),
            due_at: UnixMs(due_at),
            since: UnixMs(since),
            lane: LaneNo(lane),
            class: Class::from_byte(class).unwrap(),
            estimated_cost: cost,
            to: recipient(to),
            ..base()
        }
    }
}

#[test]
fn each_state_has_its_entries_and_no_other() {
    for state in EACH_STATE {
        let message = Message { state, ..base() };
        let mut mutations = Vec::new();
        change_message(&mut mutations, None, Some(&message), DueEntry::InDue);
        let mut model = Model::default();
        model.apply(&mutations);
        let (wanted, pending) = all_of(Some(&message), false);
        assert_eq!(model.index.into_iter().collect::<Vec<_>>(), wanted, "{:?}", message.state);
        assert_eq!(model.counters.get(&Counter::Pending).copied().unwrap_or(0), pending);
    }
}

proptest! {
    #[test]
    fn a_change_leaves_the_entries_of_the_new_version_and_no_other(
        old in prop::option::of(version()),
        new in prop::option::of(version()),
        parked: bool,
        told: bool,
    ) {
        let new = new.map(|new| Message { id: old.as_ref().map_or(new.id, |old| old.id), ..new });
        let mut model = Model::default();
        model.index.extend(all_of(old.as_ref(), parked).0);
        let due = if told && !parked { DueEntry::InDue } else { DueEntry::Somewhere };
        let mut mutations = Vec::new();
        change_message(&mut mutations, old.as_ref(), new.as_ref(), due);
        model.apply(&mutations);

        let ticket = |message: &Option<Message>| {
            let waits = |message: &&Message| matches!(message.state, State::Scheduled | State::Sending(_));
            message.as_ref().filter(waits).map(Ticket::of_message)
        };
        let stays_parked = parked && ticket(&old) == ticket(&new);
        let (wanted, pending) = all_of(new.as_ref(), stays_parked);
        prop_assert_eq!(model.index.into_iter().collect::<Vec<_>>(), wanted);
        let before = all_of(old.as_ref(), parked).1;
        prop_assert_eq!(model.counters.get(&Counter::Pending).copied().unwrap_or(0), pending - before);
        let touches_what_stands = mutations.iter().any(|mutation| {
            matches!(mutation, Mutation::Index(index, score, member)
                if all_of(old.as_ref(), parked).0.contains(&(*index, *score, member.clone())))
        });
        prop_assert!(!touches_what_stands, "an entry that stays is not written again");
    }
}

#[test]
fn a_ticket_tells_where_its_entry_stands_unless_it_may_have_been_parked_or_edited() {
    let message = base();
    let ticket = Ticket::of_message(&message);
    assert_eq!(DueEntry::behind(&ticket, &message), DueEntry::InDue);
    assert_eq!(DueEntry::behind(&ticket.parked(), &message), DueEntry::Somewhere);
    let dearer = Message { estimated_cost: 2, ..message };
    assert_eq!(DueEntry::behind(&ticket, &dearer), DueEntry::Somewhere);
    let elsewhere = Message { to: recipient(1), estimated_cost: ticket.cost, ..dearer };
    assert_eq!(DueEntry::behind(&ticket, &elsewhere), DueEntry::Somewhere);
}

#[derive(Debug, Clone)]
enum Step {
    Schedule(bool, bool),
    Edit(usize, u8),
    Cancel(usize),
    SendNow(usize),
    Resolve(usize, u8),
    Permit(usize),
    End(u8),
    Park(usize),
    Restart,
    Consent(bool),
    Attribute(usize),
    Wait(u64),
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(sms, render)| Step::Schedule(sms, render)),
        3 => (0usize..8, 0u8..6).prop_map(|(at, what)| Step::Edit(at, what)),
        1 => (0usize..8).prop_map(Step::Cancel),
        1 => (0usize..8).prop_map(Step::SendNow),
        1 => (0usize..8, 0u8..4).prop_map(|(at, how)| Step::Resolve(at, how)),
        6 => (0usize..8).prop_map(Step::Permit),
        6 => (0u8..5).prop_map(Step::End),
        2 => (0usize..8).prop_map(Step::Park),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::Consent),
        1 => prop::sample::select(vec![0usize, 200, 1_400]).prop_map(Step::Attribute),
        2 => (0u64..100_000).prop_map(Step::Wait),
        1 => Just(Step::Forget),
    ]
}

fn change(what: u8, now: UnixMs) -> MessageEdit {
    let none = MessageEdit::default();
    match what {
        0 => MessageEdit { text: Some("x".repeat(1_500)), ..none },
        1 => MessageEdit { text: Some("short".into()), ..none },
        2 => MessageEdit { class: Some(Class::Conversation), ..none },
        3 => MessageEdit { from: Some(ANNS), ..none },
        4 => MessageEdit { intent: Some(NewIntent::At(now.plus(Duration::from_secs(50)))), ..none },
        _ => none,
    }
}

fn end(what: u8) -> AttemptEnd {
    let failure = Failure::message("code", "detail");
    match what {
        0 => submitted(),
        1 => AttemptEnd::Judged(Verdict::Transient(failure)),
        2 => AttemptEnd::Judged(Verdict::Permanent(failure)),
        3 => AttemptEnd::Judged(Verdict::Unknown(failure)),
        _ => AttemptEnd::NotStarted,
    }
}

/// A lane of one: the tickets it was given, each with the permit's attempt once it is claimed.
#[derive(Default)]
struct Pool {
    tickets: Vec<Ticket>,
    in_flight: Vec<(Ticket, u16)>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    /// `tell` holds every entry, blob and counter against the records after each step; here it is also seen
    /// that no message is under way twice, and that nothing leaves before it is due.
    #[test]
    fn whatever_happens_in_whatever_order_the_store_agrees_with_itself(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let mut ids: Vec<MessageId> = Vec::new();
        let mut pool = Pool::default();
        for step in steps {
            let id = |at: usize| ids.get(at % ids.len().max(1)).copied();
            let mut tell = |world: &mut World, command| {
                let decision = world.tell(command);
                pool.tickets.extend(armed(&decision));
            };
            match step {
                Step::Schedule(is_sms, render) => {
                    let channel = if is_sms { Channel::Sms } else { Channel::Email };
                    let text = if render { "{{ contact.attributes.a | default('') }}" } else { "hello" };
                    let new = NewMessage { content: Content { render, ..content(text) }, ..new_message(channel) };
                    let decision = world.schedule_as(&caller(), new);
                    if let Ok(Answer::Scheduled(created)) = answer(&decision).clone() {
                        ids.push(created.into_inner().id);
                        pool.tickets.extend(armed(&decision));
                    }
                }
                Step::Edit(at, what) => if let Some(id) = id(at) {
                    let edit = Box::new(change(what, world.now));
                    tell(&mut world, ContactCommand::Edit(caller(), id, edit, None));
                },
                Step::Cancel(at) => if let Some(id) = id(at) {
                    tell(&mut world, ContactCommand::Cancel(caller(), id));
                },
                Step::SendNow(at) => if let Some(id) = id(at) {
                    tell(&mut world, ContactCommand::SendNow(caller(), id));
                },
                Step::Resolve(at, how) => if let Some(id) = id(at) {
                    let how = [Resolve::Submitted, Resolve::Failed, Resolve::Canceled, Resolve::Retry][usize::from(how)];
                    tell(&mut world, ContactCommand::Resolve(caller(), id, how));
                },
                Step::Permit(at) => {
                    let now = world.now;
                    // A ticket in the very place of one in flight is ignored by its lane; others are not.
                    let is_free = |ticket: &Ticket| !pool.in_flight.iter().any(|(other, _)| {
                        (other.message, other.due_at, other.lane, other.class())
                            == (ticket.message, ticket.due_at, ticket.lane, ticket.class())
                    });
                    let due: Vec<Ticket> =
                        pool.tickets.iter().copied().filter(|ticket| ticket.due_at <= now && is_free(ticket)).collect();
                    if let Some(ticket) = due.get(at % due.len().max(1)).copied() {
                        pool.tickets.retain(|other| *other != ticket);
                        let decision = world.grant(ticket);
                        if let Some(envelope) = envelope(&decision) {
                            let twice = pool.in_flight.iter().any(|(other, _)| other.message == envelope.message);
                            prop_assert!(!twice, "under way twice");
                            prop_assert!(world.message(envelope.message).due_at <= now, "too early");
                            pool.in_flight.push((ticket, envelope.attempt));
                        }
                        pool.tickets.extend(armed(&decision));
                    }
                }
                Step::End(what) => if let Some((ticket, attempt)) = pool.in_flight.pop() {
                    let decision = world.finish(ticket, attempt, end(what));
                    pool.tickets.extend(armed(&decision));
                    if release(&decision) == Some(Release::Requeue) {
                        pool.tickets.push(ticket);
                    }
                },
                Step::Park(at) => if let Some(id) = id(at).filter(|id| world.try_message(*id).is_some_and(|m| m.state == State::Scheduled)) {
                    let ticket = world.ticket(id);
                    if !ticket.may_be_parked() {
                        world.park(id);
                        pool.tickets.retain(|other| *other != ticket);
                        pool.tickets.push(ticket.parked());
                    }
                },
                Step::Restart => {
                    // The pool is gone; the due index is read anew.
                    world.boot = BootId(world.boot.0 + 1);
                    pool.in_flight.clear();
                    pool.tickets = world.due_tickets();
                }
                Step::Consent(denied) => world.set_consent(if denied { Consent::Denied } else { Consent::Granted }),
                Step::Attribute(len) => world.change_contact(|contact| {
                    contact.profile.attributes.insert("a".into(), "x".repeat(len));
                }),
                Step::Wait(ms) => world.later(Duration::from_millis(ms)),
                Step::Forget => {
                    let before = world.now.minus(Duration::from_secs(60));
                    tell(&mut world, ContactCommand::Forget(before));
                }
            }
        }
        // I2: what is not settled is due, in flight, held or uncertain.
        let due = world.due_tickets();
        for id in ids {
            if let Some(message) = world.try_message(id) {
                let waits = matches!(message.state, State::Scheduled | State::Sending(_));
                prop_assert_eq!(waits, due.iter().any(|ticket| ticket.message == id));
            }
        }
    }
}
