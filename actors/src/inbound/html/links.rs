//! The links of HTML that we send, each replaced by another one. Nothing else of it changes by a byte.

use super::lexer::{Lexer, Token};

/// Attributes of a tag that are looked at.
const MAX_ATTRIBUTES: usize = 32;

/// The HTML with the links (`href` of `a` and `area`) that `replace` has another one for. It is given each link as a
/// browser would read it; what it gives must need no escaping in an attribute.
#[must_use]
pub fn replace_links(html: &str, mut replace: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(html.len() * 2);
    let mut copied = 0;
    for token in Lexer::new(html, MAX_ATTRIBUTES) {
        let Token::Start(tag) = token else { continue };
        if !matches!(tag.name.as_str(), "a" | "area") {
            continue;
        }
        let Some(value) = tag.attribute("href") else { continue };
        let Some(link) = resolved(value).and_then(|link| replace(&link)) else { continue };
        // The value is a part of the HTML, so its place is how far apart they begin.
        let at = value.as_ptr() as usize - html.as_ptr() as usize;
        out.push_str(&html[copied..at]);
        out.push_str(&link);
        copied = at + value.len();
    }
    out.push_str(&html[copied..]);
    out
}

/// HTML with a piece at its end: before the end of its body, if that is marked.
#[must_use]
pub fn append(html: &str, piece: &str) -> String {
    let bytes = html.as_bytes();
    let is_end = |at: &usize| bytes[*at..].get(..6).is_some_and(|text| text.eq_ignore_ascii_case(b"</body"));
    let at = (0..bytes.len()).rev().find(is_end).unwrap_or(html.len());
    [&html[..at], piece, &html[at..]].concat()
}

/// A value with its character references resolved, without blanks around it; `None` if it has one that is not usual in
/// a link.
fn resolved(value: &str) -> Option<String> {
    const KNOWN: [(&str, &str); 10] = [
        ("&amp;", "&"),
        ("&#38;", "&"),
        ("&#x26;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
        ("&#47;", "/"),
    ];
    let (mut out, mut rest) = (String::with_capacity(value.len()), value.trim());
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let known =
            KNOWN.iter().find(|(name, _)| rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)));
        match known {
            Some((name, text)) => {
                out.push_str(text);
                rest = &rest[name.len()..];
            }
            None => {
                let name = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(rest.len() - 1);
                let ends_as_one = rest[1 + name..].starts_with(';');
                if ends_as_one {
                    return None;
                }
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_alone_are_replaced_and_read_as_a_browser_does() {
        let html = "<p><A class=x HREF='https://a.example/?x=1&amp;y=2'>one</A> <a href=https://b.example>two</a>\
                    <!-- <a href='c'> --><script>'<a href=\"d\">'</script><a name=e><img src='https://f.example'>\
                    <a href=\"g?&copy;=1\"><a href=\" h?a=1&b=2 \">";
        let mut seen = Vec::new();
        let replaced = replace_links(html, |link| {
            seen.push(link.to_owned());
            (link != "https://b.example").then(|| format!("[{}]", seen.len()))
        });
        assert_eq!(seen, ["https://a.example/?x=1&y=2", "https://b.example", "h?a=1&b=2"]);
        let expected = html.replace("https://a.example/?x=1&amp;y=2", "[1]").replace(" h?a=1&b=2 ", "[3]");
        assert_eq!(replaced, expected);
    }

    #[test]
    fn a_piece_goes_to_the_end_of_the_body() {
        for (html, expected) in [
            ("<p>x", "<p>x!"),
            ("<body>x</body></html>", "<body>x!</body></html>"),
            ("</BODY>x</Body >", "</BODY>x!</Body >"),
            ("", "!"),
        ] {
            assert_eq!(append(html, "!"), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_not_replaced_stays_by_the_byte(html in "([<>/='\" ax&;-]|href|<a href=|é){0,60}") {
            prop_assert_eq!(&replace_links(&html, |_| None), &html);
            let without = append(&html, "").len();
            prop_assert_eq!(without, html.len());
        }
    }
}
