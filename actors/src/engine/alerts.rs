//! Mails to an account's people about messages that wait for them: held, failed, of unknown outcome.
//!
//! Not one for each: a campaign that fails must not fill a mailbox. Every few minutes whatever came into the index
//! `attention` since the last mail becomes one mail, with counts and the first few; it names messages and reasons,
//! and neither addresses nor texts. How far an account was told stands in its record, written after the mail was
//! scheduled: a crash between the two tells the same once more, and nothing is left untold.
//!
//! What was given up on its way to a webhook or a status callback is told apart: it is no message to a contact, stands
//! in no list of messages, and another person puts it right.

use std::collections::BTreeMap;
use std::time::Duration;

use super::handle::Engine;
use super::lists::Source;
use super::notices::{Notice, addressee};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::directory::Account;
use crate::domain::message::{Message, StateName};
use crate::protocol::api::{EngineResult, PageRequest};
use crate::store::keys::{self, AttentionMember};
use crate::store::{Entry, Index, Member, RecordKey, Table, codec};

/// An entry counts once it is this old: what became of its message was decided before it was durable, and an older
/// one must not come after a younger one was told.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);
/// Entries looked at for one mail; beyond that it says "more than".
const COUNTED: usize = 1_000;
/// Messages that one mail names.
const NAMED: usize = 20;

/// Behind every entry of this instant.
fn after(at: UnixMs) -> Entry {
    Entry { score: at, member: Member::from_elem(u8::MAX, 64) }
}

impl Engine {
    /// Goes on until the node stops.
    pub(super) async fn keep_alerting(self) {
        let mut every = tokio::time::interval(self.node.settings.alert_every);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if self.node.health.is_stopping() {
                return;
            }
            let directory = self.directory();
            for account in directory.accounts().filter(|account| !account.alerts.emails.is_empty()) {
                if let Err(error) = self.tell(account).await {
                    tracing::warn!(account = %account.id, %error, "an alert could not be sent and is tried again");
                }
            }
        }
    }

    /// Tells an account what came since it was told last, if anything did.
    async fn tell(&self, account: &Account) -> EngineResult<()> {
        let to = self.node.clock.now().minus(SETTLES_WITHIN);
        let since = account.alerts.told_until;
        let page = PageRequest { cursor: None, limit: COUNTED };
        let entries = Source::Up(Index::Attention(account.no));
        let found = self.merged(entries, Some(after(since)), to, &page).await?;
        let members = found.items.iter().filter_map(|entry| AttentionMember::decode(&entry.member).ok());
        let members: Vec<AttentionMember> = members.collect();
        if members.is_empty() {
            return Ok(());
        }
        let is_more = found.next_cursor.is_some();
        let found = self.sorted(account, members).await?;
        let (subject, text) = (found.subject(&account.name, is_more), self.alert_text(account, &found, is_more));
        for email in &account.alerts.emails {
            let key = format!("alert.{}.{}.{}.{}", account.no, addressee(email), since.0, to.0);
            self.notify(Notice { to: email.clone(), subject: subject.clone(), text: text.clone(), key }).await?;
        }
        self.directory.note_alerted(&self.node, account.no, to).await
    }

    /// Reads what the entries stand for.
    async fn sorted(&self, account: &Account, members: Vec<AttentionMember>) -> EngineResult<Found> {
        let key = |member: &AttentionMember| RecordKey {
            partition: self.partition_of(member.contact),
            table: Table::Message,
            key: keys::message(member.message),
        };
        let records = self.read_records(&members.iter().map(key).collect::<Vec<_>>()).await?;
        let mut found = Found::default();
        for (member, bytes) in members.into_iter().zip(records) {
            // It may be settled, or gone, by now: then there is no reason to tell.
            let message = bytes.and_then(|bytes| codec::decode::<Message>(&bytes).ok());
            let message = message.filter(|message| message.account == account.no);
            let is_notice = message.as_ref().is_some_and(|message| message.channel == Channel::Webhook);
            let reason = message.filter(|message| message.state.name() == member.state).and_then(|it| it.reason);
            let of_kind = if is_notice { &mut found.notices } else { &mut found.messages };
            of_kind.push((member, reason.map_or_else(String::new, |reason| format!(", {}", reason.code()))));
        }
        Ok(found)
    }

    fn alert_text(&self, account: &Account, found: &Found, is_more: bool) -> String {
        let many = if is_more { "At least " } else { "" };
        let mut text = String::new();
        if !found.messages.is_empty() {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for (member, _) in &found.messages {
                *counts.entry(meaning(member.state)).or_default() += 1;
            }
            text.push_str(&format!("Messages of {} that wait for somebody:\n\n", account.name));
            for (state, count) in counts {
                text.push_str(&format!("  {many}{count} {state}\n"));
            }
            text.push('\n');
            for (member, reason) in found.messages.iter().take(NAMED) {
                text.push_str(&format!(
                    "  {} ({}{reason}): {}/contacts/{}\n",
                    member.message,
                    member.state.as_str(),
                    self.node.settings.public_url,
                    member.contact
                ));
            }
            if is_more || found.messages.len() > NAMED {
                text.push_str("  and more.\n");
            }
            text.push_str("\nGET /v1/messages?state=held, uncertain or failed lists them all.\n");
        }
        if !found.notices.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            let count = found.notices.len();
            text.push_str(&format!("{gap}{many}{count} given up on the way to webhooks of {}:\n\n", account.name));
            for (member, reason) in found.notices.iter().take(NAMED) {
                text.push_str(&format!("  {}{reason}\n", member.message));
            }
            if is_more || count > NAMED {
                text.push_str("  and more.\n");
            }
            text.push_str("\nAn operator finds them among the dead letters, and can send them again.\n");
        }
        text
    }
}

/// What came into the index: each with its reason, as the mail says it.
#[derive(Default)]
struct Found {
    messages: Vec<(AttentionMember, String)>,
    /// What webhooks and status callbacks were not told.
    notices: Vec<(AttentionMember, String)>,
}

impl Found {
    fn subject(&self, account: &str, is_more: bool) -> String {
        let many = if is_more { "more than " } else { "" };
        match (self.messages.len(), self.notices.len()) {
            (0, 1) => format!("A webhook of {account} could not be told"),
            (0, count) => format!("{many}{count} notices to webhooks of {account} failed"),
            (1, _) => format!("A message of {account} needs attention"),
            (count, _) => format!("{many}{count} messages of {account} need attention"),
        }
    }
}

/// What a state means to whoever reads the mail.
const fn meaning(state: StateName) -> &'static str {
    match state {
        StateName::Held => "held: something about it must be put right first",
        StateName::Uncertain => "of unknown outcome: say whether it was sent",
        _ => "failed",
    }
}
