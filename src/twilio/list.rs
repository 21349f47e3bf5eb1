//! `GET …/Messages.json`: the account's SMS, ours and the contacts'.
//!
//! Order: with `To` or `From` of a contact, the messages of the contacts that have the number now; otherwise contact by
//! contact, those that were last active first, then those that nothing went to or came from yet. Within a contact:
//! what is still to come by its time, then the past, newest first. Twilio's own order is by `date_sent` over the whole
//! account; ours is that of the conversations, for which there are indexes.
//!
//! A page is found by looking at a bounded number of entries. With a filter that few of them pass it may have fewer
//! messages than were asked for, or none, and yet have a next one, which the libraries go on to by themselves.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::address::{Address, PhoneNumber};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::domain::instant::parse_instant;
use sendwheel_actors::domain::message::StoredContent;
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::{EngineError, PageRequest, ThreadEntry};
use serde::Serialize;
use url::form_urlencoded::Serializer;

use super::auth::Keyholder;
use super::error::TwilioError;
use super::form::Form;
use super::resource::{Resource, messages_path};
use crate::api::{Shared, answers};

/// Messages of a page unless asked otherwise.
const DEFAULT_PAGE: usize = 50;
/// Most messages of a page.
const MAX_PAGE: usize = 1_000;
/// Times that more is looked for.
const MAX_ROUNDS: usize = 20;
/// Entries looked at for one page.
const MAX_LOOKED_AT: usize = 5_000;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// What a page token begins with.
const TOKEN: &str = "PA";

/// A page, as Twilio shows it.
#[derive(Serialize)]
struct Page {
    end: usize,
    first_page_uri: String,
    messages: Vec<Resource>,
    next_page_uri: Option<String>,
    page: usize,
    page_size: usize,
    previous_page_uri: Option<String>,
    start: usize,
    uri: String,
}

/// Which messages are wanted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    to: Option<String>,
    from: Option<String>,
    /// Sent not before.
    since: Option<UnixMs>,
    /// Sent before.
    before: Option<UnixMs>,
}

impl Filter {
    fn read(query: &Form) -> Result<Self, TwilioError> {
        let address = |name| {
            query.get(name).map(|text| PhoneNumber::parse(text).map_or(text.to_owned(), |it| it.as_str().to_owned()))
        };
        let mut filter = Self { to: address("To"), from: address("From"), since: None, before: None };
        if let Some(text) = query.get("DateSent") {
            let day = midnight(sent(text)?);
            (filter.since, filter.before) = (Some(day), Some(UnixMs(day.0 + DAY_MS)));
        }
        if let Some(text) = query.get("DateSent>") {
            filter.since = filter.since.max(Some(sent(text)?));
        }
        if let Some(text) = query.get("DateSent<") {
            // Up to and with that moment.
            let before = UnixMs(sent(text)?.0 + 1);
            filter.before = Some(filter.before.map_or(before, |other| other.min(before)));
        }
        Ok(filter)
    }

    fn fits(&self, message: &Resource) -> bool {
        let is_dated = self.since.is_none() && self.before.is_none();
        let is_sent =
            |at: UnixMs| self.since.is_none_or(|since| at >= since) && self.before.is_none_or(|before| at < before);
        self.to.as_ref().is_none_or(|to| *to == message.to)
            && self.from.as_ref().is_none_or(|from| Some(from) == message.from.as_ref())
            && message.sent_at.map_or(is_dated, is_sent)
    }
}

/// A date, which is its first moment in UTC, or an instant.
fn sent(text: &str) -> Result<UnixMs, TwilioError> {
    let at = if text.len() == 10 { parse_instant(&format!("{text}T00:00:00Z")) } else { parse_instant(text) };
    at.map_err(|_| TwilioError::parameter(20_001, "Invalid 'DateSent': expected YYYY-MM-DD, or that with a time and Z"))
}

fn midnight(at: UnixMs) -> UnixMs {
    UnixMs(at.0 - at.0.rem_euclid(DAY_MS))
}

/// The contacts that can have what is wanted, if the filter tells.
async fn among(engine: &Engine, holder: &Keyholder, filter: &Filter) -> Result<Option<Vec<ContactId>>, TwilioError> {
    let account = holder.caller.account;
    let is_ours = |text: &str| {
        holder.directory.senders_of(account).any(|sender| sender.address.to_string().eq_ignore_ascii_case(text))
    };
    let theirs = [&filter.to, &filter.from].into_iter().flatten().find(|text| !is_ours(text));
    let Some(number) = theirs else { return Ok(None) };
    let Ok(number) = PhoneNumber::parse(number) else { return Ok(Some(Vec::new())) };
    let contacts = engine.contacts_at(account, &Address::Phone(number)).await?;
    Ok(Some(contacts.into_iter().map(|contact| contact.id).collect()))
}

/// An entry of a thread, if it is an SMS that is wanted.
async fn shown(
    engine: &Engine,
    holder: &Keyholder,
    filter: &Filter,
    entry: ThreadEntry,
) -> Result<Option<Resource>, TwilioError> {
    match entry {
        ThreadEntry::Message { view, .. } => {
            let now = engine.clock().now();
            let resource = Resource::of_message(&view, holder, now).filter(|resource| filter.fits(resource));
            if resource.is_none() || matches!(view.message.content, StoredContent::Inline(_)) {
                return Ok(resource);
            }
            // A long text is not read along with its thread.
            match engine.message(&holder.caller, view.message.id).await {
                Ok(view) => Ok(Resource::of_message(&view, holder, now)),
                Err(EngineError::NotFound) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
        ThreadEntry::Item { item, content } => {
            Ok(Resource::of_item(&item, &content, holder).filter(|resource| filter.fits(resource)))
        }
    }
}

/// Number and size of the page that is asked for.
fn page_of(query: &Form) -> Result<(usize, usize), TwilioError> {
    let number = |name, default: usize| match query.get(name) {
        Some(text) => text.parse().map_err(|_| TwilioError::parameter(20_001, "Invalid paging: expected a number")),
        None => Ok(default),
    };
    let size: usize = number("PageSize", DEFAULT_PAGE)?;
    if size == 0 {
        return Err(TwilioError::parameter(20_001, "Page size must be greater than 0"));
    }
    Ok((number("Page", 0)?.min(usize::MAX / MAX_PAGE - 1), size.min(MAX_PAGE)))
}

/// The path of a page of the same list.
fn page_uri(account_sid: &str, query: &Form, page: usize, size: usize, cursor: Option<&str>) -> String {
    let mut text = Serializer::new(String::new());
    text.extend_pairs(query.without(&["Page", "PageSize", "PageToken"]));
    text.append_pair("PageSize", &size.to_string()).append_pair("Page", &page.to_string());
    if let Some(cursor) = cursor {
        text.append_pair("PageToken", &format!("{TOKEN}{cursor}"));
    }
    format!("{}.json?{}", messages_path(account_sid), text.finish())
}

/// Messages of the account, or of contacts with a number.
pub(crate) async fn list_messages(
    holder: Keyholder,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, TwilioError> {
    let engine = &shared.state.engine;
    let query = Form::parse(request.query_string().as_bytes())?;
    let (number, size) = page_of(&query)?;
    let filter = Filter::read(&query)?;
    // What has another beginning is no cursor, and refused as that.
    let mut cursor = query.get("PageToken").map(|token| token.strip_prefix(TOKEN).unwrap_or_default().to_owned());
    let sid = &holder.account_sid;
    let uri = page_uri(sid, &query, number, size, cursor.as_deref());
    let among = among(engine, &holder, &filter).await?;
    let mut messages = Vec::new();
    let mut looked_at = 0;
    for _ in 0..MAX_ROUNDS {
        let wanted = PageRequest { cursor: cursor.take(), limit: size - messages.len() };
        let read = engine.walk(&holder.caller, among.as_deref(), wanted).await?;
        looked_at += read.items.len();
        for entry in read.items {
            messages.extend(shown(engine, &holder, &filter, entry).await?);
        }
        cursor = read.next_cursor;
        if cursor.is_none() || messages.len() >= size || looked_at >= MAX_LOOKED_AT {
            break;
        }
    }
    let start = number * size;
    let page = Page {
        end: start + messages.len().saturating_sub(1),
        first_page_uri: page_uri(sid, &query, 0, size, None),
        next_page_uri: cursor.map(|cursor| page_uri(sid, &query, number + 1, size, Some(&cursor))),
        page: number,
        page_size: size,
        previous_page_uri: None,
        start,
        uri,
        messages,
    };
    Ok(answers::json(StatusCode::OK, &page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn dates_bound_what_is_wanted() {
        let day = 1_796_083_200_000;
        let bounds = |text: &str| {
            let filter = Filter::read(&query(text)).unwrap();
            (filter.since.map(|at| at.0 - day), filter.before.map(|at| at.0 - day))
        };
        assert_eq!(bounds(""), (None, None));
        assert_eq!(bounds("DateSent=2026-12-01"), (Some(0), Some(DAY_MS)));
        assert_eq!(bounds("DateSent=2026-12-01T10:00:00Z"), (Some(0), Some(DAY_MS)));
        assert_eq!(bounds("DateSent>=2026-12-01"), (Some(0), None));
        assert_eq!(bounds("DateSent%3C=2026-12-01T00:00:01Z"), (None, Some(1_001)));
        assert_eq!(bounds("DateSent>=2026-12-02&DateSent<=2026-12-03"), (Some(DAY_MS), Some(2 * DAY_MS + 1)));
        for text in ["DateSent=yesterday", "DateSent>=2026-13-01", "DateSent<=2026-12-01T10:00:00"] {
            assert!(Filter::read(&query(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn pages_have_a_bounded_size() {
        assert_eq!(page_of(&query("")), Ok((0, 50)));
        assert_eq!(page_of(&query("PageSize=20&Page=3")), Ok((3, 20)));
        assert_eq!(page_of(&query("PageSize=5000")), Ok((0, 1_000)));
        for text in ["PageSize=0", "PageSize=-1", "PageSize=many", "Page=x"] {
            assert!(page_of(&query(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_next_page_is_of_the_same_list() {
        let query = query("To=%2B12125550123&PageSize=9&Page=1&PageToken=PAx&DateSent%3E=2026-12-01");
        assert_eq!(
            page_uri("AC1", &query, 2, 9, Some("a.1...")),
            "/2010-04-01/Accounts/AC1/Messages.json?To=%2B12125550123&DateSent%3E=2026-12-01&PageSize=9&Page=2&PageToken=PAa.1..."
        );
    }
}
