//! What was asked for, and what came of it: the plan of a message.

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::SeriesId;
use sendwheel_actors::domain::message::Message;
use sendwheel_actors::domain::reason::Reason;
use sendwheel_actors::domain::recurrence::Civil;
use sendwheel_actors::domain::schedule::{Intent, Resolution};
use serde::Serialize;
use utoipa::ToSchema;

use super::contact_view::as_text;
use super::message_view::{ReasonView, SendView};
use super::schemas;
use super::smart_view::ChosenView;

/// Which occurrence of which rule a message is.
#[derive(Serialize, ToSchema)]
#[schema(as = Occurrence)]
pub(crate) struct OccurrenceView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    series_id: SeriesId,
    /// Among the messages of its series, from 1.
    number: u32,
    /// The time on the wall that the rule names.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "2026-12-01T09:00:00")]
    at: Civil,
    /// The rule in words.
    #[schema(value_type = String, example = "weekly on Mon, 10 times")]
    repeats: &'a str,
}

/// What was asked for and what came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanView<'a> {
    #[schema(value_type = SendView)]
    send: SendView<'a>,
    /// How a wall-clock time met its zone's rules; `exact` for the others.
    #[schema(value_type = schemas::Resolution)]
    resolution: Resolution,
    /// The moment that was meant; its lateness counts from there.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    wanted_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    due_at: UnixMs,
    /// What the account's rules made it wait for, in order.
    delays: Vec<DelayView>,
    /// The zone of the clock that those rules were held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    zone: Option<&'a str>,
    /// Which occurrence it is, if it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OccurrenceView>)]
    occurrence: Option<OccurrenceView<'a>>,
    /// How the moment of a window was chosen, and against what.
    #[serde(skip_serializing_if = "Option::is_none")]
    smart: Option<ChosenView>,
}

/// A wait, and its end.
#[derive(Serialize, ToSchema)]
#[schema(as = Delay)]
struct DelayView {
    /// Why: `quiet_hours`, `send_window`, `holiday`.
    reason: ReasonView,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    until: UnixMs,
}

impl<'a> PlanView<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        let delays = message
            .plan
            .iter()
            .flat_map(|plan| &plan.delays)
            .map(|delay| DelayView { reason: ReasonView::stored(&Reason::Delayed(delay.cause)), until: delay.until });
        Self {
            send: SendView::of(&message.intent),
            resolution: match &message.intent {
                Intent::Wall(wall) => wall.resolution,
                Intent::Now | Intent::At(_) | Intent::Smart(_) => Resolution::Exact,
            },
            wanted_at: message.wanted_at(),
            due_at: message.due_at,
            delays: delays.collect(),
            zone: message.plan.as_ref().map(|plan| plan.zone.as_str()),
            occurrence: message.series.as_ref().map(|of| OccurrenceView {
                series_id: of.series,
                number: of.number,
                at: of.at,
                repeats: &of.repeats,
            }),
            smart: message.plan.as_ref().and_then(ChosenView::of),
        }
    }
}
