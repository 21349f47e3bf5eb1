//! The audit trail: entries about whole requests, and reading it, merged over all partitions and the directory's,
//! newest first.

use super::cursor;
use super::handle::{Engine, unexpected};
use super::lists::{Source, unreadable};
use crate::contact::command::{Answer, ContactCommand};
use crate::domain::audit::{AuditAction, AuditEntry, AuditFilter};
use crate::domain::clock::UnixMs;
use crate::domain::ids::{ContactId, Partition};
use crate::protocol::api::{Caller, EngineError, EngineResult, Page, PageRequest};
use crate::store::keys::{self, AuditMember};
use crate::store::{Entry, Index, RecordKey, Table, codec};

/// Entries looked at for one page: a filter that fits little ends with an early page, not with a long wait.
const MAX_LOOKED_AT: usize = 10_000;
/// Entries read at once, at least.
const READ_AT_ONCE: usize = 100;

impl Engine {
    /// Keeps an entry about a request that does many things of a kind, or something to the node. Whoever asks waits for
    /// it before the first of them.
    ///
    /// # Errors
    /// The store.
    pub async fn record_request(&self, caller: &Caller, action: AuditAction) -> EngineResult<()> {
        let stamp = caller.stamp(self.node.clock.now());
        let id = self.node.ids.audit(stamp.at);
        let subject = self.directory().account(caller.account).ok_or(EngineError::NotFound)?.id;
        let entry = AuditEntry::new(id, stamp, caller.account, action, subject, &[]);
        match self.ask(ContactId::of_audit(id), ContactCommand::Record(Box::new(entry))).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of the account's audit trail, newest first.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn audit(
        &self,
        caller: &Caller,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> EngineResult<Page<AuditEntry>> {
        let index = Index::Audit(caller.account);
        let mut request = PageRequest { cursor: page.cursor.clone(), limit: page.limit.max(READ_AT_ONCE) };
        let mut items = Vec::new();
        let mut looked_at = 0;
        loop {
            let partitions: Vec<_> = self.node.partitions.iter().chain([Partition::DIRECTORY]).collect();
            let listed = self.merged_over(partitions, Source::Down(index), None, UnixMs::MAX, &request).await?;
            let count = listed.items.len();
            for (number, (entry, record)) in self.audit_records(listed.items).await?.into_iter().enumerate() {
                items.extend(record.filter(|record| filter.takes(record)));
                if items.len() >= page.limit {
                    let is_last = number + 1 == count && listed.next_cursor.is_none();
                    let next_cursor = (!is_last).then(|| cursor::encode(0, &entry));
                    return Ok(Page { items, next_cursor });
                }
            }
            looked_at += count;
            if listed.next_cursor.is_none() || looked_at >= MAX_LOOKED_AT {
                return Ok(Page { items, next_cursor: listed.next_cursor });
            }
            request.cursor = listed.next_cursor;
        }
    }

    /// The records of listed entries, in their order; `None` for one that was forgotten meanwhile.
    async fn audit_records(&self, listed: Vec<Entry>) -> EngineResult<Vec<(Entry, Option<AuditEntry>)>> {
        let mut wanted = Vec::with_capacity(listed.len());
        for entry in &listed {
            let member = AuditMember::decode(&entry.member).map_err(|error| unreadable(&error))?;
            let key = keys::audit(member.entry);
            wanted.push(RecordKey { partition: member.partition, table: Table::Audit, key });
        }
        let records = self.read_records(&wanted).await?.into_iter();
        let records = records.map(|bytes| bytes.map(|bytes| codec::decode(&bytes)).transpose());
        let both = listed.into_iter().zip(records).map(|(entry, record)| record.map(|record| (entry, record)));
        both.collect::<Result<_, _>>().map_err(|error| unreadable(&error))
    }
}
