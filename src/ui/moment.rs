//! When a message is to go, as a person chooses it: what is often wanted, and what a choice comes to in both zones.

use actix_web::HttpRequest;
use askama::Template;
use chrono::{Datelike, Days, NaiveDate, Timelike};
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy};
use sendwheel_actors::domain::zone::{TimeZone, resolve};

use super::answer::{Answer, ok};
use super::entry::clock_change;
use super::error::sentence;
use super::visitor::{Visitor, Whose};
use super::when;
use crate::api::paging::Query;

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

/// A moment that is chosen, as it will be.
#[derive(Template, Default)]
#[template(path = "moment.html")]
pub(super) struct Moment {
    there: String,
    here: Option<String>,
    ahead: String,
    change: Option<String>,
    wrong: Option<String>,
}

impl Moment {
    pub(super) fn of(visitor: &Visitor, contact: &Contact, date: &str, time: &str, zone: &str) -> Self {
        let wrong = |text: &str| Self { wrong: Some(sentence(text)), ..Self::default() };
        if date.is_empty() || time.is_empty() {
            return wrong("choose a date and a time");
        }
        let Ok(zone) = TimeZone::parse(zone) else { return wrong("choose a time zone") };
        let local = format!("{date}T{time}");
        let (at, resolution) = match resolve(&local, &zone, GapPolicy::default(), FoldPolicy::default()) {
            Ok(found) => found,
            Err(error) => return wrong(&error.to_string()),
        };
        let Some(ahead) = when::ahead(at, visitor.now()) else {
            return wrong("this moment has passed: choose a later one");
        };
        let (there, here) = when::in_both(&visitor.zone_of(contact), &visitor.zone, at, visitor.now());
        Self { there, here, ahead, change: clock_change(resolution, &local), wrong: None }
    }
}

/// What a chosen time comes to.
pub(super) async fn when_page(visitor: Visitor, request: HttpRequest, Whose(id): Whose) -> Answer {
    let mut query = Query::of(&request, &["date", "time", "zone"]);
    let mut take = |name| query.take(name).unwrap_or_default();
    let (date, time, zone) = (take("date"), take("time"), take("zone"));
    query.finish()?;
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    ok(&Moment::of(&visitor, &contact, &date, &time, &zone))
}
