//! `sendwheel smart-send backtest`: what smart send time would have gained on a history of events.
//!
//! The model is the one that a node sends with (`sendwheel_actors::domain::habit`); here it meets a history event
//! by event, and is asked, at moments of the history's last part, for the best hour of the window to come.

mod events;
mod interval;
mod replay;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use comfy_table::Table;
use serde::Serialize;

use self::interval::Estimate;
use self::replay::{Protocol, Report};
use super::{Failure, Outcome, say};

/// Looks into smart send time.
#[derive(Args)]
pub(crate) struct SmartSendArgs {
    #[command(subcommand)]
    command: SmartSendCommand,
}

#[derive(Subcommand)]
enum SmartSendCommand {
    /// Replay a history of events and compare strategies of choosing the moment
    Backtest(BacktestArgs),
}

/// Replays a history.
#[derive(Args)]
#[command(after_help = "Rows are contact,timestamp: unix seconds or RFC 3339, in any order, a header if you like.
Judged is the last 40 % of the time that the file spans: for twelve moments a day and contact, each
strategy chooses an hour of the window; a hit is activity within the hour from then. Nothing after a
moment is known to any strategy. Hours are UTC's. Intervals are 95 %, clustered by contact (linearised
ratio estimator).

Example:
  sendwheel smart-send backtest opens.csv --window 24h")]
struct BacktestArgs {
    /// The file, UTF-8
    file: PathBuf,
    /// How long the window is that a moment is chosen in: whole hours, 1h to 7d
    #[arg(long, default_value = "24h", value_parser = window_hours)]
    window: usize,
    /// Where the random moments begin; the same seed gives the same figures
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

fn window_hours(text: &str) -> Result<usize, String> {
    const HOUR: u64 = 3_600;
    let wrong = || "not a window of whole hours from 1h to 7d, such as 24h".to_owned();
    let seconds = humantime::parse_duration(text).map_err(|_| wrong())?.as_secs_f64();
    let hours = (1..=replay::MAX_WINDOW_HOURS).find(|hours| (*hours as u64 * HOUR) as f64 == seconds);
    hours.ok_or_else(wrong)
}

pub(crate) async fn run(args: SmartSendArgs) -> Outcome {
    let SmartSendCommand::Backtest(args) = args.command;
    // Reading and reckoning block: this thread serves nobody else.
    let events = events::read_file(&args.file)?;
    let protocol = Protocol { window_hours: args.window, seed: args.seed };
    let report = replay::replay(&events, protocol).map_err(anyhow::Error::from)?;
    if args.json { say(as_json(&report)?) } else { say(as_text(&report, args.window)) }
}

#[derive(Serialize)]
struct JsonReport {
    strategies: Vec<JsonStrategy>,
    lift: Vec<JsonLift>,
}

#[derive(Serialize)]
struct JsonStrategy {
    name: &'static str,
    hit_rate: f64,
    ci95: [f64; 2],
    n: u64,
}

/// Sendwheel's hit rate less that of another strategy, at the same moments.
#[derive(Serialize)]
struct JsonLift {
    against: &'static str,
    difference: f64,
    ci95: [f64; 2],
}

fn as_json(report: &Report) -> Result<String, Failure> {
    let strategies = report.rates.iter().map(|(name, Estimate { value, ci95 })| JsonStrategy {
        name,
        hit_rate: *value,
        ci95: *ci95,
        n: report.moments,
    });
    let lift = report.lifts.iter().map(|(against, Estimate { value, ci95 })| JsonLift {
        against,
        difference: *value,
        ci95: *ci95,
    });
    let document = JsonReport { strategies: strategies.collect(), lift: lift.collect() };
    serde_json::to_string(&document).map_err(|error| Failure::Failed(error.into()))
}

fn as_text(report: &Report, window_hours: usize) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["strategy", "hit rate", "95 % interval", "sendwheel's lift", "95 % interval"]);
    for (name, rate) in &report.rates {
        let mut row = vec![
            (*name).to_owned(),
            format!("{:.4}", rate.value),
            format!("{:.4} to {:.4}", rate.ci95[0], rate.ci95[1]),
        ];
        if let Some((_, lift)) = report.lifts.iter().find(|(against, _)| against == name) {
            row.push(format!("{:+.4}", lift.value));
            row.push(format!("{:+.4} to {:+.4}", lift.ci95[0], lift.ci95[1]));
        }
        table.add_row(row);
    }
    format!(
        "{table}\n{} moments of {} contacts, windows of {window_hours} h, from {} events",
        report.moments, report.contacts, report.events
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_whole_hours_up_to_a_week() {
        assert_eq!(window_hours("24h"), Ok(24));
        assert_eq!(window_hours("2d"), Ok(48));
        assert_eq!(window_hours("7d"), Ok(168));
        for wrong in ["0h", "90m", "8d", "1000000d", "soon", ""] {
            assert!(window_hours(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_json_document_has_the_names_of_the_contract_in_their_order() {
        let rate = Estimate { value: 0.5, ci95: [0.25, 0.75] };
        let report = Report {
            rates: replay::STRATEGIES.map(|name| (name, rate)).to_vec(),
            lifts: vec![("now", rate)],
            moments: 8,
            contacts: 2,
            events: 50,
        };
        let json: serde_json::Value = serde_json::from_str(&as_json(&report).unwrap()).unwrap();
        let names: Vec<_> =
            json["strategies"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["now", "random", "population", "own_24h", "own_168h", "sendwheel"]);
        assert_eq!(
            json["strategies"][0],
            serde_json::json!({"name": "now", "hit_rate": 0.5, "ci95": [0.25, 0.75], "n": 8})
        );
    }
}
