//! Templates: made, changed, removed. What cannot be rendered for anybody is refused when it is kept, not when it is due.

use super::draft::{Draft, set, unchanged};
use super::{Directory, check_version, keyed, reused};
use crate::domain::address::Channel;
use crate::domain::audit::AuditAction;
use crate::domain::directory::{MessageTemplate, Snapshot};
use crate::domain::ids::TemplateId;
use crate::domain::message::Content;
use crate::domain::template::check_content;
use crate::protocol::api::{Caller, Created, EngineError, EngineResult, FieldError};
use crate::protocol::templates::{NewTemplate, TemplatePatch};
use crate::shard::Node;

fn found<'a>(snapshot: &'a Snapshot, caller: &Caller, id: TemplateId) -> EngineResult<&'a MessageTemplate> {
    snapshot.template(caller.account, id).ok_or(EngineError::NotFound)
}

fn check_name(snapshot: &Snapshot, caller: &Caller, id: TemplateId, name: &str) -> EngineResult<()> {
    let key = MessageTemplate::name_key(name);
    let others = snapshot.templates_of(caller.account).into_iter().filter(|other| other.id != id);
    match others.map(|other| MessageTemplate::name_key(&other.name)).find(|other| *other == key) {
        Some(_) => Err(EngineError::Conflict {
            code: "template_exists",
            detail: "there is a template of this name: change that one, or choose another name".into(),
        }),
        None => Ok(()),
    }
}

/// What its channel and the template engine ask for, all of it at once.
fn check(channel: Channel, content: &Content) -> EngineResult<()> {
    let mut errors = Vec::new();
    let mut refuse =
        |field: &str, code, detail: String| errors.push(FieldError::new(format!("/{field}"), code, detail));
    if channel == Channel::Sms {
        for (field, _) in [("subject", &content.subject), ("html", &content.html)].iter().filter(|(_, it)| it.is_some())
        {
            refuse(field, "not_applicable", "an SMS has no such field: leave it out".into());
        }
    }
    match channel {
        Channel::Sms if content.text.is_none() => refuse("body", "required", "an SMS needs a body".into()),
        _ if content.text.is_none() && content.html.is_none() => {
            refuse("body", "required", "an email needs body or html, or both".into());
        }
        _ => {}
    }
    let fields = [&content.subject, &content.text, &content.html];
    let bytes: usize = fields.into_iter().flatten().map(String::len).sum();
    if bytes > MessageTemplate::MAX_BYTES {
        let most = MessageTemplate::MAX_BYTES;
        let field = if content.html.is_some() { "html" } else { "body" };
        refuse(field, "too_long", format!("at most {most} bytes in all fields together, this has {bytes}: shorten it"));
    }
    if let Err(error) = check_content(content) {
        refuse(error.field, error.kind.code(), error.to_string());
    }
    if errors.is_empty() { Ok(()) } else { Err(EngineError::Invalid(errors)) }
}

impl Directory {
    /// Keeps a template.
    ///
    /// # Errors
    /// A name that is there already, what cannot be rendered, a reused key, too many of them, the store.
    pub async fn create_template(
        &self,
        node: &Node,
        caller: &Caller,
        new: &NewTemplate,
    ) -> EngineResult<Created<MessageTemplate>> {
        let now = node.clock.now();
        let id =
            keyed(&new.idempotency, caller, b"template").map_or_else(|| node.ids.template(now), TemplateId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        self.change(node, |snapshot, _| {
            if let Some(existing) = snapshot.template(caller.account, id) {
                return if existing.request_hash == hash {
                    Ok(unchanged(snapshot, Created::Replayed(existing.clone())))
                } else {
                    Err(reused())
                };
            }
            check(new.channel, &new.content)?;
            check_name(snapshot, caller, id, &new.name)?;
            let most = MessageTemplate::MAX_PER_ACCOUNT;
            if snapshot.templates_of(caller.account).len() >= most {
                let detail = format!("an account has at most {most} templates: remove one first");
                return Err(EngineError::Conflict { code: "too_many", detail });
            }
            let template = MessageTemplate {
                id,
                account: caller.account,
                version: 1,
                name: new.name.clone(),
                channel: new.channel,
                content: new.content.clone(),
                created_at: now,
                updated_at: now,
                request_hash: hash,
            };
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), caller.account, AuditAction::TemplateCreated, id, &[]);
            draft.put_template(template.clone());
            Ok(draft.grown(Created::New(template)))
        })
        .await
    }

    /// Changes a template. What was made of it stays as it is.
    ///
    /// # Errors
    /// Not found, another version, a name that is there already, what cannot be rendered, the store.
    pub async fn patch_template(
        &self,
        node: &Node,
        caller: &Caller,
        id: TemplateId,
        patch: &TemplatePatch,
        if_match: Option<u32>,
    ) -> EngineResult<MessageTemplate> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let mut template = found(snapshot, caller, id)?.clone();
            check_version(if_match, template.version)?;
            let mut changed = Vec::new();
            set(&mut template.name, patch.name.clone(), "name", &mut changed);
            set(&mut template.content.subject, patch.subject.clone(), "subject", &mut changed);
            set(&mut template.content.text, patch.text.clone(), "body", &mut changed);
            set(&mut template.content.html, patch.html.clone(), "html", &mut changed);
            if changed.is_empty() {
                return Ok(unchanged(snapshot, template));
            }
            check(template.channel, &template.content)?;
            check_name(snapshot, caller, id, &template.name)?;
            template.version += 1;
            template.updated_at = now;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), caller.account, AuditAction::TemplateUpdated, id, &changed);
            draft.put_template(template.clone());
            Ok(draft.done(template))
        })
        .await
    }

    /// Removes a template. What was made of it stays as it is.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_template(&self, node: &Node, caller: &Caller, id: TemplateId) -> EngineResult<()> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            found(snapshot, caller, id)?;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), caller.account, AuditAction::TemplateDeleted, id, &[]);
            draft.remove_template(caller.account, id);
            Ok(draft.done(()))
        })
        .await
    }
}
