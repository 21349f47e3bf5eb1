//! Every bound and every knob of the engine, in one place.

use std::time::Duration;

use crate::domain::address::{Channel, EmailAddress, Mailbox};
use crate::domain::backoff::Backoff;
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::directory::{Limit, SessionTerms};
use crate::domain::egress::Reach;
use crate::store::NodeId;

/// What to do with a message of which nobody knows whether its provider took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncertainPolicy {
    /// Try again under the same identity (email: the same Message-ID).
    Resend,
    /// Leave it to a person.
    Hold,
}

/// How one channel delivers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeliverySettings {
    /// What to do with an uncertain message. Default: email `Resend`, SMS `Hold`.
    pub uncertain: UncertainPolicy,
    /// First wait after a transient failure; doubles each time.
    pub retry_base: Duration,
    /// Longest wait between attempts.
    pub retry_cap: Duration,
    /// Attempts before a message becomes a dead letter.
    pub max_attempts: u16,
    /// A limit over all senders of the channel.
    pub channel_limit: Option<Limit>,
}

/// The engine's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSettings {
    /// This node's name: the same over restarts on the same data.
    pub node: NodeId,
    /// Shard threads.
    pub shards: usize,
    /// How long a lease lasts (Redis).
    pub lease_ttl: Duration,
    /// Contacts kept in memory per shard.
    pub active_contacts: usize,
    /// Requests under way per shard; more are refused with `Overloaded`.
    pub inflight_requests: usize,
    /// How far ahead the wheel holds tickets.
    pub wheel_horizon: Duration,
    /// Tickets read from the store at once, per partition.
    pub wheel_page: usize,
    /// Tickets waiting in memory per lane and class; more are parked in the store.
    pub lane_bound: usize,
    /// Tickets waiting in memory over all lanes of a channel.
    pub lanes_total_bound: usize,
    /// Permits older than this are taken back instead of used.
    pub permit_ttl: Duration,
    /// Settled messages leave after this long.
    pub retention: Duration,
    /// Entries of the audit trail leave after this long.
    pub audit_retention: Duration,
    /// How long sessions last.
    pub sessions: SessionTerms,
    /// How often an account's people are told what needs attention, at most.
    pub alert_every: Duration,
    /// How often each partition is swept for what is past its retention.
    pub sweep_every: Duration,
    /// Events kept per account for listeners that resume.
    pub event_ring: usize,
    /// Email.
    pub email: DeliverySettings,
    /// SMS.
    pub sms: DeliverySettings,
    /// How many mails may go to one domain, over all senders.
    pub email_destinations: DestinationLimits,
    /// How many segments may go to one country or range of numbers, over all senders.
    pub sms_destinations: DestinationLimits,
    /// Notices to webhooks; of which nobody knows the outcome are always sent again.
    pub webhook: DeliverySettings,
    /// Where webhooks of users may go. Only `Anywhere` takes URLs that are not https.
    pub webhook_reach: Reach,
    /// Base of links in mails (unsubscribe): `https://host`, without a trailing slash.
    pub public_url: String,
    /// Whom mails of the installation itself come from: invitations, forgotten passwords, alerts.
    pub system_from: Mailbox,
    /// The domain of signed reply addresses (`reply+…@domain`), whose mail comes in here. None: answers go to the
    /// sender's own address.
    pub reply_domain: Option<String>,
    /// Share of the store's budget from which new schedules are refused.
    pub refuse_schedules_at: f64,
    /// Share of the store's budget from which nothing is claimed any more.
    pub refuse_claims_at: f64,
}

impl EngineSettings {
    /// The defaults for a node of this name.
    #[must_use]
    pub fn for_node(node: NodeId) -> Self {
        Self {
            node,
            shards: std::thread::available_parallelism().map_or(1, |n| (n.get() / 2).clamp(1, 16)),
            lease_ttl: Duration::from_secs(10),
            active_contacts: 20_000,
            inflight_requests: 50_000,
            wheel_horizon: Duration::from_secs(30),
            wheel_page: 2_048,
            lane_bound: 100_000,
            lanes_total_bound: 500_000,
            permit_ttl: Duration::from_millis(250),
            retention: Duration::from_secs(90 * 86_400),
            audit_retention: Duration::from_secs(365 * 86_400),
            sessions: SessionTerms {
                idle: Duration::from_secs(14 * 86_400),
                lifetime: Duration::from_secs(90 * 86_400),
            },
            alert_every: Duration::from_secs(300),
            sweep_every: Duration::from_secs(600),
            event_ring: 10_000,
            email_destinations: DestinationLimits::default(),
            sms_destinations: DestinationLimits::of_prefixes([], None),
            email: DeliverySettings {
                uncertain: UncertainPolicy::Resend,
                retry_base: Duration::from_secs(60),
                retry_cap: Duration::from_secs(4 * 3_600),
                max_attempts: 12,
                channel_limit: None,
            },
            sms: DeliverySettings {
                uncertain: UncertainPolicy::Hold,
                retry_base: Duration::from_secs(15),
                retry_cap: Duration::from_secs(1_800),
                max_attempts: 6,
                channel_limit: None,
            },
            webhook: DeliverySettings {
                uncertain: UncertainPolicy::Resend,
                retry_base: Backoff::WEBHOOK.base,
                retry_cap: Backoff::WEBHOOK.cap,
                max_attempts: Backoff::WEBHOOK.max_attempts,
                channel_limit: None,
            },
            webhook_reach: Reach::Public,
            public_url: "http://127.0.0.1:8080".into(),
            system_from: Mailbox::new("Sendwheel", EmailAddress::parse("no-reply@localhost").expect("an address"))
                .expect("a plain name"),
            reply_domain: None,
            refuse_schedules_at: 0.80,
            refuse_claims_at: 0.95,
        }
    }

    /// How much may go to one destination of a channel. What is told to webhooks is not limited so.
    #[must_use]
    pub fn destinations(&self, channel: Channel) -> DestinationLimits {
        match channel {
            Channel::Email => self.email_destinations.clone(),
            Channel::Sms => self.sms_destinations.clone(),
            Channel::Webhook => DestinationLimits::default(),
        }
    }

    /// How a channel delivers.
    #[must_use]
    pub const fn delivery(&self, channel: Channel) -> &DeliverySettings {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
            Channel::Webhook => &self.webhook,
        }
    }
}
