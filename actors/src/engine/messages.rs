//! Messages: schedule, read, list, change, cancel.

use std::collections::BTreeSet;

use super::handle::{Engine, unexpected};
use super::lists::unreadable;
use super::merging::Patience;
use crate::contact::command::{Answer, ContactCommand, ScheduleMessage};
use crate::contact::decide::{message_id_for, not_failed, stored};
use crate::domain::address::Channel;
use crate::domain::ids::{AccountNo, ContactId, MessageId, SeriesId};
use crate::domain::message::{Attachment, BlobKey, Content, Message, State, StateName, StoredContent};
use crate::domain::reason::LaneReason;
use crate::domain::ticket::Ticket;
use crate::protocol::api::{
    Caller, CancelFilter, CancelManyOutcome, CancelOutcome, Created, EngineError, EngineResult, MessageEdit,
    MessageFilter, MessageView, NewMessage, PageRequest, Resolve,
};
use crate::sender::pool::WhyWaiting;
use crate::shard::Step;
use crate::store::{RecordKey, Table, codec, keys};

/// Messages cancelled side by side.
const CANCELS_AT_ONCE: usize = 256;
/// Messages of one contact that were cancelled together and come back together.
const MAX_UNDONE_TOGETHER: usize = 1_000;

impl Engine {
    /// Schedules a message.
    ///
    /// # Errors
    /// What the contact, the sender, the content or the time do not allow; a reused key; the store.
    pub async fn schedule(
        &self,
        caller: &Caller,
        contact: ContactId,
        mut new: NewMessage,
    ) -> EngineResult<Created<MessageView>> {
        self.check_growth()?;
        if let Some(url) = &new.callback_url {
            self.check_callback(url)?;
        }
        let (partition, now) = (self.partition_of(contact), self.node.clock.now());
        let id = message_id_for(caller, contact, partition, new.idempotency.as_ref(), &self.node.ids, now);
        if let Some(template) = new.template {
            match self.content_of(caller, template, new.channel) {
                Ok(content) => new.content = content,
                // What it was made of may have gone since: a repetition finds the message all the same.
                Err(_) if new.idempotency.is_some() && self.record(id).await.is_ok() => {}
                Err(error) => return Err(error),
            }
        }
        let (content, blob) = stored(new.content.clone());
        let mut blobs: Vec<_> = blob.map(|content| (BlobKey::CONTENT, codec::encode(&content))).into_iter().collect();
        let mut attachments = Vec::new();
        for (number, attachment) in (1u8..).zip(std::mem::take(&mut new.attachments)) {
            attachments.push(Attachment {
                blob: number,
                filename: attachment.filename,
                content_type: attachment.content_type,
                size: u32::try_from(attachment.bytes.len()).unwrap_or(u32::MAX),
            });
            blobs.push((number, attachment.bytes));
        }
        let shown = new.content.clone();
        let command = ScheduleMessage { id, new, attachments, content, blobs, requeue_of: None };
        let mut patience = Patience::default();
        let created = loop {
            match self.scheduled(contact, caller, command.clone(), Some(shown.clone())).await {
                // Its key may belong to a message that is on its way here.
                Err(error @ EngineError::Conflict { .. })
                    if command.new.idempotency.is_some() && patience.waits(&error).await => {}
                answered => break answered?,
            }
        };
        if let Created::New(view) = &created {
            let Message { id, due_at, series, .. } = &view.message;
            let step = series.as_ref().map_or(Step::Scheduled(*id, *due_at), |of| Step::Repeated(of.series, *due_at));
            self.remember(caller, contact, step);
        }
        Ok(created)
    }

    async fn scheduled(
        &self,
        contact: ContactId,
        caller: &Caller,
        command: ScheduleMessage,
        shown: Option<Content>,
    ) -> EngineResult<Created<MessageView>> {
        match self.ask(contact, ContactCommand::Schedule(*caller, Box::new(command))).await? {
            Answer::Scheduled(Created::New(message)) => Ok(Created::New(MessageView {
                content: shown.unwrap_or_else(|| inline(&message)),
                message: *message,
                queued: None,
            })),
            Answer::Scheduled(Created::Replayed(message)) => Ok(Created::Replayed(self.view(*message).await?)),
            other => Err(unexpected(&other)),
        }
    }

    /// A message's record, whoever's it is.
    pub(super) async fn record(&self, id: MessageId) -> EngineResult<Message> {
        let partition = self.node.partitions.of_message(id).ok_or(EngineError::NotFound)?;
        let wanted = RecordKey { partition, table: Table::Message, key: keys::message(id) };
        let bytes = self.read_records(&[wanted]).await?.into_iter().next().flatten().ok_or(EngineError::NotFound)?;
        codec::decode(&bytes).map_err(|error| unreadable(&error))
    }

    /// A message's record within an account; notices are none of its messages. One that moved with a merged contact
    /// is found under its old id, too: its record names the new one.
    pub(super) async fn record_of(&self, account: Option<AccountNo>, id: MessageId) -> EngineResult<Message> {
        let message = match self.record(id).await {
            Err(EngineError::NotFound) => {
                let moved = self.moved(id).await?.ok_or(EngineError::NotFound)?;
                self.record(moved).await?
            }
            found => found?,
        };
        let is_theirs = account.is_none_or(|account| message.account == account);
        if is_theirs && message.channel != Channel::Webhook { Ok(message) } else { Err(EngineError::NotFound) }
    }

    /// A message with its whole content and why it waits.
    pub(super) async fn view(&self, message: Message) -> EngineResult<MessageView> {
        let content = match &message.content {
            StoredContent::Inline(content) => content.clone(),
            StoredContent::Blob { .. } => {
                let wanted = RecordKey {
                    partition: self.partition_of(message.contact),
                    table: Table::Blob,
                    key: keys::blob(BlobKey { message: message.id, number: BlobKey::CONTENT }),
                };
                match self.read_records(&[wanted]).await?.into_iter().next().flatten() {
                    Some(bytes) => codec::decode(&bytes).map_err(|error| unreadable(&error))?,
                    None => inline(&message),
                }
            }
        };
        let queued = self.why_waiting(std::slice::from_ref(&message)).await.into_iter().next().flatten();
        Ok(MessageView { message, content, queued })
    }

    /// Asks the lanes about those messages that are due.
    async fn why_waiting(&self, messages: &[Message]) -> Vec<Option<LaneReason>> {
        let now = self.node.clock.now();
        let mut out = vec![None; messages.len()];
        for channel in Channel::ALL {
            let (at, tickets): (Vec<_>, Vec<_>) = messages
                .iter()
                .enumerate()
                .filter(|(_, message)| {
                    message.channel == channel && message.state == State::Scheduled && message.due_at <= now
                })
                .map(|(at, message)| (at, Ticket::of_message(message)))
                .unzip();
            if !tickets.is_empty()
                && let Ok(reasons) = self.node.routes().pools.of(channel).send(WhyWaiting(tickets)).await
            {
                for (at, reason) in at.into_iter().zip(reasons) {
                    out[at] = reason;
                }
            }
        }
        out
    }

    pub(super) async fn views(&self, messages: Vec<Message>) -> Vec<MessageView> {
        let reasons = self.why_waiting(&messages).await;
        let view = |(message, queued): (Message, _)| MessageView { content: inline(&message), message, queued };
        messages.into_iter().zip(reasons).map(view).collect()
    }

    /// One message.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn message(&self, caller: &Caller, id: MessageId) -> EngineResult<MessageView> {
        let message = self.record_of(Some(caller.account), id).await?;
        self.check_not_deleted(message.contact).await?;
        self.view(message).await
    }

    pub(super) fn remember(&self, caller: &Caller, contact: ContactId, step: Step) {
        self.node.undo.remember(caller.author, [(contact, step)], self.node.clock.boot());
    }

    /// Takes a message back.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn cancel(&self, caller: &Caller, id: MessageId) -> EngineResult<CancelOutcome> {
        let (contact, id, outcome) = self.canceled(caller, id).await?;
        if outcome == CancelOutcome::Canceled {
            self.remember(caller, contact, Step::Canceled(vec![id]));
        }
        Ok(outcome)
    }

    /// Takes a message back, as an undo does.
    pub(super) async fn cancel_without_step(&self, caller: &Caller, id: MessageId) -> EngineResult<CancelOutcome> {
        Ok(self.canceled(caller, id).await?.2)
    }

    pub(super) async fn canceled(
        &self,
        caller: &Caller,
        id: MessageId,
    ) -> EngineResult<(ContactId, MessageId, CancelOutcome)> {
        let message = self.record_of(Some(caller.account), id).await?;
        self.canceled_at(caller, message.contact, message.id).await
    }

    /// The same for one whose contact was just read; if it has moved with that into another one since, there.
    pub(super) async fn canceled_of(
        &self,
        caller: &Caller,
        contact: ContactId,
        id: MessageId,
    ) -> EngineResult<(ContactId, MessageId, CancelOutcome)> {
        match self.canceled_at(caller, contact, id).await {
            Err(EngineError::NotFound | EngineError::Merged(_)) => self.canceled(caller, id).await,
            known => known,
        }
    }

    async fn canceled_at(
        &self,
        caller: &Caller,
        contact: ContactId,
        id: MessageId,
    ) -> EngineResult<(ContactId, MessageId, CancelOutcome)> {
        match self.ask(contact, ContactCommand::Cancel(*caller, id)).await? {
            Answer::Canceled(outcome) => Ok((contact, id, outcome)),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes back every pending message that fits.
    ///
    /// # Errors
    /// The store; some may have been cancelled by then.
    pub async fn cancel_many(&self, caller: &Caller, filter: CancelFilter) -> EngineResult<CancelManyOutcome> {
        let mut outcome = CancelManyOutcome::default();
        let mut canceled: Vec<MessageId> = Vec::new();
        let messages =
            MessageFilter { contact: filter.contact, state: filter.contact.is_none().then_some(StateName::Scheduled) };
        let mut cursor = None;
        loop {
            let request = PageRequest { cursor, limit: CANCELS_AT_ONCE };
            let listed = self.messages(caller, messages.clone(), request).await?;
            let fits = |view: &MessageView| {
                view.message.state.name().is_pending()
                    && filter.metadata.iter().all(|(name, value)| view.message.metadata.get(name) == Some(value))
            };
            let fitting: Vec<_> = listed.items.iter().filter(|view| fits(view)).map(|view| &view.message).collect();
            // What repeats is taken back whole: otherwise its next message came in the place of this one.
            let of_series = |message: &&Message| message.series.as_ref().map(|of| of.series);
            let series: BTreeSet<SeriesId> = fitting.iter().filter_map(of_series).collect();
            for result in
                futures_util::future::join_all(series.iter().map(|id| self.series_canceled(caller, *id))).await
            {
                match result {
                    Ok(_) | Err(EngineError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            let results = fitting.iter().map(|message| self.canceled_of(caller, message.contact, message.id));
            for result in futures_util::future::join_all(results).await {
                match result {
                    Ok((_, id, CancelOutcome::Canceled)) => {
                        outcome.canceled += 1;
                        if canceled.len() < MAX_UNDONE_TOGETHER {
                            canceled.push(id);
                        }
                    }
                    Ok((.., CancelOutcome::AlreadyHandedOver(_))) => outcome.already_handed_over += 1,
                    // Its contact was deleted meanwhile, and it with it.
                    Err(EngineError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            // Past the pending part of a contact's list there is nothing to cancel.
            let is_past =
                filter.contact.is_some() && listed.items.iter().any(|view| view.message.state.name().is_final());
            match listed.next_cursor {
                Some(next) if !is_past => cursor = Some(next),
                _ => {
                    if let Some(contact) = filter.contact.filter(|_| !canceled.is_empty()) {
                        self.remember(caller, contact, Step::Canceled(canceled));
                    }
                    return Ok(outcome);
                }
            }
        }
    }

    async fn change(
        &self,
        caller: &Caller,
        id: MessageId,
        command: impl FnOnce(MessageId) -> ContactCommand,
    ) -> EngineResult<MessageView> {
        let message = self.record_of(Some(caller.account), id).await?;
        match self.ask(message.contact, command(message.id)).await? {
            Answer::Message(message) => self.view(*message).await,
            other => Err(unexpected(&other)),
        }
    }

    /// Changes or reschedules a pending message.
    ///
    /// # Errors
    /// Not found, another version, no longer pending, refused fields, the store.
    pub async fn edit(
        &self,
        caller: &Caller,
        id: MessageId,
        edit: MessageEdit,
        if_match: Option<u32>,
    ) -> EngineResult<MessageView> {
        self.change(caller, id, |id| ContactCommand::Edit(*caller, id, Box::new(edit), if_match)).await
    }

    /// Sends a pending message at once.
    ///
    /// # Errors
    /// Not found, no longer pending, the store.
    pub async fn send_now(&self, caller: &Caller, id: MessageId) -> EngineResult<MessageView> {
        self.change(caller, id, |id| ContactCommand::SendNow(*caller, id)).await
    }

    /// Removes a message that is settled, or something that a contact sent, with everything of it.
    ///
    /// # Errors
    /// Not found, still pending, the store.
    pub async fn remove_message(&self, caller: &Caller, id: MessageId) -> EngineResult<()> {
        let (contact, id) = match self.record_of(Some(caller.account), id).await {
            Ok(message) => (message.contact, message.id),
            Err(EngineError::NotFound) => {
                let (item, _) = self.item(caller, id).await?;
                (item.contact, item.id)
            }
            Err(error) => return Err(error),
        };
        match self.ask(contact, ContactCommand::Remove(*caller, id)).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Settles an uncertain message.
    ///
    /// # Errors
    /// Not found, not uncertain, the store.
    pub async fn resolve(&self, caller: &Caller, id: MessageId, how: Resolve) -> EngineResult<MessageView> {
        self.change(caller, id, |id| ContactCommand::Resolve(*caller, id, how)).await
    }

    /// Revives a dead letter: a new message with the same content, due at once. Once per dead letter.
    ///
    /// # Errors
    /// Not found, not a dead letter, what the contact or the sender do not allow by now, the store.
    pub async fn requeue(&self, caller: &Caller, id: MessageId) -> EngineResult<Created<MessageView>> {
        let message = self.record_of(Some(caller.account), id).await?;
        self.requeued(caller, message).await
    }

    pub(super) async fn requeued(&self, caller: &Caller, message: Message) -> EngineResult<Created<MessageView>> {
        self.check_growth()?;
        if message.state != State::Failed {
            return Err(not_failed(message.state.name()));
        }
        let view = self.view(message).await?;
        let message = &view.message;
        let partition = self.partition_of(message.contact);
        let mut blobs = Vec::new();
        if matches!(message.content, StoredContent::Blob { .. }) {
            blobs.push((BlobKey::CONTENT, codec::encode(&view.content)));
        }
        let wanted: Vec<_> = message
            .attachments
            .iter()
            .map(|attachment| RecordKey {
                partition,
                table: Table::Blob,
                key: keys::blob(BlobKey { message: message.id, number: attachment.blob }),
            })
            .collect();
        for (attachment, bytes) in message.attachments.iter().zip(self.read_records(&wanted).await?) {
            blobs.extend(bytes.map(|bytes| (attachment.blob, bytes)));
        }
        let new = NewMessage {
            channel: message.channel,
            to: Some(message.to.clone()),
            from: Some(message.sender),
            content: view.content.clone(),
            template: None,
            attachments: Vec::new(),
            intent: crate::protocol::api::NewIntent::Now,
            class: Some(message.class),
            if_late: message.if_late,
            quiet_hours: message.quiet_hours,
            cancel_on_reply: message.cancel_on_reply,
            reply: message.reply,
            metadata: message.metadata.clone(),
            recurrence: None,
            callback_url: message.callback_url.clone(),
            idempotency: None,
        };
        let command = ScheduleMessage {
            // One that moved is revived once, wherever that was.
            id: message.origin.map_or_else(
                || MessageId::requeued(message.id),
                |origin| MessageId::requeued(origin).moved(message.contact, partition),
            ),
            new,
            attachments: message.attachments.clone(),
            content: message.content.clone(),
            blobs,
            requeue_of: Some(message.id),
        };
        self.scheduled(message.contact, caller, command, Some(view.content.clone())).await
    }
}

/// The content in the record; of one that is a blob only the subject.
fn inline(message: &Message) -> Content {
    match &message.content {
        StoredContent::Inline(content) => content.clone(),
        StoredContent::Blob { subject } => Content { subject: subject.clone(), ..Content::default() },
    }
}
