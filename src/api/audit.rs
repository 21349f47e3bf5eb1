//! `GET /v1/audit`: who changed what, when, from where.

use std::net::IpAddr;

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::audit::{AuditEntry, AuditFilter};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::AuditId;
use sendwheel_actors::domain::message::Author;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, ok};
use super::auth::Admin;
use super::contact_view::{as_text, as_text_or_null};
use super::message_view::Who;
use super::paging::Query;
use super::routes::Shared;

/// An entry of the audit trail.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "audit_01h455vb4pex5vsknk084sn02q")]
    id: AuditId,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    at: UnixMs,
    /// A user, a key, or `system`.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "user_01h455vb4pex5vsknk084sn02q")]
    who: Who,
    /// The address that the request came from, if it is known.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    from: Option<IpAddr>,
    /// What was done.
    #[schema(value_type = String, example = "sender.updated")]
    action: &'a str,
    /// What it was done to, by id.
    #[schema(value_type = String)]
    subject: &'a str,
    /// The names of the fields that changed; never their values.
    #[schema(value_type = Vec<String>)]
    fields: &'a [String],
}

impl<'a> AuditView<'a> {
    fn of(entry: &'a AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            who: Who(entry.who),
            from: entry.from,
            action: &entry.action,
            subject: &entry.subject,
            fields: &entry.fields,
        }
    }
}

fn author(text: &str) -> Result<Author, (&'static str, String)> {
    let user = text.parse().map(Author::User).ok();
    let key = || text.parse().map(Author::ApiKey).ok();
    let system = || (text == "system").then_some(Author::System);
    let expected = || ("unknown_value", "expected the id of a user or a key, or system".to_owned());
    user.or_else(key).or_else(system).ok_or_else(expected)
}

/// The account's audit trail, newest first. A filter that fits little may end a page early.
#[utoipa::path(get, path = "/v1/audit", tag = "audit",
    params(("who" = Option<String>, Query, description = "Only what this user or key did, or `system`"),
        ("subject" = Option<String>, Query, description = "Only what was done to what has this id"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<AuditView>)))]
pub(crate) async fn list_audit(Admin(auth): Admin, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["who", "subject", "cursor", "limit"]);
    let filter = AuditFilter { who: query.parsed("who", author), subject: query.take("subject") };
    let page = query.page();
    query.finish()?;
    let page = shared.state.engine.audit(&auth.caller, &filter, &page).await?;
    Ok(ok(&ListOf { data: page.items.iter().map(AuditView::of).collect(), next_cursor: page.next_cursor }))
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::ids::{ApiKeyId, UserId};

    use super::*;

    #[test]
    fn an_author_is_read_as_it_is_shown() {
        for who in
            [Author::User(UserId::from_bytes([1; 16])), Author::ApiKey(ApiKeyId::from_bytes([2; 16])), Author::System]
        {
            assert_eq!(author(&Who(who).to_string()), Ok(who));
        }
        for text in ["me", "contact_01h455vb4pex5vsknk084sn02q", "System", "user_"] {
            assert!(author(text).is_err(), "{text}");
        }
    }
}
