//! Notices: an account's webhooks are told what happens.
//!
//! A notice is a message on the channel `webhook`, made in the very batch of the change that it tells of: neither is
//! there without the other, and what no webhook wants to hear of costs nothing. From then on it goes the way of any
//! message: due entry, lane (its webhook's), permit, claim, attempts with backoff, dead letter. It is a message to
//! a machine, though, and what is different is all here:
//!
//! - it stands in no thread, list or count of messages, and makes no events itself, so that nothing tells of telling;
//! - it belongs to the account, not to the contact: it outlives a contact's deletion, which is news like any other;
//! - its last check asks for its webhook alone. What is due to one that is gone or switched off is dropped;
//! - its id is the event's: one whose outcome is unknown is simply sent again, and the receiver knows it by its id;
//! - once delivered it is removed. A dead letter keeps a due entry at the end of its retention, and is removed then.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::callbacks;
use super::change::{content_of, not_failed};
use super::deliver::begin_attempt;
use super::schedule::stored;
use super::{Decision, Known, Surroundings, enter, next_version};
use crate::contact::command::{Answer, PermitGranted};
use crate::contact::decision::Effect;
use crate::contact::entries::DueEntry;
use crate::domain::address::{Address, Channel, WebUrl};
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::directory::{SenderAddress, Webhook, WebhookEvent};
use crate::domain::ids::{AccountNo, CampaignNo, LaneNo, MessageId, SenderId, WebhookId};
use crate::domain::message::{Author, BlobKey, Class, Content, Message, ReplyChoice, State, StateName};
use crate::domain::reason::Reason;
use crate::domain::schedule::{IfLate, Intent, QuietHoursPolicy};
use crate::domain::verdict::Verdict;
use crate::protocol::api::{Caller, EngineError};
use crate::protocol::events::{EventKind, Happened};
use crate::sender::Release;
use crate::sender::transport::{Envelope, Hook, Withdrawal};
use crate::store::{Mutation, Table, codec, keys};

/// How long what is due waits while its account is suspended, before it is looked at again.
const WHILE_SUSPENDED: Duration = Duration::from_secs(15 * 60);
/// What HTTP says for good: nobody listens there any more.
const GONE: &str = "http_410";

/// Mutations that one change of a message makes at most, by being told to webhooks.
pub(super) fn mutations_of_a_change(account: AccountNo, around: &Surroundings<'_>) -> usize {
    // Record, due entry, and a blob.
    3 * around.directory.webhooks_of(account).filter(|webhook| webhook.is_enabled).count()
}

/// Adds the notices of everything that a decision publishes.
pub(super) fn add(decision: &mut Decision, known: &Known<'_>, around: &Surroundings<'_>) {
    let contact = decision.contact.as_ref().and_then(Option::as_deref).or(known.contact);
    let Some(account) = contact.map(|contact| contact.account) else { return };
    let is_called_back = callbacks::are_concerned(decision);
    if !is_called_back && around.directory.webhooks_of(account).next().is_none() {
        return;
    }
    let publish = |effect: &Effect| if let Effect::Publish(happened) = effect { Some(*happened) } else { None };
    let told: Vec<Happened> = decision.effects.iter().filter_map(publish).collect();
    for happened in told {
        if is_called_back {
            callbacks::tell(decision, known, &happened, around);
        }
        let Some(event) = event_of(&happened) else { continue };
        let mut body = None;
        for webhook in around.directory.webhooks_of(account).filter(|webhook| webhook.wants(event)) {
            let body = body.get_or_insert_with(|| {
                let data = data_of(&happened, decision, known, around);
                json!({"type": event.as_str(), "timestamp": happened.at.to_string(), "data": data}).to_string()
            });
            let Some(goal) = Goal::of(webhook) else { continue };
            put(decision, known, goal, body.clone(), around);
        }
    }
}

/// A webhook is tried out.
pub(super) fn ping(known: &Known<'_>, account: AccountNo, id: WebhookId, around: &Surroundings<'_>) -> Decision {
    let Some(webhook) = around.directory.webhook(account, id) else {
        return Decision::answer(Err(EngineError::NotFound));
    };
    let body = json!({"type": "ping", "timestamp": around.now.to_string(), "data": {"webhook_id": id.to_string()}});
    let mut decision = Decision { is_growth: true, ..Decision::default() };
    let Some(goal) = Goal::of(webhook) else { return Decision::answer(Err(EngineError::NotFound)) };
    let notice = put(&mut decision, known, goal, body.to_string(), around);
    decision.reply(Ok(Answer::Notified(notice)));
    decision
}

const fn event_of(happened: &Happened) -> Option<WebhookEvent> {
    match (happened.kind, happened.message) {
        (EventKind::MessageUpdated, Some((_, state))) => WebhookEvent::of_state(state),
        (EventKind::MessageUpdated, None) => None,
        (EventKind::MessageCreated, _) => Some(WebhookEvent::MessageCreated),
        (EventKind::MessageOpened, _) => Some(WebhookEvent::MessageOpened),
        (EventKind::MessageClicked, _) => Some(WebhookEvent::MessageClicked),
        (EventKind::MessageReceived, _) => Some(WebhookEvent::MessageReceived),
        (EventKind::ContactCreated, _) => Some(WebhookEvent::ContactCreated),
        (EventKind::ContactUpdated, _) => Some(WebhookEvent::ContactUpdated),
        (EventKind::ContactDeleted, _) => Some(WebhookEvent::ContactDeleted),
        (EventKind::NoteCreated, _) => Some(WebhookEvent::NoteCreated),
        (EventKind::ConversationUpdated, _) => Some(WebhookEvent::ConversationUpdated),
    }
}

/// What an event is about, in short: what it says is to be asked for by whoever may read it.
fn data_of(happened: &Happened, decision: &Decision, known: &Known<'_>, around: &Surroundings<'_>) -> Value {
    if let Some((id, _)) = happened.message {
        let decided =
            decision.messages.iter().rev().find(|(of, _)| *of == id).and_then(|(_, message)| message.as_ref());
        let message = decided.or_else(|| known.records.messages.get(&id).and_then(Option::as_ref));
        return message.map_or(Value::Null, |message| of_message(message, around));
    }
    if let Some(id) = happened.item {
        let decided = decision.items.iter().rev().find(|(of, _)| *of == id).and_then(|(_, item)| item.as_ref());
        let item = decided.or_else(|| known.records.items.get(&id).and_then(Option::as_ref));
        return item.map_or(Value::Null, |item| of_item(item));
    }
    let contact = decision.contact.as_ref().and_then(Option::as_deref).or(known.contact);
    contact.map_or(Value::Null, of_contact)
}

/// As the API shows it, without what it says.
fn of_message(message: &Message, around: &Surroundings<'_>) -> Value {
    let reason = message.reason.as_ref().map(|reason| json!({"code": reason.code(), "detail": reason.detail()}));
    json!({
        "id": message.id.to_string(),
        "contact_id": message.contact.to_string(),
        "channel": message.channel.name(),
        "to": message.to.as_str(),
        "from": message.sender.to_string(),
        "from_address": around.directory.sender(message.sender).map(|sender| sender.address.to_string()),
        "state": message.state.name().as_str(),
        "reason": reason,
        "due_at": message.due_at.to_string(),
        "class": message.class.name(),
        "metadata": message.metadata,
        "opened_at": message.response.opened_at.map(|at| at.to_string()),
        "clicked_at": message.response.clicked_at.map(|at| at.to_string()),
        "requeue_of": message.requeue_of.map(|id| id.to_string()),
        "test": message.test,
    })
}

fn of_item(item: &ThreadItem) -> Value {
    let mut data = json!({"id": item.id.to_string(), "contact_id": item.contact.to_string()});
    if let ItemKind::Inbound(inbound) = &item.kind {
        data["channel"] = json!(inbound.channel.name());
        data["from"] = json!(inbound.from.as_str());
        data["to"] = json!(inbound.to);
        data["automatic"] = json!(inbound.is_automatic);
        data["in_reply_to"] = json!(inbound.in_reply_to.map(|id| id.to_string()));
    }
    data
}

fn of_contact(contact: &Contact) -> Value {
    let conversation = &contact.conversation;
    json!({
        "id": contact.id.to_string(),
        "external_id": contact.profile.external_id,
        "version": contact.version,
        "unread": conversation.unread,
        "assigned_to": conversation.assigned_to.map(|user| user.to_string()),
    })
}

/// The webhook that a notice goes to: what a sender is to other messages.
const fn webhook_of(notice: &Message) -> WebhookId {
    WebhookId::from_bytes(*notice.sender.as_bytes())
}

/// Whom a notice is for, and by which lane it goes.
pub(super) struct Goal {
    pub(super) account: AccountNo,
    pub(super) sender: SenderId,
    pub(super) lane: LaneNo,
    /// As much of the URL as everyone may see.
    pub(super) to: Address,
    pub(super) callback_url: Option<WebUrl>,
}

impl Goal {
    /// A webhook. Its URL was parsed when it was set.
    fn of(webhook: &Webhook) -> Option<Self> {
        Some(Self {
            account: webhook.account,
            sender: SenderId::from_bytes(*webhook.id.as_bytes()),
            lane: webhook.lane,
            to: Address::Url(WebUrl::host_of(&webhook.url).ok()?),
            callback_url: None,
        })
    }
}

/// Adds a notice: record, due entry, ticket.
pub(super) fn put(
    decision: &mut Decision,
    known: &Known<'_>,
    goal: Goal,
    body: String,
    around: &Surroundings<'_>,
) -> MessageId {
    let id = around.ids.message(around.now, known.partition);
    let content = Content { text: Some(body), ..Content::default() };
    let (content, blob) = stored(content);
    if let Some(content) = blob {
        let key = keys::blob(BlobKey { message: id, number: BlobKey::CONTENT });
        decision.mutations.push(Mutation::Put(Table::Blob, key, codec::encode(&content)));
        decision.contents.push((id, Some(content)));
    }
    let notice = Message {
        id,
        origin: None,
        account: goal.account,
        contact: known.id,
        version: 1,
        channel: Channel::Webhook,
        class: Class::Transactional,
        sender: goal.sender,
        lane: goal.lane,
        to: goal.to,
        content,
        attachments: Vec::new(),
        state: State::Scheduled,
        reason: None,
        intent: Intent::Now,
        due_at: around.now,
        if_late: IfLate::Send,
        quiet_hours: QuietHoursPolicy::Ignore,
        cancel_on_reply: false,
        created_us: around.ids.created_us(around.now),
        updated_at: around.now,
        since: around.now,
        is_cancel_requested: false,
        author: Author::System,
        campaign: CampaignNo(0),
        estimated_cost: 1,
        attempts: Vec::new(),
        history: Vec::new(),
        request_hash: None,
        metadata: BTreeMap::new(),
        requeue_of: None,
        reply: ReplyChoice::None,
        thread: None,
        receipt: None,
        test: false,
        plan: None,
        response: Default::default(),
        series: None,
        callback_url: goal.callback_url,
    };
    decision.put_message(None, notice, DueEntry::InDue, around.now);
    id
}

/// Where a notice goes, and what it needs there.
pub(super) struct Destination {
    pub(super) url: String,
    pub(super) hook: Hook,
}

/// Where it goes now, unless nobody is to be told any more.
fn destination(notice: &Message, around: &Surroundings<'_>) -> Option<Destination> {
    if let Some(url) = &notice.callback_url {
        return callbacks::destination(url, notice, around);
    }
    let webhook = around.directory.webhook(notice.account, webhook_of(notice)).filter(|webhook| webhook.is_enabled)?;
    Some(Destination { url: webhook.url.clone(), hook: Hook::Webhook { secrets: webhook.secrets(around.now) } })
}

/// The last check of a notice, and then its claim. `notice` is scheduled; `stored` is how it stands in the store.
pub(super) fn claim_or_drop(
    known: &Known<'_>,
    notice: &Message,
    granted: &PermitGranted,
    stored: &Message,
    around: &Surroundings<'_>,
) -> Decision {
    let due = DueEntry::behind(&granted.ticket, stored);
    let mut decision = Decision::default();
    let mut next = next_version(notice, around.now);
    let Some(destination) = destination(notice, around) else {
        decision.remove_message(stored);
        decision.effects.push(Effect::Count(notice.channel, StateName::Canceled));
        decision.effects.push(Effect::Release(notice.channel, granted.permit, Release::Unused));
        return decision;
    };
    if !around.directory.is_active(notice.account) {
        next.due_at = around.now.plus(WHILE_SUSPENDED);
        next.state = State::Scheduled;
        next.reason = Some(Reason::AccountSuspended);
        decision.put_message(Some(stored), next, due, around.now);
        decision.effects.push(Effect::Release(notice.channel, granted.permit, Release::Unused));
        return decision;
    }
    if notice.due_at > around.now {
        // The wall clock was set back since the wheel let it go.
        if stored.state != State::Scheduled {
            decision.put_message(Some(stored), next, due, around.now);
            // Its ticket comes again when it is due.
            decision.effects.retain(|effect| !matches!(effect, Effect::Arm(_)));
        }
        decision.effects.push(Effect::Rewake(granted.ticket, notice.due_at));
        decision.effects.push(Effect::Release(notice.channel, granted.permit, Release::Unused));
        return decision;
    }
    let (content, url) = (content_of(known, notice), WebUrl::parse(&destination.url));
    let (Some(content), Ok(url)) = (content, url) else {
        give_up(&mut next, Reason::ContentLost, around);
        decision.put_message(Some(stored), next, due, around.now);
        decision.effects.push(Effect::Release(notice.channel, granted.permit, Release::Unused));
        return decision;
    };
    let attempt = begin_attempt(notice, &mut next, 1, granted, around);
    let envelope = Envelope {
        message: notice.id,
        identity: notice.id,
        account: notice.account,
        contact: notice.contact,
        attempt,
        class: notice.class,
        // Nobody sees it; the user agent says as much.
        from: SenderAddress::ShortOrName("sendwheel".into()),
        to: Address::Url(url),
        content,
        attachments: Vec::new(),
        date: next.attempts.first().map_or(around.now, |first| first.started_at),
        list_unsubscribe: None,
        in_reply_to: None,
        references: Vec::new(),
        reply_to: None,
        test: false,
        first_attempt: attempt == 1,
        withdrawal: Withdrawal::default(),
        hook: Some(destination.hook),
    };
    // The record alone changes: the due entry stays until the attempt is settled.
    decision.put_message(Some(stored), next, due, around.now);
    decision.effects.push(Effect::HandOver(granted.permit, Box::new(envelope)));
    decision
}

/// It becomes a dead letter, until its retention is over.
pub(super) fn give_up(notice: &mut Message, reason: Reason, around: &Surroundings<'_>) {
    enter(notice, State::Failed, Some(reason), Author::System, around.now);
    keep_dead(notice, around);
}

/// A dead letter's due entry tells when it is to be forgotten: it stands in no list that a sweep goes through.
pub(super) fn keep_dead(notice: &mut Message, around: &Surroundings<'_>) {
    if notice.channel == Channel::Webhook {
        notice.due_at = around.now.plus(around.settings.retention).max(UnixMs(notice.due_at.0 + 1));
    }
}

/// What the end of an attempt means to a notice, where that is not what it means to any message: once it is taken, or
/// nobody listens any more, it is no longer needed. Whether this was such an end.
pub(super) fn is_done(decision: &mut Decision, notice: &Message, verdict: &Verdict) -> bool {
    let outcome = match verdict {
        Verdict::Submitted { .. } => StateName::Delivered,
        Verdict::Permanent(failure) if failure.code == GONE => {
            if notice.callback_url.is_none() {
                decision.effects.push(Effect::SwitchOff(notice.account, webhook_of(notice)));
            }
            StateName::Canceled
        }
        _ => return false,
    };
    decision.remove_message(notice);
    decision.effects.push(Effect::Count(notice.channel, outcome));
    true
}

/// A dead letter is revived: the same notice, as if it had just been made.
pub(super) fn revive(known: &Known<'_>, caller: &Caller, id: MessageId, around: &Surroundings<'_>) -> Decision {
    let notice = known.records.messages.get(&id).and_then(Option::as_deref);
    let notice = notice.filter(|notice| notice.channel == Channel::Webhook && notice.account == caller.account);
    let Some(notice) = notice.filter(|notice| notice.contact == known.id) else {
        return Decision::answer(Err(EngineError::NotFound));
    };
    if notice.state != State::Failed {
        return Decision::answer(Err(not_failed(notice.state.name())));
    }
    if destination(notice, around).is_none() {
        return Decision::answer(Err(EngineError::Conflict {
            code: "webhook_disabled",
            detail: "the notice's webhook is gone or switched off: switch it on first".into(),
        }));
    }
    let mut next = next_version(notice, around.now);
    next.attempts.clear();
    next.state = State::Scheduled;
    next.reason = None;
    next.due_at = around.now;
    next.since = around.now;
    let mut decision = Decision { is_growth: true, ..Decision::default() };
    decision.reply(Ok(Answer::Message(Box::new(next.clone()))));
    decision.put_message(Some(notice), next, DueEntry::Somewhere, around.now);
    decision
}
