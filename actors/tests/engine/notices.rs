//! Notices to webhooks, through a whole engine.

use std::time::Duration;

use sendwheel_actors::domain::contact::Removal;
use sendwheel_actors::domain::directory::{Subscribed, Webhook, WebhookEvent};
use sendwheel_actors::domain::verdict::{Failure, Verdict};
use sendwheel_actors::engine::api::{DeadLetter, PageRequest};
use sendwheel_actors::engine::webhooks::NewWebhook;

use super::support::{Node, settings, until};

pub(crate) async fn webhook(node: &Node, event: WebhookEvent) -> Webhook {
    let new = NewWebhook {
        url: "https://crm.example.com/hook".parse().unwrap(),
        description: None,
        events: Subscribed::To([event].into()),
        is_enabled: true,
        idempotency: None,
    };
    node.engine.create_webhook(&node.caller, new).await.unwrap().into_inner().webhook
}

async fn dead_letters(node: &Node) -> Vec<DeadLetter> {
    node.engine.dead_letters(PageRequest { cursor: None, limit: 10 }).await.unwrap().items
}

fn refusal() -> Verdict {
    Verdict::Transient(Failure::message("http_400", "no"))
}

#[actix::test]
async fn a_notice_that_waits_while_its_contact_goes_is_delivered_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut waits_long = settings();
    waits_long.webhook.retry_base = Duration::from_millis(1_500);
    waits_long.webhook.retry_cap = Duration::from_millis(1_500);
    let node = Node::start(folder.path(), waits_long.clone()).await;
    webhook(&node, WebhookEvent::ContactCreated).await;
    node.webhook.answer(refusal());
    let contact = node.contact(1).await;
    until("the first attempt", async || node.webhook.seen().len() == 1).await;
    let first = node.webhook.seen().remove(0);
    assert!(first.text.contains("contact.created") && first.text.contains(&contact.id.to_string()));
    node.engine.delete_contact(&node.caller, contact.id, Removal::Delete).await.unwrap();
    node.stop().await;

    let node = Node::start(folder.path(), waits_long).await;
    until("the second attempt", async || node.webhook.seen().len() == 1).await;
    let second = node.webhook.seen().remove(0);
    assert_eq!((second.message, second.attempt, &second.text), (first.message, 2, &first.text));
    assert_eq!(dead_letters(&node).await, []);
    node.stop().await;
}

#[actix::test]
async fn a_dead_letter_is_shown_until_its_retention_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut short = settings();
    short.webhook.max_attempts = 1;
    short.retention = Duration::from_secs(2);
    let node = Node::start(folder.path(), short).await;
    let webhook = webhook(&node, WebhookEvent::ContactCreated).await;
    node.webhook.answer(refusal());
    node.contact(1).await;
    until("a dead letter", async || dead_letters(&node).await.len() == 1).await;
    let letter = dead_letters(&node).await.remove(0);
    assert_eq!((letter.account, letter.view.message.lane), (node.caller.account, webhook.lane));
    until("it is forgotten", async || dead_letters(&node).await.is_empty()).await;
    assert_eq!(node.webhook.seen().len(), 1, "it is not sent again for that");
    node.stop().await;
}

#[actix::test]
async fn where_nobody_listens_the_webhook_is_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let webhook = webhook(&node, WebhookEvent::ContactCreated).await;
    node.webhook.answer(Verdict::Permanent(Failure::message("http_410", "gone")));
    node.contact(1).await;
    let is_on = || node.engine.directory().webhook(node.caller.account, webhook.id).unwrap().is_enabled;
    until("it is switched off", async || !is_on()).await;
    node.contact(2).await;
    assert_eq!(node.webhook.seen().len(), 1);
    assert_eq!(dead_letters(&node).await, []);
    node.stop().await;
}
