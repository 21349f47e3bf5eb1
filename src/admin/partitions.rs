//! `GET /admin/v1/partitions`.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::Partition;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answers::{Answer, ListOf, ok};
use crate::api::auth::Operator;
use crate::api::contact_view::as_text;
use crate::api::paging::Query;
use crate::api::routes::Shared;

/// A partition on this node.
#[derive(Serialize, ToSchema)]
#[schema(as = Partition)]
pub(crate) struct PartitionView {
    /// Its number, or `directory`.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    partition: Partition,
    shard: usize,
    /// What it is doing.
    #[schema(value_type = String)]
    phase: &'static str,
    /// Commits so far.
    seq: u64,
    /// Up to when its due index is in the timing wheel.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    loaded_until: UnixMs,
    /// Its pending messages.
    pending: u64,
}

/// The partitions on this node: all of them in one answer, there are at most 4,097.
#[utoipa::path(get, path = "/admin/v1/partitions", tag = "admin",
    responses((status = 200, body = ListOf<PartitionView>)))]
pub(crate) async fn list_partitions(_operator: Operator, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    let partitions = shared.state.engine.partitions().await?;
    let view = |status: sendwheel_actors::engine::operations::PartitionStatus| PartitionView {
        partition: status.partition,
        shard: status.shard,
        phase: status.phase,
        seq: status.seq,
        loaded_until: status.loaded_until,
        pending: status.pending,
    };
    Ok(ok(&ListOf { data: partitions.into_iter().map(view).collect(), next_cursor: None }))
}
