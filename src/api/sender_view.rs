//! A sender as callers see it.

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::{Limit, Sender, SenderAddress};
use sendwheel_actors::domain::ids::{SenderId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::contact_view::{as_text, as_text_or_null};
use super::schemas;
use super::times::show_duration;

/// A limit in force.
#[derive(Serialize, ToSchema)]
#[schema(as = Limit)]
pub(crate) struct LimitView {
    /// Units (segments or mails) per period.
    rate: u32,
    /// The period.
    #[schema(example = "1s")]
    per: String,
    /// Units that may go at once after a pause.
    burst: u32,
}

impl LimitView {
    pub(crate) fn of(limit: Limit) -> Self {
        Self { rate: limit.rate, per: show_duration(limit.per), burst: limit.burst }
    }
}

/// A sender.
#[derive(Serialize, ToSchema)]
#[schema(as = Sender)]
pub(crate) struct SenderView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "sender_01h455vb4pex5vsknk084sn02q")]
    pub(crate) id: SenderId,
    /// Counts changes, from 1; for `If-Match`.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[schema(value_type = schemas::Channel)]
    channel: &'static str,
    /// What recipients see.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(crate) address: &'a SenderAddress,
    #[schema(value_type = Option<String>)]
    pub(crate) label: Option<&'a str>,
    /// The one that is used when nothing else decides.
    is_default: bool,
    /// The only user, besides admins, who may use it.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    assigned_user: Option<UserId>,
    /// The limit in force, also when it is the channel's default.
    limits: Option<LimitView>,
    #[schema(value_type = Option<String>)]
    country: Option<&'a str>,
    /// Whether nothing is sent from it.
    paused: bool,
}

impl<'a> SenderView<'a> {
    pub(crate) fn of(sender: &'a Sender) -> Self {
        Self {
            id: sender.id,
            version: sender.version,
            created_at: sender.created_at,
            updated_at: sender.updated_at,
            channel: sender.channel().name(),
            address: &sender.address,
            label: sender.label.as_deref(),
            is_default: sender.is_default,
            assigned_user: sender.assigned_user,
            limits: sender.effective_limit().map(LimitView::of),
            country: sender.country.as_deref(),
            paused: sender.paused,
        }
    }
}
