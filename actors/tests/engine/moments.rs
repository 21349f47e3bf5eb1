//! The right moment on a running engine: what it learns, and what it plans again when rules change.

use std::time::Duration;

use sendwheel_actors::domain::clock::{Clock, SystemClock, UnixMs};
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::lift::Tally;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::domain::plan::smart::{Arm, Shares};
use sendwheel_actors::domain::schedule::TooLittleData;
use sendwheel_actors::domain::sending_rules::{Hours, Scope, TimeOfDay, Weekdays};
use sendwheel_actors::engine::api::{NewIntent, NewWindow};
use sendwheel_actors::engine::people::AccountPatch;

use super::support::{Node, settings, until};

const HOUR: Duration = Duration::from_secs(3_600);

/// Nothing goes but in one hour of the day, which is not the one of the instant on any clock of America or UTC.
fn all_but_an_hour_after(at: UnixMs) -> Vec<Hours> {
    let minute = |hours: u32| {
        let minutes = at.plus(HOUR * hours).0.rem_euclid(86_400_000) / 60_000;
        TimeOfDay::parse(&format!("{:02}:{:02}", minutes / 60, minutes % 60)).unwrap()
    };
    let hours = Hours { scope: Scope::default(), days: Weekdays::ALL, from: minute(3), to: minute(2) };
    vec![hours]
}

async fn due_at(node: &Node, id: MessageId) -> UnixMs {
    node.engine.message(&node.caller, id).await.unwrap().message.due_at
}

async fn patch(node: &Node, patch: AccountPatch) {
    node.engine.patch_account(&node.caller, node.caller.account, patch, None).await.unwrap();
}

#[actix::test]
async fn a_new_rule_of_the_account_moves_what_is_pending_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    patch(&node, AccountPatch { time_zone: Some("UTC".into()), ..AccountPatch::default() }).await;
    let wanted = SystemClock.now().plus(HOUR * 30);
    let mut ids = Vec::new();
    for number in 0..20 {
        let contact = node.contact(number).await;
        ids.push(node.sms(contact.id, "later", NewIntent::At(wanted)).await.message.id);
    }
    let rules = AccountPatch { quiet_hours: Some(all_but_an_hour_after(wanted)), ..AccountPatch::default() };
    patch(&node, rules).await;
    // At once: what was not planned again by now is when the partitions open again.
    node.stop().await;
    let node = Node::start(folder.path(), settings()).await;
    for id in &ids {
        until("it was planned again", async || due_at(&node, *id).await > wanted).await;
        assert!(due_at(&node, *id).await <= wanted.plus(HOUR * 24));
    }
    patch(&node, AccountPatch { quiet_hours: Some(Vec::new()), ..AccountPatch::default() }).await;
    for id in &ids {
        until("it is where it was meant to be", async || due_at(&node, *id).await == wanted).await;
    }
    node.stop().await;
}

#[actix::test]
async fn what_was_counted_of_smart_messages_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let shares = Some(Shares { random: 0, holdout: 0 });
    patch(&node, AccountPatch { smart_send: shares, ..AccountPatch::default() }).await;
    let window = NewWindow::Hours(24);
    for number in 0..5 {
        let contact = node.contact(number).await;
        let intent = NewIntent::Smart { window, too_little_data: TooLittleData::Population };
        let sent = node.sms(contact.id, "Hi", intent).await.message.id;
        // Nothing is known of anybody: the first moment is as good as any.
        node.until_state(sent, StateName::Submitted).await;
    }
    let sent = |tally: Tally| tally.arms().find(|(arm, _)| *arm == Arm::Chosen).unwrap().1.sent;
    until("all were counted", async || sent(node.engine.smart_send_tally(&node.caller)) == 5).await;
    node.stop().await;
    let node = Node::start(folder.path(), settings()).await;
    until("it was read", async || sent(node.engine.smart_send_tally(&node.caller)) == 5).await;
    node.stop().await;
}
