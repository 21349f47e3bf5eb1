//! I6: whether the attempts of a lane kept its limit.

use super::{Begun, Limit, Violation};

/// How much closer together hand-overs may come than their tokens did: ARCHITECTURE.md's allowance.
const SLACK_MS: f64 = 250.0;

/// Looks at every window that begins and ends with an attempt: at most `burst + rate * (length + slack)` of them.
///
/// With `level(n) = n - rate * at(n)`, the window from `m` to `n` breaks the limit when
/// `level(n) - level(m) + 1 > burst + rate * slack`; so the lowest level before is enough to know.
pub(super) fn check(limit: &Limit, begun: &[Begun]) -> Option<Violation> {
    let mut at: Vec<i64> = begun.iter().filter(|begun| begun.lane == limit.lane).map(|begun| begun.at_ms).collect();
    at.sort_unstable();
    let per_ms = limit.per_second / 1_000.0;
    let start = *at.first()?;
    let mut lowest = (f64::INFINITY, 0);
    for (n, &now) in at.iter().enumerate() {
        let level = n as f64 - per_ms * (now - start) as f64;
        if level < lowest.0 {
            lowest = (level, n);
        }
        if level - lowest.0 + 1.0 > limit.burst + per_ms * SLACK_MS {
            let within_ms = now - at[lowest.1];
            let allowed = limit.burst + per_ms * (within_ms as f64 + SLACK_MS);
            return Some(Violation::TooFast {
                lane: limit.lane.clone(),
                count: n - lowest.1 + 1,
                within_ms,
                allowed: allowed as usize,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(at: impl IntoIterator<Item = i64>) -> Vec<Begun> {
        at.into_iter().map(|at_ms| Begun { token: None, lane: "sms".into(), at_ms }).collect()
    }

    fn limit() -> Limit {
        Limit { lane: "sms".into(), per_second: 100.0, burst: 5.0 }
    }

    #[test]
    fn a_lane_at_its_rate_with_its_burst_and_the_slack_is_clean() {
        // Thirty at once: five of the burst, and what a quarter of a second allows.
        assert_eq!(check(&limit(), &begun(std::iter::repeat_n(0, 30).chain((1..100).map(|n| n * 10)))), None);
        assert_eq!(check(&limit(), &begun([])), None);
    }

    #[test]
    fn one_too_many_at_once_and_a_rate_a_little_too_high_are_found() {
        let at_once = check(&limit(), &begun(std::iter::repeat_n(7, 31)));
        assert_eq!(at_once, Some(Violation::TooFast { lane: "sms".into(), count: 31, within_ms: 0, allowed: 30 }));
        assert!(matches!(check(&limit(), &begun((0..1_000).map(|n| n * 9))), Some(Violation::TooFast { .. })));
        // Late in a run that was clean until then, and of another lane.
        let late = begun((0..1_000).map(|n| n * 20).chain(std::iter::repeat_n(50_000, 31)));
        assert!(check(&limit(), &late).is_some());
        assert_eq!(check(&Limit { lane: "email".into(), ..limit() }, &late), None);
    }
}
