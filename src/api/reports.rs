//! `GET /v1/reports/smart-send`: what choosing the moment gains.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::lift::{Counts, Estimate, Tally, difference, rate};
use sendwheel_actors::domain::plan::smart::Arm;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ok};
use super::auth::Authenticated;
use super::paging::Query;
use super::routes::Shared;

/// How often messages with a smart window were responded to (opened, clicked, answered), by how they came to their
/// moment. Messages are taken to be independent: where few contacts get many of them the intervals are too narrow.
#[derive(Serialize, ToSchema)]
#[schema(as = SmartSendReport)]
pub(crate) struct ReportView {
    arms: Vec<ArmView>,
    /// The rate of the chosen moments less that of the others.
    lift: Vec<LiftView>,
}

/// Messages that came to their moment in one way.
#[derive(Serialize, ToSchema)]
#[schema(as = SmartSendArm)]
struct ArmView {
    /// `chosen`, `random` or `holdout`.
    arm: &'static str,
    /// Handed over.
    sent: u64,
    within_hour: RateView,
    within_day: RateView,
}

/// How often messages were responded to so soon after their hand-over.
#[derive(Serialize, ToSchema)]
#[schema(as = ResponseRate)]
struct RateView {
    responded: u64,
    rate: f64,
    /// Wilson's interval.
    ci95: [f64; 2],
}

/// What the chosen moments gain against others.
#[derive(Serialize, ToSchema)]
#[schema(as = SmartSendLift)]
struct LiftView {
    against: &'static str,
    within_hour: DifferenceView,
    within_day: DifferenceView,
}

/// A difference of two rates.
#[derive(Serialize, ToSchema)]
#[schema(as = RateDifference)]
struct DifferenceView {
    difference: f64,
    /// Newcombe's interval.
    ci95: [f64; 2],
}

fn within_hour(counts: &Counts) -> Estimate {
    rate(counts.within_hour, counts.sent)
}

fn within_day(counts: &Counts) -> Estimate {
    rate(counts.within_day, counts.sent)
}

impl ReportView {
    fn of(tally: &Tally) -> Self {
        let rate_view = |responded, Estimate { value, ci95 }| RateView { responded, rate: value, ci95 };
        let arms: Vec<_> = tally.arms().collect();
        let chosen = arms.iter().find(|(arm, _)| *arm == Arm::Chosen).map(|(_, counts)| *counts).unwrap_or_default();
        let less = |of: fn(&Counts) -> Estimate, other: &Counts| {
            let Estimate { value, ci95 } = difference(of(&chosen), of(other));
            DifferenceView { difference: value, ci95 }
        };
        let others = arms.iter().filter(|(arm, _)| *arm != Arm::Chosen);
        let lift = others.map(|(arm, counts)| LiftView {
            against: arm.as_str(),
            within_hour: less(within_hour, counts),
            within_day: less(within_day, counts),
        });
        let view = |(arm, counts): &(Arm, Counts)| ArmView {
            arm: arm.as_str(),
            sent: counts.sent,
            within_hour: rate_view(counts.within_hour, within_hour(counts)),
            within_day: rate_view(counts.within_day, within_day(counts)),
        };
        Self { lift: lift.collect(), arms: arms.iter().map(view).collect() }
    }
}

/// What choosing the moments of messages gains the caller's account.
#[utoipa::path(get, path = "/v1/reports/smart-send", tag = "reports",
    responses((status = 200, body = ReportView)))]
pub(crate) async fn smart_send_report(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    Ok(ok(&ReportView::of(&shared.state.engine.smart_send_tally(&auth.caller))))
}
