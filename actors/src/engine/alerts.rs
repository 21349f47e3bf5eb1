//! Mails to an account's people about messages that wait for them: held, failed, of unknown outcome.
//!
//! Not one for each: a campaign that fails must not fill a mailbox. Every few minutes whatever came into the index
//! `attention` since the last mail becomes one mail, with counts and the first few; it names messages and reasons,
//! and neither addresses nor texts. How far an account was told stands in its record, written after the mail was
//! scheduled: a crash between the two tells the same once more, and nothing is left untold.

use std::collections::BTreeMap;
use std::time::Duration;

use super::handle::Engine;
use super::lists::Source;
use super::notices::{Notice, addressee};
use crate::domain::clock::UnixMs;
use crate::domain::directory::Account;
use crate::domain::message::StateName;
use crate::protocol::api::{EngineResult, PageRequest};
use crate::store::keys::AttentionMember;
use crate::store::{Entry, Index, Member};

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
        let text = self.alert_text(account, &members, is_more).await?;
        let many = if is_more { "more than " } else { "" };
        let subject = match members.len() {
            1 => format!("A message of {} needs attention", account.name),
            count => format!("{many}{count} messages of {} need attention", account.name),
        };
        for email in &account.alerts.emails {
            let key = format!("alert.{}.{}.{}.{}", account.no, addressee(email), since.0, to.0);
            self.notify(Notice { to: email.clone(), subject: subject.clone(), text: text.clone(), key }).await?;
        }
        self.directory.note_alerted(&self.node, account.no, to).await
    }

    async fn alert_text(&self, account: &Account, members: &[AttentionMember], is_more: bool) -> EngineResult<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for member in members {
            *counts.entry(meaning(member.state)).or_default() += 1;
        }
        let many = if is_more { "At least " } else { "" };
        let mut text = format!("Messages of {} that wait for somebody:\n\n", account.name);
        for (state, count) in counts {
            text.push_str(&format!("  {many}{count} {state}\n"));
        }
        text.push('\n');
        for member in members.iter().take(NAMED) {
            // It may be settled, or gone, by now: then there is no reason to tell.
            let reason = match self.record_of(Some(account.no), member.message).await {
                Ok(message) if message.state.name() == member.state => message.reason.map(|reason| reason.code()),
                _ => None,
            };
            let reason = reason.map_or_else(String::new, |reason| format!(", {reason}"));
            text.push_str(&format!(
                "  {} ({}{reason}): {}/contacts/{}\n",
                member.message,
                member.state.as_str(),
                self.node.settings.public_url,
                member.contact
            ));
        }
        if is_more || members.len() > NAMED {
            text.push_str("  and more.\n");
        }
        text.push_str("\nGET /v1/messages?state=held, uncertain or failed lists them all.\n");
        Ok(text)
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
