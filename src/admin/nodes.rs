//! `GET /admin/v1/nodes`.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::engine::operations::NodeStatus;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answers::{Answer, ListOf, ok};
use crate::api::auth::Operator;
use crate::api::contact_view::as_text;
use crate::api::health::unready;
use crate::api::paging::Query;
use crate::api::routes::Shared;

/// A node.
#[derive(Serialize, ToSchema)]
#[schema(as = Node)]
pub(crate) struct NodeView {
    /// Its name: the same over restarts on the same data.
    node: String,
    /// This start of it, in hex.
    boot: String,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    started_at: UnixMs,
    /// Shard threads.
    shards: usize,
    /// Partitions that it owns and serves.
    partitions_owned: usize,
    /// Partitions there are.
    partitions: usize,
    /// Contacts in memory.
    active_contacts: usize,
    /// `ready`, `starting`, `store_unavailable`, `out_of_space` or `stopping`.
    #[schema(value_type = String)]
    readiness: &'static str,
    /// Whether it hands nothing over on an operator's wish.
    draining: bool,
    store: StoreView,
}

/// A node's store.
#[derive(Serialize, ToSchema)]
#[schema(as = NodeStore)]
struct StoreView {
    /// `embedded` or `redis`.
    #[schema(value_type = String)]
    backend: &'static str,
    version: String,
    /// What should be known or changed.
    warnings: Vec<String>,
    /// Used share of its budget: 1 is full.
    used_share: f64,
    /// Bytes used.
    used_bytes: u64,
}

impl NodeView {
    fn of(status: NodeStatus) -> Self {
        Self {
            node: status.node.to_string(),
            boot: format!("{:016x}", status.boot),
            started_at: status.started_at,
            shards: status.shards,
            partitions_owned: status.partitions_owned,
            partitions: status.partitions,
            active_contacts: status.active_contacts,
            readiness: unready(status.readiness).unwrap_or("ready"),
            draining: status.draining,
            store: StoreView {
                backend: status.store.backend,
                version: status.store.version,
                warnings: status.store.warnings,
                used_share: status.usage.share,
                used_bytes: status.usage.bytes,
            },
        }
    }
}

/// The nodes.
#[utoipa::path(get, path = "/admin/v1/nodes", tag = "admin", responses((status = 200, body = ListOf<NodeView>)))]
pub(crate) async fn list_nodes(_operator: Operator, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    let node = NodeView::of(shared.state.engine.node().await?);
    Ok(ok(&ListOf { data: vec![node], next_cursor: None }))
}
