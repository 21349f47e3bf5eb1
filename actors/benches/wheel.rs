//! How many tickets a second go into the timing wheel and come out of it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ticket::{MEMBER_LEN, Ticket};
use sendwheel_actors::wheel::TimingWheel;

const COUNT: u64 = 1_000_000;

/// A transactional SMS ticket number `n`; its ids are spread as hashed ids are.
fn ticket(n: u64, due_ms: i64) -> Ticket {
    let mut member = [0; MEMBER_LEN];
    let spread = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    member[..8].copy_from_slice(&n.to_be_bytes());
    member[8] = 1;
    member[9..17].copy_from_slice(&spread);
    member[17..25].copy_from_slice(&n.to_be_bytes());
    member[25..33].copy_from_slice(&spread);
    member[45] = 1;
    member[47] = 1;
    Ticket::from_entry(UnixMs(due_ms), &member).expect("the member is laid out as the domain does it")
}

/// Due times over `span_ms`, in an order that jumps all over it.
fn tickets(span_ms: u64) -> Vec<Ticket> {
    (0..COUNT).map(|n| ticket(n, (1 + n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % span_ms) as i64)).collect()
}

fn filled(tickets: &[Ticket]) -> TimingWheel {
    let mut wheel = TimingWheel::new(UnixMs(0));
    for ticket in tickets {
        wheel.insert(*ticket);
    }
    wheel
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("wheel");
    group.throughput(Throughput::Elements(COUNT)).sample_size(10);
    for (name, span_ms) in [("over_10_s", 10_000), ("over_10_min", 600_000), ("over_10_h", 36_000_000)] {
        let tickets = tickets(span_ms);
        group.bench_function(format!("insert_{name}"), |b| {
            b.iter_batched(|| (), |()| filled(&tickets), BatchSize::PerIteration);
        });
        // The cursor moves 5 ms at a time over short spans, as a running wheel's does, or 1/2,000 of long ones.
        let stride = (span_ms / 2_000).max(5) as i64;
        group.bench_function(format!("expire_{name}"), |b| {
            b.iter_batched_ref(
                || (filled(&tickets), Vec::with_capacity(COUNT as usize)),
                |(wheel, out)| {
                    let mut now = 0;
                    while !wheel.is_empty() {
                        now += stride;
                        out.clear();
                        wheel.advance(UnixMs(now), usize::MAX, out);
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    let tickets = tickets(600_000);
    group.bench_function("expire_after_a_jump_in_pages_of_1000", |b| {
        b.iter_batched_ref(
            || (filled(&tickets), Vec::with_capacity(1_000)),
            |(wheel, out)| {
                while !wheel.is_empty() {
                    out.clear();
                    wheel.advance(UnixMs(864_000_000), 1_000, out);
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("cancel_half_and_expire", |b| {
        b.iter_batched_ref(
            || (filled(&tickets), Vec::with_capacity(COUNT as usize)),
            |(wheel, out)| {
                for ticket in tickets.iter().step_by(2) {
                    wheel.cancel(ticket.message, ticket.due_at);
                }
                wheel.advance(UnixMs(600_000), usize::MAX, out);
                assert_eq!(out.len() as u64, COUNT / 2);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
