//! A message as callers see it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::Snapshot;
use sendwheel_actors::domain::ids::{ContactId, MessageId, SenderId, SeriesId, WebhookId};
use sendwheel_actors::domain::message::{
    Attachment, Attempt, AttemptOutcome, Author, HistoryEntry, Message, ReplyChoice,
};
use sendwheel_actors::domain::reason::{LaneReason, Reason};
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy, IfLate, Intent, QuietHoursPolicy, Resolution};
use sendwheel_actors::engine::api::MessageView as Seen;
use serde::Serialize;
use utoipa::ToSchema;

use super::contact_view::{as_text, as_text_or_null};
use super::plan_view::PlanView;
use super::schemas;
use super::smart_view::SmartView;
use super::times::show_duration;

/// A message.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "msg_01h455vb4pex5vsknk084sn02q")]
    id: MessageId,
    /// Only in threads: `scheduled` (still to come), `outbound`, `inbound` or `event`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    kind: Option<&'static str>,
    /// Counts changes, from 1; for `If-Match`.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    contact_id: ContactId,
    #[schema(value_type = schemas::Channel)]
    channel: &'static str,
    /// The contact's address.
    #[schema(value_type = String)]
    to: &'a str,
    /// The id of the sender; of a dead letter to a webhook, that webhook's.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    from: FromView,
    /// What the recipient sees it come from; `null` when the sender was removed.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    from_address: Option<&'a sendwheel_actors::domain::directory::SenderAddress>,
    #[schema(value_type = Option<String>)]
    subject: Option<&'a str>,
    /// The plain text on either channel.
    #[schema(value_type = Option<String>)]
    body: Option<&'a str>,
    /// The plain text of an email.
    #[schema(value_type = Option<String>)]
    text: Option<&'a str>,
    #[schema(value_type = Option<String>)]
    html: Option<&'a str>,
    /// Whether subject, text and html are templates that are filled in at hand-over.
    render: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<AttachmentView>>)]
    attachments: Vec<AttachmentView<'a>>,
    #[schema(value_type = schemas::Class)]
    class: &'static str,
    #[schema(value_type = schemas::State)]
    state: &'static str,
    /// Why it stands there.
    reason: Option<ReasonView>,
    /// When its next attempt may start, or when its last one might.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    due_at: UnixMs,
    /// What was asked for.
    #[schema(value_type = SendView)]
    send: SendView<'a>,
    /// `send`, `replan` or `{"skip_after": "6h"}`.
    #[schema(value_type = Object)]
    if_late: IfLateView,
    #[schema(value_type = schemas::QuietHours)]
    quiet_hours: &'static str,
    cancel_on_reply: bool,
    /// SMS only: what its sender's limit was last charged for it, else what is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<u16>,
    attempts: Vec<AttemptView<'a>>,
    /// When its recipient first opened it, as far as that can be told: email with the account's `tracking` on. What
    /// machines load is left out.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    opened_at: Option<UnixMs>,
    /// When its recipient first followed a link of it.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    clicked_at: Option<UnixMs>,
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: &'a BTreeMap<String, String>,
    /// Who scheduled it: the id of a key or a user, or `system`.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    who: Who,
    /// Email: the message or received mail that it answers; known from its hand-over on, or as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    in_reply_to: Option<MessageId>,
    /// The dead letter that it revives.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    requeue_of: Option<MessageId>,
    /// If it repeats: its series.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    series_id: Option<SeriesId>,
    /// Goes to the outbox, whatever the transport.
    test: bool,
    /// On request: the plan and everything that happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain<'a>>,
}

/// A file that goes with a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Attachment)]
pub(crate) struct AttachmentView<'a> {
    #[schema(value_type = String)]
    filename: &'a str,
    #[schema(value_type = String)]
    content_type: &'a str,
    /// Bytes.
    size: u32,
}

/// Why something is as it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Reason)]
pub(crate) struct ReasonView {
    /// Stable.
    code: &'static str,
    /// One sentence for a person.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
}

/// What was asked for: `"now"`, or a time.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Send)]
pub(crate) enum SendView<'a> {
    /// At once.
    Now(&'static str),
    /// At an instant.
    Instant {
        #[serde(serialize_with = "as_text")]
        #[schema(value_type = String, format = DateTime)]
        at: UnixMs,
    },
    /// At the best moment of a window.
    Smart(SmartView),
    /// At a wall-clock time.
    Wall {
        /// Without offset.
        #[schema(value_type = String)]
        at: &'a str,
        /// As asked for: a zone, or `contact`.
        #[schema(value_type = String)]
        time_zone: &'a str,
        /// The zone that it was resolved in.
        #[schema(value_type = String)]
        zone: &'a str,
        #[schema(value_type = schemas::Gap)]
        gap: GapPolicy,
        #[schema(value_type = schemas::Fold)]
        fold: FoldPolicy,
        /// How it met the zone's rules.
        #[schema(value_type = schemas::Resolution)]
        resolution: Resolution,
    },
}

/// What happens when it is late.
#[derive(Serialize)]
#[serde(untagged)]
enum IfLateView {
    Word(&'static str),
    SkipAfter { skip_after: String },
}

/// One try to hand a message over.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptView<'a> {
    /// From 1.
    number: u16,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    started_at: UnixMs,
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<UnixMs>,
    #[schema(value_type = schemas::AttemptOutcome)]
    outcome: AttemptOutcome,
    /// The failure's stable code, if it failed.
    #[schema(value_type = Option<String>)]
    code: Option<&'a str>,
    #[schema(value_type = Option<String>)]
    detail: Option<&'a str>,
    /// The provider's own name for it.
    #[schema(value_type = Option<String>)]
    provider_id: Option<&'a str>,
}

/// The plan of a message, and every hold and change.
#[derive(Serialize, ToSchema)]
struct Explain<'a> {
    plan: PlanView<'a>,
    /// Why it waits in its lane, if it does.
    lane: Option<ReasonView>,
    /// Holds, edits, cancels: oldest first.
    history: Vec<HistoryView>,
}

/// A change of a message that was not an attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
struct HistoryView {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    at: UnixMs,
    #[schema(value_type = schemas::State)]
    state: &'static str,
    reason: Option<ReasonView>,
    /// The id of a key or a user, or `system`.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    who: Who,
}

/// An author by id.
pub(crate) struct Who(pub(crate) Author);

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Author::ApiKey(id) => id.fmt(f),
            Author::User(id) => id.fmt(f),
            Author::System => f.write_str("system"),
        }
    }
}

impl ReasonView {
    pub(crate) fn stored(reason: &Reason) -> Self {
        Self { code: reason.code(), detail: reason.detail().into() }
    }

    fn lane(reason: LaneReason) -> Self {
        let detail = match reason {
            LaneReason::RateLimited => "it waits for a limit of its sender or channel",
            LaneReason::LanePaused => "an operator paused its sender",
            LaneReason::ProviderBackoff => "the provider fails: it is tried again shortly",
            LaneReason::BehindEarlier => "an earlier message of the same contact is under way",
            LaneReason::Draining => "the node is draining and hands nothing over",
            LaneReason::InLine => "it is next in line",
        };
        Self { code: reason.code(), detail: detail.into() }
    }
}

const fn quiet_hours_name(policy: QuietHoursPolicy) -> &'static str {
    match policy {
        QuietHoursPolicy::Defer => "defer",
        QuietHoursPolicy::Skip => "skip",
        QuietHoursPolicy::Ignore => "ignore",
    }
}

impl<'a> SendView<'a> {
    pub(crate) fn of(intent: &'a Intent) -> Self {
        match intent {
            Intent::Now => Self::Now("now"),
            Intent::At(at) => Self::Instant { at: *at },
            Intent::Smart(window) => Self::Smart(SmartView::of(window)),
            Intent::Wall(wall) => Self::Wall {
                at: &wall.local,
                time_zone: if wall.zone_of_contact { "contact" } else { &wall.zone },
                zone: &wall.zone,
                gap: wall.gap,
                fold: wall.fold,
                resolution: wall.resolution,
            },
        }
    }
}

pub(crate) fn attachment(file: &Attachment) -> AttachmentView<'_> {
    AttachmentView { filename: &file.filename, content_type: &file.content_type, size: file.size }
}

fn attempt(attempt: &Attempt) -> AttemptView<'_> {
    AttemptView {
        number: attempt.number,
        started_at: attempt.started_at,
        finished_at: attempt.finished_at,
        outcome: attempt.outcome,
        code: attempt.failure.as_ref().map(|failure| failure.code.as_str()),
        detail: attempt.failure.as_ref().map(|failure| failure.detail.as_str()),
        provider_id: attempt.provider_id.as_deref(),
    }
}

fn history(entry: &HistoryEntry) -> HistoryView {
    HistoryView {
        at: entry.at,
        state: entry.state.as_str(),
        reason: entry.reason.as_ref().map(ReasonView::stored),
        who: Who(entry.by),
    }
}

/// What a message goes through.
pub(crate) enum FromView {
    Sender(SenderId),
    Webhook(WebhookId),
}

impl FromView {
    fn of(message: &Message) -> Self {
        match message.channel {
            Channel::Email | Channel::Sms => Self::Sender(message.sender),
            // A status callback goes through no webhook.
            Channel::Webhook if message.callback_url.is_some() => Self::Sender(message.sender),
            Channel::Webhook => Self::Webhook(WebhookId::from_bytes(*message.sender.as_bytes())),
        }
    }
}

impl std::fmt::Display for FromView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sender(id) => id.fmt(f),
            Self::Webhook(id) => id.fmt(f),
        }
    }
}

impl<'a> MessageView<'a> {
    pub(crate) fn of(seen: &'a Seen, directory: &'a Snapshot) -> Self {
        let message = &seen.message;
        let text = seen.content.text.as_deref();
        let lane_reason = seen.queued.map(ReasonView::lane);
        Self {
            id: message.id,
            kind: None,
            version: message.version,
            created_at: message.created_at(),
            updated_at: message.updated_at,
            contact_id: message.contact,
            channel: message.channel.name(),
            to: message.to.as_str(),
            from: FromView::of(message),
            from_address: directory.sender(message.sender).map(|sender| &sender.address),
            subject: seen.content.subject.as_deref().or_else(|| message.content.subject()),
            body: text,
            text: text.filter(|_| message.channel == Channel::Email),
            html: seen.content.html.as_deref(),
            render: seen.content.render,
            attachments: message.attachments.iter().map(attachment).collect(),
            class: message.class.name(),
            state: seen.state_name().as_str(),
            reason: lane_reason.or_else(|| message.reason.as_ref().map(ReasonView::stored)),
            due_at: message.due_at,
            send: SendView::of(&message.intent),
            if_late: match message.if_late {
                IfLate::Send => IfLateView::Word("send"),
                IfLate::Replan => IfLateView::Word("replan"),
                IfLate::SkipAfter(limit) => IfLateView::SkipAfter { skip_after: show_duration(limit) },
            },
            quiet_hours: quiet_hours_name(message.quiet_hours),
            cancel_on_reply: message.cancel_on_reply,
            segments: (message.channel == Channel::Sms).then(|| message.cost()),
            attempts: message.attempts.iter().map(attempt).collect(),
            opened_at: message.response.opened_at,
            clicked_at: message.response.clicked_at,
            metadata: &message.metadata,
            who: Who(message.author),
            in_reply_to: match (&message.thread, message.reply) {
                (Some(thread), _) => thread.entry,
                (None, ReplyChoice::To(id)) => Some(id),
                (None, ReplyChoice::Last | ReplyChoice::None) => None,
            },
            requeue_of: message.requeue_of,
            series_id: message.series.as_ref().map(|of| of.series),
            test: message.test,
            explain: None,
        }
    }

    /// With the plan and everything that happened.
    pub(crate) fn explained(mut self, seen: &'a Seen) -> Self {
        let message = &seen.message;
        self.explain = Some(Explain {
            plan: PlanView::of(message),
            lane: seen.queued.map(ReasonView::lane),
            history: message.history.iter().map(history).collect(),
        });
        self
    }

    /// As an entry of a thread.
    pub(crate) fn in_thread(mut self, is_pending: bool) -> Self {
        self.kind = Some(if is_pending { "scheduled" } else { "outbound" });
        self
    }

    /// Without what it says, for people who run the installation and need not read it.
    pub(crate) fn without_content(mut self) -> Self {
        (self.subject, self.body, self.text, self.html) = (None, None, None, None);
        self
    }
}

#[cfg(test)]
#[path = "message_view_tests.rs"]
mod tests;
