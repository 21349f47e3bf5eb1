//! A seeded, replayable simulation of the whole engine on one thread and in virtual time: the real actors on
//! the store in memory, which is slow, fails, answers nothing and dies by chance, and on providers that do the
//! same. Processes follow one another over the same data. What was promised to callers is kept, every
//! hand-over is checked when it begins, and everything that is stored when all is quiet.
//!
//! `SENDWHEEL_SIM_SEED=n` replays one seed (with the log of its events), `SENDWHEEL_SIM_SEEDS=n` runs that
//! many, `SENDWHEEL_SIM_FIRST=n` from that one on. A seed repeats itself with the same build.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod changes;
mod clock;
mod conversations;
mod fate;
mod handover;
mod merges;
mod model;
mod oracle;
mod people;
mod plan;
mod probe;
mod provider;
mod quiet;
mod receiver;
mod records;
mod rival;
mod run;
mod senders;
mod series;
mod slow_store;
mod watch;
mod workload;
mod world;

use model::Tally;
use run::{Report, run};

/// Events shown of a run that failed.
const TAIL: usize = 60;
/// Seeds that failed after which no more are run.
const ENOUGH: usize = 10;
/// Seeds without a wish: about 20 s in a debug build.
const SEEDS: u64 = 200;

fn wish(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[expect(clippy::print_stdout, reason = "the log of a run that failed")]
fn assert_clean(report: &Report, shown: usize) {
    if report.violations.is_empty() {
        return;
    }
    let skipped = report.events.len().saturating_sub(shown);
    for event in &report.events[skipped..] {
        println!("{event}");
    }
    panic!(
        "seed {} broke {} rules (replay: SENDWHEEL_SIM_SEED={}):\n{}",
        report.seed,
        report.violations.len(),
        report.seed,
        report.violations.join("\n")
    );
}

#[test]
fn invariants_hold_in_every_run_whatever_crashes() {
    if let Some(seed) = wish("SENDWHEEL_SIM_SEED") {
        return assert_clean(&run(seed), usize::MAX);
    }
    let first = wish("SENDWHEEL_SIM_FIRST").unwrap_or(1);
    let mut tally = Tally::new();
    let mut failed = Vec::new();
    for seed in first..first + wish("SENDWHEEL_SIM_SEEDS").unwrap_or(SEEDS) {
        let report = run(seed);
        report.tally.iter().for_each(|(what, count)| *tally.entry(what).or_default() += count);
        if !report.violations.is_empty() {
            println!("seed {seed}: {}", report.violations.join(" | "));
            failed.push(report);
        }
        if failed.len() == ENOUGH {
            println!("that is enough");
            break;
        }
    }
    println!("{tally:?}\n{} seeds failed", failed.len());
    if let Some(report) = failed.first() {
        assert_clean(report, TAIL);
    }
}

/// Seeds that found an error once, named for what it was.
mod found {
    use super::{TAIL, assert_clean, run};

    fn holds(seeds: &[u64]) {
        seeds.iter().for_each(|seed| assert_clean(&run(*seed), TAIL));
    }

    #[test]
    fn an_outcome_told_again_puts_the_ticket_back_that_was_not_started() {
        holds(&[28, 42, 102]);
    }

    #[test]
    fn a_cost_that_was_trued_up_leaves_no_due_entry_behind() {
        holds(&[70, 72, 77]);
    }

    #[test]
    fn what_is_parked_during_a_refill_is_read_by_the_next_one() {
        holds(&[193, 200]);
    }

    #[test]
    fn parked_tickets_keep_their_contact_s_order_over_refills_and_restarts() {
        holds(&[4, 10, 39, 98, 117, 188, 189]);
    }

    #[test]
    fn a_deletion_does_not_wait_for_a_claim_whose_acknowledgement_was_lost() {
        holds(&[1_131]);
    }

    #[test]
    fn a_claim_of_an_earlier_opening_of_its_partition_is_not_handed_over() {
        holds(&[81_458, 81_938]);
    }

    #[test]
    fn what_the_directory_could_not_read_anew_is_read_before_the_next_change() {
        holds(&[102_935, 200_970]);
    }

    #[test]
    fn a_cancelled_series_is_remembered_while_an_occurrence_of_it_is_to_be_tried_again() {
        holds(&[1_402_126]);
    }

    #[test]
    fn what_was_shelved_for_want_of_a_place_aside_comes_back_when_turns_end() {
        holds(&[1_500_000, 1_500_022, 1_500_028]);
    }

    #[test]
    fn an_address_that_goes_and_comes_back_in_one_commit_leads_to_its_contact() {
        holds(&[81_325]);
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in [3, 11, 34, 188] {
        let (first, second) = (run(seed).events, run(seed).events);
        if let Some(at) = (0..first.len().max(second.len())).find(|at| first.get(*at) != second.get(*at)) {
            panic!("seed {seed} differs at event {at}: {:?} and then {:?}", first.get(at), second.get(at));
        }
    }
}
