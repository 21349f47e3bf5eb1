//! When a message is to go, as a person chooses it: what is often wanted, and what a choice comes to in both zones. What
//! it comes to is asked of the engine, which plans it by the account's rules as it would if it were scheduled.

use actix_web::HttpRequest;
use askama::Template;
use chrono::{Datelike, Days, NaiveDate, Timelike};
use sendwheel_actors::domain::address::{Address, Channel};
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::plan::smart::{Arm, Shares};
use sendwheel_actors::domain::recurrence::{Civil, Recurrence};
use sendwheel_actors::domain::schedule::Intent;
use sendwheel_actors::domain::zone::TimeZone;
use sendwheel_actors::engine::Foreseen;
use sendwheel_actors::engine::api::{EngineError, NewIntent};
use serde_json::{Value, json};

use super::answer::{Answer, ok};
use super::entry::clock_change;
use super::error::sentence;
use super::form::Form;
use super::people::called;
use super::smart;
use super::visitor::{Named, Visitor, Whose};
use super::when;
use crate::api::message_request::MessageRequest;
use crate::api::paging::Query;
use crate::api::{ApiError, json as reader};

/// A moment that is often wanted.
pub(super) struct Preset {
    pub(super) label: &'static str,
    pub(super) shown: String,
    pub(super) date: String,
    pub(super) time: String,
}

/// What is often wanted, in this zone.
pub(super) fn presets(zone: &TimeZone, visitor: &Visitor) -> Vec<Preset> {
    let now = visitor.now();
    let today = when::civil(zone, now);
    let hour = when::civil(zone, now.plus(std::time::Duration::from_secs(3_600)));
    let tomorrow = today.date() + Days::new(1);
    let to_monday = u64::from(7 - today.weekday().num_days_from_monday());
    let preset = |label, date: NaiveDate, hour: u32, minute: u32| Preset {
        label,
        shown: if minute == 0 && hour == 9 {
            date.format("%a %-d %b").to_string()
        } else {
            format!("{hour:02}:{minute:02}")
        },
        date: date.to_string(),
        time: format!("{hour:02}:{minute:02}"),
    };
    vec![
        preset("In an hour", hour.date(), hour.hour(), hour.minute()),
        preset("Tomorrow 9:00", tomorrow, 9, 0),
        preset("Monday 9:00", today.date() + Days::new(to_monday), 9, 0),
    ]
}

/// What is chosen: a time, or a window.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) date: String,
    pub(super) time: String,
    pub(super) zone: String,
    /// The best moment of the next hours is wanted.
    pub(super) is_smart: bool,
    /// How many: 24, 48 or 72.
    pub(super) hours: String,
    /// What is done if too little is known: `now` or `population`.
    pub(super) too_little: String,
    /// One of [`REPEATS`], or nothing.
    pub(super) repeat: String,
    /// The last day of what repeats, or nothing.
    pub(super) until: String,
}

/// What a message can do again, by the name of the choice: how it reads, and its rule.
pub(super) const REPEATS: [(&str, &str, &str); 6] = [
    ("daily", "Every day", "FREQ=DAILY"),
    ("weekdays", "Monday to Friday", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
    ("weekly", "Every week", "FREQ=WEEKLY"),
    ("fortnightly", "Every two weeks", "FREQ=WEEKLY;INTERVAL=2"),
    ("monthly", "Every month", "FREQ=MONTHLY"),
    ("yearly", "Every year", "FREQ=YEARLY"),
];

impl Wish {
    /// The names of its fields.
    const FIELDS: [&'static str; 8] = ["date", "time", "zone", "smart", "hours", "too_little", "repeat", "until"];

    /// A time.
    pub(super) fn at(date: &str, time: &str, zone: &str) -> Self {
        let [date, time, zone, hours, too_little] = [date, time, zone, "24", "now"].map(str::to_owned);
        Self { date, time, zone, is_smart: false, hours, too_little, repeat: String::new(), until: String::new() }
    }

    /// With what fields say.
    fn with(mut self, mut field: impl FnMut(&str) -> Option<String>) -> Self {
        for (one, name) in [
            (&mut self.date, "date"),
            (&mut self.time, "time"),
            (&mut self.zone, "zone"),
            (&mut self.hours, "hours"),
            (&mut self.too_little, "too_little"),
            (&mut self.repeat, "repeat"),
            (&mut self.until, "until"),
        ] {
            if let Some(given) = field(name) {
                *one = given;
            }
        }
        self.is_smart = field("smart").as_deref() == Some("yes");
        self
    }

    /// With what a form says.
    pub(super) fn of_form(self, form: &Form) -> Self {
        self.with(|name| form.given(name).map(str::to_owned))
    }

    /// How it repeats, as a request says it. What is sent at the best moment of a window does not.
    pub(super) fn recurrence(&self) -> Option<String> {
        let (.., rule) = REPEATS.iter().find(|(name, ..)| !self.is_smart && *name == self.repeat)?;
        let until = self.until.replace('-', "");
        Some(if until.is_empty() { (*rule).to_owned() } else { format!("{rule};UNTIL={until}") })
    }

    /// The same for the first time of what repeats, which the rule may have on a later day.
    pub(super) fn first(&self) -> Result<Self, ApiError> {
        let (Some(rule), Ok(start)) = (self.recurrence(), format!("{}T{}", self.date, self.time).parse::<Civil>())
        else {
            return Ok(self.clone());
        };
        let first = rule.parse::<Recurrence>().ok().and_then(|rule| rule.next(start, None));
        let first = first.ok_or_else(|| ApiError::field("/recurrence", "recurrence_never_happens", NEVER))?;
        let date = first.at.to_string().chars().take_while(|c| *c != 'T').collect();
        Ok(Self { date, ..self.clone() })
    }

    /// As a request says it. The contact's own zone is meant as theirs: it follows them.
    pub(super) fn request(&self, own: Option<&str>) -> Result<Value, ApiError> {
        if self.is_smart {
            let hours = self.hours.parse::<u32>().map_or_else(|_| Value::from(&*self.hours), Value::from);
            return Ok(json!({"window": {"hours": hours}, "smart": true, "too_little_data": self.too_little}));
        }
        if self.date.is_empty() || self.time.is_empty() {
            return Err(ApiError::field("/send/at", "required", "choose a date and a time"));
        }
        let zone = if self.zone.is_empty() || own == Some(&*self.zone) { "contact" } else { &*self.zone };
        Ok(json!({"at": format!("{}T{}", self.date, self.time), "time_zone": zone}))
    }
}

const NEVER: &str = "no such day comes by the last day: choose a later one";

/// When a request means.
pub(super) fn intent(visitor: &Visitor, send: &Value) -> Result<NewIntent, ApiError> {
    let request = json!({"send": send}).to_string();
    let edit = reader::read::<MessageRequest<'_>>(request.as_bytes())?.into_edit(visitor.caller().role)?;
    edit.intent.ok_or_else(|| ApiError::field("/send", "required", "choose a date and a time"))
}

/// A moment that is chosen, as it will be.
#[derive(Template, Default)]
#[template(path = "moment.html")]
pub(super) struct Moment {
    there: String,
    here: Option<String>,
    ahead: String,
    why: Option<String>,
    /// Which messages go otherwise.
    share: Option<String>,
    /// What the clocks or the account's rules do to it.
    changes: Vec<String>,
    wrong: Option<String>,
}

/// How many smart messages go otherwise.
fn share_words(shares: Shares) -> Option<String> {
    let share = shares.random + shares.holdout;
    (share > 0).then(|| format!("{share} % of smart messages go at another moment of their window, to compare with."))
}

impl Moment {
    fn wrong(text: &str) -> Self {
        Self { wrong: Some(sentence(text)), ..Self::default() }
    }

    /// What a wish comes to, for a message on a channel to an address.
    pub(super) fn of(visitor: &Visitor, contact: &Contact, way: (Channel, Option<Address>), wish: &Wish) -> Self {
        let foreseen = wish
            .first()
            .and_then(|first| first.request(contact.profile.time_zone.as_deref()))
            .and_then(|send| intent(visitor, &send))
            .and_then(|intent| Ok(visitor.engine().foresee(visitor.caller(), contact, way, intent)?));
        match foreseen {
            Ok(foreseen) => Self::told(visitor, contact, &foreseen),
            Err(ApiError::Invalid(errors) | ApiError::Engine(EngineError::Invalid(errors))) => {
                let first = errors.first();
                match first.map(|error| error.code) {
                    Some("in_the_past") => Self::wrong("this moment has passed: choose a later one"),
                    _ => Self::wrong(first.map_or("choose another time", |error| &error.detail)),
                }
            }
            Err(error) => Self::wrong(&error.to_string()),
        }
    }

    fn told(visitor: &Visitor, contact: &Contact, Foreseen { intent, planned }: &Foreseen) -> Self {
        let (now, name) = (visitor.now(), called(&contact.profile));
        let plan = planned.plan.as_ref();
        let chosen = plan.and_then(|plan| plan.chosen.as_deref());
        let is_drawn = chosen.is_some_and(|chosen| matches!(chosen.arm, Arm::Random | Arm::Holdout));
        let at = chosen.filter(|_| is_drawn).map_or(planned.due_at, |chosen| chosen.best_at);
        let mut changes = Vec::new();
        if let Intent::Wall(wall) = intent {
            changes.extend(clock_change(wall.resolution, &wall.local));
        }
        let delays = plan.map_or(&[][..], |plan| &plan.delays).iter().filter(|_| !is_drawn);
        changes.extend(delays.map(|delay| format!("It waits for the end of {}.", delay.cause)));
        let is_compared = chosen.is_some_and(|chosen| !matches!(chosen.arm, Arm::AtOnce | Arm::Named));
        let account = visitor.auth.directory.account(visitor.caller().account).filter(|_| is_compared);
        let share = account.and_then(|account| share_words(account.smart_send));
        let (there, here) = when::in_both(&visitor.zone_of(contact), &visitor.zone, at, now);
        let ahead = when::ahead(at, now).unwrap_or_else(|| "at once".into());
        Self { there, here, ahead, why: chosen.map(|chosen| smart::would(chosen, &name)), share, changes, wrong: None }
    }
}

/// What a chosen time comes to.
pub(super) async fn when_page(visitor: Visitor, request: HttpRequest, Named(id): Whose) -> Answer {
    let known = [&Wish::FIELDS[..], &["channel", "to"]].concat();
    let mut query = Query::of(&request, &known);
    let wish = Wish::at("", "", "").with(|name| query.take(name));
    let channel = if query.take("channel").as_deref() == Some("email") { Channel::Email } else { Channel::Sms };
    let to = query.take("to").and_then(|text| Address::parse(channel, &text).ok());
    query.finish()?;
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    ok(&Moment::of(&visitor, &contact, (channel, to), &wish))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_a_time_or_a_window() {
        let wish = Wish::at("2026-12-01", "09:00", "Europe/Berlin");
        assert_eq!(
            wish.request(Some("Europe/Berlin")).ok(),
            Some(json!({"at": "2026-12-01T09:00", "time_zone": "contact"}))
        );
        let named = wish.request(Some("Asia/Tokyo")).expect("sound");
        assert_eq!(named["time_zone"], "Europe/Berlin");
        let fields = [("smart", "yes"), ("hours", "48"), ("too_little", "population")];
        let field = |name: &str| fields.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(
            wish.with(field).request(None).ok(),
            Some(json!({"window": {"hours": 48}, "smart": true, "too_little_data": "population"}))
        );
        assert!(Wish::at("", "09:00", "").request(None).is_err());
    }

    #[test]
    fn what_repeats_is_a_rule_that_the_api_reads() {
        let wish = |repeat: &str, until: &str, smart: &str| {
            let fields = [("repeat", repeat), ("until", until), ("smart", smart)];
            let field = |name: &str| fields.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
            Wish::at("2026-12-01", "09:00", "Europe/Berlin").with(field)
        };
        assert_eq!(wish("", "", "").recurrence(), None);
        assert_eq!(wish("weekly", "", "").recurrence().as_deref(), Some("FREQ=WEEKLY"));
        let until = wish("weekdays", "2027-01-31", "").recurrence();
        assert_eq!(until.as_deref(), Some("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;UNTIL=20270131"));
        assert_eq!(wish("weekly", "", "yes").recurrence(), None);
        assert_eq!(wish("weekdays", "", "").first().ok().map(|first| first.date).as_deref(), Some("2026-12-01"));
        let saturday = Wish { date: "2026-12-05".into(), ..wish("weekdays", "2026-12-07", "") };
        assert_eq!(saturday.first().ok().map(|first| first.date).as_deref(), Some("2026-12-07"));
        assert!(Wish { until: "2026-12-06".into(), ..saturday }.first().is_err());
        for (name, words, _) in REPEATS {
            let rule = wish(name, "2028-01-31", "").recurrence().expect("one of them");
            assert!(rule.parse::<Recurrence>().is_ok(), "{words}: {rule}");
        }
    }
}
