//! Mails about messages that need somebody: by a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::domain::clock::{Clock, ManualClock};
use sendwheel_actors::domain::directory::WebhookEvent;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::domain::verdict::{Failure, FailureScope, Verdict};
use sendwheel_actors::engine::EngineSettings;
use sendwheel_actors::engine::api::{NewIntent, PageRequest};
use sendwheel_actors::engine::people::AccountPatch;

use super::notices::webhook;
use super::people::timed;
use super::support::{Node, settings, until};

const MINUTE: Duration = Duration::from_secs(60);

fn brisk() -> EngineSettings {
    EngineSettings { alert_every: Duration::from_millis(10), ..settings() }
}

/// A message that its provider refuses for good.
async fn fails(node: &Node, clock: &ManualClock, number: u32) {
    let failure = Failure {
        code: "twilio_30006".into(),
        detail: "a landline".into(),
        scope: FailureScope::Message,
        retry_after: None,
    };
    node.sms.answer(Verdict::Permanent(failure));
    let contact = node.contact(number).await;
    let message = node.sms(contact.id, "a secret text", NewIntent::Now).await;
    until("it failed", async || {
        clock.advance(Duration::from_millis(1));
        node.state(message.message.id).await == StateName::Failed
    })
    .await;
}

/// The texts of the mails that went out.
fn told(node: &Node) -> Vec<String> {
    node.email.seen().into_iter().map(|mail| mail.text).collect()
}

/// Whether one went out; time goes on a little.
fn out(node: &Node, clock: &ManualClock) -> bool {
    clock.advance(Duration::from_millis(1));
    !told(node).is_empty()
}

#[actix::test]
async fn what_needs_attention_is_told_once_and_together_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (node, clock) = timed(folder.path(), brisk()).await;
    node.sms_sender("+12125550100").await;
    fails(&node, &clock, 1).await;
    let emails = vec![EmailAddress::parse("ops@example.com").unwrap()];
    let patch = AccountPatch { alert_emails: Some(emails), ..AccountPatch::default() };
    clock.advance(Duration::from_millis(1));
    node.engine.patch_account(&node.caller, node.caller.account, patch, None).await.unwrap();
    clock.advance(MINUTE);

    fails(&node, &clock, 2).await;
    fails(&node, &clock, 3).await;
    assert_eq!(told(&node), [""; 0], "what has just happened may not be all of it");
    clock.advance(MINUTE);
    until("the mail is out", async || out(&node, &clock)).await;
    let text = told(&node).remove(0);
    assert!(text.contains("2 failed"), "what was before anybody asked is not told: {text}");
    assert!(!text.contains("secret") && !text.contains("+1212"), "{text}");

    clock.advance(MINUTE);
    node.stop().await;
    let node = Node::start_at(folder.path(), brisk(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    clock.advance(MINUTE);
    fails(&node, &clock, 4).await;
    clock.advance(MINUTE);
    until("another mail is out", async || out(&node, &clock)).await;
    let texts = told(&node);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("1 failed"), "what was told once is not told again: {}", texts[0]);
    node.stop().await;
}

#[actix::test]
async fn what_a_webhook_was_not_told_is_no_failed_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut once = brisk();
    once.webhook.max_attempts = 1;
    let (node, clock) = timed(folder.path(), once).await;
    node.sms_sender("+12125550100").await;
    let emails = vec![EmailAddress::parse("ops@example.com").unwrap()];
    let patch = AccountPatch { alert_emails: Some(emails), ..AccountPatch::default() };
    node.engine.patch_account(&node.caller, node.caller.account, patch, None).await.unwrap();
    webhook(&node, WebhookEvent::ContactCreated).await;
    clock.advance(Duration::from_millis(1));
    node.webhook.answer(Verdict::Transient(Failure::message("http_400", "no")));
    fails(&node, &clock, 1).await;
    until("the webhook refused", async || {
        clock.advance(Duration::from_millis(1));
        let page = PageRequest { cursor: None, limit: 10 };
        node.engine.dead_letters(page).await.unwrap().items.len() == 2
    })
    .await;
    clock.advance(MINUTE);
    until("the mail is out", async || out(&node, &clock)).await;
    let text = told(&node).remove(0);
    assert!(text.contains("  1 failed") && !text.contains("2 failed"), "{text}");
    assert!(text.contains("1 given up on the way to webhooks of Test"), "{text}");
    node.stop().await;
}
