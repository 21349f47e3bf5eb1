//! A contact asks others, and hears what came of it.
//!
//! Two contacts are two partitions, and a decision is one batch of one of them. What takes more than one is done by
//! whichever contact has a clean-up entry in the due index: it asks the others, each of them decides and commits for
//! itself, and when all have answered it goes on. Whoever dies on the way begins this again from the entry, so
//! everything that is asked does nothing when it was done before.
//!
//! Bounded by what the clean-ups under way ask for at once: each waits for its answers before it asks again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::ReplyTo;
use super::command::ContactCommand;
use super::decision::Consultation;
use super::registry::Deliver;
use crate::domain::ids::ContactId;
use crate::protocol::api::{EngineError, EngineResult};
use crate::shard::Node;
use crate::wheel::actor::Rewake;

/// Who could not answer is asked again after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// Nothing was decided: it is worth another try.
const fn is_passing(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Unavailable | EngineError::Overloaded | EngineError::OutOfSpace | EngineError::Stopping
    )
}

/// Tells another contact something.
pub(super) fn tell(node: &Node, contact: ContactId, command: ContactCommand) {
    node.shard_of_contact(contact).registry.do_send(Deliver { contact, command, reply: None });
}

/// Asks, and tells `me` what came of it; the answer to that is the answer to `reply`. Waits beside the actors.
pub(super) fn ask(node: Arc<Node>, me: ContactId, consultation: Consultation, reply: ReplyTo) {
    let Consultation { ticket, matter, asked } = consultation;
    let answers: Vec<_> = asked
        .into_iter()
        .map(|(contact, command)| {
            let (reply, answer) = oneshot::channel();
            node.shard_of_contact(contact).registry.do_send(Deliver { contact, command, reply: Some(reply) });
            answer
        })
        .collect();
    actix::spawn(async move {
        let mut outcome: EngineResult<()> = Ok(());
        for answer in answers {
            // A dropped reply: its partition was dropped; nobody knows what became of it.
            match answer.await.unwrap_or(Err(EngineError::Unavailable)) {
                Ok(_) => {}
                Err(error) if is_passing(&error) => {
                    let at = node.clock.now().plus(AGAIN);
                    node.shard_of_contact(me).wheel.do_send(Rewake(ticket, at));
                    if let Some(reply) = reply {
                        let _ = reply.send(Err(error));
                    }
                    return;
                }
                Err(error) => outcome = Err(error),
            }
        }
        let heard = Deliver { contact: me, command: ContactCommand::Heard(ticket, matter, outcome), reply };
        node.shard_of_contact(me).registry.do_send(heard);
    });
}
