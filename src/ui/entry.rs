//! An entry of a thread as people see it: what it is, where it stands and since when, why, and what can be done.

use std::borrow::Cow;

use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::conversation::{ItemKind, OptVia, ThreadEvent, ThreadItem};
use sendwheel_actors::domain::directory::Snapshot;
use sendwheel_actors::domain::message::{Attachment, Author, Content, Message, StateName};
use sendwheel_actors::domain::reason::{LaneReason, Reason};
use sendwheel_actors::domain::schedule::{Intent, Resolution};
use sendwheel_actors::domain::series::{Series, SeriesState};
use sendwheel_actors::domain::template::{TemplateContext, render};
use sendwheel_actors::domain::verdict::FailureScope;
use sendwheel_actors::domain::zone::TimeZone;
use sendwheel_actors::engine::api::{MessageView, ThreadEntry};
use sendwheel_actors::inbound::html::sanitize;

use super::error::sentence;
use super::smart;
use super::visitor::user_name;
use super::when;

/// What entries are told with.
pub(super) struct Telling<'a> {
    pub(super) directory: &'a Snapshot,
    pub(super) contact: &'a Contact,
    pub(super) now: UnixMs,
    pub(super) mine: &'a TimeZone,
    pub(super) theirs: &'a TimeZone,
    pub(super) name: &'a str,
}

/// An entry.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) id: String,
    /// Style: `ours`, `theirs`, `note`, `event`.
    pub(super) side: &'static str,
    /// Style of the state: `wait`, `good`, `warn`, `bad`, `past`.
    pub(super) tone: &'static str,
    /// What it is called: state and time.
    pub(super) label: String,
    pub(super) state: String,
    pub(super) at: String,
    pub(super) also: Option<String>,
    pub(super) iso: String,
    pub(super) route: String,
    pub(super) subject: Option<String>,
    pub(super) text: String,
    /// A mail's HTML, made safe.
    pub(super) html: Option<String>,
    pub(super) has_blocked_images: bool,
    pub(super) files: Vec<String>,
    pub(super) why: Option<String>,
    pub(super) can_change: bool,
    pub(super) can_send_now: bool,
    pub(super) can_cancel: bool,
    /// It repeats: all of its series can be cancelled.
    pub(super) repeats: bool,
    pub(super) can_write_again: bool,
    pub(super) can_retry: bool,
    pub(super) needs_word: bool,
    pub(super) is_pending: bool,
}

pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "Email",
        Channel::Sms => "SMS",
        Channel::Webhook => "Webhook",
    }
}

pub(super) const fn shown(state: StateName) -> (&'static str, &'static str) {
    match state {
        StateName::Scheduled => ("Scheduled", "wait"),
        StateName::Queued => ("Queued", "wait"),
        StateName::Sending => ("Sending", "wait"),
        StateName::Submitted => ("Submitted", "good"),
        StateName::Delivered => ("Delivered", "good"),
        StateName::Undelivered => ("Undelivered", "bad"),
        StateName::Bounced => ("Bounced", "bad"),
        StateName::Held => ("Held", "warn"),
        StateName::Uncertain => ("Uncertain", "warn"),
        StateName::Failed => ("Failed", "bad"),
        StateName::Canceled => ("Canceled", "past"),
        StateName::Expired => ("Expired", "past"),
    }
}

const fn lane_words(reason: LaneReason) -> &'static str {
    match reason {
        LaneReason::RateLimited => "Its turn comes as fast as its sender may send.",
        LaneReason::LanePaused => "Its sender is paused: it goes when an operator resumes it.",
        LaneReason::ProviderBackoff => {
            "The provider does not take messages at the moment: it is tried again by itself."
        }
        LaneReason::BehindEarlier => "An earlier message to this contact goes first.",
        LaneReason::Draining => "This node is being emptied: it goes when that is over.",
        LaneReason::InLine => "It is next in line.",
    }
}

/// A reason that says nothing beyond the state.
const fn is_plain(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::CanceledByCaller
            | Reason::Edited
            | Reason::SendNow
            | Reason::Undone
            | Reason::Requeued
            | Reason::AccountResumed
            | Reason::Repeated
    )
}

/// Why it stands where it stands, and what to do.
fn why(view: &MessageView, state: StateName, telling: &Telling<'_>) -> Option<String> {
    let message = &view.message;
    let mut words: Vec<String> = view.queued.map(|reason| lane_words(reason).to_owned()).into_iter().collect();
    let stored = message.reason.as_ref().filter(|reason| !is_plain(reason));
    words.extend(stored.map(|reason| sentence(&reason.detail())));
    let failure = message.attempts.last().and_then(|attempt| attempt.failure.as_ref());
    if state.is_pending() || matches!(state, StateName::Failed | StateName::Undelivered | StateName::Bounced) {
        words.extend(failure.map(|failure| sentence(&failure.detail)));
    }
    words.extend(advice(state, failure.map(|failure| failure.scope)).map(str::to_owned));
    if state == StateName::Scheduled {
        if let Intent::Wall(wall) = &message.intent {
            words.extend(clock_change(wall.resolution, &wall.local));
        }
        let ahead = when::ahead(message.due_at, telling.now);
        match message.plan.as_ref().and_then(|plan| plan.chosen.as_deref()) {
            Some(chosen) => {
                words.extend(ahead.map(|ahead| format!("Waits for its smart moment, {ahead}.")));
                words.push(smart::why(chosen, telling.name));
            }
            None => words.extend(ahead.map(|ahead| format!("Waits for its time, {ahead}."))),
        }
    }
    words.extend(message.series.as_ref().filter(|_| state.is_pending()).map(|of| format!("Repeats {}.", of.repeats)));
    words.dedup();
    (!words.is_empty()).then(|| words.join(" "))
}

/// What to do about a message that did not arrive.
const fn advice(state: StateName, scope: Option<FailureScope>) -> Option<&'static str> {
    match (state, scope) {
        (StateName::Failed, Some(FailureScope::Provider)) => {
            Some("Try it again later; if it fails again, an admin should look at its sender.")
        }
        (StateName::Failed, Some(FailureScope::OptedOut)) => Some("They want nothing more this way: use another."),
        (StateName::Failed, _) => Some("Check the address and what it says, then write it again."),
        (StateName::Undelivered, _) => Some("Check the number, or write by email."),
        (StateName::Bounced, _) => Some("Check the address, or write by SMS."),
        _ => None,
    }
}

/// What a clock change does to a time.
pub(super) fn clock_change(resolution: Resolution, local: &str) -> Option<String> {
    let time = local.split_once('T').map_or(local, |(_, time)| time);
    let time = time.get(..5).unwrap_or(time);
    match resolution {
        Resolution::Exact => None,
        Resolution::Gap => {
            Some(format!("Clocks go forward that day and skip {time}: it goes later by as much as they skip."))
        }
        Resolution::Fold => Some(format!("Clocks go back that day and show {time} twice: it goes the first time.")),
    }
}

fn author(by: Author, directory: &Snapshot) -> Option<String> {
    match by {
        Author::User(id) => Some(directory.user(id).map_or_else(|| "a former user".into(), user_name)),
        Author::ApiKey(id) => {
            Some(directory.api_key(id).map_or_else(|| "a program".into(), |key| format!("API key {}", key.name)))
        }
        Author::System => None,
    }
}

/// What a message says to this contact: what waits is filled in as it would be now, if it can be.
fn filled<'a>(view: &'a MessageView, telling: &Telling<'_>) -> Cow<'a, Content> {
    let message = &view.message;
    let directory = telling.directory;
    let around = directory.sender(message.sender).zip(directory.account(message.account));
    let context = around.filter(|_| view.content.render);
    let context = context.map(|(sender, account)| TemplateContext::new(&telling.contact.profile, sender, account));
    let content = context.and_then(|context| render(&view.content, &context).ok());
    content.map_or(Cow::Borrowed(&view.content), Cow::Owned)
}

fn files(attachments: &[Attachment]) -> Vec<String> {
    let shown = |file: &Attachment| format!("{} ({} KB)", file.filename, file.size.div_ceil(1_000));
    attachments.iter().map(shown).collect()
}

impl Entry {
    pub(super) fn of(entry: &ThreadEntry, telling: &Telling<'_>) -> Self {
        match entry {
            ThreadEntry::Message { is_pending, view } => Self::ours(view, *is_pending, telling),
            ThreadEntry::Item { item, content } => Self::item(item, content, telling),
        }
    }

    fn says(&mut self, content: &Content) {
        self.subject = content.subject.clone().filter(|subject| !subject.is_empty());
        if let Some(html) = &content.html {
            let safe = sanitize(html);
            self.has_blocked_images = safe.blocked_images > 0;
            self.html = Some(safe.html).filter(|html| !html.trim().is_empty());
        }
        self.text = content.text.clone().unwrap_or_default();
    }

    fn route(message: &Message, telling: &Telling<'_>) -> String {
        let sender = telling.directory.sender(message.sender);
        let from = sender.map_or_else(
            || "a sender that was removed".to_owned(),
            |sender| match &sender.label {
                Some(label) => format!("{} ({label})", sender.address),
                None => sender.address.to_string(),
            },
        );
        let by = author(message.author, telling.directory).map_or_else(String::new, |by| format!(" · by {by}"));
        format!("{} from {from} to {}{by}", channel_name(message.channel), message.to)
    }

    fn ours(view: &MessageView, is_pending: bool, telling: &Telling<'_>) -> Self {
        let message = &view.message;
        let name = view.state_name();
        let (state, tone) = shown(name);
        let at = if is_pending { message.due_at } else { message.since };
        let (there, here) = when::in_both(telling.theirs, telling.mine, at, telling.now);
        let (shown_at, also) =
            if is_pending { (there, here) } else { (when::moment(telling.mine, at, telling.now), None) };
        let is_waiting = matches!(name, StateName::Scheduled | StateName::Queued | StateName::Held);
        let mut entry = Self {
            id: message.id.to_string(),
            side: "ours",
            tone,
            label: format!("{state}, {shown_at}"),
            state: state.to_owned(),
            at: shown_at,
            also,
            iso: at.to_string(),
            route: Self::route(message, telling),
            files: files(&message.attachments),
            why: why(view, name, telling),
            can_change: is_waiting,
            can_send_now: is_waiting,
            can_cancel: is_waiting || (name == StateName::Sending && !message.is_cancel_requested),
            repeats: message.series.is_some() && is_waiting,
            can_write_again: matches!(
                name,
                StateName::Canceled
                    | StateName::Expired
                    | StateName::Failed
                    | StateName::Undelivered
                    | StateName::Bounced
            ),
            can_retry: name == StateName::Failed,
            needs_word: name == StateName::Uncertain,
            is_pending,
            ..Self::default()
        };
        entry.says(&filled(view, telling));
        entry
    }

    fn item(item: &ThreadItem, content: &Content, telling: &Telling<'_>) -> Self {
        let at = when::moment(telling.mine, item.at, telling.now);
        let mut entry = Self { id: item.id.to_string(), iso: item.at.to_string(), ..Self::default() };
        match &item.kind {
            ItemKind::Inbound(inbound) => {
                (entry.side, entry.state) = ("theirs", "Received".into());
                entry.route = format!("{} from {} to {}", channel_name(inbound.channel), inbound.from, inbound.to);
                entry.files = files(&inbound.attachments);
                entry.why = inbound.is_automatic.then(|| "A machine wrote this, such as an out-of-office note.".into());
                entry.says(content);
            }
            ItemKind::Note(note) => {
                (entry.side, entry.state) = ("note", "Note".into());
                let by = author(note.by, telling.directory).unwrap_or_else(|| "the system".into());
                entry.route = format!("by {by}, seen by colleagues only");
                entry.text = note.text.clone();
            }
            ItemKind::Series(series) => {
                (entry.side, entry.state) = ("event", "Event".into());
                entry.text = series_words(series);
            }
            // It stands in no thread that is shown.
            ItemKind::Moved(_) => {}
            ItemKind::Event(event) => {
                (entry.side, entry.state) = ("event", "Event".into());
                entry.text = event_words(event, telling);
            }
        }
        entry.label = format!("{}, {at}", entry.state);
        entry.at = at;
        entry
    }
}

fn series_words(series: &Series) -> String {
    let what = series.recurrence.in_words();
    match (series.state, &series.reason) {
        (SeriesState::Active, _) => format!("A message repeats {what}."),
        (SeriesState::Canceled, _) => format!("The message that repeated {what} was canceled."),
        (SeriesState::Ended, Some(reason)) => {
            format!("The message that repeated {what} ended: {}.", reason.detail())
        }
        (SeriesState::Ended, None) => format!("The message that repeated {what} has come to its end."),
    }
}

fn event_words(event: &ThreadEvent, telling: &Telling<'_>) -> String {
    let name = telling.name;
    let via = |via: OptVia| match via {
        OptVia::Keyword => "by a keyword",
        OptVia::Link => "by the link in a mail",
        OptVia::Complaint => "by calling a mail spam",
        OptVia::Provider => "as the provider says",
        OptVia::Caller => "as a colleague recorded",
    };
    match event {
        ThreadEvent::OptedOut { channel, via: how } => {
            format!("{name} opted out of {} {}.", channel_name(*channel), via(*how))
        }
        ThreadEvent::OptedIn { channel, via: how } => {
            format!("{name} opted in to {} {}.", channel_name(*channel), via(*how))
        }
        ThreadEvent::AskedForHelp { channel } => format!("{name} asked for help by {}.", channel_name(*channel)),
        ThreadEvent::DeliveryDelayed { code, .. } => {
            format!("A mail is delayed on its way ({code}): its servers go on trying.")
        }
        ThreadEvent::Complained { .. } => format!("{name} called a mail spam."),
        ThreadEvent::Merged { by, .. } => {
            let by = author(*by, telling.directory).map_or_else(String::new, |by| format!(" by {by}"));
            format!("Another contact was merged into this one{by}.")
        }
    }
}
