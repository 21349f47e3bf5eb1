//! Bounds that are checked before a template is compiled, against what fuel does not cover.
//!
//! Fuel pays for instructions and texts. Found by trying (minijinja 3.1.0), these cost hardly any of it and still end
//! the process, or hold its thread for minutes:
//! - The stack: an expression is compiled and dropped by recursion, one level for each operator, and an `elif` as an
//!   `if` inside of the `else` before it (64 KB of `1-1-1-…` or of `{% elif 0 %}`). A value is dropped by recursion
//!   too, one level for each list around it.
//! - Lists: adding and repeating them is lazy, and free until somebody looks: forty doublings are 2⁴⁰ items.
//!
//! So tags are short, branches are counted, and no list can grow: there is no `+` and no `*`, nothing but `for` binds
//! a name, and it goes over a plain name. Tags are found without recursion, where the engine's own lexer finds them;
//! a test compares the two.

use super::error::{TemplateError, TemplateErrorKind};

/// Most `elif` branches of one template.
pub(super) const MAX_ELIF: usize = 50;

/// What a template may do besides naming a value. `raw` is not here: the lexer resolves it.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Refuses a source that could overflow the stack or the memory.
pub(super) fn check(field: &'static str, source: &str) -> Result<(), TemplateError> {
    let syntax = |what: &str| TemplateErrorKind::Syntax(what.to_owned());
    let mut branches = 0;
    for tag in tags(source) {
        let statement = if tag.is_block { first_word(tag.text) } else { "" };
        branches += usize::from(statement == "elif");
        let kind = if tag.text.len() > super::MAX_TAG {
            TemplateErrorKind::TagTooLong
        } else if branches > MAX_ELIF {
            TemplateErrorKind::TooManyBranches
        } else if tag.is_block && !STATEMENTS.contains(&statement) {
            syntax("only the statements `if` and `for` are available")
        } else if tag.has_operator(b"+*") {
            syntax("`+` and `*` are not available: texts are joined with `~`")
        } else if statement == "for" && (tag.has_operator(b"([{") || tag.text.contains("recursive")) {
            syntax("`for` goes over a plain name, such as `contact.tags`")
        } else {
            continue;
        };
        let line = source[..tag.start].bytes().filter(|byte| *byte == b'\n').count() + 1;
        return Err(TemplateError { line: Some(line), ..TemplateError::new(field, kind) });
    }
    Ok(())
}

fn first_word(text: &str) -> &str {
    let text = text.trim_ascii_start();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// A `{{ … }}` or `{% … %}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// Where its opening delimiter begins.
    pub(super) start: usize,
    /// Whether it is a `{% … %}`.
    pub(super) is_block: bool,
    /// What stands between the delimiters; to the end of the source where the closing one is missing.
    pub(super) text: &'a str,
}

impl Tag<'_> {
    /// Whether there is one of these bytes outside of strings. A `+` at the very end is no operator: it keeps the
    /// space after the tag.
    fn has_operator(&self, which: &[u8]) -> bool {
        let bytes = self.text.strip_suffix('+').unwrap_or(self.text).as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if which.contains(&bytes[at]) {
                return true;
            }
            at = after_string(bytes, at);
        }
        false
    }
}

/// Every tag that the engine's lexer finds; comments and raw blocks have none.
pub(super) fn tags(source: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || next_tag(source, &mut at))
}

fn next_tag<'a>(source: &'a str, at: &mut usize) -> Option<Tag<'a>> {
    let bytes = source.as_bytes();
    loop {
        let start = *at + find(&bytes[*at..], b"{")?;
        let kind = bytes.get(start + 1)?;
        if !matches!(kind, b'{' | b'%' | b'#') {
            *at = start + 1;
            continue;
        }
        let is_marked = matches!(bytes.get(start + 2), Some(b'-' | b'+'));
        let inner = start + 2 + usize::from(is_marked);
        match kind {
            b'#' => *at = inner + find(&bytes[inner..], b"#}")? + 2,
            b'%' if after_basic_tag(bytes, inner, b"raw", false).is_some() => {
                *at = after_raw(bytes, after_basic_tag(bytes, inner, b"raw", false)?)?;
            }
            _ => {
                let is_block = *kind == b'%';
                let end = end_of_tag(bytes, inner, if is_block { b"%}" } else { b"}}" });
                *at = (end + 2).min(bytes.len());
                return Some(Tag { start, is_block, text: &source[inner..end] });
            }
        }
    }
}

/// Where the closing delimiter begins: outside of strings, and of brackets of every kind.
fn end_of_tag(bytes: &[u8], inner: usize, close: &[u8; 2]) -> usize {
    let mut at = inner;
    let mut open_brackets = 0i64;
    while at < bytes.len() {
        if open_brackets == 0 && bytes[at..].starts_with(close) {
            return at;
        }
        match bytes[at] {
            b'(' | b'[' | b'{' => open_brackets += 1,
            b')' | b']' | b'}' => open_brackets -= 1,
            _ => {}
        }
        at = after_string(bytes, at);
    }
    bytes.len()
}

/// The next place after a byte, or after the whole string that begins with it.
fn after_string(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let mut at = at + 1;
    if matches!(quote, b'"' | b'\'') {
        while at < bytes.len() && bytes[at] != quote {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        at += 1;
    }
    at
}

/// Where the text after a raw block goes on; `None` when it has no end.
fn after_raw(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += find(&bytes[at..], b"{%")? + 2;
        if let Some(end) = after_basic_tag(bytes, at, b"endraw", true) {
            return Some(end);
        }
    }
}

/// What follows a tag that holds nothing but a name, if this is one.
fn after_basic_tag(bytes: &[u8], mut at: usize, name: &[u8], is_marker_allowed: bool) -> Option<usize> {
    let skip_spaces = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let skip_marker = |at: usize| at + usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
    if is_marker_allowed {
        at = skip_marker(at);
    }
    at = skip_spaces(at);
    if !bytes[at..].starts_with(name) {
        return None;
    }
    at = skip_marker(skip_spaces(at + name.len()));
    bytes[at..].starts_with(b"%}").then_some(at + 2)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use minijinja::machinery::{Token, tokenize};
    use proptest::prelude::*;

    use super::*;

    /// Tags as the engine's lexer finds them, up to its first error: start, kind, and the end of the last token.
    fn lexed(source: &str) -> (Vec<(usize, bool, usize)>, bool) {
        let syntax = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap();
        let mut found = vec![];
        for token in tokenize(source, false, syntax) {
            let Ok((token, span)) = token else { return (found, false) };
            match token {
                Token::VariableStart | Token::BlockStart => {
                    found.push((span.start_offset as usize, matches!(token, Token::BlockStart), source.len()));
                }
                Token::VariableEnd | Token::BlockEnd => found.last_mut().unwrap().2 = span.end_offset as usize - 2,
                _ => {}
            }
        }
        (found, true)
    }

    fn scanned(source: &str) -> Vec<(usize, bool, usize)> {
        let end = |tag: &Tag<'_>| tag.text.as_ptr() as usize - source.as_ptr() as usize + tag.text.len();
        tags(source).map(|tag| (tag.start, tag.is_block, end(&tag))).collect()
    }

    fn compare(source: &str) {
        let (mut expected, is_complete) = lexed(source);
        let mut found = scanned(source);
        if !is_complete {
            // Past an error the engine compiles nothing; a tag that the error cut short may only be found longer.
            expected.pop();
            found.truncate(expected.len());
        }
        assert_eq!(found, expected, "{source:?}");
    }

    #[test]
    fn tags_are_found_where_the_engine_finds_them() {
        for (source, texts) in [
            ("plain } }} %} text", &[][..]),
            ("{{ a }}{% if b %}{ {x", &[" a ", " if b "]),
            ("{{- a -}}{%+ b -%}", &[" a -", " b -"]),
            ("{# {{ a }} #}{{ b }}", &[" b "]),
            ("{# {{ #}{{ b ~ '}}' }}", &[" b ~ '}}' "]),
            ("{{ \"}}\" ~ '\\'}}' ~ a }}{{ b }}", &[" \"}}\" ~ '\\'}}' ~ a ", " b "]),
            ("{{ {'a': {'b': 1}}.a }}", &[" {'a': {'b': 1}}.a "]),
            ("{% raw %}{{ a \" }}{% endraw %}{{ b }}", &[" b "]),
            ("{%- raw -%}{{ '{%- endraw +%}{{ b }}", &[" b "]),
            ("{% rawer %}{{ b }}", &[" rawer ", " b "]),
            ("{{ a", &[" a"]),
            ("{% raw %}{{ a }}", &[]),
            ("{# {{ a }}", &[]),
            ("{{ 'a }} {{ b }}", &[" 'a }} {{ b }}"]),
            ("ü{{ 'é' }}", &[" 'é' "]),
        ] {
            assert_eq!(tags(source).map(|tag| tag.text).collect::<Vec<_>>(), texts, "{source}");
            compare(source);
        }
    }

    proptest! {
        #[test]
        fn no_tag_hides_from_the_check(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "raw", "endraw", "{% raw %}",
                    "{%- endraw -%}", "'", "\"", "\\", "(", ")", "[", "]", "{", "}", "%", "a", "1", "~", ".", "é", "#",
                ]),
                0..24,
            ),
        ) {
            compare(&pieces.concat());
        }
    }
}
