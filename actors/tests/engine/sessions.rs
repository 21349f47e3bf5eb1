//! Sessions, uses and the audit trail over time: by a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use sendwheel_actors::domain::audit::{AuditAction, AuditEntry, AuditFilter, Stamp};
use sendwheel_actors::domain::clock::{Clock, SystemClock, UnixMs};
use sendwheel_actors::domain::directory::{Role, SessionTerms};
use sendwheel_actors::domain::ids::{AccountNo, AuditId, Partition, PartitionCount};
use sendwheel_actors::domain::message::Author;
use sendwheel_actors::domain::password::Password;
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::engine::EngineSettings;
use sendwheel_actors::engine::api::{Caller, EngineError, NewApiKey, PageRequest};
use sendwheel_actors::engine::people::{SignInOutcome, UserPatch};
use sendwheel_actors::store::{self, Acquired, Batch, NodeId, StoreSettings, StoreUrl, audit};

use super::people::{PASSWORD, code, lets_in, operator, sign_in, timed, trail, try_sign_in, user};
use super::support::{Node, settings, until};

const DAY: Duration = Duration::from_secs(86_400);

/// Upkeep goes round quickly; sessions last a day unused and three days at all.
fn brisk() -> EngineSettings {
    let sessions = SessionTerms { idle: DAY, lifetime: 3 * DAY };
    EngineSettings { sweep_every: Duration::from_millis(20), sessions, ..settings() }
}

#[actix::test]
async fn a_session_lives_while_it_is_used_and_not_for_ever_and_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (node, clock) = timed(folder.path(), brisk()).await;
    let operator = operator(&node).await;
    let bob = user(&node, &operator, "bob@example.com", Role::User).await;
    let (used, unused) = (sign_in(&node, "bob@example.com").await, sign_in(&node, "bob@example.com").await);
    clock.advance(DAY - Duration::from_millis(1));
    assert!(lets_in(&node, &used));
    clock.advance(Duration::from_millis(1));
    assert!(lets_in(&node, &used), "its last use was a moment ago");
    assert!(!lets_in(&node, &unused));
    until("the unused one is gone", async || node.engine.directory().sessions_of(bob.id).count() == 1).await;
    node.stop().await;

    let node = Node::start_at(folder.path(), brisk(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    clock.advance(DAY / 2);
    assert!(lets_in(&node, &used), "its last use was written");
    for _ in 0..3 {
        clock.advance(DAY / 2 - Duration::from_millis(1));
        lets_in(&node, &used);
    }
    clock.advance(Duration::from_millis(3));
    assert!(!lets_in(&node, &used), "three days after the sign-in it is over");
    until("it is gone, too", async || node.engine.directory().sessions_of(bob.id).next().is_none()).await;
    node.stop().await;
}

#[actix::test]
async fn another_password_ends_every_session_but_the_one_it_was_changed_in() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _) = timed(folder.path(), settings()).await;
    let operator = operator(&node).await;
    let bob = user(&node, &operator, "bob@example.com", Role::User).await;
    let (here, elsewhere) = (sign_in(&node, "bob@example.com").await, sign_in(&node, "bob@example.com").await);
    let himself = Caller { author: Author::User(bob.id), role: Role::User, user: Some(bob.id), ..operator };
    let patch = |password: &str, current: &str| UserPatch {
        password: Some(Password::parse(password).unwrap()),
        current_password: Some(current.into()),
        ..UserPatch::default()
    };
    let change = |patch| node.engine.patch_user(&himself, bob.id, patch, None, Some(here.session.id));
    assert_eq!(code(change(patch("another battery staple", "wrong")).await), "wrong_password");
    assert_eq!(code(change(patch("bob@example.com", PASSWORD)).await), "weak_password");
    assert!(lets_in(&node, &elsewhere));
    change(patch("another battery staple", PASSWORD)).await.unwrap();
    assert!(lets_in(&node, &here) && !lets_in(&node, &elsewhere));
    assert!(matches!(try_sign_in(&node, "bob@example.com", PASSWORD).await, Ok(SignInOutcome::Refused)));
    let entries = trail(&node, &operator).await;
    assert!(entries.contains(&"user.updated password".to_owned()), "{entries:?}");
    // An admin sets one without knowing the old one, and nobody stays signed in.
    let reset = UserPatch { current_password: None, ..patch(PASSWORD, "") };
    node.engine.patch_user(&operator, bob.id, reset, None, None).await.unwrap();
    assert!(!lets_in(&node, &here));
    sign_in(&node, "bob@example.com").await;
    node.stop().await;
}

#[actix::test]
async fn ten_wrong_passwords_close_the_door_for_a_quarter_of_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let (node, clock) = timed(folder.path(), settings()).await;
    let operator = operator(&node).await;
    user(&node, &operator, "bob@example.com", Role::User).await;
    for n in 0..10 {
        let email = if n % 2 == 0 { "bob@example.com" } else { "nobody@example.com" };
        assert!(matches!(try_sign_in(&node, email, "wrong").await, Ok(SignInOutcome::Refused)), "{n}");
    }
    match try_sign_in(&node, "bob@example.com", PASSWORD).await {
        Err(EngineError::Throttled { retry_after, .. }) => assert_eq!(retry_after, Duration::from_secs(900)),
        other => panic!("{other:?}"),
    }
    let refused = async || trail(&node, &operator).await.iter().filter(|entry| *entry == "session.refused ").count();
    until("the trail has those for a user", async || refused().await == 5).await;
    clock.advance(Duration::from_secs(900));
    sign_in(&node, "bob@example.com").await;
    assert_eq!(trail(&node, &operator).await[0], "session.created ");
    node.stop().await;
}

#[actix::test]
async fn a_key_s_last_use_shows_at_once_and_is_written_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let (node, clock) = timed(folder.path(), brisk()).await;
    let operator = operator(&node).await;
    let Author::ApiKey(id) = operator.author else { unreachable!() };
    let written = |node: &Node| node.engine.directory().api_key(id).unwrap().last_used_at;
    let shown = |node: &Node| node.engine.directory().key_last_used(id);
    assert_eq!(shown(&node), None);
    let first = clock.now();
    node.engine.directory().touch_key(id, first);
    assert_eq!(shown(&node), Some(first));
    until("the first use is written", async || written(&node) == Some(first)).await;
    clock.advance(Duration::from_secs(599));
    node.engine.directory().touch_key(id, clock.now());
    assert_eq!(shown(&node), Some(clock.now()));
    let new = NewApiKey { name: "other".into(), role: Role::User, test: false, idempotency: None };
    let other = node.engine.create_api_key(&operator, new).await.unwrap().into_inner().0.id;
    node.engine.directory().touch_key(other, clock.now());
    let is_written = |node: &Node| node.engine.directory().api_key(other).unwrap().last_used_at.is_some();
    until("another key's first use is written", async || is_written(&node)).await;
    assert_eq!(written(&node), Some(first), "this one is not old enough");
    clock.advance(Duration::from_secs(1));
    node.engine.directory().touch_key(id, clock.now());
    let second = clock.now();
    until("the later use is written", async || written(&node) == Some(second)).await;
    clock.advance(Duration::from_secs(5));
    node.engine.directory().touch_key(id, clock.now());
    node.stop().await;
    let node = Node::start(folder.path(), settings()).await;
    assert_eq!(shown(&node), Some(clock.now()), "a node that stops writes them all");
    node.stop().await;
}

/// Writes an entry as the batch of a contact's change would, into a numbered partition of a store that no node has.
async fn write_entry(folder: &std::path::Path, at: UnixMs) {
    let (clock, ids): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), IdSource::seeded(1));
    let settings = StoreSettings::new(PartitionCount::new(16).unwrap(), clock, ids);
    let store = store::open(&StoreUrl::Embedded(folder.to_owned()), &settings).await.unwrap();
    let partition = Partition(3);
    let Acquired::Granted(mut lease) = store.acquire(partition, NodeId(1), DAY).await.unwrap() else { panic!("free") };
    let stamp = Stamp { who: Author::System, from: None, at };
    let action = AuditAction::UserUpdated;
    let entry = AuditEntry::new(AuditId::from_bytes([7; 16]), stamp, AccountNo(1), action, "contact_x", &["name"]);
    let mutations = audit::put(partition, &entry).to_vec();
    store.commit(&mut lease.head, Batch { mutations, is_growth: false }).await.unwrap();
    store.release(lease).await.unwrap();
    store.close().await.unwrap();
}

#[actix::test]
async fn the_audit_trail_is_one_list_over_all_partitions_and_is_cut_after_its_retention() {
    let folder = tempfile::tempdir().unwrap();
    write_entry(folder.path(), UnixMs(SystemClock.now().0 - 60_000)).await;
    let (node, clock) = timed(folder.path(), EngineSettings { audit_retention: DAY, ..brisk() }).await;
    let operator = operator(&node).await;
    let bob = user(&node, &operator, "bob@example.com", Role::User).await;
    let all = trail(&node, &operator).await;
    assert_eq!(all, ["user.created ", "api_key.created ", "user.created ", "account.created ", "user.updated name"]);

    let about_bob = AuditFilter { subject: Some(bob.id.to_string()), who: Some(operator.author) };
    let page = |cursor| PageRequest { cursor, limit: 1 };
    let found = node.engine.audit(&operator, &about_bob, &page(None)).await.unwrap();
    assert_eq!(found.items.iter().map(|entry| entry.subject.clone()).collect::<Vec<_>>(), [bob.id.to_string()]);
    let (mut cursor, mut walked) = (None, 0);
    loop {
        let next = node.engine.audit(&operator, &AuditFilter::default(), &page(cursor)).await.unwrap();
        walked += next.items.len();
        cursor = next.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(walked, all.len(), "page by page");
    let stranger = Caller { account: AccountNo(2), ..operator };
    assert!(trail(&node, &stranger).await.is_empty(), "another account's trail is its own");

    clock.advance(DAY - Duration::from_secs(30));
    until("the contact's entry is gone", async || trail(&node, &operator).await == all[..4]).await;
    clock.advance(DAY);
    until("all are gone", async || trail(&node, &operator).await.is_empty()).await;
    node.stop().await;
}
