use super::*;

/// A run with one acknowledged message, due at 1,000, handed over at 1,010, settled; asked at 100,000.
fn good() -> Evidence {
    let mut evidence = Evidence { asked_at_ms: 100_000, grace_ms: 5_000, ..Evidence::default() };
    evidence.journal.scheduled.push(Scheduled {
        token: "t".into(),
        id: "msg_t".into(),
        contact: "contact_c".into(),
        due_at_ms: 1_000,
        lane: "sms".into(),
        acked_at_ms: 500,
    });
    evidence.handovers.push(handover(1_010));
    evidence.standings.insert("msg_t".into(), standing("submitted", 1, 0));
    evidence
}

fn handover(started_at_ms: i64) -> Handover {
    Handover { token: "t".into(), identity: Some("id".into()), started_at_ms }
}

fn standing(state: &str, attempts: usize, unknown: usize) -> Standing {
    Standing { state: state.into(), due_at_ms: Some(1_000), attempts, unknown_attempts: Some(unknown) }
}

fn set_state(evidence: &mut Evidence, state: &str) {
    evidence.standings.insert("msg_t".into(), standing(state, 0, 0));
}

fn violations(evidence: &Evidence) -> Vec<Violation> {
    check(evidence).violations
}

#[test]
fn a_message_sent_once_in_time_is_clean() {
    let report = check(&good());
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.acknowledged, report.handed_over, report.explained_duplicates), (1, 1, 0));
    assert_eq!(report.by_state["submitted"], 1);
}

#[test]
fn a_hand_over_before_its_due_time_is_found() {
    let mut evidence = good();
    evidence.handovers[0].started_at_ms = 999;
    assert_eq!(violations(&evidence), [Violation::Early { token: "t".into(), by_ms: 1 }]);
}

#[test]
fn an_acknowledged_message_that_the_api_does_not_know_is_lost() {
    let mut evidence = good();
    evidence.handovers.clear();
    evidence.standings.clear();
    assert_eq!(violations(&evidence), [Violation::Lost { token: "t".into(), state: None }]);
}

#[test]
fn a_message_still_scheduled_after_its_grace_is_lost_but_not_before() {
    for state in ["scheduled", "queued", "sending"] {
        let mut evidence = good();
        evidence.handovers.clear();
        set_state(&mut evidence, state);
        assert_eq!(violations(&evidence), [Violation::Lost { token: "t".into(), state: Some(state.into()) }]);
        evidence.asked_at_ms = 6_000;
        assert_eq!(violations(&evidence), []);
    }
}

#[test]
fn a_message_deferred_to_a_later_time_is_not_lost() {
    let mut evidence = good();
    evidence.handovers.clear();
    evidence.standings.insert("msg_t".into(), Standing { due_at_ms: Some(99_000), ..standing("scheduled", 1, 0) });
    assert_eq!(violations(&evidence), []);
}

#[test]
fn a_message_held_uncertain_failed_or_expired_is_not_lost() {
    for state in ["held", "uncertain", "failed", "expired"] {
        let mut evidence = good();
        evidence.handovers.clear();
        set_state(&mut evidence, state);
        assert_eq!(violations(&evidence), [], "{state}");
    }
}

#[test]
fn a_message_canceled_without_anybody_asking_is_lost() {
    let mut evidence = good();
    evidence.handovers.clear();
    set_state(&mut evidence, "canceled");
    assert_eq!(violations(&evidence), [Violation::Lost { token: "t".into(), state: Some("canceled".into()) }]);
    evidence.journal.stops.insert("t".into(), Stop::Canceled { acked_at_ms: 900 });
    assert_eq!(violations(&evidence), []);
}

#[test]
fn a_message_that_claims_to_be_sent_and_never_arrived_is_a_phantom() {
    let mut evidence = good();
    evidence.handovers.clear();
    assert_eq!(violations(&evidence), [Violation::Phantom { token: "t".into(), state: "submitted".into() }]);
}

#[test]
fn a_hand_over_that_was_never_settled_is_found() {
    let mut evidence = good();
    set_state(&mut evidence, "sending");
    assert_eq!(violations(&evidence), [Violation::Unsettled { token: "t".into(), state: Some("sending".into()) }]);
}

#[test]
fn a_hand_over_after_an_acknowledged_cancel_is_found() {
    let mut evidence = good();
    evidence.journal.stops.insert("t".into(), Stop::Canceled { acked_at_ms: 1_009 });
    assert_eq!(violations(&evidence), [Violation::AfterStop { token: "t".into(), by_ms: 1 }]);
    // Begun before the client had its answer: the order cannot be told from outside.
    evidence.journal.stops.insert("t".into(), Stop::Canceled { acked_at_ms: 1_010 });
    assert_eq!(violations(&evidence), []);
}

#[test]
fn after_already_handed_over_only_the_attempt_under_way_may_arrive() {
    let mut evidence = good();
    evidence.journal.stops.insert("t".into(), Stop::AlreadyHandedOver { acked_at_ms: 1_005 });
    assert_eq!(violations(&evidence), []);
    evidence.handovers.push(handover(1_500));
    evidence.standings.insert("msg_t".into(), standing("submitted", 2, 1));
    assert_eq!(violations(&evidence), [Violation::AfterStop { token: "t".into(), by_ms: 495 }]);
}

#[test]
fn a_hand_over_after_the_contact_was_deleted_is_found_and_its_absence_is_not_a_loss() {
    let mut evidence = good();
    evidence.journal.deleted_contacts.insert("contact_c".into(), 1_000);
    evidence.standings.clear();
    assert_eq!(violations(&evidence), [Violation::AfterStop { token: "t".into(), by_ms: 10 }]);
    evidence.handovers.clear();
    assert_eq!(violations(&evidence), []);
}

#[test]
fn a_second_hand_over_needs_an_unknown_outcome_and_the_same_identity() {
    let mut evidence = good();
    evidence.handovers.push(handover(2_000));
    let found =
        |same_identity, explained| vec![Violation::Duplicate { token: "t".into(), times: 2, same_identity, explained }];
    assert_eq!(violations(&evidence), found(true, 0));

    evidence.standings.insert("msg_t".into(), standing("submitted", 2, 1));
    let report = check(&evidence);
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.explained_duplicates, 1);

    evidence.handovers[1].identity = Some("other".into());
    assert_eq!(violations(&evidence), found(false, 1));
}

#[test]
fn a_second_hand_over_of_a_contact_that_was_deleted_later_needs_what_was_shown_before() {
    let mut evidence = good();
    evidence.handovers.push(handover(2_000));
    evidence.standings.clear();
    evidence.journal.deleted_contacts.insert("contact_c".into(), 3_000);
    assert!(matches!(violations(&evidence)[..], [Violation::Duplicate { explained: 0, .. }]));
    evidence.journal.seen_before_deletion.insert("msg_t".into(), standing("sending", 2, 1));
    assert_eq!(violations(&evidence), []);
    evidence.handovers[1].identity = Some("other".into());
    assert!(matches!(violations(&evidence)[..], [Violation::Duplicate { same_identity: false, .. }]));
}

#[test]
fn a_clock_that_was_set_is_what_messages_are_due_by() {
    let mut evidence = good();
    evidence.handovers[0].started_at_ms = 900;
    assert_eq!(violations(&evidence).len(), 1);
    // Set ahead, and seen so until a little after it is set back.
    evidence.clock = vec![(800, 150), (850, 0)];
    assert_eq!(violations(&evidence), []);
    evidence.clock = vec![(-9_000, 150), (-5_000, 0)];
    assert_eq!(violations(&evidence).len(), 1);
    // Set behind, what is due comes later.
    let mut evidence = good();
    (evidence.handovers, evidence.asked_at_ms) = (Vec::new(), 6_500);
    set_state(&mut evidence, "scheduled");
    assert_eq!(violations(&evidence).len(), 1);
    evidence.clock = vec![(0, -1_000)];
    assert_eq!(violations(&evidence), []);
}

#[test]
fn where_only_the_number_of_attempts_is_shown_one_of_them_is_no_explanation() {
    let mut evidence = good();
    evidence.handovers.push(handover(2_000));
    let shown = |attempts| Standing { unknown_attempts: None, ..standing("submitted", attempts, 0) };
    evidence.standings.insert("msg_t".into(), shown(1));
    assert_eq!(violations(&evidence).len(), 1);
    evidence.standings.insert("msg_t".into(), shown(2));
    assert_eq!(violations(&evidence), []);
}

#[test]
fn what_nobody_tried_to_schedule_is_found_and_an_unanswered_schedule_is_not() {
    let mut evidence = good();
    evidence.handovers.push(Handover { token: "stranger".into(), identity: None, started_at_ms: 5 });
    assert_eq!(violations(&evidence), [Violation::Unknown { token: "stranger".into() }]);
    evidence.journal.unanswered.push("stranger".into());
    assert_eq!(violations(&evidence), []);
}
