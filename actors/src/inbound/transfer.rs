//! Content-Transfer-Encoding (RFC 2045 §6), read as far as it is readable.
//!
//! Bytes come one by one, so that counting or cutting a large attachment needs no second copy of it. What is no
//! part of the encoding is passed over in base64, and kept as it stands in quoted-printable: broken mails are
//! common, and a person would rather read a stray `=` than nothing. Nothing is ever decompressed.

/// How a part's bytes were made fit for transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransferEncoding {
    /// `7bit`, `8bit`, `binary`, and whatever is not known.
    Identity,
    Base64,
    QuotedPrintable,
}

impl TransferEncoding {
    /// The encoding that a header field names.
    pub(super) fn named(name: &str) -> Self {
        let name = name.trim();
        if name.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if name.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }

    /// The decoded bytes.
    pub(super) const fn decode(self, bytes: &[u8]) -> Decoded<'_> {
        Decoded { encoding: self, rest: bytes, bits: 0, bit_count: 0 }
    }
}

/// Bytes being decoded.
pub(super) struct Decoded<'x> {
    encoding: TransferEncoding,
    rest: &'x [u8],
    bits: u32,
    bit_count: u32,
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self.encoding {
            TransferEncoding::Identity => self.take(),
            TransferEncoding::Base64 => self.next_base64(),
            TransferEncoding::QuotedPrintable => self.next_quoted_printable(),
        }
    }
}

impl Decoded<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn next_base64(&mut self) -> Option<u8> {
        while let Some(byte) = self.take() {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                // The end of one encoded run: some mailers send several, one behind the other.
                b'=' => {
                    self.bit_count = 0;
                    continue;
                }
                _ => continue,
            };
            self.bits = (self.bits << 6) | u32::from(value);
            self.bit_count += 6;
            if self.bit_count >= 8 {
                self.bit_count -= 8;
                return Some((self.bits >> self.bit_count) as u8);
            }
        }
        None
    }

    fn next_quoted_printable(&mut self) -> Option<u8> {
        loop {
            let byte = self.take()?;
            if byte != b'=' {
                return Some(byte);
            }
            match self.rest {
                [high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    self.rest = rest;
                    return Some(hex_digit(*high) << 4 | hex_digit(*low));
                }
                _ => match after_soft_break(self.rest) {
                    Some(rest) => self.rest = rest,
                    None => return Some(b'='),
                },
            }
        }
    }
}

const fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// What follows a line break that `=` takes back. Blanks that a relay put between them are passed over; a line has
/// at most a thousand, which keeps a run of `=` and blanks from being read over and over.
fn after_soft_break(rest: &[u8]) -> Option<&[u8]> {
    let blanks = rest.iter().take(1_000).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match &rest[blanks..] {
        [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => Some(rest),
        [] => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: &str, text: &str) -> Vec<u8> {
        TransferEncoding::named(encoding).decode(text.as_bytes()).collect()
    }

    #[test]
    fn base64_is_read_through_whatever_stands_between() {
        for text in ["R3LDvMOfZQ==", "R3LD\r\nvMOf\r\nZQ==\r\n", "R3LD vM*Of ZQ", "R3LD\0vMOfZQ="] {
            assert_eq!(decode("BASE64", text), "Grüße".as_bytes(), "{text}");
        }
        assert_eq!(decode("base64", "QQ==Qg=="), b"AB");
        assert_eq!(decode("base64", "****"), b"");
    }

    #[test]
    fn quoted_printable_keeps_what_is_no_escape() {
        for (text, expected) in [
            ("Gr=C3=BC=c3=9fe", "Grüße"),
            ("one=\r\n line=\n more", "one line more"),
            ("soft= \t\r\nbreak", "softbreak"),
            ("2+2=4 =G1 ==41", "2+2=4 =G1 =A"),
            ("end=", "end"),
            ("end=4", "end=4"),
        ] {
            assert_eq!(decode(" Quoted-Printable ", text), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn any_other_encoding_is_taken_as_it_stands() {
        for encoding in ["7bit", "8bit", "binary", "x-uuencode", ""] {
            assert_eq!(decode(encoding, "a=3D "), b"a=3D ");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            use base64::Engine as _;
            let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
            prop_assert_eq!(&decode("base64", &base64), &bytes);
            let quoted: String = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
            prop_assert_eq!(&decode("quoted-printable", &quoted), &bytes);
        }
    }
}
