//! Everything that was written to an account's contacts and by them, contact by contact.
//!
//! Contacts come in the order of their last activity, the latest first, and after them those that nothing went to or
//! came from yet, oldest first. Each one's entries come as its thread has them. A contact that becomes active during
//! the walk may come twice, but none that was there at its beginning is left out.

use std::collections::{HashSet, VecDeque};

use super::cursor;
use super::handle::Engine;
use super::lists::Source;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;
use crate::protocol::api::{Caller, EngineError, EngineResult, Page, PageRequest, ThreadEntry};
use crate::store::{Index, keys};

/// Contacts looked at for one page: most of them may have nothing to show.
const MAX_CONTACTS: usize = 500;
/// Contacts found at once.
const BATCH: usize = 50;
/// Batches without a contact to go on with, for one page.
const MAX_BATCHES: usize = 20;
/// Bytes of a cursor.
const MAX_CURSOR: usize = 1_000;

/// Which contacts are walked over at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Those with activity, the latest first.
    Active,
    /// The others.
    Idle,
    /// Those that were named, by id.
    Named,
}

/// Where a walk is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    part: Part,
    /// When the walk began.
    began: UnixMs,
    /// Contacts after this entry of the part's list, or after this id, are still to come.
    after: Option<String>,
    /// Before them: the rest of this one's thread, from this cursor on.
    inside: Option<(ContactId, Option<String>)>,
}

/// How a walk goes on.
enum Next {
    /// With this contact's thread, from this cursor on.
    Thread(ContactId, Option<String>),
    /// Further on: for now enough was looked at.
    Later,
    /// Not at all: it is over.
    Never,
}

/// What a page knows beyond its position.
struct Ahead {
    contacts: VecDeque<(String, ContactId)>,
    batches: usize,
}

fn refused() -> EngineError {
    EngineError::field("/cursor", "invalid_cursor", "not a cursor of this list: take that of its last page as it is")
}

impl Position {
    const fn start(part: Part, began: UnixMs) -> Self {
        Self { part, began, after: None, inside: None }
    }

    /// Five parts between full stops, which no cursor and no id contains.
    fn encode(&self) -> String {
        let part = match self.part {
            Part::Active => "a",
            Part::Idle => "i",
            Part::Named => "n",
        };
        let (contact, thread) = match &self.inside {
            Some((contact, thread)) => (contact.to_string(), thread.as_deref().unwrap_or_default()),
            None => (String::new(), ""),
        };
        format!("{part}.{}.{}.{contact}.{thread}", self.began.0, self.after.as_deref().unwrap_or_default())
    }

    fn parse(text: &str, is_among: bool) -> Option<Self> {
        let mut parts = Some(text).filter(|text| text.len() <= MAX_CURSOR)?.split('.');
        let part = match (parts.next()?, is_among) {
            ("a", false) => Part::Active,
            ("i", false) => Part::Idle,
            ("n", true) => Part::Named,
            _ => return None,
        };
        let began = UnixMs(parts.next()?.parse().ok()?);
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let after = some(parts.next()?);
        let (contact, thread) = (parts.next()?, some(parts.next()?));
        let inside = match contact {
            "" if thread.is_some() => return None,
            "" => None,
            id => Some((id.parse().ok()?, thread)),
        };
        parts.next().is_none().then_some(Self { part, began, after, inside })
    }
}

/// Whether a contact of the list of all was not among the active ones.
fn is_idle(contact: &Contact, began: UnixMs) -> bool {
    contact.conversation.last_activity_at.is_none_or(|at| at > began)
}

impl Engine {
    /// A page of the walk over the account, or over these contacts (by id).
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn walk(
        &self,
        caller: &Caller,
        among: Option<&[ContactId]>,
        page: PageRequest,
    ) -> EngineResult<Page<ThreadEntry>> {
        let part = if among.is_some() { Part::Named } else { Part::Active };
        let mut at = match &page.cursor {
            Some(text) => Position::parse(text, among.is_some()).ok_or_else(refused)?,
            None => Position::start(part, self.node.clock.now()),
        };
        let mut named: Vec<ContactId> = among.unwrap_or_default().to_vec();
        named.sort_unstable();
        let mut ahead = Ahead { contacts: VecDeque::new(), batches: 0 };
        let mut items = Vec::new();
        for _ in 0..MAX_CONTACTS {
            let (contact, cursor) = match self.next_of_walk(caller, &mut at, &named, &mut ahead).await? {
                Next::Thread(contact, cursor) => (contact, cursor),
                Next::Later => break,
                Next::Never => return Ok(Page { items, next_cursor: None }),
            };
            if items.len() >= page.limit {
                at.inside = Some((contact, cursor));
                break;
            }
            let wanted = PageRequest { cursor, limit: page.limit - items.len() };
            match self.thread(caller, contact, wanted).await {
                Ok(read) => {
                    items.extend(read.items);
                    at.inside = read.next_cursor.map(|next| (contact, Some(next)));
                }
                // Deleted meanwhile.
                Err(EngineError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Page { items, next_cursor: Some(at.encode()) })
    }

    /// Moves on to the next contact.
    async fn next_of_walk(
        &self,
        caller: &Caller,
        at: &mut Position,
        named: &[ContactId],
        ahead: &mut Ahead,
    ) -> EngineResult<Next> {
        if let Some((contact, cursor)) = at.inside.take() {
            return Ok(Next::Thread(contact, cursor));
        }
        if at.part == Part::Named {
            let after: Option<ContactId> = at.after.as_deref().map(str::parse).transpose().map_err(|_| refused())?;
            let next = named.iter().find(|id| after.is_none_or(|after| **id > after));
            at.after = next.map(ToString::to_string).or(at.after.take());
            return Ok(next.map_or(Next::Never, |id| Next::Thread(*id, None)));
        }
        loop {
            if let Some((cursor, contact)) = ahead.contacts.pop_front() {
                at.after = Some(cursor);
                return Ok(Next::Thread(contact, None));
            }
            ahead.batches += 1;
            if ahead.batches > MAX_BATCHES {
                return Ok(Next::Later);
            }
            let source = match at.part {
                Part::Active => Source::Down(Index::Inbox(caller.account)),
                _ => Source::Up(Index::Contacts(caller.account)),
            };
            let wanted = PageRequest { cursor: at.after.clone(), limit: BATCH };
            let listed = self.merged(source, None, UnixMs::MAX, &wanted).await?;
            at.after = listed.items.last().map(|entry| cursor::encode(0, entry)).or(at.after.take());
            let found = listed.items.iter().filter_map(|entry| {
                keys::contact_of_member(&entry.member).ok().map(|contact| (cursor::encode(0, entry), contact))
            });
            ahead.contacts.extend(found);
            if at.part == Part::Idle {
                let ids: Vec<_> = ahead.contacts.iter().map(|(_, contact)| *contact).collect();
                let contacts = self.read_contacts(caller.account, &ids).await?;
                let idle = contacts.iter().filter(|contact| is_idle(contact, at.began));
                let idle: HashSet<_> = idle.map(|contact| contact.id).collect();
                ahead.contacts.retain(|(_, contact)| idle.contains(contact));
            }
            if listed.items.is_empty() {
                if at.part == Part::Idle {
                    return Ok(Next::Never);
                }
                (at.part, at.after) = (Part::Idle, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_leads_back_to_itself() {
        let contact = ContactId::from_bytes([7; 16]);
        for inside in [None, Some((contact, None)), Some((contact, Some("AA-_".to_owned())))] {
            for after in [None, Some("BB-_".to_owned())] {
                for part in [Part::Active, Part::Idle, Part::Named] {
                    let position = Position {
                        part,
                        began: UnixMs(1_796_115_600_000),
                        after: after.clone(),
                        inside: inside.clone(),
                    };
                    assert_eq!(Position::parse(&position.encode(), part == Part::Named), Some(position));
                }
            }
        }
    }

    #[test]
    fn what_is_no_position_of_this_list_is_refused() {
        let named = Position::start(Part::Named, UnixMs(1)).encode();
        assert_eq!(Position::parse(&named, false), None);
        for text in ["", "a", "a.1", "a.1...", "a.1....", "x.1...", "a.x...", "a.1..7.", "a.1...AA", &"a".repeat(1_001)]
        {
            let is_one = text == "a.1...";
            assert_eq!(Position::parse(text, false).is_some(), is_one, "{text}");
        }
    }
}
