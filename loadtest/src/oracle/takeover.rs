//! I5: whether a node went on after another one had taken its partitions over.

use super::{Superseded, Violation};

/// Everything that it did since.
pub(super) fn check(node: &Superseded) -> Vec<Violation> {
    let found = |what, token: Option<&String>, at_ms: i64| {
        let by_ms = at_ms - node.since_ms;
        (by_ms > 0).then(|| Violation::AfterTakeover { what, token: token.cloned(), by_ms })
    };
    let begun = node.begun.iter().filter_map(|begun| found("hand-over", begun.token.as_ref(), begun.at_ms));
    let said = node.acknowledged.iter().filter_map(|(token, at_ms)| found("acknowledgement", Some(token), *at_ms));
    begun.chain(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Begun;

    #[test]
    fn what_a_node_does_after_it_was_taken_over_is_found_and_what_it_did_before_is_not() {
        let begun = |at_ms| Begun { token: Some("t".into()), lane: "email".into(), at_ms };
        let mut node = Superseded { since_ms: 1_000, begun: vec![begun(1_000)], acknowledged: vec![("u".into(), 900)] };
        assert_eq!(check(&node), []);
        node.begun.push(begun(1_001));
        node.acknowledged.push(("v".into(), 1_200));
        let after = |what, token: &str, by_ms| Violation::AfterTakeover { what, token: Some(token.into()), by_ms };
        assert_eq!(check(&node), [after("hand-over", "t", 1), after("acknowledgement", "v", 200)]);
    }
}
