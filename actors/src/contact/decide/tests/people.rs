//! Who and what there is: the contact, the senders, callers, new messages.

use std::collections::BTreeMap;

use crate::domain::address::{Channel, EmailAddress, Mailbox, PhoneNumber};
use crate::domain::clock::UnixMs;
pub(super) use crate::domain::contact::Removal;
use crate::domain::contact::{ContactEmail, ContactPhone, Profile};
use crate::domain::directory::{Account, Role, Sender, SenderAddress, Snapshot, User};
use crate::domain::ids::{AccountId, AccountNo, ApiKeyId, ContactId, LaneNo, Partition};
use crate::domain::ids::{SenderId, UserId};
use crate::domain::message::{Author, Content, ReplyChoice};
use crate::domain::schedule::{IfLate, QuietHoursPolicy};
use crate::protocol::api::{Caller, NewIntent, NewMessage};

pub(super) const NOW: UnixMs = UnixMs(1_796_115_600_000); // 2026-12-01T09:00:00Z
pub(super) const ACCOUNT: AccountNo = AccountNo(1);
pub(super) const CONTACT: ContactId = ContactId::from_bytes([3; 16]);
pub(super) const PARTITION: Partition = Partition(5);
pub(super) const SMS: SenderId = SenderId::from_bytes([1; 16]);
pub(super) const EMAIL: SenderId = SenderId::from_bytes([2; 16]);
/// An SMS sender of [`ANN`] alone.
pub(super) const ANNS: SenderId = SenderId::from_bytes([4; 16]);
pub(super) const ANN: UserId = UserId::from_bytes([8; 16]);
pub(super) const BOB: UserId = UserId::from_bytes([9; 16]);

pub(super) fn caller() -> Caller {
    let author = Author::ApiKey(ApiKeyId::from_bytes([6; 16]));
    Caller { account: ACCOUNT, author, role: Role::Admin, user: None, test: false, origin: None, bulk: false }
}

pub(super) fn user(id: UserId) -> Caller {
    Caller { author: Author::User(id), role: Role::User, user: Some(id), ..caller() }
}

pub(super) fn profile() -> Profile {
    let email = |text, primary| ContactEmail { address: EmailAddress::parse(text).unwrap(), label: None, primary };
    Profile {
        name: Some("Jane Doe".into()),
        emails: vec![email("jane@example.com", true), email("jane.doe@example.org", false)],
        phones: vec![ContactPhone { number: PhoneNumber::parse("+12125550199").unwrap(), label: None, primary: true }],
        time_zone: Some("Europe/Berlin".into()),
        ..Profile::default()
    }
}

pub(super) fn sender(id: SenderId, lane: u32, address: SenderAddress) -> Sender {
    Sender {
        id,
        lane: LaneNo(lane),
        account: ACCOUNT,
        version: 1,
        address,
        label: None,
        is_default: true,
        assigned_user: None,
        limit: None,
        country: None,
        paused: false,
        created_at: NOW,
        updated_at: NOW,
        request_hash: None,
    }
}

pub(super) fn phone(text: &str) -> SenderAddress {
    SenderAddress::Phone(PhoneNumber::parse(text).unwrap())
}

pub(super) fn directory(users: &[UserId]) -> Snapshot {
    let mut directory = Snapshot::default();
    directory.put_account(Account {
        id: AccountId::from_bytes([7; 16]),
        no: ACCOUNT,
        version: 1,
        name: "Acme".into(),
        time_zone: "America/New_York".into(),
        twilio_sid: String::new(),
        created_at: NOW,
        updated_at: NOW,
        suspended_at: None,
        alerts: Default::default(),
        rules: Default::default(),
        help_reply: None,
        smart_send: Default::default(),
        tracking: false,
        rules_changed_at: UnixMs(0),
        limits: Default::default(),
        request_hash: None,
    });
    for id in users.iter().copied() {
        directory.put_user(User {
            id,
            account: ACCOUNT,
            email: EmailAddress::parse(&format!("{id}@example.net")).unwrap(),
            password_hash: String::new(),
            role: Role::User,
            created_at: NOW,
            name: None,
            version: 1,
            changed_at: None,
            request_hash: None,
        });
    }
    directory.put_sender(sender(SMS, 1, phone("+12125550101")));
    directory.put_sender(sender(EMAIL, 2, SenderAddress::Email(Mailbox::parse("Acme <hi@example.com>").unwrap())));
    let anns = sender(ANNS, 3, phone("+12125550103"));
    directory.put_sender(Sender { is_default: false, assigned_user: Some(ANN), ..anns });
    directory
}

pub(super) fn content(text: &str) -> Content {
    Content { text: Some(text.into()), ..Content::default() }
}

pub(super) fn new_message(channel: Channel) -> NewMessage {
    NewMessage {
        channel,
        to: None,
        from: None,
        content: content("hello"),
        template: None,
        attachments: Vec::new(),
        intent: NewIntent::Now,
        class: None,
        if_late: IfLate::Send,
        quiet_hours: QuietHoursPolicy::Ignore,
        cancel_on_reply: false,
        reply: ReplyChoice::Last,
        metadata: BTreeMap::new(),
        callback_url: None,
        idempotency: None,
    }
}
