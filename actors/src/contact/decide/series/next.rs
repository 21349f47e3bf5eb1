//! The next message of a series.

use super::super::schedule::{check_content, stored};
use super::super::{Surroundings, planning};
use super::words;
use crate::domain::contact::Contact;
use crate::domain::conversation::ThreadItem;
use crate::domain::ids::{CampaignNo, MessageId, SeriesId};
use crate::domain::message::{Author, Content, HistoryEntry, Message, State, StateName, StoredContent};
use crate::domain::plan::{self, LATE_GRACE, MAX_AHEAD, PlanError, Planned, Terms};
use crate::domain::reason::Reason;
use crate::domain::recurrence::moments::{self, Clock};
use crate::domain::schedule::{Intent, WallClock};
use crate::domain::series::{Occurrence, Series};
use crate::domain::zone::TimeZone;

/// Occurrences in a row that the account's rules may leave out before the series is given up.
const MAX_LEFT_OUT: usize = 64;

/// The series as it goes on, with its next message and what goes into a blob of that; or why there is none.
pub(super) fn next(
    series: &Series,
    item: &ThreadItem,
    contact: &Contact,
    content: &Content,
    around: &Surroundings<'_>,
) -> Result<(Series, Message, Option<Content>), Option<Reason>> {
    let name = series.zone.clone().unwrap_or_else(|| planning::zone_of(contact, around));
    let zone = TimeZone::parse(&name).unwrap_or_else(|_| TimeZone::utc());
    let clock = Clock { zone: &zone, gap: series.gap, fold: series.fold };
    let terms = Terms { quiet_hours: series.quiet_hours, if_late: series.if_late };
    let id = SeriesId::of_entry(item.id);
    let (mut last, mut passed, mut left_out) = ((series.place, series.place_at), series.passed, None);
    for _ in 0..MAX_LEFT_OUT {
        let not_before = around.now.minus(LATE_GRACE);
        let moment = moments::next(&series.recurrence, series.start, Some(last), clock, not_before).ok_or(None)?;
        if moment.at > around.now.plus(MAX_AHEAD) {
            return Err(None);
        }
        passed = passed.saturating_add(moment.passed);
        let message = id.occurrence(&moment.place.at.to_string());
        let calendar = planning::calendar(contact, (message, &series.to), series.class, around);
        match plan::fit(moment.at, moment.at.max(around.now), terms, &calendar) {
            Ok(planned) => {
                let (stored, blob) = stored(content.clone());
                let made = series.made.saturating_add(1);
                let occurrence =
                    Occurrence { series: id, number: made, at: moment.place.at, repeats: words(&series.recurrence) };
                let next = Series {
                    place: moment.place,
                    place_at: moment.at,
                    latest: message,
                    made,
                    passed,
                    ..series.clone()
                };
                let wall = WallClock {
                    local: moment.place.at.to_string(),
                    zone: name,
                    zone_of_contact: series.zone.is_none(),
                    gap: series.gap,
                    fold: series.fold,
                    resolution: moment.resolution,
                };
                let made = Made { message, occurrence, wall, planned, stored };
                return Ok((next, message_of(series, contact, made, content, around), blob));
            }
            Err(PlanError::Skipped(cause)) => left_out = Some(Reason::Skipped(cause)),
            Err(PlanError::NoMoment { cause, .. }) => left_out = Some(Reason::NoMoment(cause)),
            Err(_) => return Err(None),
        }
        passed = passed.saturating_add(1);
        last = (moment.place, moment.at);
    }
    Err(left_out)
}

/// What an occurrence has of its own.
struct Made {
    message: MessageId,
    occurrence: Occurrence,
    wall: WallClock,
    planned: Planned,
    stored: StoredContent,
}

fn message_of(series: &Series, contact: &Contact, made: Made, content: &Content, around: &Surroundings<'_>) -> Message {
    let Made { message, occurrence, wall, planned: Planned { due_at, plan }, stored } = made;
    // One whose sender is gone, or whose template fails, is held when its time comes: a person sees it then.
    let sender = around.directory.sender(series.sender).filter(|sender| sender.account == contact.account);
    let estimated_cost =
        sender.map_or(1, |sender| check_content(contact, sender, series.channel, content, around, &mut Vec::new()));
    Message {
        id: message,
        origin: None,
        account: contact.account,
        contact: contact.id,
        version: 1,
        channel: series.channel,
        class: series.class,
        sender: series.sender,
        lane: sender.map_or(series.lane, |sender| sender.lane),
        to: series.to.clone(),
        content: stored,
        attachments: Vec::new(),
        state: State::Scheduled,
        reason: planning::reason(plan.as_ref()),
        intent: Intent::Wall(wall),
        due_at,
        if_late: series.if_late,
        quiet_hours: series.quiet_hours,
        cancel_on_reply: series.cancel_on_reply,
        created_us: around.ids.created_us(around.now),
        updated_at: around.now,
        since: around.now,
        is_cancel_requested: false,
        author: series.author,
        campaign: CampaignNo(0),
        estimated_cost,
        attempts: Vec::new(),
        history: vec![HistoryEntry {
            at: around.now,
            state: StateName::Scheduled,
            reason: Some(Reason::Repeated),
            by: Author::System,
        }],
        request_hash: None,
        metadata: series.metadata.clone(),
        requeue_of: None,
        reply: series.reply,
        thread: None,
        receipt: None,
        test: series.test,
        callback_url: series.callback_url.clone(),
        plan,
        response: Default::default(),
        series: Some(Box::new(occurrence)),
    }
}
