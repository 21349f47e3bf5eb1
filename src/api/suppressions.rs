//! `/v1/suppressions`: addresses that nothing is sent to, whichever contact has them.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::address::{Address, EmailAddress, PhoneNumber};
use sendwheel_actors::domain::audit::AuditAction;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::suppression::{Suppression, SuppressionReason};
use sendwheel_actors::engine::api::{Created, EngineError, PageRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, created_status, json, ok};
use super::auth::Admin;
use super::body;
use super::checks::choice;
use super::contact_view::as_text;
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{self, Text, request_object};
use super::paging::Query;
use super::routes::Shared;

const REASONS: &[(&str, SuppressionReason)] = &[
    ("manual", SuppressionReason::Manual),
    ("hard_bounce", SuppressionReason::HardBounce),
    ("unsubscribed", SuppressionReason::Unsubscribed),
    ("complaint", SuppressionReason::Complaint),
];
/// Addresses read at once for an export.
const EXPORT_PAGE: usize = 500;
/// Addresses that one import may bring.
const MAX_IMPORTED: usize = 100_000;

/// A suppressed address.
#[derive(Serialize, ToSchema)]
#[schema(as = Suppression)]
pub(crate) struct SuppressionView<'a> {
    /// Nothing, if its owner was erased: the address stays suppressed, and is kept as a digest alone.
    #[schema(value_type = Option<String>, example = "ada@example.com")]
    address: Option<&'a str>,
    #[schema(value_type = super::schemas::Channel)]
    channel: &'static str,
    /// `manual`, `hard_bounce`, `unsubscribed` or `complaint`.
    #[schema(value_type = String)]
    reason: &'static str,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
}

impl<'a> SuppressionView<'a> {
    fn of(suppression: &'a Suppression) -> Self {
        Self {
            address: suppression.address.as_ref().map(Address::as_str),
            channel: suppression.channel.name(),
            reason: suppression.reason.name(),
            created_at: suppression.since,
        }
    }
}

/// An address of either kind: what begins with a plus is a phone number.
fn address(text: &str) -> Result<Address, String> {
    let text = text.trim();
    let parsed = if text.starts_with('+') {
        PhoneNumber::parse(text).map(Address::Phone)
    } else {
        EmailAddress::parse(text).map(Address::Email)
    };
    parsed.map_err(|error| error.to_string())
}

/// Every suppressed address, newest first.
#[utoipa::path(get, path = "/v1/suppressions", tag = "suppressions",
    params(("address" = Option<String>, Query, description = "Only this address"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<SuppressionView>)))]
pub(crate) async fn list_suppressions(Admin(auth): Admin, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["address", "cursor", "limit"]);
    let page = query.page();
    let wanted = query.parsed("address", |text| address(text).map_err(|detail| ("invalid_address", detail)));
    query.finish()?;
    let engine = &shared.state.engine;
    if let Some(address) = wanted {
        let found = engine.suppression(auth.caller.account, &address).await?;
        return Ok(ok(&ListOf { data: found.iter().map(SuppressionView::of).collect(), next_cursor: None }));
    }
    let page = engine.suppressions(&auth.caller, page).await?;
    Ok(ok(&ListOf { data: page.items.iter().map(SuppressionView::of).collect(), next_cursor: page.next_cursor }))
}

request_object! {
    /// An address to suppress.
    pub(crate) struct SuppressionRequest<'a> {
        /// An email address, or a phone number that begins with a plus.
        #[schema(value_type = String)]
        address: Text<'a>,
        /// Why; default `manual`.
        #[schema(value_type = Option<String>)]
        reason: Text<'a>,
    }
}

/// Suppresses an address: from the answer on nothing is sent to it, and what is pending is cancelled.
#[utoipa::path(post, path = "/v1/suppressions", tag = "suppressions", request_body = SuppressionRequest,
    responses((status = 201, body = SuppressionView), (status = 200, body = SuppressionView, description = "It was suppressed already")))]
pub(crate) async fn create_suppression(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let wanted = json::read::<SuppressionRequest<'_>>(&body.bytes)?;
    let (mut faults, root) = (Faults::default(), At::Root);
    wanted.stray.refuse(&root, SuppressionRequest::NAMES, &mut faults);
    let at = root.member("address");
    let parsed = wanted.address.required(&at, &mut faults).and_then(|text| match address(&text) {
        Ok(address) => Some(address),
        Err(detail) => {
            faults.refuse(&at, "invalid_address", detail);
            None
        }
    });
    let at = root.member("reason");
    let reason = wanted.reason.optional(&at, &mut faults).and_then(|text| choice(&text, REASONS, &at, &mut faults));
    let address = faults.finish(parsed)?;
    let reason = reason.unwrap_or(SuppressionReason::Manual);
    let (status, found) = created_status(shared.state.engine.suppress(&auth.caller, address, reason).await?);
    Ok(json(status, &SuppressionView::of(&found)))
}

/// Takes an address off the list. Whether its contact wants messages is another matter: that is their consent.
#[utoipa::path(delete, path = "/v1/suppressions/{address}", tag = "suppressions", params(("address" = String, Path)),
    responses((status = 200, body = SuppressionView)))]
pub(crate) async fn delete_suppression(Admin(auth): Admin, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    // A plus that was escaped stays so in a path; no address has it otherwise.
    let text = request.match_info().get("address").unwrap_or_default().replace("%2B", "+").replace("%2b", "+");
    let address = address(&text).map_err(|_| ApiError::not_found())?;
    let gone = shared.state.engine.unsuppress(&auth.caller, &address).await?;
    Ok(ok(&SuppressionView::of(&gone)))
}

/// What came of an import.
#[derive(Serialize, ToSchema)]
struct Imported {
    /// Addresses that are new on the list.
    added: u64,
    /// Addresses that were on it.
    known: u64,
    /// Rows that are no address, with their line and what is wrong; the first hundred.
    refused: Vec<RefusedRow>,
    /// How many rows were refused.
    refused_count: u64,
}

#[derive(Serialize, ToSchema)]
struct RefusedRow {
    row: u64,
    detail: String,
}

/// Suppresses many addresses: CSV with the columns `address` and, if wanted, `reason`.
#[utoipa::path(post, path = "/v1/suppressions:import", tag = "suppressions",
    request_body(content = String, content_type = "text/csv"), responses((status = 200, body = Imported)))]
pub(crate) async fn import_suppressions(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let is_csv = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !is_csv.is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/csv")) {
        return Err(ApiError::UnsupportedMediaType("text/csv"));
    }
    let settings = &shared.state.settings;
    let body = body::read(&request, &mut payload, settings.large_bytes, &shared.large, settings).await?;
    let mut rows = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(&body.bytes[..]);
    let columns = rows.byte_headers().map_err(|_| no_header())?.clone();
    let column = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name.as_bytes()));
    let Some(address_at) = column("address") else { return Err(no_header()) };
    let reason_at = column("reason");
    shared.state.engine.record_request(&auth.caller, AuditAction::SuppressionsImported).await?;
    let caller = auth.caller.in_bulk();
    let mut outcome = Imported { added: 0, known: 0, refused: Vec::new(), refused_count: 0 };
    for (index, row) in rows.byte_records().enumerate() {
        if index >= MAX_IMPORTED {
            let detail = format!("at most {MAX_IMPORTED} rows at once: send the rest in another request");
            return Err(ApiError::field("", "too_many", detail));
        }
        let parsed = row.map_err(|_| "not a row of CSV".to_owned()).and_then(|row| {
            let text = |at: Option<usize>| at.and_then(|at| row.get(at)).map(String::from_utf8_lossy);
            let address = address(&text(Some(address_at)).unwrap_or_default())?;
            let reason = match text(reason_at).filter(|text| !text.is_empty()) {
                None => SuppressionReason::Manual,
                Some(text) => text
                    .parse()
                    .map_err(|()| "no such reason: manual, hard_bounce, unsubscribed or complaint".to_owned())?,
            };
            Ok((address, reason))
        });
        match parsed {
            Ok((address, reason)) => match shared.state.engine.suppress(&caller, address, reason).await? {
                Created::New(_) => outcome.added += 1,
                Created::Replayed(_) => outcome.known += 1,
            },
            Err(detail) => {
                outcome.refused_count += 1;
                if outcome.refused.len() < 100 {
                    // The header is line 1.
                    outcome.refused.push(RefusedRow { row: index as u64 + 2, detail });
                }
            }
        }
    }
    Ok(ok(&outcome))
}

fn no_header() -> ApiError {
    ApiError::field("", "invalid_csv", "the first line names the columns: address and, if wanted, reason")
}

/// Every suppressed address as CSV, newest first.
#[utoipa::path(get, path = "/v1/suppressions:export", tag = "suppressions",
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(crate) async fn export_suppressions(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Query::of(&request, &[]).finish()?;
    // The first page decides about the status; the rest is written as it is read.
    let first =
        shared.state.engine.suppressions(&auth.caller, PageRequest { cursor: None, limit: EXPORT_PAGE }).await?;
    let begin = (shared, auth, Some(first), true);
    let stream = futures_util::stream::unfold(begin, async |(shared, auth, page, is_first)| {
        let page = page?;
        let mut out = csv::Writer::from_writer(Vec::new());
        if is_first {
            out.write_record(["address", "channel", "reason", "created_at"]).ok()?;
        }
        for item in &page.items {
            // One of an erased person cannot be told any more.
            let Some(address) = &item.address else { continue };
            let row = [address.as_str(), item.channel.name(), item.reason.name(), &item.since.to_string()];
            out.write_record(row).ok()?;
        }
        let next = match page.next_cursor {
            None => None,
            cursor => {
                let request = PageRequest { cursor, limit: EXPORT_PAGE };
                match shared.state.engine.suppressions(&auth.caller, request).await {
                    Ok(page) => Some(page),
                    // A cut body, so that nobody takes half a list for the whole.
                    Err(error) => return Some((Err(error), (shared, auth, None, false))),
                }
            }
        };
        let bytes = out.into_inner().ok()?;
        Some((Ok::<_, EngineError>(web::Bytes::from(bytes)), (shared, auth, next, false)))
    });
    Ok(HttpResponse::build(StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(stream))
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::address::Channel;

    use super::*;

    #[test]
    fn an_address_of_either_kind_is_told_by_its_plus() {
        assert_eq!(address(" +12125550123 ").unwrap().channel(), Channel::Sms);
        assert_eq!(address("ada@example.com").unwrap().channel(), Channel::Email);
        for wrong in ["", "ada", "+1", "2125550123"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_reason_is_offered() {
        for reason in SuppressionReason::ALL {
            assert!(REASONS.contains(&(reason.name(), reason)));
        }
    }
}
