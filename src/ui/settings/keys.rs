//! API keys. A key's secret is in the answer that made it and nowhere else.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::ids::ApiKeyId;
use serde_json::{Map, Value};

use super::around::{Around, admin, put_given};
use super::users::roles;
use crate::api::api_keys::ApiKeyRequest;
use crate::api::{ApiError, json as reader};
use crate::ui::answer::{Answer, ok, page, see};
use crate::ui::composer::once;
use crate::ui::form::{Form, Posted};
use crate::ui::visitor::{Named, Visitor};
use crate::ui::when;

/// A key of the list.
struct Row {
    id: ApiKeyId,
    name: String,
    role: String,
    is_test: bool,
    used: String,
    is_revoked: bool,
}

#[derive(Template)]
#[template(path = "settings/keys.html")]
struct KeysPage {
    frame: Around,
    rows: Vec<Row>,
    roles: Vec<(&'static str, &'static str)>,
    name: String,
    once: String,
    /// Of the key that was made now.
    secret: Option<String>,
}

impl KeysPage {
    fn of(visitor: &Visitor, frame: Around) -> Self {
        let directory = visitor.engine().directory();
        let now = visitor.now();
        let keys = directory.api_keys_of(visitor.caller().account);
        let rows = keys.into_iter().map(|key| Row {
            id: key.id,
            name: key.name.clone(),
            role: format!("{:?}", key.role).to_lowercase(),
            is_test: key.test,
            used: directory
                .key_last_used(key.id)
                .map_or_else(|| "not yet".into(), |at| when::moment(&visitor.zone, at, now)),
            is_revoked: key.revoked_at.is_some(),
        });
        let roles = roles(visitor.caller().role);
        Self { frame, rows: rows.collect(), roles, name: String::new(), once: once(), secret: None }
    }
}

/// The list, with a form for one more.
pub(in crate::ui) async fn keys_page(visitor: Visitor, request: HttpRequest) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "keys", &request)?;
    ok(&KeysPage::of(&visitor, frame))
}

async fn made(visitor: &Visitor, form: &Form) -> Result<Option<String>, ApiError> {
    let mut request = Map::new();
    put_given(&mut request, form, &["name", "role"]);
    request.insert("test".into(), (form.get("test") == "yes").into());
    let request = Value::Object(request).to_string();
    let mut new = reader::read::<ApiKeyRequest<'_>>(request.as_bytes())?.into_new(visitor.caller().role)?;
    new.idempotency = form.once();
    Ok(visitor.engine().create_api_key(visitor.caller(), new).await?.into_inner().1)
}

/// Makes one, and shows its secret; the answer to a repetition does not have it.
pub(in crate::ui) async fn make(Posted { visitor, form }: Posted) -> Answer {
    admin(&visitor)?;
    match made(&visitor, &form).await {
        Ok(None) => Ok(see("/settings/keys")),
        Ok(secret) => ok(&KeysPage { secret, ..KeysPage::of(&visitor, Around::of(&visitor, "keys")) }),
        Err(error) => {
            let frame = Around::refused(&visitor, "keys", error)?;
            let [name, once] = ["name", "once"].map(|name| form.get(name).to_owned());
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &KeysPage { name, once, ..KeysPage::of(&visitor, frame) }))
        }
    }
}

/// Revokes one.
pub(in crate::ui) async fn revoke(Posted { visitor, .. }: Posted, Named(id): Named<ApiKeyId>) -> Answer {
    admin(&visitor)?;
    visitor.engine().revoke_api_key(visitor.caller(), id).await?;
    Ok(see("/settings/keys?told=revoked"))
}
