//! Lists of messages.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sendwheel_actors::domain::clock::{Clock, SystemClock, UnixMs};
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::{CancelFilter, MessageFilter, MessageView, NewIntent, PageRequest};

use super::slow_store::{Delays, SlowStore};
use super::support::{Node, settings, until};

/// The account's scheduled messages, page by page.
async fn scheduled(node: &Node, limit: usize) -> Vec<MessageView> {
    let filter = MessageFilter { contact: None, state: Some(StateName::Scheduled) };
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = node.engine.messages(&node.caller, filter.clone(), PageRequest { cursor, limit }).await.unwrap();
        let ids: BTreeSet<_> = page.items.iter().map(|view| view.message.id).collect();
        assert_eq!(ids.len(), page.items.len(), "none twice on one page");
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

fn ids(views: &[MessageView]) -> BTreeSet<MessageId> {
    views.iter().map(|view| view.message.id).collect()
}

#[actix::test]
async fn what_is_parked_beyond_its_lanes_bound_is_listed_also_while_it_moves_and_is_cancelled_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.lane_bound = 10;
    // Between two reads of one page there is time to move.
    let slow = Arc::new(Delays::default());
    let delays = Arc::clone(&slow);
    let node = Node::start_on(folder.path(), settings, move |store| Arc::new(SlowStore { store, delays })).await;
    let sender = node.sms_sender("+12125550100").await;
    node.engine.set_lane(&node.caller, sender.id, Some(true), None).await.unwrap();
    let contacts = [node.contact(1).await.id, node.contact(2).await.id, node.contact(3).await.id];
    let base = SystemClock.now().0 + 2_500;
    let mut asked = BTreeSet::new();
    for round in 0..40 {
        let at = || NewIntent::At(UnixMs(base + round % 4));
        let sends = contacts.iter().map(|contact| node.sms(*contact, "x", at()));
        asked.extend(futures_util::future::join_all(sends).await.into_iter().map(|view| view.message.id));
    }
    // They move while a page is read.
    until("they are nearly due", async || SystemClock.now().0 >= base - 100).await;
    slow.ranges_ms.store(300, Ordering::SeqCst);
    assert_eq!(ids(&scheduled(&node, 200).await), asked);
    slow.ranges_ms.store(0, Ordering::SeqCst);
    until("they are parked", async || {
        node.engine.lanes().await.unwrap().iter().any(|lane| lane.parked.contains(&true))
    })
    .await;
    let listed = scheduled(&node, 7).await;
    assert_eq!((listed.len(), ids(&listed)), (asked.len(), asked.clone()));
    let order = |view: &MessageView| (view.message.due_at, view.message.created_us);
    assert!(listed.is_sorted_by_key(order), "by due time");
    let everything = CancelFilter { contact: None, metadata: Default::default() };
    let outcome = node.engine.cancel_many(&node.caller, everything).await.unwrap();
    assert_eq!((outcome.canceled, outcome.already_handed_over), (asked.len() as u64, 0));
    assert!(scheduled(&node, 50).await.is_empty());
    node.stop().await;
}
