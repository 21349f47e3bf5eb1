//! Lists and cursors: nothing twice, nothing missing, in the order that is promised.

use std::collections::HashSet;

use sendwheel_loadtest::{wait, wall, workload};
use serde_json::{Value, json};

use super::super::stage::PATIENCE;
use super::{DAY_MS, Desk, id_of, sms_in, texts};

/// The texts of a list, which must all differ.
#[track_caller]
fn distinct(items: &[Value]) -> HashSet<String> {
    let ids: HashSet<_> = items.iter().map(|item| id_of(item).to_owned()).collect();
    assert_eq!(ids.len(), items.len(), "an item came twice");
    ids
}

#[tokio::test]
async fn a_list_read_page_by_page_has_every_message_once_in_due_order() {
    const MESSAGES: usize = 230;
    let desk = Desk::start(23).await;
    // Many share a due time: a cursor that knows only the time would lose or repeat them.
    let due = wall::now_ms() + DAY_MS;
    let lines: Vec<_> = (0..MESSAGES)
        .map(|n| {
            let message = workload::sms(&workload::token("list", n), due + i64::try_from(n / 50).unwrap() * 1_000);
            workload::for_contact(message, desk.contact(n))
        })
        .collect();
    let made: HashSet<_> =
        desk.client.batch(&lines).await.unwrap().into_iter().map(|line| line.message.unwrap().id).collect();
    assert_eq!(made.len(), MESSAGES);
    for limit in [7, 50, 500] {
        let items = desk.all_of("/v1/messages?state=scheduled", limit).await;
        assert_eq!(distinct(&items), made, "pages of {limit}");
        let dues = texts(&items, "due_at");
        assert!(dues.is_sorted(), "pages of {limit} are not in due order: {dues:?}");
    }
    // A cursor goes on where it stood, whatever happened to what was seen before.
    let first = desk.get("/v1/messages?state=scheduled&limit=100").await.expect(200);
    for message in first["data"].as_array().unwrap() {
        desk.delete(&format!("/v1/messages/{}", id_of(message))).await.expect(200);
    }
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = desk.get(&format!("/v1/messages?state=scheduled&limit=500&cursor={cursor}")).await.expect(200);
    let mut seen = distinct(first["data"].as_array().unwrap());
    seen.extend(distinct(rest["data"].as_array().unwrap()));
    assert_eq!(seen, made);
}

#[tokio::test]
async fn contacts_are_listed_and_found_page_by_page() {
    let desk = Desk::start(150).await;
    let all: HashSet<_> = desk.cast.contacts.iter().cloned().collect();
    for limit in [40, 500] {
        assert_eq!(distinct(&desk.all_of("/v1/contacts", limit).await), all);
    }
    for (wanted, n) in [("person7@example.com", 7), ("Person 149", 149)] {
        let found = desk.get(&format!("/v1/contacts?q={}", wanted.replace(' ', "%20"))).await.expect(200);
        let found = found["data"].as_array().unwrap();
        assert!(found.iter().any(|contact| id_of(contact) == desk.contact(n)), "{wanted}: {found:?}");
    }
    let clamped = desk.get("/v1/contacts?limit=100000").await.expect(200);
    assert_eq!(clamped["data"].as_array().unwrap().len(), 150);
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=ten", "/limit"),
        ("cursor=nonsense", "/cursor"),
        ("lmit=5", "/lmit"),
        ("limit=5&limit=6", "/limit"),
    ] {
        let fields = desk.get(&format!("/v1/contacts?{query}")).await.refused_fields();
        assert_eq!(fields[0].0, pointer, "{query}");
    }
}

#[tokio::test]
async fn a_thread_has_what_is_to_come_by_due_time_and_then_the_past_newest_first() {
    let desk = Desk::start(2).await;
    let mut sent = Vec::new();
    for n in 0..3 {
        let made = desk.schedule(0, &json!({"channel": "sms", "body": format!("sent {n}")})).await.expect(201);
        let path = format!("/v1/messages/{}", id_of(&made));
        wait::until("the message to go out", PATIENCE, || async {
            (desk.get(&path).await.expect(200)["state"] == "submitted").then_some(())
        })
        .await
        .unwrap();
        sent.push(id_of(&made).to_owned());
    }
    let mut pending = Vec::new();
    for days in [3, 1, 4, 2] {
        pending.push((days, id_of(&desk.scheduled(0, days).await).to_owned()));
    }
    desk.scheduled(1, 1).await;
    pending.sort();
    let canceled = pending.remove(2).1;
    desk.delete(&format!("/v1/messages/{canceled}")).await.expect(200);
    let wanted: Vec<String> =
        pending.iter().map(|(_, id)| id.clone()).chain([canceled]).chain(sent.iter().rev().cloned()).collect();
    let path = format!("/v1/contacts/{}/thread", desk.contact(0));
    for limit in [1, 2, 3, 50] {
        let thread = desk.all_of(&path, limit).await;
        assert_eq!(texts(&thread, "id"), wanted, "pages of {limit}");
        let kinds: Vec<_> = thread.iter().map(|entry| entry["kind"] == "scheduled").collect();
        assert_eq!(kinds, [true, true, true, false, false, false, false]);
    }
    let entry = &desk.get(&path).await.expect(200)["data"][4];
    for field in ["state", "from", "to", "who", "due_at", "created_at", "body"] {
        assert!(entry[field].is_string(), "{field} in {entry}");
    }
}

#[tokio::test]
async fn messages_are_listed_by_contact_and_state_and_not_without_either() {
    let desk = Desk::start(2).await;
    let kept = desk.scheduled(0, 2).await;
    let canceled = desk.scheduled(0, 1).await;
    desk.scheduled(1, 1).await;
    desk.delete(&format!("/v1/messages/{}", id_of(&canceled))).await.expect(200);
    let of = async |filter: &str| {
        let items = desk.all_of(&format!("/v1/messages?contact_id={}{filter}", desk.contact(0)), 50).await;
        items.iter().map(|item| id_of(item).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("").await, [id_of(&kept), id_of(&canceled)]);
    assert_eq!(of("&state=canceled").await, [id_of(&canceled)]);
    assert_eq!(of("&state=scheduled").await, [id_of(&kept)]);
    assert!(of("&state=failed").await.is_empty());
    assert_eq!(desk.all_of("/v1/messages?state=scheduled", 50).await.len(), 2);
    for query in ["", "?state=canceled", "?state=lost", "?contact_id=7"] {
        desk.get(&format!("/v1/messages{query}")).await.refused(422);
    }
    assert_eq!(desk.schedule(0, &sms_in(3)).await.status, 201);
    assert_eq!(of("&state=scheduled").await.len(), 2);
}
