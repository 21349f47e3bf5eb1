//! Any bytes as what a provider calls: a form, its numbers and names, and the addresses that replies come to.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sendwheel_actors::domain::address::{Area, EmailAddress, Mailbox, PhoneNumber};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::password_link::PasswordLinks;
use sendwheel_actors::domain::reply_address::ReplyKey;
use sendwheel_actors::domain::threading::MailId;
use sendwheel_actors::domain::unsubscribe::UnsubscribeKey;

fuzz_target!(|bytes: &[u8]| {
    let key = [7; 32];
    for (name, value) in url::form_urlencoded::parse(bytes).take(200) {
        for text in [&*name, &*value] {
            if let Ok(number) = PhoneNumber::parse(text) {
                assert_eq!(PhoneNumber::parse(number.as_str()).as_ref(), Ok(&number), "it is read as it is written");
                let _ = Area::of(&number);
            }
            if let Ok(valid) = PhoneNumber::parse_valid(text) {
                assert!(valid.as_str().len() <= 16);
            }
            if let Ok(address) = EmailAddress::parse(text) {
                assert_eq!(EmailAddress::parse(address.as_str()).as_ref(), Ok(&address), "it is read as it is written");
                assert!(!address.as_str().contains(char::is_control));
            }
            if let Ok(mailbox) = Mailbox::parse(text) {
                let written = mailbox.to_string();
                assert!(!written.contains(['\r', '\n', '\0']));
            }
            let _ = MailId::parse(text);
            // Nobody but the key makes a token.
            assert!(ReplyKey::new(&key).find([text]).is_none());
            assert!(UnsubscribeKey::new(&key).verify(text).is_err());
            assert!(PasswordLinks::new(&key).verify(text, UnixMs(0), |_| None).is_err());
        }
    }
});
