//! Index members as types: what an index lists, to bytes and back.

use smallvec::SmallVec;

use super::super::contract::{Entry, Member};
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AuditId, ContactId, LaneNo, MessageId, Partition};
use crate::domain::message::{Class, StateName};

/// An index member that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("index `{index}` holds a member that this version cannot read ({len} bytes): use the version that wrote it")]
pub struct KeyError {
    /// Which index.
    pub index: &'static str,
    /// Its length; its bytes may be personal data.
    pub len: usize,
}

impl KeyError {
    pub(super) const fn new(index: &'static str, bytes: &[u8]) -> Self {
        Self { index, len: bytes.len() }
    }
}

fn id_at(bytes: &[u8], at: usize) -> Option<[u8; 16]> {
    bytes.get(at..at + 16)?.try_into().ok()
}

/// The member of a message in `Pending` and `Timeline`.
#[must_use]
pub fn message_member(id: MessageId) -> Member {
    Member::from_slice(id.as_bytes())
}

/// The message that a member of `Pending` or `Timeline` names.
///
/// # Errors
/// Not sixteen bytes.
pub fn message_of_member(bytes: &[u8]) -> Result<MessageId, KeyError> {
    bytes.try_into().map(MessageId::from_bytes).map_err(|_| KeyError::new("pending or timeline", bytes))
}

/// A member of `Timeline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimelineMember {
    /// A message of ours.
    Message(MessageId),
    /// Another entry of the thread.
    Item(MessageId),
}

impl TimelineMember {
    const ITEM: u8 = 1;

    /// Its bytes: a message's are its id, as in `Pending`.
    #[must_use]
    pub fn encode(self) -> Member {
        match self {
            Self::Message(id) => message_member(id),
            Self::Item(id) => {
                let mut member = message_member(id);
                member.push(Self::ITEM);
                member
            }
        }
    }

    /// From its bytes.
    ///
    /// # Errors
    /// Neither sixteen bytes nor seventeen with the mark of an item.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes {
            [id @ .., Self::ITEM] if id.len() == 16 => message_of_member(id).map(Self::Item),
            _ => message_of_member(bytes).map(Self::Message),
        }
    }

    /// Whichever id it holds.
    #[must_use]
    pub const fn id(self) -> MessageId {
        match self {
            Self::Message(id) | Self::Item(id) => id,
        }
    }
}

/// The member of a contact in `Contacts` and `Inbox`.
#[must_use]
pub fn contact_member(id: ContactId) -> Member {
    Member::from_slice(id.as_bytes())
}

/// The contact that a member of `Contacts` or `Inbox` names.
///
/// # Errors
/// Not sixteen bytes.
pub fn contact_of_member(bytes: &[u8]) -> Result<ContactId, KeyError> {
    bytes.try_into().map(ContactId::from_bytes).map_err(|_| KeyError::new("contacts or inbox", bytes))
}

/// A member of `Held`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeldMember {
    /// The held message.
    pub message: MessageId,
    /// Whose it is.
    pub contact: ContactId,
}

impl HeldMember {
    /// Its bytes.
    #[must_use]
    pub fn encode(self) -> Member {
        let mut member = Member::from_slice(self.message.as_bytes());
        member.extend_from_slice(self.contact.as_bytes());
        member
    }

    /// From its bytes.
    ///
    /// # Errors
    /// Not 32 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        match (id_at(bytes, 0), id_at(bytes, 16)) {
            (Some(message), Some(contact)) if bytes.len() == 32 => {
                Ok(Self { message: MessageId::from_bytes(message), contact: ContactId::from_bytes(contact) })
            }
            _ => Err(KeyError::new("held", bytes)),
        }
    }
}

/// A member of `Attention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttentionMember {
    /// `held`, `uncertain` or `failed`.
    pub state: StateName,
    /// The message to look at.
    pub message: MessageId,
    /// Whose it is.
    pub contact: ContactId,
}

impl AttentionMember {
    const STATES: [(u8, StateName); 3] = [(1, StateName::Held), (2, StateName::Uncertain), (3, StateName::Failed)];

    /// Its bytes; `None` for a state that needs nobody's attention.
    #[must_use]
    pub fn encode(self) -> Option<Member> {
        let (byte, _) = Self::STATES.into_iter().find(|(_, state)| *state == self.state)?;
        let mut member = Member::new();
        member.push(byte);
        member.extend_from_slice(self.message.as_bytes());
        member.extend_from_slice(self.contact.as_bytes());
        Some(member)
    }

    /// From its bytes.
    ///
    /// # Errors
    /// Another length or state.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let error = || KeyError::new("attention", bytes);
        let (byte, rest) = bytes.split_first().ok_or_else(error)?;
        let (_, state) = Self::STATES.into_iter().find(|(known, _)| known == byte).ok_or_else(error)?;
        let HeldMember { message, contact } = HeldMember::decode(rest).map_err(|_| error())?;
        Ok(Self { state, message, contact })
    }
}

/// A member of `Search`: a term, a zero byte, a contact.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SearchMember {
    /// At most [`SearchMember::MAX_TERM`] bytes, without a zero byte.
    pub term: String,
    /// Who is found by it.
    pub contact: ContactId,
}

impl std::fmt::Debug for SearchMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SearchMember({})", self.contact)
    }
}

impl SearchMember {
    /// Longest term in bytes: with its contact it stays under a member's 128.
    pub const MAX_TERM: usize = 110;

    /// Its bytes; `None` for a term that is too long or has a zero byte in it.
    #[must_use]
    pub fn encode(&self) -> Option<Member> {
        if self.term.len() > Self::MAX_TERM || self.term.as_bytes().contains(&0) {
            return None;
        }
        let mut member: Member = SmallVec::from_slice(self.term.as_bytes());
        member.push(0);
        member.extend_from_slice(self.contact.as_bytes());
        Some(member)
    }

    /// From its bytes.
    ///
    /// # Errors
    /// No zero byte after a UTF-8 term, or no contact after it.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let error = || KeyError::new("search", bytes);
        let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(error)?;
        let term = std::str::from_utf8(&bytes[..end]).map_err(|_| error())?;
        let contact = <[u8; 16]>::try_from(&bytes[end + 1..]).map_err(|_| error())?;
        Ok(Self { term: term.to_owned(), contact: ContactId::from_bytes(contact) })
    }
}

/// Where a search for terms that begin with `prefix` starts, as `RangeQuery::after`; it ends at the first
/// member whose term begins otherwise.
#[must_use]
pub fn search_start(prefix: &str) -> Entry {
    Entry { score: UnixMs(0), member: Member::from_slice(prefix.as_bytes()) }
}

/// A member of `WaitingScopes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaitingScope {
    /// The lane.
    pub lane: LaneNo,
    /// The class within it.
    pub class: Class,
}

impl WaitingScope {
    /// Its bytes.
    #[must_use]
    pub fn encode(self) -> Member {
        let mut member = Member::from_slice(&self.lane.0.to_be_bytes());
        member.push(self.class as u8);
        member
    }

    /// From its bytes.
    ///
    /// # Errors
    /// Not five bytes, or an unknown class.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let error = || KeyError::new("waiting scopes", bytes);
        let [a, b, c, d, class] = <[u8; 5]>::try_from(bytes).map_err(|_| error())?;
        let class = Class::from_byte(class).ok_or_else(error)?;
        Ok(Self { lane: LaneNo(u32::from_be_bytes([a, b, c, d])), class })
    }
}

/// A member of `Audit`: where the entry is, since one list is merged over all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditMember {
    /// The entry.
    pub entry: AuditId,
    /// The partition that has it.
    pub partition: Partition,
}

impl AuditMember {
    /// Its bytes.
    #[must_use]
    pub fn encode(self) -> Member {
        let mut member = Member::from_slice(self.entry.as_bytes());
        member.extend_from_slice(&self.partition.0.to_be_bytes());
        member
    }

    /// From its bytes.
    ///
    /// # Errors
    /// Not eighteen bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        match (id_at(bytes, 0), bytes.get(16..)) {
            (Some(entry), Some(&[high, low])) => {
                Ok(Self { entry: AuditId::from_bytes(entry), partition: Partition(u16::from_be_bytes([high, low])) })
            }
            _ => Err(KeyError::new("audit", bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: MessageId = MessageId::from_bytes([1; 16]);
    const CONTACT: ContactId = ContactId::from_bytes([2; 16]);

    #[test]
    fn members_are_read_back_and_others_refused() {
        assert_eq!(message_of_member(&message_member(MESSAGE)), Ok(MESSAGE));
        assert_eq!(contact_of_member(&contact_member(CONTACT)), Ok(CONTACT));
        for member in [TimelineMember::Message(MESSAGE), TimelineMember::Item(MESSAGE)] {
            assert_eq!(TimelineMember::decode(&member.encode()), Ok(member));
        }
        assert!(TimelineMember::decode(&[1; 18]).is_err());
        assert!(TimelineMember::decode(&[2; 17]).is_err());
        let held = HeldMember { message: MESSAGE, contact: CONTACT };
        assert_eq!(HeldMember::decode(&held.encode()), Ok(held));
        let scope = WaitingScope { lane: LaneNo(70_000), class: Class::Campaign };
        assert_eq!(WaitingScope::decode(&scope.encode()), Ok(scope));
        let audit = AuditMember { entry: AuditId::from_bytes([4; 16]), partition: Partition::DIRECTORY };
        assert_eq!(AuditMember::decode(&audit.encode()), Ok(audit));
        for short in [&[][..], &[1; 15], &[1; 19], &[1; 33]] {
            assert!(AuditMember::decode(short).is_err());
            assert!(message_of_member(short).is_err());
            assert!(contact_of_member(short).is_err());
            assert!(HeldMember::decode(short).is_err());
            assert!(WaitingScope::decode(short).is_err());
        }
        assert!(WaitingScope::decode(&[0, 0, 0, 0, 9]).is_err());
    }

    #[test]
    fn only_states_for_people_stand_in_attention() {
        for state in StateName::ALL {
            let member = AttentionMember { state, message: MESSAGE, contact: CONTACT };
            match member.encode() {
                Some(bytes) => {
                    assert!(state.needs_attention());
                    assert_eq!(AttentionMember::decode(&bytes), Ok(member));
                }
                None => assert!(!state.needs_attention()),
            }
        }
        assert!(AttentionMember::decode(&[9; 33]).is_err());
    }

    #[test]
    fn a_search_member_sorts_by_term_and_fits_a_member() {
        let member = |term: &str| SearchMember { term: term.to_owned(), contact: CONTACT };
        let bytes = member("ada").encode().unwrap();
        assert_eq!(SearchMember::decode(&bytes), Ok(member("ada")));
        assert!(member("ad").encode().unwrap() < bytes);
        assert!(bytes < member("adam").encode().unwrap());
        assert!(bytes > search_start("ada").member);
        assert!(member(&"x".repeat(111)).encode().is_none());
        assert!(member("a\0b").encode().is_none());
        assert!(member(&"x".repeat(110)).encode().unwrap().len() <= 128);
    }
}
