//! apalis (with apalis-redis) on the work of the comparison: `scripts/peers` runs it.
//!
//! ```text
//! apalis-peer burst N LEAD     adds N tasks in bulk, all due LEAD seconds after the start, and drains them
//! apalis-peer single N         adds N one by one, 64 at a time
//! apalis-peer steady RATE S    RATE tasks a second for S seconds, each due two seconds later
//! apalis-peer memory N         what N scheduled tasks take in Redis
//! ```
//!
//! Prints one JSON object; `REDIS_PORT` says where Redis is. Configured for speed: batches of 500, looked for every
//! 2 ms, 200 at once, without locks, results and events, and with a heartbeat every second, since a worker that has
//! nothing to do looks again at its next one. Due times are whole seconds: that is how apalis keeps them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use apalis::prelude::*;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_redis::{Config, RedisStorage};
use futures::stream;
use serde::{Deserialize, Serialize};

const BULK: usize = 1_000;
const BULKS_AT_ONCE: usize = 8;
const CLIENTS: usize = 64;
const CONCURRENCY: usize = 200;
const BATCH: usize = 500;
const WARM_UP: usize = 5_000;
const LOOK_EVERY: Duration = Duration::from_millis(2);
const TICK: Duration = Duration::from_millis(50);
const DAY_S: u64 = 86_400;
/// A run in which nothing more is done is over.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sms {
    to: String,
    from: String,
    body: String,
    due_ms: u64,
}

#[derive(Debug, Default)]
struct Done {
    count: AtomicUsize,
    late_ms: Mutex<Vec<u64>>,
}

type Storage = RedisStorage<Sms>;

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn task(n: usize, due_s: u64) -> Task<Sms> {
    let mut body = "Your table is ready at eight. We look forward to seeing you. ".repeat(3);
    body.truncate(160);
    let to = format!("+1212{}", 2_000_000 + n % 10_000);
    TaskBuilder::new(Sms { to, from: "+12125550100".to_owned(), body, due_ms: due_s * 1_000 })
        .run_at_timestamp(due_s)
        .build()
}

async fn add_bulk(storage: &Storage, count: usize, due_s: u64) -> anyhow::Result<f64> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = now_ms();
    let adders = (0..BULKS_AT_ONCE).map(|_| {
        let (mut storage, next) = (storage.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let from = next.fetch_add(BULK, Ordering::Relaxed);
                if from >= count {
                    return anyhow::Ok(());
                }
                let tasks: Vec<_> = (from..count.min(from + BULK)).map(|n| task(n, due_s)).collect();
                storage.push_all(stream::iter(tasks)).await?;
            }
        })
    });
    for ended in futures::future::join_all(adders).await {
        ended??;
    }
    Ok(count as f64 / ((now_ms() - began) as f64 / 1_000.0))
}

async fn add_singly(storage: &Storage, count: usize) -> anyhow::Result<f64> {
    let next = Arc::new(AtomicUsize::new(0));
    let (began, due_s) = (now_ms(), now_ms() / 1_000 + DAY_S);
    let adders = (0..CLIENTS).map(|_| {
        let (mut storage, next) = (storage.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return anyhow::Ok(());
                }
                storage.push_task(task(n, due_s)).await?;
            }
        })
    });
    for ended in futures::future::join_all(adders).await {
        ended??;
    }
    Ok(count as f64 / ((now_ms() - began) as f64 / 1_000.0))
}

async fn send(sms: Sms, done: Data<Arc<Done>>) -> Result<(), BoxDynError> {
    let late = now_ms().saturating_sub(sms.due_ms);
    done.late_ms.lock().unwrap_or_else(PoisonError::into_inner).push(late);
    done.count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Starts a worker; what it says when it ends is told on stderr, for it ends only when it fails.
fn start_worker(storage: &Storage, done: &Arc<Done>) {
    let (storage, done, handle) = (storage.clone(), Arc::clone(done), tokio::runtime::Handle::current());
    // A worker's future may not move between threads; its tasks run on all of them.
    std::thread::spawn(move || {
        let worker = WorkerBuilder::new("peer")
            .backend(storage.poll_with_interval(LOOK_EVERY))
            .data(done)
            .concurrency(CONCURRENCY)
            .parallelize(tokio::spawn)
            .build(send);
        let ended = handle.block_on(worker.run());
        eprintln!("error: the worker ended: {ended:?}");
        std::process::exit(1);
    });
}

async fn until(done: &Done, wanted: usize) -> anyhow::Result<u64> {
    let (mut seen, mut moved_at) = (0, now_ms());
    loop {
        let count = done.count.load(Ordering::Relaxed);
        if count >= wanted {
            return Ok(now_ms());
        }
        if count > seen {
            (seen, moved_at) = (count, now_ms());
        }
        if now_ms() - moved_at > PATIENCE.as_millis() as u64 {
            bail!("{count} of {wanted} done, and nothing more");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn warmed_up(storage: &Storage) -> anyhow::Result<Arc<Done>> {
    let done = Arc::new(Done::default());
    start_worker(storage, &done);
    add_bulk(storage, WARM_UP, now_ms() / 1_000 + 1).await?;
    until(&done, WARM_UP).await?;
    done.count.store(0, Ordering::Relaxed);
    done.late_ms.lock().unwrap_or_else(PoisonError::into_inner).clear();
    Ok(done)
}

async fn burst(storage: &Storage, count: usize, lead_s: u64) -> anyhow::Result<String> {
    let done = warmed_up(storage).await?;
    let due_s = now_ms() / 1_000 + lead_s;
    let added = add_bulk(storage, count, due_s).await?;
    if now_ms() > due_s * 1_000 {
        bail!("adding took longer than the lead: give a longer one");
    }
    println!("{{\"bulk_per_s\": {added}}}");
    let took = until(&done, count).await? - due_s * 1_000;
    Ok(format!("{{\"bulk_per_s\": {added}, \"drain_per_s\": {}}}", count as f64 / (took as f64 / 1_000.0)))
}

async fn steady(storage: &Storage, rate: usize, seconds: usize) -> anyhow::Result<String> {
    let done = warmed_up(storage).await?;
    let (total, began, mut next) = (rate * seconds, now_ms(), 0);
    let mut ticks = tokio::time::interval(TICK);
    let mut adders = Vec::new();
    while next < total {
        ticks.tick().await;
        let upto = total.min((now_ms() - began) as usize * rate / 1_000);
        let due_s = now_ms() / 1_000 + 2;
        let tasks: Vec<_> = (next..upto).map(|n| task(n, due_s)).collect();
        next = upto;
        let mut storage = storage.clone();
        adders.push(tokio::spawn(async move { storage.push_all(stream::iter(tasks)).await }));
    }
    for ended in futures::future::join_all(adders).await {
        ended??;
    }
    until(&done, total).await?;
    let mut late = done.late_ms.lock().unwrap_or_else(PoisonError::into_inner).clone();
    late.sort_unstable();
    let at = |q: f64| late[((late.len() - 1) as f64 * q) as usize];
    Ok(format!("{{\"p50_ms\": {}, \"p99_ms\": {}, \"max_ms\": {}}}", at(0.5), at(0.99), at(1.0)))
}

async fn used_memory(client: &redis::Client) -> anyhow::Result<f64> {
    let info: String = redis::cmd("INFO").arg("memory").query(&mut client.get_connection()?)?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok());
    used.context("INFO memory has used_memory")
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| anyhow::Ok(words.get(at).context("a number is missing")?.parse::<usize>()?);
    let url = format!("redis://127.0.0.1:{}", std::env::var("REDIS_PORT").context("set REDIS_PORT")?);
    let mut config = Config::default()
        .queue("sms")
        .batch_size(BATCH)
        .emit_events(false)
        .lock_tasks(false)
        .heartbeat_interval(Duration::from_secs(1));
    config.persist_results = false;
    let storage = Storage::new(apalis_redis::connect(url.clone()).await?).with_config(config);
    let answer = match words.first().map(String::as_str) {
        Some("burst") => burst(&storage, number(1)?, number(2)? as u64).await?,
        Some("steady") => steady(&storage, number(1)?, number(2)?).await?,
        Some("single") => {
            add_singly(&storage, WARM_UP).await?;
            format!("{{\"single_per_s\": {}}}", add_singly(&storage, number(1)?).await?)
        }
        Some("memory") => {
            let client = redis::Client::open(url)?;
            let before = used_memory(&client).await?;
            let count = number(1)?;
            add_bulk(&storage, count, now_ms() / 1_000 + DAY_S).await?;
            format!("{{\"bytes_each\": {}}}", (used_memory(&client).await? - before) / count as f64)
        }
        _ => bail!("say what to do: burst, single, steady or memory"),
    };
    println!("{answer}");
    Ok(())
}
