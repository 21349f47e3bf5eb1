//! The sweep of a partition: settled messages past their retention leave.
//!
//! It walks the contacts of every account page by page, looks at the oldest entry of each timeline, and
//! tells only those contacts that have something to forget. It stands in nobody's way: one page at a time,
//! with a pause between two.

use std::time::Duration;

use crate::contact::command::ContactCommand;
use crate::contact::registry::DeliverMany;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, Partition};
use crate::shard::Node;
use crate::store::{Entry, Index, RangeQuery, StoreError, keys};

const PAGE: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);

/// One pass over a partition.
pub(super) async fn sweep(node: &Node, partition: Partition) -> Result<(), StoreError> {
    let before = node.clock.now().minus(node.settings.retention);
    let accounts: Vec<AccountNo> = node.directory.load().accounts().map(|account| account.no).collect();
    for account in accounts {
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
