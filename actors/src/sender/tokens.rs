//! The tokens behind a permit, one of its lane's bucket and one of the channel's: all limits are checked,
//! then all are taken, at one moment.
//!
//! That moment may lie ahead, as far as whoever takes them allows: a permit whose claim takes a while is
//! given the moment at which it will be back. What is taken ahead is gone for all that come later, so the
//! moments of all permits together keep every limit, in whatever order they were given.

use super::limits::{Gcra, Taken};
use crate::domain::clock::BootUs;

/// The buckets that a ticket of a lane draws on.
#[derive(Debug)]
pub(super) struct Buckets<'a> {
    pub(super) lane: Option<&'a mut Gcra>,
    pub(super) channel: Option<&'a mut Gcra>,
}

/// What a permit took; nothing where there is no limit.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub(super) struct Tokens {
    lane: Option<Taken>,
    channel: Option<Taken>,
}

/// The first moment comes too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooEarly {
    /// For the lane.
    Lane(BootUs),
    /// For the channel alone.
    Channel(BootUs),
}

impl Buckets<'_> {
    /// Takes `cost` units of both at the first moment from `now` on that both allow, unless that is after
    /// `latest`: then nothing.
    pub(super) fn take(&mut self, cost: u16, now: BootUs, latest: BootUs) -> Result<(BootUs, Tokens), TooEarly> {
        let of_lane = self.lane.as_mut().map_or(now, |bucket| bucket.earliest(now, cost));
        if of_lane > latest {
            return Err(TooEarly::Lane(of_lane));
        }
        let of_channel = self.channel.as_mut().map_or(now, |bucket| bucket.earliest(now, cost));
        if of_channel > latest {
            return Err(TooEarly::Channel(of_channel));
        }
        let at = of_lane.max(of_channel);
        let take = |bucket: &mut Option<&mut Gcra>| {
            let bucket = bucket.as_mut()?;
            let taken = bucket.check(at, cost).expect("it is open from an earlier moment on");
            bucket.take(&taken);
            Some(taken)
        };
        Ok((at, Tokens { lane: take(&mut self.lane), channel: take(&mut self.channel) }))
    }

    /// Gives tokens back that were not used; each bucket takes its own if nothing was taken since.
    pub(super) fn give_back(&mut self, tokens: Tokens) {
        for (bucket, token) in [(&mut self.lane, tokens.lane), (&mut self.channel, tokens.channel)] {
            if let (Some(bucket), Some(token)) = (bucket, token) {
                let _ = bucket.give_back(token);
            }
        }
    }

    /// Charges what the message really cost.
    pub(super) fn true_up(&mut self, tokens: Tokens, cost: u16) {
        for (bucket, token) in [(&mut self.lane, tokens.lane), (&mut self.channel, tokens.channel)] {
            if let (Some(bucket), Some(token)) = (bucket, token) {
                bucket.true_up(token, cost);
            }
        }
    }

    /// Whether these are tokens of the limits as they are now.
    pub(super) fn honour(&self, tokens: &Tokens) -> bool {
        let is_of = |bucket: &Option<&mut Gcra>, token: &Option<Taken>| match (bucket, token) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(bucket), Some(token)) => bucket.is_of_this_limit(token),
        };
        is_of(&self.lane, &tokens.lane) && is_of(&self.channel, &tokens.channel)
    }
}
