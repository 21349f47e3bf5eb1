//! Merging duplicate contacts.

use std::collections::BTreeSet;
use std::time::Duration;

use sendwheel_actors::domain::address::Address;
use sendwheel_actors::domain::contact::{Consent, Contact, Profile, Removal};
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::domain::message::{Content, StateName};
use sendwheel_actors::engine::api::{
    Created, EngineError, Idempotency, Incoming, NewContact, NewIntent, NewMessage, PageRequest, ProfilePatch,
};

use super::support::{Node, settings, sms, until};

/// How many entries a contact's thread has.
async fn thread_of(node: &Node, contact: ContactId) -> usize {
    let page = PageRequest { cursor: None, limit: 500 };
    node.engine.thread(&node.caller, contact, page).await.unwrap().items.len()
}

/// The move is over when the survivor can be merged or deleted again: another duplicate is refused until then.
async fn until_merged(node: &Node, into: ContactId, moved: usize) {
    until("everything has moved", async || thread_of(node, into).await == moved).await;
}

#[actix::test]
async fn what_is_pending_and_past_moves_and_everything_is_sent_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let (into, from) = (node.contact(1).await, node.contact(2).await);
    let past = node.sms(from.id, "past", NewIntent::Now).await.message.id;
    node.until_state(past, StateName::Submitted).await;
    let long = NewMessage {
        content: Content { text: Some("long ".repeat(250)), ..Content::default() },
        ..sms("", Node::in_ms(3_000))
    };
    let long = node.engine.schedule(&node.caller, from.id, long).await.unwrap().into_inner().message.id;
    let sends = (0..100).map(|number| node.sms(from.id, "x", Node::in_ms(300 + number * 20)));
    let mut old: Vec<MessageId> =
        futures_util::future::join_all(sends).await.iter().map(|view| view.message.id).collect();
    old.push(long);
    let _ = node.engine.note(&node.caller, from.id, "a note".into(), None).await.unwrap();
    let merged = node.engine.merge_contacts(&node.caller, into.id, from.id).await.unwrap();
    assert_eq!((merged.profile.phones.len(), merged.profile.emails.len()), (2, 2));
    // The past message, the pending ones, the note, and the entry that says that it was merged.
    until_merged(&node, into.id, 1 + old.len() + 1 + 1).await;
    assert_eq!(node.engine.contact(&node.caller, from.id).await, Err(EngineError::Merged(into.id)));
    assert_eq!(node.engine.merge_contacts(&node.caller, into.id, from.id).await.unwrap().id, into.id, "again");
    for id in &old {
        node.until_state(*id, StateName::Submitted).await;
    }
    let seen = node.sms.seen();
    assert_eq!(seen.len(), 1 + old.len(), "each once");
    assert_eq!(seen.iter().map(|seen| seen.message).collect::<BTreeSet<_>>().len(), seen.len());
    assert_eq!(seen.iter().filter(|seen| seen.text.len() == 1_250).count(), 1, "with its content");
    let found = node.engine.message(&node.caller, past).await.unwrap().message;
    assert_eq!((found.contact, found.origin), (into.id, Some(past)));
    node.stop().await;
}

#[actix::test]
async fn a_merge_that_cannot_be_is_refused_and_leaves_both_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let (into, from, gone) = (node.contact(1).await, node.contact(2).await, node.contact(3).await);
    node.engine.delete_contact(&node.caller, gone.id, Removal::Delete).await.unwrap();
    let merge = async |into, from| node.engine.merge_contacts(&node.caller, into, from).await;
    assert!(matches!(merge(into.id, into.id).await, Err(EngineError::Invalid(_))), "itself");
    assert!(matches!(merge(into.id, gone.id).await, Err(EngineError::Invalid(_))), "a deleted one");
    assert_eq!(merge(gone.id, into.id).await, Err(EngineError::NotFound), "into a deleted one");
    let mut stranger = node.caller;
    stranger.account.0 += 1;
    assert_eq!(node.engine.merge_contacts(&stranger, into.id, from.id).await, Err(EngineError::NotFound));
    // Into each other at once: at most one of them is.
    let (one, other) = futures_util::future::join(merge(into.id, from.id), merge(from.id, into.id)).await;
    assert!(one.is_err() || other.is_err(), "{one:?} {other:?}");
    until("one of them, at least, is there", async || {
        let live = async |id| node.engine.contact(&node.caller, id).await.is_ok();
        let lives = (live(into.id).await, live(from.id).await);
        lives.0 || lives.1
    })
    .await;
    node.stop().await;
}

#[actix::test]
async fn the_old_external_id_leads_to_the_survivor_and_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let named = |external_id: &str, consent| {
        let mut profile = Profile { external_id: Some(external_id.into()), ..Profile::default() };
        profile.consent.sms = consent;
        NewContact { profile, idempotency: None }
    };
    let upsert = async |external_id, consent| {
        node.engine.upsert_contact(&node.caller, named(external_id, consent)).await.map(|contact| contact.into_inner())
    };
    let into = upsert("crm-1", Consent::Granted).await.unwrap();
    let from = upsert("crm-2", Consent::Denied).await.unwrap();
    let merged = node.engine.merge_contacts(&node.caller, into.id, from.id).await.unwrap();
    assert_eq!(merged.profile.consent.sms, Consent::Denied, "the stricter one");
    until("the old external id leads there", async || {
        upsert("crm-2", Consent::Unknown).await.is_ok_and(|found| found.id == into.id)
    })
    .await;
    let kept = node.engine.contact(&node.caller, into.id).await.unwrap();
    assert_eq!(kept.profile.external_id.as_deref(), Some("crm-1"));
    let patch = ProfilePatch { name: Some(Some("Jane".into())), ..ProfilePatch::default() };
    assert_eq!(node.engine.patch_contact(&node.caller, from.id, patch, None).await, Err(EngineError::Merged(into.id)));
    until("the move is over", async || {
        node.engine.delete_contact(&node.caller, into.id, Removal::Delete).await.is_ok()
    })
    .await;
    until("both ids are free again", async || {
        let (one, other) = (upsert("crm-1", Consent::Unknown).await, upsert("crm-2", Consent::Unknown).await);
        matches!((one, other), (Ok(one), Ok(other)) if one.id != other.id)
    })
    .await;
    node.stop().await;
}

#[actix::test]
async fn a_node_that_stops_in_the_middle_goes_on_with_the_merge_when_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let (into, from) = (node.contact(1).await, node.contact(2).await);
    let sends = (0..200).map(|number| node.sms(from.id, "x", Node::in_ms(600_000 + number)));
    let old: Vec<_> = futures_util::future::join_all(sends).await.iter().map(|view| view.message.id).collect();
    node.engine.merge_contacts(&node.caller, into.id, from.id).await.unwrap();
    node.engine.shutdown(Duration::from_secs(5)).await;
    drop(node);
    let node = Node::start(folder.path(), settings()).await;
    until_merged(&node, into.id, old.len() + 1).await;
    until("the duplicate has nothing left", async || {
        node.engine.merge_contacts(&node.caller, into.id, from.id).await.is_ok()
    })
    .await;
    for id in old {
        assert_eq!(node.engine.message(&node.caller, id).await.unwrap().message.contact, into.id);
    }
    node.stop().await;
}

#[actix::test]
async fn a_repetition_that_crosses_a_merge_makes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let (first, into, from) = (node.contact(1).await, node.contact(2).await, node.contact(3).await);
    let keyed = |hash| NewMessage {
        idempotency: Some(Idempotency { key: "order 7".into(), request_hash: [hash; 16] }),
        ..sms("x", Node::in_ms(600_000))
    };
    let id = node.engine.schedule(&node.caller, from.id, keyed(1)).await.unwrap().into_inner().message.id;
    let incoming = |from: &Contact| Incoming {
        account: node.caller.account,
        contact: None,
        own_id: "sms 7".into(),
        from: Address::Phone(from.profile.phones[0].number.clone()),
        to: "+12125550100".into(),
        sender: None,
        content: Content { text: Some("hello".into()), ..Content::default() },
        attachments: Vec::new(),
        mail: None,
        provider_id: None,
        is_automatic: false,
        raw: None,
        name: None,
    };
    assert!(node.engine.receive(incoming(&from)).await.unwrap().is_new);
    // Two merges: what it leads to is led on.
    for (survivor, duplicate) in [(into.id, from.id), (first.id, into.id)] {
        until("the next merge may begin", async || {
            node.engine.merge_contacts(&node.caller, survivor, duplicate).await.is_ok()
        })
        .await;
        let again = node.engine.schedule(&node.caller, survivor, keyed(1)).await.unwrap();
        assert!(matches!(&again, Created::Replayed(view) if view.message.identity() == id), "{again:?}");
        let other = node.engine.schedule(&node.caller, survivor, keyed(2)).await;
        assert!(matches!(other, Err(EngineError::Conflict { code: "idempotency_key_reused", .. })), "{other:?}");
        let received = node.engine.receive(incoming(&from)).await.unwrap();
        assert_eq!((received.contact, received.is_new), (survivor, false));
    }
    node.stop().await;
}
