//! The rows of a streamed import: cut out of the pieces that arrive, bounded in size, with their numbers.

use actix_web::web::{Bytes, BytesMut};

/// What separates rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// A line break outside of quotes (RFC 4180).
    Csv,
    /// A line break.
    Lines,
}

/// A row that was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line of the body that it begins on, from 1.
    pub(crate) line: u64,
    /// Its bytes without the line break, or none if it is larger than a row may be.
    pub(crate) bytes: Option<Bytes>,
}

/// Where a CSV reader stands within a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote in a quoted field: its end, or the first half of a doubled quote.
    QuoteInQuoted,
}

/// Cuts rows out of pieces.
#[derive(Debug)]
pub(crate) struct Rows {
    kind: RowKind,
    max: usize,
    buffer: BytesMut,
    /// How much of the buffer was looked at.
    scanned: usize,
    within: Within,
    /// The line that is looked at, and the one that the row began on.
    line: u64,
    row_line: u64,
    /// Whether the row is larger than a row may be, and its bytes were dropped.
    is_too_long: bool,
    is_at_start: bool,
}

impl Rows {
    /// Rows of at most `max` bytes.
    pub(crate) fn new(kind: RowKind, max: usize) -> Self {
        Self {
            kind,
            max,
            buffer: BytesMut::new(),
            scanned: 0,
            within: Within::FieldStart,
            line: 1,
            row_line: 1,
            is_too_long: false,
            is_at_start: true,
        }
    }

    /// Adds a piece. Rows are to be taken out before the next one.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The line that is looked at, from 1.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    fn is_row_end(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            self.line += 1;
        }
        if self.kind == RowKind::Lines {
            return byte == b'\n';
        }
        use Within as W;
        let (within, is_end) = match (self.within, byte) {
            (W::Quoted, b'"') => (W::QuoteInQuoted, false),
            (W::Quoted, _) => (W::Quoted, false),
            (W::QuoteInQuoted, b'"') => (W::Quoted, false),
            (_, b'\n') => (W::FieldStart, true),
            (_, b',') => (W::FieldStart, false),
            (W::FieldStart, b'"') => (W::Quoted, false),
            _ => (W::Unquoted, false),
        };
        self.within = within;
        is_end
    }

    /// The next row that is there. `is_over` says that no piece follows: what is left is the last row.
    pub(crate) fn next(&mut self, is_over: bool) -> Option<Row> {
        if self.is_at_start && (self.buffer.len() >= 3 || is_over) {
            self.is_at_start = false;
            if self.buffer.starts_with(b"\xef\xbb\xbf") {
                // A byte order mark, as spreadsheets write it.
                let _ = self.buffer.split_to(3);
            }
        }
        if self.is_at_start {
            return None;
        }
        loop {
            let mut end = None;
            while self.scanned < self.buffer.len() {
                let byte = self.buffer[self.scanned];
                self.scanned += 1;
                if self.is_row_end(byte) {
                    end = Some(self.scanned);
                    break;
                }
            }
            let row = match end {
                Some(end) => self.cut(end, 1),
                None if is_over && (!self.buffer.is_empty() || self.is_too_long) => self.cut(self.buffer.len(), 0),
                None => {
                    if self.buffer.len() > self.max {
                        self.is_too_long = true;
                        self.buffer.clear();
                        self.scanned = 0;
                    }
                    return None;
                }
            };
            if let Some(row) = row {
                return Some(row);
            }
        }
    }

    /// Takes the row out that ends at `end` with a line break of this length; blank ones are none.
    fn cut(&mut self, end: usize, line_break: usize) -> Option<Row> {
        let line = std::mem::replace(&mut self.row_line, self.line);
        let mut bytes = self.buffer.split_to(end).freeze();
        bytes.truncate(bytes.len() - line_break);
        if bytes.ends_with(b"\r") {
            bytes.truncate(bytes.len() - 1);
        }
        self.scanned = 0;
        if std::mem::take(&mut self.is_too_long) || bytes.len() > self.max {
            return Some(Row { line, bytes: None });
        }
        (!bytes.trim_ascii().is_empty()).then_some(Row { line, bytes: Some(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a text that arrives in pieces of the given size.
    fn rows(kind: RowKind, max: usize, text: &[u8], piece: usize) -> Vec<(u64, Option<String>)> {
        let mut rows = Rows::new(kind, max);
        let mut found = Vec::new();
        let mut take = |rows: &mut Rows, is_over| {
            while let Some(row) = rows.next(is_over) {
                found.push((row.line, row.bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())));
            }
        };
        for piece in text.chunks(piece) {
            rows.push(piece);
            take(&mut rows, false);
        }
        take(&mut rows, true);
        found
    }

    #[test]
    fn rows_are_the_same_however_they_arrive() {
        let text =
            b"\xef\xbb\xbfname,note\r\n\"Ada, A\",\"two\nlines and a \"\"quote\"\"\"\n\n5\" pipe,x\nlast,\"one\"";
        let expected = [
            (1, Some("name,note".to_owned())),
            (2, Some("\"Ada, A\",\"two\nlines and a \"\"quote\"\"\"".to_owned())),
            (5, Some("5\" pipe,x".to_owned())),
            (6, Some("last,\"one\"".to_owned())),
        ];
        for piece in 1..=text.len() {
            assert_eq!(rows(RowKind::Csv, 100, text, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_row_beyond_the_bound_is_dropped_and_the_next_one_is_read() {
        let text = format!("short\n{}\nshort again\n", "x".repeat(50));
        let expected = [(1, Some("short".to_owned())), (2, None), (3, Some("short again".to_owned()))];
        for piece in [1, 7, 30, 100] {
            assert_eq!(rows(RowKind::Lines, 20, text.as_bytes(), piece), expected, "pieces of {piece}");
        }
        assert_eq!(rows(RowKind::Lines, 20, &[b'x'; 50], 10), [(1, None)]);
    }

    #[test]
    fn an_endless_row_takes_no_more_memory_than_its_bound() {
        let mut rows = Rows::new(RowKind::Csv, 1_000);
        rows.push(b"\"");
        for _ in 0..1_000 {
            rows.push(&[b'x'; 1_000]);
            assert_eq!(rows.next(false), None);
            assert!(rows.buffer.len() <= 2_000);
        }
        assert_eq!(rows.next(true), Some(Row { line: 1, bytes: None }));
        assert_eq!(rows.next(true), None);
    }

    #[test]
    fn nothing_has_no_rows() {
        assert_eq!(rows(RowKind::Csv, 100, b"", 1), []);
        assert_eq!(rows(RowKind::Lines, 100, b"\xef\xbb\xbf\n \r\n", 1), []);
    }
}
