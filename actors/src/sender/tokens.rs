//! The tokens behind a permit, one of each bucket that its ticket draws on: its lane's, its account's, its
//! destination's and the channel's. All limits are checked, then all are taken, at one moment.
//!
//! That moment may lie ahead, as far as whoever takes them allows: a permit whose claim takes a while is
//! given the moment at which it will be back. What is taken ahead is gone for all that come later, so the
//! moments of all permits together keep every limit, in whatever order they were given.

use super::limits::{Gcra, Taken};
use crate::domain::clock::BootUs;

/// Whose bucket it is. They are asked in this order, so the first that is closed names who has to wait: what concerns
/// the fewest others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Lane,
    Account,
    Destination,
    Channel,
}

const ALL: [Whose; 4] = [Whose::Lane, Whose::Account, Whose::Destination, Whose::Channel];

/// The buckets that a ticket of a lane draws on, by [`Whose`] they are; `None` where there is no limit.
#[derive(Debug)]
pub(super) struct Buckets<'a>(pub(super) [Option<&'a mut Gcra>; ALL.len()]);

/// What a permit took; nothing where there is no limit.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub(super) struct Tokens([Option<Taken>; ALL.len()]);

/// The first moment comes too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooEarly {
    /// The first whose bucket is closed.
    pub(super) whose: Whose,
    /// When it opens.
    pub(super) at: BootUs,
}

impl Buckets<'_> {
    /// Takes `cost` units of each at the first moment from `now` on that all allow, unless that is after
    /// `latest`: then nothing.
    pub(super) fn take(&mut self, cost: u16, now: BootUs, latest: BootUs) -> Result<(BootUs, Tokens), TooEarly> {
        let mut at = now;
        for (whose, bucket) in ALL.into_iter().zip(&mut self.0) {
            let Some(bucket) = bucket else { continue };
            let opens_at = bucket.earliest(now, cost);
            if opens_at > latest {
                return Err(TooEarly { whose, at: opens_at });
            }
            at = at.max(opens_at);
        }
        let take = |bucket: &mut Option<&mut Gcra>| {
            let bucket = bucket.as_mut()?;
            let taken = bucket.check(at, cost).expect("it is open from an earlier moment on");
            bucket.take(&taken);
            Some(taken)
        };
        Ok((at, Tokens(self.0.each_mut().map(take))))
    }

    fn each_with(&mut self, tokens: Tokens, mut with: impl FnMut(&mut Gcra, Taken)) {
        for (bucket, token) in self.0.iter_mut().zip(tokens.0) {
            if let (Some(bucket), Some(token)) = (bucket, token) {
                with(bucket, token);
            }
        }
    }

    /// Gives tokens back that were not used; each bucket takes its own if nothing was taken since.
    pub(super) fn give_back(&mut self, tokens: Tokens) {
        self.each_with(tokens, |bucket, token| {
            let _ = bucket.give_back(token);
        });
    }

    /// Charges what the message really cost.
    pub(super) fn true_up(&mut self, tokens: Tokens, cost: u16) {
        self.each_with(tokens, |bucket, token| bucket.true_up(token, cost));
    }

    /// Whether these are tokens of the limits as they are now.
    pub(super) fn honour(&self, tokens: &Tokens) -> bool {
        self.0.iter().zip(&tokens.0).all(|(bucket, token)| match (bucket, token) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(bucket), Some(token)) => bucket.is_of_this_limit(token),
        })
    }
}
