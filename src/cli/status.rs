//! `sendwheel status`: a node, its partitions and its lanes at a glance.

use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use reqwest::Method;
use serde_json::Value;

use super::client::{Client, ClientError, NodeArgs};
use super::{Failure, Outcome, note, say};

/// Shows a node's health.
#[derive(Args)]
#[command(
    after_help = "Exit code 1 if the node takes no schedules. With an operator's key also its nodes and lanes.\n\nExample:\n  sendwheel status"
)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Lanes shown; the busiest first.
const MAX_LANES: usize = 30;

pub(crate) async fn run(args: StatusArgs) -> Outcome {
    let client = Client::new(&args.node)?;
    let ready = client.send_any(client.request(Method::GET, "/readyz")).await?;
    let is_ready = ready.status().is_success();
    let said = client.read(ready).await?;
    let nodes = section(&client, "/admin/v1/nodes").await?;
    let lanes = section(&client, "/admin/v1/lanes").await?;
    if args.json {
        say(serde_json::json!({ "ready": is_ready, "nodes": nodes, "lanes": lanes }))?;
    } else {
        say(format_args!("{}  {}", client.base(), if is_ready { "ready" } else { "not ready" }))?;
        if !is_ready {
            say(reason(&said))?;
        }
        for table in [nodes_table(&nodes), lanes_table(&lanes)].into_iter().flatten() {
            say("")?;
            for line in table.lines() {
                say(line.trim_end())?;
            }
        }
    }
    if is_ready { Ok(()) } else { Err(Failure::Reported) }
}

/// The items of an operator's list; none, with a note, without the right to see them.
async fn section(client: &Client, path: &str) -> Result<Vec<Value>, Failure> {
    match client.json::<Value>(client.request(Method::GET, path)).await {
        Ok(Value::Object(mut page)) => match page.remove("data") {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(vec![Value::Object(page)]),
        },
        Ok(Value::Array(items)) => Ok(items),
        Ok(_) => Ok(Vec::new()),
        Err(ClientError::Refused { status, problem }) if matches!(status.as_u16(), 401 | 403) => {
            note(format_args!("{path} is not shown: {problem}"));
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// Why a node is not ready: its problem's detail, or its status.
fn reason(said: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(said) else { return String::from_utf8_lossy(said).into_owned() };
    let text = ["reason", "detail", "status"].iter().find_map(|key| value.get(key)?.as_str());
    text.map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn table(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A value as a cell: texts without quotes, missing ones empty.
fn cell(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => if *flag { "yes" } else { "no" }.into(),
        Some(other) => other.to_string(),
    }
}

fn nodes_table(nodes: &[Value]) -> Option<Table> {
    if nodes.is_empty() {
        return None;
    }
    let mut table = table(&["NODE", "STATE", "PARTITIONS", "CONTACTS", "STORE", "USED"], &[2, 3, 5]);
    for node in nodes {
        let used = node.pointer("/store/used_share").and_then(Value::as_f64);
        let draining = node.pointer("/draining").and_then(Value::as_bool).unwrap_or(false);
        table.add_row([
            cell(node, "/node"),
            format!("{}{}", cell(node, "/readiness"), if draining { ", draining" } else { "" }),
            format!("{}/{}", cell(node, "/partitions_owned"), cell(node, "/partitions")),
            cell(node, "/active_contacts"),
            format!("{} {}", cell(node, "/store/backend"), cell(node, "/store/version")),
            used.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0)),
        ]);
    }
    for warning in nodes.iter().filter_map(|node| node.pointer("/store/warnings")?.as_array()).flatten() {
        note(format_args!("store: {}", warning.as_str().unwrap_or_default()));
    }
    Some(table)
}

fn backlog(lane: &Value) -> u64 {
    let classes = lane.get("backlog").and_then(Value::as_object);
    classes.map_or(0, |classes| classes.values().filter_map(Value::as_u64).sum())
}

fn lanes_table(lanes: &[Value]) -> Option<Table> {
    if lanes.is_empty() {
        return None;
    }
    let mut sorted: Vec<_> = lanes.iter().collect();
    sorted.sort_by_key(|lane| std::cmp::Reverse(backlog(lane)));
    let mut table = table(&["LANE", "CHANNEL", "WAITING", "IN FLIGHT", "BREAKER", "PAUSED"], &[2, 3]);
    for lane in sorted.iter().take(MAX_LANES) {
        let address = cell(lane, "/address");
        table.add_row([
            if address.is_empty() { "(removed)".into() } else { address },
            cell(lane, "/channel"),
            backlog(lane).to_string(),
            cell(lane, "/in_flight"),
            cell(lane, "/breaker"),
            cell(lane, "/paused"),
        ]);
    }
    if lanes.len() > MAX_LANES {
        note(format_args!("{} more lanes are not shown", lanes.len() - MAX_LANES));
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_lanes_come_first() {
        let lanes: Vec<Value> = (0..40_u64)
            .map(|n| serde_json::json!({"address": format!("sender-{n}"), "channel": "sms", "backlog": {"conversation": 0, "transactional": n, "campaign": 1}}))
            .collect();
        let text = lanes_table(&lanes).unwrap().to_string();
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(rows.len(), MAX_LANES);
        assert!(rows[0].contains("sender-39") && rows[0].contains("40"), "{}", rows[0]);
    }

    #[test]
    fn a_node_is_a_row() {
        let node = serde_json::json!({"node": "n1", "readiness": "ready", "partitions_owned": 256, "partitions": 256,
            "active_contacts": 3, "store": {"backend": "redis", "version": "7.0.15", "warnings": [], "used_share": 0.124}, "draining": true});
        let text = nodes_table(&[node]).unwrap().to_string();
        for part in ["n1", "ready, draining", "256/256", "redis 7.0.15", "12 %"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn why_a_node_is_not_ready_is_told() {
        assert_eq!(reason(br#"{"status":"unavailable","reason":"starting"}"#), "starting");
        assert_eq!(reason(b"starting"), "starting");
    }
}
