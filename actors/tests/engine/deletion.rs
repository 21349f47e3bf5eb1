//! Deleting a contact.

use sendwheel_actors::domain::contact::Profile;
use std::time::Duration;

use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::{EngineError, MessageFilter, NewContact, NewIntent, PageRequest, ProfilePatch};

use super::support::{Node, settings, until};

#[actix::test]
async fn deleting_a_contact_cancels_everything_pending_and_hands_nothing_over_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let sends = (0..100).map(|number| node.sms(contact.id, "x", Node::in_ms(700 + number % 3)));
    let pending: Vec<_> = futures_util::future::join_all(sends).await.iter().map(|view| view.message.id).collect();
    let other = node.contact(2).await;
    let last = node.sms(other.id, "x", Node::in_ms(900)).await.message.id;
    assert_eq!(node.engine.delete_contact(&node.caller, contact.id).await.unwrap(), 100);
    assert_eq!(node.engine.contact(&node.caller, contact.id).await, Err(EngineError::NotFound));
    node.until_state(last, StateName::Submitted).await;
    assert_eq!(node.sms.seen().len(), 1, "nothing of the deleted contact");
    for id in pending {
        assert_eq!(node.engine.message(&node.caller, id).await, Err(EngineError::NotFound));
    }
    let filter = MessageFilter { contact: None, state: Some(StateName::Scheduled) };
    let page = PageRequest { cursor: None, limit: 10 };
    until("nothing is scheduled any more", async || {
        node.engine.messages(&node.caller, filter.clone(), page.clone()).await.unwrap().items.is_empty()
    })
    .await;
    node.stop().await;
}

#[actix::test]
async fn an_external_id_is_free_again_once_its_contact_is_cleaned_up() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let new =
        || NewContact { profile: Profile { external_id: Some("42".into()), ..Profile::default() }, idempotency: None };
    let first = node.engine.upsert_contact(&node.caller, new()).await.unwrap().into_inner();
    assert_eq!(node.engine.upsert_contact(&node.caller, new()).await.unwrap().into_inner().id, first.id);
    node.engine.delete_contact(&node.caller, first.id).await.unwrap();
    until("it can be created again", async || node.engine.upsert_contact(&node.caller, new()).await.is_ok()).await;
    node.stop().await;
}

#[actix::test]
async fn an_external_id_that_a_contact_asked_for_and_did_not_get_is_anybodys() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let contact = node.contact(1).await;
    let wish = |external_id: &str| ProfilePatch { external_id: Some(Some(external_id.into())), ..Default::default() };
    let patch = async |external_id, if_match| {
        node.engine.patch_contact(&node.caller, contact.id, wish(external_id), if_match).await
    };
    assert!(matches!(patch("42", Some(9)).await, Err(EngineError::VersionMismatch { .. })), "its alias stays");
    let named = |external_id: &str| NewContact {
        profile: Profile { external_id: Some(external_id.into()), ..Profile::default() },
        idempotency: None,
    };
    let create = async |external_id| node.engine.create_contact(&node.caller, named(external_id)).await;
    assert!(matches!(create("42").await, Err(EngineError::Conflict { .. })), "it may still get it");
    patch("43", None).await.unwrap();
    assert_ne!(create("42").await.unwrap().into_inner().id, contact.id);
    assert!(matches!(create("43").await, Err(EngineError::Conflict { .. })));
    node.stop().await;
}

#[actix::test]
async fn settled_messages_leave_after_their_retention_and_pending_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.retention = Duration::from_millis(1);
    settings.sweep_every = Duration::from_millis(100);
    let node = Node::start(folder.path(), settings).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let pending = node.sms(contact.id, "later", Node::in_ms(600_000)).await.message.id;
    let sends = (0..40).map(|_| node.sms(contact.id, "now", NewIntent::Now));
    let settled: Vec<_> = futures_util::future::join_all(sends).await.iter().map(|view| view.message.id).collect();
    until("every settled message is gone", async || {
        let page = PageRequest { cursor: None, limit: 100 };
        let thread = node.engine.thread(&node.caller, contact.id, page).await.unwrap();
        thread.items.len() == 1 && node.sms.seen().len() == settled.len()
    })
    .await;
    assert_eq!(node.engine.message(&node.caller, settled[0]).await, Err(EngineError::NotFound));
    assert_eq!(node.state(pending).await, StateName::Scheduled);
    node.stop().await;
}
