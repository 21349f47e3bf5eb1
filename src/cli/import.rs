//! `sendwheel import`: a CSV file of contacts, streamed to a node, with every refused row told.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use futures_util::stream;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use super::client::{Client, FieldProblem, NodeArgs};
use super::{Failure, Outcome, note, say};

/// Imports contacts.
#[derive(Args)]
#[command(after_help = "Columns: name, email, phone, time_zone, tags, external_id, consent_email, consent_sms;
any other becomes an attribute. Rows with an external_id that is known update that contact.
Exit code 1 if a row was refused; the others are imported all the same.

Example:
  sendwheel import contacts.csv")]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// The file, UTF-8, with a header line
    file: PathBuf,
    /// Show no progress bar
    #[arg(long)]
    quiet: bool,
}

const CHUNK: usize = 64 * 1024;
/// Longest line of an answer, and refused rows that are shown.
const MAX_LINE: usize = 1 << 20;
const MAX_SHOWN: u64 = 1_000;

#[derive(Deserialize)]
struct Row {
    /// Line of the file that it begins on, the header being line 1.
    line: u64,
    outcome: String,
    #[serde(default)]
    errors: Vec<FieldProblem>,
}

/// How many rows had which end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    created: u64,
    updated: u64,
    refused: u64,
}

pub(crate) async fn run(args: ImportArgs) -> Outcome {
    let client = Client::new(&args.node)?;
    let unreadable = |error: std::io::Error| Failure::Usage(format!("cannot read {}: {error}", args.file.display()));
    let file = tokio::fs::File::open(&args.file).await.map_err(unreadable)?;
    let length = file.metadata().await.map_err(unreadable)?.len();
    let bar = if args.quiet { ProgressBar::hidden() } else { progress_bar(length) };
    let counts = import(&client, file, &bar).await;
    bar.finish_and_clear();
    let counts = counts?;
    say(format_args!("{} created, {} updated, {} refused", counts.created, counts.updated, counts.refused))?;
    if counts.refused > MAX_SHOWN {
        note(format_args!("{} more refused rows are not shown", counts.refused - MAX_SHOWN));
    }
    if counts.refused > 0 { Err(Failure::Reported) } else { Ok(()) }
}

fn progress_bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes}  {msg}  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// Sends the file and reads the outcome of each row while it is still being sent.
async fn import(client: &Client, file: tokio::fs::File, bar: &ProgressBar) -> Result<Counts, Failure> {
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let chunks = stream::try_unfold(file, move |mut file| {
        let counter = Arc::clone(&counter);
        async move {
            let mut chunk = vec![0; CHUNK];
            let read = file.read(&mut chunk).await?;
            chunk.truncate(read);
            counter.fetch_add(read as u64, Ordering::Relaxed);
            Ok::<_, std::io::Error>((read > 0).then_some((chunk, file)))
        }
    });
    let request = client
        .request(Method::POST, "/v1/contacts:import")
        .header("content-type", "text/csv; charset=utf-8")
        .body(reqwest::Body::wrap_stream(chunks));
    let mut response = client.send(request).await?;
    let mut counts = Counts::default();
    let mut lines = Lines::default();
    while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(&error))? {
        for line in lines.feed(&chunk) {
            take_row(client, &line, &mut counts, bar)?;
        }
        bar.set_position(sent.load(Ordering::Relaxed));
        bar.set_message(format!("{} rows", counts.created + counts.updated + counts.refused));
    }
    if let Some(rest) = lines.finish() {
        take_row(client, &rest, &mut counts, bar)?;
    }
    Ok(counts)
}

fn take_row(client: &Client, line: &[u8], counts: &mut Counts, bar: &ProgressBar) -> Result<(), Failure> {
    let row: Row = serde_json::from_slice(line).map_err(|error| client.unreadable(error))?;
    match row.outcome.as_str() {
        "created" => counts.created += 1,
        "updated" => counts.updated += 1,
        _ => {
            counts.refused += 1;
            if counts.refused <= MAX_SHOWN {
                bar.suspend(|| say(refusal(&row)))?;
            }
        }
    }
    Ok(())
}

fn refusal(row: &Row) -> String {
    let mut text = format!("line {}: ", row.line);
    if row.errors.is_empty() {
        text.push_str("refused");
    }
    for (index, error) in row.errors.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let field = error.pointer.trim_start_matches('/');
        let colon = if field.is_empty() { "" } else { ": " };
        let _ = write!(text, "{separator}{field}{colon}{}", error.detail);
    }
    text
}

/// Cuts a stream into lines.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, chunk: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.rest.len() + part.len() <= MAX_LINE {
                self.rest.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                lines.extend(self.finish());
            }
        }
        lines
    }

    fn finish(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.rest).trim_ascii().to_vec();
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::client::tests::{Responder, client};
    use super::*;

    #[actix_web::test]
    async fn a_file_is_streamed_and_every_row_is_counted() {
        let answer = "{\"row\":1,\"line\":2,\"outcome\":\"created\",\"id\":\"contact_1\"}\n\
                      {\"row\":2,\"line\":3,\"outcome\":\"refused\",\"errors\":[{\"pointer\":\"/phone\",\"code\":\"x\",\"detail\":\"no such number\"}]}\n\
                      {\"row\":3,\"line\":4,\"outcome\":\"updated\",\"id\":\"contact_2\"}";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
        let responder = Responder::start(vec![format!("{head}{answer}")]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"name,phone\nAnn,+12125550123\n").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let counts = import(&client(&responder), file.into(), &ProgressBar::hidden()).await.unwrap();
        assert_eq!(counts, Counts { created: 1, updated: 1, refused: 1 });
        let request = &responder.requests()[0];
        assert!(request.contains("content-type: text/csv") && request.contains("Ann,+12125550123"), "{request}");
    }

    #[test]
    fn a_refused_row_is_told_with_its_line_and_reasons() {
        let error = |pointer: &str, detail: &str| FieldProblem { pointer: pointer.into(), detail: detail.into() };
        let row = |errors| Row { line: 7, outcome: "refused".into(), errors };
        assert_eq!(
            refusal(&row(vec![error("/phone", "no such number"), error("", "too many")])),
            "line 7: phone: no such number; too many"
        );
        assert_eq!(refusal(&row(Vec::new())), "line 7: refused");
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut lines = Lines::default();
        assert_eq!(lines.feed(b"one\ntw"), vec![b"one".to_vec()]);
        assert_eq!(lines.feed(b"o\r\n\nthr"), vec![b"two".to_vec()]);
        assert_eq!(lines.finish(), Some(b"thr".to_vec()));
        assert_eq!(lines.finish(), None);
    }
}
