//! Many at once: batches of messages, imports of contacts. Every line stands for itself, in its place.

use reqwest::Method;
use sendwheel_loadtest::{wall, workload};
use serde_json::{Value, json};

use super::{DAY_MS, Desk, Got, id_of, sms_in};

async fn batch(desk: &Desk, body: String) -> Got {
    let request = desk.client.request(Method::POST, "/v1/messages:batch");
    Got::of(request.header("Content-Type", "application/x-ndjson").body(body)).await
}

async fn import_csv(desk: &Desk, body: impl Into<reqwest::Body>) -> Got {
    let request = desk.client.request(Method::POST, "/v1/contacts:import");
    Got::of(request.header("Content-Type", "text/csv").body(body)).await
}

#[tokio::test]
async fn a_batch_answers_each_line_in_its_place_and_a_bad_one_spoils_no_other() {
    let desk = Desk::start(5).await;
    let due = sms_in(1);
    let good = |n: usize| {
        let mut line = workload::for_contact(due.clone(), desk.contact(n));
        line["body"] = format!("line {n}").into();
        line["idempotency_key"] = format!("key-{n}").into();
        line.to_string()
    };
    let mut upsert = sms_in(1);
    upsert["contact"] = json!({"external_id": "new", "phones": [{"number": "+12125550177"}]});
    let stranger = workload::for_contact(sms_in(1), "contact_01h455vb4pex5vsknk084sn02q");
    let lines = [
        good(0),
        "{not json".to_owned(),
        good(1),
        json!({"contact_id": desk.contact(2), "channel": "sms"}).to_string(),
        stranger.to_string(),
        sms_in(1).to_string(),
        upsert.to_string(),
        good(4),
        good(0),
    ];
    let got = batch(&desk, lines.join("\n")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let answers = got.lines();
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 400, 201, 422, 404, 422, 201, 201, 200]);
    for (at, body) in [(0, "line 0"), (2, "line 1"), (7, "line 4"), (8, "line 0")] {
        assert_eq!(answers[at]["message"]["body"], body);
    }
    assert_eq!(answers[8]["message"]["id"], answers[0]["message"]["id"]);
    let codes: Vec<_> = answers.iter().filter_map(|answer| answer["problem"]["code"].as_str()).collect();
    assert_eq!(codes, ["malformed_json", "invalid_request", "not_found", "invalid_request"]);
    assert_eq!(answers[3]["problem"]["errors"][0]["pointer"], "/body");
    assert_eq!(answers[5]["problem"]["errors"][0]["pointer"], "/contact_id");
    assert_eq!(desk.all_of("/v1/messages?state=scheduled", 50).await.len(), 4);

    // The whole batch again makes what has a key once, and what has none a second time.
    let again: Vec<_> = batch(&desk, lines.join("\r\n")).await.lines();
    assert_eq!(again[0]["message"]["id"], answers[0]["message"]["id"]);
    assert_ne!(again[6]["message"]["id"], answers[6]["message"]["id"]);
    assert_eq!(again[6]["message"]["contact_id"], answers[6]["message"]["contact_id"]);
}

#[tokio::test]
async fn a_large_batch_keeps_its_order_and_one_line_too_many_does_nothing() {
    const LINES: usize = 3_000;
    let desk = Desk::start(50).await;
    let due = wall::now_ms() + DAY_MS;
    let line = |n: usize| {
        let message = workload::sms(&workload::token("batch", n), due + i64::try_from(n).unwrap());
        workload::for_contact(message, desk.contact(n))
    };
    let answers = desk.client.batch(&(0..LINES).map(line).collect::<Vec<_>>()).await.unwrap();
    for (n, answer) in answers.iter().enumerate() {
        let message = answer.message.as_ref().unwrap_or_else(|| panic!("line {n}: {:?}", answer.problem));
        assert_eq!(message.due_at.as_deref().and_then(wall::parse_rfc3339), Some(due + i64::try_from(n).unwrap()));
    }
    let scheduled = async || desk.client.metrics().await.unwrap().sum("sendwheel_pending", &[]);
    let before = scheduled().await;
    let too_many = format!("{}\n", line(0)).repeat(10_001);
    assert_eq!(batch(&desk, too_many).await.refused(413), "too_large");
    assert!(scheduled().await <= before.max(3_000.0), "nothing of a batch that is refused is done");
    assert!(batch(&desk, String::new()).await.lines().is_empty());
}

#[tokio::test]
async fn an_import_takes_good_rows_and_tells_what_is_wrong_with_the_others() {
    let desk = Desk::start(1).await;
    let csv = "\u{feff}name,email,phone,time_zone,tags,external_id,consent_email,consent_sms,plan\r\n\
        Ada,ada@new.example,+12125550101,America/New_York,a;b,x-1,granted,unknown,pro\r\n\
        Bob,bob@new.example,not a phone,,,x-2,,,\r\n\
        \"Carol, \"\"C\"\"\",,+12125550103,Mars/Olympus,,x-3,,,\r\n\
        Dan,dan@,,,,x-4,maybe,,\r\n\
        \"Two\r\nlines\",,+12125550105,,,x-5,,,\r\n\
        Ada Lovelace,,,,,x-1,,,free\r\n\
        too,few\r\n";
    let got = import_csv(&desk, csv).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let rows = got.lines();
    let outcomes: Vec<_> =
        rows.iter().map(|row| (row["row"].as_u64().unwrap(), row["outcome"].as_str().unwrap())).collect();
    let wanted = ["created", "refused", "refused", "refused", "refused", "updated", "refused"];
    assert_eq!(outcomes, (1_u64..).zip(wanted).collect::<Vec<_>>(), "{}", got.text);
    let pointers = |row: &Value| -> Vec<String> {
        row["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(pointers(&rows[1]), ["/phone"]);
    assert_eq!(pointers(&rows[2]), ["/time_zone"]);
    assert_eq!(pointers(&rows[3]), ["/email", "/consent_email"]);
    assert_eq!((pointers(&rows[4]), pointers(&rows[6])), (vec!["/name".to_owned()], vec!["/email".to_owned()]));
    // A person who looks into the file finds it by its line.
    let lines: Vec<_> = rows.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 8, 9]);
    assert_eq!(rows[0]["id"], rows[5]["id"]);
    let ada = desk.get(&format!("/v1/contacts/{}", rows[0]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&ada["name"], &ada["time_zone"]), (&json!("Ada Lovelace"), &json!("America/New_York")));
    assert_eq!((&ada["attributes"]["plan"], &ada["tags"]), (&json!("free"), &json!(["a", "b"])));
    assert_eq!(ada["consent"], json!({"email": "granted", "sms": "unknown"}));
    assert_eq!(desk.all_of("/v1/contacts", 500).await.len(), 2, "refused rows made no contact");
}

#[tokio::test]
async fn an_import_can_be_repeated_and_a_wrong_one_is_refused_whole() {
    const ROWS: usize = 2_000;
    let desk = Desk::start(1).await;
    let mut csv = String::from("name,email,external_id\n");
    for n in 0..ROWS {
        csv.push_str(&format!("Row {n},row{n}@import.example,row-{n}\n"));
    }
    for outcome in ["created", "updated"] {
        let rows = import_csv(&desk, csv.clone()).await.lines();
        assert_eq!(rows.len(), ROWS);
        for (n, row) in rows.iter().enumerate() {
            assert_eq!((row["row"].as_u64(), row["outcome"].as_str()), (Some(n as u64 + 1), Some(outcome)), "{row}");
        }
    }
    assert_eq!(desk.all_of("/v1/contacts", 500).await.len(), ROWS + 1);
    let request = desk.client.request(Method::POST, "/v1/contacts:import").json(&json!({"name": "Ada"}));
    assert_eq!(Got::of(request).await.refused(415), "unsupported_media_type");
    let repeated = import_csv(&desk, "name,name\nAda,Bob\n").await;
    assert!(
        repeated.status == 422 || repeated.lines().iter().all(|row| row["outcome"] == "refused"),
        "{}",
        repeated.text
    );
}

#[tokio::test]
async fn a_contact_is_kept_changed_and_removed_with_its_messages() {
    let desk = Desk::start(1).await;
    let person = json!({"name": "Ada", "emails": [{"address": "ada@new.example"}], "external_id": "ada"});
    let made = desk.post("/v1/contacts", &person).await.expect(201);
    let path = format!("/v1/contacts/{}", id_of(&made));
    desk.post("/v1/contacts", &person).await.refused(409);
    let changed = desk.patch(&path, &json!({"time_zone": "Europe/Berlin", "tags": ["vip"]})).await.expect(200);
    assert_eq!((&changed["version"], &changed["name"]), (&json!(2), &json!("Ada")));
    let stale = desk.client.request(Method::PATCH, &path).header("If-Match", "\"1\"").json(&json!({"name": "X"}));
    assert_eq!(Got::of(stale).await.refused(412), "version_mismatch");
    for (change, pointer) in [
        (json!({"emails": [{"address": "nobody"}]}), "/emails/0/address"),
        (json!({"name": "Half", "time_zone": "X/Y"}), "/time_zone"),
    ] {
        assert_eq!(desk.patch(&path, &change).await.refused_fields()[0].0, pointer);
    }
    assert_eq!(desk.get(&path).await.expect(200)["name"], "Ada", "a change that is refused changes nothing");
    let messages = format!("{path}/messages");
    let mail = json!({"channel": "email", "text": "Hi", "send": sms_in(1)["send"]});
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(id_of(&desk.post(&messages, &mail).await.expect(201)).to_owned());
    }
    assert_eq!(desk.delete(&path).await.expect(200), json!({"canceled": 3}));
    assert_eq!(desk.get(&path).await.refused(404), "not_found");
    assert_eq!(desk.post(&messages, &mail).await.refused(404), "not_found");
    for id in ids {
        assert_eq!(desk.get(&format!("/v1/messages/{id}")).await.refused(404), "not_found");
    }
    assert!(desk.all_of("/v1/messages?state=scheduled", 50).await.is_empty());
}
