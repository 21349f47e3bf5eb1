//! Which parts of a mail are its text, and which are attachments.
//!
//! Text is what stands in the mail itself, not in a message attached to it: all of it in order, and of a
//! `multipart/alternative` (RFC 2046 §5.1.4) one alternative a form. A form that is missing is made from the other,
//! so that a mail whose HTML is followed by a mailing list's plain footer loses neither.

use std::ops::Range;

use super::charset::{clean, decode, one_line};
use super::html::{self, SafeHtml};
use super::limits::{MAX_ATTACHMENTS, MAX_HTML_INPUT, MAX_NAME_BYTES, MAX_TEXT_BYTES};
use super::structure::{Part, Shape, Structure};
use super::transfer::TransferEncoding;

/// A file that came with a mail. Its bytes stay in the mail: [`Attachment::bytes`] decodes them.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name without a path, controls or quotes; may be any text, also an empty one.
    pub filename: String,
    /// `type/subtype` in lowercase, as the sender declared it: not to be believed.
    pub content_type: String,
    /// Bytes when decoded.
    pub size: u64,
    /// Its `Content-ID` without brackets: what `cid:` addresses in the HTML name.
    pub content_id: Option<String>,
    /// Shown within the text, as a picture is, and not listed below it.
    pub is_inline: bool,
    range: Range<usize>,
    encoding: TransferEncoding,
}

impl Attachment {
    /// Its bytes, decoded from the mail that it was found in. Another mail gives other bytes, or none.
    #[must_use]
    pub fn bytes(&self, raw: &[u8]) -> Vec<u8> {
        self.encoding.decode(raw.get(self.range.clone()).unwrap_or_default()).collect()
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Attachment");
        shown.field("content_type", &self.content_type).field("size", &self.size).finish_non_exhaustive()
    }
}

/// What a mail shows.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) text: Option<String>,
    pub(super) html: Option<SafeHtml>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) is_cut: bool,
}

/// A piece of the text in one of its two forms.
struct Piece {
    /// The alternative that it is one form of.
    alternative: Option<usize>,
    is_html: bool,
    text: String,
}

impl Body {
    /// Sorts the parts of a mail.
    pub(super) fn of(mail: &Structure<'_>) -> Self {
        let mut body = Self::default();
        let mut pieces = Vec::new();
        let mut bytes_left = MAX_HTML_INPUT;
        for (at, part) in mail.parts.iter().enumerate() {
            if mail.is_inside_message(at) || part.shape == Shape::Multipart {
                continue;
            }
            let is_html = part.media.essence == "text/html";
            let is_text = is_html || part.media.essence == "text/plain";
            let is_file = part.media.is_attachment || (part.media.filename.is_some() && at != 0);
            if is_text && !is_file && part.shape == Shape::Leaf {
                let bytes = mail.bytes(part, bytes_left);
                body.is_cut |= bytes_left < part.body.len() && bytes.len() == bytes_left;
                bytes_left -= bytes.len();
                let text = decode(&bytes, part.media.charset.as_deref());
                let text = if part.media.is_flowed && !is_html { unflowed(&text, part.media.is_del_sp) } else { text };
                pieces.push(Piece { alternative: alternative_of(mail, at), is_html, text });
            } else if !is_form_for_some_reader(mail, part) {
                match body.attachments.len() {
                    MAX_ATTACHMENTS => body.is_cut = true,
                    _ => body.attachments.push(attachment(mail, part)),
                }
            }
        }
        body.set_text(&pieces);
        body.set_html(&pieces);
        body
    }

    fn set_text(&mut self, pieces: &[Piece]) {
        let mut joined = String::new();
        for piece in pieces.iter().filter(|piece| !piece.is_html || !has_other_form(pieces, piece)) {
            let text = if piece.is_html { &html::to_text(&piece.text) } else { &piece.text };
            if !joined.is_empty() && !joined.ends_with('\n') {
                joined.push('\n');
            }
            joined.push_str(text);
        }
        let (text, is_cut) = clean(&joined, MAX_TEXT_BYTES);
        self.is_cut |= is_cut;
        self.text = (!pieces.is_empty()).then_some(text);
    }

    fn set_html(&mut self, pieces: &[Piece]) {
        if !pieces.iter().any(|piece| piece.is_html) {
            return;
        }
        let mut joined = String::new();
        for piece in pieces.iter().filter(|piece| piece.is_html || !has_other_form(pieces, piece)) {
            if piece.is_html {
                joined.push_str(&piece.text);
            } else {
                joined.push_str(&html::from_text(&piece.text));
            }
        }
        let html = html::sanitize(&joined);
        self.is_cut |= html.is_cut;
        self.html = Some(html);
    }
}

/// Whether the same alternative has this piece in the other form.
fn has_other_form(pieces: &[Piece], piece: &Piece) -> bool {
    piece.alternative.is_some()
        && pieces.iter().any(|other| other.alternative == piece.alternative && other.is_html != piece.is_html)
}

fn alternative_of(mail: &Structure<'_>, at: usize) -> Option<usize> {
    mail.around(at).find(|around| mail.parts[*around].media.essence == "multipart/alternative")
}

/// Another form of the same text, which is neither shown nor a file: AMP, smart watches, rich text of the nineties.
fn is_form_for_some_reader(mail: &Structure<'_>, part: &Part<'_>) -> bool {
    let is_alternative = part.parent.is_some_and(|parent| mail.parts[parent].media.essence == "multipart/alternative");
    let is_known = matches!(
        part.media.essence.as_str(),
        "text/x-amp-html" | "text/watch-html" | "text/enriched" | "text/richtext" | "text/rtf"
    );
    is_alternative && is_known && part.media.filename.is_none()
}

fn attachment(mail: &Structure<'_>, part: &Part<'_>) -> Attachment {
    let bytes = &mail.raw[part.body.clone()];
    let content_id = part
        .headers
        .raw("Content-ID")
        .map(|id| one_line(id.trim_start_matches('<').trim_end_matches('>'), MAX_NAME_BYTES));
    let is_picture = part.media.essence.starts_with("image/");
    Attachment {
        filename: file_name(part.media.filename.as_deref().unwrap_or_default()),
        content_type: part.media.essence.clone(),
        size: match part.media.encoding {
            TransferEncoding::Identity => bytes.len() as u64,
            encoding => encoding.decode(bytes).count() as u64,
        },
        is_inline: is_picture && content_id.is_some() && !part.media.is_attachment,
        content_id: content_id.filter(|id| !id.is_empty()),
        range: part.body.clone(),
        encoding: part.media.encoding,
    }
}

/// A name that is only a name: what stands behind the last path separator, without quotes and controls, and
/// without the marks that make `exe.pdf` of `fdp.exe` on a screen. Cut in the middle, its ending is kept.
fn file_name(name: &str) -> String {
    let is_unwanted = |c: char| {
        c.is_control()
            || matches!(c, '"' | '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String =
        name.rsplit(['/', '\\']).next().unwrap_or_default().chars().filter(|c| !is_unwanted(*c)).collect();
    let name = name.trim();
    if name.len() <= MAX_NAME_BYTES {
        return if name.chars().all(|c| c == '.') { String::new() } else { name.to_owned() };
    }
    let ending_at = name.ceil_char_boundary(name.len() - 20);
    let head_end = name.floor_char_boundary(MAX_NAME_BYTES - 23);
    format!("{}…{}", &name[..head_end], &name[ending_at..])
}

/// Paragraphs of `format=flowed` text (RFC 3676) as one line each: a blank at the end of a line means that it goes
/// on, unless it is `-- `, which begins a signature.
fn unflowed(text: &str, is_del_sp: bool) -> String {
    let mut paragraphs = String::with_capacity(text.len());
    // How deep the line is quoted that the last one flows into.
    let mut flows_at = None;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let depth = line.bytes().take_while(|byte| *byte == b'>').count();
        let content = line[depth..].strip_prefix(' ').unwrap_or(&line[depth..]);
        let is_flowing = content.ends_with(' ') && content != "-- ";
        match flows_at {
            Some(flows_at) if flows_at == depth && content != "-- " => {}
            Some(_) => {
                paragraphs.push('\n');
                start_paragraph(&mut paragraphs, depth);
            }
            None => start_paragraph(&mut paragraphs, depth),
        }
        paragraphs.push_str(if is_flowing && is_del_sp { &content[..content.len() - 1] } else { content });
        flows_at = is_flowing.then_some(depth);
        if !is_flowing {
            paragraphs.push('\n');
        }
    }
    // Splitting found one line behind the last line break.
    if flows_at.is_none() {
        paragraphs.pop();
    }
    paragraphs
}

fn start_paragraph(paragraphs: &mut String, depth: usize) {
    if depth > 0 {
        paragraphs.extend(std::iter::repeat_n('>', depth));
        paragraphs.push(' ');
    }
}

#[cfg(test)]
mod tests;
