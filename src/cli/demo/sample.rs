//! The sample account: whom it writes to, from what, and when. Numbers and domains are reserved for fiction.
//!
//! Users, senders, templates and contacts are made under fixed keys, so that a demo on a kept folder finds them again.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use sendwheel_actors::domain::address::{Address, Channel, EmailAddress, Mailbox, PhoneNumber};
use sendwheel_actors::domain::contact::{ContactEmail, ContactPhone, Profile};
use sendwheel_actors::domain::directory::{Limit, Role, SenderAddress};
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::domain::message::Content;
use sendwheel_actors::domain::password::Password;
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy, IfLate, QuietHoursPolicy};
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::{
    Caller, CancelOutcome, EngineError, EngineResult, Idempotency, NewContact, NewIntent, NewMessage, NewSender,
    SenderPatch, ZoneChoice,
};
use sendwheel_actors::engine::people::NewUser;
use sendwheel_actors::engine::templates::NewTemplate;

struct Person {
    key: &'static str,
    name: &'static str,
    phone: &'static str,
    email: &'static str,
    zone: &'static str,
}

const PEOPLE: [Person; 5] = [
    Person { key: "ann", name: "Ann Baker", phone: "+12125550123", email: "ann@example.com", zone: "America/New_York" },
    Person {
        key: "james",
        name: "James Okafor",
        phone: "+447700900123",
        email: "james@example.com",
        zone: "Europe/London",
    },
    Person {
        key: "lena",
        name: "Lena Fischer",
        phone: "+491713920012",
        email: "lena@example.com",
        zone: "Europe/Berlin",
    },
    Person {
        key: "noah",
        name: "Noah Wilson",
        phone: "+61491570006",
        email: "noah@example.com",
        zone: "Australia/Sydney",
    },
    Person {
        key: "maya",
        name: "Maya Chen",
        phone: "+13105550134",
        email: "maya@example.com",
        zone: "America/Los_Angeles",
    },
];

/// Somebody who may sign in, besides the operator.
pub(super) struct SampleUser {
    /// What they are, as it is told.
    pub(super) title: &'static str,
    /// Their sign-in.
    pub(super) email: &'static str,
    /// What is special about them.
    pub(super) note: &'static str,
    name: &'static str,
    role: Role,
}

/// Who may sign in.
pub(super) const USERS: [SampleUser; 2] = [
    SampleUser { title: "Admin", email: "alex@demo.example", note: "", name: "Alex Rivera", role: Role::Admin },
    SampleUser {
        title: "User",
        email: "sam@demo.example",
        note: ", whose number is +12125550101",
        name: "Sam Lee",
        role: Role::User,
    },
];
/// Whose number it is, by their place in [`USERS`].
const OWNER: usize = 1;

/// A message of the sample, as it is told.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its id.
    pub(super) id: MessageId,
    /// When it is due, in words.
    pub(super) when: &'static str,
    /// How it travels.
    pub(super) channel: Channel,
    /// To whom.
    pub(super) to: &'static str,
    /// What is special about it.
    pub(super) what: String,
    /// Whether it is to be delivered within the minute.
    pub(super) is_due_soon: bool,
}

fn under_key(key: &str) -> Idempotency {
    Idempotency { key: format!("demo-{key}"), request_hash: [1; 16] }
}

fn invalid(error: impl std::fmt::Display) -> EngineError {
    EngineError::field("", "sample", error.to_string())
}

/// Makes the users that are not there yet.
pub(super) async fn users(engine: &Engine, caller: &Caller, passwords: &[SecretString]) -> EngineResult<()> {
    for (user, password) in USERS.iter().zip(passwords) {
        let new = NewUser {
            email: EmailAddress::parse(user.email).map_err(invalid)?,
            name: Some(user.name.into()),
            role: user.role,
            password: Some(Password::parse(password.expose_secret()).map_err(invalid)?),
            idempotency: Some(under_key(user.email)),
        };
        let _ = engine.create_user(caller, new).await?;
    }
    Ok(())
}

/// Makes the senders, templates and contacts that are not there yet; the contacts by name.
pub(super) async fn people(engine: &Engine, caller: &Caller) -> EngineResult<Vec<(&'static str, ContactId)>> {
    let fast = Limit { rate: 10, per: Duration::from_secs(1), burst: 10 };
    let phone = |text| PhoneNumber::parse(text).map(SenderAddress::Phone).map_err(invalid);
    let email = |text| Mailbox::parse(text).map(SenderAddress::Email).map_err(invalid);
    let owner = EmailAddress::parse(USERS[OWNER].email).map_err(invalid)?;
    let owner = engine.directory().user_by_email(&owner).map(|user| user.id);
    for (key, address, label, is_default, limit) in [
        ("number-1", phone("+12125550100")?, "Front desk", true, None),
        ("number-2", phone("+12125550101")?, "Reminders", false, Some(fast)),
        ("mail-1", email("Demo <hello@demo.example>")?, "Hello", true, None),
        ("mail-2", email("Demo billing <billing@demo.example>")?, "Billing", false, None),
    ] {
        let new = NewSender {
            address,
            label: Some(label.into()),
            is_default,
            assigned_user: None,
            limit,
            country: None,
            idempotency: Some(under_key(key)),
        };
        let sender = engine.create_sender(caller, new).await?.into_inner();
        if key == "number-2" && sender.assigned_user.is_none() {
            let patch = SenderPatch { assigned_user: Some(owner), ..SenderPatch::default() };
            engine.patch_sender(caller, sender.id, patch, None).await?;
        }
    }
    for (key, channel, name, subject, text) in [
        (
            "template-1",
            Channel::Sms,
            "Reminder",
            None,
            "Hi {{ contact.first_name | default(\"there\") }}, see you tomorrow. Reply C to cancel.",
        ),
        (
            "template-2",
            Channel::Email,
            "Thanks for calling",
            Some("Thank you, {{ contact.first_name | default(\"friend\") }}"),
            "It was good to talk. If anything is left open, just answer this mail.\n\n{{ account.name }}",
        ),
    ] {
        let content = Content { subject: subject.map(Into::into), text: Some(text.into()), html: None, render: true };
        let new = NewTemplate { name: name.into(), channel, content, idempotency: Some(under_key(key)) };
        match engine.create_template(caller, new).await {
            // Somebody made one of this name.
            Ok(_) | Err(EngineError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let mut people = Vec::new();
    for person in &PEOPLE {
        let profile = Profile {
            name: Some(person.name.into()),
            emails: vec![ContactEmail {
                address: EmailAddress::parse(person.email).map_err(invalid)?,
                label: None,
                primary: true,
            }],
            phones: vec![ContactPhone {
                number: PhoneNumber::parse(person.phone).map_err(invalid)?,
                label: None,
                primary: true,
            }],
            time_zone: Some(person.zone.into()),
            tags: vec!["demo".into()],
            external_id: Some(format!("demo-{}", person.key)),
            ..Profile::default()
        };
        let contact = engine.upsert_contact(caller, NewContact { profile, idempotency: None }).await?.into_inner();
        people.push((person.name, contact.id));
    }
    Ok(people)
}

fn message(channel: Channel, text: &str, subject: Option<&str>, intent: NewIntent) -> NewMessage {
    NewMessage {
        channel,
        to: None::<Address>,
        from: None,
        content: Content { subject: subject.map(Into::into), text: Some(text.into()), html: None, render: true },
        template: None,
        attachments: Vec::new(),
        intent,
        class: None,
        if_late: IfLate::Send,
        quiet_hours: QuietHoursPolicy::Defer,
        reply: Default::default(),
        cancel_on_reply: false,
        metadata: std::collections::BTreeMap::new(),
        recurrence: None,
        callback_url: None,
        idempotency: None,
    }
}

/// Schedules the sample messages, and cancels one of them.
pub(super) async fn schedule(
    engine: &Engine,
    caller: &Caller,
    people: &[(&'static str, ContactId)],
) -> EngineResult<Vec<Planned>> {
    let now = engine.clock().now();
    let within = |seconds| NewIntent::At(now.plus(Duration::from_secs(seconds)));
    // The day after now's date in UTC: its morning is still ahead in the zones of the sample.
    let tomorrow = now.plus(Duration::from_secs(86_400)).to_datetime().format("%Y-%m-%dT09:00").to_string();
    let morning = NewIntent::Wall {
        local: tomorrow.clone(),
        zone: ZoneChoice::OfContact,
        gap: GapPolicy::Forward,
        fold: FoldPolicy::First,
    };
    let thanks = "Hi {{ contact.name }}, thanks for trying Sendwheel.";
    let samples = [
        (0, "now", Channel::Email, Some("Right now"), thanks, NewIntent::Now),
        (1, "+5 s", Channel::Sms, None, thanks, within(5)),
        (2, "+10 s", Channel::Email, Some("Never mind"), thanks, within(10)),
        (3, "+15 s", Channel::Sms, None, "See you soon, {{ contact.name }}.", within(15)),
        (4, "later", Channel::Email, Some("Good morning"), "Good morning, {{ contact.name }}!", morning),
    ];
    let mut planned = Vec::new();
    for (person, when, channel, subject, text, intent) in samples {
        let (to, contact) = people[person];
        let new = message(channel, text, subject, intent);
        let id = engine.schedule(caller, contact, new).await?.into_inner().message.id;
        let (what, is_due_soon) = match when {
            "+10 s" => {
                let outcome = engine.cancel(caller, id).await?;
                (
                    if outcome == CancelOutcome::Canceled { "cancelled again" } else { "could not be cancelled" }
                        .into(),
                    false,
                )
            }
            "later" => (format!("{} where they are ({})", tomorrow.replace('T', " "), PEOPLE[person].zone), false),
            _ => (String::new(), true),
        };
        planned.push(Planned { id, when, channel, to, what, is_due_soon });
    }
    Ok(planned)
}
