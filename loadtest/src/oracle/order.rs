//! I7: whether messages of one contact in one lane were first attempted in the order of their due times.

use std::collections::HashMap;

use super::{Evidence, Scheduled, Violation};

/// Judges each message against those of its contact and lane that are due later.
///
/// A message with a second attempt is let off: its first one may have died with a connection before a sink saw it. So
/// is one that was not there yet when the later one was due or (before the node's clock was set back) went, and two that
/// are due at once.
pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut first: HashMap<&str, i64> = HashMap::new();
    for begun in &evidence.begun {
        let Some(token) = &begun.token else { continue };
        first.entry(token).and_modify(|at| *at = begun.at_ms.min(*at)).or_insert(begun.at_ms);
    }
    let mut groups: HashMap<(&str, &str), Vec<(&Scheduled, i64)>> = HashMap::new();
    for message in &evidence.journal.scheduled {
        if let Some(at) = first.get(message.token.as_str()) {
            groups.entry((&message.contact, &message.lane)).or_default().push((message, *at));
        }
    }
    let mut violations = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|(message, _)| message.due_at_ms);
        for (n, (message, at)) in group.iter().enumerate() {
            let once = |standing: &super::Standing| {
                standing.attempts <= 1 && standing.due_at_ms.is_none_or(|due| due == message.due_at_ms)
            };
            if !evidence.standings.get(&message.id).is_some_and(once) {
                continue;
            }
            let overtaker = group[n + 1..].iter().find(|(later, later_at)| {
                later.due_at_ms > message.due_at_ms
                    && message.acked_at_ms + evidence.ahead(message.acked_at_ms) < later.due_at_ms
                    && message.acked_at_ms < *later_at
                    && later_at < at
            });
            violations.extend(overtaker.map(|(later, _)| Violation::OutOfOrder {
                token: message.token.clone(),
                overtaken_by: later.token.clone(),
            }));
        }
    }
    violations.sort_by(|one, other| format!("{one:?}").cmp(&format!("{other:?}")));
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Begun, Standing};

    /// Two messages of one contact, the second due a second later; begun at these times.
    fn run(first_at: i64, second_at: i64) -> Evidence {
        let mut evidence = Evidence::default();
        for (token, due_at_ms, at_ms) in [("a", 1_000, first_at), ("b", 2_000, second_at)] {
            evidence.journal.scheduled.push(Scheduled {
                token: token.into(),
                id: token.into(),
                contact: "c".into(),
                due_at_ms,
                lane: "sms".into(),
                acked_at_ms: 500,
            });
            evidence.begun.push(Begun { token: Some(token.into()), lane: "sms".into(), at_ms });
            let standing = Standing { attempts: 1, due_at_ms: Some(due_at_ms), ..Standing::default() };
            evidence.standings.insert(token.into(), standing);
        }
        evidence
    }

    #[test]
    fn one_that_was_overtaken_is_found() {
        assert_eq!(check(&run(2_001, 2_002)), []);
        let found = Violation::OutOfOrder { token: "a".into(), overtaken_by: "b".into() };
        assert_eq!(check(&run(2_002, 2_001)), [found]);
    }

    #[test]
    fn another_lane_a_second_attempt_a_late_schedule_and_a_deferred_one_are_let_off() {
        let changes: [fn(&mut Evidence); 5] = [
            |evidence| evidence.journal.scheduled[0].lane = "email".into(),
            |evidence| evidence.standings.get_mut("a").unwrap().attempts = 2,
            |evidence| evidence.journal.scheduled[0].acked_at_ms = 2_000,
            |evidence| evidence.standings.get_mut("a").unwrap().due_at_ms = Some(1_500),
            |evidence| evidence.begun[1].at_ms = 500,
        ];
        for change in changes {
            let mut evidence = run(2_002, 2_001);
            change(&mut evidence);
            assert_eq!(check(&evidence), []);
        }
    }
}
