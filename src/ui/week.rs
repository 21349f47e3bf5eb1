//! A week of the schedule as a calendar, on the viewer's clocks.

use chrono::{Datelike, Days, NaiveDate};
use sendwheel_actors::engine::api::PageRequest;

use super::error::PageError;
use super::schedule::{Asked, Due, begin_of, told};
use super::visitor::Visitor;
use super::when;

/// Messages of a day that are shown.
const SHOWN: usize = 8;

/// A day of the week.
pub(super) struct WeekDay {
    pub(super) name: String,
    pub(super) date: String,
    pub(super) is_today: bool,
    pub(super) due: Vec<Due>,
    /// The list from this day on, when there is more.
    pub(super) more: Option<String>,
}

/// A week.
pub(super) struct Week {
    pub(super) title: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) this: String,
    pub(super) days: Vec<WeekDay>,
}

/// The Monday of a day's week.
fn monday_of(day: NaiveDate) -> NaiveDate {
    day - Days::new(u64::from(day.weekday().num_days_from_monday()))
}

impl Week {
    pub(super) async fn read(visitor: &Visitor, asked: &Asked) -> Result<Self, PageError> {
        let today = when::civil(&visitor.zone, visitor.now()).date();
        let monday = monday_of(
            asked.from.unwrap_or(today).clamp(NaiveDate::MIN + Days::new(14), NaiveDate::MAX - Days::new(14)),
        );
        let at = |from, is_week| Asked { is_week, from: Some(from), cursor: None, ..asked.clone() }.href();
        let read = (0..7).map(async |number| {
            let day = monday + Days::new(number);
            let begin = |day| begin_of(day, &visitor.zone);
            let filter = asked.filter(begin(day), begin(day + Days::new(1)));
            let request = PageRequest { cursor: None, limit: SHOWN };
            let found = visitor.engine().schedule_of(visitor.caller(), &filter, request).await?;
            Ok::<_, PageError>(WeekDay {
                name: day.format("%a").to_string(),
                date: day.format("%-d %b").to_string(),
                is_today: day == today,
                due: told(visitor, &found.items).await?,
                more: found.next_cursor.map(|_| at(day, false)),
            })
        });
        let days: Result<Vec<_>, _> = futures_util::future::join_all(read).await.into_iter().collect();
        let sunday = monday + Days::new(6);
        Ok(Self {
            title: format!("{} – {}", monday.format("%-d %b"), sunday.format("%-d %b %Y")),
            before: at(monday - Days::new(7), true),
            after: at(monday + Days::new(7), true),
            this: Asked { is_week: true, from: None, cursor: None, ..asked.clone() }.href(),
            days: days?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
        for (of, monday) in [(7, 7), (8, 7), (13, 7), (14, 14)] {
            assert_eq!(monday_of(day(of)), day(monday));
        }
    }
}
