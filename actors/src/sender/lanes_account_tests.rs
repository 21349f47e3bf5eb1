//! What limits on accounts do to their lanes, rule by rule.

use std::time::Duration;

use super::lanes::{LaneConfig, Lanes, Next, Release, Renewal};
use super::lanes_tests::{admit, config, drain, lanes, ms, permit};
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::reason::LaneReason;
use crate::domain::ticket::fixtures::ticket;

const ONE_A_SECOND: Limit = Limit { rate: 1, per: Duration::from_secs(1), burst: 1 };

fn limit(lanes: &mut Lanes, account: u32, limit: Option<Limit>, now: u64) {
    lanes.set_account_limits(limit.map(|limit| (AccountNo(account), limit)).into_iter(), ms(now));
}

#[test]
fn an_account_at_its_limit_waits_with_all_its_lanes_and_delays_no_other() {
    let mut lanes = lanes();
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 0);
    let mut tickets: Vec<_> = (0..1_000).map(|n| ticket(n, 10).in_lane(100 + n, 1)).collect();
    tickets.extend((1_000..1_010).map(|n| ticket(n, 20).in_lane(1, 2)));
    admit(&mut lanes, &tickets);
    assert_eq!(drain(&mut lanes, ms(0)), (1_000..1_010).collect::<Vec<_>>());
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(1_000)), "a new account's bucket starts without a burst");
    assert_eq!(lanes.why(tickets[5].message, LaneNo(105), ms(0)), Some(LaneReason::RateLimited));
    for n in 0..5 {
        let now = ms(1_000 * (n + 1));
        assert_eq!(drain(&mut lanes, now), [n], "its lanes take turns, each from where the last one was");
        assert_eq!(lanes.next(now), Next::WaitUntil(ms(1_000 * (n + 2))));
        assert!(
            lanes
                .status(now)
                .iter()
                .filter(|lane| lane.account == AccountNo(1))
                .skip(5)
                .all(|lane| { lane.next_at == Some(ms(1_000 * (n + 2))) })
        );
    }
}

#[test]
fn accounts_are_limited_each_for_itself() {
    let mut lanes = lanes();
    let limits = [(AccountNo(1), ONE_A_SECOND), (AccountNo(2), Limit { rate: 2, ..ONE_A_SECOND })];
    lanes.set_account_limits(limits.into_iter(), ms(0));
    let tickets: Vec<_> = (0..20).map(|n| ticket(n, 10).in_lane(1 + n % 2, 1 + n % 2)).collect();
    admit(&mut lanes, &tickets);
    for (at, expected) in [(500, vec![1]), (1_000, vec![0, 3]), (1_500, vec![5]), (2_000, vec![2, 7])] {
        let mut sent = drain(&mut lanes, ms(at));
        sent.sort_unstable();
        assert_eq!(sent, expected, "at {at}");
    }
}

#[test]
fn nothing_is_taken_of_a_lane_while_its_account_is_closed() {
    let mut lanes = lanes();
    lanes.configure(config(1, Some(ONE_A_SECOND)), ms(0));
    limit(&mut lanes, 1, Some(Limit { per: Duration::from_secs(10), ..ONE_A_SECOND }), 0);
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 10)]);
    assert_eq!(lanes.next(ms(1_000)), Next::WaitUntil(ms(10_000)));
    assert_eq!(drain(&mut lanes, ms(10_000)), [1]);
    // The lane's own bucket would have let it go at 11 s.
    assert_eq!(lanes.next(ms(11_000)), Next::WaitUntil(ms(20_000)));
}

#[test]
fn an_unused_permit_opens_its_account_again_and_a_spent_one_is_charged_its_true_cost() {
    let mut lanes = lanes();
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 0);
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 10).in_lane(2, 1), ticket(3, 10).in_lane(2, 1)]);
    let first = permit(&mut lanes, ms(1_000));
    assert_eq!(lanes.next(ms(1_000)), Next::WaitUntil(ms(2_000)));
    lanes.release(first.id, Release::Unused, ms(1_000));
    let second = permit(&mut lanes, ms(1_000));
    lanes.release(second.id, Release::Spent { cost: 3 }, ms(1_000));
    assert_eq!(lanes.next(ms(2_000)), Next::WaitUntil(ms(4_000)));
    assert_eq!(drain(&mut lanes, ms(4_000)), [3]);
}

#[test]
fn an_old_permit_is_renewed_only_at_a_moment_of_its_account() {
    let mut lanes = lanes();
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 0);
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 10).in_lane(2, 1)]);
    let first = permit(&mut lanes, ms(1_000));
    let second = permit(&mut lanes, ms(2_000));
    assert_eq!(lanes.renew(first.id, ms(2_000), ms(2_500)), Renewal::Refused, "the account's moment is the other's");
    assert_eq!(lanes.renew(second.id, ms(2_000), ms(2_500)), Renewal::Slot(ms(2_000)));
    limit(&mut lanes, 1, Some(Limit { rate: 2, ..ONE_A_SECOND }), 2_000);
    assert_eq!(lanes.renew(second.id, ms(2_000), ms(3_000)), Renewal::Slot(ms(2_500)), "tokens of another limit");
}

#[test]
fn a_changed_limit_holds_at_once_and_without_one_the_account_goes_on() {
    let mut lanes = lanes();
    limit(&mut lanes, 1, Some(Limit { per: Duration::from_secs(3_600), ..ONE_A_SECOND }), 0);
    let tickets: Vec<_> = (0..6).map(|n| ticket(n, 10).in_lane(n, 1)).collect();
    admit(&mut lanes, &tickets);
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(3_600_000)));
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 0);
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(1_000)));
    assert_eq!(drain(&mut lanes, ms(1_000)), [0]);
    limit(&mut lanes, 1, None, 1_000);
    assert_eq!(drain(&mut lanes, ms(1_000)).len(), 5);
}

#[test]
fn a_person_s_message_goes_next_when_its_account_opens() {
    let mut lanes = lanes();
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 0);
    let campaign: Vec<_> = (0..100).map(|n| ticket(n, 10).with_class(Class::Campaign)).collect();
    admit(&mut lanes, &campaign);
    assert_eq!(drain(&mut lanes, ms(1_000)), [0]);
    admit(&mut lanes, &[ticket(500, 900).with_class(Class::Conversation)]);
    assert_eq!(drain(&mut lanes, ms(2_000)), [500]);
}

#[test]
fn a_lane_that_leaves_a_blocked_account_goes_on_in_its_new_one() {
    let mut lanes = lanes();
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 0);
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 10)]);
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(1_000)));
    lanes.configure(LaneConfig { account: AccountNo(2), ..config(1, None) }, ms(0));
    assert_eq!(drain(&mut lanes, ms(0)), [1, 2]);
    admit(&mut lanes, &[ticket(3, 10).in_lane(3, 1)]);
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(1_000)), "the account waits all the same");
    assert_eq!(drain(&mut lanes, ms(1_000)), [3]);
    assert_eq!(lanes.next(ms(1_000)), Next::Idle);
}

#[test]
fn a_permit_of_a_limit_that_was_taken_away_is_charged_to_the_one_that_was_set_since() {
    let mut lanes = lanes();
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 0);
    admit(&mut lanes, &[ticket(1, 10)]);
    let early = permit(&mut lanes, ms(1_000));
    limit(&mut lanes, 1, None, 1_050);
    limit(&mut lanes, 1, Some(ONE_A_SECOND), 1_100);
    assert_eq!(lanes.renew(early.id, ms(1_200), ms(10_000)), Renewal::Slot(ms(2_100)));
}

#[test]
fn a_permit_that_is_renewed_for_an_earlier_moment_gives_its_lane_that_moment_back() {
    let mut lanes = lanes();
    let a_second = |rate| Limit { rate, per: Duration::from_secs(1), burst: 1 };
    lanes.configure(config(1, Some(a_second(4))), ms(0));
    lanes
        .set_account_limits([(AccountNo(1), Limit { per: Duration::from_secs(10), ..a_second(1) })].into_iter(), ms(0));
    lanes.set_lead(Duration::from_secs(11));
    admit(&mut lanes, &[ticket(1, 1), ticket(2, 1)]);
    let first = permit(&mut lanes, ms(0));
    assert_eq!(first.slot, ms(10_000), "the account's first moment");
    lanes.set_lead(Duration::ZERO);
    assert_eq!(lanes.next(ms(1)), Next::WaitUntil(ms(10_250)), "the lane's next one is behind it");
    limit(&mut lanes, 1, Some(a_second(10)), 2);
    assert_eq!(lanes.renew(first.id, ms(2), ms(9_000)), Renewal::Slot(ms(250)));
    assert_eq!(lanes.next(ms(2)), Next::WaitUntil(ms(500)), "behind that one's new moment");
}
