//! Why a text is no recurrence, in words that say what is.

/// What frequencies there are, for errors.
const FREQUENCIES: &str = "`DAILY`, `WEEKLY`, `MONTHLY` or `YEARLY`";

/// Why a text is not a recurrence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    /// Nothing in it.
    #[error("the recurrence is empty: give a rule such as `FREQ=WEEKLY;BYDAY=MO`")]
    Empty,
    /// Longer than [`super::Recurrence::MAX_LEN`].
    #[error("a recurrence has at most 4096 bytes: leave out dates that have passed")]
    TooLong,
    /// No rule among its lines.
    #[error("there is no rule: give one such as `RRULE:FREQ=WEEKLY;BYDAY=MO`")]
    NoRule,
    /// A line that is not one of the three.
    #[error("this line is not understood: expected `RRULE:`, `EXDATE:` or `RDATE:`, one a line")]
    UnknownLine,
    /// `DTSTART` beside a time of its own.
    #[error("leave `DTSTART` out: a series begins with the message's `send.at`, in its `time_zone`")]
    HasStart,
    /// A parameter such as `TZID`.
    #[error("leave `{0}` out: all times of a series are those of the message's `time_zone`")]
    Parameter(String),
    /// A part without a value.
    #[error("`{0}` is not understood: expected parts such as `FREQ=DAILY`, with `;` between them")]
    NotAPart(String),
    /// A part that stands there twice.
    #[error("`{0}` is given twice: give it once, with `,` between its values")]
    Twice(&'static str),
    /// No `FREQ`.
    #[error("a rule needs `FREQ`: {FREQUENCIES}")]
    NoFrequency,
    /// A frequency that there is not.
    #[error("`FREQ` is one of {FREQUENCIES}")]
    UnknownFrequency,
    /// More often than daily.
    #[error("`FREQ={0}` is not supported: use `FREQ=DAILY` with `BYHOUR` and `BYMINUTE`, such as `BYHOUR=9,12,15`")]
    TooOften(&'static str),
    /// A part of RFC 5545 that is not supported.
    #[error("`{part}` is not supported: {instead}")]
    Unsupported {
        /// The part.
        part: &'static str,
        /// What to use in its place.
        instead: &'static str,
    },
    /// No part of RFC 5545.
    #[error(
        "`{0}` is no part of a rule: there are `FREQ`, `INTERVAL`, `COUNT`, `UNTIL`, `BYMONTH`, `BYMONTHDAY`, `BYDAY`, \
         `BYHOUR`, `BYMINUTE`, `BYSETPOS` and `WKST`"
    )]
    UnknownPart(String),
    /// A value that its part cannot have.
    #[error("`{part}` has {allowed}")]
    Value {
        /// The part.
        part: &'static str,
        /// What it can have.
        allowed: &'static str,
    },
    /// Both ends.
    #[error("a rule ends by `COUNT` or by `UNTIL`: give one of them")]
    TwoEnds,
    /// A part that means nothing at this frequency.
    #[error("`{part}` means nothing with `FREQ={frequency}`: {instead}")]
    NotWith {
        /// The part.
        part: &'static str,
        /// The frequency.
        frequency: &'static str,
        /// What to use in its place.
        instead: &'static str,
    },
    /// `BYSETPOS` alone.
    #[error("`BYSETPOS` chooses among what other parts give: add one, such as `BYDAY`")]
    NothingToChooseFrom,
    /// A moment of `EXDATE` or `RDATE` in UTC.
    #[error("`{0}` has times of the series' own clock: leave the `Z` out")]
    DateInUtc(&'static str),
    /// Something of `EXDATE` or `RDATE` that is no moment.
    #[error("`{part}` has moments such as {example}, with `,` between them")]
    NotAMoment {
        /// The part.
        part: &'static str,
        /// What they look like.
        example: &'static str,
    },
    /// More than [`super::Recurrence::MAX_DATES`].
    #[error("`{0}` names at most 100 moments: leave out those that have passed")]
    TooManyDates(&'static str),
}

impl RecurrenceError {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::TooManyDates(_) => "too_many",
            Self::TooOften(_) | Self::Unsupported { .. } | Self::Parameter(_) | Self::HasStart | Self::DateInUtc(_) => {
                "recurrence_not_supported"
            }
            _ => "not_a_recurrence",
        }
    }
}
