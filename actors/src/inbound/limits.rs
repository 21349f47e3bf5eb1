//! Every bound of reading a mail, in one place.
//!
//! A mail comes from anybody. Whatever it holds, reading it takes time and memory in proportion to its size, a
//! bounded depth, and gives a bounded result. What goes beyond a bound is left out and said to be (`is_cut`); only
//! a mail that is too large as a whole is refused.

/// Largest mail that is read, in bytes, unless the caller sets another bound: what large providers accept.
pub const MAX_RAW_BYTES: usize = 25 * 1024 * 1024;

/// Multiparts and messages open inside each other. A chain of forwards needs two a hop.
pub(super) const MAX_DEPTH: usize = 32;
/// Parts of one mail, containers counted.
pub(super) const MAX_PARTS: usize = 500;
/// Header fields of one part; later ones are passed over.
pub(super) const MAX_FIELDS: usize = 500;
/// Bytes of one header field that are looked at (lists of message ids are read whole, in one pass).
pub(super) const MAX_FIELD_BYTES: usize = 16 * 1024;
/// Bytes of a header field's name.
pub(super) const MAX_FIELD_NAME: usize = 100;

/// Addresses taken from all fields of one kind (`To`, `Cc`, …).
pub(super) const MAX_ADDRESSES: usize = 200;
/// Message ids kept of `References`: the first, and the newest of the rest.
pub(super) const MAX_REFERENCES: usize = 20;
/// Bytes of a message id with its brackets; a longer one is passed over.
pub(super) const MAX_MESSAGE_ID: usize = 250;
/// Bytes of a subject.
pub(super) const MAX_SUBJECT: usize = 1_000;
/// Reply tokens found in recipients.
pub(super) const MAX_REPLY_TOKENS: usize = 8;

/// Bytes of text that are kept.
pub(super) const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Attachments listed.
pub(super) const MAX_ATTACHMENTS: usize = 100;
/// Bytes of an attachment's file name, content type or content id.
pub(super) const MAX_NAME_BYTES: usize = 200;

/// Bytes of HTML that are looked at.
pub(super) const MAX_HTML_INPUT: usize = 1024 * 1024;
/// Bytes of sanitised HTML.
pub const MAX_HTML_BYTES: usize = 768 * 1024;
/// Tags of one HTML body.
pub(super) const MAX_HTML_TAGS: usize = 20_000;
/// Elements open inside each other. The HTML parser's time grows with depth times length.
pub(super) const MAX_HTML_DEPTH: usize = 100;
/// Open elements of the kind that a parser opens again in every following block (`b`, `font`, …).
pub(super) const MAX_HTML_FORMATTING: usize = 12;
/// Attributes looked at in one tag.
pub(super) const MAX_HTML_ATTRIBUTES: usize = 50;
/// Bytes of a link's address.
pub(super) const MAX_HTML_LINK: usize = 4 * 1024;
/// Bytes of an inline picture's `data:` address.
pub(super) const MAX_HTML_DATA: usize = 256 * 1024;
/// Bytes of any other attribute.
pub(super) const MAX_HTML_ATTRIBUTE: usize = 1_000;

/// Bytes of a report (its fields, or the text of a bounce that has none) that are looked at.
pub(super) const MAX_REPORT_BYTES: usize = 256 * 1024;
/// Recipients of one report.
pub(super) const MAX_REPORT_RECIPIENTS: usize = 100;
/// Original message ids of one report.
pub(super) const MAX_REPORT_IDS: usize = 8;
/// Bytes of a report's diagnostic text.
pub(super) const MAX_DIAGNOSTIC: usize = 500;

/// The text without what lies beyond so many bytes, cut between characters.
pub(super) fn head(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}
