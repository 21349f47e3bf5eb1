//! What is seen of every commit as the store applies it: whose lease it is under, and that each change is the
//! next one after what lies there, so that nothing late or stale lands on something newer.

use std::collections::BTreeMap;
use std::sync::Arc;

use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::domain::message::{Message, State, StateName};
use sendwheel_actors::store::memory::{Applied, CommitWatch};
use sendwheel_actors::store::{Mutation, NodeId, Table, codec};

use crate::merges::is_same_life;
use crate::model::{Model, Promised};
use crate::quiet::Quiet;
use crate::rival;
use crate::world::World;

/// Records as the commits made them, decoded once.
#[derive(Debug, Default)]
pub struct Mirror {
    /// By the id that their callers know.
    pub messages: BTreeMap<MessageId, Message>,
    /// Under which ids messages are, and were, that moved with their contact.
    pub moved: BTreeMap<MessageId, MessageId>,
    /// Contacts that were merged, and into which.
    pub merged: BTreeMap<ContactId, ContactId>,
    pub notices: BTreeMap<MessageId, Message>,
    pub contacts: BTreeMap<ContactId, Contact>,
}

impl World {
    /// Watches a node's handle of the store.
    pub fn watch(self: &Arc<Self>, node: NodeId) -> CommitWatch {
        let world = Arc::clone(self);
        Arc::new(move |applied| world.saw(node, applied))
    }

    fn saw(&self, node: NodeId, applied: &Applied<'_>) {
        let mut wrongs = Vec::new();
        if applied.lease_of.is_some_and(|of| of != node) {
            wrongs.push(format!(
                "I5: node {} committed in {} under the lease of node {:?}",
                node.0, applied.head.partition, applied.lease_of
            ));
        }
        let forgets_before = self.plan.retention.map(|retention| self.clock.latest() - retention.as_millis() as i64);
        let (now, quiet) = (self.elapsed(), self.plan.quiet);
        let mut model = self.model();
        for mutation in &applied.batch.mutations {
            match mutation {
                Mutation::Put(Table::Message, _, bytes) => {
                    let message: Message = codec::decode(bytes).unwrap();
                    let Message { id, version, state, .. } = &message;
                    self.log(format!("stored: {}, as {id}, version {version}, is {state:?}", message.identity()));
                    model.saw_message(message, now, quiet, &mut wrongs);
                }
                Mutation::Delete(Table::Message, key) => {
                    let id = MessageId::from_bytes(key[..].try_into().unwrap());
                    model.saw_message_go(id, forgets_before, &mut wrongs);
                }
                Mutation::Put(Table::Contact, _, bytes) => {
                    model.saw_contact(codec::decode(bytes).unwrap(), now, &mut wrongs);
                }
                Mutation::Delete(Table::Contact, key) => {
                    let id = ContactId::from_bytes(key[..].try_into().unwrap());
                    model.saw_contact_go(id, &mut wrongs);
                }
                Mutation::Put(Table::Alias, ..) => *model.tally.entry("aliases").or_default() += 1,
                _ => {}
            }
        }
        drop(model);
        for wrong in wrongs {
            self.violation(wrong);
        }
    }
}

impl Model {
    fn saw_message(&mut self, new: Message, now: i64, quiet: Option<Quiet>, wrongs: &mut Vec<String>) {
        let id = new.identity();
        if new.channel == Channel::Webhook {
            let before = self.mirror.notices.insert(id, new.clone()).map_or(0, |old| old.version);
            if new.version != before + 1 {
                wrongs.push(format!("order: version {before} of notice {id} became {}", new.version));
            }
            return;
        }
        self.came_to.insert((id, new.state.name()));
        let old = self.mirror.messages.get(&id);
        if let Some(quiet) = quiet {
            self.check_quiet(quiet, old, &new, wrongs);
        }
        if old.is_some_and(|old| old.due_at != new.due_at) {
            // Planned again, or put off at its last check: nobody asked for that.
            self.message(id, new.contact).placed_at = now;
        }
        if self.saw_move(&new, now, wrongs) {
            // It is as it was, elsewhere.
        } else if let Some(old) = self.mirror.messages.get(&id) {
            let (from, to) = (old.state.name(), new.state.name());
            if new.version != old.version + 1 {
                wrongs.push(format!("order: version {} of {id} ({from}) became {} ({to})", old.version, new.version));
            }
            // A receipt may prove a hand-over and say how it ended, both at once.
            let is_proved = from.can_become(StateName::Submitted) && StateName::Submitted.can_become(to);
            if from != to && !from.can_become(to) && !is_proved {
                wrongs.push(format!("states: {id} went from {from} to {to}"));
            }
        } else {
            if new.version != 1 {
                wrongs.push(format!("order: version {} of {id} was written, and none is there", new.version));
            }
            if self.mirror.contacts.get(&new.contact).is_none_or(Contact::is_deleted) {
                wrongs.push(format!("I3: {id} came into being, and its contact {} is gone", new.contact));
            }
            let known = self.message(id, new.contact);
            if known.was_born && !known.is_busy && !known.may_come_back {
                wrongs.push(format!("I4: {id} came back"));
            }
            let is_again = known.was_born;
            let was = std::mem::take(known);
            *known = Promised {
                was_born: true,
                is_busy: was.is_busy,
                is_acknowledged: was.is_acknowledged && !was.was_born,
                placed_at: was.placed_at,
                dues: was.dues,
                // What it says in its second life is what its first one said at first, before any edit.
                texts: if was.was_born { Vec::new() } else { was.texts },
                request: was.request,
                ..Promised::default()
            };
            *self.tally.entry(if is_again { "messages born again" } else { "messages" }).or_default() += 1;
            self.saw_occurrence(&new, now, wrongs);
        }
        self.mirror.messages.insert(id, new);
    }

    /// Nothing is claimed while its contact's hours are quiet: by the contact as it was then, which lies before the
    /// claim in the order of commits.
    fn check_quiet(&self, quiet: Quiet, old: Option<&Message>, new: &Message, wrongs: &mut Vec<String>) {
        let State::Sending(claim) = new.state else { return };
        let begun = |message: &Message| message.attempts.last().map(|last| (last.number, last.started_at));
        if claim.boot == rival::BOOT || old.is_some_and(|old| begun(old) == begun(new)) {
            return;
        }
        let (Some(contact), Some((_, at))) = (self.mirror.contacts.get(&new.contact), begun(new)) else { return };
        if quiet.forbids(contact, new, at.0) {
            let zone = &contact.profile.time_zone;
            wrongs.push(format!("quiet hours: {} of class {:?} was claimed at {at} in {zone:?}", new.id, new.class));
        }
    }

    fn saw_message_go(&mut self, id: MessageId, forgets_before: Option<i64>, wrongs: &mut Vec<String>) {
        if self.mirror.notices.remove(&id).is_some() {
            return;
        }
        if self.saw_left_behind(id) {
            return;
        }
        let id = self.mirror.moved.get(&id).copied().unwrap_or(id);
        let Some(old) = self.mirror.messages.remove(&id) else {
            return wrongs.push(format!("order: {id} was removed, and is not there"));
        };
        let is_its_contact_there = self.mirror.contacts.get(&old.contact).is_some_and(|contact| contact.is_live());
        let is_past = old.state.name().is_final() && forgets_before.is_some_and(|before| old.since.0 <= before);
        *self.tally.entry(if is_its_contact_there { "forgotten" } else { "deleted" }).or_default() += 1;
        let is_merging =
            self.mirror.contacts.get(&old.contact).is_some_and(|contact| !contact.is_live() && !contact.is_deleted());
        if is_its_contact_there && !is_past || is_merging {
            wrongs.push(format!("I2: {id} was removed: {} since {}", old.state.name(), old.since));
        }
        if !is_its_contact_there {
            // It goes with its contact: that is told as a cancel, or as what its attempt came to.
            let told: &[StateName] = match old.state.name() {
                StateName::Scheduled | StateName::Held => &[StateName::Canceled],
                StateName::Sending => &[StateName::Canceled, StateName::Submitted, StateName::Failed],
                _ => &[],
            };
            self.came_to.extend(told.iter().map(|state| (id, *state)));
        }
        self.message(id, old.contact).is_forgotten = true;
    }

    fn saw_contact(&mut self, new: Contact, now: i64, wrongs: &mut Vec<String>) {
        let id = new.id;
        if let Some(old) = self.mirror.contacts.get(&id) {
            let is_same = new.profile == old.profile && is_same_life(old, &new) && new.merges.done == old.merges.done;
            if new.version != old.version + u32::from(!is_same) {
                wrongs.push(format!("order: version {} of {id} became {}", old.version, new.version));
            }
            if old.is_deleted() && new.is_live() {
                wrongs.push(format!("I3: {id} was deleted and lives"));
            }
        } else {
            if new.version != 1 {
                wrongs.push(format!("order: version {} of {id} was written, and none is there", new.version));
            }
            let person = self.people.entry(id).or_default();
            person.births += 1;
            *self.tally.entry(if person.births > 1 { "contacts born again" } else { "contacts" }).or_default() += 1;
            person.is_deletion_asked = person.is_being_deleted;
            (person.deleted_at, person.denied_at) = (None, [None; 2]);
            person.merged_at = None;
        }
        self.saw_merge(&new, now);
        self.mirror.contacts.insert(id, new);
    }

    fn saw_contact_go(&mut self, id: ContactId, wrongs: &mut Vec<String>) {
        match self.mirror.contacts.remove(&id) {
            Some(old) if old.is_deleted() => {}
            old => wrongs.push(format!("I2: {id} was removed, and was {:?}", old.map(|old| old.life))),
        }
        self.mirror.merged.remove(&id);
        let left = self.by_contact.get(&id).into_iter().flatten();
        for message in left.filter(|message| self.mirror.messages.contains_key(*message)) {
            wrongs.push(format!("I2: {id} went, and {message} is still there"));
        }
    }
}
