//! Scheduling a message: sender, recipient, content and time are chosen and checked; then it is a record.

use std::time::Duration;

use super::{Decision, Known, Surroundings, live, merging, or_refuse, planning, series};
use crate::contact::command::{Answer, ScheduleMessage};
use crate::contact::entries::DueEntry;
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Consent, Contact};
use crate::domain::directory::Sender;
use crate::domain::ids::{CampaignNo, ContactId, MessageId, Partition, SenderId, SeriesId};
use crate::domain::message::{
    Author, BlobKey, Class, Content, HistoryEntry, Message, ReplyChoice, State, StateName, StoredContent,
};
use crate::domain::plan::{self, Calendar, PlanError, Planned, Terms, smart};
use crate::domain::reason::Reason;
use crate::domain::schedule::{Intent, SmartWindow};
use crate::domain::segments;
use crate::domain::template::{self, TemplateErrorKind};
use crate::domain::tracking::Response;
use crate::domain::zone::TimeZone;
use crate::domain::{permissions, source::IdSource};
use crate::protocol::api::{Caller, Created, EngineError, FieldError, Idempotency, NewIntent, NewWindow, ZoneChoice};
use crate::store::{Mutation, Table, keys};

/// The id of a message that is to be scheduled.
#[must_use]
pub fn message_id_for(
    caller: &Caller,
    contact: ContactId,
    partition: Partition,
    idempotency: Option<&Idempotency>,
    ids: &IdSource,
    now: UnixMs,
) -> MessageId {
    match idempotency {
        Some(idempotency) => MessageId::derived(caller.account, contact, &idempotency.key, partition),
        None => ids.message(now, partition),
    }
}

pub(super) fn schedule(
    known: &Known<'_>,
    caller: &Caller,
    command: ScheduleMessage,
    around: &Surroundings<'_>,
) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    if let Some(Some(existing)) = known.records.messages.get(&command.id) {
        return Decision::answer(replay(existing, &command));
    }
    for earlier in merging::earlier_ids(known, &command) {
        if let Some(Some(existing)) = known.records.messages.get(&earlier) {
            return Decision::answer(replay(existing, &command));
        }
    }
    if contact.is_taking_over() && command.new.idempotency.is_some() {
        // What it asks for may be on its way here.
        return Decision::answer(Err(merging::under_way()));
    }
    let ScheduleMessage { id, mut new, attachments, content, blobs, requeue_of } = command;
    let mut errors = Vec::new();
    let begun = SeriesId::begun_by(id);
    if new.recurrence.is_some() && matches!(known.records.items.get(&begun.entry()), Some(Some(_))) {
        return Decision::answer(Err(EngineError::Conflict {
            code: "series_exists",
            detail: format!("this request began the series {begun}, whose first message is gone: read the series"),
        }));
    }
    let beginning = series::begin(&mut new, contact, around, &mut errors);
    debug_assert_ne!(new.channel, Channel::Webhook, "nobody writes to a webhook");

    let sender = choose_sender(contact, caller, new.channel, new.from, around, &mut errors);
    let to = choose_recipient(contact, new.channel, new.to, &mut errors);
    let class = new.class.unwrap_or(usual_class(caller.author));
    check_consent(contact, new.channel, class, &mut errors);
    let estimated_cost =
        sender.map_or(1, |sender| check_content(contact, sender, new.channel, &new.content, around, &mut errors));
    let terms = Terms { quiet_hours: new.quiet_hours, if_late: new.if_late };
    let planned = plan_intent(new.intent, contact, (id, to.as_ref()), class, terms, around, &mut errors);

    if let ReplyChoice::To(id) = new.reply
        && !super::threads::is_mail(known, id)
    {
        errors.push(FieldError::new(
            "/reply_to_message",
            "unknown_message",
            "no email of this contact's thread: name one of those, or leave it out to answer the last one",
        ));
    }

    let (Some(sender), Some(to), Some((intent, Planned { due_at, plan }))) = (sender, to, planned) else {
        return Decision::answer(Err(EngineError::Invalid(errors)));
    };
    if !errors.is_empty() {
        return Decision::answer(Err(EngineError::Invalid(errors)));
    }
    let reason = requeue_of.map(|_| Reason::Requeued);
    let revived = requeue_of.and_then(|id| known.records.messages.get(&id)).and_then(Option::as_deref);
    let mut message = Message {
        id,
        origin: None,
        account: caller.account,
        contact: contact.id,
        version: 1,
        channel: new.channel,
        class,
        sender: sender.id,
        lane: sender.lane,
        to,
        content,
        attachments,
        state: State::Scheduled,
        reason: planning::reason(plan.as_ref()),
        intent,
        due_at,
        if_late: new.if_late,
        quiet_hours: new.quiet_hours,
        cancel_on_reply: new.cancel_on_reply,
        created_us: around.ids.created_us(around.now),
        updated_at: around.now,
        since: around.now,
        is_cancel_requested: false,
        author: caller.author,
        campaign: CampaignNo(0),
        estimated_cost,
        attempts: Vec::new(),
        history: vec![HistoryEntry { at: around.now, state: StateName::Scheduled, reason, by: caller.author }],
        request_hash: new.idempotency.map(|idempotency| idempotency.request_hash),
        metadata: new.metadata,
        requeue_of,
        reply: new.reply,
        thread: None,
        receipt: None,
        // Made for the outbox, revived for the outbox, whoever revives it.
        callback_url: new.callback_url,
        test: caller.test || revived.is_some_and(|revived| revived.test),
        plan,
        response: Response::default(),
        series: None,
    };
    let mut decision = Decision { is_growth: true, ..Decision::default() };
    for (number, bytes) in blobs {
        decision.mutations.push(Mutation::Put(Table::Blob, keys::blob(BlobKey { message: id, number }), bytes));
    }
    if let Some(beginning) = beginning {
        beginning.add(&mut decision, &mut message, new.content, around);
    }
    decision.reply(Ok(Answer::Scheduled(Created::New(Box::new(message.clone())))));
    decision.put_message(None, message, DueEntry::InDue, around.now);
    decision
}

/// The id exists already: the same request finds the same message, another one is a conflict.
fn replay(existing: &Message, command: &ScheduleMessage) -> Result<Answer, EngineError> {
    let same = match (&command.new.idempotency, existing.request_hash) {
        (Some(idempotency), Some(hash)) => idempotency.request_hash == hash,
        _ => command.requeue_of.is_some() && existing.requeue_of == command.requeue_of,
    };
    if same {
        return Ok(Answer::Scheduled(Created::Replayed(Box::new(existing.clone()))));
    }
    Err(EngineError::Conflict {
        code: "idempotency_key_reused",
        detail: "this idempotency key was used with another request for this contact: use a new key".into(),
    })
}

/// The sender that was named and is permitted, or the default.
pub(super) fn choose_sender<'a>(
    contact: &Contact,
    caller: &Caller,
    channel: Channel,
    from: Option<SenderId>,
    around: &Surroundings<'a>,
    errors: &mut Vec<FieldError>,
) -> Option<&'a Sender> {
    let last_used = contact.last_used(channel).sender;
    let Some(id) = from else {
        let senders = around.directory.senders_of(caller.account).filter(|sender| sender.channel() == channel);
        let chosen =
            permissions::choose_sender(caller.role, caller.user, senders, last_used).map(|choice| choice.sender);
        if chosen.is_none() {
            errors.push(FieldError::new(
                "/from",
                "no_sender",
                format!("there is no {channel} sender that you may use: create one, or name one in `from`"),
            ));
        }
        return chosen;
    };
    let sender = around.directory.sender(id).filter(|sender| sender.account == caller.account);
    match sender {
        None => {
            errors.push(FieldError::new("/from", "unknown_sender", "no such sender: see GET /v1/senders"));
            None
        }
        Some(sender) if sender.channel() != channel => {
            errors.push(FieldError::new(
                "/from",
                "wrong_channel",
                format!("this sender sends {}, the message is {channel}: choose another one", sender.channel()),
            ));
            None
        }
        Some(sender) if !permissions::may_use(caller.role, caller.user, sender, last_used) => {
            errors.push(FieldError::new(
                "/from",
                "sender_not_permitted",
                "you may not use this sender: choose another one",
            ));
            None
        }
        Some(sender) => Some(sender),
    }
}

/// How urgent a message is whose author does not say.
pub(super) const fn usual_class(author: Author) -> Class {
    match author {
        Author::User(_) => Class::Conversation,
        Author::ApiKey(_) | Author::System => Class::Transactional,
    }
}

/// The address that was named, or the one of the last conversation, or the primary.
pub(super) fn choose_recipient(
    contact: &Contact,
    channel: Channel,
    to: Option<Address>,
    errors: &mut Vec<FieldError>,
) -> Option<Address> {
    let profile = &contact.profile;
    match to {
        Some(address) if profile.has(&address) => Some(address),
        Some(_) => {
            let what = match channel {
                Channel::Email => "email addresses",
                Channel::Sms => "phone numbers",
                Channel::Webhook => "URLs",
            };
            errors.push(FieldError::new(
                "/to",
                "unknown_address",
                format!("not one of the contact's {what}: add it to the contact first, or leave `to` out"),
            ));
            None
        }
        None => {
            let last = contact.last_used(channel).address.clone().filter(|address| profile.has(address));
            let chosen = last.or_else(|| profile.primary(channel));
            if chosen.is_none() {
                errors.push(FieldError::new(
                    "/to",
                    "no_address",
                    format!("the contact has no address for {channel}: add one"),
                ));
            }
            chosen
        }
    }
}

pub(super) fn check_consent(contact: &Contact, channel: Channel, class: Class, errors: &mut Vec<FieldError>) {
    match (contact.profile.consent.on(channel), class) {
        (Consent::Denied, _) => errors.push(FieldError::new(
            "/to",
            "consent_denied",
            format!("the contact does not want {channel} messages"),
        )),
        (Consent::Unknown, Class::Campaign) => errors.push(FieldError::new(
            "/class",
            "consent_missing",
            "a campaign message needs the contact's consent: record it on the contact first",
        )),
        _ => {}
    }
}

/// Checks what the message says, as it would be sent now. Its cost: segments for SMS, 1 for email.
pub(super) fn check_content(
    contact: &Contact,
    sender: &Sender,
    channel: Channel,
    content: &Content,
    around: &Surroundings<'_>,
    errors: &mut Vec<FieldError>,
) -> u16 {
    let rendered = match rendered(contact, sender, content, around) {
        Ok(rendered) => rendered,
        Err(error) => {
            errors.push(FieldError::new(format!("/{}", error.field), "template_failed", error.to_string()));
            return 1;
        }
    };
    match channel {
        Channel::Email | Channel::Webhook => 1,
        Channel::Sms => match segments::check(rendered.text.as_deref().unwrap_or_default()) {
            Ok(segments) => segments.count,
            Err(error) => {
                errors.push(FieldError::new("/body", "too_many_segments", error.to_string()));
                1
            }
        },
    }
}

/// The content as the recipient gets it: templates filled in.
pub(super) fn rendered(
    contact: &Contact,
    sender: &Sender,
    content: &Content,
    around: &Surroundings<'_>,
) -> Result<Content, template::TemplateError> {
    let is_plain = |field: &Option<String>| field.as_deref().is_none_or(|text| !template::is_template(text));
    if !content.render || (is_plain(&content.subject) && is_plain(&content.text) && is_plain(&content.html)) {
        return template::verbatim(content);
    }
    let gone = || template::TemplateError { field: "template", line: None, kind: TemplateErrorKind::Failed(None) };
    let account = around.directory.account(contact.account).ok_or_else(gone)?;
    template::render(content, &template::TemplateContext::new(&contact.profile, sender, account))
}

/// What the caller meant by "when", resolved: the intent to keep, and the first moment that the account's rules permit.
pub(super) fn plan_intent(
    intent: NewIntent,
    contact: &Contact,
    (id, to): (MessageId, Option<&Address>),
    class: Class,
    terms: Terms,
    around: &Surroundings<'_>,
    errors: &mut Vec<FieldError>,
) -> Option<(Intent, Planned)> {
    let (intent, pointer) = match intent {
        NewIntent::Now => (Intent::Now, "/send"),
        NewIntent::At(at) => (Intent::At(at), "/send/at"),
        NewIntent::Smart { window, too_little_data } => {
            let (from, to, hours) = match window {
                NewWindow::Hours(hours) => {
                    let length = Duration::from_secs(u64::from(hours) * 3_600);
                    (around.now, around.now.plus(length), Some(hours))
                }
                NewWindow::Between(from, to) => (from, to, None),
            };
            (Intent::Smart(SmartWindow { from, to, hours, too_little_data }), "/send/window")
        }
        NewIntent::Wall { local, zone, gap, fold } => {
            let (name, of_contact) = match zone {
                ZoneChoice::Named(name) => (name, false),
                ZoneChoice::OfContact => (planning::zone_of(contact, around), true),
            };
            let zone = match TimeZone::parse(&name) {
                Ok(zone) => zone,
                Err(error) => {
                    errors.push(FieldError::new("/send/time_zone", "unknown_time_zone", error.to_string()));
                    return None;
                }
            };
            match plan::wall_clock(&local, &zone, of_contact, gap, fold) {
                Ok(wall) => (Intent::Wall(wall), "/send/at"),
                Err(error) => {
                    errors.push(FieldError::new("/send/at", error.code(), error.to_string()));
                    return None;
                }
            }
        }
    };
    let calendar =
        to.map_or_else(|| Calendar::open(TimeZone::utc()), |to| planning::calendar(contact, (id, to), class, around));
    let planned = match &intent {
        Intent::Smart(window) => smart::check(window, around.now)
            .and_then(|()| planning::smart(contact, (id, window), &calendar, terms, around)),
        _ => plan::plan(&intent, terms, &calendar, around.now),
    };
    match planned {
        Ok(planned) => Some((intent, planned)),
        Err(error) => {
            let pointer = if error == PlanError::OutsideWindow { "/send/too_little_data" } else { pointer };
            errors.push(FieldError::new(pointer, error.code(), error.to_string()));
            None
        }
    }
}

/// Splits content by size: small stays in the record, large becomes a blob.
#[must_use]
pub fn stored(content: Content) -> (StoredContent, Option<Content>) {
    if content.len() <= StoredContent::INLINE_MAX {
        (StoredContent::Inline(content), None)
    } else {
        (StoredContent::Blob { subject: content.subject.clone() }, Some(content))
    }
}
