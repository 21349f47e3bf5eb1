//! Which waiting decisions go into the next batch: pure.

use std::collections::VecDeque;

use crate::store::{AddressHint, Batch, Counter, Mutation};

/// One decision's share of a batch. Never split over two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) mutations: Vec<Mutation>,
    pub(super) is_growth: bool,
    pub(super) hints_to_add: Vec<AddressHint>,
    pub(super) hints_to_remove: Vec<AddressHint>,
}

/// What is committed together.
#[derive(Debug, Default)]
pub(super) struct Group<R> {
    pub(super) batch: Batch,
    pub(super) hints_to_add: Vec<AddressHint>,
    pub(super) hints_to_remove: Vec<AddressHint>,
    pub(super) requesters: Vec<R>,
    /// By how much the partition's pending messages change.
    pub(super) pending: i64,
}

/// Takes the longest run of decisions from the front that fits one batch. Growth and the rest never mix,
/// since growth alone is refused when space runs out; order is kept, so a run ends where the kind changes.
pub(super) fn next_group<R>(queue: &mut VecDeque<(Share, R)>) -> Option<Group<R>> {
    let is_growth = queue.front()?.0.is_growth;
    let mut group = Group {
        batch: Batch::default(),
        hints_to_add: vec![],
        hints_to_remove: vec![],
        requesters: vec![],
        pending: 0,
    };
    group.batch.is_growth = is_growth;
    let mut bytes = 0;
    let mut counters: Vec<(Counter, i64)> = Vec::new();
    while let Some((share, _)) = queue.front() {
        let more: usize = share.mutations.iter().map(Mutation::len).sum();
        let fits = group.batch.mutations.len() + share.mutations.len() <= Batch::MAX_MUTATIONS
            && bytes + more <= Batch::MAX_BYTES;
        // A decision that is larger than a batch may be goes alone: it is never split.
        if share.is_growth != is_growth || !(fits || group.requesters.is_empty()) {
            break;
        }
        bytes += more;
        let (share, requester) = queue.pop_front().expect("the front was just looked at");
        for mutation in share.mutations {
            match mutation {
                Mutation::Add(counter, by) => match counters.iter_mut().find(|(known, _)| *known == counter) {
                    Some((_, sum)) => *sum += by,
                    None => counters.push((counter, by)),
                },
                other => group.batch.mutations.push(other),
            }
        }
        // All that is added goes before all that is removed: what comes back in the same group is not removed.
        group.hints_to_remove.retain(|gone| !share.hints_to_add.contains(gone));
        group.hints_to_add.extend(share.hints_to_add);
        group.hints_to_remove.extend(share.hints_to_remove);
        group.requesters.push(requester);
    }
    group.pending = counters.iter().find(|(counter, _)| *counter == Counter::Pending).map_or(0, |(_, by)| *by);
    group
        .batch
        .mutations
        .extend(counters.into_iter().filter(|(_, by)| *by != 0).map(|(counter, by)| Mutation::Add(counter, by)));
    Some(group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::{Address, Channel};
    use crate::domain::ids::{AccountNo, ContactId};
    use crate::store::Table;

    fn share(mutations: usize, is_growth: bool) -> Share {
        let put = || Mutation::Put(Table::Message, smallvec::smallvec![1], bytes::Bytes::from_static(b"x"));
        Share { mutations: (0..mutations).map(|_| put()).collect(), is_growth, ..Share::default() }
    }

    fn queue(shares: impl IntoIterator<Item = Share>) -> VecDeque<(Share, usize)> {
        shares.into_iter().enumerate().map(|(number, share)| (share, number)).collect()
    }

    #[test]
    fn a_batch_takes_whole_decisions_up_to_its_bound() {
        let mut queue = queue([share(200, true), share(50, true), share(10, true)]);
        let group = next_group(&mut queue).unwrap();
        assert_eq!((group.batch.mutations.len(), group.requesters), (250, vec![0, 1]));
        assert_eq!(next_group(&mut queue).unwrap().requesters, [2]);
        assert!(next_group(&mut queue).is_none());
    }

    #[test]
    fn a_decision_larger_than_a_batch_goes_alone_and_whole() {
        let mut queue = queue([share(300, false), share(1, false)]);
        assert_eq!(next_group(&mut queue).unwrap().batch.mutations.len(), 300);
        assert_eq!(next_group(&mut queue).unwrap().requesters, [1]);
    }

    #[test]
    fn growth_and_settling_never_share_a_batch_and_keep_their_order() {
        let mut queue = queue([share(1, true), share(1, false), share(1, true)]);
        let groups: Vec<_> = std::iter::from_fn(|| next_group(&mut queue)).collect();
        assert_eq!(groups.iter().map(|group| group.batch.is_growth).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn an_address_that_goes_and_comes_back_in_one_group_is_found() {
        let hint = |contact: u8| AddressHint {
            account: AccountNo(1),
            address: Address::parse(Channel::Sms, "+12125550123").unwrap(),
            contact: ContactId::from_bytes([contact; 16]),
        };
        let adds = |contact| Share { hints_to_add: vec![hint(contact)], ..Share::default() };
        let removes = |contact| Share { hints_to_remove: vec![hint(contact)], ..Share::default() };
        let mut queue = queue([removes(1), removes(2), adds(1), adds(3), removes(3)]);
        let group = next_group(&mut queue).unwrap();
        assert_eq!(group.hints_to_add, [hint(1), hint(3)]);
        assert_eq!(group.hints_to_remove, [hint(2), hint(3)]);
    }

    #[test]
    fn counters_of_a_batch_are_added_up() {
        let add = |by| Share { mutations: vec![Mutation::Add(Counter::Pending, by)], ..Share::default() };
        let mut queue = queue([add(1), add(1), add(-3), add(1)]);
        let group = next_group(&mut queue).unwrap();
        assert_eq!((group.pending, group.batch.mutations.len()), (0, 0));
    }
}
