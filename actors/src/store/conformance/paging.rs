//! Reading ranges: cursors in and out of the index, both directions, many equal scores.

use super::*;

/// Scores with several members each, among them members that share beginnings and use high bytes, which
/// a comparison by locale or as signed bytes would put elsewhere.
fn entries() -> Vec<Entry> {
    let members: [&[u8]; 9] = [b"A", b"a", b"aa", b"ab", b"b", b"\x00", b"\x7f", b"\x80", b"\xff\xfe"];
    let mut entries = Vec::new();
    for (at, score) in [0, 1, 5, 1_800_000_000_000, 1_800_000_000_001].into_iter().enumerate() {
        for bytes in &members[at..] {
            // A member stands once in an index.
            entries.push(entry(score, &[bytes, &[at as u8][..]].concat()));
        }
    }
    entries.sort();
    entries
}

/// What the contract says, over a sorted list.
fn expected(all: &[Entry], query: &RangeQuery) -> Vec<Entry> {
    let after = query.after.as_ref();
    if query.descending {
        let before = all.iter().rev().filter(|entry| after.is_none_or(|after| *entry < after));
        before.filter(|entry| entry.score <= query.to).take(query.limit).cloned().collect()
    } else {
        let behind = all.iter().filter(|entry| after.is_none_or(|after| *entry > after));
        behind.filter(|entry| entry.score <= query.to).take(query.limit).cloned().collect()
    }
}

pub(super) async fn every_cursor_reads_on_where_it_points<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    let all = entries();
    let indexed = all.iter().map(|entry| Mutation::Index(Index::Due, entry.score, entry.member.clone()));
    store.commit(&mut head, batch(indexed)).await.unwrap();

    let mut cursors: Vec<Option<Entry>> = vec![None];
    for score in [-1, 0, 1, 2, 5, 6, 1_800_000_000_000, 1_800_000_000_001, 1_900_000_000_000] {
        for bytes in [&b""[..], b"\x00", b"A\x00", b"a", b"aa\x01", b"aaa", b"b\x03", b"\x80\x01", b"\xff\xff"] {
            cursors.push(Some(entry(score, bytes)));
        }
    }
    cursors.extend(all.iter().cloned().map(Some));
    let mut queries = Vec::new();
    for after in cursors {
        for to in [0, 1, 3, 1_800_000_000_000, UnixMs::MAX.0] {
            for limit in [0, 1, 3, 100] {
                for descending in [false, true] {
                    let after = after.clone();
                    queries.push(RangeQuery { after, to: UnixMs(to), limit, descending, ..whole(3, Index::Due) });
                }
            }
        }
    }
    for (query, found) in queries.iter().zip(store.ranges(&queries).await.unwrap()) {
        assert_eq!(found, expected(&all, query), "{query:?}");
    }
}

pub(super) async fn a_hundred_thousand_equal_scores_page_without_gap_or_repeat<B: Backend>() {
    const COUNT: u32 = 100_000;
    const STEP: u32 = 5_000;
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    let score = 1_800_000_000_000;
    for start in (0..COUNT).step_by(STEP as usize) {
        let entries = (start..start + STEP).map(|no| index(score, &no.to_be_bytes()));
        store.commit(&mut head, batch(entries)).await.unwrap();
    }
    store.commit(&mut head, batch([index(score - 1, b"before"), index(score + 1, b"past")])).await.unwrap();
    for descending in [false, true] {
        let mut after = Some(if descending { entry(score + 1, b"") } else { entry(score, b"") });
        let mut seen = Vec::new();
        while seen.len() < COUNT as usize {
            let query = RangeQuery { after, to: UnixMs(score), limit: 7_001, descending, ..whole(3, Index::Due) };
            let page = range(&store, query).await;
            assert!(!page.is_empty());
            assert!(page.len() <= 7_001);
            let last = page.last().unwrap().clone();
            seen.extend(page.into_iter().filter(|entry| entry.score == UnixMs(score)).map(|entry| entry.member));
            if descending && last.score < UnixMs(score) {
                break;
            }
            // Every second cursor is taken out of the index first: it reads on all the same.
            if seen.len() % 2 == 0 {
                let out = Mutation::Unindex(Index::Due, last.score, last.member.clone());
                let back = Mutation::Index(Index::Due, last.score, last.member.clone());
                store.commit(&mut head, batch([out])).await.unwrap();
                let query = RangeQuery {
                    after: Some(last.clone()),
                    to: UnixMs(score),
                    limit: 1,
                    descending,
                    ..whole(3, Index::Due)
                };
                let next = range(&store, query).await;
                store.commit(&mut head, batch([back])).await.unwrap();
                if let Some(next) = next.first().filter(|next| next.score == UnixMs(score)) {
                    let no = |member: &[u8]| u32::from_be_bytes(member.try_into().unwrap());
                    assert_eq!(no(&next.member).abs_diff(no(&last.member)), 1);
                }
            }
            after = Some(last);
        }
        let mut expected: Vec<Member> = (0..COUNT).map(|no| member(&no.to_be_bytes())).collect();
        if descending {
            expected.reverse();
        }
        assert!(seen == expected, "every entry once, in order");
    }
    assert_eq!(store.count(Partition(3), Index::Due, 1_000_000).await.unwrap(), COUNT as usize + 2);
    assert_eq!(store.count(Partition(3), Index::Due, 500).await.unwrap(), 500);
}

pub(super) async fn a_range_from_the_start_finds_what_came_before_the_last_find<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    let entries = |scores: std::ops::Range<i64>| scores.map(|score| index(score, &score.to_be_bytes()));
    store.commit(&mut head, batch(entries(100..200))).await.unwrap();
    assert_eq!(due(&store, 3).await.len(), 100);
    let sent = (100..150).map(|score| unindex(score, &i64::to_be_bytes(score)));
    store.commit(&mut head, batch(sent)).await.unwrap();
    assert_eq!(due(&store, 3).await[0].score, UnixMs(150));
    assert_eq!(due(&store, 3).await.len(), 50, "again, from where the first one was found");
    store.commit(&mut head, batch(entries(120..121))).await.unwrap();
    assert_eq!(due(&store, 3).await[0].score, UnixMs(120));
    store.commit(&mut head, batch(entries(-5..-4))).await.unwrap();
    assert_eq!(due(&store, 3).await[0].score, UnixMs(-5));
    let nothing = RangeQuery { to: UnixMs(-6), ..whole(3, Index::Due) };
    assert_eq!(range(&store, nothing).await, []);
    assert_eq!(due(&store, 3).await.len(), 52);
}
