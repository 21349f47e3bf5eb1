//! What the engine makes of a store that gets full.

use std::sync::Arc;

use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::{CancelOutcome, EngineError};
use sendwheel_actors::store::Usage;

use super::slow_store::{Delays, SlowStore};
use super::support::{Node, settings, sms, until};

#[actix::test]
async fn new_work_ends_at_the_mark_between_two_looks_and_what_there_is_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(Delays::default());
    let delays = Arc::clone(&full);
    let node = Node::start_on(folder.path(), settings(), move |store| Arc::new(SlowStore { store, delays })).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let due = Node::in_ms(3_600_000);
    let schedule = async || node.engine.schedule(&node.caller, contact.id, sms("x", due.clone())).await;

    // Of 1 MB a hundredth is left up to the mark.
    *full.usage.lock().unwrap() = Some(Usage { share: 0.79, bytes: 790_000 });
    until("a look finds it", async || schedule().await.is_err()).await;
    let (mut made, mut refused) = (Vec::new(), 0);
    for _ in 0..200 {
        match schedule().await {
            Ok(message) => made.push(message.into_inner().message.id),
            Err(EngineError::OutOfSpace) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused >= 150, "{refused} of 200: what was decided since the last look counts");

    *full.usage.lock().unwrap() = Some(Usage { share: 0.10, bytes: 100_000 });
    until("there is room", async || match schedule().await {
        Ok(message) => {
            made.push(message.into_inner().message.id);
            true
        }
        Err(_) => false,
    })
    .await;
    *full.usage.lock().unwrap() = Some(Usage { share: 0.90, bytes: 900_000 });
    until("there is none", async || schedule().await.is_err()).await;
    let id = made.pop().unwrap();
    assert_eq!(node.engine.cancel(&node.caller, id).await, Ok(CancelOutcome::Canceled));
    node.until_state(id, StateName::Canceled).await;
    node.stop().await;
}
