//! Lists of messages.

use std::collections::BTreeSet;
use std::time::Duration;

use sendwheel_actors::domain::clock::{Clock, SystemClock};
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::{CancelFilter, MessageFilter, MessageView, PageRequest};

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
    let node = Node::start(folder.path(), settings).await;
    let sender = node.sms_sender("+12125550100").await;
    node.engine.set_lane(&node.caller, sender.id, Some(true), None).await.unwrap();
    let mut contacts = Vec::new();
    for number in 0..30 {
        contacts.push(node.contact(number).await.id);
    }
    let base = SystemClock.now().0 + 1_000;
    let mut asked = BTreeSet::new();
    for round in 0..12 {
        let due = sendwheel_actors::domain::clock::UnixMs(base + round % 4);
        let at = || sendwheel_actors::engine::api::NewIntent::At(due);
        let sends = contacts.iter().map(|contact| node.sms(*contact, "x", at()));
        asked.extend(futures_util::future::join_all(sends).await.into_iter().map(|view| view.message.id));
    }
    let parked = async || {
        let lanes = node.engine.lanes().await.unwrap();
        lanes.iter().any(|lane| lane.parked.contains(&true))
    };
    // Over and over while they are parked, and once when they are.
    let end = SystemClock.boot().plus(Duration::from_millis(1_500));
    while SystemClock.boot() < end {
        assert_eq!(ids(&scheduled(&node, 50).await), asked);
    }
    until("the lane is full", async || parked().await).await;
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
