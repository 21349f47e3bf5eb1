//! Users and sessions as callers see them.

use std::net::IpAddr;

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::{Role, Session, Snapshot, User};
use sendwheel_actors::domain::ids::{SessionId, UserId};
use sendwheel_actors::engine::Engine;
use serde::Serialize;
use utoipa::ToSchema;

use super::contact_view::{as_text, as_text_or_null};
use super::schemas;

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "user_01h455vb4pex5vsknk084sn02q")]
    id: UserId,
    /// Counts changes, from 1; for `If-Match`.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    /// What they sign in with.
    #[schema(value_type = String, format = Email)]
    email: &'a str,
    #[schema(value_type = Option<String>)]
    name: Option<&'a str>,
    #[schema(value_type = schemas::Role)]
    role: Role,
    /// Whether they were invited and chose no password yet.
    invited: bool,
    /// The senders that are assigned to them, by id.
    assigned_senders: Vec<String>,
}

impl<'a> UserView<'a> {
    pub(crate) fn of(user: &'a User, directory: &Snapshot) -> Self {
        let assigned = directory.senders_of(user.account).filter(|sender| sender.assigned_user == Some(user.id));
        Self {
            id: user.id,
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at(),
            email: user.email.as_str(),
            name: user.name.as_deref(),
            role: user.role,
            invited: !user.has_password(),
            assigned_senders: assigned.map(|sender| sender.id.to_string()).collect(),
        }
    }
}

/// A signed-in browser.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "session_01h455vb4pex5vsknk084sn02q")]
    id: SessionId,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    last_used_at: UnixMs,
    /// When it ends if it is not used any more.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: UnixMs,
    /// The address that its user signed in from, if it is known.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    from: Option<IpAddr>,
    /// What the browser calls itself, cut short.
    #[schema(value_type = Option<String>)]
    user_agent: Option<&'a str>,
    /// Whether this request came with it.
    current: bool,
}

impl<'a> SessionView<'a> {
    pub(crate) fn of(session: &'a Session, directory: &Snapshot, engine: &Engine, current: Option<SessionId>) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_used_at: directory.session_last_used(session),
            expires_at: engine.session_ends_at(directory, session),
            from: session.from,
            user_agent: session.user_agent.as_deref(),
            current: current == Some(session.id),
        }
    }
}
