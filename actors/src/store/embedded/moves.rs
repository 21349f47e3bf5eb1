//! Moves of a batch, turned into writes by the writer: it alone knows what stands where at that moment.
//!
//! A move is conditional, and what decides may be a write of the same batch, or one that is staged before it and
//! not on the disk yet. So a batch with moves comes in order and unsorted, and is resolved when it is staged.

use std::collections::HashMap;

use fjall::UserKey;

use super::db::{Db, store_error};
use super::writer::{Commit, Write, keep_last_writes};
use crate::store::contract::CommitError;
use crate::store::keys::embedded::Space;

/// A move, its keys already spelled.
pub(super) struct Move {
    /// Before which of the batch's writes it happens.
    pub(super) at: usize,
    pub(super) from: (Space, UserKey),
    pub(super) to: (Space, UserKey),
}

/// Turns a batch's moves into writes. `staged`: what else of its partition waits to be written, in order.
///
/// # Errors
/// `Unavailable` when the database could not be read; nothing was applied then.
pub(super) fn resolve(commit: &mut Commit, db: &Db, staged: &[Write]) -> Result<(), CommitError> {
    let mut stands: HashMap<(Space, UserKey), bool> =
        staged.iter().map(|write| ((write.space, write.key.clone()), write.value.is_some())).collect();
    let mut moves = std::mem::take(&mut commit.moves).into_iter().peekable();
    let mut writes = std::mem::take(&mut commit.writes).into_iter().enumerate().peekable();
    let mut resolved = Vec::with_capacity(writes.len() + 2 * moves.len());
    while moves.peek().is_some() || writes.peek().is_some() {
        let next = writes.peek().map_or(usize::MAX, |(at, _)| *at);
        let fresh = match moves.next_if(|due| due.at <= next) {
            Some(Move { from, to, .. }) => {
                let is_there = match stands.get(&from) {
                    Some(stands) => *stands,
                    None => db
                        .space(from.0)
                        .contains_key(&from.1)
                        .map_err(|error| CommitError::Unavailable(store_error(&error).to_string()))?,
                };
                let leaves = Write { space: from.0, key: from.1, value: None };
                let comes = Write { space: to.0, key: to.1, value: Some([].into()) };
                if is_there { vec![leaves, comes] } else { Vec::new() }
            }
            None => writes.next().map(|(_, write)| write).into_iter().collect(),
        };
        stands.extend(fresh.iter().map(|write| ((write.space, write.key.clone()), write.value.is_some())));
        resolved.extend(fresh);
    }
    keep_last_writes(&mut resolved);
    commit.writes = resolved;
    Ok(())
}
