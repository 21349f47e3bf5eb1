//! A store without room: schedules are refused in words, what was acknowledged stays, and all goes on by
//! itself when there is room again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sendwheel_loadtest::client::{Answered, CancelOutcome, ClientError, MessageView};
use sendwheel_loadtest::redis::Redis;
use sendwheel_loadtest::{wait, wall, workload};
use tempfile::TempDir;

use super::stage::{PATIENCE, Stage, Store};

/// A file system of its own in memory; it goes with this value.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// Nothing where this user may not mount.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        let block = [7_u8; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node may still be ending.
        let _ended = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn is_out_of_space(answer: &Answered<MessageView>) -> bool {
    match answer {
        Err(ClientError::Refused { status: 507, code, retry_after, .. }) => {
            assert_eq!((&**code, retry_after.is_some()), ("out_of_space", true));
            true
        }
        Ok(_) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_the_node_goes_on_by_itself_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(320) else {
        println!("this user may not mount: not tried");
        return;
    };
    let url = format!("embedded:{}", disk.path().join("store").display());
    let stage =
        Stage::start_with(Store::Embedded, 20, |options| options.store(url).set("store.memtable", "4MiB")).await;
    let mut before = Vec::new();
    for n in 0..40 {
        // Some fall due while the disk is full.
        before.push(stage.sms(n, 4_000 + 200 * i64::try_from(n).unwrap()).await);
    }
    disk.fill();
    // A cancel needs no room of its own, but the journal it is written to does.
    let (stage, client) = (&stage, stage.driver.client());
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for (n, message) in before.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        match client.cancel(&message.id).await {
            Ok(CancelOutcome::Canceled) => acknowledged.push((n, message)),
            Err(ClientError::Refused { status: 507 | 503, retry_after: Some(_), .. }) => refused.push((n, message)),
            other => panic!("{other:?}"),
        }
    }
    assert!(!refused.is_empty(), "the disk was not full");
    // Answers until the first refusal are acknowledgements like all others.
    let mut n = 1_000;
    let until_refused = wait::until("a refusal", PATIENCE, || {
        n += 1;
        let token = stage.token(n);
        async move {
            let due = wall::now_ms() + 10_000;
            let answer = stage.driver.schedule(&token, stage.cast.contact(n), &workload::sms(&token, due), due).await;
            is_out_of_space(&answer).then_some(())
        }
    });
    until_refused.await.unwrap();
    wait::until("readiness to go", PATIENCE, || async { (!client.is_ready().await).then_some(()) }).await.unwrap();
    fs::remove_file(disk.filler()).unwrap();
    wait::until("readiness to come back", Duration::from_secs(60), || async { client.is_ready().await.then_some(()) })
        .await
        .unwrap();
    for (n, message) in acknowledged {
        let outcome = stage.driver.cancel(&stage.token(n), &message.id).await.unwrap();
        assert_eq!(outcome, CancelOutcome::Canceled, "what was acknowledged holds");
    }
    // Each of these was carried out or not: asking again tells, and settles it.
    for (n, message) in refused {
        stage.driver.cancel(&stage.token(n), &message.id).await.unwrap();
    }
    let after = stage.sms(500_000, 500).await;
    stage.until_state(&after.id, "submitted", PATIENCE).await;
    let report = stage.judge().await;
    println!("{report}");
    assert!(report.handed_over > before.len() / 2, "{report}");
}

/// Sets Redis' limit to so many percent of what it uses now.
async fn limit_memory(redis: &Redis, percent: u64) {
    let info = redis.ask("INFO memory").await.unwrap();
    let used = info.lines().find_map(|line| line.trim().strip_prefix("used_memory:")?.parse::<u64>().ok()).unwrap();
    let answer = redis.ask(&format!("CONFIG SET maxmemory {}", used * percent / 100)).await.unwrap();
    assert!(answer.starts_with("+OK"), "{answer}");
}

#[tokio::test]
async fn a_redis_without_memory_takes_cancels_and_outcomes_but_no_schedules() {
    let stage = Stage::start(Store::Redis, 4).await;
    let (client, redis) = (stage.driver.client(), stage.redis.as_ref().unwrap());
    let [sent, waits] = [stage.sms(0, 600_000).await, stage.sms(1, 600_000).await];
    let [first, second] = [stage.sms(2, 600_000).await, stage.sms(3, 600_000).await];
    let refused = async || {
        wait::until("a refusal", PATIENCE, || async {
            let message = workload::sms("t-x-1", wall::now_ms() + 60_000);
            is_out_of_space(&client.schedule(stage.cast.contact(0), &message, None).await).then_some(())
        })
        .await
    };
    let send_now = async |id: &str| client.post(&format!("/v1/messages/{id}/send-now"), &serde_json::Value::Null).await;
    // Nine tenths full: nothing new, everything else.
    limit_memory(redis, 111).await;
    refused().await.unwrap();
    assert_eq!(stage.driver.cancel(&stage.token(2), &first.id).await.unwrap(), CancelOutcome::Canceled);
    send_now(&sent.id).await.unwrap();
    stage.until_state(&sent.id, "submitted", PATIENCE).await;
    // Over full, so that Redis itself refuses what is not marked as needed: hand-overs wait, cancels go on.
    limit_memory(redis, 50).await;
    wait::until("hand-overs to stop", PATIENCE, || async {
        let metrics = client.metrics().await.ok()?;
        (metrics.sum("sendwheel_store_usage_ratio", &[]) > 1.0).then_some(())
    })
    .await
    .unwrap();
    refused().await.unwrap();
    assert_eq!(stage.driver.cancel(&stage.token(3), &second.id).await.unwrap(), CancelOutcome::Canceled);
    send_now(&waits.id).await.unwrap();
    let has_reason = |view: &MessageView| view.rest.get("reason").is_some_and(|reason| reason["code"] == "draining");
    stage.until(&waits.id, "the reason why it waits", PATIENCE, has_reason).await;
    assert_eq!(stage.sms.requests().count(), 1);
    assert!(redis.ask("CONFIG SET maxmemory 0").await.unwrap().starts_with("+OK"));
    stage.until_state(&waits.id, "submitted", PATIENCE).await;
    wait::until("readiness to come back", PATIENCE, || async { client.is_ready().await.then_some(()) }).await.unwrap();
    stage.sms(5, 100).await;
    stage.sms.requests().wait_for_count(3, PATIENCE).await.unwrap();
}
