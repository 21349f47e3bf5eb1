use super::*;

/// The whole table, row by row; `x` marks an arrow. Columns in the order of [`StateName::ALL`].
///
/// The arrows of ARCHITECTURE section 2, and three that join two of them in one decision: an attempt that fails
/// for the moment ends `canceled`, `expired` or `held` when that was asked for, or came to pass, while it ran.
/// `held` to `expired` is a release past the time its author allowed. `queued` is `scheduled` seen from a lane.
#[rustfmt::skip]
const ARROWS: [(StateName, &str); 12] = [
    //                        sch que sen sub del und bou hel unc fai can exp
    (StateName::Scheduled,   " x   .   x   x   .   .   .   x   .   .   x   x "),
    (StateName::Queued,      " .   .   .   .   .   .   .   .   .   .   .   . "),
    (StateName::Sending,     " x   .   .   x   .   .   .   x   x   x   x   x "),
    (StateName::Submitted,   " .   .   .   .   x   x   x   .   .   .   .   . "),
    (StateName::Delivered,   " .   .   .   .   .   .   .   .   .   .   .   . "),
    (StateName::Undelivered, " .   .   .   .   .   .   .   .   .   .   .   . "),
    (StateName::Bounced,     " .   .   .   .   .   .   .   .   .   .   .   . "),
    (StateName::Held,        " x   .   .   .   .   .   .   .   .   .   x   x "),
    (StateName::Uncertain,   " x   .   .   x   .   .   .   .   .   x   x   . "),
    (StateName::Failed,      " .   .   .   .   .   .   .   .   .   .   .   . "),
    (StateName::Canceled,    " x   .   .   .   .   .   .   .   .   .   .   . "),
    (StateName::Expired,     " .   .   .   .   .   .   .   .   .   .   .   . "),
];

/// Every state that is stored.
pub(crate) const EACH_STATE: [State; 11] = [
    State::Scheduled,
    State::Sending(Claim { attempt: 1, boot: BootId(1), deadline: UnixMs(9) }),
    State::Submitted,
    State::Delivered,
    State::Undelivered,
    State::Bounced,
    State::Held,
    State::Uncertain,
    State::Failed,
    State::Canceled,
    State::Expired,
];

#[test]
fn a_state_becomes_only_what_the_table_has_an_arrow_to() {
    for ((from, row), expected) in ARROWS.into_iter().zip(StateName::ALL) {
        assert_eq!(from, expected, "rows stand in the order of the states");
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells.len(), 12);
        for (to, cell) in StateName::ALL.into_iter().zip(cells) {
            assert_eq!(from.can_become(to), cell == "x", "{from} to {to}");
        }
    }
}

#[test]
fn a_final_state_is_only_refined_or_undone() {
    for from in StateName::ALL {
        assert_eq!(from.is_final(), !from.is_pending(), "{from}");
        let next: Vec<_> = StateName::ALL.into_iter().filter(|to| from.can_become(*to)).collect();
        if from.is_final() {
            let is_receipt =
                |to: &StateName| matches!(to, StateName::Delivered | StateName::Undelivered | StateName::Bounced);
            let is_undo = from == StateName::Canceled && next == [StateName::Scheduled];
            assert!(next.iter().all(is_receipt) || is_undo, "{from} to {next:?}");
        } else if from != StateName::Queued {
            assert!(next.contains(&StateName::Canceled), "what is pending can be cancelled: {from}");
        }
    }
}

#[test]
fn indexes_follow_the_state() {
    use StateName as S;
    for (state, is_due_indexed, is_pending, needs_attention) in [
        (S::Scheduled, true, true, false),
        (S::Queued, true, true, false),
        (S::Sending, true, true, false),
        (S::Submitted, false, false, false),
        (S::Delivered, false, false, false),
        (S::Undelivered, false, false, false),
        (S::Bounced, false, false, false),
        (S::Held, false, true, true),
        (S::Uncertain, false, true, true),
        (S::Failed, false, false, true),
        (S::Canceled, false, false, false),
        (S::Expired, false, false, false),
    ] {
        let found = (state.is_due_indexed(), state.is_pending(), state.needs_attention());
        assert_eq!(found, (is_due_indexed, is_pending, needs_attention), "{state}");
    }
}

#[test]
fn a_state_is_spelled_as_the_api_spells_it() {
    let names =
        "scheduled queued sending submitted delivered undelivered bounced held uncertain failed canceled expired";
    let spelled: Vec<_> = StateName::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(spelled.join(" "), names);
    for state in StateName::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
    }
    assert!("Scheduled".parse::<StateName>().is_err() && "cancelled".parse::<StateName>().is_err());
}

#[test]
fn every_stored_state_has_its_own_name() {
    let names: std::collections::BTreeSet<_> = EACH_STATE.iter().map(State::name).collect();
    assert_eq!(names.len(), EACH_STATE.len());
    assert!(!names.contains(&StateName::Queued), "queued is never stored");
}

#[test]
fn classes_are_spelled_and_stored_alike() {
    for class in Class::ALL {
        assert_eq!(Class::from_byte(class as u8), Some(class));
        assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{}\"", class.name()));
    }
    assert_eq!(Class::from_byte(3), None);
    assert!(Class::ALL.is_sorted(), "most urgent first");
}

#[test]
fn content_knows_its_size_and_hides_its_text() {
    let content = Content { subject: Some("ab".into()), text: Some("ü".into()), html: None, render: true };
    assert_eq!(content.len(), 4);
    assert!(!content.is_empty() && Content::default().is_empty());
    assert_eq!(format!("{content:?}"), "Content(redacted)");
    let blob = StoredContent::Blob { subject: Some("ab".into()) };
    assert_eq!((blob.subject(), StoredContent::Inline(content).subject()), (Some("ab"), Some("ab")));
}
