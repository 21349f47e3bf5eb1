//! Pins the bytes of every record format. A line of `codec_golden.txt` changes only together with
//! [`Record::VERSION`], and with a way to read what the earlier version wrote.

use super::samples::*;
use super::*;
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::directory::Alerts;
use crate::domain::habit::AccountHabits;
use crate::domain::ids::{ApiKeyId, BootId, MessageId, UserId};
use crate::domain::lift::{Step, Tally};
use crate::domain::message::{AttemptOutcome, Author, Claim, Class, ReplyChoice, State, StateName};
use crate::domain::plan::PlannedBy;
use crate::domain::plan::smart::{Arm, Shares};
use crate::domain::schedule::{IfLate, Intent, QuietHoursPolicy};
use crate::domain::sending_rules::SendingRules;

/// The bytes that stand in the file under a name.
fn golden(name: &str) -> &'static str {
    let mut lines = include_str!("codec_golden.txt").lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

fn check<T: Record + PartialEq + std::fmt::Debug>(record: &T) {
    let golden = golden(T::NAME);
    let bytes = encode(record);
    assert_eq!(hex::encode(&bytes), golden, "the format of {} changed: raise its version", T::NAME);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(record));
}

#[test]
fn a_contact_keeps_its_format() {
    check(&contact());
}

#[test]
fn a_message_keeps_its_format() {
    check(&message());
}

#[test]
fn content_keeps_its_format() {
    check(&content());
}

#[test]
fn a_thread_item_keeps_its_format() {
    check(&item());
}

#[test]
fn a_suppression_keeps_its_format() {
    check(&suppression());
}

#[test]
fn an_account_keeps_its_format() {
    check(&account());
}

#[test]
fn a_user_keeps_its_format() {
    check(&user());
}

#[test]
fn an_api_key_keeps_its_format() {
    check(&api_key());
}

#[test]
fn a_sender_keeps_its_format() {
    check(&sender());
}

#[test]
fn what_is_known_of_habits_keeps_its_format() {
    let mut tally = Tally::default();
    tally.count(Arm::Random, Step::Sent);
    check(&AccountHabits { profile: habit().1, tally });
}

#[test]
fn what_messages_were_planned_by_keeps_its_format() {
    check(&PlannedBy { zones: "2026b".into(), rules_until: UnixMs(7) });
}

#[test]
fn a_webhook_keeps_its_format() {
    check(&webhook());
}

#[test]
fn a_template_keeps_its_format() {
    check(&template());
}

#[test]
fn a_session_keeps_its_format() {
    check(&session());
}

#[test]
fn an_audit_entry_keeps_its_format() {
    check(&audit_entry());
}

#[test]
fn what_the_first_format_did_not_have_is_read_as_its_default() {
    let old = |name| hex::decode(golden(name)).unwrap();
    let read = decode(&old("account, version 1"));
    let old_account = Account {
        suspended_at: None,
        alerts: Alerts::default(),
        request_hash: None,
        help_reply: None,
        smart_send: Shares::default(),
        tracking: false,
        rules_changed_at: UnixMs(0),
        limits: Default::default(),
        rules: SendingRules::default(),
        ..account()
    };
    assert_eq!(read, Ok(old_account));
    let read = decode(&old("user, version 1"));
    assert_eq!(read, Ok(User { name: None, version: 1, changed_at: None, request_hash: None, ..user() }));
    assert_eq!(decode(&old("api key, version 1")), Ok(ApiKey { last_used_at: None, ..api_key() }));
}

#[test]
fn the_long_names_of_the_first_format_are_read_as_the_short_ones() {
    fn check<T: Record + PartialEq + std::fmt::Debug>(record: &T) {
        let name = format!("{}, version 1", T::NAME);
        let old = hex::decode(golden(&name)).unwrap();
        assert!(encode(record).len() < old.len(), "{name}");
        assert_eq!(decode::<T>(&old).as_ref(), Ok(record), "{name}");
    }
    check(&contact());
    check(&message());
    check(&item());
    check(&suppression());
    check(&audit_entry());
}

#[test]
fn every_variant_is_read_by_its_short_and_by_its_long_name() {
    fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(variants: &[T]) {
        for variant in variants {
            let bytes = rmp_serde::to_vec(variant).unwrap();
            assert_eq!(&rmp_serde::from_slice::<T>(&bytes).unwrap(), variant);
            // A plain one by its first name stands as text, with nothing around it; others hold theirs in a map.
            let long = format!("{variant:?}");
            let name = long.split(['(', ' ']).next().unwrap();
            if name.len() == long.len() {
                assert_eq!(&rmp_serde::from_slice::<T>(&rmp_serde::to_vec(name).unwrap()).unwrap(), variant, "{name}");
            }
        }
    }
    let claim = Claim { attempt: 1, boot: BootId(2), deadline: UnixMs(3) };
    check(&[
        State::Scheduled,
        State::Sending(claim),
        State::Submitted,
        State::Delivered,
        State::Undelivered,
        State::Bounced,
        State::Held,
        State::Uncertain,
        State::Failed,
        State::Canceled,
        State::Expired,
    ]);
    check(&[ReplyChoice::Last, ReplyChoice::None, ReplyChoice::To(MessageId::from_bytes([1; 16]))]);
    check(&[IfLate::Send, IfLate::Replan, IfLate::SkipAfter(std::time::Duration::from_secs(1))]);
    check(&[Intent::Now, Intent::At(UnixMs(1))]);
    check(&[Author::System, Author::User(UserId::from_bytes([1; 16])), Author::ApiKey(ApiKeyId::from_bytes([1; 16]))]);
}

#[test]
fn a_plain_variant_is_read_from_its_place_and_from_its_name() {
    let mut message = message();
    for class in Class::ALL {
        for state in StateName::ALL {
            message.class = class;
            message.history[0].state = state;
            assert_eq!(decode::<Message>(&encode(&message)).as_ref(), Ok(&message));
        }
    }
    for policy in [QuietHoursPolicy::Defer, QuietHoursPolicy::Skip, QuietHoursPolicy::Ignore] {
        for outcome in [
            AttemptOutcome::Pending,
            AttemptOutcome::Submitted,
            AttemptOutcome::Transient,
            AttemptOutcome::Permanent,
            AttemptOutcome::Unknown,
        ] {
            for channel in Channel::ALL {
                (message.quiet_hours, message.channel, message.attempts[0].outcome) = (policy, channel, outcome);
                assert_eq!(decode::<Message>(&encode(&message)).as_ref(), Ok(&message));
            }
        }
    }
}

#[test]
fn an_unknown_version_is_named_and_never_guessed_at() {
    let mut bytes = encode(&content()).to_vec();
    bytes[0] = 9;
    let error = decode::<Content>(&bytes).unwrap_err();
    assert_eq!(error, CodecError::Version { record: "content", found: 9, known: 1 });
    assert!(error.to_string().contains("run the version that wrote it"), "{error}");
    assert!(matches!(StoreError::from(error), StoreError::Corrupt(_)));
}

#[test]
fn bytes_cut_short_or_followed_by_more_are_refused() {
    let bytes = encode(&content());
    for end in 0..bytes.len() {
        assert!(decode::<Content>(&bytes[..end]).is_err(), "{end}");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(matches!(decode::<Content>(&longer), Err(CodecError::Malformed { .. })));
}

#[test]
fn a_head_keeps_its_format() {
    let head = Head { partition: Partition(3), token: 0x0102, seq: 5 };
    let bytes = encode_head(&head);
    assert_eq!(hex::encode(bytes), "000000000000000000000000000001020000000000000005");
    assert_eq!(decode_head(Partition(3), &bytes).unwrap(), head);
    assert!(decode_head(Partition(3), &bytes[1..]).is_err());
}
