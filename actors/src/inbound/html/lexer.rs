//! Tags and text of HTML, in one pass, as a browser's tokenizer parts them (HTML Standard §13.2.5), without its
//! character references: these are passed on as they stand.
//!
//! Errors of the author cost nothing: an open comment reaches to the end, a tag that does not end is dropped.

/// A piece of HTML.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'h> {
    /// Text, its character references not resolved.
    Text(&'h str),
    /// A start tag; its name in lowercase.
    Start(Tag<'h>),
    /// An end tag's name in lowercase.
    End(String),
}

/// A start tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'h> {
    pub(super) name: String,
    pub(super) attributes: Vec<(&'h str, &'h str)>,
}

impl<'h> Tag<'h> {
    /// The first attribute of this name; character references in it are not resolved.
    pub(super) fn attribute(&self, name: &str) -> Option<&'h str> {
        self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// Elements whose content is no HTML and not shown: it is passed over with them.
const HIDDEN: [&str; 11] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext", "template", "object"];

/// Longest name of a tag that is told from others.
const MAX_TAG_NAME: usize = 20;

/// Reads HTML piece by piece.
pub(super) struct Lexer<'h> {
    html: &'h str,
    at: usize,
    max_attributes: usize,
}

impl<'h> Lexer<'h> {
    pub(super) const fn new(html: &'h str, max_attributes: usize) -> Self {
        Self { html, at: 0, max_attributes }
    }

    fn rest(&self) -> &'h str {
        &self.html[self.at..]
    }

    /// Behind the next such text, or at the end.
    fn skip_past(&mut self, text: &str) {
        self.at = self.rest().find(text).map_or(self.html.len(), |found| self.at + found + text.len());
    }

    /// Takes characters as long as they are wanted.
    fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> &'h str {
        let rest = self.rest();
        let end = rest.find(|c| !is_wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// At `<!` or `<?`.
    fn skip_markup(&mut self) {
        match self.rest().strip_prefix("<!--") {
            Some(comment) if comment.starts_with('>') || comment.starts_with("->") => self.skip_past(">"),
            Some(comment) => {
                let end = ["-->", "--!>"].iter().filter_map(|end| Some(comment.find(end)? + end.len())).min();
                self.at = end.map_or(self.html.len(), |end| self.at + 4 + end);
            }
            None => self.skip_past(">"),
        }
    }

    /// A tag's name, which begins here, in lowercase; a long one is no known tag's.
    fn name(&mut self) -> String {
        let name = self.take_while(|c| !c.is_ascii_whitespace() && !matches!(c, '/' | '>'));
        if name.len() <= MAX_TAG_NAME { name.to_ascii_lowercase() } else { String::new() }
    }

    /// The attributes up to the tag's end; nothing if it does not end.
    fn attributes(&mut self) -> Option<Vec<(&'h str, &'h str)>> {
        let mut attributes = Vec::new();
        loop {
            self.take_while(|c| c.is_ascii_whitespace() || c == '/');
            if self.rest().starts_with('>') {
                self.at += 1;
                return Some(attributes);
            }
            let first = self.rest().chars().next()?;
            let start = self.at;
            // A `=` in the first place belongs to the name.
            self.at += first.len_utf8();
            self.take_while(|c| !c.is_ascii_whitespace() && !matches!(c, '/' | '>' | '='));
            let name = &self.html[start..self.at];
            self.take_while(|c| c.is_ascii_whitespace());
            let mut value = "";
            if self.rest().starts_with('=') {
                self.at += 1;
                self.take_while(|c| c.is_ascii_whitespace());
                value = self.value()?;
            }
            if attributes.len() < self.max_attributes {
                attributes.push((name, value));
            }
        }
    }

    fn value(&mut self) -> Option<&'h str> {
        let quote = self.rest().chars().next()?;
        if !matches!(quote, '"' | '\'') {
            return Some(self.take_while(|c| !c.is_ascii_whitespace() && c != '>'));
        }
        self.at += 1;
        let value = self.take_while(|c| c != quote);
        if self.rest().is_empty() {
            return None;
        }
        self.at += 1;
        Some(value)
    }

    /// Behind the end tag of an element whose content is hidden, or at the end. Each end tag is looked at once: where
    /// none fits, nothing is left.
    fn skip_hidden(&mut self, name: &str) {
        if name == "plaintext" {
            self.at = self.html.len();
        }
        while !self.rest().is_empty() {
            self.skip_past("</");
            let is_end = self.rest().get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name))
                && self.rest()[name.len()..].chars().next().is_none_or(|c| c.is_ascii_whitespace() || "/>".contains(c));
            if is_end {
                self.skip_past(">");
                return;
            }
        }
    }
}

impl<'h> Iterator for Lexer<'h> {
    type Item = Token<'h>;

    fn next(&mut self) -> Option<Token<'h>> {
        loop {
            let rest = self.rest();
            let mut ahead = rest.chars();
            if ahead.next()? != '<' {
                return Some(Token::Text(self.take_while(|c| c != '<')));
            }
            match ahead.next() {
                Some('!' | '?') => self.skip_markup(),
                Some('/') if rest[2..].starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    self.at += 2;
                    let name = self.name();
                    self.attributes();
                    return Some(Token::End(name));
                }
                Some('/') => self.skip_past(">"),
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    let name = self.name();
                    let attributes = self.attributes()?;
                    if HIDDEN.contains(&name.as_str()) {
                        self.skip_hidden(&name);
                        continue;
                    }
                    return Some(Token::Start(Tag { name, attributes }));
                }
                _ => {
                    self.at += 1;
                    return Some(Token::Text(&rest[..1]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(html: &str) -> String {
        let mut shown = String::new();
        for token in Lexer::new(html, 3) {
            match token {
                Token::Text(text) => shown.push_str(text),
                Token::Start(tag) => {
                    shown.push_str(&format!("[{}", tag.name));
                    for (name, value) in tag.attributes {
                        shown.push_str(&format!(" {name}={value}"));
                    }
                    shown.push(']');
                }
                Token::End(name) => shown.push_str(&format!("[/{name}]")),
            }
        }
        shown
    }

    #[test]
    fn tags_and_text_are_parted_as_a_browser_does() {
        for (html, expected) in [
            ("a<B>b</B >c", "a[b]b[/b]c"),
            ("<a href=x title='y z' id=\"1>2\">", "[a href=x title=y z id=1>2]"),
            ("<a\n href = x/>", "[a href=x/]"),
            ("<img/src=x/alt=y>", "[img src=x/alt=y]"),
            ("<a =x=y b>", "[a =x=y b=]"),
            ("<a 1 2 3 4 5>", "[a 1= 2= 3=]"),
            ("1 < 2 <3 <> </ >x", "1 < 2 <3 <> x"),
            ("<!-- <b> -->x<!-->y<!--->z<!--a--!>w", "xyzw"),
            ("<!doctype html><?xml version='1'?><![CDATA[x]]>y", "y"),
            ("<![if !mso]><p>x<![endif]>", "[p]x"),
            ("x<!-- open <b>", "x"),
            ("x<a href=\"open>y", "x"),
            ("x<b", "x"),
            ("x</b", "x[/b]"),
            ("&lt;b>&amp;", "&lt;b>&amp;"),
            ("<süß>x", "[süß]x"),
        ] {
            assert_eq!(shown(html), expected, "{html}");
        }
    }

    #[test]
    fn what_is_not_shown_is_passed_over_with_its_end() {
        for (html, expected) in [
            ("a<script>if (a</b>c) '</scriptx>'</SCRIPT >b", "ab"),
            ("a<style><!-- </style>b", "ab"),
            ("a<title></title/>b", "ab"),
            ("a<textarea><b></textarea>b", "ab"),
            ("a<script>open", "a"),
            ("a<plaintext></plaintext>b", "a"),
            ("a<script", "a"),
            ("a<scripts>b", "a[scripts]b"),
        ] {
            assert_eq!(shown(html), expected, "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(html in "([<>/!?='\" a-c-]|script|é){0,60}") {
            let count = Lexer::new(&html, 3).count();
            prop_assert!(count <= html.len());
        }
    }
}
