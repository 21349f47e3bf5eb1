//! A partition's part of what is known of when contacts are active: read after it opens, written now and then.

use tokio::sync::oneshot;

use crate::domain::habit::AccountHabits;
use crate::domain::ids::{AccountNo, Partition};
use crate::journal::{Commit, Requester};
use crate::shard::Node;
use crate::store::{Mutation, RecordKey, StoreError, Table, codec, keys};

/// Records of one read.
const PAGE: usize = 256;

async fn stored(
    node: &Node,
    partition: Partition,
    accounts: &[AccountNo],
) -> Result<Vec<(AccountNo, AccountHabits)>, StoreError> {
    let key = |account: &AccountNo| RecordKey { partition, table: Table::Habits, key: keys::habits(*account) };
    let found = node.store.get(&accounts.iter().map(key).collect::<Vec<_>>()).await?;
    let found = accounts.iter().zip(found).filter_map(|(account, bytes)| Some((*account, bytes?)));
    found.map(|(account, bytes)| Ok((account, codec::decode::<AccountHabits>(&bytes)?))).collect()
}

/// Reads the partition's part, once.
pub(super) async fn read(node: &Node, partition: Partition) -> Result<(), StoreError> {
    if node.habits.has_read(partition) {
        return Ok(());
    }
    let accounts: Vec<AccountNo> = node.directory.load().account_numbers().collect();
    let mut profiles = Vec::new();
    for accounts in accounts.chunks(PAGE) {
        profiles.extend(stored(node, partition, accounts).await?);
    }
    node.habits.add(partition, profiles);
    Ok(())
}

/// Writes what was learned since the last time; ends when that is durable. What fails is tried again with the next;
/// if nobody knows whether it was written, it may count twice.
pub(super) async fn write(node: &Node, partition: Partition, epoch: u32) -> Result<(), StoreError> {
    // What was learned must not be read back as though others had.
    read(node, partition).await?;
    let learned = node.habits.take_unwritten(partition);
    let mut written = 0;
    let outcome = try_write(node, partition, epoch, &learned, &mut written).await;
    node.habits.put_back(partition, learned.into_iter().skip(written).collect());
    outcome
}

async fn try_write(
    node: &Node,
    partition: Partition,
    epoch: u32,
    learned: &[(AccountNo, AccountHabits)],
    written: &mut usize,
) -> Result<(), StoreError> {
    for page in learned.chunks(PAGE / 4) {
        let accounts: Vec<_> = page.iter().map(|(account, _)| *account).collect();
        let mut before = stored(node, partition, &accounts).await?.into_iter().peekable();
        let mutations = page.iter().map(|(account, learned)| {
            let known = before.next_if(|(of, _)| of == account);
            let mut profile = known.map_or_else(AccountHabits::default, |(_, profile)| profile);
            profile.add(learned);
            Mutation::Put(Table::Habits, keys::habits(*account), codec::encode(&profile))
        });
        let (durable, is_durable) = oneshot::channel();
        node.shard(partition).journal.do_send(Commit {
            partition,
            epoch,
            mutations: mutations.collect(),
            is_growth: false,
            hints_to_add: Vec::new(),
            hints_to_remove: Vec::new(),
            requester: Requester::Waiting(durable),
        });
        if is_durable.await.is_err() {
            return Err(StoreError::Unavailable("the partition was dropped before the commit was known".into()));
        }
        *written += page.len();
    }
    Ok(())
}
