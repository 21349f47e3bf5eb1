//! Editing a message.

use sendwheel_actors::domain::address::{Channel, Mailbox};
use sendwheel_actors::domain::directory::SenderAddress;
use sendwheel_actors::engine::api::{MessageEdit, NewMessage, NewSender};

use super::support::{Node, settings, sms};

#[actix::test]
async fn edits_of_large_content_that_follow_each_other_closely_build_on_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let sender = NewSender {
        address: SenderAddress::Email(Mailbox::parse("Acme <hi@example.com>").unwrap()),
        label: None,
        is_default: true,
        assigned_user: None,
        limit: None,
        country: None,
        idempotency: None,
    };
    let _ = node.engine.create_sender(&node.caller, sender).await.unwrap();
    let contact = node.contact(1).await;
    let new = NewMessage { channel: Channel::Email, ..sms(&"a".repeat(5_000), Node::in_ms(3_600_000)) };
    let id = node.engine.schedule(&node.caller, contact.id, new).await.unwrap().into_inner().message.id;
    for round in 0..10 {
        let text = MessageEdit { text: Some(format!("{round}{}", "b".repeat(5_000))), ..MessageEdit::default() };
        let subject = MessageEdit { subject: Some(format!("subject {round}")), ..MessageEdit::default() };
        let html = MessageEdit { html: Some(format!("<p>{round}</p>")), ..MessageEdit::default() };
        let edits = [text, subject, html].map(|edit| node.engine.edit(&node.caller, id, edit, None));
        for edited in futures_util::future::join_all(edits).await {
            edited.unwrap();
        }
        let content = node.engine.message(&node.caller, id).await.unwrap().content;
        assert!(content.text.unwrap().starts_with(&format!("{round}b")));
        assert_eq!(content.subject.unwrap(), format!("subject {round}"));
        assert_eq!(content.html.unwrap(), format!("<p>{round}</p>"));
    }
    node.stop().await;
}
