//! Pins the bytes of every record format. A line of `codec_golden.txt` changes only together with
//! [`Record::VERSION`], and with a way to read what the earlier version wrote.

use std::time::Duration;

use super::samples::*;
use super::*;
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::directory::Alerts;
use crate::domain::habit::AccountHabits;
use crate::domain::ids::{ApiKeyId, MessageId, UserId};
use crate::domain::lift::{Step, Tally};
use crate::domain::message::tests::EACH_STATE;
use crate::domain::message::{AttemptOutcome, Author, Class, ReplyChoice, StateName, StoredContent};
use crate::domain::plan::PlannedBy;
use crate::domain::plan::smart::{Arm, Shares};
use crate::domain::schedule::{IfLate, Intent, QuietHoursPolicy, SmartWindow, TooLittleData};
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

/// Pins the letter of each, and reads it by its long name, as the first format has it, in the letter's place.
fn check_letters<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(variants: &[T], letters: &str) {
    assert_eq!(variants.len(), letters.len());
    for (variant, letter) in variants.iter().zip(letters.bytes()) {
        let bytes = rmp_serde::to_vec(variant).unwrap();
        // A plain one stands as text; others are a map of one, with the text as its key.
        let (map, text) = bytes.split_at(usize::from(bytes[0] == 0x81));
        assert_eq!(text[..2], [0xa1, letter], "{variant:?}");
        let long = format!("{variant:?}");
        let name = rmp_serde::to_vec(long.split(['(', ' ']).next().unwrap()).unwrap();
        for stored in [bytes.clone(), [map, &name, &text[2..]].concat()] {
            assert_eq!(&rmp_serde::from_slice::<T>(&stored).unwrap(), variant);
        }
    }
}

#[test]
fn every_variant_keeps_its_letter_and_is_read_by_its_name_too() {
    let (message, user) = (MessageId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
    check_letters(&EACH_STATE, "sgtdnbhufce");
    check_letters(&[ReplyChoice::Last, ReplyChoice::None, ReplyChoice::To(message)], "lnt");
    check_letters(&[IfLate::Send, IfLate::SkipAfter(Duration::from_secs(1)), IfLate::Replan], "skr");
    let (from, to, too_little_data) = (UnixMs(1), UnixMs(2), TooLittleData::Now);
    let smart = Intent::Smart(SmartWindow { from, to, hours: None, too_little_data });
    check_letters(&[Intent::Now, Intent::At(from), self::message().intent, smart], "naws");
    check_letters(&[Author::ApiKey(ApiKeyId::from_bytes([1; 16])), Author::User(user), Author::System], "kus");
    check_letters(&[StoredContent::Inline(content()), StoredContent::Blob { subject: None }], "ib");
    let address = |channel, text| Address::parse(channel, text).unwrap();
    let email = address(Channel::Email, "ada@example.com");
    let url = address(Channel::Webhook, "https://example.com/hook");
    check_letters(&[email, address(Channel::Sms, "+4915112345678"), url], "epu");
}

/// Pins the place of each, and reads it by its name, as the first format has it.
fn check_places<T>(variants: &[T], names: &str)
where
    T: Copy + Into<u8> + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(variants.len(), names.split(' ').count());
    for ((place, variant), name) in (0..).zip(variants).zip(names.split(' ')) {
        assert_eq!((*variant).into(), place, "{variant:?}");
        assert_eq!(&rmp_serde::from_slice::<T>(&[place]).unwrap(), variant);
        assert_eq!(&rmp_serde::from_slice::<T>(&rmp_serde::to_vec(name).unwrap()).unwrap(), variant, "{name}");
    }
}

#[test]
fn every_plain_variant_keeps_its_place_and_is_read_by_its_name_too() {
    use AttemptOutcome as Outcome;
    check_places(&Channel::ALL, "email sms webhook");
    check_places(&Class::ALL, "conversation transactional campaign");
    check_places(
        &StateName::ALL,
        "scheduled queued sending submitted delivered undelivered bounced held uncertain failed canceled expired",
    );
    check_places(
        &[Outcome::Pending, Outcome::Submitted, Outcome::Transient, Outcome::Permanent, Outcome::Unknown],
        "pending submitted transient permanent unknown",
    );
    check_places(&[QuietHoursPolicy::Defer, QuietHoursPolicy::Skip, QuietHoursPolicy::Ignore], "defer skip ignore");
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
