//! The first of two sanitisers: from any HTML to balanced HTML of few elements, and of a bounded size and depth.
//!
//! It also marks what a mail quotes: `blockquote`, the containers of well-known mailers, and all that follows Outlook's
//! divider, which stands between siblings and is therefore wrapped.

use super::super::limits::{
    MAX_HTML_ATTRIBUTE, MAX_HTML_ATTRIBUTES, MAX_HTML_DATA, MAX_HTML_DEPTH, MAX_HTML_FORMATTING, MAX_HTML_INPUT,
    MAX_HTML_LINK, MAX_HTML_TAGS, head,
};
use super::lexer::{Lexer, Tag, Token};
use super::{BLOCKED_IMAGE_CLASS, QUOTED_CLASS, attributes_of, is_inline_image};

/// HTML written anew.
pub(super) struct Rewritten {
    pub(super) html: String,
    pub(super) has_quote: bool,
    pub(super) blocked_images: usize,
    pub(super) is_cut: bool,
}

/// Classes of elements that hold what is quoted.
const QUOTE_CLASSES: [&str; 8] = [
    "gmail_quote",
    "gmail_quote_container",
    "gmail_extra",
    "yahoo_quoted",
    "protonmail_quote",
    "zmail_extra",
    "tutanota_quote",
    "moz-cite-prefix",
];
/// Ids of elements that hold what is quoted.
const QUOTE_IDS: [&str; 3] = ["mail-editor-reference-message-container", "ymail_android_quote", "isForwardContent"];
/// Ids of empty elements, or of a repeated header, behind which everything is quoted.
const DIVIDER_IDS: [&str; 3] = ["appendonsend", "divRplyFwdMsg", "OLK_SRC_BODY_SECTION"];
/// Lines above the repeated header in Outlook for Windows, which has no other mark. Without blanks, in lowercase.
const DIVIDER_STYLES: [&str; 3] =
    ["border-top:solid#e1e1e11.0pt", "border-top:solid#b5c4df1.0pt", "border-top:solid#b5c4df1pt"];

/// Elements without content.
const VOID: [&str; 4] = ["br", "hr", "img", "col"];
/// Elements that a parser opens again in each block that follows, if they are still open.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u", "nobr"];
/// Elements that end an open paragraph.
const ENDS_PARAGRAPH: [&str; 22] = [
    "address",
    "blockquote",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "table",
    "ul",
    "td",
    "tr",
];
/// Elements that an end tag does not reach out of.
const SCOPES: [&str; 4] = ["table", "td", "th", "caption"];

/// Elements that are nothing outside of a table.
const IN_TABLE: [&str; 8] = ["caption", "colgroup", "tbody", "td", "tfoot", "th", "thead", "tr"];
/// Bytes after which a text is parted.
const PARTED_AFTER: usize = 2_000;

/// What an element ends when it begins inside of it, up to the element that holds both.
fn ended_by(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "li" => (&["li"], &["ul", "ol", "table"]),
        "dd" | "dt" => (&["dd", "dt"], &["dl", "table"]),
        "td" | "th" => (&["td", "th"], &["tr", "table"]),
        "tr" => (&["tr"], &["tbody", "thead", "tfoot", "table"]),
        "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot"], &["table"]),
        _ => (&[], &[]),
    }
}

/// Rewrites HTML into at most so many bytes, or a little more: what is open is still closed.
pub(super) fn rewrite(html: &str, max_bytes: usize) -> Rewritten {
    let input = head(html, MAX_HTML_INPUT);
    let mut writer = Writer { max_bytes, is_cut: input.len() < html.len(), ..Writer::default() };
    for (count, token) in Lexer::new(input, MAX_HTML_ATTRIBUTES).enumerate() {
        if writer.html.len() >= max_bytes || count >= 2 * MAX_HTML_TAGS {
            writer.is_cut = true;
            break;
        }
        match token {
            Token::Text(text) => writer.text(text),
            Token::Start(tag) => writer.start(&tag),
            Token::End(name) => writer.end(&name),
        }
    }
    writer.close_down_to(0);
    Rewritten {
        html: writer.html,
        has_quote: writer.has_quote,
        blocked_images: writer.blocked_images,
        is_cut: writer.is_cut,
    }
}

/// An element that is open.
struct Open {
    name: &'static str,
    /// Not from the mail: it wraps what follows a divider.
    is_wrapper: bool,
}

#[derive(Default)]
struct Writer {
    html: String,
    open: Vec<Open>,
    max_bytes: usize,
    has_quote: bool,
    blocked_images: usize,
    is_cut: bool,
    /// What follows a divider was wrapped once: what is inside needs no second mark.
    has_wrapper: bool,
    /// Where text was parted last.
    parted_at: usize,
}

impl Writer {
    /// Text as it stands, of which nothing can be read as a tag.
    fn text(&mut self, text: &str) {
        if !text.trim_ascii().is_empty() {
            self.open_cell();
        }
        let mut rest = self.fitting(text);
        // html5ever looks for the end of a text node at each `&` and each character that begins with byte C2 (such as
        // a non-breaking space): a long node takes time in its square. Comments, which ammonia drops, part it.
        while let Some(at) = rest.find(|c: char| c == '&' || ('\u{80}'..='\u{bf}').contains(&c)) {
            write_escaped(&mut self.html, &rest[..at], false);
            if self.html.len() - self.parted_at > PARTED_AFTER {
                self.html.push_str("<!---->");
                self.parted_at = self.html.len();
            }
            let end = at + rest[at..].chars().next().map_or(1, char::len_utf8);
            let is_reference = rest[at..].starts_with('&') && begins_reference(&rest[end..]);
            if is_reference {
                self.html.push('&');
            } else {
                write_escaped(&mut self.html, &rest[at..end], false);
            }
            rest = &rest[end..];
        }
        write_escaped(&mut self.html, rest, false);
    }

    /// Text that stands in a table but in none of its cells gets one: a parser would move it before the table.
    fn open_cell(&mut self) {
        while let Some(open) = self.open.last() {
            match open.name {
                "colgroup" => self.close_down_to(self.open.len() - 1),
                "table" | "tbody" | "thead" | "tfoot" => self.open_plain("tr"),
                "tr" => self.open_plain("td"),
                _ => return,
            }
        }
    }

    fn open_plain(&mut self, name: &'static str) {
        self.html.push_str(&format!("<{name}>"));
        self.open.push(Open { name, is_wrapper: false });
    }

    /// As much as there is room for, with some left for closing tags.
    fn fitting<'t>(&mut self, text: &'t str) -> &'t str {
        let fitting = head(text, self.max_bytes.saturating_sub(self.html.len()));
        self.is_cut |= fitting.len() < text.len();
        fitting
    }

    fn start(&mut self, tag: &Tag<'_>) {
        if tag.name == "img" {
            return self.image(tag);
        }
        let Some(name) = known(&tag.name) else { return };
        if VOID.contains(&name) {
            return self.write_tag(name, tag, false);
        }
        if IN_TABLE.contains(&name) && !self.open.iter().any(|open| open.name == "table") {
            return;
        }
        self.end_implied(name);
        let is_formatting = FORMATTING.contains(&name);
        let formatting = self.open.iter().filter(|open| FORMATTING.contains(&open.name)).count();
        if self.open.len() >= MAX_HTML_DEPTH || (is_formatting && formatting >= MAX_HTML_FORMATTING) {
            self.is_cut |= !is_formatting;
            return;
        }
        if is_divider(tag) && !self.has_wrapper {
            self.has_wrapper = true;
            self.open_wrapper();
        }
        let is_quote = name == "blockquote" || (name == "div" && is_quote_container(tag));
        self.has_quote |= is_quote;
        self.write_tag(name, tag, is_quote);
        self.open.push(Open { name, is_wrapper: false });
    }

    fn end(&mut self, name: &str) {
        let Some(name) = known(name) else { return };
        let is_cell_part = SCOPES.contains(&name) || matches!(name, "tr" | "tbody" | "thead" | "tfoot");
        let reachable = self.open.iter().enumerate().rev();
        let mut reachable = reachable.take_while(|(_, open)| {
            open.name == name
                || if is_cell_part { name == "table" || open.name != "table" } else { !SCOPES.contains(&open.name) }
        });
        let found = reachable.find(|(_, open)| open.name == name && !open.is_wrapper).map(|(at, _)| at);
        if let Some(at) = found {
            let ends_wrapper = self.open[at..].iter().any(|open| open.is_wrapper);
            self.close_down_to(at);
            // Outlook for Windows puts its divider into a box of its own: what follows the box is quoted as well.
            if ends_wrapper && name == "div" && self.open.len() < MAX_HTML_DEPTH {
                self.open_wrapper();
            }
        }
    }

    /// What begins after a divider, up to the end of the element around it.
    fn open_wrapper(&mut self) {
        self.has_quote = true;
        self.html.push_str(&format!("<div class=\"{QUOTED_CLASS}\">"));
        self.open.push(Open { name: "div", is_wrapper: true });
    }

    /// Closes what this element's beginning ends.
    fn end_implied(&mut self, name: &str) {
        if ENDS_PARAGRAPH.contains(&name) {
            self.close_nearest(&["p"], &SCOPES);
        }
        let (ended, holders) = ended_by(name);
        self.close_nearest(ended, holders);
    }

    /// Closes the innermost element of such a name, if no holder stands before it.
    fn close_nearest(&mut self, names: &[&str], holders: &[&str]) {
        let inner = self.open.iter().enumerate().rev().take_while(|(_, open)| !holders.contains(&open.name));
        if let Some(at) = inner.filter(|(_, open)| names.contains(&open.name)).map(|(at, _)| at).next() {
            self.close_down_to(at);
        }
    }

    fn close_down_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            let Some(open) = self.open.pop() else { break };
            self.html.push_str(&format!("</{}>", open.name));
        }
    }

    fn image(&mut self, tag: &Tag<'_>) {
        let source = tag.attribute("src").unwrap_or_default();
        if is_inline_image(source) {
            if source.len() > self.max_bytes.saturating_sub(self.html.len()) {
                self.is_cut = true;
                return;
            }
            return self.write_tag("img", tag, false);
        }
        if is_tracker(tag) {
            return;
        }
        self.blocked_images += 1;
        self.html.push_str(&format!("<span class=\"{BLOCKED_IMAGE_CLASS}\">"));
        let alternative = head(tag.attribute("alt").unwrap_or_default(), MAX_HTML_ATTRIBUTE);
        write_escaped(&mut self.html, alternative, false);
        self.html.push_str("</span>");
    }

    fn write_tag(&mut self, name: &'static str, tag: &Tag<'_>, is_quote: bool) {
        self.html.push('<');
        self.html.push_str(name);
        if is_quote {
            self.html.push_str(&format!(" class=\"{QUOTED_CLASS}\""));
        }
        let known = attributes_of(name).unwrap_or_default();
        for attribute in known.iter().filter(|name| **name != "target").chain(&["style"]) {
            let max_bytes = match *attribute {
                "href" => MAX_HTML_LINK,
                "src" => MAX_HTML_DATA,
                _ => MAX_HTML_ATTRIBUTE,
            };
            if let Some(value) = tag.attribute(attribute).filter(|value| value.len() <= max_bytes) {
                self.html.push_str(&format!(" {attribute}=\""));
                write_escaped(&mut self.html, value, true);
                self.html.push('"');
            }
        }
        if name == "a" {
            self.html.push_str(" target=\"_blank\"");
        }
        self.html.push('>');
    }
}

/// The element's name, if it is one that is kept.
fn known(name: &str) -> Option<&'static str> {
    let at = super::ELEMENTS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    Some(super::ELEMENTS[at].0)
}

fn is_quote_container(tag: &Tag<'_>) -> bool {
    let classes = tag.attribute("class").unwrap_or_default();
    let is_class =
        classes.split_ascii_whitespace().take(20).any(|class| QUOTE_CLASSES.contains(&without_prefix(class)));
    is_class || tag.attribute("id").is_some_and(|id| QUOTE_IDS.contains(&without_prefix(id)))
}

fn is_divider(tag: &Tag<'_>) -> bool {
    let has_style = || {
        let style = head(tag.attribute("style").unwrap_or_default(), MAX_HTML_ATTRIBUTE).to_ascii_lowercase();
        let style: String = style.chars().filter(|c| !c.is_whitespace()).collect();
        DIVIDER_STYLES.iter().any(|divider| style.contains(divider))
    };
    tag.name == "div"
        && (tag.attribute("id").is_some_and(|id| DIVIDER_IDS.contains(&without_prefix(id))) || has_style())
}

/// Outlook on the web renames what it quotes: `x_appendonsend`, `x_x_appendonsend`, …
fn without_prefix(name: &str) -> &str {
    name.trim_start_matches("x_")
}

/// A picture of one pixel shows nothing: no placeholder stands for it.
fn is_tracker(tag: &Tag<'_>) -> bool {
    let is_tiny = |name| tag.attribute(name).is_some_and(|value| matches!(value.trim(), "0" | "1" | "0px" | "1px"));
    is_tiny("width") && is_tiny("height")
}

/// Whether a `&` before this text may begin a character reference.
fn begins_reference(text: &str) -> bool {
    text.starts_with(|c: char| c == '#' || c.is_ascii_alphanumeric())
}

/// Writes text in which no tag begins. Character references stay; an ampersand that is none is made one.
fn write_escaped(html: &mut String, text: &str, is_attribute: bool) {
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '"', '&', '\0']) {
        html.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        match rest.as_bytes()[at] {
            b'<' => html.push_str("&lt;"),
            b'>' => html.push_str("&gt;"),
            b'"' if is_attribute => html.push_str("&quot;"),
            b'"' => html.push('"'),
            b'&' if begins_reference(after) => html.push('&'),
            b'&' => html.push_str("&amp;"),
            _ => {}
        }
        rest = after;
    }
    html.push_str(rest);
}

#[cfg(test)]
mod tests;
