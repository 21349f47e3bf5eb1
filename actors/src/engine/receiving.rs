//! What comes in: messages, receipts. Whose they are is found here; what follows is the contact's decision.

use bytes::Bytes;

use super::handle::{Engine, unexpected};
use super::merging::Patience;
use crate::contact::command::{Answer, ContactCommand, Received};
use crate::contact::decide::stored;
use crate::domain::address::Address;
use crate::domain::contact::Contact;
use crate::domain::conversation::{Inbound, ThreadEvent};
use crate::domain::directory::SenderAddress;
use crate::domain::ids::{AccountNo, ContactId, MessageId, SenderId};
use crate::domain::message::{Attachment, BlobKey, Content, Message, StateName};
use crate::domain::receipt::Receipt;
use crate::domain::reply_address::ReplyTo;
use crate::domain::threading::MailId;
use crate::protocol::api::{EngineError, EngineResult, Incoming, ReceivedAs};
use crate::store::{RecordKey, Table, codec, keys};

/// References looked at to find what a mail answers, nearest first.
const MAX_CANDIDATES: usize = 16;

impl Engine {
    /// Which account and sender an address of ours belongs to. A sender of several accounts is none's.
    #[must_use]
    pub fn sender_at(&self, address: &Address) -> Option<(AccountNo, SenderId)> {
        let directory = self.directory();
        let of_accounts = directory.senders().filter(|sender| sender.account != AccountNo::SYSTEM);
        let mut found = of_accounts.filter(|sender| match (&sender.address, address) {
            (SenderAddress::Email(mailbox), Address::Email(address)) => mailbox.address == *address,
            (SenderAddress::Phone(number), Address::Phone(other)) => number == other,
            _ => false,
        });
        match (found.next(), found.next()) {
            (Some(sender), None) => Some((sender.account, sender.id)),
            _ => None,
        }
    }

    /// The contacts of an account that have an address now, the most recently active first.
    ///
    /// # Errors
    /// The store.
    pub async fn contacts_at(&self, account: AccountNo, address: &Address) -> EngineResult<Vec<Contact>> {
        let hinted = self.node.store.hinted(account, address).await.map_err(|error| super::lists::unread(&error))?;
        let mut contacts = self.read_contacts(account, &hinted).await?;
        contacts.retain(|contact| contact.profile.has(address));
        contacts.sort_by_key(|contact| {
            (std::cmp::Reverse(contact.conversation.last_activity_at), contact.created_at, contact.id)
        });
        Ok(contacts)
    }

    /// The message of ours that a `Message-ID` names, if it is one of this account.
    async fn own_message(
        &self,
        account: AccountNo,
        message_id: &MailId,
    ) -> EngineResult<Option<(MessageId, ContactId)>> {
        let Some(id) = own_message_id(message_id) else { return Ok(None) };
        match self.record_of(Some(account), id).await {
            Ok(message) => Ok(Some((message.id, message.contact))),
            Err(EngineError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Which message of ours a `Message-ID` names, of whatever account; its record.
    ///
    /// # Errors
    /// The store.
    pub async fn mail_named(&self, id: &MailId) -> EngineResult<Option<Message>> {
        let Some(id) = own_message_id(id) else { return Ok(None) };
        match self.record_of(None, id).await {
            Ok(message) => Ok(Some(message)),
            Err(EngineError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whose signed reply address is among these recipients.
    #[must_use]
    pub fn reply_to<'a>(&self, recipients: impl IntoIterator<Item = &'a str>) -> Option<ReplyTo> {
        self.node.reply.find(recipients)
    }

    /// Keeps what somebody wrote to us, in the thread that it belongs to: that of the message it answers, else that
    /// of the signed reply address, else that of the sender's address; else a new one. The same one again is kept
    /// once.
    ///
    /// # Errors
    /// Its contact is being deleted, the store.
    pub async fn receive(&self, incoming: Incoming) -> EngineResult<ReceivedAs> {
        let mut patience = Patience::default();
        loop {
            match self.receive_once(&incoming).await {
                Err(error) if patience.waits(&error).await => {}
                answered => return answered,
            }
        }
    }

    async fn receive_once(&self, incoming: &Incoming) -> EngineResult<ReceivedAs> {
        let account = incoming.account;
        let from = &incoming.from;
        let references: Vec<MailId> =
            incoming.mail.iter().flat_map(|mail| mail.ancestors.as_slice()).rev().cloned().collect();
        let mut own = Vec::new();
        let mut contact = None;
        for reference in references.iter().take(MAX_CANDIDATES) {
            if let Some((id, of)) = self.own_message(account, reference).await? {
                contact.get_or_insert(of);
                own.push((reference.clone(), id));
            }
        }
        let named = match contact.or(incoming.contact) {
            Some(contact) => self.read_contacts(account, &[self.survivor(contact).await?]).await?.into_iter().next(),
            None => None,
        };
        let found = match named {
            Some(contact) => Some(contact),
            None => self.contacts_at(account, from).await?.into_iter().next(),
        };
        let contact = match &found {
            Some(contact) => contact.id,
            None => self.survivor(ContactId::from_address_digest(&keys::address_digest(account, from))).await?,
        };
        let partition = self.partition_of(contact);
        let candidates = references
            .iter()
            .take(MAX_CANDIDATES)
            .map(|reference| {
                let known = own.iter().find(|(known, _)| known == reference).map(|(_, id)| *id);
                known.unwrap_or_else(|| MessageId::received(contact, &mail_own_id(reference), partition))
            })
            .collect();
        let own_id = incoming.mail.as_ref().and_then(|mail| mail.id.as_ref()).map(mail_own_id);
        let own_id = own_id.as_ref().unwrap_or(&incoming.own_id);
        for merged in found.iter().flat_map(|contact| &contact.merges.done) {
            // Told once more since its contact was merged into this one.
            let earlier = MessageId::received(merged.id, own_id, self.partition_of(merged.id));
            if let Some(item) = self.received_as(earlier).await? {
                return Ok(ReceivedAs { contact, item, is_new: false });
            }
        }
        let item = MessageId::received(contact, own_id, partition);
        let (content, blobs, attachments) = parts(incoming);
        let channel = from.channel();
        let inbound = Inbound {
            channel,
            from: incoming.from.clone(),
            to: incoming.to.clone(),
            sender: incoming.sender,
            content,
            attachments,
            in_reply_to: None,
            message_id: incoming.mail.as_ref().and_then(|mail| mail.id.clone()),
            references: incoming.mail.as_ref().map(|mail| mail.ancestors.clone()).unwrap_or_default(),
            provider_id: incoming.provider_id.clone(),
            is_automatic: incoming.is_automatic,
            has_raw: incoming.raw.is_some(),
        };
        let name = incoming.name.clone();
        let received = Received { account, item, inbound: Box::new(inbound), blobs, name, candidates };
        match self.ask(contact, ContactCommand::Receive(Box::new(received))).await? {
            Answer::Received { item, is_new } => Ok(ReceivedAs { contact, item, is_new }),
            other => Err(unexpected(&other)),
        }
    }

    /// A provider tells of a message. Its state by now.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn receipt(&self, id: MessageId, receipt: Receipt) -> EngineResult<StateName> {
        let mut patience = Patience::default();
        loop {
            let message = self.record_of(None, id).await?;
            match self.ask(message.contact, ContactCommand::Receipt(message.id, receipt.clone())).await {
                Ok(Answer::Receipt(state)) => return Ok(state),
                Ok(other) => return Err(unexpected(&other)),
                Err(error) if patience.waits(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The entry that has this id, or that has become of the one that had it.
    async fn received_as(&self, id: MessageId) -> EngineResult<Option<MessageId>> {
        if let Some(moved) = self.moved(id).await? {
            return Ok(Some(moved));
        }
        let wanted = RecordKey { partition: id.partition(), table: Table::Item, key: keys::item(id) };
        Ok(self.read_records(&[wanted]).await?.into_iter().next().flatten().map(|_| id))
    }

    /// Keeps an entry in a contact's thread; `own_id` tells repetitions apart.
    ///
    /// # Errors
    /// The store.
    pub async fn happened(
        &self,
        account: AccountNo,
        contact: ContactId,
        own_id: &str,
        event: ThreadEvent,
    ) -> EngineResult<()> {
        let contact = self.survivor(contact).await?;
        let id = MessageId::received(contact, own_id, self.partition_of(contact));
        match self.ask(contact, ContactCommand::Happened(account, id, event)).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

/// The id in a `Message-ID` of ours: `msg_…@domain`.
#[must_use]
pub fn own_message_id(message_id: &MailId) -> Option<MessageId> {
    // Some servers change the case of what they do not understand.
    message_id.as_str().split_once('@')?.0.to_ascii_lowercase().parse().ok()
}

/// What tells a mail from all others.
fn mail_own_id(id: &MailId) -> String {
    format!("mail:{}", id.as_str())
}

type Parts = (crate::domain::message::StoredContent, Vec<(u8, Bytes)>, Vec<Attachment>);

/// What goes into the record, and what into blobs.
fn parts(incoming: &Incoming) -> Parts {
    let (content, blob) = stored(Content { render: false, ..incoming.content.clone() });
    let mut blobs: Vec<_> = blob.map(|content| (BlobKey::CONTENT, codec::encode(&content))).into_iter().collect();
    let mut attachments = Vec::new();
    for (number, file) in (1..BlobKey::RAW).zip(&incoming.attachments) {
        attachments.push(Attachment {
            blob: number,
            filename: file.filename.clone(),
            content_type: file.content_type.clone(),
            size: u32::try_from(file.bytes.len()).unwrap_or(u32::MAX),
        });
        blobs.push((number, file.bytes.clone()));
    }
    blobs.extend(incoming.raw.clone().map(|raw| (BlobKey::RAW, raw)));
    (content, blobs, attachments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_of_ours_names_its_message_and_others_do_not() {
        let id = MessageId::from_bytes([1; 16]);
        let own = |text: &str| MailId::parse(text).ok().as_ref().and_then(own_message_id);
        assert_eq!(own(&format!("<{id}@acme.example>")), Some(id));
        assert_eq!(own(&format!("<{}@ACME.example>", id.to_string().to_uppercase())), Some(id));
        for other in ["<a@b>", "<a>", &format!("<{id}>")] {
            assert_eq!(own(other), None, "{other}");
        }
    }
}
