//! When a message is meant to go, as a caller says it: never guessed, and "now" only when asked for.

use std::borrow::Cow;

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy, IfLate, TooLittleData};
use sendwheel_actors::engine::api::{NewIntent, NewWindow, ZoneChoice};
use serde::de::MapAccess;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::checks::{choice, zone_name};
use super::faults::{At, Faults};
use super::json::{Field, Shape, Text, request_object};
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
        /// Instead of `at`: a window of which the best moment for this contact is found.
        #[schema(value_type = Option<WindowRequest>)]
        window: WindowRequest<'a>,
        /// Beside a window: true.
        #[schema(value_type = Option<bool>)]
        smart: bool,
        /// Beside a window, if too little is known of the contact: `now` (the window's first moment, the default),
        /// `population` (as the account's other contacts), or an instant of the window.
        #[schema(value_type = Option<String>, example = "now")]
        too_little_data: Text<'a>,
    }
}

request_object! {
    /// A window: its length from now on, or both of its ends.
    pub(crate) struct WindowRequest<'a> {
        /// 24, 48 or 72 hours from now.
        #[schema(value_type = Option<u8>, example = 24)]
        hours: u32,
        /// Where it begins: RFC 3339 with an offset.
        #[schema(value_type = Option<String>, format = DateTime)]
        from: Text<'a>,
        /// Where it ends, at most seven days later; not in it.
        #[schema(value_type = Option<String>, format = DateTime)]
        to: Text<'a>,
    }
}

/// `"now"`, or an object with a time.
pub(crate) enum SendRequest<'a> {
    Word(Text<'a>),
    At(Box<SendAt<'a>>),
}

impl<'de> Shape<'de> for SendRequest<'de> {
    const EXPECTED: &'static str = "\"now\" or {\"at\": …}";

    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::Word(text))
    }
    fn from_object<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(SendAt::from_object(map)?.map(|object| Self::At(Box::new(object))))
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
        if self.window.is_named() {
            return self.read_smart(here, faults);
        }
        for (name, is_named) in [("smart", self.smart.is_named()), ("too_little_data", self.too_little_data.is_named())]
        {
            if is_named {
                faults.refuse(&here.member(name), "window_required", "this goes with a `window`: give one");
            }
        }
        self.stray.refuse(here, Self::NAMES, faults);

        let (at_at, zone_at) = (here.member("at"), here.member("time_zone"));
        let text = self.at.required(&at_at, faults);
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

/// An instant: a time with an offset.
fn instant(text: &str, at: &At<'_>, faults: &mut Faults) -> Option<UnixMs> {
    match read_time(text) {
        Ok(GivenTime::Instant(instant)) => return Some(instant),
        Ok(GivenTime::Wall) => faults.refuse(at, "offset_required", "the time has no offset: add one, such as Z"),
        Err(error) => faults.refuse(at, "invalid_time", error.to_string()),
    }
    None
}

impl SendAt<'_> {
    fn read_smart(self, here: &At<'_>, faults: &mut Faults) -> Option<NewIntent> {
        let before = faults.len();
        for (name, is_named) in [
            ("at", self.at.is_named()),
            ("time_zone", self.time_zone.is_named()),
            ("gap", self.gap.is_named()),
            ("fold", self.fold.is_named()),
        ] {
            if is_named {
                faults.refuse(&here.member(name), "ambiguous_time", "a window and a time: leave one of them out");
            }
        }
        let at = here.member("smart");
        if self.smart.optional(&at, faults) != Some(true) {
            faults.refuse(&at, "required", "a window needs \"smart\": true; without it give a time in `at`");
        }
        let at = here.member("too_little_data");
        let too_little_data = match self.too_little_data.optional(&at, faults) {
            None => Some(TooLittleData::Now),
            Some(word) if word == "now" => Some(TooLittleData::Now),
            Some(word) if word == "population" => Some(TooLittleData::Population),
            Some(text) => instant(&text, &at, faults).map(TooLittleData::At),
        };
        let at = here.member("window");
        let window = self.window.required(&at, faults).and_then(|window| window.read(&at, faults));
        self.stray.refuse(here, Self::NAMES, faults);
        let intent = NewIntent::Smart { window: window?, too_little_data: too_little_data? };
        (faults.len() == before).then_some(intent)
    }
}

impl WindowRequest<'_> {
    fn read(self, here: &At<'_>, faults: &mut Faults) -> Option<NewWindow> {
        let before = faults.len();
        let (hours_at, from_at, to_at) = (here.member("hours"), here.member("from"), here.member("to"));
        let window = if self.hours.is_named() {
            for (at, is_named) in [(&from_at, self.from.is_named()), (&to_at, self.to.is_named())] {
                if is_named {
                    faults.refuse(at, "ambiguous_window", "give either `hours`, or `from` and `to`");
                }
            }
            let hours = self.hours.required(&hours_at, faults)?;
            let hours = u8::try_from(hours).ok().filter(|hours| matches!(hours, 24 | 48 | 72));
            if hours.is_none() {
                faults.refuse(&hours_at, "unknown_value", "expected one of: 24, 48, 72; or give `from` and `to`");
            }
            hours.map(NewWindow::Hours)
        } else {
            let from = self.from.required(&from_at, faults).and_then(|text| instant(&text, &from_at, faults));
            let to = self.to.required(&to_at, faults).and_then(|text| instant(&text, &to_at, faults));
            from.zip(to).map(|(from, to)| NewWindow::Between(from, to))
        };
        self.stray.refuse(here, Self::NAMES, faults);
        window.filter(|_| faults.len() == before)
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
        let smart = |window, too_little_data| NewIntent::Smart { window, too_little_data };
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
            (
                r#"{"window": {"hours": 48}, "smart": true, "too_little_data": "population"}"#,
                smart(NewWindow::Hours(48), TooLittleData::Population),
            ),
            (
                r#"{"window": {"from": "2026-12-01T09:00:00Z", "to": "2026-12-01T12:00:00Z"}, "smart": true,
                    "too_little_data": "2026-12-01T09:00:00Z"}"#,
                smart(
                    NewWindow::Between(UnixMs(1_796_115_600_000), UnixMs(1_796_126_400_000)),
                    TooLittleData::At(UnixMs(1_796_115_600_000)),
                ),
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
            (r#"{"window": {"hours": 24}}"#, "/send/smart", "required"),
            (r#"{"window": {"hours": 24}, "smart": false}"#, "/send/smart", "required"),
            (r#"{"window": {"hours": 25}, "smart": true}"#, "/send/window/hours", "unknown_value"),
            (
                r#"{"window": {"hours": 24, "to": "2026-12-01T09:00:00Z"}, "smart": true}"#,
                "/send/window/to",
                "ambiguous_window",
            ),
            (r#"{"window": {"from": "2026-12-01T09:00:00Z"}, "smart": true}"#, "/send/window/to", "required"),
            (
                r#"{"window": {"from": "2026-12-01T09:00", "to": "2026-12-01T12:00:00Z"}, "smart": true}"#,
                "/send/window/from",
                "offset_required",
            ),
            (r#"{"window": {"hours": 24}, "smart": true, "at": "2026-12-01T09:00:00Z"}"#, "/send/at", "ambiguous_time"),
            (
                r#"{"window": {"hours": 24}, "smart": true, "too_little_data": "never"}"#,
                "/send/too_little_data",
                "invalid_time",
            ),
            (r#"{"window": 24, "smart": true}"#, "/send/window", "invalid_type"),
            (r#"{"at": "2026-12-01T09:00:00Z", "smart": true}"#, "/send/smart", "window_required"),
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
