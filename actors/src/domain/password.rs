//! What may become a password. Length is what makes one hard to guess, so length is what is asked for; only
//! what is long and still obvious is refused besides (NIST SP 800-63B, section 3.1.1.2).

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::address::EmailAddress;

/// Why a text may not become a password. The text itself is in none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Shorter than [`Password::MIN_CHARS`].
    #[error("a password has at least {} characters: a sentence is easy to remember", Password::MIN_CHARS)]
    TooShort,
    /// Longer than [`Password::MAX_CHARS`].
    #[error("a password has at most {} characters", Password::MAX_CHARS)]
    TooLong,
    /// Long, and yet among the first that anybody would try.
    #[error(
        "this password is easily guessed: it repeats a few characters, counts, or is the email address or the name"
    )]
    Guessable,
}

/// A password that may be kept.
#[derive(Clone)]
pub struct Password(SecretString);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// Fewest different characters.
const MIN_DISTINCT: usize = 5;
/// Rows of which a piece is no secret.
const ROWS: [&str; 4] =
    ["01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "passwordpassword"];
/// The shortest piece that counts as one; words have shorter ones.
const ROW_PIECE: usize = 4;

impl Password {
    /// Fewest characters.
    pub const MIN_CHARS: usize = 12;
    /// Most characters.
    pub const MAX_CHARS: usize = 1_000;

    /// The password that a text is.
    ///
    /// # Errors
    /// Too short, too long, or made of a few characters or a row of the keyboard.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let count = text.chars().take(Self::MAX_CHARS + 1).count();
        if count < Self::MIN_CHARS {
            return Err(PasswordError::TooShort);
        }
        if count > Self::MAX_CHARS {
            return Err(PasswordError::TooLong);
        }
        let mut distinct: Vec<char> = text.chars().collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < MIN_DISTINCT || outside_rows(&text.to_lowercase()) < MIN_DISTINCT {
            return Err(PasswordError::Guessable);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// Refuses a password that is its user's email address or name.
    ///
    /// # Errors
    /// It is one of them, whatever its capitals.
    pub fn check_for(&self, email: &EmailAddress, name: Option<&str>) -> Result<(), PasswordError> {
        let lower = self.0.expose_secret().to_lowercase();
        let is = |text: &str| lower == text.to_lowercase();
        let local = email.as_str().rsplit_once('@').map_or("", |(local, _)| local);
        if is(email.as_str()) || is(local) || name.is_some_and(is) {
            return Err(PasswordError::Guessable);
        }
        Ok(())
    }

    /// The secret, for whoever hashes it.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// How many characters belong to no piece of a row.
fn outside_rows(mut rest: &str) -> usize {
    let mut outside = 0;
    while let Some(first) = rest.chars().next() {
        let is_row = |end: &usize| rest.get(..*end).is_some_and(|piece| ROWS.iter().any(|row| row.contains(piece)));
        match (ROW_PIECE..=rest.len()).take_while(is_row).last() {
            Some(end) => rest = &rest[end..],
            None => {
                outside += 1;
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        let with = |text: &str| Password::parse(text).map(|_| ()).err();
        assert_eq!(with("elf chars ok"), None);
        assert_eq!(with("elf chars o"), Some(PasswordError::TooShort));
        assert_eq!(with("ünfzehn Zeichen"), None);
        assert_eq!(with("äöüßéèçñø"), Some(PasswordError::TooShort), "more bytes than characters");
        assert_eq!(with(&"abc?xyz!12".repeat(100)), None);
        assert_eq!(with(&format!("{}!", "abc?xyz!12".repeat(100))), Some(PasswordError::TooLong));
    }

    #[test]
    fn what_anybody_would_try_is_refused() {
        for text in [
            "aaaaaaaaaaaaaaaa",
            "abababababab",
            "123456789012",
            "abcdefghijklmnop",
            "qwertyuiopas",
            "PasswordPassword",
            "password12345678901234",
            "Password1234",
        ] {
            assert_eq!(Password::parse(text).map(|_| ()).err(), Some(PasswordError::Guessable), "{text}");
        }
        for text in ["correct horse battery", "abcdefgh-and-more", "Tr0ub4dor&3 and so on"] {
            assert!(Password::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_its_user_s_own_name() {
        let email = EmailAddress::parse("countess.lovelace@example.com").unwrap();
        for (text, name, is_fine) in [
            ("Countess.Lovelace@Example.com", None, false),
            ("countess.lovelace", None, false),
            ("Augusta Ada King", Some("augusta ada king"), false),
            ("Augusta Ada King", Some("Ada"), true),
        ] {
            assert_eq!(Password::parse(text).unwrap().check_for(&email, name).is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let password = Password::parse("correct horse battery").unwrap();
        assert_eq!(format!("{password:?}"), "Password(redacted)");
    }
}
