//! What people write in an email, with a few marks that are readable as they are: `**bold**`, `*italic*`,
//! `[text](https://…)`, and lines that begin with `- ` as a list. The text goes along as it was written, for programs that
//! show no HTML; the HTML has these elements and no others, and everything else in it is escaped.
//!
//! Templates (`{{ contact.name }}`) are passed over: they are filled in at hand-over.

use sendwheel_actors::domain::message::Content;

/// The text as HTML; none when that would say nothing that the text does not.
pub(super) fn html(text: &str) -> Option<String> {
    Some(written(text)).filter(|(_, has_marks)| *has_marks).map(|(html, _)| html)
}

/// HTML that does not come from the marks of its text: a program's, or somebody's own.
pub(super) fn own_html(content: &Content) -> Option<&str> {
    let text = content.text.as_deref().unwrap_or_default();
    content.html.as_deref().filter(|html| *html != written(text).0)
}

/// The text as HTML, and whether it has any mark.
pub(super) fn written(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len() * 2);
    let mut has_marks = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        if let Some(item) = item_of(line) {
            has_marks = true;
            out.push_str("<ul><li>");
            inline(item, &mut out, &mut has_marks);
            while let Some(item) = lines.peek().copied().and_then(item_of) {
                lines.next();
                out.push_str("</li><li>");
                inline(item, &mut out, &mut has_marks);
            }
            out.push_str("</li></ul>\n");
            continue;
        }
        out.push_str("<p>");
        inline(line, &mut out, &mut has_marks);
        while let Some(next) = lines.peek().copied().filter(|next| !next.trim().is_empty() && item_of(next).is_none()) {
            lines.next();
            out.push_str("<br>\n");
            inline(next, &mut out, &mut has_marks);
        }
        out.push_str("</p>\n");
    }
    (out, has_marks)
}

fn item_of(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("- ").filter(|item| !item.trim().is_empty())
}

fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            char => out.push(char),
        }
    }
}

/// A mark at the beginning of a text, and how many bytes it takes.
enum Mark<'a> {
    Template,
    Strong(&'a str),
    Em(&'a str),
    Link(&'a str, &'a str),
}

/// Bytes within which a mark ends, or is none: so the time goes with the length of a text, whatever is in it.
const MARK_BYTES: usize = 2_000;

/// What is between two signs: not empty, and without blanks at its ends.
fn between<'a>(text: &'a str, sign: &str) -> Option<(&'a str, usize)> {
    let rest = text.strip_prefix(sign)?;
    let end = rest.find(sign)?;
    let inside = &rest[..end];
    let is_one = !inside.is_empty() && inside.trim() == inside && !inside.starts_with('*');
    is_one.then_some((inside, end + 2 * sign.len()))
}

fn mark(text: &str) -> Option<(Mark<'_>, usize)> {
    let text = &text[..text.floor_char_boundary(MARK_BYTES)];
    for (open, close) in [("{{", "}}"), ("{%", "%}")] {
        if text.starts_with(open) {
            return Some((Mark::Template, text.find(close)? + close.len()));
        }
    }
    if let Some((inside, length)) = between(text, "**") {
        return Some((Mark::Strong(inside), length));
    }
    if let Some((inside, length)) = between(text, "*") {
        return Some((Mark::Em(inside), length));
    }
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, _) = rest.split_once(')')?;
    let is_safe = ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
    let is_one = is_safe && !label.is_empty() && !label.contains('[') && !target.contains(char::is_whitespace);
    is_one.then_some((Mark::Link(label, target), "[]()".len() + label.len() + target.len()))
}

/// The marks within a line. Marks within marks are taken as they are written.
fn inline(mut text: &str, out: &mut String, has_marks: &mut bool) {
    while let Some(at) = text.find(['*', '[', '{']) {
        escape(&text[..at], out);
        text = &text[at..];
        let Some((mark, length)) = mark(text) else {
            escape(&text[..1], out);
            text = &text[1..];
            continue;
        };
        let mut link = String::new();
        let (open, inside, close) = match mark {
            Mark::Template => {
                out.push_str(&text[..length]);
                text = &text[length..];
                continue;
            }
            Mark::Strong(inside) => ("<strong>", inside, "</strong>"),
            Mark::Em(inside) => ("<em>", inside, "</em>"),
            Mark::Link(label, target) => {
                link.push_str("<a href=\"");
                escape(target, &mut link);
                link.push_str("\">");
                (link.as_str(), label, "</a>")
            }
        };
        *has_marks = true;
        out.push_str(open);
        templates_or_text(inside, out);
        out.push_str(close);
        text = &text[length..];
    }
    escape(text, out);
}

/// A text in which only templates stay as they are.
fn templates_or_text(mut text: &str, out: &mut String) {
    while let Some(at) = text.find("{{") {
        escape(&text[..at], out);
        let end = text[at..].find("}}").map_or(text.len(), |end| at + end + 2);
        out.push_str(&text[at..end]);
        text = &text[end..];
    }
    escape(text, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_elements_and_everything_else_is_escaped() {
        for (text, expected) in [
            ("Hello **you**", "<p>Hello <strong>you</strong></p>\n"),
            ("an *old* <b>\"one\"</b>", "<p>an <em>old</em> &lt;b&gt;&quot;one&quot;&lt;/b&gt;</p>\n"),
            (
                "[our page](https://example.com/?a=1&b=\"2)",
                "<p><a href=\"https://example.com/?a=1&amp;b=&quot;2\">our page</a></p>\n",
            ),
            ("{{ contact.name | default(\"you\") }} *x*", "<p>{{ contact.name | default(\"you\") }} <em>x</em></p>\n"),
            ("a\nb\n\n- one\n- *two*", "<p>a<br>\nb</p>\n<ul><li>one</li><li><em>two</em></li></ul>\n"),
            (
                "**{{ contact.name | default(\"you\") }}**",
                "<p><strong>{{ contact.name | default(\"you\") }}</strong></p>\n",
            ),
        ] {
            assert_eq!(html(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_marks_stays_a_text() {
        for text in [
            "",
            "Hello\n\nthere",
            "2 * 3 * 4",
            "**",
            "****",
            "[a](javascript:x)",
            "[a] (b)",
            "{{ contact.name }}",
            "-5",
        ] {
            assert_eq!(html(text), None, "{text}");
        }
    }

    #[test]
    fn no_text_makes_an_element_that_is_not_ours() {
        for text in [
            "*<script>x</script>*",
            "[<img src=x>](https://e.example/\"><script>)",
            "- <script>\n- b",
            "**a** [b](https://x) {{ \n <i>",
        ] {
            let html = html(text).expect("it has marks");
            for (at, _) in html.match_indices('<') {
                let rest = &html[at..];
                let ours = [
                    "<p>",
                    "</p>",
                    "<br>",
                    "<ul>",
                    "</ul>",
                    "<li>",
                    "</li>",
                    "<strong>",
                    "</strong>",
                    "<em>",
                    "</em>",
                    "<a href=\"",
                    "</a>",
                ];
                assert!(ours.iter().any(|one| rest.starts_with(one)), "{html}");
            }
        }
    }

    #[test]
    fn a_mark_that_does_not_end_soon_is_none() {
        let long = |length: usize| format!("*{}*", "é".repeat(length / 2));
        assert!(html(&long(MARK_BYTES - 4)).is_some());
        assert_eq!(html(&long(MARK_BYTES)), None);
    }
}
