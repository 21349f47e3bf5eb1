//! The process's log and metrics. Logs go to stderr; metrics are kept here and shown by `/metrics`.
//!
//! Neither carries an address, a text or a secret: metrics are labelled with channels and outcomes only, and
//! what is logged has types that do not show them.

use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LogSettings};

/// Time from due to the start of hand-over, in seconds: 1 ms to 10 min.
const LATENESS_BUCKETS: [f64; 21] = [
    0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0,
    300.0, 600.0,
];
/// Time for a commit, in seconds.
const COMMIT_BUCKETS: [f64; 13] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// Histograms keep every sample until they are looked at: this often at least.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts the log. `RUST_LOG` wins over the settings. A second start in one process changes nothing.
pub fn start_log(settings: &LogSettings) {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(&settings.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    // A subscriber that is there already is a test's own.
    let _ = tracing::subscriber::set_global_default(subscriber(settings.format, filter, std::io::stderr));
}

fn subscriber<W>(format: LogFormat, filter: EnvFilter, to: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to);
    match format {
        LogFormat::Text => Box::new(builder.with_ansi(false).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    }
}

fn recorder_builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("sendwheel_lateness_seconds".into()), &LATENESS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("sendwheel_store_commit_seconds".into()), &COMMIT_BUCKETS)
}

/// Starts to keep metrics, and says what each one is.
///
/// # Errors
/// If this process keeps metrics already.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = recorder_builder()?.install_recorder()?;
    describe();
    Ok(handle)
}

/// Keeps the histograms small, until the runtime ends.
pub async fn keep_up(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

fn describe() {
    describe_counter!("sendwheel_messages_total", "Messages that reached a state, by channel and outcome");
    describe_gauge!("sendwheel_pending", "Messages that are still to be handed over, on this node's partitions");
    describe_histogram!(
        "sendwheel_lateness_seconds",
        Unit::Seconds,
        "Time from a message's due time to the start of its hand-over"
    );
    describe_gauge!("sendwheel_lane_backlog", "Messages that are due and wait in memory, by channel and lane");
    describe_gauge!("sendwheel_lane_held", "Of the backlog, those that wait for their destination's limit");
    describe_gauge!("sendwheel_partitions_owned", "Partitions that this node owns and serves");
    describe_histogram!(
        "sendwheel_store_commit_seconds",
        Unit::Seconds,
        "Time from handing a batch to the store to its durable acknowledgement"
    );
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(format, EnvFilter::new(level), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(partition = 7, "the lease was lost");
            tracing::debug!("a detail");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_log_is_an_object_a_line() {
        let text = logged(LogFormat::Json, "debug");
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["partition"], &lines[0]["level"]), (&7.into(), &"WARN".into()));
    }

    #[test]
    fn the_level_decides_what_is_logged() {
        let text = logged(LogFormat::Text, "warn");
        assert!(text.contains("the lease was lost partition=7") && !text.contains("a detail"), "{text}");
    }

    #[test]
    fn lateness_is_kept_in_buckets() {
        let recorder = recorder_builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::histogram!("sendwheel_lateness_seconds", "channel" => "sms").record(0.004);
        });
        let text = recorder.handle().render();
        assert!(text.contains("# HELP sendwheel_lateness_seconds"), "{text}");
        assert!(text.contains(r#"sendwheel_lateness_seconds_bucket{channel="sms",le="0.005"} 1"#), "{text}");
        assert!(text.contains(r#"sendwheel_lateness_seconds_bucket{channel="sms",le="0.002"} 0"#), "{text}");
    }
}
