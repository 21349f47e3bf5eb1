//! Mail that came in, whichever way: read, matched, and given to the engine.
//!
//! | what it is | what becomes of it |
//! |---|---|
//! | a report that a mail of ours failed for good | the message is `bounced`, its address suppressed |
//! | a report of a delay, or of a delivery | an event in the thread; the message is `delivered` |
//! | a complaint | the address is suppressed and its owner opted out |
//! | a mail of ours that came back to us | nothing: a loop ends here |
//! | anything else | an entry of the thread that it belongs to, or of a new one |
//!
//! Reports are believed because they name one of our ids, which nobody can guess.

use bytes::Bytes;
use sendwheel_actors::domain::address::{Address, Channel, EmailAddress};
use sendwheel_actors::domain::conversation::{OptVia, ThreadEvent};
use sendwheel_actors::domain::ids::{AccountNo, ContactId, MessageId, SenderId};
use sendwheel_actors::domain::message::{Content, Message};
use sendwheel_actors::domain::receipt::{Receipt, ReceiptStatus};
use sendwheel_actors::domain::suppression::SuppressionReason;
use sendwheel_actors::domain::threading::{MailId, ThreadedMail};
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::{EngineError, Incoming, NewAttachment};
use sendwheel_actors::inbound::dsn::{Action, Severity};
use sendwheel_actors::inbound::keywords::{self, Keyword};
use sendwheel_actors::inbound::{Complaint, DeliveryReport, Feedback, InboundEmail, InboundError, Kind, quoting};
use sha2::{Digest, Sha256};

/// Bytes of attachments that are kept with a mail; its raw form has all of them.
const MAX_ATTACHED: usize = 20 * 1024 * 1024;

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It stands in a thread.
    Kept {
        /// Whose.
        contact: ContactId,
        /// The entry.
        item: MessageId,
        /// Whether it was kept now, not before.
        is_new: bool,
    },
    /// It was a report on a message.
    Reported(MessageId),
    /// It was a report on nothing that we know.
    Ignored,
    /// It was one of ours.
    Loop,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] InboundError),
    /// It says nobody who could be answered.
    #[error("the mail has no author that could be answered: give it a From header")]
    NoAuthor,
    /// Nobody here has any of its addresses.
    #[error("no such recipient here: make the address a sender first, or answer to a reply address")]
    NoRecipient,
    /// Not now.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Takes a mail in. `account`: whose it is, if that is known from how it came. `envelope`: whom it came for.
pub(crate) async fn take_in(
    engine: &Engine,
    account: Option<AccountNo>,
    envelope: &[EmailAddress],
    raw: Bytes,
) -> Result<Taken, NotTaken> {
    let mail = InboundEmail::parse(&raw)?;
    match &mail.kind {
        Kind::DeliveryReport(report) => return Ok(report_on(engine, account, report).await?),
        Kind::Complaint(complaint) => return Ok(complain(engine, account, complaint).await?),
        Kind::Message => {}
    }
    let threaded = ThreadedMail::read(
        mail.message_id.as_deref(),
        mail.in_reply_to.iter().map(String::as_str),
        mail.references.iter().map(String::as_str),
        Some(&mail.subject),
    );
    if let Some(id) = &threaded.id
        && engine.mail_named(id).await?.is_some()
    {
        return Ok(Taken::Loop);
    }
    let from = mail.from.clone().ok_or(NotTaken::NoAuthor)?;
    let (account, to, sender, contact) = belongs(engine, account, envelope, &mail, &threaded).await?;
    let from_address = Address::Email(from.address.clone());
    let text = mail.text.clone();
    let keyword = text.as_deref().and_then(|text| keywords::classify(&quoting::written(text)));
    let mut room = MAX_ATTACHED;
    let mut attachments = Vec::new();
    for file in &mail.attachments {
        let bytes = file.bytes(&raw);
        if bytes.len() > room {
            break;
        }
        room -= bytes.len();
        let (filename, content_type) = (file.filename.clone(), file.content_type.clone());
        attachments.push(NewAttachment { filename, content_type, bytes: bytes.into() });
    }
    let incoming = Incoming {
        account,
        contact,
        // Without an id of its own, the same bytes are the same mail.
        own_id: format!("raw:{}", hex::encode(&Sha256::digest(&raw)[..16])),
        from: from_address.clone(),
        to: to.to_string(),
        sender,
        content: Content {
            subject: Some(mail.subject.clone()),
            text,
            html: mail.html.as_ref().map(|html| html.html.clone()),
            render: false,
        },
        attachments,
        mail: Some(threaded),
        provider_id: None,
        is_automatic: mail.is_automatic(),
        raw: Some(raw),
        name: from.name,
    };
    let is_automatic = incoming.is_automatic;
    let received = engine.receive(incoming).await?;
    if keyword == Some(Keyword::Stop) && !is_automatic {
        engine.opt_out(account, &from_address, OptVia::Keyword).await?;
    }
    Ok(Taken::Kept { contact: received.contact, item: received.item, is_new: received.is_new })
}

/// Whose mail it is, which address of ours it came to, and whose thread a signed reply address names.
async fn belongs(
    engine: &Engine,
    account: Option<AccountNo>,
    envelope: &[EmailAddress],
    mail: &InboundEmail,
    threaded: &ThreadedMail,
) -> Result<(AccountNo, EmailAddress, Option<SenderId>, Option<ContactId>), NotTaken> {
    let recipients: Vec<&EmailAddress> = envelope.iter().chain(mail.recipients()).collect();
    let first = recipients.first().copied();
    let is_ours = |of: AccountNo| account.is_none_or(|account| account == of);
    let signed = engine.reply_to(recipients.iter().map(|address| address.as_str()));
    let signed = signed.filter(|to| is_ours(to.account));
    let mut answered = None;
    for id in threaded.ancestors.as_slice().iter().rev() {
        if let Some(message) = engine.mail_named(id).await?.filter(|message| is_ours(message.account)) {
            answered = Some(message);
            break;
        }
    }
    let at_sender = recipients.iter().find_map(|address| {
        let (of, sender) = engine.sender_at(&Address::Email((*address).clone()))?;
        is_ours(of).then_some((of, sender, *address))
    });
    let found = answered
        .as_ref()
        .map(|message| message.account)
        .or(signed.map(|to| to.account))
        .or(at_sender.map(|(of, ..)| of))
        .or(account);
    let account = found.ok_or(NotTaken::NoRecipient)?;
    let sender = at_sender.filter(|(of, ..)| *of == account);
    let to = sender.map(|(_, _, address)| address).or(first).ok_or(NotTaken::NoRecipient)?.clone();
    // A reply to a signed address goes on with the sender that its contact was written from.
    let sender = sender.map(|(_, sender, _)| sender).or(answered.map(|message| message.sender));
    Ok((account, to, sender, signed.filter(|to| to.account == account).map(|to| to.contact)))
}

/// The message that a report names first.
async fn named(engine: &Engine, account: Option<AccountNo>, ids: &[String]) -> Result<Option<Message>, EngineError> {
    for id in ids.iter().filter_map(|id| MailId::parse(id).ok()) {
        let message = engine.mail_named(&id).await?;
        if let Some(message) = message.filter(|message| account.is_none_or(|account| account == message.account)) {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

async fn report_on(engine: &Engine, account: Option<AccountNo>, report: &DeliveryReport) -> Result<Taken, EngineError> {
    let Some(message) = named(engine, account, &report.original_ids).await? else { return Ok(Taken::Ignored) };
    // A mail of ours has one recipient: the worst word counts.
    let severity = |recipient: &&sendwheel_actors::inbound::RecipientReport| match recipient.severity() {
        Severity::Hard => 2,
        Severity::Soft => 1,
        Severity::Good => 0,
    };
    let Some(worst) = report.recipients.iter().max_by_key(severity) else { return Ok(Taken::Ignored) };
    let code = worst.status.map(|status| status.to_string());
    let receipt = |status| Receipt { status, at: engine.clock().now(), code: code.clone() };
    let told = match (worst.severity(), worst.action) {
        (Severity::Hard, _) => {
            let told = engine.receipt(message.id, receipt(ReceiptStatus::Bounced)).await;
            let _ = engine.suppress_found(message.account, message.to.clone(), SuppressionReason::HardBounce).await?;
            told
        }
        // Given up for a reason that may pass: it did not arrive, and its address stays good.
        (Severity::Soft, Action::Failed) => engine.receipt(message.id, receipt(ReceiptStatus::Bounced)).await,
        (Severity::Soft, _) => {
            let code = code.clone().unwrap_or_default();
            let event = ThreadEvent::DeliveryDelayed { message: message.id, code };
            engine.happened(message.account, message.contact, &format!("delayed:{}", message.id), event).await?;
            engine.receipt(message.id, receipt(ReceiptStatus::Delayed)).await
        }
        (Severity::Good, Action::Delivered) => engine.receipt(message.id, receipt(ReceiptStatus::Delivered)).await,
        (Severity::Good, _) => engine.receipt(message.id, receipt(ReceiptStatus::Accepted)).await,
    };
    match told {
        Ok(_) | Err(EngineError::NotFound) => Ok(Taken::Reported(message.id)),
        Err(error) => Err(error),
    }
}

async fn complain(engine: &Engine, account: Option<AccountNo>, complaint: &Complaint) -> Result<Taken, EngineError> {
    let Some(message) = named(engine, account, &complaint.original_ids).await? else { return Ok(Taken::Ignored) };
    if matches!(complaint.feedback, Feedback::NotSpam | Feedback::AuthFailure) {
        return Ok(Taken::Reported(message.id));
    }
    let event = ThreadEvent::Complained { message: Some(message.id) };
    engine.happened(message.account, message.contact, &format!("complaint:{}", message.id), event).await?;
    engine.opt_out(message.account, &message.to, OptVia::Complaint).await?;
    Ok(Taken::Reported(message.id))
}

/// Whether mail for an address is taken in: it is a signed reply address or a sender's.
pub(crate) fn is_recipient(engine: &Engine, address: &EmailAddress) -> bool {
    debug_assert_eq!(Address::Email(address.clone()).channel(), Channel::Email);
    engine.reply_to([address.as_str()]).is_some() || engine.sender_at(&Address::Email(address.clone())).is_some()
}
