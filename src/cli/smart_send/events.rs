//! The file of events: `contact,timestamp` rows, read with bounds, refused with the line's number.
//!
//! A refusal does not repeat the row: contacts may be addresses.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sendwheel_actors::domain::instant::parse_instant;

use crate::cli::Failure;

/// Longest file, in bytes.
const MAX_FILE: u64 = 4 << 30;
/// Most rows.
const MAX_EVENTS: usize = 50_000_000;
/// Longest name of a contact, in bytes.
const MAX_CONTACT: usize = 320;
/// End of the year 9999, in unix seconds.
const MAX_SECOND: i64 = 253_402_300_799;

/// One contact was active in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    /// Unix seconds.
    pub(super) second: i64,
    /// Contacts are numbered as the file names them first.
    pub(super) contact: u32,
}

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum EventsError {
    #[error("line {line}: expected two columns, contact,timestamp, but found {found}")]
    Columns { line: u64, found: usize },
    #[error("line {line}: the contact is empty")]
    NoContact { line: u64 },
    #[error("line {line}: the contact is longer than {MAX_CONTACT} bytes")]
    LongContact { line: u64 },
    #[error("line {line}: the timestamp is neither unix seconds nor RFC 3339 with an offset (2026-12-01T09:00:00Z)")]
    Timestamp { line: u64 },
    #[error("line {line}: the timestamp is not between 1970 and 9999: give seconds, not milliseconds")]
    OutOfRange { line: u64 },
    #[error("line {line}: more than {MAX_EVENTS} rows: split the file by contacts")]
    TooMany { line: u64 },
    #[error("the file is longer than 4 GiB: split it by contacts")]
    TooLong,
    #[error("cannot read the rows: {0}")]
    Csv(#[from] csv::Error),
}

pub(super) fn read_file(path: &Path) -> Result<Vec<Event>, Failure> {
    let unreadable = |error: io::Error| Failure::Usage(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let events = if length > MAX_FILE { Err(EventsError::TooLong) } else { read(file.take(MAX_FILE)) };
    events.map_err(|error| Failure::Failed(anyhow::Error::new(error).context(format!("cannot use {}", path.display()))))
}

/// Reads the rows, in their order.
pub(super) fn read(source: impl Read) -> Result<Vec<Event>, EventsError> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(source);
    let mut contacts: HashMap<Box<[u8]>, u32> = HashMap::new();
    let mut events = Vec::new();
    let mut row = csv::ByteRecord::new();
    let mut is_first = true;
    while reader.read_byte_record(&mut row)? {
        let line = row.position().map_or(0, csv::Position::line);
        if row.len() != 2 {
            return Err(EventsError::Columns { line, found: row.len() });
        }
        let name = row[0].strip_prefix(b"\xef\xbb\xbf").unwrap_or(&row[0]);
        let is_header = is_first && !row[1].iter().any(u8::is_ascii_digit);
        is_first = false;
        if is_header {
            continue;
        }
        if name.is_empty() {
            return Err(EventsError::NoContact { line });
        }
        if name.len() > MAX_CONTACT {
            return Err(EventsError::LongContact { line });
        }
        if events.len() == MAX_EVENTS {
            return Err(EventsError::TooMany { line });
        }
        let second = second(&row[1], line)?;
        let contact = match contacts.get(name) {
            Some(known) => *known,
            None => {
                // There are fewer contacts than rows, and fewer rows than a u32 counts.
                let next = contacts.len() as u32;
                contacts.insert(name.into(), next);
                next
            }
        };
        events.push(Event { second, contact });
    }
    Ok(events)
}

fn second(text: &[u8], line: u64) -> Result<i64, EventsError> {
    let text = std::str::from_utf8(text).map_err(|_| EventsError::Timestamp { line })?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let second: Option<i64> = text.parse().ok();
        return second.filter(|second| (0..=MAX_SECOND).contains(second)).ok_or(EventsError::OutOfRange { line });
    }
    parse_instant(text).map(|at| at.0.div_euclid(1_000)).map_err(|_| EventsError::Timestamp { line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(contact: u32, second: i64) -> Event {
        Event { second, contact }
    }

    #[test]
    fn rows_are_seconds_or_rfc_3339_with_or_without_a_header() {
        let expected = vec![event(0, 1_700_000_000), event(1, 0), event(0, 1_700_000_000)];
        let rows = "ann,1700000000\nbob,0\nann,2023-11-14T22:13:20Z\n";
        assert_eq!(read(rows.as_bytes()).unwrap(), expected);
        assert_eq!(read(format!("contact,timestamp\n{rows}").as_bytes()).unwrap(), expected);
        assert_eq!(read(format!("\u{feff}\"contact\", timestamp\r\n{rows}").as_bytes()).unwrap(), expected);
        assert_eq!(read("\"a,b\", 7 \n".as_bytes()).unwrap(), [event(0, 7)]);
        assert_eq!(read("ann,2023-11-14T23:13:20.9+01:00".as_bytes()).unwrap(), [event(0, 1_700_000_000)]);
        assert_eq!(read("".as_bytes()).unwrap(), []);
    }

    #[test]
    fn a_bad_row_is_refused_with_its_line_and_without_the_contact() {
        for (rows, told) in [
            ("ann,1\nann@example.com,yesterday\n", "line 2: the timestamp is neither"),
            ("ann,1\nann,2023-11-14T22:13:20\n", "line 2: the timestamp is neither"),
            ("contact,time1\n", "line 1: the timestamp is neither"),
            ("ann,1\nann\n", "line 2: expected two columns"),
            // Blank lines belong to the row that they stand before.
            ("ann,1\n\nann\n", "line 2: expected two columns"),
            ("ann,1,2\n", "line 1: expected two columns"),
            ("contact,timestamp\ncontact,timestamp\n", "line 2: the timestamp is neither"),
            ("ann,1\n,2\n", "line 2: the contact is empty"),
            ("ann,-1\n", "line 1: the timestamp is not between"),
            ("ann,1700000000000\n", "line 1: the timestamp is not between"),
            ("ann,99999999999999999999\n", "line 1: the timestamp is not between"),
            ("ann,\u{661}\n bob,\u{662}\n", "line 2: the timestamp is neither"),
        ] {
            let error = read(rows.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(told), "{rows:?}: {error}");
            assert!(!error.contains("example.com"), "{error}");
        }
        let long = format!("{},1\n", "x".repeat(MAX_CONTACT + 1));
        assert!(matches!(read(long.as_bytes()), Err(EventsError::LongContact { line: 1 })));
    }
}
