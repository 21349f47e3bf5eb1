//! Templates through the engine.

use super::handle::Engine;
use crate::domain::address::Channel;
use crate::domain::directory::MessageTemplate;
use crate::domain::ids::TemplateId;
use crate::domain::message::Content;
use crate::protocol::api::{Caller, Created, EngineError, EngineResult};
use crate::protocol::templates::{NewTemplate, TemplatePatch};

impl Engine {
    /// Keeps a template.
    ///
    /// # Errors
    /// See [`crate::directory::Directory::create_template`].
    pub async fn create_template(&self, caller: &Caller, new: NewTemplate) -> EngineResult<Created<MessageTemplate>> {
        self.check_growth()?;
        self.directory.create_template(&self.node, caller, &new).await
    }

    /// Changes a template. What was made of it stays as it is.
    ///
    /// # Errors
    /// See [`crate::directory::Directory::patch_template`].
    pub async fn patch_template(
        &self,
        caller: &Caller,
        id: TemplateId,
        patch: TemplatePatch,
        if_match: Option<u32>,
    ) -> EngineResult<MessageTemplate> {
        self.directory.patch_template(&self.node, caller, id, &patch, if_match).await
    }

    /// Removes a template. What was made of it stays as it is.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_template(&self, caller: &Caller, id: TemplateId) -> EngineResult<()> {
        self.directory.delete_template(&self.node, caller, id).await
    }

    /// What a template of the caller's account says, for a message on this channel.
    ///
    /// # Errors
    /// None of that id, or one of another channel, at `/template`.
    pub(super) fn content_of(&self, caller: &Caller, id: TemplateId, channel: Channel) -> EngineResult<Content> {
        let directory = self.directory();
        let refused = |code, detail| EngineError::field("/template", code, detail);
        let template = directory.template(caller.account, id);
        let template = template.ok_or_else(|| refused("unknown_template", "no such template in this account"))?;
        if template.channel != channel {
            return Err(refused("wrong_channel", "the template is for another channel: choose one for this"));
        }
        Ok(template.content.clone())
    }
}
