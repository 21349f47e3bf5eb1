//! Cursors of lists: where a merged list went on, opaque to callers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::clock::UnixMs;
use crate::protocol::api::EngineError;
use crate::store::{Entry, Member};

fn refused() -> EngineError {
    EngineError::field(
        "/cursor",
        "invalid_cursor",
        "not a cursor of this list: take `next_cursor` of its last page as it is",
    )
}

/// The cursor after an entry. `mark` tells lists with several parts apart.
pub(super) fn encode(mark: u8, entry: &Entry) -> String {
    let mut bytes = vec![mark];
    bytes.extend_from_slice(&entry.score.0.to_be_bytes());
    bytes.extend_from_slice(&entry.member);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The part and the entry after which to go on.
pub(super) fn decode(cursor: &str) -> Result<(u8, Entry), EngineError> {
    if cursor.len() > 300 {
        return Err(refused());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
    let (mark, rest) = bytes.split_first().ok_or_else(refused)?;
    let (score, member) = rest.split_first_chunk::<8>().ok_or_else(refused)?;
    Ok((*mark, Entry { score: UnixMs(i64::from_be_bytes(*score)), member: Member::from_slice(member) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_entry() {
        let entry = Entry { score: UnixMs(77), member: Member::from_slice(b"member") };
        assert_eq!(decode(&encode(1, &entry)), Ok((1, entry)));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "%%", "AA", &"A".repeat(301)] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
