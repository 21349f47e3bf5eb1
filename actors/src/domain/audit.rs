//! The audit trail: who changed what, when, from where.
//!
//! An entry is written in the same batch as the change that it tells of, so that neither is there without the
//! other; it lies in the partition of what was changed. A request that does many things of one kind leaves a single
//! entry, durable before the first of them is done; each of them says itself who did it and when. It names the changed fields and never their values:
//! a trail that people may read and keep for long must not hold passwords, addresses or texts.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::clock::UnixMs;
use super::ids::{AccountNo, AuditId};
use super::message::Author;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// An operator made an account.
    AccountCreated,
    /// An account's settings changed.
    AccountUpdated,
    /// An operator suspended an account.
    AccountSuspended,
    /// An operator resumed an account.
    AccountResumed,
    /// An operator removed an account.
    AccountDeleted,
    /// A user was made.
    UserCreated,
    /// A user changed.
    UserUpdated,
    /// A user was removed.
    UserDeleted,
    /// Somebody signed in.
    SignedIn,
    /// Somebody gave a wrong password for a user.
    SignInFailed,
    /// A session was ended by its user.
    SignedOut,
    /// A key was made.
    ApiKeyCreated,
    /// A key was revoked.
    ApiKeyRevoked,
    /// A sender was made.
    SenderCreated,
    /// A sender changed.
    SenderUpdated,
    /// A sender was removed.
    SenderDeleted,
    /// A webhook was made.
    WebhookCreated,
    /// A webhook changed.
    WebhookUpdated,
    /// A webhook got another secret.
    WebhookSecretRotated,
    /// A webhook said that nobody listens there any more, and was switched off.
    WebhookSwitchedOff,
    /// A webhook was removed.
    WebhookDeleted,
    /// A template was made.
    TemplateCreated,
    /// A template changed.
    TemplateUpdated,
    /// A template was removed.
    TemplateDeleted,
    /// A contact was made by itself, not by an import.
    ContactCreated,
    /// An import of contacts was begun.
    ContactsImported,
    /// A contact changed.
    ContactUpdated,
    /// A message was scheduled by itself, not in a batch.
    MessageScheduled,
    /// A batch of messages was begun.
    MessagesScheduled,
    /// A person sent a dead letter again: the subject is the message that it became.
    MessageRequeued,
    /// A message was taken back.
    MessageCanceled,
    /// A pending message changed.
    MessageUpdated,
    /// A pending message was sent at once.
    MessageSentNow,
    /// Somebody said what became of a message of unknown outcome.
    MessageResolved,
    /// A cancel was undone.
    MessageRestored,
    /// A settled message, or one that came in, was removed.
    MessageDeleted,
    /// A series was taken back.
    SeriesCanceled,
    /// The cancel of a series was undone.
    SeriesRestored,
    /// A conversation was given to somebody, or to nobody.
    ConversationAssigned,
    /// Somebody noted something in a conversation.
    NoteCreated,
    /// An address was put on the suppression list; the subject stands for the address.
    SuppressionCreated,
    /// An import of suppressed addresses was begun.
    SuppressionsImported,
    /// An address came off the suppression list; the subject stands for the address.
    SuppressionDeleted,
    /// A contact was deleted.
    ContactDeleted,
    /// A contact was erased.
    ContactErased,
    /// A contact was merged into another.
    ContactMerged,
    /// A node was told to hand nothing over.
    DrainingBegun,
    /// A draining node was told to go on.
    DrainingEnded,
}

impl AuditAction {
    /// The stable name, as it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountCreated => "account.created",
            Self::AccountUpdated => "account.updated",
            Self::AccountSuspended => "account.suspended",
            Self::AccountResumed => "account.resumed",
            Self::AccountDeleted => "account.deleted",
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::UserDeleted => "user.deleted",
            Self::SignedIn => "session.created",
            Self::SignInFailed => "session.refused",
            Self::SignedOut => "session.ended",
            Self::ApiKeyCreated => "api_key.created",
            Self::ApiKeyRevoked => "api_key.revoked",
            Self::SenderCreated => "sender.created",
            Self::SenderUpdated => "sender.updated",
            Self::SenderDeleted => "sender.deleted",
            Self::WebhookCreated => "webhook.created",
            Self::WebhookUpdated => "webhook.updated",
            Self::WebhookSecretRotated => "webhook.secret_rotated",
            Self::WebhookSwitchedOff => "webhook.switched_off",
            Self::WebhookDeleted => "webhook.deleted",
            Self::TemplateCreated => "template.created",
            Self::TemplateUpdated => "template.updated",
            Self::TemplateDeleted => "template.deleted",
            Self::ContactCreated => "contact.created",
            Self::ContactsImported => "contacts.imported",
            Self::ContactUpdated => "contact.updated",
            Self::MessageScheduled => "message.scheduled",
            Self::MessagesScheduled => "messages.scheduled",
            Self::MessageRequeued => "message.requeued",
            Self::MessageCanceled => "message.canceled",
            Self::MessageUpdated => "message.updated",
            Self::MessageSentNow => "message.sent_now",
            Self::MessageResolved => "message.resolved",
            Self::MessageRestored => "message.restored",
            Self::MessageDeleted => "message.deleted",
            Self::SeriesCanceled => "series.canceled",
            Self::SeriesRestored => "series.restored",
            Self::ConversationAssigned => "conversation.assigned",
            Self::NoteCreated => "note.created",
            Self::SuppressionCreated => "suppression.created",
            Self::SuppressionsImported => "suppressions.imported",
            Self::SuppressionDeleted => "suppression.deleted",
            Self::ContactDeleted => "contact.deleted",
            Self::ContactErased => "contact.erased",
            Self::ContactMerged => "contact.merged",
            Self::DrainingBegun => "draining.begun",
            Self::DrainingEnded => "draining.ended",
        }
    }
}

/// Who did something, when and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Who.
    pub who: Author,
    /// From where, if that is known.
    pub from: Option<IpAddr>,
    /// When.
    pub at: UnixMs,
}

/// An entry of the audit trail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: UnixMs,
    /// In whose account.
    pub account: AccountNo,
    /// Who.
    pub who: Author,
    /// From where, if that is known.
    pub from: Option<IpAddr>,
    /// What was done: the name of an [`AuditAction`], kept as text so that a name that this version does not
    /// know can still be shown.
    pub action: String,
    /// What it was done to: an id as text.
    pub subject: String,
    /// The names of the fields that changed, at most [`AuditEntry::MAX_FIELDS`].
    pub fields: Vec<String>,
}

impl fmt::Debug for AuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditEntry({} {} {})", self.id, self.action, self.subject)
    }
}

impl AuditEntry {
    /// Most field names of one entry.
    pub const MAX_FIELDS: usize = 20;
    /// Bytes of a field name.
    const MAX_FIELD_BYTES: usize = 60;

    /// An entry. `fields` are names, never values; what is more or longer than the bounds is left out.
    pub fn new(
        id: AuditId,
        stamp: Stamp,
        account: AccountNo,
        action: AuditAction,
        subject: impl fmt::Display,
        fields: &[&str],
    ) -> Self {
        let fields = fields.iter().filter(|name| name.len() <= Self::MAX_FIELD_BYTES).take(Self::MAX_FIELDS);
        Self {
            id,
            at: stamp.at,
            account,
            who: stamp.who,
            from: stamp.from,
            action: action.as_str().to_owned(),
            subject: subject.to_string(),
            fields: fields.map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// Which entries of the trail are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// By this author.
    pub who: Option<Author>,
    /// About what has this id.
    pub subject: Option<String>,
}

impl AuditFilter {
    /// Whether an entry is wanted.
    #[must_use]
    pub fn takes(&self, entry: &AuditEntry) -> bool {
        self.who.is_none_or(|who| who == entry.who)
            && self.subject.as_ref().is_none_or(|subject| *subject == entry.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::UserId;

    fn entry(who: Author, fields: &[&str]) -> AuditEntry {
        let stamp = Stamp { who, from: Some([127, 0, 0, 1].into()), at: UnixMs(5) };
        let subject = UserId::from_bytes([1; 16]);
        AuditEntry::new(AuditId::from_bytes([2; 16]), stamp, AccountNo(1), AuditAction::UserUpdated, subject, fields)
    }

    #[test]
    fn an_entry_is_bounded_however_much_changed() {
        let many = ["name"; 50];
        assert_eq!(entry(Author::System, &many).fields.len(), AuditEntry::MAX_FIELDS);
        let long = "x".repeat(61);
        assert_eq!(entry(Author::System, &[&long, "role"]).fields, ["role"]);
    }

    #[test]
    fn a_filter_takes_what_fits_all_of_it() {
        let ada = Author::User(UserId::from_bytes([9; 16]));
        let by_ada = entry(ada, &[]);
        let subject = UserId::from_bytes([1; 16]).to_string();
        for (who, subject, takes) in [
            (None, None, true),
            (Some(ada), None, true),
            (Some(Author::System), None, false),
            (None, Some(subject.clone()), true),
            (Some(ada), Some("user_x".into()), false),
            (Some(Author::System), Some(subject), false),
        ] {
            let filter = AuditFilter { who, subject };
            assert_eq!(filter.takes(&by_ada), takes, "{filter:?}");
        }
    }
}
