//! One-click unsubscribe: from the link in a mail to what it stops.

use sendwheel_actors::domain::address::{Address, Channel, EmailAddress};
use sendwheel_actors::domain::contact::{Consent, ContactEmail};
use sendwheel_actors::domain::message::{Class, Content, StateName};
use sendwheel_actors::domain::suppression::SuppressionReason;
use sendwheel_actors::engine::api::{EngineError, NewIntent, NewMessage, ProfilePatch};

use super::support::{Node, settings, sms};

fn campaign(intent: NewIntent) -> NewMessage {
    NewMessage {
        channel: Channel::Email,
        class: Some(Class::Campaign),
        content: Content { subject: Some("s".into()), text: Some("t".into()), ..Content::default() },
        ..sms("", intent)
    }
}

fn email(address: &str) -> ContactEmail {
    ContactEmail { address: EmailAddress::parse(address).unwrap(), label: None, primary: true }
}

#[actix::test]
async fn the_link_stops_the_address_that_the_mail_was_for_and_everyone_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.email_sender("acme <news@example.com>").await;
    let (reader, twin) = (node.contact(1).await, node.contact(2).await);
    let patch = |emails: Vec<ContactEmail>| ProfilePatch {
        emails: Some(emails),
        consent_email: Some(Consent::Granted),
        ..ProfilePatch::default()
    };
    for contact in [reader.id, twin.id] {
        node.engine.patch_contact(&node.caller, contact, patch(vec![email("shared@example.org")]), None).await.unwrap();
    }
    let sent = node.engine.schedule(&node.caller, reader.id, campaign(NewIntent::Now)).await.unwrap();
    node.until_state(sent.into_inner().message.id, StateName::Submitted).await;
    let pending = node.engine.schedule(&node.caller, twin.id, campaign(Node::in_ms(3_600_000))).await.unwrap();
    let link = node.email.seen()[0].unsubscribe.clone().expect("a mail of a campaign has one");
    let token = link.rsplit('/').next().unwrap();

    assert_eq!(node.engine.unsubscribe(token).await, Ok(Channel::Email));
    let address = Address::Email(EmailAddress::parse("shared@example.org").unwrap());
    let suppression = node.engine.suppression(node.caller.account, &address).await.unwrap().unwrap();
    assert_eq!(suppression.reason, SuppressionReason::Unsubscribed);
    for contact in [reader.id, twin.id] {
        let profile = node.engine.contact(&node.caller, contact).await.unwrap().profile;
        assert_eq!(profile.consent.on(Channel::Email), Consent::Denied);
    }
    node.until_state(pending.into_inner().message.id, StateName::Canceled).await;
    assert_eq!(node.engine.unsubscribe(token).await, Ok(Channel::Email), "once more changes nothing");
    node.stop().await;
}

#[actix::test]
async fn a_link_to_an_address_that_was_given_up_still_opts_its_contact_out() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.email_sender("acme <news@example.com>").await;
    let reader = node.contact(1).await;
    let granted = ProfilePatch { consent_email: Some(Consent::Granted), ..ProfilePatch::default() };
    node.engine.patch_contact(&node.caller, reader.id, granted, None).await.unwrap();
    let sent = node.engine.schedule(&node.caller, reader.id, campaign(NewIntent::Now)).await.unwrap();
    node.until_state(sent.into_inner().message.id, StateName::Submitted).await;
    let link = node.email.seen()[0].unsubscribe.clone().unwrap();
    let moved = ProfilePatch { emails: Some(vec![email("new@example.org")]), ..ProfilePatch::default() };
    node.engine.patch_contact(&node.caller, reader.id, moved, None).await.unwrap();
    let token = link.rsplit('/').next().unwrap();
    assert_eq!(node.engine.unsubscribe(token).await, Ok(Channel::Email));
    let profile = node.engine.contact(&node.caller, reader.id).await.unwrap().profile;
    assert_eq!(profile.consent.on(Channel::Email), Consent::Denied);
    assert_eq!(node.engine.unsubscribe("none").await, Err(EngineError::NotFound));
    node.stop().await;
}
