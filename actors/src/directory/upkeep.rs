//! What the directory does by itself: it writes when keys and sessions were last used, ends sessions whose time
//! is over, and forgets what is past its retention in its part of the audit trail. A bounded piece at a time; what
//! fails is taken up again a minute later.

use std::time::Duration;

use super::draft::{Draft, unchanged};
use super::{DIRECTORY, Directory};
use crate::domain::clock::UnixMs;
use crate::domain::directory::{ApiKey, Session, Snapshot};
use crate::domain::ids::AccountNo;
use crate::protocol::api::EngineResult;
use crate::shard::Node;
use crate::store::{Index, RangeQuery, audit};

/// How often, at least; the audit trail is looked through as often as partitions are swept.
const EVERY: Duration = Duration::from_secs(60);
/// How old a key's use may grow in memory before it is written.
const WRITE_KEY_USE_AFTER: Duration = Duration::from_secs(600);
/// Records of one commit.
const AT_ONCE: usize = 100;
/// Accounts whose trail is looked at together.
const ACCOUNTS_AT_ONCE: u32 = 256;

/// Which uses are old enough to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// Those that grew old in memory.
    Old,
    /// All, because the process ends.
    All,
}

impl Directory {
    /// Goes on until the node stops.
    pub async fn tend(&self, node: &Node) {
        let sweep_every = node.settings.sweep_every;
        let pause = EVERY.min(sweep_every);
        let times_per_sweep = u64::try_from(sweep_every.as_millis() / pause.as_millis().max(1)).unwrap_or(u64::MAX);
        let mut every = tokio::time::interval(pause);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        every.tick().await;
        let mut times = 0_u64;
        loop {
            every.tick().await;
            if node.health.is_stopping() {
                return;
            }
            times += 1;
            let done = async {
                self.write_uses(node, Uses::Old).await?;
                self.end_old_sessions(node).await?;
                if times.is_multiple_of(times_per_sweep.max(1)) { self.forget_audit(node).await } else { Ok(()) }
            };
            if let Err(error) = done.await {
                tracing::warn!(%error, "the directory's upkeep stopped early and is taken up again later");
            }
        }
    }

    /// Writes when keys and sessions were last used.
    ///
    /// # Errors
    /// The store.
    pub async fn write_uses(&self, node: &Node, which: Uses) -> EngineResult<()> {
        let after = |usual: Duration| if which == Uses::All { Duration::ZERO } else { usual };
        let (key_after, session_after) = (after(WRITE_KEY_USE_AFTER), after(node.settings.sessions.write_use_after()));
        loop {
            let written = self
                .change(node, |snapshot, _| {
                    let (keys, sessions) = unwritten(snapshot, key_after, session_after);
                    let count = keys.len() + sessions.len();
                    if count == 0 {
                        return Ok(unchanged(snapshot, 0));
                    }
                    let mut draft = Draft::of(snapshot, &node.ids);
                    keys.into_iter().for_each(|key| draft.put_api_key(key));
                    sessions.into_iter().for_each(|session| draft.put_session(session));
                    Ok(draft.done(count))
                })
                .await?;
            if written < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Removes sessions whose time is over.
    ///
    /// # Errors
    /// The store.
    pub async fn end_old_sessions(&self, node: &Node) -> EngineResult<()> {
        let (now, terms) = (node.clock.now(), node.settings.sessions);
        loop {
            let ended = self
                .change(node, |snapshot, _| {
                    let over = snapshot.sessions().filter(|(session, last)| terms.ends_at(session, *last) <= now);
                    let over: Vec<_> = over.take(AT_ONCE).map(|(session, _)| session).collect();
                    if over.is_empty() {
                        return Ok(unchanged(snapshot, 0));
                    }
                    let mut draft = Draft::of(snapshot, &node.ids);
                    over.iter().for_each(|session| draft.remove_session(session));
                    Ok(draft.done(over.len()))
                })
                .await?;
            if ended < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Removes what is past its retention in the directory's part of every account's audit trail, also of those
    /// that were removed.
    ///
    /// # Errors
    /// The store.
    pub async fn forget_audit(&self, node: &Node) -> EngineResult<()> {
        let before = node.clock.now().minus(node.settings.audit_retention);
        let last = node.directory.load().last_account.0;
        let mut first = 1;
        while first <= last {
            let accounts: Vec<_> =
                (first..=last.min(first.saturating_add(ACCOUNTS_AT_ONCE - 1))).map(AccountNo).collect();
            if !self.forget_of(node, &accounts, before).await? {
                first = first.saturating_add(ACCOUNTS_AT_ONCE);
            }
        }
        Ok(())
    }

    /// One piece of it; whether there may be more.
    async fn forget_of(&self, node: &Node, accounts: &[AccountNo], before: UnixMs) -> EngineResult<bool> {
        let query = |account: &AccountNo| RangeQuery {
            partition: DIRECTORY,
            index: Index::Audit(*account),
            after: None,
            to: before,
            limit: AT_ONCE,
            descending: false,
        };
        let queries: Vec<_> = accounts.iter().map(query).collect();
        let found = self.store.ranges(&queries).await.map_err(|error| super::unread(&error))?;
        let mut found = accounts.iter().zip(found).flat_map(|(no, entries)| entries.into_iter().map(|one| (*no, one)));
        let piece: Vec<_> = found.by_ref().take(AT_ONCE).collect();
        if piece.is_empty() {
            return Ok(false);
        }
        let mutations: Vec<_> = piece.into_iter().flat_map(|(no, entry)| audit::remove(no, entry)).collect();
        self.change(node, |snapshot, _| {
            let mut draft = Draft::of(snapshot, &node.ids);
            mutations.iter().cloned().for_each(|mutation| draft.also(mutation));
            Ok(draft.done(()))
        })
        .await?;
        Ok(true)
    }
}

/// Keys and sessions with their last use, where that is to be written.
fn unwritten(snapshot: &Snapshot, key_after: Duration, session_after: Duration) -> (Vec<ApiKey>, Vec<Session>) {
    let is_due = |written: UnixMs, last: UnixMs, after: Duration| last > written && last.since(written) >= after;
    let keys = snapshot
        .used_keys()
        .filter(|(key, last)| is_due(key.last_used_at.unwrap_or(UnixMs(0)), *last, key_after))
        .map(|(key, last)| ApiKey { last_used_at: Some(last), ..key.clone() });
    let keys: Vec<_> = keys.take(AT_ONCE).collect();
    let sessions = snapshot
        .sessions()
        .filter(|(session, last)| is_due(session.last_used_at, *last, session_after))
        .map(|(session, last)| Session { last_used_at: last, ..session.clone() });
    let sessions = sessions.take(AT_ONCE - keys.len()).collect();
    (keys, sessions)
}
