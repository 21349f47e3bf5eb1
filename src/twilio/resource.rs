//! A message as Twilio shows it
//! (<https://www.twilio.com/docs/messaging/api/message-resource#message-properties>).

use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::conversation::{Inbound, ItemKind, ThreadItem};
use sendwheel_actors::domain::directory::Snapshot;
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::message::{AttemptOutcome, Content, Message};
use sendwheel_actors::domain::segments;
use sendwheel_actors::domain::status_callback::error_code;
use sendwheel_actors::engine::api::MessageView;
use serde::Serialize;

use super::auth::Keyholder;
use super::{sid, status};

/// The resource.
#[derive(Debug, Serialize)]
pub(super) struct Resource {
    account_sid: String,
    api_version: &'static str,
    body: String,
    date_created: String,
    date_sent: Option<String>,
    date_updated: String,
    direction: &'static str,
    error_code: Option<u32>,
    error_message: Option<String>,
    pub(super) from: Option<String>,
    messaging_service_sid: Option<String>,
    num_media: String,
    num_segments: String,
    price: Option<String>,
    price_unit: Option<String>,
    sid: String,
    status: &'static str,
    subresource_uris: SubresourceUris,
    pub(super) to: String,
    uri: String,
    /// When it went, or came.
    #[serde(skip)]
    pub(super) sent_at: Option<UnixMs>,
}

#[derive(Debug, Serialize)]
struct SubresourceUris {
    media: String,
}

/// RFC 2822, in UTC, as Twilio writes it: `Thu, 24 Aug 2023 05:01:45 +0000`.
fn date(at: UnixMs) -> String {
    at.to_datetime().format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// The path of the account's messages, without an ending.
pub(super) fn messages_path(account_sid: &str) -> String {
    format!("{}Accounts/{account_sid}/Messages", super::PREFIX)
}

fn uris(account_sid: &str, id: MessageId) -> (String, SubresourceUris) {
    let path = format!("{}/{}", messages_path(account_sid), sid::of_message(id));
    (format!("{path}.json"), SubresourceUris { media: format!("{path}/Media.json") })
}

/// When its provider took it.
fn sent_at(message: &Message) -> Option<UnixMs> {
    let taken = message.attempts.iter().rev().find(|attempt| attempt.outcome == AttemptOutcome::Submitted)?;
    taken.finished_at
}

impl Resource {
    /// A message of ours; none if it is no SMS.
    pub(super) fn of_message(view: &MessageView, holder: &Keyholder, now: UnixMs) -> Option<Self> {
        let message = &view.message;
        if message.channel != Channel::Sms {
            return None;
        }
        let (uri, subresource_uris) = uris(&holder.account_sid, message.id);
        let error_code = error_code(message);
        let reason = error_code.and(message.reason.as_ref()).map(|reason| reason.detail());
        let sent_at = sent_at(message);
        Some(Self {
            account_sid: holder.account_sid.clone(),
            api_version: "2010-04-01",
            body: view.content.text.clone().unwrap_or_default(),
            date_created: date(message.created_at()),
            date_sent: sent_at.map(date),
            date_updated: date(message.updated_at),
            direction: "outbound-api",
            error_code,
            error_message: reason,
            from: sender_address(message, &holder.directory),
            messaging_service_sid: None,
            num_media: "0".into(),
            num_segments: message.cost().to_string(),
            price: None,
            price_unit: None,
            sid: sid::of_message(message.identity()),
            status: status::of(view, now),
            subresource_uris,
            to: message.to.as_str().to_owned(),
            uri,
            sent_at,
        })
    }

    /// Something that came in; none if it is no SMS.
    pub(super) fn of_item(item: &ThreadItem, content: &Content, holder: &Keyholder) -> Option<Self> {
        let inbound = sms(item)?;
        let (uri, subresource_uris) = uris(&holder.account_sid, item.id);
        let body = content.text.clone().unwrap_or_default();
        Some(Self {
            account_sid: holder.account_sid.clone(),
            api_version: "2010-04-01",
            date_created: date(item.at),
            date_sent: Some(date(item.at)),
            date_updated: date(item.at),
            direction: "inbound",
            error_code: None,
            error_message: None,
            from: Some(inbound.from.as_str().to_owned()),
            messaging_service_sid: None,
            num_media: inbound.attachments.len().to_string(),
            num_segments: segments::segments(&body).count.to_string(),
            price: None,
            price_unit: None,
            sid: sid::of_message(item.id),
            status: "received",
            subresource_uris,
            to: inbound.to.clone(),
            uri,
            body,
            sent_at: Some(item.at),
        })
    }
}

fn sender_address(message: &Message, directory: &Snapshot) -> Option<String> {
    directory.sender(message.sender).map(|sender| sender.address.to_string())
}

/// The SMS that an item is, if it is one.
fn sms(item: &ThreadItem) -> Option<&Inbound> {
    match &item.kind {
        ItemKind::Inbound(inbound) if inbound.channel == Channel::Sms => Some(inbound),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_twilio_writes_it() {
        assert_eq!(date(UnixMs(1_692_853_305_999)), "Thu, 24 Aug 2023 05:01:45 +0000");
        assert_eq!(date(UnixMs(1_559_347_200_000)), "Sat, 01 Jun 2019 00:00:00 +0000");
    }
}
