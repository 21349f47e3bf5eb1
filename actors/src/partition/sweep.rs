//! The sweep of a partition: settled messages past their retention leave, what was held while its account was
//! suspended goes on, and the audit trail is cut.
//!
//! It walks the contacts of every account page by page, looks at the oldest entry of each timeline, and
//! tells only those contacts that have something to forget. It stands in nobody's way: one page at a time,
//! with a pause between two.

use std::time::Duration;

use crate::contact::command::ContactCommand;
use crate::contact::registry::DeliverMany;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, Partition};
use crate::domain::message::Message;
use crate::domain::reason::Reason;
use crate::journal::{Commit, Requester};
use crate::shard::Node;
use crate::store::keys::HeldMember;
use crate::store::{Entry, Index, RangeQuery, RecordKey, StoreError, Table, audit, codec, keys};

const PAGE: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);

/// One pass over a partition, in this opening of it.
pub(super) async fn sweep(node: &Node, partition: Partition, epoch: u32) -> Result<(), StoreError> {
    let before = node.clock.now().minus(node.settings.retention);
    let accounts: Vec<AccountNo> = node.directory.load().account_numbers().collect();
    forget_audit(node, partition, epoch).await?;
    for account in accounts {
        if node.directory.load().is_active(account) {
            resume_held(node, partition, account).await?;
        }
        let mut after = None;
        while !node.health.is_stopping() {
            let page = read(node, partition, Index::Contacts(account), after.take(), UnixMs::MAX).await?;
            let contacts: Vec<ContactId> =
                page.iter().filter_map(|entry| keys::contact_of_member(&entry.member).ok()).collect();
            forget_old(node, partition, &contacts, before).await?;
            if page.len() < PAGE {
                break;
            }
            after = page.into_iter().next_back();
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

async fn read(
    node: &Node,
    partition: Partition,
    index: Index,
    after: Option<Entry>,
    to: UnixMs,
) -> Result<Vec<Entry>, StoreError> {
    let query = RangeQuery { partition, index, after, to, limit: PAGE, descending: false };
    Ok(node.store.ranges(std::slice::from_ref(&query)).await?.into_iter().next().unwrap_or_default())
}

/// Tells the contacts whose oldest entry is past its retention.
async fn forget_old(
    node: &Node,
    partition: Partition,
    contacts: &[ContactId],
    before: UnixMs,
) -> Result<(), StoreError> {
    let queries: Vec<_> = contacts
        .iter()
        .map(|contact| RangeQuery {
            partition,
            index: Index::Timeline(*contact),
            after: None,
            to: before,
            limit: 1,
            descending: false,
        })
        .collect();
    let oldest = if queries.is_empty() { Vec::new() } else { node.store.ranges(&queries).await? };
    let commands: Vec<_> = contacts
        .iter()
        .zip(oldest)
        .filter(|(_, found)| !found.is_empty())
        .map(|(contact, _)| (*contact, ContactCommand::Forget(before)))
        .collect();
    if !commands.is_empty() {
        node.shard(partition).registry.do_send(DeliverMany(commands));
    }
    Ok(())
}

/// Lets go on what was held while its account was suspended.
///
/// # Errors
/// The store.
pub(crate) async fn resume_held(node: &Node, partition: Partition, account: AccountNo) -> Result<(), StoreError> {
    let mut after = None;
    while !node.health.is_stopping() {
        let page = read(node, partition, Index::Held(account), after.take(), UnixMs::MAX).await?;
        let held: Vec<_> = page.iter().filter_map(|entry| HeldMember::decode(&entry.member).ok()).collect();
        let key = |held: &HeldMember| RecordKey { partition, table: Table::Message, key: keys::message(held.message) };
        let wanted: Vec<_> = held.iter().map(key).collect();
        let records = if wanted.is_empty() { Vec::new() } else { node.store.get(&wanted).await? };
        let mut commands = Vec::new();
        for (held, bytes) in held.into_iter().zip(records) {
            let Some(bytes) = bytes else { continue };
            let message: Message = codec::decode(&bytes)?;
            if message.reason == Some(Reason::AccountSuspended) {
                commands.push((held.contact, ContactCommand::ResumeHeld(held.message)));
            }
        }
        if !commands.is_empty() {
            node.shard(partition).registry.do_send(DeliverMany(commands));
        }
        if page.len() < PAGE {
            return Ok(());
        }
        after = page.into_iter().next_back();
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Removes what is past its retention in this partition's part of every account's audit trail, a page of each in
/// a pass; also of accounts that were removed.
async fn forget_audit(node: &Node, partition: Partition, epoch: u32) -> Result<(), StoreError> {
    /// Entries of one account, and accounts that are looked at together.
    const AT_ONCE: (usize, usize) = (100, 256);
    let before = node.clock.now().minus(node.settings.audit_retention);
    let accounts: Vec<_> = (1..=node.directory.load().last_account.0).map(AccountNo).collect();
    for accounts in accounts.chunks(AT_ONCE.1) {
        let query = |account: &AccountNo| RangeQuery {
            partition,
            index: Index::Audit(*account),
            after: None,
            to: before,
            limit: AT_ONCE.0,
            descending: false,
        };
        let queries: Vec<_> = accounts.iter().map(query).collect();
        for (account, found) in accounts.iter().zip(node.store.ranges(&queries).await?) {
            if found.is_empty() {
                continue;
            }
            node.shard(partition).journal.do_send(Commit {
                partition,
                epoch,
                mutations: found.into_iter().flat_map(|entry| audit::remove(*account, entry)).collect(),
                is_growth: false,
                hints_to_add: Vec::new(),
                hints_to_remove: Vec::new(),
                requester: Requester::Nobody,
            });
        }
    }
    Ok(())
}
