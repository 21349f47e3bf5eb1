//! Subjects: what is left of one without "Re:" and the like, and what answers it.
//!
//! The base subject is that of RFC 5256 §2.1, with the prefixes that mail programs write in other languages ("AW:",
//! "SV:", "Antw:", "答复："), their counters (`Re[2]:`, `Re^2:`, `RE(3):`) and the full-width colon. The subject is given
//! decoded (RFC 2047), as mail parsers do. Linear in the length of a subject, and that is bounded.

use std::borrow::Cow;

/// Longest subject that is kept or made, in bytes: a line (RFC 5322 §2.1.1).
pub const MAX_SUBJECT_LEN: usize = 998;

/// What stands before the subject of an answer, in lowercase.
const REPLIES: [&str; 24] = [
    "re",
    "aw",
    "antw",
    "antwort",
    "sv",
    "svar",
    "vs",
    "res",
    "resp",
    "r",
    "rif",
    "odp",
    "ynt",
    "yan",
    "απ",
    "σχετ",
    "ha",
    "отв",
    "ответ",
    "回复",
    "回覆",
    "答复",
    "返信",
    "회신",
];
/// What stands before the subject of something passed on.
const FORWARDS: [&str; 20] = [
    "fw",
    "fwd",
    "wg",
    "tr",
    "rv",
    "enc",
    "vl",
    "vb",
    "doorst",
    "i",
    "pd",
    "ilt",
    "πρθ",
    "пересл",
    "转发",
    "轉寄",
    "轉發",
    "転送",
    "전달",
    "továbbítás",
];

/// The subject without what replying and forwarding put around it, in lowercase: two mails of one conversation have
/// the same. Empty if there is nothing else.
#[must_use]
pub fn base_subject(subject: &str) -> String {
    let subject = one_line(subject);
    let mut rest = subject.as_ref();
    loop {
        rest = without_trailers(rest);
        rest = without_leaders(rest);
        match strip_ignoring_case(rest, "[fwd:").and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => rest = inner,
            None => return rest.to_lowercase(),
        }
    }
}

/// Whether a subject says that it answers something.
#[must_use]
pub fn is_reply(subject: &str) -> bool {
    let subject = one_line(subject);
    let mut rest = subject.as_ref();
    while let Some(after) = without_blob(rest) {
        rest = after;
    }
    strip_marker(rest, &REPLIES).is_some()
}

/// The subject of an answer: `Re: ` once, whatever stood for it before. What else it says stays, also that it was
/// passed on: programs group by the rest.
#[must_use]
pub fn reply_subject(subject: &str) -> String {
    let subject = one_line(subject);
    let mut rest = subject.as_ref();
    while let Some(after) = strip_marker(rest, &REPLIES) {
        rest = after;
    }
    bounded(&format!("Re: {rest}")).trim_end().to_owned()
}

/// A subject as it is kept and shown: one line, within [`MAX_SUBJECT_LEN`].
#[must_use]
pub(super) fn shown(subject: &str) -> String {
    one_line(subject).into_owned()
}

/// One line of bounded length: runs of spaces, tabs, folds and controls become one space (RFC 5256 §2.1 step 1).
fn one_line(subject: &str) -> Cow<'_, str> {
    let subject = bounded(subject);
    let is_gap = |c: char| c.is_whitespace() || c.is_control();
    let mut words = subject.split(is_gap).filter(|word| !word.is_empty());
    let is_clean = !subject.contains(|c: char| is_gap(c) && c != ' ')
        && !subject.contains("  ")
        && subject.trim_matches(' ').len() == subject.len();
    if is_clean {
        return Cow::Borrowed(subject);
    }
    let mut line = String::with_capacity(subject.len());
    if let Some(first) = words.next() {
        line.push_str(first);
    }
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    Cow::Owned(line)
}

fn bounded(subject: &str) -> &str {
    &subject[..subject.floor_char_boundary(MAX_SUBJECT_LEN)]
}

/// Without "(fwd)" at its end.
fn without_trailers(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some((before, last)) = rest.len().checked_sub(5).and_then(|at| rest.split_at_checked(at)) {
        if !last.eq_ignore_ascii_case("(fwd)") {
            break;
        }
        rest = before.trim_end();
    }
    rest
}

/// Without the prefixes, and the names of lists in brackets, as long as something is left of it.
fn without_leaders(subject: &str) -> &str {
    let mut rest = subject.trim_start();
    loop {
        let mut after_blobs = rest;
        while let Some(after) = without_blob(after_blobs) {
            after_blobs = after;
        }
        let marker = strip_marker(after_blobs, &REPLIES).or_else(|| strip_marker(after_blobs, &FORWARDS));
        if let Some(after) = marker {
            rest = after;
        } else if !after_blobs.is_empty() {
            return after_blobs;
        } else {
            // Nothing but names in brackets: the last one is the subject.
            return last_blob(rest);
        }
    }
}

/// What follows `[…]` at the beginning, without the spaces after it.
fn without_blob(subject: &str) -> Option<&str> {
    let inner = subject.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    // `[fwd: …]` is the forwarded subject, not a name before one.
    let is_blob = inner[end..].starts_with(']') && strip_ignoring_case(subject, "[fwd:").is_none();
    is_blob.then(|| inner[end + 1..].trim_start())
}

fn last_blob(subject: &str) -> &str {
    let mut rest = subject;
    while let Some(after) = without_blob(rest).filter(|after| !after.is_empty()) {
        rest = after;
    }
    rest
}

/// What follows one of these markers, its counter and its colon, at the beginning of a subject.
fn strip_marker<'a>(subject: &'a str, markers: &[&str]) -> Option<&'a str> {
    let end = subject.find(|c: char| !c.is_alphabetic()).unwrap_or(subject.len());
    let (word, rest) = subject.split_at(end);
    // The longest has ten letters, and nobody lowercases a paragraph to see that it is none.
    if word.is_empty() || word.len() > 24 || !markers.contains(&lowercase(word).as_str()) {
        return None;
    }
    let rest = without_counter(rest.trim_start()).trim_start();
    rest.strip_prefix([':', '：']).map(str::trim_start)
}

/// In lowercase, with a plain i for the dotted capital of Turkish ("İLT:").
fn lowercase(word: &str) -> String {
    word.to_lowercase().replace('\u{307}', "")
}

/// Without `[2]`, `(2)`, `^2`, `*2` or `2`.
fn without_counter(text: &str) -> &str {
    if let Some(after) = without_blob(text) {
        return after;
    }
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if let Some(inner) = text.strip_prefix('(') {
        return match inner[digits(inner)..].strip_prefix(')') {
            Some(after) if digits(inner) > 0 => after,
            _ => text,
        };
    }
    let number = text.strip_prefix(['^', '*']).unwrap_or(text);
    if digits(number) > 0 { &number[digits(number)..] } else { text }
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
