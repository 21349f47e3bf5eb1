//! One store read for what many contacts need.

use crate::contact::decide::Needs;
use crate::contact::decision::Records;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::conversation::ThreadItem;
use crate::domain::ids::{ContactId, Partition};
use crate::domain::message::{BlobKey, Content, Message};
use crate::domain::suppression::Suppression;
use crate::protocol::api::EngineError;
use crate::shard::Node;
use crate::store::{Index, RangeQuery, RecordKey, StoreError, Table, codec, keys};

use std::sync::Arc;

/// A contact's record (when asked for) and the other records.
pub(super) type Read = Result<(Option<Contact>, Records), EngineError>;

/// Reads for all at once; each gets its own share, or the error.
pub(super) async fn read_all(node: &Node, wanted: Vec<(ContactId, bool, Needs)>) -> Vec<Read> {
    match try_read_all(node, &wanted).await {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(%error, contacts = wanted.len(), "contacts could not be read");
            wanted.iter().map(|_| Err(EngineError::Unavailable)).collect()
        }
    }
}

async fn try_read_all(node: &Node, wanted: &[(ContactId, bool, Needs)]) -> Result<Vec<Read>, StoreError> {
    let mut records = Vec::new();
    let mut ranges = Vec::new();
    for (contact, with_contact, needs) in wanted {
        let partition = node.partitions.of_contact(*contact);
        let mut record = |table, key| records.push(RecordKey { partition, table, key });
        if *with_contact {
            record(Table::Contact, keys::contact(*contact));
        }
        for id in &needs.messages {
            record(Table::Message, keys::message(*id));
        }
        for id in &needs.contents {
            record(Table::Blob, keys::blob(BlobKey { message: *id, number: BlobKey::CONTENT }));
        }
        for blob in &needs.blobs {
            record(Table::Blob, keys::blob(*blob));
        }
        for (account, external_id) in &needs.aliases {
            record(Table::Alias, keys::alias(*account, external_id));
        }
        for id in &needs.items {
            record(Table::Item, keys::item(*id));
        }
        for (account, digest) in &needs.suppressions {
            // Wherever the address belongs: not where the contact does.
            let partition = node.partitions.of_contact(ContactId::of_address_digest(digest));
            records.push(RecordKey { partition, table: Table::Suppression, key: keys::suppression(*account, *digest) });
        }
        let mut range = |index, after, to, limit, descending| {
            ranges.push(RangeQuery { partition, index, after, to, limit, descending });
        };
        if let Some((after, limit)) = &needs.pending {
            range(Index::Pending(*contact), after.clone(), UnixMs::MAX, *limit, false);
        }
        if let Some((to, limit)) = needs.timeline {
            range(Index::Timeline(*contact), None, to, limit, false);
        }
        if let Some(limit) = needs.recent {
            range(Index::Timeline(*contact), None, ThreadItem::LAST_SHOWN, limit, true);
        }
    }
    let mut found = if records.is_empty() { Vec::new() } else { node.store.get(&records).await? }.into_iter();
    let mut entries = if ranges.is_empty() { Vec::new() } else { node.store.ranges(&ranges).await? }.into_iter();
    let mut next = || found.next().flatten();
    let mut out = Vec::with_capacity(wanted.len());
    for (id, with_contact, needs) in wanted {
        let contact =
            if *with_contact { next().map(|bytes| codec::decode::<Contact>(&bytes)).transpose() } else { Ok(None) };
        let mut read = Records::default();
        let mut broken = None;
        for message in &needs.messages {
            match next().map(|bytes| codec::decode::<Message>(&bytes)).transpose() {
                Ok(record) => drop(read.messages.insert(*message, record.map(Arc::new))),
                Err(error) => broken = Some(error),
            }
        }
        for message in &needs.contents {
            match next().map(|bytes| codec::decode::<Content>(&bytes)).transpose() {
                Ok(content) => drop(read.contents.insert(*message, content)),
                Err(error) => broken = Some(error),
            }
        }
        for blob in &needs.blobs {
            read.blobs.insert(*blob, next());
        }
        for (_, external_id) in &needs.aliases {
            let target = next().and_then(|bytes| <[u8; 16]>::try_from(&bytes[..]).ok()).map(ContactId::from_bytes);
            read.aliases.insert(external_id.clone(), target);
        }
        for id in &needs.items {
            match next().map(|bytes| codec::decode::<ThreadItem>(&bytes)).transpose() {
                Ok(item) => drop(read.items.insert(*id, item.map(Arc::new))),
                Err(error) => broken = Some(error),
            }
        }
        for (_, digest) in &needs.suppressions {
            match next().map(|bytes| codec::decode::<Suppression>(&bytes)).transpose() {
                Ok(suppression) => drop(read.suppressions.insert(*digest, suppression)),
                Err(error) => broken = Some(error),
            }
        }
        if needs.pending.is_some() {
            read.pending = entries.next();
        }
        if needs.timeline.is_some() {
            read.timeline = entries.next();
        }
        if needs.recent.is_some() {
            read.recent = entries.next();
        }
        if needs.pending_count {
            read.pending_count = Some(count_pending(node, node.partitions.of_contact(*id), *id).await?);
        }
        out.push(match (contact, broken) {
            (Ok(contact), None) => Ok((contact, read)),
            (Err(error), _) | (_, Some(error)) => {
                tracing::error!(contact = %id, %error, "a record cannot be read");
                Err(EngineError::Unavailable)
            }
        });
    }
    Ok(out)
}

async fn count_pending(node: &Node, partition: Partition, contact: ContactId) -> Result<usize, StoreError> {
    node.store.count(partition, Index::Pending(contact), usize::MAX).await
}
