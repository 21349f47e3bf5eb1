//! A record of every kind, with something in every field: what the tests of the format look at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::domain::address::{Address, Channel, EmailAddress, Mailbox, PhoneNumber};
use crate::domain::audit::{AuditAction, Stamp};
use crate::domain::clock::UnixMs;
use crate::domain::contact::{
    Consent, ConsentByChannel, ContactEmail, ContactPhone, IncomingMerge, LastUsed, Life, MergedContact, Merges,
    Profile, Removal,
};
use crate::domain::conversation::{Conversation, EmailThread, Inbound, ItemKind};
use crate::domain::directory::webhooks::ReplacedSecret;
use crate::domain::directory::{AccountLimits, Alerts, Limit, Role, SenderAddress, Subscribed, WebhookEvent};
use crate::domain::habit::{Habit, Profile as HabitProfile, Sureness};
use crate::domain::ids::{
    AccountId, AccountNo, ApiKeyId, AuditId, BootId, CampaignNo, ContactId, LaneNo, MessageId, SenderId, SessionId,
    TemplateId, UserId, WebhookId,
};
use crate::domain::message::{
    Attachment, Attempt, AttemptOutcome, Author, Claim, Class, HistoryEntry, MessageThread, ReplyChoice, State,
    StateName, StoredContent,
};
use crate::domain::plan::smart::{Arm, Chosen, Shares};
use crate::domain::plan::{Cause, Delay, Plan};
use crate::domain::reason::Reason;
use crate::domain::receipt::{Receipt, ReceiptStatus};
use crate::domain::schedule::{FoldPolicy, GapPolicy, IfLate, Intent, QuietHoursPolicy, Resolution, WallClock};
use crate::domain::sending_rules::{Cap, Country, Holiday, Hours, Scope, SendingRules, Sent, TimeOfDay, Weekdays};
use crate::domain::signatures::webhook::WebhookSecret;
use crate::domain::suppression::SuppressionReason;
use crate::domain::threading::{MailId, References, ThreadHead, ThreadedMail};
use crate::domain::tracking::Response;
use crate::domain::verdict::{Failure, FailureScope};

pub(super) fn email() -> EmailAddress {
    EmailAddress::parse("ada@example.com").unwrap()
}

pub(super) fn phone() -> PhoneNumber {
    PhoneNumber::parse("+4915123456789").unwrap()
}

pub(super) fn content() -> Content {
    Content { subject: Some("Hi".into()), text: Some("Hello".into()), html: None, render: true }
}

pub(super) fn contact() -> Contact {
    Contact {
        id: ContactId::from_bytes([2; 16]),
        account: AccountNo(1),
        version: 3,
        life: Life::Tombstone { at: UnixMs(1_800_000_000_000), removal: Removal::Erase },
        merges: Merges {
            incoming: Some(IncomingMerge { from: ContactId::from_bytes([8; 16]), token: 9, is_moving: true }),
            done: vec![MergedContact {
                id: ContactId::from_bytes([7; 16]),
                external_id: Some("crm-2".into()),
                into: ContactId::from_bytes([2; 16]),
            }],
        },
        profile: Profile {
            name: Some("Ada".into()),
            emails: vec![ContactEmail { address: email(), label: Some("work".into()), primary: true }],
            phones: vec![ContactPhone { number: phone(), label: None, primary: false }],
            time_zone: Some("Europe/Berlin".into()),
            tags: vec!["vip".into()],
            attributes: BTreeMap::from([("plan".into(), "pro".into())]),
            consent: ConsentByChannel { email: Consent::Granted, sms: Consent::Denied },
            external_id: Some("42".into()),
        },
        last_email: LastUsed { address: Some(Address::Email(email())), sender: Some(SenderId::from_bytes([5; 16])) },
        last_sms: LastUsed::default(),
        conversation: Conversation {
            last_activity_at: Some(UnixMs(1_700_000_000_002)),
            last_inbound_at: BTreeMap::from([(Channel::Sms, UnixMs(1_700_000_000_002))]),
            last_channel: Some(Channel::Sms),
            email: Some(EmailThread {
                head: ThreadHead::begin(&ThreadedMail::read(Some("<1@example.com>"), [], [], Some("Hi"))),
                newest: MessageId::from_bytes([9; 16]),
            }),
            unread: 2,
            assigned_to: Some(UserId::from_bytes([7; 16])),
            is_unknown: true,
        },
        created_at: UnixMs(1_700_000_000_000),
        updated_at: UnixMs(1_700_000_000_001),
        request_hash: Some([9; 16]),
        habit: Some(Box::new(habit().0)),
        sent: vec![Sent { channel: Channel::Email, class: Class::Campaign, at: UnixMs(8), message: 9 }],
    }
}

/// Of one event, on a Monday at one.
pub(super) fn habit() -> (Habit, HabitProfile) {
    let (mut habit, mut profile) = (Habit::default(), HabitProfile::default());
    habit.saw(UnixMs(1_699_837_200_000), &mut profile);
    (habit, profile)
}

pub(super) fn message() -> Message {
    Message {
        id: MessageId::from_bytes([1; 16]),
        origin: None,
        account: AccountNo(1),
        contact: ContactId::from_bytes([2; 16]),
        version: 7,
        channel: Channel::Sms,
        class: Class::Transactional,
        sender: SenderId::from_bytes([5; 16]),
        lane: LaneNo(3),
        to: Address::Phone(phone()),
        content: StoredContent::Inline(content()),
        attachments: vec![Attachment {
            blob: 1,
            filename: "a.pdf".into(),
            content_type: "application/pdf".into(),
            size: 9,
        }],
        state: State::Sending(Claim { attempt: 2, boot: BootId(77), deadline: UnixMs(1_800_000_030_000) }),
        reason: Some(Reason::TooLate(Duration::from_millis(1_500))),
        intent: Intent::Wall(WallClock {
            local: "2026-12-01T09:00:00".into(),
            zone: "Europe/Berlin".into(),
            zone_of_contact: true,
            gap: GapPolicy::Forward,
            fold: FoldPolicy::First,
            resolution: Resolution::Exact,
        }),
        due_at: UnixMs(1_800_000_000_000),
        if_late: IfLate::SkipAfter(Duration::from_secs(60)),
        quiet_hours: QuietHoursPolicy::Defer,
        cancel_on_reply: true,
        created_us: 1_700_000_000_000_123,
        updated_at: UnixMs(1_700_000_000_001),
        since: UnixMs(1_700_000_000_002),
        is_cancel_requested: true,
        author: Author::ApiKey(ApiKeyId::from_bytes([6; 16])),
        campaign: CampaignNo(0),
        estimated_cost: 2,
        attempts: vec![Attempt {
            number: 1,
            started_at: UnixMs(1),
            finished_at: Some(UnixMs(2)),
            outcome: AttemptOutcome::Transient,
            provider_id: Some("SM1".into()),
            failure: Some(Failure {
                code: "http_503".into(),
                detail: "busy".into(),
                scope: FailureScope::Provider,
                retry_after: Some(Duration::from_secs(1)),
            }),
            cost: 3,
        }],
        history: vec![HistoryEntry {
            at: UnixMs(3),
            state: StateName::Held,
            reason: Some(Reason::RetryAfter("http_503".into())),
            by: Author::System,
        }],
        request_hash: None,
        metadata: BTreeMap::from([("order".into(), "17".into())]),
        requeue_of: Some(MessageId::from_bytes([8; 16])),
        reply: ReplyChoice::To(MessageId::from_bytes([9; 16])),
        thread: Some(MessageThread {
            id: Some(MailId::parse("<2@example.com>").unwrap()),
            in_reply_to: Some(MailId::parse("<1@example.com>").unwrap()),
            references: References::read(["<1@example.com>"]),
            entry: Some(MessageId::from_bytes([9; 16])),
        }),
        receipt: Some(Receipt { status: ReceiptStatus::Delayed, at: UnixMs(4), code: Some("4.4.1".into()) }),
        test: false,
        callback_url: None,
        plan: Some(Plan {
            wanted_at: UnixMs(1_799_999_000_000),
            zone: "Europe/Berlin".into(),
            delays: vec![Delay {
                cause: Cause::QuietHours { from: time("21:00"), to: time("08:00") },
                until: UnixMs(9),
            }],
            chosen: Some(Box::new(Chosen {
                arm: Arm::Chosen,
                sureness: Sureness::Fair,
                best_at: UnixMs(1_799_999_000_000),
                best: 3_000,
                first: 200,
                others: 1_000,
            })),
        }),
        response: Response { opened_at: Some(UnixMs(5)), clicked_at: Some(UnixMs(6)), replied_at: Some(UnixMs(7)) },
    }
}

pub(super) fn time(text: &str) -> TimeOfDay {
    TimeOfDay::parse(text).unwrap()
}

pub(super) fn rules() -> SendingRules {
    let scope = Scope { channel: Some(Channel::Sms), country: Country::parse("US"), class: Some(Class::Campaign) };
    SendingRules {
        quiet_hours: vec![Hours { scope, days: Weekdays::ALL, from: time("21:00"), to: time("08:00") }],
        send_windows: Vec::new(),
        holidays: vec![Holiday::parse(Scope::default(), "12-25").unwrap()],
        conversation_exempt: true,
        caps: vec![Cap { scope, limit: 3, per: Duration::from_secs(86_400) }],
    }
}

pub(super) fn item() -> ThreadItem {
    ThreadItem {
        id: MessageId::from_bytes([9; 16]),
        account: AccountNo(1),
        contact: ContactId::from_bytes([2; 16]),
        version: 1,
        at: UnixMs(1_700_000_000_003),
        kind: ItemKind::Inbound(Box::new(Inbound {
            channel: Channel::Email,
            from: Address::Email(email()),
            to: "hello@acme.example".into(),
            sender: Some(SenderId::from_bytes([5; 16])),
            content: StoredContent::Blob { subject: Some("Re: Hi".into()) },
            attachments: vec![],
            in_reply_to: Some(MessageId::from_bytes([1; 16])),
            message_id: Some(MailId::parse("<1@example.com>").unwrap()),
            references: References::read(["<0@example.com>"]),
            provider_id: None,
            is_automatic: false,
            has_raw: true,
        })),
    }
}

pub(super) fn suppression() -> Suppression {
    Suppression {
        account: AccountNo(1),
        address: Some(Address::Phone(phone())),
        channel: Channel::Sms,
        reason: SuppressionReason::Complaint,
        since: UnixMs(1_700_000_000_004),
        by: Author::System,
    }
}

pub(super) fn account() -> Account {
    Account {
        id: AccountId::from_bytes([3; 16]),
        no: AccountNo(1),
        version: 1,
        name: "Acme".into(),
        time_zone: "UTC".into(),
        twilio_sid: "AC0123456789abcdef0123456789abcdef".into(),
        created_at: UnixMs(1),
        updated_at: UnixMs(2),
        suspended_at: Some(UnixMs(3)),
        alerts: Alerts { emails: vec![email()], told_until: UnixMs(4) },
        help_reply: Some("Acme: call us".into()),
        smart_send: Shares { random: 10, holdout: 20 },
        tracking: true,
        rules_changed_at: UnixMs(6),
        limits: AccountLimits { email: Some(Limit { rate: 100, per: Duration::from_secs(60), burst: 7 }), sms: None },
        request_hash: Some([2; 16]),
        rules: rules(),
    }
}

pub(super) fn user() -> User {
    User {
        id: UserId::from_bytes([4; 16]),
        account: AccountNo(1),
        email: email(),
        password_hash: "$argon2id$".into(),
        role: Role::Admin,
        created_at: UnixMs(1),
        name: Some("Ada".into()),
        version: 2,
        changed_at: Some(UnixMs(2)),
        request_hash: Some([3; 16]),
    }
}

pub(super) fn api_key() -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_bytes([6; 16]),
        account: AccountNo(1),
        hash: [7; 32],
        name: "ci".into(),
        role: Role::User,
        test: true,
        created_at: UnixMs(1),
        revoked_at: Some(UnixMs(2)),
        request_hash: None,
        last_used_at: Some(UnixMs(3)),
    }
}

pub(super) fn session() -> Session {
    Session {
        id: SessionId::from_bytes([7; 16]),
        user: UserId::from_bytes([4; 16]),
        hash: [8; 32],
        created_at: UnixMs(1),
        last_used_at: UnixMs(2),
        from: Some([192, 0, 2, 1].into()),
        user_agent: Some("Firefox".into()),
    }
}

pub(super) fn audit_entry() -> AuditEntry {
    let stamp =
        Stamp { who: Author::User(UserId::from_bytes([4; 16])), from: Some([192, 0, 2, 1].into()), at: UnixMs(1) };
    let (id, subject) = (AuditId::from_bytes([9; 16]), SenderId::from_bytes([5; 16]));
    AuditEntry::new(id, stamp, AccountNo(1), AuditAction::SenderUpdated, subject, &["label"])
}

pub(super) fn webhook() -> Webhook {
    let secret = |byte: u8| WebhookSecret::from_bytes(&[byte; 24]).unwrap();
    Webhook {
        id: WebhookId::from_bytes([4; 16]),
        lane: LaneNo(9),
        account: AccountNo(1),
        version: 2,
        url: "https://example.com/hook".into(),
        description: Some("CRM".into()),
        events: Subscribed::To(BTreeSet::from([WebhookEvent::MessageFailed])),
        secret: secret(2),
        replaced: Some(ReplacedSecret { secret: secret(1), until: UnixMs(7) }),
        is_enabled: true,
        created_at: UnixMs(1),
        updated_at: UnixMs(2),
        request_hash: Some([9; 16]),
    }
}

pub(super) fn template() -> MessageTemplate {
    MessageTemplate {
        id: TemplateId::from_bytes([3; 16]),
        account: AccountNo(1),
        version: 2,
        name: "Reminder".into(),
        channel: Channel::Email,
        content: content(),
        created_at: UnixMs(1),
        updated_at: UnixMs(2),
        request_hash: Some([8; 16]),
    }
}

pub(super) fn sender() -> Sender {
    Sender {
        id: SenderId::from_bytes([5; 16]),
        lane: LaneNo(3),
        account: AccountNo(1),
        version: 2,
        address: SenderAddress::Email(Mailbox { name: Some("Acme".into()), address: email() }),
        label: None,
        is_default: true,
        assigned_user: Some(UserId::from_bytes([4; 16])),
        limit: Some(Limit { rate: 10, per: Duration::from_secs(1), burst: 5 }),
        country: Some("DE".into()),
        paused: false,
        created_at: UnixMs(1),
        updated_at: UnixMs(2),
        request_hash: Some([1; 16]),
    }
}
