//! Accounts and users on a running engine: what they may do, what they leave behind, who is told.

use std::net::IpAddr;
use std::sync::Arc;

use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::domain::audit::AuditFilter;
use sendwheel_actors::domain::clock::{Clock, ManualClock, SystemClock};
use sendwheel_actors::domain::directory::{Role, User};
use sendwheel_actors::domain::message::{Author, StateName};
use sendwheel_actors::domain::password::Password;
use sendwheel_actors::domain::reason::Reason;
use sendwheel_actors::engine::EngineSettings;
use sendwheel_actors::engine::api::{
    Caller, Created, EngineError, EngineResult, Idempotency, NewIntent, PageRequest, SenderPatch,
};
use sendwheel_actors::engine::people::{
    AccountPatch, MadeAccount, NewAccount, NewUser, SignIn, SignInOutcome, SignedIn, UserPatch,
};

use super::support::{Node, settings, until};

pub(super) const PASSWORD: &str = "correct horse battery";

/// An operator's key in the first account.
pub(super) async fn operator(node: &Node) -> Caller {
    let directory = node.engine.directory();
    let key = directory.api_keys_of(node.caller.account)[0];
    Caller { author: Author::ApiKey(key.id), role: Role::Operator, ..node.caller }
}

pub(super) async fn account(node: &Node, by: &Caller) -> MadeAccount {
    let new = NewAccount { name: "Acme".into(), time_zone: "UTC".into(), with_api_key: true, idempotency: None };
    node.engine.create_account(by, new).await.unwrap().into_inner()
}

pub(super) fn new_user(email: &str, role: Role) -> NewUser {
    NewUser {
        email: EmailAddress::parse(email).unwrap(),
        name: None,
        role,
        password: Some(Password::parse(PASSWORD).unwrap()),
        idempotency: None,
    }
}

pub(super) async fn user(node: &Node, by: &Caller, email: &str, role: Role) -> User {
    node.engine.create_user(by, new_user(email, role)).await.unwrap().into_inner()
}

pub(super) async fn try_sign_in(node: &Node, email: &str, password: &str) -> Result<SignInOutcome, EngineError> {
    let origin = Some(IpAddr::from([192, 0, 2, 1]));
    let sign_in = SignIn { email: email.into(), password: password.into(), origin, user_agent: Some("Test".into()) };
    node.engine.sign_in(sign_in).await
}

pub(super) async fn sign_in(node: &Node, email: &str) -> SignedIn {
    match try_sign_in(node, email, PASSWORD).await.unwrap() {
        SignInOutcome::Welcome(signed_in) => *signed_in,
        other => panic!("{other:?}"),
    }
}

/// Whether a session's token still lets somebody in; that counts as a use.
pub(super) fn lets_in(node: &Node, signed_in: &SignedIn) -> bool {
    let directory = node.engine.directory();
    node.engine.session_by_token(&directory, signed_in.token.expose().as_bytes()).is_some()
}

/// The account's audit trail as actions, newest first.
pub(super) async fn trail(node: &Node, caller: &Caller) -> Vec<String> {
    let page = PageRequest { cursor: None, limit: 500 };
    let page = node.engine.audit(caller, &AuditFilter::default(), &page).await.unwrap();
    page.items.iter().map(|entry| format!("{} {}", entry.action, entry.fields.join(","))).collect()
}

/// A node whose time a test moves; it stands at the machine's at first.
pub(super) async fn timed(folder: &std::path::Path, settings: EngineSettings) -> (Node, Arc<ManualClock>) {
    let clock = ManualClock::at(SystemClock.now());
    (Node::start_at(folder, settings, Arc::clone(&clock) as Arc<dyn Clock>).await, clock)
}

/// The code of a refusal.
#[track_caller]
pub(super) fn code<T: std::fmt::Debug>(result: EngineResult<T>) -> &'static str {
    match result {
        Err(EngineError::Conflict { code, .. } | EngineError::Forbidden { code, .. }) => code,
        Err(EngineError::Throttled { code, .. }) => code,
        Err(EngineError::Invalid(errors)) => errors[0].code,
        Err(EngineError::NotFound) => "not_found",
        other => panic!("{other:?}"),
    }
}

fn suspended(suspended: bool) -> AccountPatch {
    AccountPatch { suspended: Some(suspended), ..AccountPatch::default() }
}

#[actix::test]
async fn a_suspended_account_hands_nothing_over_and_goes_on_when_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), settings()).await;
    let operator = operator(&node).await;
    let no = account(&node, &operator).await.account.no;
    node.caller.account = no;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let suspend = |suspend| node.engine.patch_account(&operator, no, suspended(suspend), None);
    suspend(true).await.unwrap();
    let held = node.sms(contact.id, "held", NewIntent::Now).await.message.id;
    node.until_state(held, StateName::Held).await;
    let reason = node.engine.message(&node.caller, held).await.unwrap().message.reason;
    assert_eq!(reason, Some(Reason::AccountSuspended));
    assert!(node.sms.seen().is_empty());
    suspend(false).await.unwrap();
    node.until_state(held, StateName::Submitted).await;
    assert_eq!(node.sms.seen().len(), 1);
    let trail = trail(&node, &Caller { account: no, ..operator }).await;
    assert_eq!(&trail[..2], ["account.resumed ", "account.suspended "]);
    node.stop().await;
}

#[actix::test]
async fn an_account_goes_only_when_it_is_suspended_and_empty_and_its_number_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), settings()).await;
    let operator = operator(&node).await;
    let made = account(&node, &operator).await;
    let (no, home) = (made.account.no, node.caller.account);
    assert_eq!(code(node.engine.patch_account(&operator, home, suspended(true), None).await), "own_account");
    assert_eq!(code(node.engine.delete_account(&operator, home).await), "own_account");
    assert_eq!(code(node.engine.delete_account(&operator, no).await), "not_suspended");

    let acting = Caller { account: no, ..operator };
    node.caller.account = no;
    let user = user(&node, &acting, "ada@example.com", Role::Admin).await;
    let session = sign_in(&node, "ada@example.com").await;
    let sender = node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    node.engine.patch_account(&operator, no, suspended(true), None).await.unwrap();
    assert_eq!(code(node.engine.delete_account(&operator, no).await), "account_not_empty");
    node.engine.delete_contact(&acting, contact.id).await.unwrap();
    until("the account is empty", async || node.engine.delete_account(&operator, no).await.is_ok()).await;

    let check = |node: &Node| {
        let directory = node.engine.directory();
        assert!(directory.account(no).is_none() && directory.sender(sender.id).is_none());
        assert!(directory.user(user.id).is_none() && directory.session(user.id, session.session.id).is_none());
        assert!(directory.api_keys_of(no).is_empty());
    };
    check(&node);
    assert_eq!(trail(&node, &Caller { account: home, ..operator }).await[0], "account.deleted ");
    node.stop().await;
    let node = Node::start(folder.path(), settings()).await;
    check(&node);
    assert!(account(&node, &operator).await.account.no > no, "no number is given out twice");
    node.stop().await;
}

#[actix::test]
async fn a_user_who_is_removed_leaves_their_senders_and_no_way_in() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let operator = operator(&node).await;
    let bob = user(&node, &operator, "bob@example.com", Role::User).await;
    let session = sign_in(&node, "Bob@Example.com").await;
    assert!(lets_in(&node, &session));
    let sender = node.sms_sender("+12125550100").await;
    let patch = SenderPatch { assigned_user: Some(Some(bob.id)), ..SenderPatch::default() };
    node.engine.patch_sender(&operator, sender.id, patch, None).await.unwrap();
    node.engine.delete_user(&operator, bob.id).await.unwrap();
    assert!(!lets_in(&node, &session));
    assert!(matches!(try_sign_in(&node, "bob@example.com", PASSWORD).await, Ok(SignInOutcome::Refused)));
    assert_eq!(node.engine.directory().sender(sender.id).unwrap().assigned_user, None);
    assert_eq!(code(node.engine.delete_user(&operator, bob.id).await), "not_found");
    let trail = trail(&node, &operator).await;
    assert_eq!(&trail[..2], ["sender.updated assigned_user", "user.deleted "]);
    node.stop().await;
}

#[actix::test]
async fn an_address_belongs_to_one_user_of_the_installation() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let operator = operator(&node).await;
    let elsewhere = Caller { account: account(&node, &operator).await.account.no, ..operator };
    user(&node, &operator, "bob@example.com", Role::User).await;
    let again = node.engine.create_user(&elsewhere, new_user("BOB@example.com", Role::User)).await;
    assert_eq!(code(again), "email_taken");
    let ada = user(&node, &elsewhere, "ada@example.com", Role::Admin).await;
    let email = Some(EmailAddress::parse("bob@EXAMPLE.com").unwrap());
    let patch = UserPatch { email, ..UserPatch::default() };
    assert_eq!(code(node.engine.patch_user(&elsewhere, ada.id, patch, None, None).await), "email_taken");
    node.stop().await;
}

#[actix::test]
async fn what_is_made_twice_under_one_key_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let operator = operator(&node).await;
    let under = |hash: u8| Some(Idempotency { key: "k".into(), request_hash: [hash; 16] });
    let new = |hash| NewUser { idempotency: under(hash), ..new_user("bob@example.com", Role::User) };
    let Created::New(first) = node.engine.create_user(&operator, new(1)).await.unwrap() else { panic!("it is new") };
    let Created::Replayed(again) = node.engine.create_user(&operator, new(1)).await.unwrap() else {
        panic!("it was made before")
    };
    assert_eq!(first.id, again.id);
    assert_eq!(code(node.engine.create_user(&operator, new(2)).await), "idempotency_key_reused");
    let new = |hash| NewAccount {
        name: "Acme".into(),
        time_zone: "UTC".into(),
        with_api_key: true,
        idempotency: under(hash),
    };
    let first = node.engine.create_account(&operator, new(1)).await.unwrap().into_inner();
    assert!(first.api_key.is_some());
    let again = node.engine.create_account(&operator, new(1)).await.unwrap();
    assert!(matches!(&again, Created::Replayed(made) if made.account == first.account && made.api_key.is_none()));
    assert_eq!(code(node.engine.create_account(&operator, new(2)).await), "idempotency_key_reused");
    node.stop().await;
}
