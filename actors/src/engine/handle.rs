//! The engine's handle: cheap to clone, used from any thread.

use std::sync::Arc;
use std::time::Duration;

use super::api::{
    Caller, CancelFilter, CancelManyOutcome, CancelOutcome, Created, DeadLetter, EngineResult, MessageEdit,
    MessageFilter, MessageView, NewApiKey, NewContact, NewMessage, NewSender, Page, PageRequest, ProfilePatch, Resolve,
    SenderPatch, ThreadEntry, Upserted,
};
use super::events::Subscription;
use super::operations::{LaneView, NodeStatus, PartitionStatus, Readiness};
use crate::domain::address::Channel;
use crate::domain::clock::SharedClock;
use crate::domain::contact::Contact;
use crate::domain::directory::{Account, ApiKey, Limit, Sender, Snapshot};
use crate::domain::ids::{AccountNo, ApiKeyId, ContactId, MessageId, SenderId};

/// The engine.
#[derive(Clone, Debug)]
pub struct Engine;

#[allow(unused_variables, missing_docs, clippy::todo)]
impl Engine {
    pub fn clock(&self) -> &SharedClock {
        todo!()
    }
    /// The directory as it is now: accounts, keys (`key_by_hash` for authentication), senders.
    pub fn directory(&self) -> Arc<Snapshot> {
        todo!()
    }
    pub fn readiness(&self) -> Readiness {
        todo!()
    }

    pub async fn create_contact(&self, caller: &Caller, new: NewContact) -> EngineResult<Created<Contact>> {
        todo!()
    }
    /// By `profile.external_id` (required: without one it always creates).
    pub async fn upsert_contact(&self, caller: &Caller, new: NewContact) -> EngineResult<Upserted> {
        todo!()
    }
    pub async fn contact(&self, caller: &Caller, id: ContactId) -> EngineResult<Contact> {
        todo!()
    }
    pub async fn contacts(
        &self,
        caller: &Caller,
        query: Option<&str>,
        page: PageRequest,
    ) -> EngineResult<Page<Contact>> {
        todo!()
    }
    pub async fn patch_contact(
        &self,
        caller: &Caller,
        id: ContactId,
        patch: ProfilePatch,
        if_match: Option<u32>,
    ) -> EngineResult<Contact> {
        todo!()
    }
    /// How many pending messages were cancelled with it.
    pub async fn delete_contact(&self, caller: &Caller, id: ContactId) -> EngineResult<u64> {
        todo!()
    }

    pub async fn schedule(
        &self,
        caller: &Caller,
        contact: ContactId,
        new: NewMessage,
    ) -> EngineResult<Created<MessageView>> {
        todo!()
    }
    pub async fn message(&self, caller: &Caller, id: MessageId) -> EngineResult<MessageView> {
        todo!()
    }
    pub async fn messages(
        &self,
        caller: &Caller,
        filter: MessageFilter,
        page: PageRequest,
    ) -> EngineResult<Page<MessageView>> {
        todo!()
    }
    pub async fn thread(
        &self,
        caller: &Caller,
        contact: ContactId,
        page: PageRequest,
    ) -> EngineResult<Page<ThreadEntry>> {
        todo!()
    }
    pub async fn cancel(&self, caller: &Caller, id: MessageId) -> EngineResult<CancelOutcome> {
        todo!()
    }
    pub async fn cancel_many(&self, caller: &Caller, filter: CancelFilter) -> EngineResult<CancelManyOutcome> {
        todo!()
    }
    pub async fn edit(
        &self,
        caller: &Caller,
        id: MessageId,
        edit: MessageEdit,
        if_match: Option<u32>,
    ) -> EngineResult<MessageView> {
        todo!()
    }
    pub async fn send_now(&self, caller: &Caller, id: MessageId) -> EngineResult<MessageView> {
        todo!()
    }
    pub async fn resolve(&self, caller: &Caller, id: MessageId, how: Resolve) -> EngineResult<MessageView> {
        todo!()
    }
    pub async fn requeue(&self, caller: &Caller, id: MessageId) -> EngineResult<Created<MessageView>> {
        todo!()
    }

    pub async fn create_sender(&self, caller: &Caller, new: NewSender) -> EngineResult<Created<Sender>> {
        todo!()
    }
    pub async fn patch_sender(
        &self,
        caller: &Caller,
        id: SenderId,
        patch: SenderPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Sender> {
        todo!()
    }
    pub async fn delete_sender(&self, caller: &Caller, id: SenderId) -> EngineResult<()> {
        todo!()
    }
    /// The key and its secret (`sw_…`), shown once: a replay has no secret.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        new: NewApiKey,
    ) -> EngineResult<Created<(ApiKey, Option<String>)>> {
        todo!()
    }
    pub async fn revoke_api_key(&self, caller: &Caller, id: ApiKeyId) -> EngineResult<()> {
        todo!()
    }
    pub async fn patch_account(
        &self,
        caller: &Caller,
        name: Option<String>,
        time_zone: Option<String>,
        if_match: Option<u32>,
    ) -> EngineResult<Account> {
        todo!()
    }
    /// Opts a contact out by a signed token of a List-Unsubscribe link; the channel it is for.
    pub async fn unsubscribe(&self, token: &str) -> EngineResult<Channel> {
        todo!()
    }

    pub fn subscribe(&self, account: AccountNo, last_event_id: Option<&str>) -> Subscription {
        todo!()
    }

    pub async fn node(&self) -> EngineResult<NodeStatus> {
        todo!()
    }
    pub async fn partitions(&self) -> EngineResult<Vec<PartitionStatus>> {
        todo!()
    }
    pub async fn lanes(&self) -> EngineResult<Vec<LaneView>> {
        todo!()
    }
    /// Operator, any account.
    pub async fn set_lane(
        &self,
        caller: &Caller,
        sender: SenderId,
        paused: Option<bool>,
        limit: Option<Option<Limit>>,
    ) -> EngineResult<Sender> {
        todo!()
    }
    /// Over all accounts.
    pub async fn dead_letters(&self, page: PageRequest) -> EngineResult<Page<DeadLetter>> {
        todo!()
    }
    pub async fn requeue_dead_letter(&self, caller: &Caller, id: MessageId) -> EngineResult<Created<MessageView>> {
        todo!()
    }
    pub fn set_draining(&self, draining: bool) {
        todo!()
    }
    /// No new work, in flight finished up to the deadline, flushed, leases released, store closed. How many were left in flight.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        todo!()
    }
}
