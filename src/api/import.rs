//! `POST /v1/contacts:import`: contacts streamed in, a result a row streamed out.
//!
//! Rows run side by side, bounded, begun in their order; results come in the same order. A row with an
//! `external_id` updates the contact of that name, or makes it, so an import that broke off can be sent
//! again. A dry run judges every row and makes nothing. Results are kept for a client that sends everything before it reads anything ([`super::pipe`]).
//! If the client goes away, rows not yet begun are not done.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use futures_util::stream::{self, LocalBoxStream, Stream};
use sendwheel_actors::domain::audit::AuditAction;
use sendwheel_actors::domain::contact::Profile;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::engine::api::{EngineError, FieldError, NewContact, Upserted};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::Answer;
use super::auth::Authenticated;
use super::body::{self, Kind, STREAM_PAUSE};
use super::contact_request::ContactRequest;
use super::contact_view::as_text_or_null;
use super::csv_contact::Columns;
use super::error::{ApiError, ProblemField};
use super::faults::{At, Faults};
use super::json;
use super::paging::Query;
use super::pipe::{Writer, pipe};
use super::routes::Shared;
use super::rows::{Row, RowKind, Rows};

/// What came of a row.
#[derive(Serialize, ToSchema)]
pub(crate) struct RowResult<'a> {
    /// The row, from 1; a CSV header is none.
    row: u64,
    /// The line of the body that it begins on, from 1.
    line: u64,
    /// `created`, `updated` or `refused`; of a dry run `valid` or `refused`.
    outcome: &'static str,
    /// The contact.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    id: Option<ContactId>,
    /// What is wrong with it; in CSV, pointers name columns.
    errors: Vec<ProblemField<'a>>,
}

/// Where the rows come from.
struct Source {
    payload: LocalBoxStream<'static, Result<Bytes, PayloadError>>,
    rows: Rows,
    taken: u64,
    max_rows: u64,
    is_over: bool,
    is_broken: bool,
}

/// A row, or why there are no more.
type Numbered = (u64, Result<Row, (u64, ApiError)>);

impl Source {
    fn of(
        kind: RowKind,
        payload: LocalBoxStream<'static, Result<Bytes, PayloadError>>,
        settings: &super::ApiSettings,
    ) -> Self {
        Self {
            payload,
            rows: Rows::new(kind, settings.import_row_bytes),
            taken: 0,
            max_rows: settings.import_rows,
            is_over: false,
            is_broken: false,
        }
    }

    /// The columns, from the header of a CSV.
    async fn columns(&mut self) -> Result<Columns, ApiError> {
        let header = self.row().await?.and_then(|row| row.bytes);
        Columns::read(header.as_deref().unwrap_or_default())
    }

    /// Waits for the next piece of the body.
    async fn fetch(&mut self) -> Result<(), ApiError> {
        match tokio::time::timeout(STREAM_PAUSE, self.payload.next()).await {
            Err(_) => return Err(ApiError::BodyTooSlow),
            Ok(Some(Err(_))) => return Err(ApiError::BodyIncomplete),
            Ok(Some(Ok(piece))) => self.rows.push(&piece),
            Ok(None) => self.is_over = true,
        }
        Ok(())
    }

    /// The next row, whatever it says.
    async fn row(&mut self) -> Result<Option<Row>, ApiError> {
        loop {
            if let Some(row) = self.rows.next(self.is_over) {
                return Ok(Some(row));
            }
            if self.is_over {
                return Ok(None);
            }
            self.fetch().await?;
        }
    }

    /// The next row with its number; what ends the import early comes as its last one.
    async fn numbered(&mut self) -> Option<Numbered> {
        if self.is_broken {
            return None;
        }
        let row = match self.row().await {
            Ok(Some(_)) if self.taken == self.max_rows => {
                Err(ApiError::TooLarge(format!("{} rows: send the rest as another import", self.max_rows).into()))
            }
            Ok(Some(row)) => Ok(row),
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        self.taken += 1;
        self.is_broken = row.is_err();
        let line = self.rows.line();
        Some((self.taken, row.map_err(|error| (line, error))))
    }
}

/// What the rows of an import share.
struct Import {
    auth: Authenticated,
    shared: web::Data<Shared>,
    columns: Option<Columns>,
    is_dry: bool,
}

/// What became of a row that is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Created(ContactId),
    Updated(ContactId),
    /// Nothing was made of it: it was a dry run.
    Valid,
}

impl Import {
    /// Begins an import. The audit trail has it before the first row is done; a dry run changes nothing.
    async fn begin(
        auth: Authenticated,
        shared: web::Data<Shared>,
        columns: Option<Columns>,
        is_dry: bool,
    ) -> Result<Self, ApiError> {
        if !is_dry {
            shared.state.engine.record_request(&auth.caller, AuditAction::ContactsImported).await?;
        }
        let auth = Authenticated { caller: auth.caller.in_bulk(), ..auth };
        Ok(Self { auth, shared, columns, is_dry })
    }

    fn profile(&self, row: &Row) -> Result<Profile, ApiError> {
        let Some(bytes) = &row.bytes else {
            let bytes = self.shared.state.settings.import_row_bytes;
            let detail = format!("a row has at most {bytes} bytes: shorten it, or close its quotes");
            return Err(ApiError::field("", "too_long", detail));
        };
        let mut faults = Faults::default();
        let profile = match &self.columns {
            Some(columns) => columns.profile(bytes, &mut faults),
            None => json::read::<ContactRequest<'_>>(bytes)?.into_profile(&At::Root, &mut faults),
        };
        faults.finish(Some(profile))
    }

    async fn take(&self, row: &Row) -> Result<Taken, ApiError> {
        /// How often a row is tried again when the node is busy, and how long the first wait is.
        const PATIENCE: (u32, Duration) = (6, Duration::from_millis(50));
        let new = NewContact { profile: self.profile(row)?, idempotency: None };
        if self.is_dry {
            return Ok(Taken::Valid);
        }
        let engine = &self.shared.state.engine;
        let mut tries = 0;
        loop {
            match engine.upsert_contact(&self.auth.caller, new.clone()).await {
                Err(EngineError::Overloaded) if tries < PATIENCE.0 => {
                    tokio::time::sleep(PATIENCE.1 * 2u32.pow(tries)).await;
                    tries += 1;
                }
                outcome => {
                    return Ok(match outcome? {
                        Upserted::Created(contact) => Taken::Created(contact.id),
                        Upserted::Updated(contact) => Taken::Updated(contact.id),
                    });
                }
            }
        }
    }

    /// Does one row; with its number and its line.
    async fn result(self: Arc<Self>, (number, row): Numbered) -> (u64, u64, Result<Taken, ApiError>) {
        match row {
            Ok(row) => (number, row.line, self.take(&row).await),
            Err((line, error)) => (number, line, Err(error)),
        }
    }

    /// Does the rows as they come, side by side; results come in the order of the rows.
    fn results(self, source: Source) -> impl Stream<Item = (u64, u64, Result<Taken, ApiError>)> {
        let in_flight = self.shared.state.settings.lines_in_flight;
        let import = Arc::new(self);
        let rows = stream::unfold(source, async |mut source| source.numbered().await.map(|row| (row, source)));
        rows.map(move |row| Arc::clone(&import).result(row)).buffered(in_flight)
    }
}

fn result_line(row: u64, line: u64, outcome: &Result<Taken, ApiError>) -> Vec<u8> {
    let mut result = RowResult { row, line, outcome: "refused", id: None, errors: Vec::new() };
    let whole;
    match outcome {
        Ok(Taken::Created(contact)) => (result.outcome, result.id) = ("created", Some(*contact)),
        Ok(Taken::Updated(contact)) => (result.outcome, result.id) = ("updated", Some(*contact)),
        Ok(Taken::Valid) => result.outcome = "valid",
        Err(ApiError::Invalid(errors)) => result.errors = errors.iter().map(ProblemField::of).collect(),
        Err(error) => {
            whole = FieldError::new("", error.code(), error.to_string());
            result.errors.push(ProblemField::of(&whole));
        }
    }
    let mut out = serde_json::to_vec(&result).expect("a result has only strings and numbers");
    out.push(b'\n');
    out
}

/// Does the rows as they come. Ends with the body, or when nobody reads the results any more.
async fn run(import: Import, source: Source, mut results: Writer) {
    let lines = import.results(source).map(|(row, line, outcome)| result_line(row, line, &outcome));
    let mut done = std::pin::pin!(lines.ready_chunks(128));
    while let Some(lines) = done.next().await {
        if results.write(&lines.concat()).await.is_err() {
            return;
        }
    }
}

/// Makes or updates contacts from `text/csv` (with a header row) or newline-delimited JSON, streamed.
/// Answers a line a row. Rows: at most 1,000,000, each at most 64 KiB.
#[utoipa::path(post, path = "/v1/contacts:import", tag = "contacts",
    params(("dry_run" = Option<bool>, Query, description = "Judges the rows and makes nothing")),
    request_body(content((ContactRequest = "application/x-ndjson"), (String = "text/csv"))),
    responses((status = 200, body = RowResult, content_type = "application/x-ndjson", description = "A result a line")))]
pub(crate) async fn import_contacts(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let mut query = Query::of(&request, &["dry_run"]);
    let is_dry = query.flag("dry_run");
    query.finish()?;
    body::refuse_encoded(&request)?;
    let kind = match body::kind_of(&request) {
        Some(Kind::Csv) => RowKind::Csv,
        Some(Kind::NdJson) => RowKind::Lines,
        _ => return Err(ApiError::UnsupportedMediaType("text/csv or application/x-ndjson")),
    };
    let settings = &shared.state.settings;
    let mut source = Source::of(kind, payload.boxed_local(), settings);
    let columns = match kind {
        RowKind::Lines => None,
        RowKind::Csv => Some(source.columns().await?),
    };
    let import = Import::begin(auth, shared.clone(), columns, is_dry).await?;
    let (results, reader) = pipe(settings.import_results_bytes);
    actix_web::rt::spawn(run(import, source, results));
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(reader.into_stream().map(Ok::<_, Infallible>)))
}

/// What came of an import whose results are wanted together.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Rows of which something was made, or would be.
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) valid: u64,
    /// How many were refused, and the first of them: its line and what is wrong with it.
    pub(crate) refused: u64,
    pub(crate) first_refused: Vec<(u64, ApiError)>,
}

/// Refused rows that are told.
const TOLD: usize = 100;

/// Imports rows of CSV that are there already.
pub(crate) async fn import_csv(
    auth: Authenticated,
    shared: web::Data<Shared>,
    rows: String,
    is_dry: bool,
) -> Result<Summary, ApiError> {
    let rows = stream::once(async move { Ok(Bytes::from(rows)) }).boxed_local();
    let mut source = Source::of(RowKind::Csv, rows, &shared.state.settings);
    let columns = Some(source.columns().await?);
    let mut summary = Summary::default();
    let import = Import::begin(auth, shared, columns, is_dry).await?;
    let mut results = std::pin::pin!(import.results(source));
    while let Some((_, line, outcome)) = results.next().await {
        match outcome {
            Ok(Taken::Created(_)) => summary.created += 1,
            Ok(Taken::Updated(_)) => summary.updated += 1,
            Ok(Taken::Valid) => summary.valid += 1,
            Err(error) => {
                summary.refused += 1;
                if summary.first_refused.len() < TOLD {
                    summary.first_refused.push((line, error));
                }
            }
        }
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_names_its_row_and_what_is_wrong_with_it() {
        let shown = |outcome| -> serde_json::Value {
            serde_json::from_slice(&result_line(2, 3, &outcome)).expect("a line is JSON")
        };
        let refused = shown(Err(ApiError::field("/email", "invalid_email", "not an email address")));
        assert_eq!(
            refused,
            serde_json::json!({"row": 2, "line": 3, "outcome": "refused", "id": null,
                "errors": [{"pointer": "/email", "code": "invalid_email", "detail": "not an email address"}]})
        );
        assert_eq!(shown(Ok(Taken::Valid))["outcome"], "valid");
        let refused = shown(Err(ApiError::from(EngineError::Overloaded)));
        assert_eq!(refused["errors"][0]["code"], "overloaded");
    }
}
