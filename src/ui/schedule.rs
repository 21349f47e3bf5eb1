//! Everything that is scheduled in the account: a list by due time, from which many are cancelled or moved at once, and
//! a calendar of a week ([`super::week`]).

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use chrono::NaiveDate;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::ids::{ContactId, MessageId, SenderId};
use sendwheel_actors::domain::message::StoredContent;
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy};
use sendwheel_actors::domain::zone::{TimeZone, resolve};
use sendwheel_actors::engine::api::{EngineError, MessageView, PageRequest, ScheduleFilter};
use serde_json::json;

use super::answer::{Answer, page, see};
use super::composer::zones;
use super::entry::{channel_name, shown};
use super::error::{PageError, words};
use super::form::{Form, Posted};
use super::moment::Wish;
use super::people::called;
use super::visitor::{Frame, Undo, Visitor};
use super::week::Week;
use super::when;
use crate::api::checks::CHANNELS;
use crate::api::message_request::MessageRequest;
use crate::api::paging::Query;
use crate::api::{ApiError, json as reader};

/// Messages of a page.
const PAGE: usize = 50;
/// Messages that are changed at once.
const MOST: usize = 500;

/// What is asked of the schedule; its links carry it along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) is_week: bool,
    pub(super) from: Option<NaiveDate>,
    pub(super) channel: Option<Channel>,
    pub(super) sender: Option<SenderId>,
    pub(super) cursor: Option<String>,
}

impl Asked {
    const NAMES: [&'static str; 5] = ["view", "from", "channel", "sender", "page"];

    fn of(query: &mut Query) -> Self {
        Self {
            is_week: query.take("view").as_deref() == Some("week"),
            from: query.parsed("from", |text| {
                text.parse().map_err(|_| ("invalid_date", "expected a date such as 2026-12-01".to_owned()))
            }),
            channel: query.parsed("channel", |text| {
                let found = CHANNELS.iter().find(|(name, _)| *name == text);
                found.map(|(_, channel)| *channel).ok_or(("unknown_value", "no such channel".to_owned()))
            }),
            sender: query
                .parsed("sender", |text| text.parse().map_err(|_| ("invalid_id", "no such sender".to_owned()))),
            cursor: query.take("page"),
        }
    }

    /// As a query string.
    fn query(&self) -> String {
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("view", self.is_week.then(|| "week".to_owned())),
            ("from", self.from.map(|date| date.to_string())),
            ("channel", self.channel.map(|channel| channel.name().to_owned())),
            ("sender", self.sender.map(|sender| sender.to_string())),
            ("page", self.cursor.clone()),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                out.append_pair(name, &value);
            }
        }
        out.finish()
    }

    /// Where the schedule is shown so.
    pub(super) fn href(&self) -> String {
        match self.query() {
            query if query.is_empty() => "/schedule".into(),
            query => format!("/schedule?{query}"),
        }
    }

    pub(super) fn filter(&self, from: Option<UnixMs>, to: Option<UnixMs>) -> ScheduleFilter {
        ScheduleFilter { from, to, sender: self.sender, channel: self.channel }
    }
}

/// The moment at which a day begins in a zone.
pub(super) fn begin_of(day: NaiveDate, zone: &TimeZone) -> Option<UnixMs> {
    resolve(&format!("{day}T00:00"), zone, GapPolicy::default(), FoldPolicy::default()).ok().map(|(at, _)| at)
}

/// A scheduled message.
pub(super) struct Due {
    pub(super) id: MessageId,
    pub(super) href: String,
    pub(super) who: String,
    /// The time of day on the viewer's clocks.
    pub(super) time: String,
    pub(super) iso: String,
    /// When it is at the contact's, where clocks there show another time.
    there: Option<String>,
    pub(super) channel: &'static str,
    words: String,
    /// How often, if it is one of a series.
    repeats: Option<String>,
    from: String,
    state: &'static str,
    tone: &'static str,
    day: String,
}

impl Due {
    /// What a box to choose it is called.
    fn label(&self) -> String {
        format!("{} to {}, {} {}", self.channel, self.who, self.day, self.time)
    }
}

/// Messages with whom they go to.
pub(super) async fn told(visitor: &Visitor, views: &[MessageView]) -> Result<Vec<Due>, PageError> {
    let mut ids: Vec<ContactId> = views.iter().map(|view| view.message.contact).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = visitor.engine().contacts_among(visitor.caller(), &ids).await?;
    let contacts: HashMap<ContactId, Contact> = found.into_iter().map(|contact| (contact.id, contact)).collect();
    let now = visitor.now();
    let due = |view: &MessageView| {
        let message = &view.message;
        let contact = contacts.get(&message.contact)?;
        let zone = visitor.zone_of(contact);
        let (there, here) = when::in_both(&zone, &visitor.zone, message.due_at, now);
        let (day, time) = when::day_and_time(&visitor.zone, message.due_at, now);
        let (state, tone) = shown(view.state_name());
        let content = &view.content;
        let sender = visitor.auth.directory.sender(message.sender);
        Some(Due {
            id: message.id,
            href: format!("/contacts/{}", contact.id),
            who: called(&contact.profile),
            time,
            iso: message.due_at.to_string(),
            there: here.map(|_| there),
            channel: channel_name(message.channel),
            words: content.subject.clone().or_else(|| content.text.clone()).unwrap_or_else(|| {
                let is_large = matches!(message.content, StoredContent::Blob { .. });
                if is_large { "A long message".into() } else { String::new() }
            }),
            repeats: message.series.as_ref().map(|of| of.repeats.clone()),
            from: sender.map_or_else(|| "a sender that was removed".into(), |sender| sender.address.to_string()),
            state,
            tone,
            day,
        })
    };
    Ok(views.iter().filter_map(due).collect())
}

/// Messages of a day.
struct Day {
    label: String,
    due: Vec<Due>,
}

fn by_day(due: Vec<Due>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for one in due {
        match days.last_mut().filter(|day| day.label == one.day) {
            Some(day) => day.due.push(one),
            None => days.push(Day { label: one.day.clone(), due: vec![one] }),
        }
    }
    days
}

/// A sender to filter by.
struct SenderChoice {
    id: SenderId,
    name: String,
}

#[derive(Template)]
#[template(path = "schedule.html")]
struct SchedulePage {
    frame: Frame,
    asked: Asked,
    senders: Vec<SenderChoice>,
    days: Vec<Day>,
    week: Option<Week>,
    /// The views to choose from.
    as_list: String,
    as_week: String,
    first: Option<String>,
    more: Option<String>,
    zones: &'static [String],
    /// What was done just now, and how it is taken back.
    told: Option<String>,
    undo: Option<Undo>,
    wrong: Option<String>,
}

impl SchedulePage {
    fn is_sender(&self, sender: &SenderId) -> bool {
        self.asked.sender == Some(*sender)
    }

    fn is_channel(&self, name: &str) -> bool {
        self.asked.channel.is_some_and(|channel| channel.name() == name)
    }

    fn from(&self) -> String {
        self.asked.from.map(|date| date.to_string()).unwrap_or_default()
    }
}

/// What is told after a change of many.
#[derive(Default)]
struct Outcome {
    told: Option<String>,
    can_undo: bool,
    wrong: Option<String>,
}

async fn shown_page(visitor: &Visitor, asked: Asked, outcome: Outcome, status: StatusCode) -> Answer {
    let (mut days, mut week, mut next) = (Vec::new(), None, None);
    if asked.is_week {
        week = Some(Week::read(visitor, &asked).await?);
    } else {
        let from = asked.from.and_then(|day| begin_of(day, &visitor.zone));
        let request = PageRequest { cursor: asked.cursor.clone(), limit: PAGE };
        let found = visitor.engine().schedule_of(visitor.caller(), &asked.filter(from, None), request).await?;
        days = by_day(told(visitor, &found.items).await?);
        next = found.next_cursor;
    }
    let senders = visitor.auth.directory.senders_of(visitor.caller().account);
    let with = |is_week, cursor| Asked { is_week, cursor, ..asked.clone() }.href();
    let mut frame = visitor.frame("schedule");
    // Beside what is told, or by itself.
    let undo = frame.undo.take_if(|_| outcome.told.is_some()).filter(|undo| outcome.can_undo && undo.canceled > 0);
    let template = SchedulePage {
        frame,
        senders: senders.map(|one| SenderChoice { id: one.id, name: one.address.to_string() }).collect(),
        days,
        week,
        as_list: with(false, None),
        as_week: with(true, None),
        first: asked.cursor.as_ref().map(|_| with(false, None)),
        more: next.map(|next| with(false, Some(next))),
        zones: zones(),
        told: outcome.told,
        undo,
        wrong: outcome.wrong,
        asked,
    };
    Ok(page(status, &template))
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message".into() } else { format!("{count} messages") }
}

/// What was done, in words.
fn done_words(what: &str, done: u64, missed: u64) -> Option<String> {
    let said = match what {
        "canceled" => format!("{} canceled.", messages(done)),
        "moved" => format!("{} moved.", messages(done)),
        "undone" => "Taken back.".to_owned(),
        "undo_over" => "There is nothing to take back any more: that works for ten seconds.".to_owned(),
        "none" => "Choose messages first.".to_owned(),
        _ => return None,
    };
    Some(match missed {
        0 => said,
        missed => {
            format!("{said} {} left as they are: they are on their way, over, or have changed.", messages(missed))
        }
    })
}

/// The page.
pub(super) async fn schedule(visitor: Visitor, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &[&Asked::NAMES[..], &["told", "done", "missed"]].concat());
    let asked = Asked::of(&mut query);
    let what = query.take("told").unwrap_or_default();
    let mut number = |name| query.take(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    let (done, missed) = (number("done"), number("missed"));
    query.finish()?;
    let outcome = Outcome { told: done_words(&what, done, missed), can_undo: what == "canceled", wrong: None };
    shown_page(&visitor, asked, outcome, StatusCode::OK).await
}

/// Moves one message.
async fn moved(visitor: &Visitor, id: MessageId, request: &[u8]) -> Result<(), ApiError> {
    let edit = reader::read::<MessageRequest<'_>>(request)?.into_edit(visitor.caller().role)?;
    visitor.engine().edit(visitor.caller(), id, edit, None).await?;
    Ok(())
}

async fn moved_all(visitor: &Visitor, form: &Form, ids: &[MessageId]) -> Result<(u64, u64), ApiError> {
    let request = json!({"send": Wish::at("", "", "").of_form(form).request(None)?}).to_string();
    let results = ids.iter().map(|id| moved(visitor, *id, request.as_bytes()));
    let (mut done, mut missed) = (0, 0);
    for result in futures_util::future::join_all(results).await {
        match result {
            Ok(()) => done += 1,
            Err(ApiError::Engine(EngineError::NotFound | EngineError::Conflict { .. })) => missed += 1,
            // A time that cannot be is so for all of them.
            Err(error) => return Err(error),
        }
    }
    Ok((done, missed))
}

/// Cancels or moves what was chosen.
pub(super) async fn change(Posted { visitor, form }: Posted, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &Asked::NAMES);
    let asked = Asked::of(&mut query);
    query.finish()?;
    let ids: Result<Vec<MessageId>, _> = form.all("id").take(MOST).map(str::parse).collect();
    let ids = ids.map_err(|_| PageError::not_found())?;
    let (what, done, missed) = match form.get("do") {
        _ if ids.is_empty() => ("none", 0, 0),
        "cancel" => {
            let outcome = visitor.engine().cancel_these(visitor.caller(), &ids).await?;
            ("canceled", outcome.canceled, outcome.already_handed_over + outcome.not_found)
        }
        _ => match moved_all(&visitor, &form, &ids).await {
            Ok((done, missed)) => ("moved", done, missed),
            Err(error @ (ApiError::Invalid(_) | ApiError::Engine(EngineError::Invalid(_)))) => {
                let outcome = Outcome { wrong: Some(words(&error)), ..Outcome::default() };
                return shown_page(&visitor, asked, outcome, StatusCode::UNPROCESSABLE_ENTITY).await;
            }
            Err(error) => return Err(error.into()),
        },
    };
    let asked = asked.href();
    let mark = if asked.contains('?') { '&' } else { '?' };
    Ok(see(&format!("{asked}{mark}told={what}&done={done}&missed={missed}")))
}

/// Takes back what was cancelled last, with these contacts.
pub(super) async fn undo(Posted { visitor, form }: Posted) -> Answer {
    let contacts: Result<Vec<ContactId>, _> = form.all("contact").take(MOST).map(str::parse).collect();
    let contacts = contacts.map_err(|_| PageError::not_found())?;
    let undone = contacts.iter().map(|contact| visitor.engine().undo(visitor.caller(), *contact));
    let undone = futures_util::future::join_all(undone).await;
    let what = if undone.iter().any(Result::is_ok) { "undone" } else { "undo_over" };
    Ok(see(&format!("/schedule?told={what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_the_schedule_goes_along_with_its_links() {
        assert_eq!(Asked::default().href(), "/schedule");
        let asked = Asked {
            is_week: true,
            from: NaiveDate::from_ymd_opt(2026, 12, 7),
            channel: Some(Channel::Sms),
            sender: None,
            cursor: None,
        };
        assert_eq!(asked.href(), "/schedule?view=week&from=2026-12-07&channel=sms");
    }

    #[test]
    fn what_was_done_with_many_is_told_with_what_was_not() {
        assert_eq!(done_words("canceled", 1, 0).as_deref(), Some("1 message canceled."));
        let said = done_words("moved", 2, 3).unwrap();
        assert!(said.starts_with("2 messages moved. 3 messages left as they are"), "{said}");
        assert_eq!(done_words("<script>", 1, 0), None);
    }
}
