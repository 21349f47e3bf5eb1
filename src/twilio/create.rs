//! `POST …/Messages.json`: sends or schedules an SMS.
//!
//! The contact is the one that was last active among those with the number, else a new one. With an idempotency token
//! it is the oldest of them: a repetition must meet the same one, whoever was active meanwhile. Whatever can be judged
//! without it is judged before, so that a refused request leaves no contact behind. The text is sent as it is: it is
//! no template.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::address::{Address, Channel, PhoneNumber, WebUrl};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::{Sender, SenderAddress};
use sendwheel_actors::domain::ids::SenderId;
use sendwheel_actors::domain::instant::parse_instant;
use sendwheel_actors::domain::message::{Content, ReplyChoice};
use sendwheel_actors::domain::schedule::{IfLate, Intent, QuietHoursPolicy};
use sendwheel_actors::domain::{permissions, plan, segments};
use sendwheel_actors::engine::api::{NewIntent, NewMessage};

use super::auth::Keyholder;
use super::error::TwilioError;
use super::form::Form;
use super::resource::Resource;
use crate::api::{Shared, answers};

/// Bytes of a `StatusCallback`.
const CALLBACK_BYTES: usize = 500;
/// Longest `ValidityPeriod`, in seconds.
const MAX_VALIDITY: u64 = 36_000;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    to: PhoneNumber,
    from: From,
    text: String,
    intent: NewIntent,
    if_late: IfLate,
    callback: Option<WebUrl>,
}

/// What it is to be sent from.
#[derive(Debug, PartialEq, Eq)]
enum From {
    Number(SenderAddress),
    /// The one last used with the contact, else the account's default.
    Any,
}

/// What cannot be heeded, and would change what the recipient gets or who keeps it.
fn refuse_unsupported(form: &Form) -> Result<(), TwilioError> {
    for (name, message) in [
        ("MediaUrl", "'MediaUrl' is not supported: this installation sends text"),
        ("ContentSid", "'ContentSid' is not supported: give the text in 'Body'"),
        ("ContentVariables", "'ContentVariables' is not supported: give the text in 'Body'"),
    ] {
        if form.get(name).is_some() {
            return Err(TwilioError::unsupported(message));
        }
    }
    for (name, value, message) in [
        ("SendAsMms", "true", "'SendAsMms' is not supported: this installation sends text"),
        ("ContentRetention", "discard", "'ContentRetention' is not supported: delete the message once it is sent"),
        ("AddressRetention", "obfuscate", "'AddressRetention' is not supported: delete the message once it is sent"),
    ] {
        if form.get(name).is_some_and(|given| given.eq_ignore_ascii_case(value)) {
            return Err(TwilioError::unsupported(message));
        }
    }
    Ok(())
}

/// A number, or a short code or name.
fn sender_address(text: &str) -> Result<SenderAddress, TwilioError> {
    if let Ok(number) = PhoneNumber::parse(text) {
        return Ok(SenderAddress::Phone(number));
    }
    let is_short =
        text.len() <= 11 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '+' | '&'));
    if is_short && !text.starts_with('+') {
        return Ok(SenderAddress::ShortOrName(text.to_owned()));
    }
    Err(TwilioError::INVALID_FROM)
}

fn from(form: &Form) -> Result<From, TwilioError> {
    let is_service = |text: &str| text.len() == 34 && text.starts_with("MG");
    match (form.get("From"), form.get("MessagingServiceSid")) {
        (Some(text), _) if is_service(text) => Ok(From::Any),
        (Some(text), _) => sender_address(text.trim()).map(From::Number),
        (None, Some(_)) => Ok(From::Any),
        (None, None) => Err(TwilioError::NO_FROM),
    }
}

/// When: now, unless both parameters say otherwise. One without the other never means now.
fn intent(form: &Form, now: UnixMs) -> Result<NewIntent, TwilioError> {
    match (form.get("ScheduleType"), form.get("SendAt")) {
        (None, None) => Ok(NewIntent::Now),
        (Some(kind), _) if !kind.eq_ignore_ascii_case("fixed") => Err(TwilioError::INVALID_SCHEDULE_TYPE),
        (None, Some(_)) => Err(TwilioError::INVALID_SCHEDULE_TYPE),
        (Some(_), None) => Err(TwilioError::NO_SEND_AT),
        (Some(_), Some(text)) => {
            let at = parse_instant(text).map_err(|_| TwilioError::INVALID_SEND_AT)?;
            plan::moment(&Intent::At(at), now).map_err(|_| TwilioError::INVALID_SEND_AT)?;
            Ok(NewIntent::At(at))
        }
    }
}

fn if_late(form: &Form) -> Result<IfLate, TwilioError> {
    let Some(text) = form.get("ValidityPeriod") else { return Ok(IfLate::Send) };
    match text.parse() {
        Ok(seconds @ 1..=MAX_VALIDITY) => Ok(IfLate::SkipAfter(Duration::from_secs(seconds))),
        _ => Err(TwilioError::parameter(20_001, "'ValidityPeriod' must be 1 to 36,000 seconds")),
    }
}

/// What stands after `#` is the caller's own, and no part of what is called.
fn callback(form: &Form) -> Result<Option<WebUrl>, TwilioError> {
    let Some(text) = form.get("StatusCallback") else { return Ok(None) };
    let url = WebUrl::parse(text.split('#').next().unwrap_or(text)).ok();
    url.filter(|url| url.as_str().len() <= CALLBACK_BYTES).map(Some).ok_or(TwilioError::INVALID_CALLBACK)
}

impl Wanted {
    fn read(form: &Form, now: UnixMs) -> Result<Self, TwilioError> {
        refuse_unsupported(form)?;
        let to = form.get("To").ok_or(TwilioError::NO_TO)?;
        let to = PhoneNumber::parse_valid(to).map_err(|_| TwilioError::INVALID_TO)?;
        let from = from(form)?;
        let text = form.get("Body").filter(|text| !text.trim().is_empty()).ok_or(TwilioError::NO_BODY)?;
        segments::check(text).map_err(|_| TwilioError::LONG_BODY)?;
        let (intent, if_late, callback) = (intent(form, now)?, if_late(form)?, callback(form)?);
        Ok(Self { to, from, text: text.to_owned(), intent, if_late, callback })
    }
}

/// The sender that is meant, if the key may use it.
fn permitted(from: &From, holder: &Keyholder, last_used: Option<SenderId>) -> Result<Option<SenderId>, TwilioError> {
    let caller = &holder.caller;
    let senders = holder.directory.senders_of(caller.account).filter(|sender| sender.channel() == Channel::Sms);
    match from {
        From::Number(address) => {
            let may = |sender: &Sender| permissions::may_use(caller.role, caller.user, sender, last_used);
            let mut named = senders.filter(|sender| sender.address == *address);
            named.find(|sender| may(sender)).map(|sender| Some(sender.id)).ok_or(TwilioError::UNKNOWN_FROM)
        }
        From::Any => match permissions::choose_sender(caller.role, caller.user, senders, last_used) {
            Some(_) => Ok(None),
            None => Err(TwilioError::UNKNOWN_FROM),
        },
    }
}

/// Sends or schedules.
pub(crate) async fn create_message(
    holder: Keyholder,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, TwilioError> {
    let engine = &shared.state.engine;
    let form = Form::read(&shared, &request, &mut payload).await?;
    let idempotency = form.idempotency(&request)?;
    let wanted = Wanted::read(&form, engine.clock().now())?;
    if let Some(url) = &wanted.callback {
        engine.check_callback(url)?;
    }
    let (caller, to) = (&holder.caller, Address::Phone(wanted.to));
    if engine.suppression(caller.account, &to).await?.is_some() {
        return Err(TwilioError::UNSUBSCRIBED);
    }
    let mut found = engine.contacts_at(caller.account, &to).await?.into_iter();
    let known = match idempotency {
        Some(_) => found.min_by_key(|contact| (contact.created_at, contact.id)),
        None => found.next(),
    };
    let last_used = known.as_ref().and_then(|contact| contact.last_used(Channel::Sms).sender);
    let from = permitted(&wanted.from, &holder, last_used)?;
    let contact = match known {
        Some(contact) => contact,
        None => engine.create_contact_at(caller, &to).await?,
    };
    let new = NewMessage {
        channel: Channel::Sms,
        to: Some(to),
        from,
        content: Content { text: Some(wanted.text), render: false, ..Content::default() },
        template: None,
        attachments: Vec::new(),
        intent: wanted.intent,
        class: None,
        if_late: wanted.if_late,
        quiet_hours: QuietHoursPolicy::default(),
        cancel_on_reply: false,
        reply: ReplyChoice::default(),
        metadata: BTreeMap::new(),
        recurrence: None,
        callback_url: wanted.callback,
        idempotency,
    };
    let view = engine.schedule(caller, contact.id, new).await?.into_inner();
    let shown = Resource::of_message(&view, &holder, engine.clock().now()).ok_or(TwilioError::NOT_FOUND)?;
    Ok(answers::json(StatusCode::CREATED, &shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_796_115_600_000);
    const GOOD: &str = "To=%2B12125550123&From=%2B12125550100&Body=Hi";

    fn read(text: &str) -> Result<Wanted, TwilioError> {
        Wanted::read(&Form::parse(text.as_bytes()).unwrap(), NOW)
    }

    #[test]
    fn a_request_says_who_what_and_when() {
        let more =
            "&ScheduleType=fixed&SendAt=2026-12-02T09:00:00Z&ValidityPeriod=60&StatusCallback=https://x.example/s";
        let wanted = read(&format!("{GOOD}{more}&SmartEncoded=true&MaxPrice=1")).unwrap();
        assert_eq!(wanted.to.as_str(), "+12125550123");
        assert_eq!(wanted.from, From::Number(SenderAddress::Phone(PhoneNumber::parse("+12125550100").unwrap())));
        assert_eq!((wanted.text.as_str(), wanted.intent), ("Hi", NewIntent::At(NOW.plus(Duration::from_secs(86_400)))));
        assert_eq!(wanted.if_late, IfLate::SkipAfter(Duration::from_secs(60)));
        assert_eq!(wanted.callback.unwrap().as_str(), "https://x.example/s");
        let now = read(GOOD).unwrap();
        assert_eq!((now.intent, now.if_late, now.callback), (NewIntent::Now, IfLate::Send, None));
    }

    #[test]
    fn a_sender_is_a_number_a_name_or_any() {
        let from = |text: &str| read(&format!("To=%2B12125550123&Body=Hi&{text}")).map(|wanted| wanted.from);
        let named = |text: &str| Ok(From::Number(SenderAddress::ShortOrName(text.to_owned())));
        let service = format!("MG{}", "a".repeat(32));
        assert_eq!(from("From=24365"), named("24365"));
        assert_eq!(from("From=ACME"), named("ACME"));
        assert_eq!(from(&format!("MessagingServiceSid={service}")), Ok(From::Any));
        assert_eq!(from(&format!("From={service}")), Ok(From::Any));
        assert_eq!(from(&format!("From=24365&MessagingServiceSid={service}")), named("24365"));
        assert_eq!(from(""), Err(TwilioError::NO_FROM));
        for text in ["whatsapp:%2B12125550100", "%2B1", "a+name+that+is+too+long", "x@example.com"] {
            assert_eq!(from(&format!("From={text}")), Err(TwilioError::INVALID_FROM), "{text}");
        }
    }

    #[test]
    fn whatever_is_wrong_has_its_code_and_never_means_now() {
        for (more, error) in [
            ("&ScheduleType=fixed", TwilioError::NO_SEND_AT),
            ("&SendAt=2026-12-02T09:00:00Z", TwilioError::INVALID_SCHEDULE_TYPE),
            ("&ScheduleType=smart&SendAt=2026-12-02T09:00:00Z", TwilioError::INVALID_SCHEDULE_TYPE),
            ("&ScheduleType=fixed&SendAt=tomorrow", TwilioError::INVALID_SEND_AT),
            ("&ScheduleType=fixed&SendAt=2026-12-02T09:00:00", TwilioError::INVALID_SEND_AT),
            ("&ScheduleType=fixed&SendAt=2020-12-02T09:00:00Z", TwilioError::INVALID_SEND_AT),
            ("&ScheduleType=fixed&SendAt=2046-12-02T09:00:00Z", TwilioError::INVALID_SEND_AT),
            ("&StatusCallback=ftp://x.example", TwilioError::INVALID_CALLBACK),
            ("&StatusCallback=/status", TwilioError::INVALID_CALLBACK),
        ] {
            assert_eq!(read(&format!("{GOOD}{more}")), Err(error), "{more}");
        }
        let long = format!("To=%2B12125550123&From=24365&Body={}", "x".repeat(1_601));
        for (text, error) in [
            ("From=24365&Body=Hi", TwilioError::NO_TO),
            ("To=12&From=24365&Body=Hi", TwilioError::INVALID_TO),
            ("To=whatsapp:%2B12125550123&From=24365&Body=Hi", TwilioError::INVALID_TO),
            ("To=%2B10000000000&From=24365&Body=Hi", TwilioError::INVALID_TO),
            ("To=%2B12125550123&From=24365", TwilioError::NO_BODY),
            ("To=%2B12125550123&From=24365&Body=+", TwilioError::NO_BODY),
            (&long, TwilioError::LONG_BODY),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        for more in
            ["&MediaUrl=https://x.example/a.png", "&ContentSid=HX1", "&SendAsMms=true", "&ContentRetention=discard"]
        {
            assert!(read(&format!("{GOOD}{more}")).is_err(), "{more}");
        }
        assert!(read(&format!("{GOOD}&ValidityPeriod=0")).is_err());
    }
}
