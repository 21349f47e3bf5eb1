//! Refused fields of a request, gathered: a caller learns everything that is wrong at once.
//!
//! Where a field stands is a chain of borrowed steps ([`At`]) on the stack; its JSON pointer is only
//! spelled out when the field is refused, so that a good request pays nothing for it.

use std::fmt;

use sendwheel_actors::engine::api::FieldError;

use super::error::ApiError;

/// Where a value stands in the request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'a> {
    /// The whole request.
    Root,
    /// A member of an object.
    Member(&'a At<'a>, &'a str),
    /// An item of a list, from 0.
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    /// A member of the object that stands here.
    pub(crate) const fn member<'a>(&'a self, name: &'a str) -> At<'a> {
        At::Member(self, name)
    }

    /// An item of the list that stands here.
    pub(crate) const fn item(&self, index: usize) -> At<'_> {
        At::Item(self, index)
    }
}

/// The JSON pointer (RFC 6901).
impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => Ok(()),
            At::Member(parent, name) => {
                fmt::Display::fmt(parent, f)?;
                f.write_str("/")?;
                // RFC 6901 section 3: `~` first, then `/`.
                for part in name.chars() {
                    match part {
                        '~' => f.write_str("~0")?,
                        '/' => f.write_str("~1")?,
                        _ => fmt::Write::write_char(f, part)?,
                    }
                }
                Ok(())
            }
            At::Item(parent, index) => {
                fmt::Display::fmt(parent, f)?;
                write!(f, "/{index}")
            }
        }
    }
}

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    errors: Vec<FieldError>,
}

impl Faults {
    /// More faults than this in one request are not reported one by one.
    const MAX: usize = 100;

    /// Refuses the value at `at`.
    pub(crate) fn refuse(&mut self, at: &At<'_>, code: &'static str, detail: impl Into<String>) {
        if self.errors.len() < Self::MAX {
            self.errors.push(FieldError::new(at.to_string(), code, detail));
        }
    }

    /// Whether nothing was refused so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// How many were refused so far: to see whether a part of a request is sound.
    pub(crate) fn len(&self) -> usize {
        self.errors.len()
    }

    /// The refused fields, if any.
    #[cfg(test)]
    pub(crate) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// The request's value if nothing was refused.
    ///
    /// `value` is only `None` when a required part was refused, so a fault explains it.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ApiError::Invalid(self.errors)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_what_rfc_6901_reserves() {
        let list = At::Root.member("attributes");
        let item = list.item(3);
        assert_eq!(item.member("a/b~c").to_string(), "/attributes/3/a~1b~0c");
        assert_eq!(At::Root.to_string(), "");
    }

    #[test]
    fn a_flood_of_faults_is_bounded() {
        let mut faults = Faults::default();
        for index in 0..1_000 {
            faults.refuse(&At::Root.item(index), "invalid_type", "no");
        }
        assert_eq!(faults.len(), Faults::MAX);
    }
}
