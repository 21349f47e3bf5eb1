//! Status callbacks: what they are told, and how they differ from webhooks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::*;
use crate::contact::command::{AttemptEnd, ContactCommand};
use crate::contact::decision::Effect;
use crate::domain::address::{Channel, WebUrl};
use crate::domain::contact::{Consent, Removal};
use crate::domain::ids::{LaneNo, MessageId};
use crate::domain::message::{Message, State, StoredContent};
use crate::domain::receipt::{Receipt, ReceiptStatus};
use crate::domain::status_callback::message_sid;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{NewIntent, NewMessage, ProfilePatch};
use crate::sender::transport::Hook;

const URL: &str = "https://shop.example.com/status?order=7";

fn called_back(channel: Channel) -> NewMessage {
    NewMessage { callback_url: Some(WebUrl::parse(URL).unwrap()), ..new_message(channel) }
}

fn told(channel: Channel) -> (World, MessageId) {
    let mut world = World::new();
    let id = world.schedule(called_back(channel)).id;
    (world, id)
}

fn callbacks(world: &World) -> Vec<Message> {
    let mut callbacks = world.model.messages();
    callbacks.retain(|message| message.channel == Channel::Webhook);
    callbacks.sort_by_key(|callback| callback.created_us);
    callbacks
}

fn form(callback: &Message) -> BTreeMap<String, String> {
    let StoredContent::Inline(content) = &callback.content else { panic!("a blob") };
    url::form_urlencoded::parse(content.text.as_deref().unwrap().as_bytes()).into_owned().collect()
}

fn statuses(world: &World) -> Vec<String> {
    callbacks(world).iter().map(|callback| form(callback)["MessageStatus"].clone()).collect()
}

fn failed(failure: fn(Failure) -> Verdict, code: &str) -> AttemptEnd {
    AttemptEnd::Judged(failure(Failure::message(code, "x")))
}

#[test]
fn a_callback_hears_of_every_status_but_the_first_in_twilio_s_form() {
    let (mut world, id) = told(Channel::Sms);
    assert_eq!(callbacks(&world), [], "the answer to its creation said it");
    let ticket = world.ticket(id);
    world.claim(id);
    assert_eq!(statuses(&world), ["sending"], "with the claim");
    world.finish(ticket, 1, submitted());
    let receipt = Receipt { status: ReceiptStatus::Undelivered, code: Some("30003".into()), at: world.now };
    world.tell(ContactCommand::Receipt(id, receipt));
    assert_eq!(statuses(&world), ["sending", "sent", "undelivered"]);

    let message = world.message(id);
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    for (callback, status) in callbacks(&world).iter().zip(["sending", "sent", "undelivered"]) {
        assert_eq!((callback.due_at, callback.lane), (world.now, LaneNo::of_callbacks(ACCOUNT)));
        assert_eq!(callback.to.as_str(), "https://shop.example.com/", "where exactly is shown to nobody");
        let mut expected = BTreeMap::new();
        for (name, value) in [
            ("MessageSid", message_sid(id).as_str()),
            ("SmsSid", &message_sid(id)),
            ("MessageStatus", status),
            ("SmsStatus", status),
            ("To", message.to.as_str()),
            ("From", "+12125550101"),
            ("AccountSid", &account.twilio_sid),
            ("ApiVersion", "2010-04-01"),
        ] {
            expected.insert(name.to_owned(), value.to_owned());
        }
        if status == "undelivered" {
            expected.insert("ErrorCode".into(), "30003".into());
        }
        assert_eq!(form(callback), expected);
    }
}

#[test]
fn a_further_attempt_is_no_news_and_the_end_is() {
    let (mut world, id) = told(Channel::Sms);
    world.attempt(id, failed(Verdict::Transient, "http_503"));
    world.now = world.message(id).due_at;
    world.attempt(id, failed(Verdict::Permanent, "twilio_30005"));
    assert_eq!(statuses(&world), ["sending", "failed"]);
    assert_eq!(form(&callbacks(&world)[1])["ErrorCode"], "30005");

    let mut world = World::new();
    let later = NewIntent::At(world.now.plus(Duration::from_secs(60)));
    let id = world.schedule(NewMessage { intent: later, ..called_back(Channel::Sms) }).id;
    world.tell(ContactCommand::Cancel(caller(), id));
    assert_eq!(statuses(&world), ["canceled"]);
}

#[test]
fn a_callback_is_posted_signed_for_its_account_and_then_gone() {
    let (mut world, id) = told(Channel::Sms);
    world.attempt(id, submitted());
    for callback in callbacks(&world) {
        let ticket = world.ticket(callback.id);
        let envelope = world.claim(callback.id);
        assert_eq!((envelope.to.as_str(), envelope.message), (URL, callback.id));
        let token = world.status_callbacks.token(ACCOUNT);
        assert!(matches!(envelope.hook, Some(Hook::StatusCallback { token: signs }) if signs == token));
        world.finish(ticket, 1, submitted());
        assert!(world.try_message(callback.id).is_none());
    }
    assert_eq!(world.model.messages().len(), 1, "telling is not told");
}

#[test]
fn where_nobody_listens_any_more_the_callback_is_dropped_and_what_is_refused_is_sent_again() {
    let (mut world, id) = told(Channel::Sms);
    world.attempt(id, submitted());
    let [sending, sent] = &callbacks(&world)[..] else { panic!("two of them") };
    let decision = world.attempt(sending.id, failed(Verdict::Permanent, "http_410"));
    assert!(!decision.effects.iter().any(|effect| matches!(effect, Effect::SwitchOff(..))), "it is no webhook");
    assert!(world.try_message(sending.id).is_none());

    world.settings.webhook.max_attempts = 2;
    world.attempt(sent.id, failed(Verdict::Transient, "http_500"));
    let again = world.message(sent.id);
    assert!(again.state == State::Scheduled && again.due_at > world.now);
    world.now = again.due_at;
    world.attempt(sent.id, failed(Verdict::Transient, "http_500"));
    assert_eq!(world.message(sent.id).state, State::Failed);
    world.tell(ContactCommand::Revive(caller(), sent.id));
    assert_eq!(world.claim(sent.id).to.as_str(), URL);
}

#[test]
fn scheduling_costs_the_same_and_without_a_callback_nothing_is_told() {
    let cost = |new: NewMessage| budget(&World::new().schedule_as(&caller(), new));
    assert_eq!(cost(called_back(Channel::Sms)), cost(new_message(Channel::Sms)));
    let mut world = World::new();
    let id = world.sms();
    world.attempt(id, submitted());
    assert_eq!(callbacks(&world), []);
}

#[test]
fn what_is_taken_back_together_fits_a_batch_with_all_its_callbacks() {
    let mut world = World::new();
    for _ in 0..60 {
        world.schedule(called_back(Channel::Email));
    }
    // `World::tell` holds every decision against the bound of a batch.
    let patch = ProfilePatch { consent_email: Some(Consent::Denied), ..ProfilePatch::default() };
    world.tell_all(ContactCommand::Patch(caller(), Box::new(patch), None));
    assert_eq!(statuses(&world), ["canceled"; 60]);
}

fn all_of(world: &mut World, first: ContactCommand) {
    let mut command = Some(first);
    while let Some(this) = command {
        // Which holds every decision against the bound of a batch.
        let decision = world.tell(this);
        command = decision.effects.iter().find_map(|effect| match effect {
            Effect::Continue(command) => Some((**command).clone()),
            _ => None,
        });
    }
}

#[test]
fn what_goes_with_its_contact_is_told_as_canceled_and_an_erasure_names_no_address() {
    for removal in [Removal::Delete, Removal::Erase] {
        let (mut world, first) = told(Channel::Sms);
        let mut ids = vec![first];
        ids.extend((0..60).map(|_| world.schedule(called_back(Channel::Sms)).id));
        all_of(&mut world, ContactCommand::Delete(caller(), removal));
        assert_eq!(statuses(&world), vec!["canceled"; ids.len()]);
        let forms: Vec<_> = callbacks(&world).iter().map(form).collect();
        assert!(forms.iter().all(|form| form.contains_key("To") == (removal == Removal::Delete)));
        let mut sids: Vec<_> = forms.iter().map(|form| form["MessageSid"].clone()).collect();
        let mut wanted: Vec<_> = ids.iter().map(|id| message_sid(*id)).collect();
        sids.sort();
        wanted.sort();
        assert_eq!(sids, wanted, "each once");
        assert!(ids.iter().all(|id| world.try_message(*id).is_none()));
    }
}

#[test]
fn what_is_under_way_when_its_contact_goes_is_told_as_it_ends() {
    let (mut world, id) = told(Channel::Sms);
    let ticket = world.ticket(id);
    world.claim(id);
    all_of(&mut world, ContactCommand::Delete(caller(), Removal::Delete));
    assert_eq!(statuses(&world), ["sending"]);
    world.finish(ticket, 1, submitted());
    assert_eq!(statuses(&world), ["sending", "sent"]);

    let (mut world, id) = told(Channel::Sms);
    let ticket = world.ticket(id);
    world.claim(id);
    all_of(&mut world, ContactCommand::Delete(caller(), Removal::Delete));
    world.finish(ticket, 1, AttemptEnd::Judged(Verdict::Unknown(Failure::message("lost", "x"))));
    assert_eq!(statuses(&world), ["sending"], "nobody knows whether it was sent");
}
