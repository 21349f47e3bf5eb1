//! The templates of a picture. Each is shared between pictures by itself: they are large, and change one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Snapshot;
use crate::domain::directory::MessageTemplate;
use crate::domain::ids::{AccountNo, TemplateId};

/// By account.
pub(super) type Templates = BTreeMap<(AccountNo, TemplateId), Arc<MessageTemplate>>;

impl Snapshot {
    /// A template of an account.
    #[must_use]
    pub fn template(&self, account: AccountNo, id: TemplateId) -> Option<&MessageTemplate> {
        self.templates.get(&(account, id)).map(|template| &**template)
    }

    /// Every template of an account, by name.
    #[must_use]
    pub fn templates_of(&self, account: AccountNo) -> Vec<&MessageTemplate> {
        let (first, last) = (TemplateId::from_bytes([0; 16]), TemplateId::from_bytes([u8::MAX; 16]));
        let range = self.templates.range((account, first)..=(account, last));
        let mut templates: Vec<_> = range.map(|(_, template)| &**template).collect();
        templates.sort_by_cached_key(|template| MessageTemplate::name_key(&template.name));
        templates
    }

    /// Puts or replaces a template.
    pub fn put_template(&mut self, template: MessageTemplate) {
        Arc::make_mut(&mut self.templates).insert((template.account, template.id), Arc::new(template));
    }

    /// Removes a template.
    pub fn remove_template(&mut self, account: AccountNo, id: TemplateId) {
        Arc::make_mut(&mut self.templates).remove(&(account, id));
    }
}
