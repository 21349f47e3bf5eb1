//! An account's sending rules as callers write and see them.

use sendwheel_actors::domain::sending_rules::{Country, Holiday, Hours, Scope, SendingRules, TimeOfDay, Weekdays};
use serde::Serialize;
use utoipa::ToSchema;

use super::checks::{CHANNELS, CLASSES, at_most, choice, each};
use super::faults::{At, Faults};
use super::json::{Field, List, Text, request_object};
use super::schemas;

request_object! {
    /// Hours of some days of the week on the recipient's clock. What is left out holds for all.
    pub(crate) struct HoursRequest<'a> {
        /// Only for this channel.
        #[schema(value_type = Option<schemas::Channel>)]
        channel: Text<'a>,
        /// Only for recipients whose number is at home in this country: ISO 3166, two letters.
        #[schema(value_type = Option<String>, example = "US")]
        country: Text<'a>,
        /// Only for this class.
        #[schema(value_type = Option<schemas::Class>)]
        class: Text<'a>,
        /// The days on which they begin, `mon` to `sun`; left out: every day.
        #[schema(value_type = Option<Vec<String>>, example = json!(["sat", "sun"]))]
        days: List<Text<'a>>,
        /// When they begin.
        #[schema(value_type = String, example = "21:00")]
        from: Text<'a>,
        /// When they end, at most `24:00`; before `from`: on the next day.
        #[schema(value_type = String, example = "08:00")]
        to: Text<'a>,
    }
}

request_object! {
    /// A day on which nothing is sent.
    pub(crate) struct HolidayRequest<'a> {
        /// Only for this channel.
        #[schema(value_type = Option<schemas::Channel>)]
        channel: Text<'a>,
        /// Only for recipients whose number is at home in this country: ISO 3166, two letters.
        #[schema(value_type = Option<String>, example = "US")]
        country: Text<'a>,
        /// Only for this class.
        #[schema(value_type = Option<schemas::Class>)]
        class: Text<'a>,
        /// The day, or without a year the same day of every year.
        #[schema(value_type = String, example = "12-25")]
        date: Text<'a>,
    }
}

/// Which messages a rule is about.
pub(crate) fn scope(
    channel: Field<Text<'_>>,
    country: Field<Text<'_>>,
    class: Field<Text<'_>>,
    here: &At<'_>,
    faults: &mut Faults,
) -> Scope {
    let at = here.member("channel");
    let channel = channel.optional(&at, faults).and_then(|text| choice(&text, CHANNELS, &at, faults));
    let at = here.member("class");
    let class = class.optional(&at, faults).and_then(|text| choice(&text, CLASSES, &at, faults));
    let at = here.member("country");
    let country = country.optional(&at, faults).and_then(|text| {
        let country = Country::parse(&text);
        if country.is_none() {
            faults.refuse(&at, "invalid_country", "expected two letters of ISO 3166, such as \"US\"");
        }
        country
    });
    Scope { channel, country, class }
}

fn time_of_day(text: Field<Text<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<TimeOfDay> {
    let text = text.required(at, faults)?;
    let time = TimeOfDay::parse(&text);
    if time.is_none() {
        faults.refuse(at, "invalid_time", "expected a time of day from \"00:00\" to \"24:00\"");
    }
    time
}

fn weekdays(list: List<Text<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Weekdays> {
    if !at_most(list.total, Weekdays::NAMES.len(), at, faults) {
        return None;
    }
    if list.items.is_empty() {
        faults.refuse(at, "empty", "name at least one day, or leave the field out for every day");
    }
    let mut days = Weekdays::NONE;
    for (index, day) in list.items.into_iter().enumerate() {
        let at = at.item(index);
        let Some(name) = day.required(&at, faults) else { continue };
        match days.with(&name) {
            Some(more) => days = more,
            None => {
                faults.refuse(&at, "unknown_value", format!("expected one of: {}", Weekdays::NAMES.join(", ")));
            }
        }
    }
    Some(days)
}

impl HoursRequest<'_> {
    fn read(self, here: &At<'_>, faults: &mut Faults) -> Option<Hours> {
        let before = faults.len();
        let scope = scope(self.channel, self.country, self.class, here, faults);
        let at = here.member("days");
        let days = match self.days.optional(&at, faults) {
            Some(list) => weekdays(list, &at, faults),
            None => Some(Weekdays::ALL),
        };
        let from = time_of_day(self.from, &here.member("from"), faults);
        let to_at = here.member("to");
        let to = time_of_day(self.to, &to_at, faults);
        self.stray.refuse(here, Self::NAMES, faults);
        let (days, from, to) = (days?, from?, to?);
        if from == to || from.minutes() == TimeOfDay::END {
            faults.refuse(&to_at, "empty_window", "these hours are empty: for a whole day give \"00:00\" to \"24:00\"");
        }
        (faults.len() == before).then_some(Hours { scope, days, from, to })
    }
}

impl HolidayRequest<'_> {
    fn read(self, here: &At<'_>, faults: &mut Faults) -> Option<Holiday> {
        let before = faults.len();
        let scope = scope(self.channel, self.country, self.class, here, faults);
        let at = here.member("date");
        let holiday = self.date.required(&at, faults).and_then(|text| {
            let holiday = Holiday::parse(scope, &text);
            if holiday.is_none() {
                faults.refuse(
                    &at,
                    "invalid_date",
                    "expected a date such as \"2026-12-25\", or \"12-25\" for every year",
                );
            }
            holiday
        });
        self.stray.refuse(here, Self::NAMES, faults);
        holiday.filter(|_| faults.len() == before)
    }
}

/// The hours of a list.
pub(crate) fn hours(list: List<HoursRequest<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Vec<Hours>> {
    each(list, SendingRules::MAX_HOURS, at, faults, HoursRequest::read)
}

/// The holidays of a list.
pub(crate) fn holidays(list: List<HolidayRequest<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Vec<Holiday>> {
    each(list, SendingRules::MAX_HOLIDAYS, at, faults, HolidayRequest::read)
}

/// Which messages a rule is about; what is not there holds for all.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScopeView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Channel>)]
    channel: Option<&'static str>,
    /// ISO 3166.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Class>)]
    class: Option<&'static str>,
}

impl ScopeView {
    pub(crate) fn of(scope: &Scope) -> Self {
        Self {
            channel: scope.channel.map(|channel| channel.name()),
            country: scope.country.map(|country| country.as_str().to_owned()),
            class: scope.class.map(|class| class.name()),
        }
    }
}

/// Hours of some days of the week.
#[derive(Serialize, ToSchema)]
#[schema(as = Hours)]
pub(crate) struct HoursView {
    #[serde(flatten)]
    #[schema(inline)]
    scope: ScopeView,
    /// The days on which they begin.
    #[schema(value_type = Vec<String>)]
    days: Vec<&'static str>,
    #[schema(example = "21:00")]
    from: String,
    #[schema(example = "08:00")]
    to: String,
}

impl HoursView {
    pub(crate) fn of(hours: &Hours) -> Self {
        Self {
            scope: ScopeView::of(&hours.scope),
            days: hours.days.names().collect(),
            from: hours.from.to_string(),
            to: hours.to.to_string(),
        }
    }
}

/// A day on which nothing is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Holiday)]
pub(crate) struct HolidayView {
    #[serde(flatten)]
    #[schema(inline)]
    scope: ScopeView,
    /// The day, or without a year the same day of every year.
    #[schema(example = "12-25")]
    date: String,
}

impl HolidayView {
    pub(crate) fn of(holiday: &Holiday) -> Self {
        Self { scope: ScopeView::of(&holiday.scope), date: holiday.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_hours(json: &Value) -> Result<Vec<Hours>, Vec<(String, &'static str)>> {
        let text = json.to_string();
        let field: Field<List<HoursRequest<'_>>> = serde_json::from_str(&text).expect("valid JSON");
        let mut faults = Faults::default();
        let at = At::Root.member("quiet_hours");
        let read = field.required(&at, &mut faults).and_then(|list| hours(list, &at, &mut faults));
        let errors = faults.into_errors();
        if errors.is_empty() {
            return Ok(read.expect("what is not refused is read"));
        }
        Err(errors.into_iter().map(|error| (error.pointer, error.code)).collect())
    }

    #[test]
    fn hours_are_shown_as_they_are_read() {
        let given = json!([
            {"channel": "sms", "country": "US", "class": "campaign", "days": ["sat", "sun"], "from": "21:00", "to": "08:00"},
            {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00"},
        ]);
        let views: Vec<_> = read_hours(&given).unwrap().iter().map(HoursView::of).collect();
        assert_eq!(serde_json::to_value(views).unwrap(), given);
        assert_eq!(read_hours(&json!([{"from": "21:00", "to": "08:00"}])).unwrap()[0].days, Weekdays::ALL);
    }

    #[test]
    fn every_wrong_part_of_a_rule_is_refused_where_it_stands() {
        for (rule, pointer, code) in [
            (json!({"to": "08:00"}), "/from", "required"),
            (json!({"from": "9:00", "to": "10:00"}), "/from", "invalid_time"),
            (json!({"from": "09:00", "to": "25:00"}), "/to", "invalid_time"),
            (json!({"from": "09:00", "to": "09:00"}), "/to", "empty_window"),
            (json!({"from": "24:00", "to": "09:00"}), "/to", "empty_window"),
            (json!({"from": "09:00", "to": "10:00", "days": []}), "/days", "empty"),
            (json!({"from": "09:00", "to": "10:00", "days": ["mon", "monday"]}), "/days/1", "unknown_value"),
            (json!({"from": "09:00", "to": "10:00", "country": "USA"}), "/country", "invalid_country"),
            (json!({"from": "09:00", "to": "10:00", "channel": "fax"}), "/channel", "unknown_value"),
            (json!({"from": "09:00", "to": "10:00", "class": "spam"}), "/class", "unknown_value"),
            (json!({"from": "09:00", "to": "10:00", "zone": "UTC"}), "/zone", "unknown_field"),
        ] {
            let expected = vec![(format!("/quiet_hours/0{pointer}"), code)];
            assert_eq!(read_hours(&json!([rule])), Err(expected), "{rule}");
        }
        let many = vec![json!({"from": "09:00", "to": "10:00"}); SendingRules::MAX_HOURS + 1];
        assert_eq!(read_hours(&Value::from(many)), Err(vec![("/quiet_hours".into(), "too_many")]));
    }
}
