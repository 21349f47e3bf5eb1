//! A picture finds what was put into it, forgets what was removed, and shares what did not change.

use super::*;
use crate::domain::directory::Subscribed;
use crate::domain::signatures::webhook::WebhookSecret;

const ADA: UserId = UserId::from_bytes([1; 16]);
const BOB: UserId = UserId::from_bytes([2; 16]);

fn user(id: UserId, account: u32, email: &str, role: Role) -> User {
    User {
        id,
        account: AccountNo(account),
        email: EmailAddress::parse(email).unwrap(),
        password_hash: String::new(),
        role,
        created_at: UnixMs(1),
        name: None,
        version: 1,
        changed_at: None,
        request_hash: None,
    }
}

fn session(user: UserId, n: u8) -> Session {
    Session {
        id: SessionId::from_bytes([n; 16]),
        user,
        hash: [n; 32],
        created_at: UnixMs(10),
        last_used_at: UnixMs(10),
        from: None,
        user_agent: None,
    }
}

fn key(n: u8) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_bytes([n; 16]),
        account: AccountNo(1),
        hash: [n; 32],
        name: "k".into(),
        role: Role::User,
        test: false,
        created_at: UnixMs(1),
        revoked_at: None,
        request_hash: None,
        last_used_at: None,
    }
}

#[test]
fn a_user_is_found_by_every_spelling_of_their_present_address_only() {
    let mut snapshot = Snapshot::default();
    snapshot.put_user(user(ADA, 1, "ada@example.com", Role::Admin));
    let found = |snapshot: &Snapshot, text: &str| {
        snapshot.user_by_email(&EmailAddress::parse(text).unwrap()).map(|user| user.id)
    };
    assert_eq!(found(&snapshot, "ADA@Example.com"), Some(ADA));
    snapshot.put_user(user(ADA, 1, "countess@example.com", Role::Admin));
    assert_eq!(found(&snapshot, "ada@example.com"), None);
    assert_eq!(found(&snapshot, "countess@example.com"), Some(ADA));
    snapshot.remove_user(ADA);
    assert_eq!(found(&snapshot, "countess@example.com"), None);
}

#[test]
fn another_admin_is_looked_for_in_the_account_and_another_operator_anywhere() {
    let mut snapshot = Snapshot::default();
    snapshot.put_user(user(ADA, 1, "ada@example.com", Role::Operator));
    assert!(!snapshot.has_another(Role::Admin, ADA, Some(AccountNo(1))));
    snapshot.put_user(user(BOB, 2, "bob@example.com", Role::Operator));
    assert!(!snapshot.has_another(Role::Admin, ADA, Some(AccountNo(1))));
    assert!(snapshot.has_another(Role::Operator, ADA, None));
    snapshot.put_user(user(BOB, 1, "bob@example.com", Role::User));
    assert!(!snapshot.has_another(Role::Admin, ADA, Some(AccountNo(1))));
    snapshot.put_user(user(BOB, 1, "bob@example.com", Role::Operator));
    assert!(snapshot.has_another(Role::Admin, ADA, Some(AccountNo(1))), "an operator is an admin, too");
}

#[test]
fn a_session_is_found_by_its_token_and_listed_with_its_user() {
    let mut snapshot = Snapshot::default();
    for one in [session(ADA, 2), session(ADA, 1), session(BOB, 3)] {
        snapshot.put_session(one);
    }
    let ids =
        |snapshot: &Snapshot, user| snapshot.sessions_of(user).map(|one| one.id.as_bytes()[0]).collect::<Vec<_>>();
    assert_eq!((ids(&snapshot, ADA), ids(&snapshot, BOB)), (vec![1, 2], vec![3]));
    assert_eq!(snapshot.session_by_hash(&[2; 32]).map(|one| one.user), Some(ADA));
    snapshot.remove_session(ADA, SessionId::from_bytes([2; 16]));
    assert_eq!(snapshot.session_by_hash(&[2; 32]), None);
    assert_eq!(ids(&snapshot, ADA), [1]);
}

#[test]
fn a_use_shows_in_every_picture_and_is_never_taken_back() {
    let mut snapshot = Snapshot::default();
    snapshot.put_api_key(key(1));
    snapshot.put_session(session(ADA, 1));
    let id = key(1).id;
    assert_eq!(snapshot.key_last_used(id), None);
    let earlier = snapshot.clone();
    // The key's record is replaced; the picture from before still counts its uses.
    snapshot.put_api_key(ApiKey { name: "renamed".into(), ..key(1) });
    earlier.touch_key(id, UnixMs(500));
    earlier.touch_key(id, UnixMs(400));
    assert_eq!(snapshot.key_last_used(id), Some(UnixMs(500)));
    earlier.touch_session(&session(ADA, 1), UnixMs(600));
    assert_eq!(snapshot.session_last_used(&session(ADA, 1)), UnixMs(600));
    let unwritten: Vec<_> = snapshot.used_keys().map(|(key, at)| (key.name.as_str(), at)).collect();
    assert_eq!(unwritten, [("renamed", UnixMs(500))]);
    snapshot.put_api_key(ApiKey { last_used_at: Some(UnixMs(500)), ..key(1) });
    assert_eq!(snapshot.used_keys().count(), 0, "it is written");
}

#[test]
fn a_reload_forgets_no_use() {
    let mut before = Snapshot::default();
    before.put_api_key(key(1));
    before.put_session(session(ADA, 1));
    before.touch_key(key(1).id, UnixMs(500));
    before.touch_session(&session(ADA, 1), UnixMs(600));
    let mut reloaded = Snapshot::default();
    reloaded.put_api_key(key(1));
    reloaded.put_session(session(ADA, 1));
    reloaded.carry_uses(&before);
    assert_eq!(reloaded.key_last_used(key(1).id), Some(UnixMs(500)));
    assert_eq!(reloaded.session_last_used(&session(ADA, 1)), UnixMs(600));
}

#[test]
fn a_change_of_one_table_leaves_the_others_shared() {
    let snapshot = Snapshot::default();
    let mut next = snapshot.clone();
    next.put_session(session(ADA, 1));
    assert!(next.shares_lanes(&snapshot));
    next.remove_sender(SenderId::from_bytes([1; 16]));
    assert!(!next.shares_lanes(&snapshot));
    let mut next = snapshot.clone();
    next.remove_webhook(AccountNo(1), WebhookId::from_bytes([1; 16]));
    assert!(!next.shares_lanes(&snapshot));
}

#[test]
fn an_account_s_limits_change_the_lanes_and_its_name_does_not() {
    let mut snapshot = Snapshot::default();
    snapshot.put_account(account());
    let mut next = snapshot.clone();
    next.put_account(Account { name: "Acme Ltd".into(), ..account() });
    assert!(next.shares_lanes(&snapshot));
    let limits = AccountLimits { sms: Some(Limit::LONG_CODE), email: None };
    next.put_account(Account { limits, ..account() });
    assert!(!next.shares_lanes(&snapshot));
    assert_eq!(next.account_limits(Channel::Sms).collect::<Vec<_>>(), [(AccountNo(7), Limit::LONG_CODE)]);
    assert_eq!(next.account_limits(Channel::Email).count(), 0);
    next.remove_account(AccountNo(7));
    assert_eq!(next.account_limits(Channel::Sms).count(), 0);
}

#[test]
fn webhooks_are_listed_by_account_and_found_by_lane() {
    let webhook = |byte: u8, account: u32| Webhook {
        id: WebhookId::from_bytes([byte; 16]),
        lane: LaneNo(u32::from(byte)),
        account: AccountNo(account),
        version: 1,
        url: "https://example.com".into(),
        description: None,
        events: Subscribed::All,
        secret: WebhookSecret::from_bytes(&[byte; 32]).unwrap(),
        replaced: None,
        is_enabled: true,
        created_at: UnixMs(0),
        updated_at: UnixMs(0),
        request_hash: None,
    };
    let mut snapshot = Snapshot::default();
    for one in [webhook(3, 1), webhook(2, 2), webhook(1, 1)] {
        snapshot.put_webhook(one);
    }
    let lanes = |account| snapshot.webhooks_of(AccountNo(account)).map(|one| one.lane.0).collect::<Vec<_>>();
    assert_eq!((lanes(1), lanes(2), lanes(3)), (vec![1, 3], vec![2], vec![]));
    assert_eq!(snapshot.webhook_of_lane(LaneNo(2)).map(|one| one.account), Some(AccountNo(2)));
    assert_eq!(snapshot.webhook(AccountNo(1), WebhookId::from_bytes([2; 16])), None, "another account's");
    snapshot.remove_webhook(AccountNo(1), WebhookId::from_bytes([3; 16]));
    assert_eq!(snapshot.webhook_of_lane(LaneNo(3)), None);
    assert_eq!(snapshot.webhooks().count(), 2);
}

fn account() -> Account {
    Account {
        id: AccountId::from_bytes([7; 16]),
        no: AccountNo(7),
        version: 1,
        name: "Acme".into(),
        time_zone: "UTC".into(),
        twilio_sid: String::new(),
        created_at: UnixMs(1),
        updated_at: UnixMs(1),
        suspended_at: None,
        alerts: Default::default(),
        rules: Default::default(),
        help_reply: None,
        smart_send: Default::default(),
        tracking: false,
        rules_changed_at: UnixMs(0),
        limits: Default::default(),
        request_hash: None,
    }
}

#[test]
fn an_account_number_is_remembered_after_its_account_is_gone() {
    let mut snapshot = Snapshot::default();
    snapshot.put_account(account());
    assert!(snapshot.is_active(AccountNo(7)));
    snapshot.remove_account(AccountNo(7));
    assert!(!snapshot.is_active(AccountNo(7)));
    assert_eq!(snapshot.last_account, AccountNo(7));
}
