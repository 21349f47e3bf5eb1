//! HTML of strangers, made fit for a page of ours.
//!
//! Two independent sanitisers in a row. The first ([`rewrite`]) reads tags without building a tree, keeps a short list
//! of them, bounds depth, number and length, marks what is quoted, and writes balanced HTML anew. The second is
//! `ammonia`, which parses that as a browser does and has the last word. Neither is enough alone: the parser behind
//! ammonia takes time in the square of depth and of attributes (250 kB of `<div>` took 16 s), and only a real parser
//! sees what a browser will see.
//!
//! What is left can run nothing and load nothing: pictures are attachments (`cid:`) or inline rasters, others are
//! replaced by a placeholder with their alternative text, so that no sender learns that a mail was opened.

mod lexer;
mod links;
mod rewrite;
mod text;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::limits::{MAX_HTML_ATTRIBUTE, MAX_HTML_BYTES, MAX_HTML_DATA, MAX_HTML_LINK};

pub use links::{append, replace_links};
pub use text::{from_text, to_text};

/// Class of an element that quotes an earlier mail: a page may fold it.
pub const QUOTED_CLASS: &str = "quoted";
/// Class of the placeholder for a picture that would have been loaded from elsewhere.
pub const BLOCKED_IMAGE_CLASS: &str = "blocked-image";

/// HTML that a page may show.
#[derive(Clone, PartialEq, Eq)]
pub struct SafeHtml {
    /// A fragment, without `html` and `body`, of at most [`MAX_HTML_BYTES`].
    pub html: String,
    /// Some element has [`QUOTED_CLASS`].
    pub has_quote: bool,
    /// Pictures that were replaced.
    pub blocked_images: usize,
    /// Something lay beyond a bound and is missing.
    pub is_cut: bool,
}

impl std::fmt::Debug for SafeHtml {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SafeHtml").field("bytes", &self.html.len()).finish_non_exhaustive()
    }
}

/// Sanitises HTML.
#[must_use]
pub fn sanitize(html: &str) -> SafeHtml {
    // What the parser writes is longer than what it reads (`&` becomes `&amp;`): where that goes beyond the bound,
    // less is read.
    let mut budget = MAX_HTML_BYTES;
    loop {
        let rewritten = rewrite::rewrite(html, budget);
        let html = SANITIZER.clean(&rewritten.html).to_string();
        if html.len() <= MAX_HTML_BYTES {
            return SafeHtml {
                html,
                has_quote: rewritten.has_quote,
                blocked_images: rewritten.blocked_images,
                is_cut: rewritten.is_cut,
            };
        }
        budget /= 4;
    }
}

/// The elements that are kept, each with its attributes beside `class` and `style`.
const ELEMENTS: [(&str, &[&str]); 55] = [
    ("a", &["href", "title", "target"]),
    ("abbr", &["title"]),
    ("address", &[]),
    ("b", &[]),
    ("big", &[]),
    ("blockquote", &[]),
    ("br", &[]),
    ("caption", &[]),
    ("center", &[]),
    ("cite", &[]),
    ("code", &[]),
    ("col", &["span", "width"]),
    ("colgroup", &["span", "width"]),
    ("dd", &[]),
    ("del", &[]),
    ("dfn", &[]),
    ("div", &["align", "dir"]),
    ("dl", &[]),
    ("dt", &[]),
    ("em", &[]),
    ("font", &["color"]),
    ("h1", &["align"]),
    ("h2", &["align"]),
    ("h3", &["align"]),
    ("h4", &["align"]),
    ("h5", &["align"]),
    ("h6", &["align"]),
    ("hr", &[]),
    ("i", &[]),
    ("img", &["src", "alt", "title", "width", "height"]),
    ("ins", &[]),
    ("kbd", &[]),
    ("li", &["value"]),
    ("ol", &["start", "type"]),
    ("p", &["align", "dir"]),
    ("pre", &[]),
    ("q", &[]),
    ("s", &[]),
    ("samp", &[]),
    ("small", &[]),
    ("span", &["dir"]),
    ("strike", &[]),
    ("strong", &[]),
    ("sub", &[]),
    ("sup", &[]),
    ("table", &["align", "bgcolor", "border", "cellpadding", "cellspacing", "width"]),
    ("tbody", &[]),
    ("td", &["align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"]),
    ("tfoot", &[]),
    ("th", &["align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"]),
    ("thead", &[]),
    ("tr", &["align", "bgcolor", "valign"]),
    ("tt", &[]),
    ("u", &[]),
    ("ul", &[]),
];

/// Properties that a `style` may set. None moves a box, covers another or loads anything.
const STYLE_PROPERTIES: [&str; 7] =
    ["background-color", "color", "font-style", "font-weight", "text-align", "text-decoration", "vertical-align"];

fn attributes_of(element: &str) -> Option<&'static [&'static str]> {
    let at = ELEMENTS.binary_search_by_key(&element, |(name, _)| name).ok()?;
    Some(ELEMENTS[at].1)
}

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    let class = |element, class| (element, HashSet::from([class]));
    builder
        .tags(ELEMENTS.iter().map(|(name, _)| *name).collect())
        .clean_content_tags(HashSet::from(["script", "style", "template", "title"]))
        .tag_attributes(ELEMENTS.iter().map(|(name, names)| (*name, names.iter().copied().collect())).collect())
        .generic_attributes(HashSet::from(["style"]))
        .allowed_classes(HashMap::from([
            class("div", QUOTED_CLASS),
            class("blockquote", QUOTED_CLASS),
            class("span", BLOCKED_IMAGE_CLASS),
        ]))
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid", "data"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .attribute_filter(filtered);
    builder
});

/// The value that an attribute may have, given what a browser would read as its value.
fn filtered<'v>(element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let keep_if = |is_fit: bool| is_fit.then_some(Cow::Borrowed(value));
    match (element, attribute) {
        ("a", "href") => link(value).map(Cow::Owned),
        ("a", "target") => Some(Cow::Borrowed("_blank")),
        ("img", "src") => keep_if(is_inline_image(value)),
        (_, "href" | "src") => None,
        (_, "style") => style(value).map(Cow::Owned),
        (_, "color" | "bgcolor") => keep_if(is_plain_value(value)),
        (
            _,
            "width" | "height" | "border" | "cellpadding" | "cellspacing" | "colspan" | "rowspan" | "span" | "start"
            | "value",
        ) => {
            let digits = value.trim().trim_end_matches(['%', 'p', 'x']);
            keep_if((1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
        }
        (_, "align" | "valign" | "dir" | "type") => {
            keep_if(value.len() <= 10 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        }
        (_, "alt" | "title" | "class" | "rel") => keep_if(true),
        _ => None,
    }
}

/// An address that a person may follow, as a browser would write it: without what only looks like another one.
fn link(value: &str) -> Option<String> {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "mailto"))?;
    Some(String::from(url)).filter(|url| url.len() <= MAX_HTML_LINK)
}

/// A picture that comes with the mail: one of its parts, or a raster written into the address. SVG can hold scripts.
fn is_inline_image(value: &str) -> bool {
    let value = value.trim();
    let behind = |prefix: &str| {
        let (start, rest) = value.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    if let Some(id) = behind("cid:") {
        return id.len() <= MAX_HTML_ATTRIBUTE;
    }
    let raster = ["png", "jpeg", "jpg", "gif", "webp", "bmp"]
        .iter()
        .find_map(|kind| behind(&format!("data:image/{kind};base64,")));
    raster.is_some_and(|data| {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/= \r\n\t".contains(&byte);
        data.len() <= MAX_HTML_DATA && data.bytes().all(is_base64)
    })
}

/// The declarations that are harmless, written anew.
fn style(value: &str) -> Option<String> {
    let mut kept = String::new();
    for declaration in value.split(';') {
        let Some((property, value)) = declaration.split_once(':') else { continue };
        let (property, value) = (property.trim().to_ascii_lowercase(), value.trim());
        if STYLE_PROPERTIES.contains(&property.as_str()) && is_plain_value(value) {
            if !kept.is_empty() {
                kept.push(';');
            }
            kept.push_str(&property);
            kept.push(':');
            kept.push_str(value);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// Words, numbers and colours. A bracket belongs to a colour, so that nothing is called (`url(…)`, `var(…)`), and
/// without a backslash nothing is written in escapes.
fn is_plain_value(value: &str) -> bool {
    let arguments = |value: &str| {
        let value = value.to_ascii_lowercase();
        let inner =
            ["rgba(", "rgb(", "hsla(", "hsl("].iter().find_map(|name| value.strip_prefix(name).map(str::to_owned));
        inner.is_some_and(|inner| inner.strip_suffix(')').is_some_and(|inner| is_words(inner, ",.% ")))
    };
    value.len() <= 60 && (is_words(value, "#.%- ") || arguments(value))
}

fn is_words(value: &str, beside: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || beside.contains(c))
}

#[cfg(test)]
mod tests;
