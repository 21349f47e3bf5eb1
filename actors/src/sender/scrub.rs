//! Makes what a provider said fit to be stored and shown: no addresses, no numbers, one bounded line.
//!
//! Servers echo the recipient in their refusals, whole or only its local part, so the known ones are
//! removed by name and everything else that looks like an address or a phone number by its shape.

/// Longest text that is kept, in characters.
pub const MAX_CHARS: usize = 200;
/// Longest text that is looked at, in bytes: servers can answer a hundred lines.
const MAX_INPUT: usize = 4_096;
/// Digits from which a run of them counts as a phone number.
const MIN_PHONE_DIGITS: usize = 7;

/// One line of at most [`MAX_CHARS`] characters, with every address or number in it replaced.
///
/// `known` are the addresses of the attempt; their local parts are replaced too.
#[must_use]
pub fn scrub(text: &str, known: &[&str]) -> String {
    let mut line: String = cut(text, MAX_INPUT).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for address in known {
        line = replace_word(&line, address);
        if let Some((local, _)) = address.rsplit_once('@') {
            line = replace_word(&line, local);
        }
    }
    let words: Vec<_> = line.split_whitespace().map(scrub_word).collect();
    bounded(&scrub_numbers(&words.join(" ")))
}

/// At most [`MAX_CHARS`] characters, for a scrubbed text with words of ours around it.
#[must_use]
pub fn bounded(line: &str) -> String {
    match line.char_indices().nth(MAX_CHARS) {
        None => line.to_owned(),
        Some(_) => line.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
    }
}

fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Replaces `needle` wherever it stands alone, whatever its case.
fn replace_word(text: &str, needle: &str) -> String {
    if needle.is_empty() {
        return text.to_owned();
    }
    // ASCII folding keeps byte offsets equal in both texts.
    let (haystack, needle) = (text.to_ascii_lowercase(), needle.to_ascii_lowercase());
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut from = 0;
    while let Some(at) = haystack[from..].find(&needle).map(|at| from + at) {
        let end = at + needle.len();
        let alone =
            !haystack[..at].ends_with(char::is_alphanumeric) && !haystack[end..].starts_with(char::is_alphanumeric);
        if alone {
            out.push_str(&text[done..at]);
            out.push_str("<address>");
            done = end;
        }
        from = end;
    }
    out.push_str(&text[done..]);
    out
}

/// An email address within a word, with whatever brackets stood around it.
fn scrub_word(word: &str) -> String {
    if !word.contains('@') {
        return word.to_owned();
    }
    let is_edge = |c: char| matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | ':' | '"' | '\'' | '.');
    let before = word.len() - word.trim_start_matches(is_edge).len();
    let after = word.trim_end_matches(is_edge).len().max(before);
    let (head, tail) = (&word[..before], &word[after..]);
    format!("{}<address>{}", head.trim_end_matches('<'), tail.trim_start_matches('>'))
}

/// Runs of digits, with the separators that people put into phone numbers.
fn scrub_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '+') {
        let (head, tail) = rest.split_at(start);
        let length = tail
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')')))
            .unwrap_or(tail.len());
        let (run, after) = tail.split_at(length);
        out.push_str(head);
        if run.chars().filter(char::is_ascii_digit).count() >= MIN_PHONE_DIGITS
            && !head.ends_with(char::is_alphanumeric)
        {
            out.push_str("<number>");
            out.push_str(&run[run.trim_end().len()..]);
        } else {
            out.push_str(run);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_do_not_survive() {
        for (text, clean) in [
            ("<jane.doe@example.org>: Recipient address rejected", "<address>: Recipient address rejected"),
            ("no mailbox (jane@example.org) here", "no mailbox (<address>) here"),
            ("user=other@example.net", "<address>"),
            ("<@relay:jane@example.org>", "<address>"),
            ("The 'To' number +1 (500) 555-0001 is not valid", "The 'To' number <number> is not valid"),
            ("4915112345678: unknown", "<number>: unknown"),
            ("mailbox full, quota 1024 of 1024 KB", "mailbox full, quota 1024 of 1024 KB"),
        ] {
            assert_eq!(scrub(text, &[]), clean, "{text}");
        }
    }

    #[test]
    fn a_known_local_part_is_removed_where_it_stands_alone() {
        assert_eq!(scrub("User JANE.DOE unknown", &["jane.doe@example.org"]), "User <address> unknown");
        assert_eq!(scrub("a banana", &["a@example.org"]), "<address> banana");
        assert_eq!(scrub("ä jane ü", &["jane@example.org", ""]), "ä <address> ü");
    }

    #[test]
    fn the_text_is_one_bounded_line() {
        let text = scrub(&"ü\r\n".repeat(5_000), &[]);
        assert_eq!(text.chars().count(), MAX_CHARS);
        assert!(text.chars().all(|c| !c.is_control()));
    }
}
