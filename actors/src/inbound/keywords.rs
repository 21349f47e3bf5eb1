//! Whether a message is one of the words that carriers give a meaning to: STOP, START, HELP and their like.
//!
//! The whole message counts, never a word inside a sentence: "stop by at five" opts nobody out, and "cancel my
//! appointment" is for a person to read. What stands around the word does not count: case, accents, punctuation,
//! quotes, emoji, invisible characters, spaces. Words of all languages are looked for in every message: nobody
//! says which one they write in, and a missed opt-out costs more than a word too many.
//!
//! Total and bounded: every text has an answer, and a message longer than [`MAX_CHARS`] is no keyword.
//! Sources: CTIA Messaging Principles and Best Practices §5.1.3; 47 CFR 64.1200(a)(10), which names "stop", "quit",
//! "end", "revoke", "opt out", "cancel" and "unsubscribe"; `words` for the other languages.

mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use icu_normalizer::{DecomposingNormalizer, DecomposingNormalizerBorrowed};
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Characters of the longest message that is looked at, spaces around it aside.
pub const MAX_CHARS: usize = 200;

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Keyword {
    /// No more messages from here.
    Stop,
    /// Messages again.
    Start {
        /// A plain "yes": it asks for messages only if they had been stopped. To anyone else it is an answer to
        /// whatever was asked; see [`Keyword::applies`].
        only_after_stop: bool,
    },
    /// Who is writing here, and how to make it stop.
    Help,
}

impl Keyword {
    /// Whether the message is to be taken as this keyword, and not as an ordinary one: always, but for a "yes" of
    /// somebody who had not opted out.
    #[must_use]
    pub const fn applies(self, has_opted_out: bool) -> bool {
        !matches!(self, Self::Start { only_after_stop: true }) || has_opted_out
    }
}

/// The keyword that a message is, if it is one.
#[must_use]
pub fn classify(text: &str) -> Option<Keyword> {
    let message = fold(text)?;
    if let Some(known) = KNOWN.get(message.as_str()) {
        return Some(known.keyword);
    }
    // "Stop! Stop!" and "please stop" are said of nothing else; "please cancel" may be about an appointment.
    let word = without_please(&message).unwrap_or_else(|| once(&message));
    KNOWN.get(word).filter(|known| known.keyword == Keyword::Stop && !known.is_ordinary).map(|known| known.keyword)
}

/// What a folded word or phrase means.
struct Known {
    keyword: Keyword,
    /// It means something else too: only as the whole message.
    is_ordinary: bool,
}

static KNOWN: LazyLock<HashMap<String, Known>> = LazyLock::new(|| {
    let mut known = HashMap::<String, Known>::new();
    let mut add = |words: &[&str], keyword, is_ordinary| {
        for word in words {
            let word = fold(word).expect("a keyword is short and has letters");
            known.entry(word).or_insert(Known { keyword, is_ordinary }).is_ordinary |= is_ordinary;
        }
    };
    for (_, words) in &words::WORDS {
        add(words.stop, Keyword::Stop, false);
        add(words.stop_alone, Keyword::Stop, true);
        add(words.start, Keyword::Start { only_after_stop: false }, false);
        add(words.yes, Keyword::Start { only_after_stop: true }, false);
        add(words.help, Keyword::Help, false);
    }
    known
});

/// The message without its "please", if it begins or ends with one.
fn without_please(message: &str) -> Option<&str> {
    ["please", "pls", "plz"].iter().find_map(|please| {
        let rest = message.strip_prefix(please).and_then(|rest| rest.strip_prefix(' '));
        rest.or_else(|| message.strip_suffix(please).and_then(|rest| rest.strip_suffix(' ')))
    })
}

/// The one word that the message repeats; the message itself if it does not.
fn once(message: &str) -> &str {
    let mut words = message.split(' ');
    match words.next() {
        Some(first) if words.all(|word| word == first) => first,
        _ => message,
    }
}

/// The words of a message in lowercase, one space between them: compatibility forms resolved (full width, bold
/// letters), accents and points dropped, everything that is no letter or digit taken for a space. `None` if nothing
/// is left, or if the message is too long for a keyword.
fn fold(text: &str) -> Option<String> {
    const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizer::new_nfkd();
    let text = text.trim();
    if text.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    // Before they are decomposed: some symbols would become letters (™, Ⓜ, ㊗).
    let without_symbols = text.chars().map(|c| if is_symbol(c) { ' ' } else { c });
    let mut folded = String::new();
    let mut is_apart = false;
    for character in NFKD.normalize_iter(without_symbols) {
        match part(character) {
            Part::Letter => {
                if std::mem::take(&mut is_apart) && !folded.is_empty() {
                    folded.push(' ');
                }
                for lower in character.to_lowercase() {
                    push_letter(lower, &mut folded);
                }
            }
            Part::Mark => {}
            Part::Between => is_apart = true,
        }
    }
    (!folded.is_empty()).then_some(folded)
}

enum Part {
    Letter,
    Mark,
    Between,
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

/// Emoji, dingbats, signs (and ℹ, which Unicode counts as a letter).
fn is_symbol(character: char) -> bool {
    character == '\u{2139}' || category(character) == GeneralCategory::OtherSymbol
}

fn part(character: char) -> Part {
    use GeneralCategory as G;
    match (character, category(character)) {
        // Devanagari vowels, and the voicing of kana: without them it would be another word.
        ('\u{900}'..='\u{97f}' | '\u{3099}' | '\u{309a}', G::NonspacingMark) => Part::Letter,
        // An Arabic word may be stretched, for looks.
        ('\u{640}', _) => Part::Mark,
        // What is not seen counts as nothing, also inside a word: zero width spaces, direction marks, tags.
        (_, G::NonspacingMark | G::EnclosingMark | G::Format) => Part::Mark,
        (
            _,
            G::UppercaseLetter
            | G::LowercaseLetter
            | G::TitlecaseLetter
            | G::ModifierLetter
            | G::OtherLetter
            | G::SpacingMark
            | G::DecimalNumber
            | G::LetterNumber
            | G::OtherNumber,
        ) => Part::Letter,
        _ => Part::Between,
    }
}

/// Adds a lowercase letter, or what people without that key write for it.
fn push_letter(letter: char, folded: &mut String) {
    match letter {
        'æ' => folded.push_str("ae"),
        'ı' => folded.push('i'),
        'ł' => folded.push('l'),
        'ς' => folded.push('σ'),
        'ة' => folded.push('ه'),
        'ى' | 'ی' => folded.push('ي'),
        'ک' => folded.push('ك'),
        _ => folded.push(letter),
    }
}

#[cfg(test)]
mod tests;
