//! An entry of a thread that is no message of ours, as callers see it.

use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::conversation::{ItemKind, ThreadEvent, ThreadItem};
use sendwheel_actors::domain::ids::{ContactId, MessageId, SenderId};
use sendwheel_actors::domain::message::{Author, Content};
use sendwheel_actors::domain::reason::Reason;
use sendwheel_actors::domain::series::SeriesState;
use serde::Serialize;
use utoipa::ToSchema;

use super::contact_view::{as_text, as_text_or_null};
use super::message_view::{AttachmentView, Who, attachment};
use super::schemas;

/// Something received, a note, or an event.
#[derive(Serialize, ToSchema)]
#[schema(as = ThreadItem)]
pub(crate) struct ItemView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "msg_01h455vb4pex5vsknk084sn02q")]
    id: MessageId,
    /// `inbound`, `note` or `event`.
    #[schema(value_type = String)]
    kind: &'static str,
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    contact_id: ContactId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Channel>)]
    channel: Option<&'static str>,
    /// `received`, for what the contact wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    state: Option<&'static str>,
    /// The contact's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    from: Option<&'a str>,
    /// Our address, as it was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    to: Option<&'a str>,
    /// Our sender behind it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    sender_id: Option<SenderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    subject: Option<&'a str>,
    /// The text of what was received, or of the note.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    body: Option<&'a str>,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    in_reply_to: Option<MessageId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<AttachmentView>>)]
    attachments: Vec<AttachmentView<'a>>,
    /// Written by a machine (an out-of-office note, a list).
    #[serde(skip_serializing_if = "Option::is_none")]
    automatic: Option<bool>,
    /// What happened: `opted_out`, `opted_in`, `asked_for_help`, `delivery_delayed`, `complained`, `merged`,
    /// `series_ended`, `series_canceled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    event: Option<&'static str>,
    /// The message that the event is about.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    message_id: Option<MessageId>,
    /// How they said it, the provider's code, or why a series ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    detail: Option<&'a str>,
    /// Who wrote the note or did it: the id of a key or a user, or `system`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    who: Option<Who>,
}

impl<'a> ItemView<'a> {
    pub(crate) fn of(item: &'a ThreadItem, content: &'a Content) -> Self {
        let mut view = Self {
            id: item.id,
            kind: "event",
            version: item.version,
            created_at: item.at,
            contact_id: item.contact,
            channel: None,
            state: None,
            from: None,
            to: None,
            sender_id: None,
            subject: None,
            body: None,
            in_reply_to: None,
            attachments: Vec::new(),
            automatic: None,
            event: None,
            message_id: None,
            detail: None,
            who: None,
        };
        match &item.kind {
            ItemKind::Inbound(inbound) => {
                view.kind = "inbound";
                view.channel = Some(inbound.channel.name());
                view.state = Some("received");
                (view.from, view.to) = (Some(inbound.from.as_str()), Some(inbound.to.as_str()));
                view.sender_id = inbound.sender;
                view.subject = content.subject.as_deref();
                view.body = content.text.as_deref();
                view.in_reply_to = inbound.in_reply_to;
                view.attachments = inbound.attachments.iter().map(attachment).collect();
                view.automatic = (inbound.channel == Channel::Email).then_some(inbound.is_automatic);
            }
            ItemKind::Note(note) => {
                view.kind = "note";
                view.body = Some(note.text.as_str());
                view.who = Some(Who(note.by));
            }
            ItemKind::Series(series) => {
                view.event = Some(match series.state {
                    SeriesState::Active => "series_active",
                    SeriesState::Ended => "series_ended",
                    SeriesState::Canceled => "series_canceled",
                });
                view.channel = Some(series.channel.name());
                view.message_id = Some(series.latest);
                view.detail = series.reason.as_ref().map(Reason::code);
            }
            // Found under its new id.
            ItemKind::Moved(to) => {
                view.event = Some("moved");
                view.message_id = Some(*to);
            }
            ItemKind::Event(event) => {
                view.event = Some(event.code());
                match event {
                    ThreadEvent::OptedOut { channel, via } | ThreadEvent::OptedIn { channel, via } => {
                        view.channel = Some(channel.name());
                        view.detail = Some(via.name());
                    }
                    ThreadEvent::AskedForHelp { channel } => view.channel = Some(channel.name()),
                    ThreadEvent::DeliveryDelayed { message, code } => {
                        view.message_id = Some(*message);
                        view.detail = Some(code.as_str());
                    }
                    ThreadEvent::Complained { message } => view.message_id = *message,
                    ThreadEvent::Merged { by, .. } => view.who = Some(Who(*by)),
                }
            }
        }
        view.who = view.who.or((view.kind == "event").then_some(Who(Author::System)));
        view
    }
}
