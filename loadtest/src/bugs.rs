//! Proof that the oracle finds what it looks for: a node with a bug planted for each invariant, and the run that shows
//! it, soon and for certain. The node must be built with feature `planted-bugs`; any other refuses to start so.
//!
//! The names are the node's own (`domain::planted` of its engine): the harness knows them as it knows settings.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use crate::fault::{Fault, Timed};
use crate::oracle::Report;
use crate::scenario::faults::{self, Course, Faults};
use crate::scenario::takeover::{self, Takeover};
use crate::scenario::{StoreKind, TargetOptions};
use crate::sink::plan::Rule;
use crate::sink::{sms, smtp};

/// Contacts of a run: so few that messages of one wait for their turn.
const CONTACTS: usize = 40;
/// Messages a second.
const RATE: usize = 60;
/// Hand-overs a second of a number that has a backlog, and so many at once. So low that two seconds in which this process
/// stands still make little of a difference, and that difference is let off.
const LIMIT: (u32, u32) = (5, 2);
const LET_OFF: u32 = 10;

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bug {
    /// What the node is asked for it by.
    pub name: &'static str,
    /// Which invariant it breaks.
    pub invariant: &'static str,
}

/// One for each invariant.
pub const ALL: [Bug; 7] = [
    Bug { name: "fraction-cut-off", invariant: "I1" },
    Bug { name: "acknowledged-before-durable", invariant: "I2" },
    Bug { name: "withdrawal-not-checked", invariant: "I3" },
    Bug { name: "boot-not-compared", invariant: "I4" },
    Bug { name: "lease-not-checked", invariant: "I5" },
    Bug { name: "tokens-not-taken", invariant: "I6" },
    Bug { name: "order-of-creation", invariant: "I7" },
];

impl Bug {
    /// The bug of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|bug| bug.name == name)
    }

    /// On which store it shows.
    fn store(self) -> StoreKind {
        match self.invariant {
            // A store that can stand still, and that two nodes can have.
            "I2" | "I5" => StoreKind::OwnRedis,
            _ => StoreKind::Embedded,
        }
    }

    /// The run that shows it, but for I5: that takes two nodes.
    fn run(self, seed: u64) -> Faults {
        let timed = |at_ms, fault| Timed { at_ms, fault };
        let (mut sms_rules, mut mail_rules, mut removals) = (Vec::new(), Vec::new(), 0.01);
        let (seconds, limit, faults) = match self.invariant {
            "I2" => (5, (1_000, 100), vec![timed(2_500, Fault::KillBoth { for_ms: 1_500 })]),
            "I3" => {
                // Claims wait for their connections, and their contacts are gone before those are there.
                mail_rules.push(Rule::at(smtp::Step::Connect).delay(Duration::from_secs(3)));
                removals = 0.5;
                (5, (1_000, 100), Vec::new())
            }
            "I4" => {
                // Many are on their way when the node dies.
                sms_rules.push(Rule::at(sms::Submit).delay(Duration::from_millis(400)));
                (4, (1_000, 100), vec![timed(3_000, Fault::KillNode)])
            }
            "I6" | "I7" => (4, LIMIT, Vec::new()),
            _ => (3, (1_000, 100), Vec::new()),
        };
        Faults {
            removals,
            has_replica: false,
            sms_limit: limit,
            pace: (limit == LIMIT).then_some(LET_OFF),
            course: Course::Given { faults, sms: sms_rules, mail: mail_rules },
            // What a killed node had in its hands is taken up when its claim is over.
            rest: Duration::from_secs(40),
            grace: Duration::from_secs(30),
            ..Faults::drawn(seed, Duration::from_secs(seconds), RATE)
        }
    }

    /// Plays its run, with the bug or without it, and gives what the oracle found.
    ///
    /// # Errors
    /// When the node does not start (one without planted bugs refuses the setting), or the run cannot be played.
    pub async fn judge(self, binary: &Path, seed: u64, is_planted: bool) -> anyhow::Result<Report> {
        let bug = is_planted.then_some(self.name);
        if self.invariant == "I5" {
            return takeover::judge(binary, &Takeover { seed, bug }).await.map(|judged| judged.report);
        }
        let options = TargetOptions::Own { binary: binary.to_owned(), store: self.store() };
        let run = Faults { bug, ..self.run(seed) };
        Ok(faults::judge(&options, CONTACTS, &run).await?.report)
    }

    /// Demands that the oracle names the invariant when the bug is planted; what it said.
    ///
    /// # Errors
    /// As for [`Bug::judge`], and when the oracle finds nothing of it.
    pub async fn is_found(self, binary: &Path, seed: u64) -> anyhow::Result<String> {
        let Self { name, invariant } = self;
        let report = self.judge(binary, seed, true).await?;
        match report.first_of(invariant) {
            Some(violation) => Ok(format!("{invariant} {name}: seed {seed}: {violation:?}")),
            None => bail!("seed {seed}: `{name}` is planted, and the oracle finds no {invariant} broken: {report}"),
        }
    }

    /// Demands that the oracle finds nothing in the same run without the bug.
    ///
    /// # Errors
    /// As for [`Bug::judge`], and when the oracle finds something.
    pub async fn is_not_found_without(self, binary: &Path, seed: u64) -> anyhow::Result<()> {
        let report = self.judge(binary, seed, false).await?;
        if !report.is_clean() {
            bail!("seed {seed}: the run of `{}`, without the bug, breaks a promise: {report}", self.name);
        }
        Ok(())
    }
}
