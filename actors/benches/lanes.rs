//! How many decisions a second the lanes make (admit, next and release of one ticket are one decision),
//! and how many bytes a waiting ticket takes.
#![allow(clippy::print_stderr, reason = "the bytes are a result that criterion has no column for")]

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sendwheel_actors::domain::clock::{BootUs, UnixMs};
use sendwheel_actors::domain::destination_limits::DestinationLimits;
use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::ids::{AccountNo, LaneNo};
use sendwheel_actors::domain::ticket::{MEMBER_LEN, Ticket};
use sendwheel_actors::sender::lanes::{LaneConfig, Lanes, LanesSettings, Next, Release};

const COUNT: u32 = 100_000;
const DESTINATIONS: u32 = 1_000;

/// Ticket number `n` of one of `lanes` lanes, ten lanes to an account; one contact has `per_contact` of them. They go to
/// [`DESTINATIONS`] in turn.
fn ticket(n: u32, lanes: u32, per_contact: u32) -> Ticket {
    let mut member = [0; MEMBER_LEN];
    let spread = |n: u32| u64::from(n).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let lane = n % lanes;
    let contact = n / lanes / per_contact * lanes + lane;
    member[..8].copy_from_slice(&u64::from(n).to_be_bytes());
    member[8] = 1;
    member[9..17].copy_from_slice(&spread(n));
    member[21..25].copy_from_slice(&n.to_be_bytes());
    member[25..33].copy_from_slice(&spread(contact));
    member[37..41].copy_from_slice(&contact.to_be_bytes());
    member[41..45].copy_from_slice(&lane.to_be_bytes());
    member[45] = (n / lanes % 3) as u8;
    member[47] = 1;
    member[48..52].copy_from_slice(&(lane / 10).to_be_bytes());
    member[56..60].copy_from_slice(&(n % DESTINATIONS).to_be_bytes());
    Ticket::from_entry(UnixMs(i64::from(n / 1_000)), &member).expect("the member is laid out as the domain does it")
}

fn tickets(lanes: u32, per_contact: u32) -> Vec<Ticket> {
    (0..COUNT).map(|n| ticket(n, lanes, per_contact)).collect()
}

/// What each lane may send, and what may go to each destination.
#[derive(Clone, Copy, Default)]
struct Limits {
    lane: Option<Limit>,
    destination: Option<Limit>,
}

fn new_lanes(lanes: u32, limits: Limits) -> Lanes {
    let destinations = DestinationLimits::of_domains([], limits.destination);
    let mut all = Lanes::new(LanesSettings { destinations, ..LanesSettings::default() }, BootUs(0));
    for lane in 0..lanes {
        all.configure(
            LaneConfig { lane: LaneNo(lane), account: AccountNo(lane / 10), limit: limits.lane, paused: false },
            BootUs(0),
        );
    }
    all
}

/// Grants and spends everything; time jumps to the moment the lanes name.
fn drain(lanes: &mut Lanes) -> u32 {
    let (mut now, mut sent) = (BootUs(0), 0);
    loop {
        match lanes.next(now) {
            Next::Permit(permit) => {
                sent += 1;
                lanes.release(permit.id, Release::Spent { cost: 1 }, now);
            }
            Next::WaitUntil(until) => now = until,
            Next::Idle => return sent,
        }
    }
}

/// The same with 64 permits out at any moment, as with 64 connections.
fn drain_64_at_once(lanes: &mut Lanes) -> u32 {
    let mut out = std::collections::VecDeque::with_capacity(64);
    let mut sent = 0;
    loop {
        if let Next::Permit(permit) = lanes.next(BootUs(0)) {
            sent += 1;
            out.push_back(permit.id);
            if out.len() < 64 {
                continue;
            }
        }
        match out.pop_front() {
            Some(id) => lanes.release(id, Release::Spent { cost: 1 }, BootUs(0)),
            None => return sent,
        }
    }
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("lanes");
    group.throughput(Throughput::Elements(u64::from(COUNT))).sample_size(10);
    let (none, fast) = (Limits::default(), Some(Limit { rate: 100, per: Duration::from_secs(1), burst: 1 }));
    let limited_lanes = Limits { lane: fast, ..none };
    let limited_destinations = Limits { destination: fast, ..none };
    let cases = [
        ("1000_lanes", 1_000, none, 1, drain as fn(&mut Lanes) -> u32),
        ("1000_lanes_64_at_once", 1_000, none, 1, drain_64_at_once),
        ("1000_limited_lanes", 1_000, limited_lanes, 1, drain),
        ("1000_lanes_to_limited_destinations", 1_000, limited_destinations, 1, drain),
        ("1_lane", 1, none, 1, drain),
        ("1_lane_64_at_once_10_a_contact", 1, none, 10, drain_64_at_once),
    ];
    for (name, count, limits, per_contact, drain) in cases {
        let tickets = tickets(count, per_contact);
        group.bench_function(format!("decide_{name}"), |b| {
            b.iter_batched_ref(
                || (new_lanes(count, limits), Vec::new()),
                |(lanes, overflow)| {
                    for due in tickets.chunks(1_000) {
                        lanes.admit(due, overflow);
                    }
                    assert_eq!(drain(lanes), COUNT);
                },
                BatchSize::PerIteration,
            );
        });
    }
    for (count, limits, how) in [
        (1_000, none, "waiting"),
        (100, none, "waiting"),
        (1, none, "waiting"),
        (1, limited_destinations, "held for their destinations"),
    ] {
        let mut lanes = new_lanes(count, limits);
        lanes.admit(&tickets(count, 1), &mut Vec::new());
        if limits.destination.is_some() {
            assert!(matches!(lanes.next(BootUs(0)), Next::WaitUntil(_)), "new buckets are empty");
        }
        let bytes = lanes.waiting_bytes() as f64 / f64::from(COUNT);
        eprintln!("{COUNT} tickets {how} in {count} lanes: {bytes:.1} bytes each, lanes included");
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
