//! What a contact does once what it decided is durable: it tells the wheel, the pools and whoever asked.

use std::sync::Arc;
use std::time::Duration;

use super::actor::{ContactActor, ReplyTo};
use super::command::ContactCommand;
use super::consulting;
use super::decision::Effect;
use crate::domain::address::Channel;
use crate::domain::ids::{AccountNo, MessageId};
use crate::domain::ticket::Ticket;
use crate::protocol::api::EngineError;
use crate::sender::Release;
use crate::sender::pool::{CancelTicket, HandOver, PermitReleased, Settled};
use crate::sender::transport::{Envelope, Withdrawal};
use crate::wheel::actor::{Arm, Disarm, Rewake};

/// A claim whose envelope is with its pool.
struct OpenClaim {
    message: MessageId,
    channel: Channel,
    withdrawal: Withdrawal,
}

/// The claims of one contact whose envelopes are with their pools.
#[derive(Default)]
pub(super) struct OpenClaims(Vec<OpenClaim>);

impl OpenClaims {
    fn begin(&mut self, envelope: &Envelope) {
        self.0.push(OpenClaim {
            message: envelope.message,
            channel: envelope.channel(),
            withdrawal: envelope.withdrawal.clone(),
        });
    }

    /// The attempt is over.
    pub(super) fn end(&mut self, message: MessageId) {
        self.0.retain(|claim| claim.message != message);
    }

    /// Takes back what has not gone yet, of one channel or of all.
    fn revoke(&self, of: Option<Channel>) {
        for claim in self.0.iter().filter(|claim| of.is_none_or(|of| claim.channel == of)) {
            claim.withdrawal.withdraw();
        }
    }

    pub(super) fn has(&self, message: MessageId) -> bool {
        self.0.iter().any(|claim| claim.message == message)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ContactActor {
    fn account(&self) -> Option<AccountNo> {
        self.contact.as_ref().map(|contact| contact.account)
    }

    /// A command that cannot be decided now. A permit goes back; an outcome stays with the pool, which
    /// tells it again; the wheel brings a clean-up again.
    pub(super) fn refuse(&self, command: &ContactCommand, reply: ReplyTo, error: EngineError) {
        if let Some(reply) = reply {
            let _ = reply.send(Err(error));
        }
        match command {
            ContactCommand::Permit(granted) => {
                let pool = self.node.routes().pools.of(granted.ticket.channel());
                pool.do_send(PermitReleased { permit: granted.permit, release: Release::Requeue });
            }
            ContactCommand::Cleanup(ticket) | ContactCommand::Heard(ticket, ..) | ContactCommand::Replan(ticket, _) => {
                let at = self.node.clock.now().plus(Duration::from_secs(1));
                self.node.shard(self.partition).wheel.do_send(Rewake(*ticket, at));
            }
            _ => {}
        }
    }

    pub(super) fn run(&mut self, effects: Vec<Effect>, mut reply: ReplyTo) {
        let node = Arc::clone(&self.node);
        let routes = node.routes();
        let wheel = &node.shard(self.partition).wheel;
        let pool = |ticket: &Ticket| routes.pools.of(ticket.channel());
        for effect in effects {
            match effect {
                Effect::Reply(answered) => {
                    if let Some(reply) = reply.take() {
                        // A caller that went away is no error.
                        let _ = reply.send(*answered);
                    }
                }
                Effect::Arm(ticket) => wheel.do_send(Arm(ticket)),
                Effect::Disarm(ticket) => {
                    wheel.do_send(Disarm(ticket));
                    pool(&ticket).do_send(CancelTicket(ticket));
                }
                Effect::Rewake(ticket, at) => wheel.do_send(Rewake(ticket, at)),
                Effect::HandOver(permit, envelope) => {
                    self.open_claims.begin(&envelope);
                    routes.pools.of(envelope.channel()).do_send(HandOver { permit, epoch: self.epoch, envelope });
                }
                Effect::RevokeClaims(of) => self.open_claims.revoke(of),
                Effect::Release(of, permit, release) => routes.pools.of(of).do_send(PermitReleased { permit, release }),
                Effect::Settled(of, permit, cost) => routes.pools.of(of).do_send(Settled { permit, cost }),
                Effect::Publish(happened) => {
                    if let Some(account) = self.account() {
                        node.events.publish(account, happened);
                    }
                }
                Effect::Count(Channel::Webhook, state) => {
                    metrics::counter!("sendwheel_notices_total", "outcome" => state.as_str()).increment(1);
                }
                Effect::Count(channel, state) => {
                    metrics::counter!("sendwheel_messages_total", "channel" => channel.name(), "outcome" => state.as_str()).increment(1);
                }
                Effect::SwitchOff(account, webhook) => node.gone_webhooks.add(account, webhook),
                Effect::Learn(account, lesson) => node.habits.learn(self.partition, account, &lesson),
                Effect::Tally(account, arm, step) => node.habits.count(self.partition, account, arm, step),
                // Into the inbox at once: a contact with more to do is not idle.
                Effect::Continue(command) => self.inbox.push_back((*command, None)),
                Effect::Tell(contact, command) => consulting::tell(&node, contact, *command),
                Effect::Consult(consultation) => {
                    consulting::ask(Arc::clone(&node), self.id, *consultation, reply.take());
                }
            }
        }
    }
}
