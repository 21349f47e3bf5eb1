//! Who wants no messages: opt-outs and suppressions, by address, over every contact that has it.
//!
//! A stop is answered when it holds: the suppression is durable and in every shard's sight, and every contact with the
//! address has heard of it, after which none of their attempts begins.

use super::handle::{Engine, unexpected};
use super::lists::{Source, unreadable};
use super::merging::Patience;
use crate::contact::command::{Answer, ContactCommand, OptChange};
use crate::domain::address::Address;
use crate::domain::audit::Stamp;
use crate::domain::clock::UnixMs;
use crate::domain::conversation::OptVia;
use crate::domain::ids::{AccountNo, ContactId};
use crate::domain::message::Author;
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::protocol::api::{Caller, Created, EngineResult, Page, PageRequest};
use crate::shard::Node;
use crate::store::{Index, RangeQuery, RecordKey, StoreError, Table, codec, keys};

/// Addresses read at once when the node starts.
const LOAD_PAGE: usize = 10_000;

impl Engine {
    async fn opt(&self, account: AccountNo, address: &Address, is_out: bool, via: OptVia) -> EngineResult<usize> {
        let mut patience = Patience::default();
        loop {
            match self.opt_once(account, address, is_out, via).await {
                Err(error) if patience.waits(&error).await => {}
                answered => return answered,
            }
        }
    }

    async fn opt_once(&self, account: AccountNo, address: &Address, is_out: bool, via: OptVia) -> EngineResult<usize> {
        let mut changed = 0;
        for contact in self.contacts_at(account, address).await? {
            let change = OptChange {
                account,
                channel: address.channel(),
                address: Some(address.clone()),
                is_out,
                via,
                item: self.node.ids.message(self.node.clock.now(), self.partition_of(contact.id)),
            };
            match self.ask(contact.id, ContactCommand::Opt(Box::new(change))).await {
                Ok(Answer::Opted { was_changed }) => changed += usize::from(was_changed),
                Ok(other) => return Err(unexpected(&other)),
                // Deleted meanwhile: nothing is sent to it any more.
                Err(crate::protocol::api::EngineError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(changed)
    }

    /// The owner of an address wants no more messages there. For how many contacts that is new. From the answer on no
    /// hand-over to it starts.
    ///
    /// # Errors
    /// The store; some contacts may have heard of it by then.
    pub async fn opt_out(&self, account: AccountNo, address: &Address, via: OptVia) -> EngineResult<usize> {
        let reason = match via {
            OptVia::Complaint => SuppressionReason::Complaint,
            _ => SuppressionReason::Unsubscribed,
        };
        let _ = self.suppress_as(account, address.clone(), reason, Author::System, None).await?;
        self.opt(account, address, true, via).await
    }

    /// The owner of an address wants messages again. Only what they themselves had stopped is lifted.
    ///
    /// # Errors
    /// The store.
    pub async fn opt_in(&self, account: AccountNo, address: &Address, via: OptVia) -> EngineResult<usize> {
        match self.suppression(account, address).await? {
            Some(found) if found.reason == SuppressionReason::Unsubscribed => {
                self.unsuppress_as(account, address, None).await?;
            }
            _ => {}
        }
        self.opt(account, address, false, via).await
    }

    /// What suppresses an address, if anything does.
    ///
    /// # Errors
    /// The store.
    pub async fn suppression(&self, account: AccountNo, address: &Address) -> EngineResult<Option<Suppression>> {
        let wanted = record_key(&self.node, account, keys::address_digest(account, address));
        let found = self.read_records(&[wanted]).await?.into_iter().next().flatten();
        found.map(|bytes| codec::decode(&bytes).map_err(|error| unreadable(&error))).transpose()
    }

    /// Puts an address on the account's list; whether it is new there. From the answer on no hand-over to it starts.
    ///
    /// # Errors
    /// The store.
    pub async fn suppress(
        &self,
        caller: &Caller,
        address: Address,
        reason: SuppressionReason,
    ) -> EngineResult<Created<Suppression>> {
        let stamp = (!caller.bulk).then(|| caller.stamp(self.node.clock.now()));
        self.suppress_as(caller.account, address, reason, caller.author, stamp).await
    }

    /// Puts an address on the list for a reason that the system found.
    ///
    /// # Errors
    /// The store.
    pub async fn suppress_found(
        &self,
        account: AccountNo,
        address: Address,
        reason: SuppressionReason,
    ) -> EngineResult<Created<Suppression>> {
        self.suppress_as(account, address, reason, Author::System, None).await
    }

    async fn suppress_as(
        &self,
        account: AccountNo,
        address: Address,
        reason: SuppressionReason,
        by: Author,
        stamp: Option<Stamp>,
    ) -> EngineResult<Created<Suppression>> {
        let owner = ContactId::of_address_digest(&keys::address_digest(account, &address));
        let (since, channel) = (self.node.clock.now(), address.channel());
        let new = Suppression { account, address: Some(address.clone()), channel, reason, since, by };
        let (suppression, is_new) = match self.ask(owner, ContactCommand::Suppress(Box::new(new), stamp)).await? {
            Answer::Suppressed(suppression, is_new) => (*suppression, is_new),
            other => return Err(unexpected(&other)),
        };
        for contact in self.contacts_at(account, &address).await? {
            match self.ask(contact.id, ContactCommand::AddressSuppressed(Box::new(suppression.clone()))).await? {
                Answer::Done => {}
                other => return Err(unexpected(&other)),
            }
        }
        Ok(if is_new { Created::New(suppression) } else { Created::Replayed(suppression) })
    }

    /// Takes an address off the account's list.
    ///
    /// # Errors
    /// Not on it, the store.
    pub async fn unsuppress(&self, caller: &Caller, address: &Address) -> EngineResult<Suppression> {
        self.unsuppress_as(caller.account, address, Some(caller.stamp(self.node.clock.now()))).await
    }

    async fn unsuppress_as(
        &self,
        account: AccountNo,
        address: &Address,
        stamp: Option<Stamp>,
    ) -> EngineResult<Suppression> {
        let owner = ContactId::of_address_digest(&keys::address_digest(account, address));
        match self.ask(owner, ContactCommand::Unsuppress(account, address.clone(), stamp)).await? {
            Answer::Suppressed(suppression, _) => Ok(*suppression),
            other => Err(unexpected(&other)),
        }
    }

    /// The account's suppressed addresses, newest first.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn suppressions(&self, caller: &Caller, page: PageRequest) -> EngineResult<Page<Suppression>> {
        let account = caller.account;
        let listed = self.merged(Source::Down(Index::Suppressions(account)), None, UnixMs::MAX, &page).await?;
        let wanted: Vec<_> = listed
            .items
            .iter()
            .filter_map(|entry| keys::digest_of_member(&entry.member).ok())
            .map(|digest| record_key(&self.node, account, digest))
            .collect();
        let mut items = Vec::with_capacity(wanted.len());
        for bytes in self.read_records(&wanted).await?.into_iter().flatten() {
            items.push(codec::decode(&bytes).map_err(|error| unreadable(&error))?);
        }
        Ok(Page { items, next_cursor: listed.next_cursor })
    }
}

fn record_key(node: &Node, account: AccountNo, digest: keys::AddressDigest) -> RecordKey {
    let partition = node.partitions.of_contact(ContactId::of_address_digest(&digest));
    RecordKey { partition, table: Table::Suppression, key: keys::suppression(account, digest) }
}

/// Reads which addresses are suppressed; before anything is handed over.
pub(super) async fn load_suppressions(node: &Node) -> Result<(), StoreError> {
    let accounts: Vec<AccountNo> = node.directory.load().account_numbers().collect();
    let mut queries: Vec<RangeQuery> = node
        .partitions
        .iter()
        .flat_map(|partition| accounts.iter().map(move |account| (partition, *account)))
        .map(|(partition, account)| RangeQuery {
            partition,
            index: Index::Suppressions(account),
            after: None,
            to: UnixMs::MAX,
            limit: LOAD_PAGE,
            descending: false,
        })
        .collect();
    while !queries.is_empty() {
        let mut more = Vec::new();
        for chunk in queries.chunks(256) {
            for (query, entries) in chunk.iter().zip(node.store.ranges(chunk).await?) {
                for entry in &entries {
                    let digest = keys::digest_of_member(&entry.member)
                        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
                    node.suppressions.insert(&digest);
                }
                if entries.len() == LOAD_PAGE {
                    more.push(RangeQuery { after: entries.into_iter().next_back(), ..query.clone() });
                }
            }
        }
        queries = more;
    }
    Ok(())
}
