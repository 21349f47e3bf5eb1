//! What people change is noted in the audit trail, in the batch that makes the change.
//!
//! Whatever a caller changes, makes, takes back or removes leaves an entry. It names fields and never what is in them.
//! A line of a batch or a row of an import leaves none: there are millions of them, their request has its entry
//! ([`ContactCommand::Record`]), and the message or the contact says itself who made it and when.

use super::{Decision, Known, Surroundings};
use crate::contact::command::{Answer, Answered, ContactCommand, Matter};
use crate::contact::decision::Effect;
use crate::domain::audit::{AuditAction, AuditEntry, Stamp};
use crate::domain::contact::{Life, Merging, Profile, Removal};
use crate::domain::ids::{AccountNo, UserId};
use crate::domain::message::Author;
use crate::protocol::api::{Caller, MessageEdit, ProfilePatch};
use crate::store::audit;

/// A change that is noted if it is made.
pub(super) struct Deed {
    stamp: Stamp,
    account: AccountNo,
    action: AuditAction,
    subject: String,
    fields: Vec<&'static str>,
}

/// What a command would leave in the trail.
pub(super) fn deed(known: &Known<'_>, command: &ContactCommand, around: &Surroundings<'_>) -> Option<Deed> {
    use AuditAction as A;
    use ContactCommand as C;
    let by = |caller: &Caller, action, subject: String, fields| {
        Some(Deed { stamp: caller.stamp(around.now), account: caller.account, action, subject, fields })
    };
    let contact = || known.id.to_string();
    match command {
        C::Schedule(caller, schedule) if stands_alone(caller) => {
            let action = if schedule.requeue_of.is_some() { A::MessageRequeued } else { A::MessageScheduled };
            by(caller, action, schedule.id.to_string(), Vec::new())
        }
        C::Upsert(caller, given) | C::UpsertAliased(caller, given) if stands_alone(caller) => {
            if known.contact.is_some_and(|contact| !contact.is_deleted()) {
                by(caller, A::ContactUpdated, contact(), upserted(&given.profile))
            } else {
                by(caller, A::ContactCreated, contact(), Vec::new())
            }
        }
        C::Create(caller, _) => by(caller, A::ContactCreated, contact(), Vec::new()),
        C::Patch(caller, patch, _) => by(caller, A::ContactUpdated, contact(), patched(patch)),
        C::Delete(caller, Removal::Delete) => by(caller, A::ContactDeleted, contact(), Vec::new()),
        C::Delete(caller, Removal::Erase) => by(caller, A::ContactErased, contact(), Vec::new()),
        C::Cancel(caller, id) => by(caller, A::MessageCanceled, id.to_string(), Vec::new()),
        C::Edit(caller, id, edit, _) => by(caller, A::MessageUpdated, id.to_string(), edited(edit)),
        C::SendNow(caller, id) => by(caller, A::MessageSentNow, id.to_string(), Vec::new()),
        C::Resolve(caller, id, _) => by(caller, A::MessageResolved, id.to_string(), Vec::new()),
        C::Remove(caller, id) => by(caller, A::MessageDeleted, id.to_string(), Vec::new()),
        C::Restore(caller, id) => by(caller, A::MessageRestored, id.to_string(), Vec::new()),
        C::CancelSeries(caller, id) => by(caller, A::SeriesCanceled, id.to_string(), Vec::new()),
        C::RestoreSeries(caller, id) => by(caller, A::SeriesRestored, id.to_string(), Vec::new()),
        C::Heard(_, Matter::Absorb, Ok(())) => match known.contact.map(|contact| (contact.account, &contact.life)) {
            Some((account, Life::Merging(Merging { by, origin, is_moving: false, .. }))) => Some(Deed {
                stamp: Stamp { who: *by, from: *origin, at: around.now },
                account,
                action: A::ContactMerged,
                subject: contact(),
                fields: Vec::new(),
            }),
            _ => None,
        },
        C::Attend(caller, attend) if is_news(known, attend.assigned_to) => {
            by(caller, A::ConversationAssigned, contact(), Vec::new())
        }
        C::Revive(caller, id) => by(caller, A::MessageRequeued, id.to_string(), Vec::new()),
        C::Note(caller, ..) => by(caller, A::NoteCreated, contact(), Vec::new()),
        C::Suppress(suppression, Some(stamp)) => Some(Deed {
            stamp: *stamp,
            account: suppression.account,
            action: A::SuppressionCreated,
            subject: contact(),
            fields: Vec::new(),
        }),
        C::Unsuppress(account, _, Some(stamp)) => Some(Deed {
            stamp: *stamp,
            account: *account,
            action: A::SuppressionDeleted,
            subject: contact(),
            fields: Vec::new(),
        }),
        _ => None,
    }
}

/// Whether the request does this one thing, for somebody or a program of theirs.
const fn stands_alone(caller: &Caller) -> bool {
    !caller.bulk && !matches!(caller.author, Author::System)
}

/// Whether it gives the conversation to somebody else.
fn is_news(known: &Known<'_>, to: Option<Option<UserId>>) -> bool {
    to.is_some_and(|to| known.contact.is_some_and(|contact| contact.conversation.assigned_to != to))
}

/// Notes a deed in a decision that does it; one that refuses, or finds it done, changes nothing.
pub(super) fn note(decision: &mut Decision, deed: Deed, known: &Known<'_>, around: &Surroundings<'_>) {
    let is_granted = |effect: &Effect| matches!(effect, Effect::Reply(answered) if is_ok(answered));
    if decision.mutations.is_empty() || !decision.effects.iter().any(is_granted) {
        return;
    }
    let Deed { stamp, account, action, subject, fields } = deed;
    let entry = AuditEntry::new(around.ids.audit(stamp.at), stamp, account, action, subject, &fields);
    decision.mutations.extend(audit::put(known.partition, &entry));
}

/// Keeps the entry of a whole request.
pub(super) fn record(known: &Known<'_>, entry: &AuditEntry) -> Decision {
    let mut decision = Decision::default();
    decision.mutations.extend(audit::put(known.partition, entry));
    decision.reply(Ok(Answer::Done));
    decision
}

const fn is_ok(answered: &Answered) -> bool {
    answered.is_ok()
}

/// The names of what is given.
fn given<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
}

fn patched(patch: &ProfilePatch) -> Vec<&'static str> {
    given([
        ("name", patch.name.is_some()),
        ("emails", patch.emails.is_some()),
        ("phones", patch.phones.is_some()),
        ("time_zone", patch.time_zone.is_some()),
        ("tags", patch.tags.is_some()),
        ("attributes", patch.attributes.is_some()),
        ("consent", patch.consent_email.is_some() || patch.consent_sms.is_some()),
        ("external_id", patch.external_id.is_some()),
    ])
}

/// An upsert takes what is given and not empty.
fn upserted(profile: &Profile) -> Vec<&'static str> {
    given([
        ("name", profile.name.is_some()),
        ("emails", !profile.emails.is_empty()),
        ("phones", !profile.phones.is_empty()),
        ("time_zone", profile.time_zone.is_some()),
        ("tags", !profile.tags.is_empty()),
        ("attributes", !profile.attributes.is_empty()),
        ("external_id", profile.external_id.is_some()),
    ])
}

fn edited(edit: &MessageEdit) -> Vec<&'static str> {
    given([
        ("to", edit.to.is_some()),
        ("from", edit.from.is_some()),
        ("subject", edit.subject.is_some()),
        ("text", edit.text.is_some()),
        ("html", edit.html.is_some()),
        ("send", edit.intent.is_some()),
        ("class", edit.class.is_some()),
        ("if_late", edit.if_late.is_some()),
        ("quiet_hours", edit.quiet_hours.is_some()),
        ("cancel_on_reply", edit.cancel_on_reply.is_some()),
        ("metadata", edit.metadata.is_some()),
    ])
}
