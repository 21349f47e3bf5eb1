//! A lane as operators see it.

use sendwheel_actors::domain::directory::{Limit, Snapshot};
use sendwheel_actors::domain::ids::SenderId;
use sendwheel_actors::engine::operations::LaneView;

use crate::api::times::show_duration;
use crate::ui::entry::channel_name;

/// A lane.
pub(super) struct Lane {
    /// Its sender; none: it was removed, or it is a webhook's.
    pub(super) sender: Option<SenderId>,
    pub(super) address: String,
    pub(super) account: String,
    pub(super) channel: &'static str,
    /// Conversation, transactional, campaign.
    pub(super) backlog: [String; 3],
    pub(super) in_flight: usize,
    pub(super) limit: String,
    pub(super) rate: String,
    pub(super) per: String,
    pub(super) paused: bool,
    pub(super) breaker: &'static str,
    pub(super) tone: &'static str,
    pub(super) blocked: Option<String>,
}

impl Lane {
    pub(super) fn of(lane: &LaneView, directory: &Snapshot) -> Self {
        let sender = lane.sender.and_then(|id| directory.sender(id));
        let webhook = directory.webhook_of_lane(lane.lane);
        let waiting = |at: usize| format!("{}{}", lane.backlog[at], if lane.parked[at] { "+" } else { "" });
        let limit = |limit: &Limit| format!("{} in {}", limit.rate, show_duration(limit.per));
        let (breaker, tone) = match lane.breaker {
            _ if lane.paused => ("Paused", "warn"),
            "closed" => ("Works", "good"),
            "open" => ("Provider fails", "bad"),
            _ => ("Being tried again", "warn"),
        };
        Self {
            sender: lane.sender,
            address: match (sender, webhook) {
                (Some(sender), _) => sender.address.to_string(),
                // Its URL may carry a token.
                (None, Some(_)) => "a webhook".into(),
                (None, None) => "a sender that was removed".into(),
            },
            account: directory.account(lane.account).map_or_else(|| "the system".into(), |it| it.name.clone()),
            channel: channel_name(lane.channel),
            backlog: [waiting(0), waiting(1), waiting(2)],
            in_flight: lane.in_flight,
            limit: lane.limit.as_ref().map_or_else(|| "none".into(), limit),
            rate: lane.limit.map(|limit| limit.rate.to_string()).unwrap_or_default(),
            per: lane.limit.map(|limit| show_duration(limit.per)).unwrap_or_default(),
            paused: lane.paused,
            breaker,
            tone,
            blocked: lane.blocked_for.map(|wait| format!("for {} s", wait.as_secs().max(1))),
        }
    }
}
