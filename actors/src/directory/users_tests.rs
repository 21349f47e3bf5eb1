//! Who may change whom, and whom nobody may take away.

use super::*;
use crate::domain::clock::UnixMs;
use crate::domain::ids::AccountNo;
use crate::domain::message::Author;

const ADA: UserId = UserId::from_bytes([1; 16]);
const BOB: UserId = UserId::from_bytes([2; 16]);
const OLGA: UserId = UserId::from_bytes([3; 16]);

fn user(id: UserId, account: u32, role: Role) -> User {
    User {
        id,
        account: AccountNo(account),
        email: EmailAddress::parse(&format!("{id}@example.com")).unwrap(),
        password_hash: String::new(),
        role,
        created_at: UnixMs(1),
        name: None,
        version: 1,
        changed_at: None,
        request_hash: None,
    }
}

/// Ada is the admin of account 1, Bob a user of it, Olga the operator in account 2.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for one in [user(ADA, 1, Role::Admin), user(BOB, 1, Role::User), user(OLGA, 2, Role::Operator)] {
        snapshot.put_user(one);
    }
    snapshot
}

fn caller(id: Option<UserId>, role: Role) -> Caller {
    Caller { account: AccountNo(1), author: Author::System, role, user: id, test: false, origin: None, bulk: false }
}

fn role(role: Role) -> UserPatch {
    UserPatch { role: Some(role), ..UserPatch::default() }
}

fn name() -> UserPatch {
    UserPatch { name: Some(Some("New".into())), ..UserPatch::default() }
}

fn email(text: &str) -> UserPatch {
    UserPatch { email: Some(EmailAddress::parse(text).unwrap()), ..UserPatch::default() }
}

fn password(current: Option<&str>) -> UserPatch {
    let password = Some(Password::parse("correct horse battery").unwrap());
    UserPatch { password, current_password: current.map(Into::into), ..UserPatch::default() }
}

/// The code of the refusal, if it is one.
fn code<T: std::fmt::Debug>(result: EngineResult<T>) -> Option<&'static str> {
    match result {
        Ok(_) => None,
        Err(EngineError::Forbidden { code, .. } | EngineError::Conflict { code, .. }) => Some(code),
        Err(EngineError::Invalid(errors)) => Some(errors[0].code),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn everyone_changes_themselves_admins_the_others_and_nobody_those_above_them() {
    let snapshot = snapshot();
    let (ada, bob) = (caller(Some(ADA), Role::Admin), caller(Some(BOB), Role::User));
    let (key, olga) = (caller(None, Role::Admin), caller(Some(OLGA), Role::Operator));
    for (who, whom, patch, expected) in [
        (bob, BOB, name(), None),
        (bob, BOB, password(Some("old")), None),
        (bob, BOB, password(None), Some("required")),
        (bob, BOB, role(Role::User), None),
        (bob, BOB, role(Role::Admin), Some("admin_required")),
        (bob, BOB, email("b@example.com"), Some("admin_required")),
        (bob, ADA, name(), Some("admin_required")),
        (ada, BOB, name(), None),
        (ada, BOB, role(Role::Admin), None),
        (ada, BOB, role(Role::Operator), Some("role_too_high")),
        (ada, BOB, password(None), None),
        (ada, BOB, email("b@example.com"), None),
        (ada, OLGA, name(), Some("role_too_high")),
        (ada, OLGA, password(None), Some("role_too_high")),
        (key, BOB, password(None), None),
        (key, ADA, password(None), None),
        (olga, BOB, role(Role::Operator), None),
        (olga, OLGA, password(None), Some("required")),
        (Caller { test: true, ..key }, BOB, password(None), Some("test_key")),
        (Caller { test: true, ..key }, BOB, name(), None),
    ] {
        let whom = snapshot.user(whom).unwrap();
        assert_eq!(code(check_change(&snapshot, &who, whom, &patch)), expected, "{who:?} {whom:?} {patch:?}");
    }
}

#[test]
fn the_last_admin_and_the_last_operator_stay() {
    let mut snapshot = snapshot();
    let not_last = |snapshot: &Snapshot, id, then| code(check_not_last(snapshot, snapshot.user(id).unwrap(), then));
    assert_eq!(not_last(&snapshot, BOB, None), None, "a user may go");
    assert_eq!(not_last(&snapshot, ADA, None), Some("last_admin"));
    assert_eq!(not_last(&snapshot, ADA, Some(Role::User)), Some("last_admin"));
    assert_eq!(not_last(&snapshot, ADA, Some(Role::Admin)), None, "nothing is lost");
    assert_eq!(not_last(&snapshot, ADA, Some(Role::Operator)), None);
    snapshot.put_user(user(BOB, 1, Role::Admin));
    assert_eq!(not_last(&snapshot, ADA, None), None);
    // Another account's admin does not help account 2, whose operator is its admin, too.
    assert_eq!(not_last(&snapshot, OLGA, Some(Role::User)), Some("last_admin"));
    assert_eq!(not_last(&snapshot, OLGA, Some(Role::Admin)), Some("last_operator"));
    snapshot.put_user(user(BOB, 1, Role::Operator));
    assert_eq!(not_last(&snapshot, OLGA, Some(Role::Admin)), None);
}

#[test]
fn an_address_that_another_user_has_is_taken_however_it_is_written() {
    let snapshot = snapshot();
    let adas = snapshot.user(ADA).unwrap().email.as_str().to_uppercase();
    let free = |text: &str, except| code(check_email_free(&snapshot, &EmailAddress::parse(text).unwrap(), except));
    assert_eq!(free(&adas, BOB), Some("email_taken"));
    assert_eq!(free(&adas, ADA), None, "it is her own");
    assert_eq!(free("new@example.com", BOB), None);
}
