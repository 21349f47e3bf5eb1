//! Which email answers which: the thread headers of what we send, and where what comes in belongs.
//!
//! RFC 5322 §3.6.4: an answer names what it answers in `In-Reply-To`, and in `References` that mail's own references
//! with its id at their end. Programs build their trees from `References` (RFC 5256, JWZ) and check the subject.
//! A [`ThreadHead`] is what a contact keeps of a conversation, so that the next mail in it can be written without
//! reading the last ones. Pure; everything that comes from outside is bounded when it is read.

mod ids;
mod subject;

use serde::{Deserialize, Serialize};

pub use ids::{MAX_ID_LEN, MAX_REFERENCES, MAX_REFERENCES_LEN, MailId, MailIdError, References};
pub use subject::{MAX_SUBJECT_LEN, base_subject, is_reply, reply_subject};

/// What threading looks at in an email, theirs or ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadedMail {
    /// Its `Message-ID`, if it has one that can be repeated.
    pub id: Option<MailId>,
    /// The mails before it in its conversation, as far as it names them; the last is the one that it answers.
    pub ancestors: References,
    /// Its subject, decoded.
    pub subject: String,
}

impl ThreadedMail {
    /// Reads the headers of a mail; what is no id is left out.
    ///
    /// A program may fill in `In-Reply-To` alone, or leave the mail that it answers out of `References`: if it names
    /// a single one there, that is the last ancestor. Several ids say nothing certain (RFC 5322 §3.6.4).
    #[must_use]
    pub fn read<'a>(
        message_id: Option<&str>,
        in_reply_to: impl IntoIterator<Item = &'a str>,
        references: impl IntoIterator<Item = &'a str>,
        subject: Option<&str>,
    ) -> Self {
        let mut ancestors = References::read(references);
        let mut answered = in_reply_to.into_iter().filter_map(|text| MailId::parse(text).ok());
        if let (Some(id), None) = (answered.next(), answered.next())
            && !ancestors.contains(&id)
        {
            ancestors.push(id);
        }
        Self {
            id: message_id.and_then(|text| MailId::parse(text).ok()),
            ancestors,
            subject: subject::shown(subject.unwrap_or_default()),
        }
    }

    /// The headers of an answer to this mail.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let mut references = self.ancestors.clone();
        if let Some(id) = &self.id {
            references.push(id.clone());
        }
        Reply { in_reply_to: self.id.clone(), references, subject: reply_subject(&self.subject) }
    }
}

/// The headers of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `In-Reply-To`: what it answers.
    pub in_reply_to: Option<MailId>,
    /// `References`: the conversation, what it answers at its end.
    pub references: References,
    /// `Subject`, unless its author writes another.
    pub subject: String,
}

/// Where a conversation stands: what a contact keeps of it. At most about two kilobytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadHead {
    /// The chain that the next mail refers to: the newest mail's id is its last.
    references: References,
    /// The newest mail's subject.
    subject: String,
}

impl ThreadHead {
    /// A conversation that begins with this mail.
    #[must_use]
    pub fn begin(mail: &ThreadedMail) -> Self {
        Self { references: mail.reply().references, subject: subject::shown(&mail.subject) }
    }

    /// Moves it forward by the next mail, sent or received. A mail that it has seen already changes nothing; one
    /// that names no mail before it (it was found to belong here by other means) joins at the end.
    pub fn advance(&mut self, mail: &ThreadedMail) {
        if mail.id.as_ref().is_some_and(|id| self.references.contains(id)) {
            return;
        }
        if let Some(oldest) = mail.ancestors.as_slice().first() {
            // Many programs name only the last few: what stood before those is known here. Of a branch that is not,
            // it is the first mail, which names the conversation.
            let known = self.references.as_slice();
            let before = known.iter().position(|id| id == oldest).unwrap_or(known.len().min(1));
            self.references = known[..before].iter().chain(mail.ancestors.as_slice()).cloned().collect();
        }
        if let Some(id) = &mail.id {
            self.references.push(id.clone());
        }
        self.subject = subject::shown(&mail.subject);
    }

    /// Whether a mail belongs to this conversation: it names a mail of it or is one, or it names none and answers
    /// the same subject.
    #[must_use]
    pub fn continues(&self, mail: &ThreadedMail) -> bool {
        if mail.ancestors.as_slice().iter().chain(&mail.id).any(|id| self.references.contains(id)) {
            return true;
        }
        let base = base_subject(&mail.subject);
        mail.ancestors.is_empty() && is_reply(&mail.subject) && !base.is_empty() && base == self.base_subject()
    }

    /// The headers of the next mail in it: an answer to the newest one that has an id.
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply {
            in_reply_to: self.last().cloned(),
            references: self.references.clone(),
            subject: reply_subject(&self.subject),
        }
    }

    /// The `Message-ID` of the newest mail that has one.
    #[must_use]
    pub fn last(&self) -> Option<&MailId> {
        self.references.last()
    }

    /// The subject to show: that of the newest mail.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The subject to compare by.
    #[must_use]
    pub fn base_subject(&self) -> String {
        base_subject(&self.subject)
    }
}

#[cfg(test)]
mod tests;
