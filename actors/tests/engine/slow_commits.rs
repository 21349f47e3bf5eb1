//! What the engine makes of a store whose commits are slow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::message::StateName;

use super::slow_store::{Delays, SlowStore};
use super::support::{Node, settings, until};

#[actix::test]
async fn commits_of_400_ms_neither_stop_delivery_nor_break_a_limit_or_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Arc::new(Delays::default());
    let delays = Arc::clone(&slow);
    let node = Node::start_on(folder.path(), settings(), move |store| Arc::new(SlowStore { store, delays })).await;
    let limit = Limit { rate: 20, per: Duration::from_secs(1), burst: 1 };
    node.limited_sms_sender("+12125550100", limit).await;
    let due = Node::in_ms(2_000);
    let mut sent = Vec::new();
    let first = node.contact(0).await;
    for number in 0..3 {
        sent.push(node.sms(first.id, &format!("in order {number}"), due.clone()).await.message.id);
    }
    for number in 1..60 {
        let contact = node.contact(number).await;
        sent.push(node.sms(contact.id, "x", due.clone()).await.message.id);
    }
    slow.commit_ms.store(400, Ordering::SeqCst);

    until("all are handed over", async || node.sms.seen().len() >= sent.len()).await;
    slow.commit_ms.store(0, Ordering::SeqCst);
    for id in &sent {
        node.until_state(*id, StateName::Submitted).await;
    }
    let seen = node.sms.seen();
    let mut hands: BTreeMap<_, Vec<u16>> = BTreeMap::new();
    for hand in &seen {
        hands.entry(hand.message).or_default().push(hand.attempt);
    }
    assert!(hands.len() == sent.len() && hands.values().all(|attempts| attempts == &[1]), "once each: {hands:?}");
    let ordered: Vec<_> = seen.iter().map(|hand| hand.message).filter(|id| sent[..3].contains(id)).collect();
    assert_eq!(ordered, sent[..3]);
    let mut times: Vec<_> = seen.iter().map(|hand| hand.at.0).collect();
    times.sort_unstable();
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let allowed = 1.0 + 20.0 * (to - from + 250) as f64 / 1_000.0;
            assert!((last - first + 1) as f64 <= allowed, "{} in {} ms", last - first + 1, to - from);
        }
    }
    node.stop().await;
}
