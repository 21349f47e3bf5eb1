//! An SMS that asks for help is answered, where its account has said with what.
//!
//! The answer is a message like any other: it goes through consent, lane and last check, and stands in the thread. Two
//! machines that answer each other must not do so for ever: its id is made of the contact, our number and the hour in
//! which the question was kept. So the same hour's next question, and the same question told again, find it made.

use super::handle::Engine;
use crate::domain::address::{Address, Channel};
use crate::domain::directory::Role;
use crate::domain::ids::{AccountNo, MessageId, SenderId};
use crate::domain::message::{Author, Class, Content, ReplyChoice};
use crate::domain::schedule::{IfLate, QuietHoursPolicy};
use crate::protocol::api::{Caller, EngineError, EngineResult, Idempotency, NewIntent, NewMessage, ReceivedAs};

/// One answer for each contact and number in so many milliseconds.
const ANSWERED_EVERY_MS: i64 = 3_600_000;

impl Engine {
    /// Answers an item that asks for help, from the number that it came to. The answer's id, if there is one.
    ///
    /// # Errors
    /// The store, no room for more. Somebody who wants nothing gets nothing, which is no error.
    pub async fn answer_help(
        &self,
        account: AccountNo,
        received: ReceivedAs,
        from: &Address,
        to: SenderId,
    ) -> EngineResult<Option<MessageId>> {
        let text = self.directory().account(account).and_then(|account| account.help_reply.clone());
        let Some(text) = text else { return Ok(None) };
        let caller = Caller {
            account,
            author: Author::System,
            role: Role::Admin,
            user: None,
            test: false,
            origin: None,
            bulk: false,
        };
        let question = match self.item(&caller, received.item).await {
            Ok((question, _)) => question,
            Err(EngineError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let hour = question.at.0.div_euclid(ANSWERED_EVERY_MS);
        let new = NewMessage {
            channel: Channel::Sms,
            to: Some(from.clone()),
            from: Some(to),
            content: Content { text: Some(text), render: false, ..Content::default() },
            template: None,
            attachments: Vec::new(),
            intent: NewIntent::Now,
            class: Some(Class::Conversation),
            if_late: IfLate::Send,
            quiet_hours: QuietHoursPolicy::Ignore,
            cancel_on_reply: false,
            reply: ReplyChoice::default(),
            metadata: Default::default(),
            recurrence: None,
            callback_url: None,
            // Whatever the text is by now: there was an answer.
            idempotency: Some(Idempotency { key: format!("help.{to}.{hour}"), request_hash: [0; 16] }),
        };
        match self.schedule(&caller, received.contact, new).await {
            Ok(answer) => Ok(Some(answer.into_inner().message.id)),
            // Nor is one whose contact is gone by now.
            Err(EngineError::Invalid(_) | EngineError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
