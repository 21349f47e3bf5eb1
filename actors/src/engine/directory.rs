//! The directory through the engine: senders, API keys.

use super::handle::Engine;
use crate::directory::Bootstrap;
use crate::domain::directory::{ApiKey, Sender};
use crate::domain::ids::{ApiKeyId, SenderId};
use crate::protocol::api::{Caller, Created, EngineResult, NewApiKey, NewSender, SenderPatch};

impl Engine {
    /// Makes the first account, its admin and its key, if the store is empty. Whether it did.
    ///
    /// # Errors
    /// A zone that does not exist, the store.
    pub async fn bootstrap(&self, first: &Bootstrap) -> EngineResult<bool> {
        self.directory.bootstrap(&self.node, first).await
    }

    /// Adds a sender.
    ///
    /// # Errors
    /// See [`crate::directory::Directory::create_sender`].
    pub async fn create_sender(&self, caller: &Caller, new: NewSender) -> EngineResult<Created<Sender>> {
        self.check_growth()?;
        self.directory.create_sender(&self.node, caller, &new).await
    }

    /// Changes a sender.
    ///
    /// # Errors
    /// See [`crate::directory::Directory::patch_sender`].
    pub async fn patch_sender(
        &self,
        caller: &Caller,
        id: SenderId,
        patch: SenderPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Sender> {
        self.directory.patch_sender(&self.node, caller, Some(caller.account), id, &patch, if_match).await
    }

    /// Removes a sender. What is scheduled from it is held when it is due.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_sender(&self, caller: &Caller, id: SenderId) -> EngineResult<()> {
        self.directory.delete_sender(&self.node, caller, id).await
    }

    /// Makes an API key; with its secret (`sw_…`), shown once: a replay has none.
    ///
    /// # Errors
    /// See [`crate::directory::Directory::create_api_key`].
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        new: NewApiKey,
    ) -> EngineResult<Created<(ApiKey, Option<String>)>> {
        self.check_growth()?;
        self.directory.create_api_key(&self.node, caller, &new).await
    }

    /// Revokes an API key.
    ///
    /// # Errors
    /// Not found, a key with more rights than the caller, the store.
    pub async fn revoke_api_key(&self, caller: &Caller, id: ApiKeyId) -> EngineResult<()> {
        self.directory.revoke_api_key(&self.node, caller, id).await
    }
}
