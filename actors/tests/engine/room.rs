//! What the engine makes of a store that gets full.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sendwheel_actors::domain::contact::Profile;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::{
    CancelOutcome, Created, EngineError, Idempotency, NewContact, NewMessage, Upserted,
};
use sendwheel_actors::store::{StoreUrl, Usage};

use super::redis::Redis;
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

#[actix::test]
async fn what_the_embedded_store_has_no_room_for_takes_nothing_else_along() {
    let folder = tempfile::tempdir().unwrap();
    Box::pin(new_work_alone_is_refused(&StoreUrl::Embedded(folder.path().to_owned()))).await;
}

#[actix::test]
async fn what_redis_has_no_room_for_takes_nothing_else_along() {
    let redis = Redis::launch();
    Box::pin(new_work_alone_is_refused(&redis.url())).await;
}

/// A message is scheduled, refused only by the store, while others of the contact and of its partition are cancelled.
async fn new_work_alone_is_refused(url: &StoreUrl) {
    let full = Arc::new(Delays::default());
    let delays = Arc::clone(&full);
    let node = Node::start_over(url, settings(), move |store| Arc::new(SlowStore { store, delays })).await;
    node.sms_sender("+12125550100").await;
    let due = Node::in_ms(3_600_000);
    let mut by_partition: BTreeMap<_, Vec<_>> = BTreeMap::new();
    // Of 17 contacts two are in one partition of sixteen.
    let pair = loop {
        let contact = node.contact(u32::try_from(by_partition.values().map(Vec::len).sum::<usize>()).unwrap()).await;
        let message = node.sms(contact.id, "x", due.clone()).await.message.id;
        let there = by_partition.entry(message.partition()).or_default();
        there.push((contact.id, message));
        if let [first, second] = there[..] {
            break [first, second];
        }
    };
    let [(contact, own), (_, neighbour)] = pair;
    let keyed = |key: &str| NewMessage {
        idempotency: Some(Idempotency { key: key.into(), request_hash: [1; 16] }),
        ..sms("new", due.clone())
    };
    let schedule = async |key: &str| node.engine.schedule(&node.caller, contact, keyed(key)).await;

    full.has_no_room.store(true, Ordering::SeqCst);
    full.commit_ms.store(200, Ordering::SeqCst);
    let (first, second, own_told, neighbour_told, again) = tokio::join!(
        schedule("first"),
        schedule("second"),
        node.engine.cancel(&node.caller, own),
        node.engine.cancel(&node.caller, neighbour),
        schedule("first"),
    );
    for refused in [first, second, again] {
        assert_eq!(refused.map(|_| ()), Err(EngineError::OutOfSpace));
    }
    assert_eq!([own_told, neighbour_told], [Ok(CancelOutcome::Canceled), Ok(CancelOutcome::Canceled)]);
    for id in [own, neighbour] {
        assert_eq!(node.state(id).await, StateName::Canceled);
    }

    full.has_no_room.store(false, Ordering::SeqCst);
    full.commit_ms.store(0, Ordering::SeqCst);
    let mut made = None;
    until("there is room", async || {
        made = schedule("first").await.ok();
        made.is_some()
    })
    .await;
    let Some(Created::New(made)) = made else { panic!("what was refused is not there: {made:?}") };
    assert_eq!(node.state(made.message.id).await, StateName::Scheduled);
    node.stop().await;
}

#[actix::test]
async fn a_contact_for_which_there_was_no_room_comes_into_being_later() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(Delays::default());
    let delays = Arc::clone(&full);
    let node = Node::start_on(folder.path(), settings(), move |store| Arc::new(SlowStore { store, delays })).await;
    let profile = Profile { external_id: Some("crm-1".into()), ..Profile::default() };
    let upsert = async || {
        node.engine.upsert_contact(&node.caller, NewContact { profile: profile.clone(), idempotency: None }).await
    };
    full.has_no_room.store(true, Ordering::SeqCst);
    assert_eq!(upsert().await.map(|_| ()), Err(EngineError::OutOfSpace));
    full.has_no_room.store(false, Ordering::SeqCst);
    let mut told = None;
    until("there is room", async || {
        told = upsert().await.ok();
        told.is_some()
    })
    .await;
    assert!(matches!(told, Some(Upserted::Created(_))), "it was not there: {told:?}");
    node.stop().await;
}
