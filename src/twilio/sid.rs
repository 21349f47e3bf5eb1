//! Names as Twilio has them: two letters and 32 hex digits, which are the sixteen bytes of an id of ours.

use sendwheel_actors::domain::ids::{ApiKeyId, MessageId};

/// The sixteen bytes behind a name of this kind.
fn bytes_of(text: &str, kind: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix(kind)?;
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

/// `SM…` for a message, whichever way it went.
pub(crate) use sendwheel_actors::domain::status_callback::message_sid as of_message;

/// The message that `SM…` names.
pub(super) fn message(text: &str) -> Option<MessageId> {
    bytes_of(text, "SM").map(MessageId::from_bytes)
}

/// Whether a user name is that of a key: `SK…`, or its id as we show it.
pub(super) fn names_key(text: &str, key: ApiKeyId) -> bool {
    bytes_of(text, "SK").is_some_and(|bytes| bytes == *key.as_bytes()) || text.parse() == Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_s_sid_is_its_id_in_hex_both_ways() {
        let id = MessageId::from_bytes(*b"\x01\x93\x00\xff\xaa\xbb\x70\x2a\x80\x01\x02\x03\x04\x05\x06\x07");
        let sid = of_message(id);
        assert_eq!(sid, "SM019300ffaabb702a8001020304050607");
        assert_eq!(message(&sid), Some(id));
    }

    #[test]
    fn what_is_no_sid_names_nothing() {
        let sid = of_message(MessageId::from_bytes([1; 16]));
        for text in ["", "SM", &sid[..33], &format!("{sid}0"), &sid.replacen("SM", "MM", 1), &sid.replacen('1', "g", 1)]
        {
            assert_eq!(message(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_is_named_in_twilio_s_way_or_in_ours() {
        let key = ApiKeyId::from_bytes([7; 16]);
        assert!(names_key(&format!("SK{}", hex::encode([7; 16])), key));
        assert!(names_key(&key.to_string(), key));
        for text in ["", "SK", &format!("SK{}", hex::encode([8; 16])), &ApiKeyId::from_bytes([8; 16]).to_string()] {
            assert!(!names_key(text, key), "{text}");
        }
    }
}
