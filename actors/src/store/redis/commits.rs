//! Commits on their way to the server: those that wait go together.
//!
//! A script costs the server, the connection and the threads in between far more than the few mutations of one
//! partition's batch. So while one is under way, whatever is to be committed next waits and goes with the next
//! script, whichever partition it belongs to; each batch keeps its own fence and its own answer. When little is to
//! be done nothing waits. A cluster's partitions lie in many slots, and a script must stay in one: there each batch
//! goes alone.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, RedisError};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::connection::{Link, commit_error};
use super::parse_head;
use super::scripts::{SCRIPTS, Script};
use super::settings::WaitReplicas;
use crate::domain::clock::{BootUs, SharedClock};
use crate::store::contract::{Batch, CommitError, Head, Index, Mutation};
use crate::store::keys::redis as layout;

/// Scripts under way at once, of each kind: while the server runs one, the next is on its way to it.
const IN_FLIGHT: usize = 2;
/// Mutations in a script of more than one batch.
const MAX_MUTATIONS: usize = 512;

/// The connection for what must be fenced, with `WAIT` behind each script if that is set.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub(super) link: Link,
    pub(super) wait: Option<WaitReplicas>,
}

impl Journal {
    /// Runs a script: the reply, and whether enough replicas have it.
    pub(super) async fn run<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<(T, bool), RedisError> {
        match self.wait {
            None => self.link.script(script, arguments).await.map(|reply| (reply, true)),
            Some(WaitReplicas { replicas, timeout }) => {
                let (reply, have) = self.link.script_and_wait(script, replicas, timeout, arguments).await?;
                Ok((reply, have >= replicas))
            }
        }
    }
}

/// A batch that waits for its turn.
struct Waiting {
    head: Head,
    mutations: Vec<Mutation>,
    since: BootUs,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

/// The way of all commits.
#[derive(Debug)]
pub(super) struct Commits {
    journal: Journal,
    clock: SharedClock,
    /// New work has the second, everything else the first: a full server refuses the one and takes the other. None with
    /// a cluster. Bounded by the partitions, which have one batch each under way.
    lines: Option<[mpsc::UnboundedSender<Waiting>; 2]>,
}

impl Commits {
    /// Nothing is under way. A batch that could not be sent within `patience` is not sent any more.
    pub(super) fn over(journal: Journal, clock: SharedClock, patience: Duration) -> Self {
        let line = |script| {
            let (line, waiting) = mpsc::unbounded_channel();
            tokio::spawn(send_together(journal.clone(), script, waiting, Arc::clone(&clock), patience));
            line
        };
        let lines = (!journal.link.is_cluster()).then(|| [line(&SCRIPTS.commit), line(&SCRIPTS.commit_growth)]);
        Self { journal, clock, lines }
    }

    /// Applies a batch under this head.
    pub(super) async fn commit(&self, head: Head, batch: Batch) -> Result<(), CommitError> {
        let Batch { mutations, is_growth } = batch;
        let Some(lines) = &self.lines else {
            let script = if is_growth { &SCRIPTS.commit_growth } else { &SCRIPTS.commit };
            let outcome = commit_together(&self.journal, script, &[(head, mutations)]).await;
            return outcome.into_iter().next().unwrap_or_else(|| Err(unreadable()));
        };
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { head, mutations, since: self.clock.boot(), answer };
        // Where its task has ended (the program is ending), the answer's other half is gone with it.
        let _ = lines[usize::from(is_growth)].send(waiting);
        answered.await.unwrap_or_else(|_| Err(CommitError::Unknown("the program is ending".to_owned())))
    }
}

/// Sends what waits, as long as anybody may commit.
async fn send_together(
    journal: Journal,
    script: &'static Script,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    clock: SharedClock,
    patience: Duration,
) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut first = waiting.recv().await;
    while let Some(next) = first {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let mut mutations = next.mutations.len();
        let mut group = vec![next];
        first = None;
        while let Ok(next) = waiting.try_recv() {
            mutations += next.mutations.len();
            if mutations > MAX_MUTATIONS {
                first = Some(next);
                break;
            }
            group.push(next);
        }
        let (journal, now) = (journal.clone(), clock.boot());
        tokio::spawn(async move {
            let (mut batches, mut answers) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
            for Waiting { head, mutations, since, answer } in group {
                if now.since(since) > patience {
                    let _ =
                        answer.send(Err(CommitError::Unavailable("the server did not get to it in time".to_owned())));
                } else {
                    batches.push((head, mutations));
                    answers.push(answer);
                }
            }
            if !batches.is_empty() {
                let outcomes = commit_together(&journal, script, &batches).await;
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    // A caller that went away is no error.
                    let _ = answer.send(outcome);
                }
            }
            drop(slot);
        });
        if first.is_none() {
            first = waiting.recv().await;
        }
    }
}

/// Runs one script for all of these: what came of each.
async fn commit_together(
    journal: &Journal,
    script: &Script,
    batches: &[(Head, Vec<Mutation>)],
) -> Vec<Result<(), CommitError>> {
    let all = |error: &dyn Fn() -> CommitError| batches.iter().map(|_| Err(error())).collect();
    let reply: Result<(Vec<redis::Value>, bool), _> = journal.run(script, |command| pack(command, batches)).await;
    match reply {
        Ok((replies, is_replicated)) if replies.len() == batches.len() => batches
            .iter()
            .zip(replies)
            .map(|((head, _), reply)| judge(*head, reply, is_replicated, journal.link.is_cluster()))
            .collect(),
        Ok(_) => all(&unreadable),
        Err(error) => all(&|| commit_error(&error)),
    }
}

fn unreadable() -> CommitError {
    CommitError::Unknown("the server's answer to a commit cannot be read".to_owned())
}

/// What the server's answer to one batch says.
fn judge(head: Head, reply: redis::Value, is_replicated: bool, is_cluster: bool) -> Result<(), CommitError> {
    let found = match reply {
        redis::Value::Int(1) if is_replicated => return Ok(()),
        redis::Value::Int(1) => {
            return Err(CommitError::Unknown("too few replicas confirmed the commit".to_owned()));
        }
        redis::Value::BulkString(bytes) if bytes.is_empty() => None,
        redis::Value::BulkString(bytes) => {
            Some(parse_head(head.partition, &bytes).map_err(|error| CommitError::Unavailable(error.to_string()))?)
        }
        _ => return Err(unreadable()),
    };
    // The cluster client sends again by itself after a lost connection: the first one may have been ours.
    if is_cluster && found == Some(Head { seq: head.seq + 1, ..head }) {
        return Err(CommitError::Unknown("it may have been sent twice".to_owned()));
    }
    Err(CommitError::Fenced { expected: head.seq, found })
}

/// Packs batches as `commit.lua` wants them.
fn pack(command: &mut Cmd, batches: &[(Head, Vec<Mutation>)]) {
    let mut keys = Vec::new();
    let mut letters = Vec::with_capacity(batches.len());
    for (head, mutations) in batches {
        let partition = head.partition;
        keys.push(layout::head(partition));
        let mut of_batch = Vec::with_capacity(mutations.len());
        for mutation in mutations {
            let (letter, key) = match mutation {
                Mutation::Put(table, key, _) => (b'P', layout::record(partition, *table, key)),
                Mutation::Delete(table, key) => (b'D', layout::record(partition, *table, key)),
                Mutation::Index(index, ..) => (b'I', layout::index(partition, *index)),
                Mutation::Unindex(index, ..) => {
                    (if is_of_contact(*index) { b'X' } else { b'U' }, layout::index(partition, *index))
                }
                Mutation::Move(from, ..) => (b'M', layout::index(partition, *from)),
                Mutation::Add(..) => (b'A', layout::counters(partition)),
            };
            of_batch.push(letter);
            keys.push(key);
            if let Mutation::Move(_, to, ..) = mutation {
                of_batch.push(b'T');
                keys.push(layout::index(partition, *to));
            }
        }
        letters.push(of_batch);
    }
    command.arg(keys.len());
    for key in &keys {
        command.arg(key.as_slice());
    }
    command.arg(batches.len());
    for ((head, mutations), letters) in batches.iter().zip(letters) {
        let operands: usize = mutations.iter().map(operands_of).sum();
        command.arg(head.token.to_be_bytes().as_slice()).arg(head.seq).arg(head.seq + 1);
        command.arg(operands).arg(letters);
        for mutation in mutations {
            match mutation {
                Mutation::Put(_, _, value) => command.arg(value.as_ref()),
                Mutation::Delete(..) => command,
                Mutation::Unindex(index, _, member) if is_of_contact(*index) => command.arg(member.as_slice()),
                Mutation::Index(_, score, member) | Mutation::Unindex(_, score, member) => {
                    command.arg(score.0).arg(member.as_slice())
                }
                Mutation::Move(_, _, score, member) => {
                    command.arg(score.0).arg(member.as_slice()).arg(score.0).arg(member.as_slice())
                }
                Mutation::Add(counter, by) => command.arg(*counter as u8).arg(*by),
            };
        }
    }
}

/// Whether an index belongs to one contact, whose record and entries change together and by its own decisions alone: an
/// entry stands under the score that its removal names. Elsewhere it may have moved since, and is compared.
const fn is_of_contact(index: Index) -> bool {
    matches!(index, Index::Pending(_) | Index::Timeline(_))
}

/// How many arguments a mutation has beside its letter and keys.
const fn operands_of(mutation: &Mutation) -> usize {
    match mutation {
        Mutation::Put(..) => 1,
        Mutation::Delete(..) => 0,
        Mutation::Unindex(index, ..) if is_of_contact(*index) => 1,
        Mutation::Index(..) | Mutation::Unindex(..) | Mutation::Add(..) => 2,
        Mutation::Move(..) => 4,
    }
}
