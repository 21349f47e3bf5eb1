//! The right moment on a running engine: what it learns, and what it plans again when rules change.

use std::sync::Arc;
use std::time::Duration;

use sendwheel_actors::domain::clock::{Clock, SystemClock, UnixMs};
use sendwheel_actors::domain::ids::{MessageId, PartitionCount};
use sendwheel_actors::domain::lift::Tally;
use sendwheel_actors::domain::message::{Message, StateName};
use sendwheel_actors::domain::plan::PlannedBy;
use sendwheel_actors::domain::plan::smart::{Arm, Shares};
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy, TooLittleData};
use sendwheel_actors::domain::sending_rules::{Hours, Scope, TimeOfDay, Weekdays};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::domain::ticket::Ticket;
use sendwheel_actors::engine::api::{NewIntent, NewWindow, ZoneChoice};
use sendwheel_actors::engine::people::AccountPatch;
use sendwheel_actors::store::{
    self, Acquired, Batch, Index, Member, Mutation, NodeId, RecordKey, StoreSettings, StoreUrl, Table, codec, keys,
};

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

/// What older rules of zones would have made of a store: each of these was due an hour earlier.
async fn as_if_planned_by_older_zones(folder: &std::path::Path, ids: &[MessageId]) {
    let settings = StoreSettings::new(PartitionCount::new(16).unwrap(), Arc::new(SystemClock), IdSource::from_os());
    let mut opened = None;
    until("the store opens", async || {
        opened = store::open(&StoreUrl::Embedded(folder.to_owned()), &settings).await.ok();
        opened.is_some()
    })
    .await;
    let store = opened.unwrap();
    for id in ids {
        let partition = id.partition();
        let key = RecordKey { partition, table: Table::Message, key: keys::message(*id) };
        let bytes = store.get(&[key]).await.unwrap().remove(0).unwrap();
        let message: Message = codec::decode(&bytes).unwrap();
        let earlier = Message { due_at: message.due_at.minus(HOUR), ..message.clone() };
        let mut mutations = vec![
            Mutation::Put(
                Table::Planned,
                keys::planned(),
                codec::encode(&PlannedBy { zones: "2019a".into(), rules_until: UnixMs(0) }),
            ),
            Mutation::Put(Table::Message, keys::message(*id), codec::encode(&earlier)),
        ];
        let (was, is) = (Ticket::of_message(&message), Ticket::of_message(&earlier));
        let member = |ticket: &Ticket| Member::from_slice(&ticket.member());
        let (pending, own) = (Index::Pending(message.contact), keys::message_member(*id));
        mutations.extend([
            Mutation::Unindex(Index::Due, was.due_at, member(&was)),
            Mutation::Index(Index::Due, is.due_at, member(&is)),
            Mutation::Unindex(pending, message.due_at, own.clone()),
            Mutation::Index(pending, earlier.due_at, own),
        ]);
        let Acquired::Granted(lease) = store.acquire(partition, NodeId(1), HOUR).await.unwrap() else {
            panic!("the store is in use");
        };
        let mut head = lease.head;
        store.commit(&mut head, Batch { mutations, is_growth: false }).await.unwrap();
    }
}

#[actix::test]
async fn what_is_due_soon_is_planned_by_new_rules_of_zones_before_anything_is_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    // Half an hour from now by the clock, and half an hour ago by what older rules said.
    let wanted = UnixMs(SystemClock.now().plus(HOUR / 2).0 / 1_000 * 1_000);
    let local = wanted.to_string().trim_end_matches('Z').to_owned();
    let mut ids = Vec::new();
    for number in 0..40 {
        let contact = node.contact(number).await;
        let intent = NewIntent::Wall {
            local: local.clone(),
            zone: ZoneChoice::Named("UTC".into()),
            gap: GapPolicy::Forward,
            fold: FoldPolicy::First,
        };
        ids.push(node.sms(contact.id, "not yet", intent).await.message.id);
    }
    let now = node.sms(node.contact(99).await.id, "later", NewIntent::At(wanted)).await.message.id;
    node.stop().await;
    as_if_planned_by_older_zones(folder.path(), &ids).await;
    let node = Node::start(folder.path(), settings()).await;
    for id in &ids {
        until("it was planned again", async || due_at(&node, *id).await == wanted).await;
    }
    // The wheels run: what is due goes.
    node.engine.send_now(&node.caller, now).await.unwrap();
    node.until_state(now, StateName::Submitted).await;
    let gone: Vec<_> = node.sms.seen().into_iter().map(|handed| handed.message).filter(|id| *id != now).collect();
    assert_eq!(gone, [], "by the old clock");
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
