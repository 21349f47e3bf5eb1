//! An audit entry as mutations: for whatever batch makes the change that it tells of.

use super::contract::{Index, Mutation, Table};
use super::keys::{self, AuditMember};
use super::{Entry, codec};
use crate::domain::audit::AuditEntry;
use crate::domain::ids::{AccountNo, Partition};

/// Writes an entry into the trail, in the partition whose batch it goes into.
#[must_use]
pub fn put(partition: Partition, entry: &AuditEntry) -> [Mutation; 2] {
    let member = AuditMember { entry: entry.id, partition }.encode();
    [
        Mutation::Put(Table::Audit, keys::audit(entry.id), codec::encode(entry)),
        Mutation::Index(Index::Audit(entry.account), entry.at, member),
    ]
}

/// Removes what an entry of the index stands for, in its own partition; nothing if it cannot be read.
pub fn remove(account: AccountNo, listed: Entry) -> impl Iterator<Item = Mutation> {
    let id = AuditMember::decode(&listed.member).ok().map(|member| member.entry);
    let delete = id.map(|id| Mutation::Delete(Table::Audit, keys::audit(id)));
    delete.into_iter().chain([Mutation::Unindex(Index::Audit(account), listed.score, listed.member)])
}
