//! The last look while the process still runs: it has recovered. Every contact gets one more message over each
//! limited sender, and all of them go as fast as the limits allow: no lane, no contact and no token was left
//! behind by what happened before. And every contact goes from zone to zone: what waits is planned again.

use std::collections::BTreeMap;
use std::time::Duration;

use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::ids::{ContactId, MessageId, SenderId};
use sendwheel_actors::domain::message::{Class, Content, Message, State, StateName};
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy, IfLate, QuietHoursPolicy};
use sendwheel_actors::engine::api::{EngineError, EngineResult, NewIntent, NewMessage, ProfilePatch, ZoneChoice};

use crate::quiet::{BERLIN, HONOLULU, MINUTE_MS, Quiet};
use crate::workload::{CALLER, Callers};

/// Buckets are full again, breakers let a probe through, what is past its retention has left.
const REST: Duration = Duration::from_secs(80);
/// Beyond what the limits make it take.
const SLACK_MS: i64 = 1_500;
/// While the store is slow.
const PATIENCE_MS: i64 = 30_000;

fn message(channel: Channel, from: SenderId) -> NewMessage {
    NewMessage {
        channel,
        to: None,
        from: Some(from),
        content: Content {
            subject: (channel == Channel::Email).then(|| "Probe".into()),
            text: Some("Probe v0".into()),
            ..Content::default()
        },
        template: None,
        attachments: Vec::new(),
        intent: NewIntent::Now,
        class: Some(Class::Conversation),
        if_late: IfLate::Send,
        quiet_hours: QuietHoursPolicy::Ignore,
        reply: Default::default(),
        cancel_on_reply: false,
        metadata: BTreeMap::new(),
        recurrence: None,
        callback_url: None,
        idempotency: None,
    }
}

/// Asks, and waits for what comes of it.
pub async fn probe(callers: &Callers) {
    let world = &callers.world;
    let lanes: Vec<(SenderId, Channel, Limit)> = {
        let model = world.model();
        let live = model.lanes.iter().filter(|(_, lane)| lane.removed_at.is_none());
        live.filter_map(|(id, lane)| {
            Some((*id, if lane.is_email { Channel::Email } else { Channel::Sms }, lane.limit?))
        })
        .collect()
    };
    let live = || -> Vec<ContactId> {
        let model = world.model();
        model.mirror.contacts.values().filter(|contact| contact.is_live()).map(|contact| contact.id).collect()
    };
    if let (Some(quiet), Some((sender, channel, _))) = (world.plan.quiet, lanes.first()) {
        for contact in &live() {
            moving(callers, quiet, *contact, message(*channel, *sender)).await;
        }
    }
    // Nothing else is to take the lanes' tokens, neither while they rest nor afterwards: also nothing that was planned
    // again, and nothing that repeats.
    let mut is_quiet = false;
    while !is_quiet {
        let soon = world.now() + 2 * REST.as_millis() as i64;
        let is_soon = |message: &Message| message.state == State::Scheduled && message.due_at.0 < soon;
        is_quiet = !world.model().mirror.messages.values().any(is_soon);
        tokio::time::sleep(REST).await;
    }
    world.begin_probe();
    let contacts = live();
    for (sender, channel, limit) in lanes {
        let begun = world.elapsed();
        let mut asked = Vec::new();
        for contact in &contacts {
            match callers.engine.schedule(&CALLER, *contact, message(channel, sender)).await {
                Ok(created) => asked.push(created.into_inner().message.id),
                // Opted out, or without an address; or the sender is gone, and nobody was told.
                Err(EngineError::Invalid(_)) => {}
                Err(error) => world.violation(format!("probe: {contact} could not be written to: {error}")),
            }
        }
        // The burst goes at once.
        let limited = asked.len().saturating_sub(limit.burst as usize);
        let interval_ms = limit.per.as_secs_f64() * 1_000.0 / f64::from(limit.rate);
        let until = begun + (limited as f64 * interval_ms) as i64 + SLACK_MS;
        let left = || -> Vec<MessageId> {
            let model = world.model();
            let state = |id: &MessageId| model.mirror.messages.get(id).map(|message| message.state.name());
            // One to a suppressed address is taken back when its turn comes.
            let is_there = |id: &&MessageId| matches!(state(id), Some(StateName::Scheduled | StateName::Sending));
            asked.iter().filter(is_there).copied().collect()
        };
        while !left().is_empty() && world.elapsed() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for id in left() {
            world.violation(format!("probe: {id} did not go within {} ms", world.elapsed() - begun));
        }
    }
}

/// Two messages of tomorrow: one for a moment in Berlin's quiet hours, one for an evening wherever the contact is.
async fn moving(callers: &Callers, quiet: Quiet, contact: ContactId, like: NewMessage) {
    let world = &callers.world;
    let (begins, ends) = quiet.berlin.next(world.now());
    let wanted = begins + MINUTE_MS / 2;
    let evening = UnixMs(begins).to_datetime().format("%Y-%m-%dT20:00:00").to_string();
    let evening_at = |ahead: i64| begins - begins.rem_euclid(24 * 60 * MINUTE_MS) + (20 * 60 - ahead) * MINUTE_MS;
    let wall = NewIntent::Wall {
        local: evening,
        zone: ZoneChoice::OfContact,
        gap: GapPolicy::default(),
        fold: FoldPolicy::default(),
    };
    let mut asked = Vec::new();
    for intent in [NewIntent::At(UnixMs(wanted)), wall] {
        let new = NewMessage {
            intent,
            class: Some(Class::Transactional),
            quiet_hours: QuietHoursPolicy::Defer,
            ..like.clone()
        };
        match patiently(callers, || callers.engine.schedule(&CALLER, contact, new.clone())).await {
            Ok(created) => asked.push(created.into_inner().message.id),
            Err(EngineError::Invalid(_)) => {}
            Err(error) => world.violation(format!("probe: {contact} could not be written to tomorrow: {error}")),
        }
    }
    for (zone, ahead) in [BERLIN, HONOLULU, BERLIN] {
        let patch = ProfilePatch { time_zone: Some(Some(zone.into())), ..ProfilePatch::default() };
        if let Err(error) =
            patiently(callers, || callers.engine.patch_contact(&CALLER, contact, patch.clone(), None)).await
        {
            world.violation(format!("probe: {contact} could not move to {zone}: {error}"));
        }
        let expected = [if zone == BERLIN.0 { ends } else { wanted }, evening_at(ahead)];
        let due = || -> Vec<i64> {
            let model = world.model();
            asked.iter().filter_map(|id| model.mirror.messages.get(id)).map(|message| message.due_at.0).collect()
        };
        let until = world.elapsed() + PATIENCE_MS;
        while due() != expected[..asked.len()] && world.elapsed() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if due() != expected[..asked.len()] {
            world.violation(format!(
                "replan: in {zone}, {asked:?} of {contact} are due at {:?}, not {expected:?}",
                due()
            ));
        }
    }
    for id in asked {
        if let Err(error) = patiently(callers, || callers.engine.cancel(&CALLER, id)).await {
            world.violation(format!("probe: {id} could not be cancelled: {error}"));
        }
    }
}

/// A slow store may have cost a lease: then a caller is told to come again, and does.
async fn patiently<T, F: Future<Output = EngineResult<T>>>(callers: &Callers, ask: impl Fn() -> F) -> EngineResult<T> {
    let until = callers.world.elapsed() + PATIENCE_MS;
    loop {
        match ask().await {
            Err(EngineError::Unavailable) if callers.world.elapsed() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return other,
        }
    }
}
