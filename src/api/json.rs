//! Reading JSON requests: straight from the bytes into typed fields, in one pass, without giving up
//! at the first mistake.
//!
//! A [`Field`] takes whatever stands in its place: the value it wants, or a note of what it found
//! instead. Names that an object does not know, or has twice, are kept beside its fields. So only
//! malformed JSON ends the reading early; everything else becomes a fault with a JSON pointer when the
//! fields are turned into domain types. Texts are borrowed from the request where they have no escapes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::ApiError;
use super::faults::{At, Faults};

/// Items read from a list or members of a free object; more are counted but not kept.
pub(crate) const MAX_ITEMS: usize = 1_000;

/// A kind of value that a field can want. Every method says what its JSON kind makes, or `None`.
pub(crate) trait Shape<'de>: Sized {
    /// What is wanted, for the person who sent something else: `a string`.
    const EXPECTED: &'static str;

    /// From a string.
    fn from_text(_text: Cow<'de, str>) -> Option<Self> {
        None
    }
    /// From `true` or `false`.
    fn from_bool(_value: bool) -> Option<Self> {
        None
    }
    /// From a whole number.
    fn from_integer(_value: i128) -> Option<Self> {
        None
    }
    /// From an object. What is not wanted has to be read all the same.
    fn from_object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    /// From a list. What is not wanted has to be read all the same.
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// What stands in a field's place.
#[derive(Clone, Default)]
pub(crate) enum Field<T> {
    /// Nothing.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// Something of another kind: this one.
    Wrong(&'static str),
    /// What was wanted.
    Given(T),
}

impl<T> Field<T> {
    /// Whether the request names this field, with whatever value.
    pub(crate) const fn is_named(&self) -> bool {
        !matches!(self, Self::Missing)
    }

    /// Whether something stands there, of whatever kind.
    pub(crate) const fn is_given(&self) -> bool {
        matches!(self, Self::Given(_) | Self::Wrong(_))
    }
}

impl<'de, T: Shape<'de>> Field<T> {
    fn refuse_kind(at: &At<'_>, found: &str, faults: &mut Faults) {
        faults.refuse(at, "invalid_type", format!("expected {}, found {found}", T::EXPECTED));
    }

    /// The value; nothing and `null` both mean that it was left out.
    pub(crate) fn optional(self, at: &At<'_>, faults: &mut Faults) -> Option<T> {
        match self {
            Self::Missing | Self::Null => None,
            Self::Wrong(found) => {
                Self::refuse_kind(at, found, faults);
                None
            }
            Self::Given(value) => Some(value),
        }
    }

    /// The value, which must be there.
    pub(crate) fn required(self, at: &At<'_>, faults: &mut Faults) -> Option<T> {
        if matches!(self, Self::Missing | Self::Null) {
            faults.refuse(at, "required", format!("this field is required: give {}", T::EXPECTED));
        }
        self.optional(at, faults)
    }

    /// The new value of a field that a change cannot clear.
    pub(crate) fn changed(self, at: &At<'_>, faults: &mut Faults) -> Option<T> {
        if matches!(self, Self::Null) {
            Self::refuse_kind(at, "null (leave the field out to keep it as it is)", faults);
        }
        self.optional(at, faults)
    }

    /// The new value of a field that a change clears with `null`.
    pub(crate) fn clearable(self, at: &At<'_>, faults: &mut Faults) -> Option<Option<T>> {
        match self {
            Self::Null => Some(None),
            field => field.optional(at, faults).map(Some),
        }
    }
}

impl<'de, T: Shape<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Shape<'de>> Visitor<'de> for Reader<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Field::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(T::from_bool(value).map_or(Field::Wrong("a boolean"), Field::Given))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(T::from_integer(value.into()).map_or(Field::Wrong("a number"), Field::Given))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(T::from_integer(value.into()).map_or(Field::Wrong("a number"), Field::Given))
            }
            fn visit_f64<E>(self, _value: f64) -> Result<Self::Value, E> {
                Ok(Field::Wrong("a fractional number"))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(T::from_text(Cow::Borrowed(text)).map_or(Field::Wrong("a string"), Field::Given))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(T::from_text(Cow::Owned(text.to_owned())).map_or(Field::Wrong("a string"), Field::Given))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Ok(T::from_object(map)?.map_or(Field::Wrong("an object"), Field::Given))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Ok(T::from_list(list)?.map_or(Field::Wrong("a list"), Field::Given))
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

/// A string, borrowed from the request where it has no escapes.
pub(crate) type Text<'a> = Cow<'a, str>;

impl<'de> Shape<'de> for Text<'de> {
    const EXPECTED: &'static str = "a string";
    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(text)
    }
}

impl Shape<'_> for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Shape<'_> for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 4294967295";
    fn from_integer(value: i128) -> Option<Self> {
        value.try_into().ok()
    }
}

/// A value of any kind, for fields that are only looked at to refuse them.
#[derive(Clone, Copy)]
pub(crate) struct Anything;

impl<'de> Shape<'de> for Anything {
    const EXPECTED: &'static str = "anything";
    fn from_text(_: Cow<'de, str>) -> Option<Self> {
        Some(Self)
    }
    fn from_bool(_: bool) -> Option<Self> {
        Some(Self)
    }
    fn from_integer(_: i128) -> Option<Self> {
        Some(Self)
    }
}

/// A string, or a whole number or boolean kept as text: the value of an attribute or a label.
pub(crate) struct Label<'a>(pub(crate) Cow<'a, str>);

impl<'de> Shape<'de> for Label<'de> {
    const EXPECTED: &'static str = "a string";
    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text))
    }
    fn from_bool(value: bool) -> Option<Self> {
        Some(Self(value.to_string().into()))
    }
    fn from_integer(value: i128) -> Option<Self> {
        Some(Self(value.to_string().into()))
    }
}

/// A list; at most [`MAX_ITEMS`] items are kept.
pub(crate) struct List<T> {
    /// The items.
    pub(crate) items: Vec<Field<T>>,
    /// How many there were.
    pub(crate) total: usize,
}

impl<'de, T: Shape<'de>> Shape<'de> for List<T> {
    const EXPECTED: &'static str = "a list";
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX_ITEMS {
            match list.next_element()? {
                Some(item) => items.push(item),
                None => return Ok(Some(Self { total: items.len(), items })),
            }
        }
        let mut total = items.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            total += 1;
        }
        Ok(Some(Self { items, total }))
    }
}

/// An object whose names the caller chooses; at most [`MAX_ITEMS`] members are kept.
pub(crate) struct Members<'a, T> {
    /// The members, in order.
    pub(crate) items: Vec<(Text<'a>, Field<T>)>,
    /// How many there were.
    pub(crate) total: usize,
}

impl<'de, T: Shape<'de>> Shape<'de> for Members<'de, T> {
    const EXPECTED: &'static str = "an object";
    fn from_object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX_ITEMS {
            match map.next_entry::<Name<'de>, Field<T>>()? {
                Some((name, value)) => items.push((name.0, value)),
                None => return Ok(Some(Self { total: items.len(), items })),
            }
        }
        let mut total = items.len();
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            total += 1;
        }
        Ok(Some(Self { items, total }))
    }
}

/// The name of an object's member.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// Names that an object does not know, or that it has twice.
#[derive(Default)]
pub(crate) struct Stray<'a> {
    unknown: Vec<Text<'a>>,
    repeated: Vec<&'static str>,
}

impl<'a> Stray<'a> {
    /// Names kept for the report.
    const MAX: usize = 20;

    /// Notes a name that the object does not know.
    pub(crate) fn add_unknown(&mut self, name: Text<'a>) {
        if self.unknown.len() < Self::MAX {
            self.unknown.push(name);
        }
    }

    /// Puts a member into its field.
    pub(crate) fn fill<T>(&mut self, name: &'static str, field: &mut Field<T>, value: Field<T>) {
        if field.is_named() && self.repeated.len() < Self::MAX {
            self.repeated.push(name);
        }
        *field = value;
    }

    /// Refuses what does not belong into the object at `at`.
    pub(crate) fn refuse(self, at: &At<'_>, known: &[&str], faults: &mut Faults) {
        for name in self.unknown {
            faults.refuse(
                &at.member(&name),
                "unknown_field",
                format!("unknown field, the fields here are: {}", known.join(", ")),
            );
        }
        for name in self.repeated {
            faults.refuse(&at.member(name), "repeated_field", "the field is there twice: give it once");
        }
    }
}

/// Declares an object of a request: a struct of [`Field`]s, how it is read, and its schema.
macro_rules! request_object {
    ($(#[$meta:meta])* $vis:vis struct $name:ident<$lt:lifetime> {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Default, utoipa::ToSchema)]
        $vis struct $name<$lt> {
            $($(#[$field_meta])* pub(crate) $field: $crate::api::json::Field<$ty>,)*
            #[schema(ignore)]
            pub(crate) stray: $crate::api::json::Stray<$lt>,
        }

        impl<$lt> $name<$lt> {
            /// The names that this object knows.
            pub(crate) const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            /// Reads the member of this name if the object knows it; says whether it did.
            pub(crate) fn take<A: serde::de::MapAccess<$lt>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match name {
                    $(stringify!($field) => {
                        let value = map.next_value()?;
                        self.stray.fill(stringify!($field), &mut self.$field, value);
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }

        impl<$lt> $crate::api::json::Shape<$lt> for $name<$lt> {
            const EXPECTED: &'static str = "an object";

            fn from_object<A: serde::de::MapAccess<$lt>>(mut map: A) -> Result<Option<Self>, A::Error> {
                let mut object = Self::default();
                while let Some($crate::api::json::Name(name)) = map.next_key()? {
                    if !object.take(&name, &mut map)? {
                        map.next_value::<serde::de::IgnoredAny>()?;
                        object.stray.add_unknown(name);
                    }
                }
                Ok(Some(object))
            }
        }
    };
}
pub(crate) use request_object;

/// Reads a request that must be one object.
pub(crate) fn read<'de, T: Shape<'de>>(bytes: &'de [u8]) -> Result<T, ApiError> {
    let field = serde_json::from_slice::<Field<T>>(bytes).map_err(|error| ApiError::malformed(&error))?;
    let mut faults = Faults::default();
    let value = field.required(&At::Root, &mut faults);
    faults.finish(value)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
