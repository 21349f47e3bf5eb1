//! Text from HTML, and HTML from text.

use mail_parser::decoders::html::add_html_token;

use super::super::limits::{MAX_HTML_ATTRIBUTES, MAX_HTML_INPUT, MAX_TEXT_BYTES, head};
use super::lexer::{Lexer, Token};

/// Elements that begin and end on a line of their own.
const BLOCKS: [&str; 29] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "ol",
    "section",
    "table",
    "tr",
    "ul",
    "main",
];
/// Elements with an empty line around them.
const PARAGRAPHS: [&str; 2] = ["p", "pre"];
/// Quotes inside each other that are still marked.
const MAX_QUOTE_DEPTH: usize = 20;

/// The text of HTML as a person reads it: blocks on lines of their own, `> ` before what stands in a `blockquote`,
/// pictures as their alternative text. At most 256 kB.
#[must_use]
pub fn to_text(html: &str) -> String {
    let mut text = Text::default();
    for token in Lexer::new(head(html, MAX_HTML_INPUT), MAX_HTML_ATTRIBUTES) {
        if text.written.len() >= MAX_TEXT_BYTES {
            break;
        }
        match token {
            Token::Text(piece) => text.write(piece),
            Token::Start(tag) => match tag.name.as_str() {
                "br" => text.break_line(),
                "img" => text.write(tag.attribute("alt").unwrap_or_default()),
                "td" | "th" => text.is_space_due = true,
                "blockquote" => {
                    text.end_block(1);
                    text.quote_depth = (text.quote_depth + 1).min(MAX_QUOTE_DEPTH);
                }
                "pre" => {
                    text.end_block(2);
                    text.is_preformatted = true;
                }
                name => text.block(name),
            },
            Token::End(name) => match name.as_str() {
                "blockquote" => {
                    text.end_block(1);
                    text.quote_depth = text.quote_depth.saturating_sub(1);
                }
                "pre" => {
                    text.end_block(2);
                    text.is_preformatted = false;
                }
                name => text.block(name),
            },
        }
    }
    let end = text.written.trim_end().len();
    text.written.truncate(end);
    head(&text.written, MAX_TEXT_BYTES).to_owned()
}

#[derive(Default)]
struct Text {
    written: String,
    /// Line breaks to write before the next text.
    breaks_due: usize,
    is_space_due: bool,
    is_preformatted: bool,
    quote_depth: usize,
}

impl Text {
    fn block(&mut self, name: &str) {
        if PARAGRAPHS.contains(&name) {
            self.end_block(2);
        } else if BLOCKS.contains(&name) {
            self.end_block(1);
        }
    }

    /// The next text begins a line, after so many breaks (two leave a line empty).
    fn end_block(&mut self, breaks: usize) {
        if !self.written.is_empty() {
            self.breaks_due = self.breaks_due.max(breaks);
        }
        self.is_space_due = false;
    }

    fn break_line(&mut self) {
        // Two stay two: people part paragraphs with them.
        if !self.written.is_empty() {
            self.breaks_due = (self.breaks_due + 1).min(2);
        }
        self.is_space_due = false;
    }

    fn write(&mut self, piece: &str) {
        if self.is_preformatted {
            for (at, line) in piece.split('\n').enumerate() {
                if at > 0 {
                    self.start_text();
                    self.breaks_due = 1;
                }
                if !line.trim().is_empty() {
                    self.start_text();
                    push_decoded(&mut self.written, line.trim_end_matches('\r'));
                }
            }
            return;
        }
        for (at, word) in piece.split(|c: char| c.is_ascii_whitespace()).enumerate() {
            self.is_space_due |= at > 0;
            if !word.is_empty() {
                self.start_text();
                push_decoded(&mut self.written, word);
            }
        }
    }

    fn start_text(&mut self) {
        if self.breaks_due == 0 {
            if self.is_space_due && !self.written.is_empty() && !self.written.ends_with(['\n', ' ']) {
                self.written.push(' ');
            } else if self.written.is_empty() {
                self.mark();
            }
        }
        for _ in 0..std::mem::take(&mut self.breaks_due) {
            let end = self.written.trim_end_matches(' ').len();
            self.written.truncate(end);
            self.written.push('\n');
            self.mark();
        }
        self.is_space_due = false;
    }

    fn mark(&mut self) {
        if self.quote_depth > 0 {
            self.written.extend(std::iter::repeat_n('>', self.quote_depth));
            self.written.push(' ');
        }
    }
}

/// Writes text with its character references resolved; a non-breaking space becomes a plain one.
fn push_decoded(written: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        push_plain(written, &rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().skip(1).take(32).position(|byte| byte == b';' || byte == b'&').map(|end| end + 1);
        match end {
            Some(end) if rest.as_bytes()[end] == b';' => {
                let mut decoded = String::new();
                add_html_token(&mut decoded, &rest.as_bytes()[..=end], false);
                push_plain(written, &decoded);
                rest = &rest[end + 1..];
            }
            _ => {
                written.push('&');
                rest = &rest[1..];
            }
        }
    }
    push_plain(written, rest);
}

fn push_plain(written: &mut String, text: &str) {
    // Zero-width characters are what newsletters fill their preview line with.
    let is_invisible = |c: char| {
        matches!(c, '\u{200b}' | '\u{200c}' | '\u{feff}' | '\u{ad}' | '\u{34f}') || (c.is_control() && c != '\t')
    };
    written.extend(text.chars().filter(|c| !is_invisible(*c)).map(|c| if c == '\u{a0}' { ' ' } else { c }));
}

/// Text as HTML that shows it with its lines.
#[must_use]
pub fn from_text(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    html.push_str("<div>");
    for character in head(text, MAX_HTML_INPUT).chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>"),
            '\r' => {}
            other => html.push(other),
        }
    }
    html.push_str("</div>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_html_reads_as_it_looks() {
        for (html, expected) in [
            ("Hello <b>Jane</b>,<br>how are you?", "Hello Jane,\nhow are you?"),
            ("<div>one</div><div>two</div>", "one\ntwo"),
            ("<p>one</p><p>two</p>", "one\n\ntwo"),
            ("<div>one</div><div><br></div><div>two</div>", "one\n\ntwo"),
            ("one<br><br><br>two", "one\n\ntwo"),
            ("a\n  b\t c", "a b c"),
            ("a<b> b</b><i>c </i>d", "a bc d"),
            ("<ul><li>one<li>two</ul>end", "one\ntwo\nend"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("<style>p{}</style><script>x()</script><title>t</title>x<!-- y -->z", "xz"),
            ("&lt;b&gt; &amp;amp; &uuml;&#8364;&#x20AC; AT&T &unknown; &", "<b> &amp; ü€€ AT&T &unknown; &"),
            ("a&nbsp;&nbsp;b", "a  b"),
            ("<img src=x alt='Logo'> us", "Logo us"),
            ("<pre>a  b\n  c</pre>d", "a  b\n  c\n\nd"),
            ("new<blockquote>old<blockquote>older</blockquote></blockquote>end", "new\n> old\n>> older\nend"),
            ("<blockquote>a<p>b</p></blockquote>", "> a\n>\n> b"),
            ("pre\u{200c}\u{ad}view", "preview"),
            ("", ""),
        ] {
            assert_eq!(to_text(html), expected, "{html}");
        }
    }

    #[test]
    fn text_in_html_is_text() {
        assert_eq!(from_text("a < b & \"c\"\r\n>d"), "<div>a &lt; b &amp; &quot;c&quot;<br>&gt;d</div>");
        assert_eq!(to_text(&from_text("a < b & \"c\"\n&amp;")), "a < b & \"c\"\n&amp;");
    }

    #[test]
    fn text_of_html_is_bounded() {
        let html = "<blockquote>".repeat(30_000) + &"x<br>".repeat(60_000);
        assert!(to_text(&html).len() <= MAX_TEXT_BYTES);
    }
}
