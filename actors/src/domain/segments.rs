//! How many SMS segments a text becomes: what a lane is charged, and what the composer shows.
//!
//! Pure and total: every text has a count. The alphabet is GSM 03.38 (3GPP TS 23.038 §6.2.1) with its
//! extension table; a single character outside it turns the whole text into UCS-2. The count is what an HTTP
//! provider will bill: it splits the text itself by the same rules, so that nothing here cuts text apart.
//! National language shift tables are not used: providers do not offer them.

/// Most characters of an SMS body, in UTF-16 code units (an emoji counts twice).
///
/// Source: Twilio's Messages API, parameter `Body`: "up to 1,600 characters". What is longer would be refused
/// at hand-over, so that it is refused when it is scheduled.
pub const MAX_CHARACTERS: usize = 1_600;

/// Most segments that a body within [`MAX_CHARACTERS`] can need: UCS-2 whose every segment ends one unit early,
/// because a surrogate pair did not fit (1,600 units / 66).
pub const MAX_SEGMENTS: u16 = 25;

/// A text that fits into one message: septets, or UCS-2 units.
const SINGLE: (usize, usize) = (160, 70);
/// A part of a longer one: six octets go to the header that joins the parts (3GPP TS 23.040 §9.2.3.24.1).
const PART: (usize, usize) = (153, 67);

/// How a text travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Seven bits a character, two times seven for the extension table.
    Gsm7,
    /// UTF-16 code units (providers send surrogate pairs, although UCS-2 proper has none).
    Ucs2,
}

impl Encoding {
    /// The name shown to people and in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }
}

/// What a text costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segments {
    /// How it travels.
    pub encoding: Encoding,
    /// Septets (GSM-7) or UTF-16 code units (UCS-2).
    pub units: usize,
    /// Segments: at least 1; a text too long for the number is held at `u16::MAX`.
    pub count: u16,
}

/// A text that no provider takes as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text has {characters} characters, and an SMS carries at most {MAX_CHARACTERS}: shorten it")]
pub struct TooLong {
    /// Its length in UTF-16 code units.
    pub characters: usize,
}

/// The segments of a text within [`MAX_CHARACTERS`].
///
/// # Errors
/// Refuses a longer one.
pub fn check(text: &str) -> Result<Segments, TooLong> {
    let characters = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
    if characters > MAX_CHARACTERS { Err(TooLong { characters }) } else { Ok(segments(text)) }
}

/// The segments of a text. An empty text is one segment of no units.
#[must_use]
pub fn segments(text: &str) -> Segments {
    // Most texts are one plain segment.
    if text.len() <= SINGLE.0 && text.is_ascii() && text.bytes().all(|byte| ASCII_SEPTETS[usize::from(byte)] == 1) {
        return Segments { encoding: Encoding::Gsm7, units: text.len(), count: 1 };
    }
    match not_gsm7(text) {
        None => split(Encoding::Gsm7, text.chars().map(|c| septets(c).unwrap_or(1)), SINGLE.0, PART.0),
        Some(_) => split(Encoding::Ucs2, text.chars().map(char::len_utf16), SINGLE.1, PART.1),
    }
}

/// The first character that GSM-7 does not have: it makes every segment hold 70 characters instead of 160.
#[must_use]
pub fn not_gsm7(text: &str) -> Option<char> {
    text.chars().find(|c| septets(*c).is_none())
}

/// Fills parts greedily. A character's units stay together: neither an escape and its character nor a
/// surrogate pair may be parted by a boundary.
fn split(encoding: Encoding, widths: impl Iterator<Item = usize>, single: usize, part: usize) -> Segments {
    let (mut units, mut parts, mut used) = (0usize, 1usize, 0usize);
    for width in widths {
        units += width;
        if used + width > part {
            parts += 1;
            used = 0;
        }
        used += width;
    }
    let count = if units <= single { 1 } else { u16::try_from(parts).unwrap_or(u16::MAX) };
    Segments { encoding, units, count }
}

/// Septets of each ASCII character; 0 for those that GSM-7 does not have.
const ASCII_SEPTETS: [u8; 128] = {
    let (mut table, mut code) = ([0; 128], 0);
    while code < table.len() {
        if let Some(septets) = septets(code as u8 as char) {
            table[code] = septets as u8;
        }
        code += 1;
    }
    table
};

/// Septets of a character in the default alphabet (1) or the extension table (2).
const fn septets(character: char) -> Option<usize> {
    match character {
        'A'..='Z' | 'a'..='z' | ' '..='#' | '%'..='?' | '$' | '@' | '_' | '\n' | '\r' => Some(1),
        '£' | '¥' | 'è' | 'é' | 'ù' | 'ì' | 'ò' | 'Ç' | 'Ø' | 'ø' | 'Å' | 'å' | 'Æ' | 'æ' | 'ß' | 'É' => {
            Some(1)
        }
        '¤' | '¡' | '¿' | 'Ä' | 'Ö' | 'Ñ' | 'Ü' | '§' | 'ä' | 'ö' | 'ñ' | 'ü' | 'à' => Some(1),
        'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ' | 'Θ' | 'Ξ' => Some(1),
        '\u{c}' | '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€' => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The default alphabet as 3GPP TS 23.038 prints it, code by code; code 0x1B is the escape.
    const DEFAULT_ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                                    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENSION: [(u8, char); 10] = [
        (0x0a, '\u{c}'),
        (0x14, '^'),
        (0x28, '{'),
        (0x29, '}'),
        (0x2f, '\\'),
        (0x3c, '['),
        (0x3d, '~'),
        (0x3e, ']'),
        (0x40, '|'),
        (0x65, '€'),
    ];
    const ESCAPE: u16 = 0x1b;

    fn gsm7_code(character: char) -> Option<Vec<u16>> {
        if character == '\u{1b}' {
            return None;
        }
        let plain = DEFAULT_ALPHABET.chars().position(|c| c == character).map(|code| vec![code as u16]);
        plain
            .or_else(|| EXTENSION.iter().find(|(_, c)| *c == character).map(|(code, _)| vec![ESCAPE, u16::from(*code)]))
    }

    /// Encodes the whole text, then cuts the code units apart, moving a cut that falls inside a pair back by one.
    fn reference(text: &str) -> Segments {
        let septets: Option<Vec<Vec<u16>>> = text.chars().map(gsm7_code).collect();
        let (encoding, units, single, part) = match septets {
            Some(codes) => (Encoding::Gsm7, codes.concat(), 160, 153),
            None => (Encoding::Ucs2, text.encode_utf16().collect(), 70, 67),
        };
        let opens_a_pair = |unit: u16| match encoding {
            Encoding::Gsm7 => unit == ESCAPE,
            Encoding::Ucs2 => (0xd800..0xdc00).contains(&unit),
        };
        let total = units.len();
        let mut rest = &units[..];
        let mut parts = vec![];
        if total <= single {
            parts.push(rest);
            rest = &[];
        }
        while !rest.is_empty() {
            let mut cut = part.min(rest.len());
            if cut < rest.len() && opens_a_pair(rest[cut - 1]) {
                cut -= 1;
            }
            parts.push(&rest[..cut]);
            rest = &rest[cut..];
        }
        assert_eq!(parts.concat(), units);
        Segments { encoding, units: total, count: u16::try_from(parts.len()).unwrap() }
    }

    fn gsm7(units: usize, count: u16) -> Segments {
        Segments { encoding: Encoding::Gsm7, units, count }
    }

    fn ucs2(units: usize, count: u16) -> Segments {
        Segments { encoding: Encoding::Ucs2, units, count }
    }

    #[test]
    fn the_alphabet_is_the_one_of_gsm_03_38() {
        assert_eq!(DEFAULT_ALPHABET.chars().count(), 128);
        for character in (0..=0x1_f9ff).filter_map(char::from_u32) {
            assert_eq!(septets(character), gsm7_code(character).map(|code| code.len()), "{character:?}");
        }
    }

    #[test]
    fn texts_split_at_the_known_boundaries() {
        let a = |n: usize| "a".repeat(n);
        for (text, expected) in [
            (String::new(), gsm7(0, 1)),
            (a(160), gsm7(160, 1)),
            (a(161), gsm7(161, 2)),
            (a(306), gsm7(306, 2)),
            (a(307), gsm7(307, 3)),
            // Two septets for the euro sign, whole text in one message.
            (a(158) + "€", gsm7(160, 1)),
            (a(159) + "€", gsm7(161, 2)),
            // Septets 153 and 154 would be the escape and its character: the pair moves to the second part.
            (a(152) + "€" + &a(151), gsm7(305, 2)),
            (a(152) + "€" + &a(152), gsm7(306, 3)),
            (a(151) + "€" + &a(153), gsm7(306, 2)),
            ("€".repeat(80), gsm7(160, 1)),
            ("€".repeat(81), gsm7(162, 2)),
            ("€".repeat(152), gsm7(304, 2)),
            ("€".repeat(153), gsm7(306, 3)),
            // One character outside the alphabet makes all of it UCS-2.
            (a(69) + "ç", ucs2(70, 1)),
            (a(70) + "ç", ucs2(71, 2)),
            (a(133) + "ç", ucs2(134, 2)),
            (a(134) + "ç", ucs2(135, 3)),
            (a(159) + "`", ucs2(160, 3)),
            (a(68) + "😀", ucs2(70, 1)),
            (a(69) + "😀", ucs2(71, 2)),
            ("😀".repeat(35), ucs2(70, 1)),
            ("😀".repeat(36), ucs2(72, 2)),
            // Units 67 and 68 would be one emoji: 33 of them fill a part, not 33 and a half.
            ("😀".repeat(66), ucs2(132, 2)),
            ("😀".repeat(67), ucs2(134, 3)),
            (a(66) + "😀" + &a(65), ucs2(133, 2)),
            (a(66) + "😀" + &a(66), ucs2(134, 3)),
        ] {
            assert_eq!(segments(&text), expected, "{} characters", text.chars().count());
        }
    }

    #[test]
    fn the_first_character_that_forces_ucs2_is_named() {
        for (text, expected) in [
            ("plain ASCII, @ and $ and _", None),
            ("Ça alors", None),
            ("garçon", Some('ç')),
            ("`code`", Some('`')),
            ("12\u{a0}000", Some('\u{a0}')),
            ("tab\there", Some('\t')),
            ("it’s", Some('’')),
            ("“quoted”", Some('“')),
            ("dash –", Some('–')),
            ("ÀÈ", Some('À')),
            ("naïve", Some('ï')),
            ("ok 👍 ç", Some('👍')),
            ("e\u{301}", Some('\u{301}')),
            ("ΔΩ", None),
            ("Α (Greek capital alpha)", Some('Α')),
            ("[{~^|\\}]€\u{c}", None),
            ("\u{1b}", Some('\u{1b}')),
        ] {
            assert_eq!(not_gsm7(text), expected, "{text:?}");
            assert_eq!(segments(text).encoding == Encoding::Gsm7, expected.is_none());
        }
    }

    #[test]
    fn a_body_may_have_sixteen_hundred_characters_and_no_more() {
        assert_eq!(check(&"a".repeat(1_600)), Ok(gsm7(1_600, 11)));
        assert_eq!(check(&"a".repeat(1_601)), Err(TooLong { characters: 1_601 }));
        assert_eq!(check(&"😀".repeat(800)), Ok(ucs2(1_600, MAX_SEGMENTS)));
        assert!(check(&"😀".repeat(801)).is_err());
        assert_eq!(segments(&"a".repeat(153 * 70_000)).count, u16::MAX);
    }

    fn text_of_all_kinds() -> impl Strategy<Value = String> {
        let character = prop_oneof![
            8 => proptest::char::range('a', 'z'),
            3 => proptest::sample::select(vec!['€', '[', '~', 'Ç', 'ß', '\n']),
            1 => proptest::sample::select(vec!['ç', '`', '\u{a0}', '😀', '👍', '中']),
        ];
        prop_oneof![
            proptest::collection::vec(character, 0..700).prop_map(String::from_iter),
            proptest::collection::vec(proptest::sample::select(vec!['a', '€']), 140..480).prop_map(String::from_iter),
            proptest::collection::vec(proptest::sample::select(vec!['a', '😀']), 60..280).prop_map(String::from_iter),
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn counting_agrees_with_encoding_and_cutting(text in text_of_all_kinds()) {
            prop_assert_eq!(segments(&text), reference(&text));
        }

        #[test]
        fn a_body_within_the_limit_stays_within_the_segments(text in text_of_all_kinds()) {
            if let Ok(segments) = check(&text) {
                prop_assert!((1..=MAX_SEGMENTS).contains(&segments.count));
            }
        }
    }
}
