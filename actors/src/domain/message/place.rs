//! Plain enums in records: each is its place among its variants, one byte in each of the millions of messages that wait.
//! Its name, which earlier versions wrote, is read, too.
//!
//! So the order of their variants is part of the format: a new one comes last.

use serde::Serializer;

use super::{AttemptOutcome, Class, StateName};
use crate::domain::address::Channel;
use crate::domain::schedule::QuietHoursPolicy;

/// For `#[serde(serialize_with)]`; what is derived for reading takes places and names.
pub(super) fn by_place<T: Copy + Into<u8>, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8((*value).into())
}

macro_rules! place {
    ($($plain:ty),*) => {
        $(impl From<$plain> for u8 {
            fn from(plain: $plain) -> Self {
                plain as Self
            }
        })*
    };
}
place!(Channel, Class, StateName, AttemptOutcome, QuietHoursPolicy);
