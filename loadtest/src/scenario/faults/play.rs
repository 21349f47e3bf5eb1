//! Plays the faults of a run, one after another.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::world::World;
use crate::fault::{Fault, Timed};
use crate::node::Node;
use crate::scenario::timeline::Mark;
use crate::sink::Gate;
use crate::sink::proxy::Path;
use crate::wall::{self, Stopwatch};

/// How much later a slow server's answers come.
const SLOW: Duration = Duration::from_millis(60);

/// What was played.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// What happened when.
    pub(super) marks: Vec<Mark>,
    /// When the clock was set, and how far ahead.
    pub(super) clock: Vec<(i64, i64)>,
}

/// Plays the plan.
pub(super) async fn play(
    plan: &[Timed],
    watch: Stopwatch,
    node: &mut Node,
    world: &mut World,
    pid: &AtomicU32,
) -> anyhow::Result<Played> {
    let mut played = Played::default();
    for Timed { at_ms, fault } in plan {
        tokio::time::sleep(Duration::from_millis(*at_ms).saturating_sub(watch.elapsed())).await;
        played.marks.push(Mark { at_s: watch.elapsed().as_secs_f64(), what: fault.to_string() });
        let done = one(*fault, node, world, pid, &mut played).await;
        done.with_context(|| format!("{fault} at {:.1} s", watch.elapsed().as_secs_f64()))?;
    }
    Ok(played)
}

async fn one(
    fault: Fault,
    node: &mut Node,
    world: &mut World,
    pid: &AtomicU32,
    played: &mut Played,
) -> anyhow::Result<()> {
    let sleep = |ms| tokio::time::sleep(Duration::from_millis(ms));
    match fault {
        Fault::KillNode => kill_node(node, pid).await?,
        Fault::SuspendNode { for_ms } => {
            node.suspend()?;
            sleep(for_ms).await;
            node.resume()?;
        }
        Fault::SuspendStore { for_ms } => {
            world.redis()?.suspend()?;
            sleep(for_ms).await;
            world.redis()?.resume()?;
        }
        Fault::KillNodeWithoutStore { for_ms } => {
            world.redis()?.suspend()?;
            sleep(for_ms).await;
            node.kill_9().await?;
            world.redis()?.resume()?;
            restart(node, pid).await?;
        }
        Fault::KillBoth { for_ms } => {
            world.redis()?.suspend()?;
            sleep(for_ms).await;
            node.kill_9().await?;
            world.redis()?.kill_9().await?;
            world.redis()?.restart().await?;
            restart(node, pid).await?;
        }
        Fault::KillStore { for_ms } => {
            world.redis()?.kill_9().await?;
            sleep(for_ms).await;
            world.redis()?.restart().await?;
        }
        Fault::FailOver { for_ms } => {
            world.fail_over().await?;
            sleep(for_ms).await;
            world.rejoin().await?;
        }
        Fault::SlowStore { for_ms } => match (&world.path, &world.disk) {
            (Some(path), _) => {
                path.set_path(Path { latency: SLOW, ..Path::CLEAR });
                sleep(for_ms).await;
                path.set_path(Path::CLEAR);
            }
            (None, Some(disk)) => disk.be_slow(Duration::from_millis(for_ms)).await?,
            (None, None) => anyhow::bail!("nothing of this store can be slow"),
        },
        Fault::FillDisk { for_ms } => {
            world.disk()?.fill()?;
            sleep(for_ms).await;
            world.disk()?.make_room()?;
        }
        Fault::SuspendDisk { for_ms } => world.disk()?.stand_still(Duration::from_millis(for_ms)).await?,
        Fault::SetClock { ahead_ms } => set_clock(world, ahead_ms, played)?,
        Fault::RefuseConnections { for_ms } => {
            world.set_gate(Gate::Refusing);
            sleep(for_ms).await;
            world.set_gate(Gate::Open);
        }
        Fault::SayNothing { for_ms } => {
            world.set_gate(Gate::Silent);
            sleep(for_ms).await;
            world.set_gate(Gate::Open);
        }
        Fault::CutConnections => {
            world.smtp.cut_all();
            world.sms.cut_all();
        }
    }
    Ok(())
}

async fn kill_node(node: &mut Node, pid: &AtomicU32) -> anyhow::Result<()> {
    node.kill_9().await?;
    restart(node, pid).await
}

async fn restart(node: &mut Node, pid: &AtomicU32) -> anyhow::Result<()> {
    node.restart().await.context("start the node again")?;
    pid.store(node.pid().unwrap_or(0), Ordering::SeqCst);
    Ok(())
}

/// Sets the clock; noted as from before it can be seen.
pub(super) fn set_clock(world: &World, ahead_ms: i64, played: &mut Played) -> anyhow::Result<()> {
    let Some(clock) = &world.clock else { return Ok(()) };
    played.clock.push((wall::now_ms(), ahead_ms));
    clock.set(ahead_ms)
}
