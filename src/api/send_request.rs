//! When a message is meant to go, as a caller says it: never guessed, and "now" only when asked for.

use std::borrow::Cow;

use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy, IfLate};
use sendwheel_actors::engine::api::{NewIntent, ZoneChoice};
use serde::de::MapAccess;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::checks::{choice, zone_name};
use super::faults::{At, Faults};
use super::json::{Anything, Field, Shape, Text, request_object};
use super::schemas;
use super::times::{GivenTime, read_duration, read_time};

request_object! {
    /// A time: an instant with offset, or a wall-clock time with a zone.
    pub(crate) struct SendAt<'a> {
        /// RFC 3339 with an offset, or the same without an offset beside `time_zone`.
        #[schema(value_type = String, example = "2026-12-01T09:00")]
        at: Text<'a>,
        /// For a time without offset: an IANA zone, or `contact` for the contact's own.
        #[schema(value_type = Option<String>, example = "America/New_York")]
        time_zone: Text<'a>,
        /// If the zone skips that time; default `forward`.
        #[schema(value_type = Option<schemas::Gap>)]
        gap: Text<'a>,
        /// If the zone has that time twice; default `first`.
        #[schema(value_type = Option<schemas::Fold>)]
        fold: Text<'a>,
        #[schema(ignore)]
        window: Anything,
        #[schema(ignore)]
        smart: Anything,
        #[schema(ignore)]
        too_little_data: Anything,
    }
}

/// `"now"`, or an object with a time.
pub(crate) enum SendRequest<'a> {
    Word(Text<'a>),
    At(SendAt<'a>),
}

impl<'de> Shape<'de> for SendRequest<'de> {
    const EXPECTED: &'static str = "\"now\" or {\"at\": …}";

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::Word(text))
    }
    fn from_object<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(SendAt::from_object(map)?.map(Self::At))
    }
}

/// A choice between one of some words and an object.
fn word_or<T: ToSchema>(words: &[&str], description: &str) -> RefOr<Schema> {
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied())))
        .item(Ref::from_schema_name(T::name()))
        .description(Some(description))
        .into()
}

/// Adds a schema and those it refers to.
fn add_schema<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into(), T::schema()));
    T::schemas(schemas);
}

impl PartialSchema for SendRequest<'_> {
    fn schema() -> RefOr<Schema> {
        word_or::<SendAt<'_>>(&["now"], "When to send: at once, or at a time.")
    }
}
impl ToSchema for SendRequest<'_> {
    fn name() -> Cow<'static, str> {
        "SendRequest".into()
    }
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        add_schema::<SendAt<'_>>(schemas);
    }
}

impl SendRequest<'_> {
    /// What is meant, if it is said soundly.
    pub(crate) fn read(self, at: &At<'_>, faults: &mut Faults) -> Option<NewIntent> {
        match self {
            Self::Word(word) if word == "now" => Some(NewIntent::Now),
            Self::Word(_) => {
                faults.refuse(
                    at,
                    "invalid_time",
                    "expected \"now\", or a time as in {\"at\": \"2026-12-01T09:00:00Z\"}",
                );
                None
            }
            Self::At(object) => object.read(at, faults),
        }
    }
}

impl SendAt<'_> {
    fn read(self, here: &At<'_>, faults: &mut Faults) -> Option<NewIntent> {
        let before = faults.len();
        for (name, field) in [("window", self.window), ("smart", self.smart), ("too_little_data", self.too_little_data)]
        {
            refuse_unsupported(&field, &here.member(name), faults);
        }
        self.stray.refuse(here, Self::NAMES, faults);
        let is_unsupported = faults.len() > before;

        let (at_at, zone_at) = (here.member("at"), here.member("time_zone"));
        // One clear fault instead of two, when a kind of time was asked for that is not there yet.
        let text = if is_unsupported { self.at.optional(&at_at, faults) } else { self.at.required(&at_at, faults) };
        let (gap_at, fold_at) = (here.member("gap"), here.member("fold"));
        let gap = self.gap.optional(&gap_at, faults).and_then(|text| {
            let gaps =
                [("forward", GapPolicy::Forward), ("backward", GapPolicy::Backward), ("reject", GapPolicy::Reject)];
            choice(&text, &gaps, &gap_at, faults)
        });
        let fold = self.fold.optional(&fold_at, faults).and_then(|text| {
            let folds = [("first", FoldPolicy::First), ("last", FoldPolicy::Last), ("reject", FoldPolicy::Reject)];
            choice(&text, &folds, &fold_at, faults)
        });
        let zone_is_named = matches!(self.time_zone, Field::Given(_) | Field::Wrong(_));
        let zone = self.time_zone.optional(&zone_at, faults).and_then(|text| zone_name(text, &zone_at, faults));

        let text = text?;
        let given = match read_time(&text) {
            Ok(given) => given,
            Err(error) => {
                faults.refuse(&at_at, "invalid_time", error.to_string());
                return None;
            }
        };
        let intent = match given {
            GivenTime::Instant(_) if zone_is_named => {
                faults.refuse(
                    &at_at,
                    "ambiguous_time",
                    "the time has an offset and a time_zone: leave one of them out",
                );
                return None;
            }
            GivenTime::Instant(at) => NewIntent::At(at),
            GivenTime::Wall if !zone_is_named => {
                faults.refuse(
                    &zone_at,
                    "time_zone_required",
                    "the time has no offset: add one, or name a time_zone (an IANA zone, or \"contact\")",
                );
                return None;
            }
            GivenTime::Wall => NewIntent::Wall {
                local: text.into_owned(),
                zone: match zone? {
                    zone if zone == "contact" => ZoneChoice::OfContact,
                    zone => ZoneChoice::Named(zone),
                },
                gap: gap.unwrap_or_default(),
                fold: fold.unwrap_or_default(),
            },
        };
        (faults.len() == before).then_some(intent)
    }
}

/// Refuses a field that the contract has and this version does not do yet.
pub(crate) fn refuse_unsupported<T>(field: &Field<T>, at: &At<'_>, faults: &mut Faults) {
    if field.is_named() {
        faults.refuse(at, "not_supported_yet", "this version does not do that yet: leave the field out");
    }
}

request_object! {
    /// Expires a message that is later than a duration.
    pub(crate) struct SkipAfter<'a> {
        /// As in `6h`.
        #[schema(value_type = String, example = "6h")]
        skip_after: Text<'a>,
    }
}

/// `"send"`, `"replan"`, or an object with a duration.
pub(crate) enum IfLateRequest<'a> {
    Word(Text<'a>),
    SkipAfter(SkipAfter<'a>),
}

impl<'de> Shape<'de> for IfLateRequest<'de> {
    const EXPECTED: &'static str = "\"send\", \"replan\" or {\"skip_after\": \"6h\"}";

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::Word(text))
    }
    fn from_object<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(SkipAfter::from_object(map)?.map(Self::SkipAfter))
    }
}

impl PartialSchema for IfLateRequest<'_> {
    fn schema() -> RefOr<Schema> {
        word_or::<SkipAfter<'_>>(&["send", "replan"], "What to do with a message whose moment has passed.")
    }
}
impl ToSchema for IfLateRequest<'_> {
    fn name() -> Cow<'static, str> {
        "IfLateRequest".into()
    }
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        add_schema::<SkipAfter<'_>>(schemas);
    }
}

impl IfLateRequest<'_> {
    /// The rule, if it is said soundly.
    pub(crate) fn read(self, at: &At<'_>, faults: &mut Faults) -> Option<IfLate> {
        match self {
            Self::Word(word) => choice(&word, &[("send", IfLate::Send), ("replan", IfLate::Replan)], at, faults),
            Self::SkipAfter(object) => {
                let before = faults.len();
                let limit_at = at.member("skip_after");
                let limit = object.skip_after.required(&limit_at, faults).and_then(|text| {
                    let limit = read_duration(&text);
                    if limit.is_none() {
                        faults.refuse(&limit_at, "invalid_duration", "expected a duration such as \"30m\" or \"6h\"");
                    }
                    limit
                });
                object.stray.refuse(at, SkipAfter::NAMES, faults);
                limit.filter(|_| faults.len() == before).map(IfLate::SkipAfter)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::clock::UnixMs;

    use super::*;

    fn read(json: &str) -> Result<NewIntent, Vec<(String, &'static str)>> {
        let field: Field<SendRequest<'_>> = serde_json::from_str(json).expect("valid JSON");
        let mut faults = Faults::default();
        let at = At::Root.member("send");
        let intent = field.required(&at, &mut faults).and_then(|send| send.read(&at, &mut faults));
        let errors = faults.into_errors();
        if errors.is_empty() {
            return Ok(intent.expect("what is not refused is read"));
        }
        Err(errors.into_iter().map(|error| (error.pointer, error.code)).collect())
    }

    #[test]
    fn what_is_meant_is_kept_as_it_was_said() {
        let wall = |zone, gap, fold| NewIntent::Wall { local: "2026-12-01T09:00".into(), zone, gap, fold };
        let new_york = ZoneChoice::Named("America/New_York".into());
        for (json, expected) in [
            (r#""now""#, NewIntent::Now),
            (r#"{"at": "2026-12-01T09:00:00Z"}"#, NewIntent::At(UnixMs(1_796_115_600_000))),
            (
                r#"{"at": "2026-12-01T09:00", "time_zone": "America/New_York"}"#,
                wall(new_york, GapPolicy::Forward, FoldPolicy::First),
            ),
            (
                r#"{"at": "2026-12-01T09:00", "time_zone": "contact", "gap": "reject", "fold": "last"}"#,
                wall(ZoneChoice::OfContact, GapPolicy::Reject, FoldPolicy::Last),
            ),
        ] {
            assert_eq!(read(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_is_not_clear_is_refused_by_name_and_never_means_now() {
        for (json, pointer, code) in [
            (r#""later""#, "/send", "invalid_time"),
            (r#""2026-12-01T09:00:00Z""#, "/send", "invalid_time"),
            ("5", "/send", "invalid_type"),
            ("{}", "/send/at", "required"),
            (r#"{"at": null}"#, "/send/at", "required"),
            (r#"{"at": 1796115600}"#, "/send/at", "invalid_type"),
            (r#"{"at": "tomorrow"}"#, "/send/at", "invalid_time"),
            (r#"{"at": ""}"#, "/send/at", "invalid_time"),
            (r#"{"at": "2026-12-01T09:00"}"#, "/send/time_zone", "time_zone_required"),
            (r#"{"at": "2026-12-01T09:00", "time_zone": null}"#, "/send/time_zone", "time_zone_required"),
            (r#"{"at": "2026-12-01T09:00", "time_zone": 5}"#, "/send/time_zone", "invalid_type"),
            (r#"{"at": "2026-12-01T09:00", "time_zone": " "}"#, "/send/time_zone", "empty"),
            (r#"{"at": "2026-12-01T09:00:00Z", "time_zone": "Europe/Berlin"}"#, "/send/at", "ambiguous_time"),
            (r#"{"at": "2026-12-01T09:00:00Z", "gap": "middle"}"#, "/send/gap", "unknown_value"),
            (r#"{"at": "2026-12-01T09:00:00Z", "fold": 1}"#, "/send/fold", "invalid_type"),
            (r#"{"window": {"hours": 24}}"#, "/send/window", "not_supported_yet"),
            (r#"{"at": "2026-12-01T09:00:00Z", "when": 1}"#, "/send/when", "unknown_field"),
        ] {
            assert_eq!(read(json), Err(vec![(pointer.to_owned(), code)]), "{json}");
        }
    }

    #[test]
    fn lateness_takes_a_word_or_a_duration() {
        let read = |json: &str| {
            let field: Field<IfLateRequest<'_>> = serde_json::from_str(json).expect("valid JSON");
            let mut faults = Faults::default();
            let rule = field.required(&At::Root, &mut faults).and_then(|rule| rule.read(&At::Root, &mut faults));
            rule.filter(|_| faults.is_empty())
        };
        assert_eq!(read(r#""replan""#), Some(IfLate::Replan));
        assert_eq!(read(r#"{"skip_after": "6h"}"#), Some(IfLate::SkipAfter(std::time::Duration::from_secs(21_600))));
        for json in [r#""skip""#, "{}", r#"{"skip_after": "6"}"#, r#"{"skip_after": "6h", "x": 1}"#, "true"] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
