//! The parts of a mail (RFC 2046), found in one pass over its lines.
//!
//! `mail-parser` reads this structure too, but not safely from strangers: a mail of 3 MB that nests a hundred
//! thousand `message/rfc822` overflows the stack when its result is dropped, and each boundary that never comes is
//! looked for up to the end of the mail (0.5 MB took 5 s). Here each line is looked at once, against the boundaries
//! that are open, and both parts and depth are bounded.

use std::ops::Range;

use super::headers::{Headers, line_at};
use super::limits::{MAX_DEPTH, MAX_NAME_BYTES, MAX_PARTS, head};
use super::transfer::TransferEncoding;

/// What a part says about its content.
#[derive(Debug)]
pub(super) struct Media {
    /// `type/subtype` in lowercase.
    pub(super) essence: String,
    pub(super) charset: Option<String>,
    /// The file name, as sent.
    pub(super) filename: Option<String>,
    pub(super) is_attachment: bool,
    pub(super) is_flowed: bool,
    pub(super) is_del_sp: bool,
    pub(super) encoding: TransferEncoding,
    boundary: Option<Vec<u8>>,
}

/// What a part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Other parts.
    Multipart,
    /// A whole message, which is the part that follows.
    Message,
    /// Content.
    Leaf,
}

/// One part of a mail.
#[derive(Debug)]
pub(super) struct Part<'x> {
    /// The part around this one; an earlier one.
    pub(super) parent: Option<usize>,
    pub(super) headers: Headers<'x>,
    pub(super) media: Media,
    pub(super) shape: Shape,
    /// Where its body lies in the mail, still encoded.
    pub(super) body: Range<usize>,
}

/// The parts of a mail, in the order in which they begin; the first is the mail itself.
#[derive(Debug)]
pub(super) struct Structure<'x> {
    pub(super) raw: &'x [u8],
    pub(super) parts: Vec<Part<'x>>,
    /// Something lies beyond a bound: parts that are not listed, or one that was not looked into.
    pub(super) is_cut: bool,
}

/// A multipart or a message that has not ended yet.
struct Open {
    part: usize,
    boundary: Option<Vec<u8>>,
}

/// The next boundary: whose it is, where its line begins and ends, and whether it closes.
struct Boundary {
    owner: usize,
    line: Range<usize>,
    is_closing: bool,
}

impl<'x> Structure<'x> {
    /// Finds the parts.
    pub(super) fn read(raw: &'x [u8]) -> Self {
        let mut parts: Vec<Part<'x>> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut is_cut = false;
        let mut at = start_of_message(raw);
        'parts: loop {
            if parts.len() == MAX_PARTS {
                is_cut = true;
                end_all(&mut parts, &open, at);
                break;
            }
            let (headers, length) = Headers::read(&raw[at..]);
            is_cut |= headers.is_cut;
            at += length;
            let parent = open.last().map(|open| open.part);
            let mut part = Part::new(headers, parent, parent.map(|at| &parts[at]), at..raw.len());
            if part.shape != Shape::Leaf && open.len() == MAX_DEPTH {
                is_cut = true;
                part.shape = Shape::Leaf;
            }
            let shape = part.shape;
            if shape != Shape::Leaf {
                open.push(Open { part: parts.len(), boundary: part.media.boundary.take() });
            }
            parts.push(part);
            if shape == Shape::Message {
                continue;
            }
            loop {
                let Some(found) = next_boundary(raw, at, &open) else { break 'parts };
                let before = before_line_end(raw, at, found.line.start);
                if shape == Shape::Leaf
                    && let Some(leaf) = parts.last_mut().filter(|leaf| leaf.body.end == raw.len())
                {
                    leaf.body.end = before;
                }
                end_all(&mut parts, &open[found.owner + 1..], before);
                at = found.line.end;
                if !found.is_closing {
                    open.truncate(found.owner + 1);
                    continue 'parts;
                }
                end_all(&mut parts, &open[found.owner..=found.owner], found.line.start);
                open.truncate(found.owner);
            }
        }
        without_childless(&mut parts);
        Self { raw, parts, is_cut }
    }

    /// The decoded bytes of a part, at most so many.
    pub(super) fn bytes(&self, part: &Part<'_>, max_bytes: usize) -> Vec<u8> {
        part.media.encoding.decode(&self.raw[part.body.clone()]).take(max_bytes).collect()
    }

    /// The containers of a part, from the inside out.
    pub(super) fn around(&self, at: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.parts[at].parent, |around| self.parts[*around].parent)
    }

    /// Whether a part belongs to a message inside of the mail.
    pub(super) fn is_inside_message(&self, at: usize) -> bool {
        self.around(at).any(|around| self.parts[around].shape == Shape::Message)
    }

    /// The first part of such a type that belongs to the mail itself, and the part that it lies in.
    pub(super) fn outer(&self, essences: &[&str]) -> Option<(usize, &Part<'x>)> {
        let mut parts = self.parts.iter().enumerate();
        let (at, part) =
            parts.find(|(at, part)| essences.contains(&part.media.essence.as_str()) && !self.is_inside_message(*at))?;
        Some((self.parts[at].parent?, part))
    }

    /// The parts that lie directly in another.
    pub(super) fn children(&self, parent: usize) -> impl Iterator<Item = (usize, &Part<'x>)> {
        self.parts.iter().enumerate().filter(move |(_, part)| part.parent == Some(parent))
    }
}

impl<'x> Part<'x> {
    fn new(headers: Headers<'x>, parent: Option<usize>, around: Option<&Part<'x>>, body: Range<usize>) -> Self {
        let is_in_digest = around.is_some_and(|around| around.media.essence == "multipart/digest");
        let media = Media::new(&headers, is_in_digest);
        let shape = match media.essence.as_str() {
            essence if essence.starts_with("multipart/") && media.boundary.is_some() => Shape::Multipart,
            "message/rfc822" | "message/global" if media.encoding == TransferEncoding::Identity => Shape::Message,
            _ => Shape::Leaf,
        };
        Self { parent, headers, media, shape, body }
    }
}

impl Media {
    fn new(headers: &Headers<'_>, is_in_digest: bool) -> Self {
        let content_type = headers.content_type("Content-Type");
        let disposition = headers.content_type("Content-Disposition");
        let attribute = |name: &str| content_type.as_ref().and_then(|media| media.attribute(name));
        let is = |name: &str, value: &str| attribute(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(value));
        let owned = |name: &str| attribute(name).map(|value| head(value.trim(), MAX_NAME_BYTES).to_ascii_lowercase());
        let essence = content_type
            .as_ref()
            .and_then(|media| Some(format!("{}/{}", media.ctype(), media.subtype()?)))
            .map(|essence| essence.trim().to_ascii_lowercase())
            .filter(|essence| essence.len() <= MAX_NAME_BYTES && essence.bytes().all(|byte| byte.is_ascii_graphic()))
            // RFC 2045 §5.2, and RFC 2046 §5.1.5 inside of a digest.
            .unwrap_or_else(|| if is_in_digest { "message/rfc822" } else { "text/plain" }.to_owned());
        let boundary = attribute("boundary").map(|value| value.trim_ascii_end().as_bytes().to_vec());
        let filename = disposition.as_ref().and_then(|media| media.attribute("filename"));
        Self {
            charset: owned("charset"),
            filename: filename.or_else(|| attribute("name")).map(str::to_owned),
            is_attachment: disposition.as_ref().is_some_and(|media| media.ctype().eq_ignore_ascii_case("attachment")),
            is_flowed: is("format", "flowed"),
            is_del_sp: is("delsp", "yes"),
            encoding: headers
                .raw("Content-Transfer-Encoding")
                .map_or(TransferEncoding::Identity, |name| TransferEncoding::named(&name)),
            boundary: boundary.filter(|boundary| !boundary.is_empty()),
            essence,
        }
    }
}

/// Behind an mbox's `From ` line and empty lines, which are no part of a mail.
fn start_of_message(raw: &[u8]) -> usize {
    let mut at = 0;
    while at < raw.len() {
        let line = line_at(raw, at);
        let is_before = line.trim_ascii().is_empty() || (line.starts_with(b"From ") && !line.starts_with(b"From :"));
        if !is_before {
            break;
        }
        at += line.len();
    }
    at
}

/// The first line from here on that is a boundary of something open, innermost first: the end of an outer part
/// ends the inner ones too.
fn next_boundary(raw: &[u8], mut at: usize, open: &[Open]) -> Option<Boundary> {
    if open.iter().all(|open| open.boundary.is_none()) {
        return None;
    }
    while at < raw.len() {
        let line = line_at(raw, at);
        let end = at + line.len();
        if let Some(text) = line.strip_prefix(b"--") {
            let text = text.trim_ascii_end();
            for (owner, open) in open.iter().enumerate().rev() {
                let Some(rest) = open.boundary.as_deref().and_then(|boundary| text.strip_prefix(boundary)) else {
                    continue;
                };
                if rest.is_empty() || rest == b"--" {
                    return Some(Boundary { owner, line: at..end, is_closing: !rest.is_empty() });
                }
            }
        }
        at = end;
    }
    None
}

/// Before the line break that belongs to the boundary line which begins at `at`, not before `start`.
fn before_line_end(raw: &[u8], start: usize, at: usize) -> usize {
    let body = &raw[start.min(at)..at];
    let body = body.strip_suffix(b"\n").map_or(body, |body| body.strip_suffix(b"\r").unwrap_or(body));
    start.min(at) + body.len()
}

/// What had not ended ends here.
fn end_all(parts: &mut [Part<'_>], open: &[Open], at: usize) {
    for open in open {
        let body = &mut parts[open.part].body;
        body.end = at.max(body.start);
    }
}

/// A multipart in which no boundary came is text, so that a person can still read it.
fn without_childless(parts: &mut [Part<'_>]) {
    let parents: Vec<_> = parts.iter().filter_map(|part| part.parent).collect();
    for (at, part) in parts.iter_mut().enumerate() {
        if part.shape == Shape::Multipart && !parents.contains(&at) {
            part.shape = Shape::Leaf;
            "text/plain".clone_into(&mut part.media.essence);
        }
    }
}

#[cfg(test)]
mod tests;
