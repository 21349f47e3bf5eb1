//! Opens and clicks: what a mail carries to tell of them, and what is made of what comes back.

use std::time::Duration;

use super::world::*;
use crate::contact::command::ContactCommand;
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::Channel;
use crate::domain::directory::Account;
use crate::domain::ids::MessageId;
use crate::domain::message::{Content, StateName};
use crate::domain::tracking::{Engagement, INSTANT, Tracked};
use crate::protocol::api::NewMessage;
use crate::protocol::events::EventKind;

const HTML: &str = "<body><a href=\"https://shop.example/?a=1&amp;b=2\">Shop</a> <a href=mailto:a@example.com>Write</a>\
                    <a href='https://send.example/u/x'>Leave</a></body>";

fn world() -> World {
    let mut world = World::new();
    world.settings.public_url = "https://send.example".into();
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { tracking: true, ..account });
    world
}

fn mail(world: &mut World) -> MessageId {
    let content = Content { html: Some(HTML.into()), text: Some("https://shop.example".into()), ..content("x") };
    world.schedule(NewMessage { content, ..new_message(Channel::Email) }).id
}

fn sent(world: &mut World) -> MessageId {
    let id = mail(world);
    world.attempt(id, submitted());
    world.now = world.now.plus(INSTANT);
    id
}

fn track(world: &mut World, id: MessageId, engagement: Engagement) -> Vec<EventKind> {
    let decision = world.tell(ContactCommand::Tracked(id, engagement));
    published(&decision)
}

fn published(decision: &Decision) -> Vec<EventKind> {
    let kind = |effect: &Effect| if let Effect::Publish(happened) = effect { Some(happened.kind) } else { None };
    decision.effects.iter().filter_map(kind).collect()
}

#[test]
fn links_lead_by_us_and_a_picture_is_added_where_the_account_wants_it() {
    let mut world = world();
    let id = mail(&mut world);
    let content = world.claim(id).content;
    let html = content.html.unwrap();
    let token = html.split_once("https://send.example/t/c/").unwrap().1.split('"').next().unwrap();
    let what = Tracked { account: ACCOUNT, contact: CONTACT, message: id };
    assert_eq!(world.tracking.verify_click(token), Ok((what, "https://shop.example/?a=1&b=2".to_owned())));
    let token = html.split_once("https://send.example/t/o/").unwrap().1.split('"').next().unwrap();
    assert_eq!(world.tracking.verify_open(token), Ok(what));
    assert!(html.ends_with("alt=\"\"></body>"), "{html}");
    assert!(html.contains("href=mailto:a@example.com") && html.contains("'https://send.example/u/x'"), "{html}");
    assert_eq!(content.text.as_deref(), Some("https://shop.example"));
    let kept = world.message(id).content;
    assert!(
        matches!(kept, crate::domain::message::StoredContent::Inline(content) if content.html.as_deref() == Some(HTML))
    );

    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { tracking: false, ..account });
    let id = mail(&mut world);
    assert_eq!(world.claim(id).content.html.as_deref(), Some(HTML));
}

#[test]
fn the_first_open_and_the_first_click_are_kept_and_told_and_learned_from() {
    let mut world = world();
    let id = sent(&mut world);
    let opened_at = world.now;
    assert_eq!(track(&mut world, id, Engagement::Opened), [EventKind::MessageOpened]);
    assert!(world.contact().unwrap().habit.is_some());
    world.now = world.now.plus(Duration::from_secs(60));
    assert_eq!(track(&mut world, id, Engagement::Opened), []);
    assert_eq!(track(&mut world, id, Engagement::Clicked), [EventKind::MessageClicked]);
    let message = world.message(id);
    assert_eq!(message.response.opened_at, Some(opened_at));
    assert_eq!(message.response.clicked_at, Some(world.now));
    assert_eq!((message.response.first_at(), message.state.name()), (Some(opened_at), StateName::Submitted));
    let version = message.version;
    track(&mut world, id, Engagement::Clicked);
    assert_eq!(world.message(id).version, version, "what is known is not written again");

    let other = sent(&mut world);
    track(&mut world, other, Engagement::Clicked);
    assert_eq!(world.message(other).response.opened_at, Some(world.now), "who follows a link has opened it");
}

#[test]
fn what_comes_as_soon_as_the_mail_or_for_none_that_was_sent_is_no_readers() {
    let mut world = world();
    let id = mail(&mut world);
    assert_eq!(track(&mut world, id, Engagement::Opened), []);
    world.attempt(id, submitted());
    world.now = world.now.plus(INSTANT - Duration::from_millis(1));
    assert_eq!(track(&mut world, id, Engagement::Clicked), []);
    assert_eq!(world.contact().unwrap().habit, None);
    assert_eq!(track(&mut world, super::receiving::item_id(9), Engagement::Opened), []);
    world.now = world.now.plus(Duration::from_millis(1));
    assert_eq!(track(&mut world, id, Engagement::Clicked), [EventKind::MessageClicked]);
    world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    assert_eq!(track(&mut world, id, Engagement::Opened), []);
}
