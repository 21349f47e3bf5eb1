//! The node's name: the same over restarts on the same data, so that a restarted node takes its leases back.
//!
//! The name is kept in a file that is locked while the node runs. On Redis several nodes of one machine
//! may share a folder: each takes the first name that nobody holds. A name whose lock is free belongs to
//! a process that is gone, so taking it (and its leases) is always right. Two machines never meet, unless
//! their folder is shared over a network file system without locks; `cluster.node_id` names nodes then.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, bail};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::store::NodeId;
use sha2::{Digest, Sha256};

use crate::config::Settings;

/// Nodes that share a folder, at most.
const MAX_NAMES: u32 = 64;

/// A name, held until it is dropped.
#[derive(Debug)]
pub struct NodeName {
    id: NodeId,
    _lock: Option<File>,
}

impl NodeName {
    /// The name to use.
    #[must_use]
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// The name of a node with these settings; makes one on the first start.
    ///
    /// # Errors
    /// If the data folder cannot be written to.
    pub fn of(settings: &Settings, ids: &IdSource) -> anyhow::Result<Self> {
        match &settings.cluster.node_id {
            Some(text) => Ok(Self { id: id_of(text), _lock: None }),
            None => Self::kept_in(&settings.store.data_dir, ids),
        }
    }

    fn kept_in(folder: &Path, ids: &IdSource) -> anyhow::Result<Self> {
        let what_to_do = || {
            format!(
                "cannot keep this node's name in {}: make it writable, or choose another with --data",
                folder.display()
            )
        };
        fs::create_dir_all(folder).with_context(what_to_do)?;
        for number in 1..=MAX_NAMES {
            let file = match number {
                1 => "node-id".to_owned(),
                _ => format!("node-id-{number}"),
            };
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(folder.join(file))
                .with_context(what_to_do)?;
            match file.try_lock() {
                Ok(()) => {
                    let id = read_or_make(&mut file, ids).with_context(what_to_do)?;
                    return Ok(Self { id, _lock: Some(file) });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error).with_context(what_to_do),
            }
        }
        bail!("{MAX_NAMES} nodes run with the data folder {}: give this one its own with --data", folder.display())
    }
}

fn read_or_make(file: &mut File, ids: &IdSource) -> std::io::Result<NodeId> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text)?;
    if let Ok(id) = u128::from_str_radix(text.trim(), 16)
        && id != 0
    {
        return Ok(NodeId(id));
    }
    // Empty, or torn by a crash while it was first written: then nothing was leased under it yet.
    let id = NodeId(ids.random_u128());
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}

/// A name from the settings: 32 hexadecimal digits are taken as they are, any other text by its hash.
fn id_of(text: &str) -> NodeId {
    if text.len() == 32
        && let Ok(id) = u128::from_str_radix(text, 16)
    {
        return NodeId(id);
    }
    let hash: [u8; 32] = Sha256::digest(text).into();
    NodeId(hash.iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_node_has_its_name_again() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new/folder");
        let first = NodeName::kept_in(&inside, &IdSource::seeded(1)).unwrap().id();
        let again = NodeName::kept_in(&inside, &IdSource::seeded(2)).unwrap().id();
        assert_eq!(first, again);
    }

    #[test]
    fn nodes_that_run_at_once_never_share_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let ids = IdSource::seeded(1);
        let first = NodeName::kept_in(folder.path(), &ids).unwrap();
        let second = NodeName::kept_in(folder.path(), &ids).unwrap();
        assert_ne!(first.id(), second.id());
        let freed = first.id();
        drop(first);
        assert_eq!(NodeName::kept_in(folder.path(), &ids).unwrap().id(), freed);
    }

    #[test]
    fn a_torn_name_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("node-id"), "zz").unwrap();
        let name = NodeName::kept_in(folder.path(), &IdSource::seeded(1)).unwrap();
        drop(name);
        let text = fs::read_to_string(folder.path().join("node-id")).unwrap();
        assert_eq!(text.trim().len(), 32);
    }

    #[test]
    fn a_chosen_name_is_always_the_same() {
        assert_eq!(id_of("node-1"), id_of("node-1"));
        assert_ne!(id_of("node-1"), id_of("node-2"));
        assert_eq!(id_of("0000000000000000000000000000000a"), NodeId(10));
    }
}
