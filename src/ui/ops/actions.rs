//! What an operator does with a lane, a dead letter, or the node.

use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::ids::{MessageId, SenderId};
use serde_json::json;

use crate::admin::lanes::read_rate;
use crate::api::ApiError;
use crate::api::auth::require;
use crate::ui::answer::{Answer, see};
use crate::ui::form::{Form, Posted};
use crate::ui::visitor::{Named, Visitor};

/// The limit of a form, as a request has it.
fn rate_of(form: &Form) -> String {
    let Some(rate) = form.given("rate") else { return json!({"rate": null}).to_string() };
    let rate = rate.parse::<u32>().map_or_else(|_| json!(rate), |rate| json!(rate));
    json!({"rate": rate, "per": form.given("per").unwrap_or("1s")}).to_string()
}

async fn set(visitor: &Visitor, sender: SenderId, form: &Form) -> Result<&'static str, ApiError> {
    let (paused, limit, told) = match form.get("do") {
        "pause" => (Some(true), None, "paused"),
        "resume" => (Some(false), None, "resumed"),
        _ => (None, Some(read_rate(rate_of(form).as_bytes())?), "limited"),
    };
    visitor.engine().set_lane(visitor.caller(), sender, paused, limit).await?;
    Ok(told)
}

/// Pauses, resumes or limits a lane.
pub(in crate::ui) async fn lane(Posted { visitor, form }: Posted, Named(sender): Named<SenderId>) -> Answer {
    require(Role::Operator, &visitor.auth)?;
    Ok(see(&format!("/ops?told={}", set(&visitor, sender, &form).await?)))
}

/// Revives a dead letter.
pub(in crate::ui) async fn requeue(Posted { visitor, .. }: Posted, Named(id): Named<MessageId>) -> Answer {
    require(Role::Operator, &visitor.auth)?;
    let _ = visitor.engine().requeue_dead_letter(visitor.caller(), id).await?;
    Ok(see("/ops?told=requeued"))
}

/// Begins or ends draining.
pub(in crate::ui) async fn drain(Posted { visitor, form }: Posted) -> Answer {
    require(Role::Operator, &visitor.auth)?;
    let draining = form.get("do") == "drain";
    visitor.engine().set_draining(draining);
    Ok(see(if draining { "/ops?told=draining" } else { "/ops?told=going_on" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_rate_takes_the_limit_away_and_a_wrong_one_is_refused() {
        let form = |rate: &str| Form::of(vec![("rate".to_owned(), rate.to_owned())]);
        assert_eq!(read_rate(rate_of(&form(" ")).as_bytes()), Ok(None));
        assert_eq!(read_rate(rate_of(&form("10")).as_bytes()).map(|limit| limit.map(|it| it.rate)), Ok(Some(10)));
        assert!(matches!(read_rate(rate_of(&form("ten")).as_bytes()), Err(ApiError::Invalid(_))));
    }
}
