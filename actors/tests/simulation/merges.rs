//! Contacts that are merged: who asks for it, and what is seen of what moves. A message keeps the id by which its callers
//! know it, wherever it goes; here it is followed.

use rand::Rng;
use rand::rngs::StdRng;
use sendwheel_actors::domain::contact::{Contact, Life, Merging};
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::domain::message::Message;

use crate::model::Model;
use crate::workload::{CALLER, Callers};

impl Callers {
    /// Perhaps two contacts become one.
    pub fn chance_to_merge(&self, rng: &mut StdRng) {
        if rng.random_range(0..1_000) >= self.world.plan.merges {
            return;
        }
        let (Some(into), Some(from)) = (self.some_contact(rng), self.some_contact(rng)) else { return };
        let (births, is_merged) = {
            let mut model = self.world.model();
            let left = model.people.values().filter(|person| person.deleted_at.is_none() && person.merged_at.is_none());
            if into == from || left.count() < 3 {
                return;
            }
            let births = [into, from].map(|contact| {
                let person = model.people.get_mut(&contact).unwrap();
                person.is_busy = true;
                person.births
            });
            (births, model.mirror.merged.contains_key(&from))
        };
        let me = self.clone();
        self.spawn(format!("merge {from} into {into}"), async move {
            let answer = me.answer(me.engine.merge_contacts(&CALLER, into, from)).await;
            let mut denied_at = [None; 2];
            me.leave_person((from, births[1]), |person, now| {
                if answer.is_ok() {
                    person.merged_at = Some(now);
                    // What nobody heard of may have been done before: what it denied then may be granted again.
                    if !is_merged {
                        denied_at = person.denied_at;
                    }
                }
            });
            me.leave_person((into, births[0]), |person, now| {
                for (own, other) in person.denied_at.iter_mut().zip(denied_at) {
                    *own = own.or(other.map(|_| now));
                }
            });
            answer.map_or_else(|error| error.to_string(), |_| "one contact".into())
        });
    }
}

/// Whether a step of a merge, or nothing, lies between two lives: neither makes a new version of the profile.
pub fn is_same_life(old: &Contact, new: &Contact) -> bool {
    old.life == new.life || matches!(new.life, Life::Live | Life::Merging(_))
}

/// The store answers a commit this long after it is durable at the latest.
const STORE_ANSWERS_WITHIN_MS: i64 = 1_500;

impl Model {
    /// Whether this is a message that arrives from a contact that is merged: then it is what it was there.
    pub fn saw_move(&mut self, new: &Message, now: i64, wrongs: &mut Vec<String>) -> bool {
        let id = new.identity();
        let Some(old) = self.mirror.messages.get(&id).filter(|old| old.id != new.id) else { return false };
        let (from, into) = (old.contact, new.contact);
        let is_on_its_way = |contact: &Contact| matches!(contact.life, Life::Merging(merging) if merging.into == into && merging.is_moving);
        if !self.mirror.contacts.get(&from).is_some_and(is_on_its_way) {
            wrongs.push(format!("I4: {id} is in {into}, too, and {from} is not merged into it"));
        }
        if !self.mirror.contacts.get(&into).is_some_and(Contact::is_live) {
            wrongs.push(format!("I3: {id} moved to {into}, which is gone"));
        }
        let there = Message {
            id: old.id,
            origin: old.origin,
            contact: from,
            reply: old.reply,
            thread: old.thread.clone(),
            series: old.series.clone(),
            ..new.clone()
        };
        if there != *old {
            wrongs.push(format!("order: {id} moved as {new:?}, and was {old:?}"));
        }
        self.by_contact.entry(from).or_default().retain(|other| *other != id);
        self.by_contact.entry(into).or_default().push(id);
        self.mirror.moved.insert(old.id, id);
        self.mirror.moved.insert(new.id, id);
        // What was due before it came goes when it comes; its contact hears of it when the store answers.
        self.messages.entry(id).or_default().placed_at = now + STORE_ANSWERS_WITHIN_MS;
        *self.tally.entry("messages moved").or_default() += 1;
        true
    }

    /// Whether what is removed under this id lives on under another.
    pub fn saw_left_behind(&self, id: MessageId) -> bool {
        let root = self.mirror.moved.get(&id);
        root.and_then(|root| self.mirror.messages.get(root)).is_some_and(|message| message.id != id)
    }

    /// Where a contact goes, or has gone.
    pub fn saw_merge(&mut self, new: &Contact, now: i64) {
        match new.life {
            Life::Merging(Merging { into, is_moving: true, .. }) => {
                self.mirror.merged.insert(new.id, into);
            }
            Life::Merged(_) => *self.tally.entry("contacts merged").or_default() += 1,
            // Refused: what came due meanwhile has its place from now on.
            Life::Live if self.mirror.contacts.get(&new.id).is_some_and(|old| matches!(old.life, Life::Merging(_))) => {
                *self.tally.entry("merges refused").or_default() += 1;
                for id in self.by_contact.get(&new.id).into_iter().flatten() {
                    if let Some(known) = self.messages.get_mut(id) {
                        known.placed_at = now + STORE_ANSWERS_WITHIN_MS;
                    }
                }
            }
            // With what leads there.
            Life::Tombstone { .. } => {
                let merged: Vec<_> =
                    self.mirror.merged.keys().copied().filter(|from| self.survivor(*from) == new.id).collect();
                for from in merged {
                    self.people.get_mut(&from).unwrap().is_deletion_asked = true;
                }
            }
            Life::Live | Life::Merging(_) => {}
        }
    }

    /// The contact that has everything of this one in the end.
    pub fn survivor(&self, contact: ContactId) -> ContactId {
        let next = |at: &ContactId| self.mirror.merged.get(at).copied();
        std::iter::successors(Some(contact), next).take(self.mirror.merged.len() + 1).last().unwrap_or(contact)
    }

    /// Every id that a message has or had.
    pub fn ids_of(&self, root: MessageId) -> impl Iterator<Item = MessageId> + '_ {
        let moved = self.mirror.moved.iter().filter(move |(_, of)| **of == root).map(|(id, _)| *id);
        std::iter::once(root).chain(moved)
    }
}
