//! What a contact wants: opting out and in, and the suppression of an address.
//!
//! An opt-out is answered when it is durable in the contact's record: from then on the last check sees it, and no
//! attempt that has not begun yet begins ([`made`] sees to that for every change of consent).
//!
//! A suppression belongs to an account's address, not to a contact: it is decided by the actor of an id that is
//! derived from that address, so that two callers cannot meet in it.

use super::profile::made;
use super::sweep::Sweep;
use super::{Decision, Known, Surroundings, live, or_refuse};
use crate::contact::command::{Answer, ContactCommand, OptChange};
use crate::contact::decision::Effect;
use crate::contact::entries::{change_item, change_suppression};
use crate::domain::address::Address;
use crate::domain::contact::Consent;
use crate::domain::conversation::{ItemKind, ThreadEvent, ThreadItem};
use crate::domain::ids::AccountNo;
use crate::domain::suppression::Suppression;
use crate::protocol::api::EngineError;
use crate::protocol::events::EventKind;
use crate::store::keys;

pub(super) fn opt(known: &Known<'_>, change: &OptChange, around: &Surroundings<'_>) -> Decision {
    let OptChange { account, channel, address, is_out, via, item } = change;
    let contact = or_refuse!(live(known, *account));
    if address.as_ref().is_some_and(|address| !contact.profile.has(address)) {
        // The hint was stale: another contact has the address.
        return Decision::answer(Ok(Answer::Opted { was_changed: false }));
    }
    let is_out = *is_out;
    let wanted = if is_out { Consent::Denied } else { Consent::Granted };
    let stands = contact.profile.consent.on(*channel);
    // Whoever never opted out does not opt in with a word: that is what START is for.
    if stands == wanted || (!is_out && stands != Consent::Denied) {
        return Decision::answer(Ok(Answer::Opted { was_changed: false }));
    }
    let mut next = contact.clone();
    if let Some(consent) = next.profile.consent.on_mut(*channel) {
        *consent = wanted;
    }
    (next.version, next.updated_at) = (contact.version + 1, around.now);
    let mut decision = made(Some(contact), next, EventKind::ContactUpdated);
    let (channel, via) = (*channel, *via);
    let event = if is_out { ThreadEvent::OptedOut { channel, via } } else { ThreadEvent::OptedIn { channel, via } };
    let item = ThreadItem {
        id: *item,
        account: *account,
        contact: known.id,
        version: 1,
        at: around.now,
        kind: ItemKind::Event(event),
    };
    change_item(&mut decision.mutations, None, Some(&item));
    decision.items.push((item.id, Some(item.into())));
    decision.reply(Ok(Answer::Opted { was_changed: true }));
    decision
}

/// Puts an address on the list. A stronger reason replaces a weaker one; the first date stays.
/// What was erased is on it under its address again: somebody named it anew.
pub(super) fn suppress(known: &Known<'_>, new: Suppression) -> Decision {
    let Some(address) = &new.address else { return Decision::answer(Err(EngineError::NotFound)) };
    let digest = keys::address_digest(new.account, address);
    let old = known.records.suppressions.get(&digest).cloned().flatten();
    // Before it is durable, and also if it is: the set may hold too much, never too little.
    known.suppressions.insert(&digest);
    let next = match &old {
        Some(old) if old.reason >= new.reason && old.address.is_some() => {
            return Decision::answer(Ok(Answer::Suppressed(Box::new(old.clone()), false)));
        }
        Some(old) => Suppression { since: old.since, reason: old.reason.max(new.reason), ..new },
        None => new,
    };
    let is_new = old.is_none();
    let mut decision = Decision::default();
    change_suppression(&mut decision.mutations, digest, old.as_ref(), Some(&next));
    decision.suppressions.push((digest, Some(next.clone())));
    decision.reply(Ok(Answer::Suppressed(Box::new(next), is_new)));
    decision
}

/// Takes an address off the list.
pub(super) fn unsuppress(known: &Known<'_>, account: AccountNo, address: &Address) -> Decision {
    let digest = keys::address_digest(account, address);
    let Some(old) = known.records.suppressions.get(&digest).cloned().flatten() else {
        return Decision::answer(Err(EngineError::NotFound));
    };
    let mut decision = Decision::default();
    change_suppression(&mut decision.mutations, digest, Some(&old), None);
    decision.suppressions.push((digest, None));
    decision.reply(Ok(Answer::Suppressed(Box::new(old), false)));
    decision
}

/// Keeps a digest alone of an address that may be on the list: it stays suppressed, and nobody can read it there.
pub(super) fn erase_suppressed(known: &Known<'_>, account: AccountNo, address: &Address) -> Decision {
    let digest = keys::address_digest(account, address);
    let old = known.records.suppressions.get(&digest).cloned().flatten();
    let Some(old) = old.filter(|old| old.address.is_some()) else { return Decision::default().done() };
    let next = Suppression { address: None, ..old };
    let mut decision = Decision::default();
    change_suppression(&mut decision.mutations, digest, Some(&old), Some(&next));
    decision.suppressions.push((digest, Some(next)));
    decision.done()
}

/// What follows from a suppression for one contact that has the address.
pub(super) fn address_suppressed(known: &Known<'_>, suppression: &Suppression) -> Decision {
    let mut decision = Decision::default();
    decision.effects.push(Effect::RevokeClaims(Some(suppression.channel)));
    let Some(address) = suppression.address.clone() else { return decision.done() };
    let sweep = Sweep::Suppressed(address, suppression.reason);
    if known.contact.is_some_and(|contact| contact.account == suppression.account) {
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::CancelPending(sweep, None))));
    }
    decision.done()
}
