//! From a part's bytes to text that can be shown.
//!
//! The declared charset is believed where it fits. Where it is missing or wrong, UTF-8 is tried first, because no
//! other text passes for it by accident, and then Windows-1252, which has a letter for nearly every byte.

use mail_parser::decoders::charsets::map::charset_decoder;

use super::limits::head;

/// Decodes bytes of a named charset.
pub(super) fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    let charset = charset.map(str::trim).filter(|name| !name.is_empty());
    match charset {
        None => guess(bytes),
        Some(name) if is_utf8(name) => String::from_utf8_lossy(bytes).into_owned(),
        Some(name) if is_ascii(name) => guess(bytes),
        Some(name) => match charset_decoder(name.as_bytes()) {
            Some(decoder) => decoder(bytes),
            None => guess(bytes),
        },
    }
}

/// UTF-8 if it is (one character that was cut off at the end is dropped), else Windows-1252.
pub(super) fn guess(bytes: &[u8]) -> String {
    match (std::str::from_utf8(bytes), charset_decoder(b"windows-1252")) {
        (Ok(text), _) => text.to_owned(),
        (Err(error), _) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        (Err(_), Some(decoder)) => decoder(bytes),
        (Err(_), None) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8"].iter().any(|utf8| name.eq_ignore_ascii_case(utf8))
}

fn is_ascii(name: &str) -> bool {
    ["us-ascii", "ascii", "unknown-8bit", "x-unknown"].iter().any(|ascii| name.eq_ignore_ascii_case(ascii))
}

/// Text as it is kept: lines end in `\n`, controls (but tabs) are dropped, at most so many bytes. Also tells
/// whether something was cut off.
pub(super) fn clean(text: &str, max_bytes: usize) -> (String, bool) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut clean = String::with_capacity(text.len().min(max_bytes));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let kept = match character {
            '\r' if characters.peek() == Some(&'\n') => continue,
            '\r' => '\n',
            '\n' | '\t' => character,
            control if control.is_control() => continue,
            other => other,
        };
        if clean.len() + kept.len_utf8() > max_bytes {
            return (clean, true);
        }
        clean.push(kept);
    }
    (clean, false)
}

/// One line of at most so many bytes: every run of blanks and controls becomes one space.
pub(super) fn one_line(text: &str, max_bytes: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if line.len() >= max_bytes {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    head(&line, max_bytes).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_or_missing_charset_still_gives_text() {
        for (bytes, charset, expected) in [
            (&b"Gr\xfc\xdfe"[..], Some("iso-8859-1"), "Grüße"),
            (b"Gr\xfc\xdfe", None, "Grüße"),
            (b"Gr\xfc\xdfe", Some("us-ascii"), "Grüße"),
            (b"Gr\xfc\xdfe", Some("no-such-charset"), "Grüße"),
            ("Grüße".as_bytes(), None, "Grüße"),
            ("Grüße".as_bytes(), Some("ASCII"), "Grüße"),
            ("Grüße".as_bytes(), Some(" UTF8 "), "Grüße"),
            ("Grüß".as_bytes().split_last().unwrap().1, None, "Grü"),
            (b"Gr\xc3\xbc\xff!", Some("utf-8"), "Grü\u{fffd}!"),
            (b"\x1b$B%O%m!<\x1b(B", Some("ISO-2022-JP"), "ハロー"),
            (b"\xc4\xe3\xba\xc3", Some("gb2312"), "你好"),
            (b"\x80 5", Some("windows-1252"), "€ 5"),
        ] {
            assert_eq!(decode(bytes, charset), expected, "{charset:?}");
        }
    }

    #[test]
    fn text_keeps_its_lines_and_tabs_and_loses_other_controls() {
        assert_eq!(clean("\u{feff}a\r\nb\rc\n\td\0\u{7}e\u{85}", 99), ("a\nb\nc\n\tde".to_owned(), false));
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(clean("aßb", 2), ("a".to_owned(), true));
        assert_eq!(clean("aßb", 3), ("aß".to_owned(), true));
        assert_eq!(clean("aßb", 4), ("aßb".to_owned(), false));
    }

    #[test]
    fn a_line_has_no_breaks_and_a_bound() {
        assert_eq!(one_line("  a\r\n\tb\0c   d ", 99), "a b c d");
        assert_eq!(one_line("ab cd", 4), "ab c");
        assert_eq!(one_line("ab ß", 4), "ab");
        assert_eq!(one_line(&"x".repeat(50), 10), "x".repeat(10));
    }
}
