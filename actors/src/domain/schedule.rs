//! What an author meant by "when": the intent is kept, with the resolved instant beside it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::UnixMs;

/// What to do with a wall-clock time that a clock change skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapPolicy {
    /// Move ahead by the length of the gap (02:30 becomes 03:30).
    #[default]
    Forward,
    /// Move back by the length of the gap (02:30 becomes 01:30).
    Backward,
    /// Refuse.
    Reject,
}

/// What to do with a wall-clock time that a clock change repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldPolicy {
    /// Take the first of the two.
    #[default]
    First,
    /// Take the second.
    Last,
    /// Refuse.
    Reject,
}

/// How a wall-clock time met a clock change; reported to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The zone has exactly this time.
    Exact,
    /// The zone skips it; the gap policy decided.
    Gap,
    /// The zone has it twice; the fold policy decided.
    Fold,
}

/// A wall-clock time in a zone, as its author gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallClock {
    /// `2026-12-01T09:00:00`, without offset.
    pub local: String,
    /// IANA name, as resolved (never `contact`).
    pub zone: String,
    /// Whether the zone is to follow the contact's.
    pub zone_of_contact: bool,
    /// See [`GapPolicy`].
    pub gap: GapPolicy,
    /// See [`FoldPolicy`].
    pub fold: FoldPolicy,
    /// How it met the zone's rules when it was resolved.
    pub resolution: Resolution,
}

/// What to do with a message whose contact too little is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TooLittleData {
    /// Send it at the first moment of the window.
    #[default]
    Now,
    /// Take the contact for one like the others of its account.
    Population,
    /// Send it at this moment.
    At(UnixMs),
}

/// A window of which the best moment is to be found; half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmartWindow {
    /// Its beginning.
    pub from: UnixMs,
    /// Its end.
    pub to: UnixMs,
    /// So many hours from when it was asked for; none: both ends were named.
    pub hours: Option<u8>,
    /// If too little is known.
    pub too_little_data: TooLittleData,
}

/// When a message is meant to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// At once.
    #[serde(rename = "n", alias = "Now")]
    Now,
    /// At an instant.
    #[serde(rename = "a", alias = "At")]
    At(UnixMs),
    /// At a wall-clock time in a zone.
    #[serde(rename = "w", alias = "Wall")]
    Wall(WallClock),
    /// At the best moment of a window.
    #[serde(rename = "s", alias = "Smart")]
    Smart(SmartWindow),
}

/// What to do with a message whose moment passed while the system was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IfLate {
    /// Send it all the same.
    #[default]
    #[serde(rename = "s", alias = "Send")]
    Send,
    /// Expire it when it is later than this.
    #[serde(rename = "k", alias = "SkipAfter")]
    SkipAfter(Duration),
    /// Plan it again from its intent.
    #[serde(rename = "r", alias = "Replan")]
    Replan,
}

/// What to do with a message that falls into quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuietHoursPolicy {
    /// Wait until they end.
    #[default]
    Defer,
    /// Do not send.
    Skip,
    /// Send all the same (admin).
    Ignore,
}
