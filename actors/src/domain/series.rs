//! A series: one message, said again whenever its recurrence says so.
//!
//! A series belongs to its contact and is an entry of the contact's thread ([`super::conversation::ItemKind::Series`]).
//! While it goes on it stands behind everything that ever happened ([`super::conversation::ThreadItem::STANDING`]),
//! where nothing is forgotten; once it is over it is an event of the past like any other.
//!
//! | state | who moves it |
//! |---|---|
//! | `active` | a caller, by scheduling a message with a recurrence |
//! | `ended` | its rule has no more occurrences; the contact replied, opted out, or the address was suppressed |
//! | `canceled` | a caller; undone within ten seconds, it is `active` again |
//!
//! Of its occurrences only the next one is there, as a message of its own. What makes the one after it is whatever moves
//! it out of the way ([`Fate`]), in the same batch: so none is lost and none is doubled. Their ids are derived from the
//! series and the time on the wall.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::address::{Address, Channel, WebUrl};
use super::clock::UnixMs;
use super::ids::{LaneNo, MessageId, SenderId, SeriesId};
use super::message::{Author, Class, Message, ReplyChoice, State, StoredContent};
use super::reason::Reason;
use super::recurrence::{Civil, Place, Recurrence};
use super::schedule::{FoldPolicy, GapPolicy, IfLate, QuietHoursPolicy};

/// Where a series stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesState {
    /// It goes on.
    Active,
    /// It came to its end.
    Ended,
    /// A caller took it back.
    Canceled,
}

impl SeriesState {
    /// The stable name shown in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Canceled => "canceled",
        }
    }
}

/// A series, as stored in its entry of the thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Where it stands.
    pub state: SeriesState,
    /// Why it is over.
    pub reason: Option<Reason>,
    /// When it happens.
    pub recurrence: Recurrence,
    /// What its recurrence is counted from.
    pub start: Civil,
    /// The zone whose clock it goes by; `None`: the contact's, whichever that is by then.
    pub zone: Option<String>,
    /// What to do with a time that clocks skip.
    pub gap: GapPolicy,
    /// What to do with one that they repeat.
    pub fold: FoldPolicy,
    /// The latest occurrence that was made.
    pub place: Place,
    /// Its instant, when it was made.
    pub place_at: UnixMs,
    /// The message that it is.
    pub latest: MessageId,
    /// Messages made so far.
    pub made: u32,
    /// Occurrences that were not made, because they had passed, or no rule of the account left them a moment.
    pub passed: u32,
    /// When it was scheduled.
    pub created_at: UnixMs,
    /// The last change.
    pub updated_at: UnixMs,
    /// Who scheduled it.
    pub author: Author,
    /// The way its messages travel.
    pub channel: Channel,
    /// How urgent they are.
    pub class: Class,
    /// What they are sent from.
    pub sender: SenderId,
    /// The lane of that sender.
    pub lane: LaneNo,
    /// The recipient's address.
    pub to: Address,
    /// What they say, as its author gave it; large content in a blob under the id of the series.
    pub content: StoredContent,
    /// What each does if its moment has long passed.
    pub if_late: IfLate,
    /// What each does in quiet hours.
    pub quiet_hours: QuietHoursPolicy,
    /// Whether a reply ends it.
    pub cancel_on_reply: bool,
    /// Email: which mail each answers.
    pub reply: ReplyChoice,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
    /// Where the changes of its messages are told.
    pub callback_url: Option<WebUrl>,
    /// Its messages go to the outbox, whatever the transport.
    pub test: bool,
}

/// Which occurrence of which series a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The series.
    pub series: SeriesId,
    /// Its number among the messages of the series, from 1.
    pub number: u32,
    /// The time on the wall that the rule names, whatever became of it since.
    pub at: Civil,
    /// The recurrence in words, at most [`Occurrence::MAX_WORDS`] characters.
    pub repeats: String,
}

impl Occurrence {
    /// Characters of the recurrence in words that a message keeps.
    pub const MAX_WORDS: usize = 200;
}

/// What becomes of a series by what became of its latest message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is still to come, or waits for a person.
    Waits,
    /// It is out of the way: the next one is made.
    GoesOn,
    /// What stopped it stops all.
    Ends(Reason),
}

impl Fate {
    /// By its latest message; `None`: that is gone.
    ///
    /// One that is held keeps the series waiting: what holds it would hold the next as well, and whoever releases or
    /// cancels it moves the series on.
    #[must_use]
    pub fn of(latest: Option<&Message>) -> Self {
        match latest.map(|message| (&message.state, &message.reason)) {
            Some((State::Scheduled | State::Held, _)) => Self::Waits,
            Some((
                State::Canceled,
                Some(
                    reason @ (Reason::Replied
                    | Reason::ConsentDenied
                    | Reason::ConsentMissing
                    | Reason::Suppressed(_)
                    | Reason::ContactDeleted),
                ),
            )) => Self::Ends(reason.clone()),
            _ => Self::GoesOn,
        }
    }
}
