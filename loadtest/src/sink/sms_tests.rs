use std::time::Duration;

use super::*;

fn client() -> reqwest::Client {
    crate::client::http_client(Duration::from_secs(5))
}

async fn send_form(sink: &SmsSink, to: &str) -> Result<reqwest::Response, reqwest::Error> {
    client()
        .post(format!("{}/2010-04-01/Accounts/{TWILIO_SID}/Messages.json", sink.url()))
        .basic_auth(TWILIO_SID, Some(TWILIO_TOKEN))
        .form(&[("To", to), ("From", "+12125550100"), ("Body", "hello & bye")])
        .send()
        .await
}

#[tokio::test]
async fn a_twilio_request_is_recorded_and_answered_with_a_sid() {
    let sink = SmsSink::start(10).await.unwrap();
    let response = send_form(&sink, "+12125550123").await.unwrap();
    assert_eq!(response.status(), 201);
    let body: Value = response.json().await.unwrap();
    let sms = &sink.requests().all()[0];
    assert_eq!((sms.to.as_str(), sms.body.as_str(), sms.taken), ("+12125550123", "hello & bye", true));
    assert_eq!(body["sid"], sms.provider_id.as_str());
    assert_eq!(sms.provider_id.len(), 34);
    assert_eq!(body["status"], "queued");
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_not_recorded() {
    let sink = SmsSink::start(10).await.unwrap();
    let url = format!("{}/2010-04-01/Accounts/{TWILIO_SID}/Messages.json", sink.url());
    let form = [("To", "+12125550123"), ("From", "+12125550100"), ("Body", "x")];
    let response = client().post(url).basic_auth(TWILIO_SID, Some("no")).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], 20003);
    assert_eq!(sink.requests().count(), 0);
}

#[tokio::test]
async fn a_json_request_is_recorded_with_its_idempotency_key() {
    let sink = SmsSink::start(10).await.unwrap();
    let response = client()
        .post(format!("{}/send", sink.url()))
        .header("Idempotency-Key", "key-1")
        .json(&json!({"to": "+1", "from": "+2", "text": "hi"}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 202);
    let sms = &sink.requests().all()[0];
    assert_eq!((sms.provider, sms.body.as_str()), (Provider::Json, "hi"));
    assert_eq!(sms.idempotency_key.as_deref(), Some("key-1"));
}

#[tokio::test]
async fn a_scripted_refusal_carries_status_code_and_retry_after() {
    let sink = SmsSink::start(10).await.unwrap();
    sink.add(Rule::at(Submit).times(1).act(Act::Refuse { status: 429, code: 20429, retry_after: Some(3) }));
    let refused = send_form(&sink, "+12125550123").await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "3"));
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], 20429);
    assert_eq!(send_form(&sink, "+12125550123").await.unwrap().status(), 201);
    let taken: Vec<_> = sink.requests().all().iter().map(|sms| sms.taken).collect();
    assert_eq!(taken, [false, true]);
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_took_the_message_or_not_as_scripted() {
    for (act, is_taken) in [(Act::Close, false), (Act::TakeAndClose, true)] {
        let sink = SmsSink::start(10).await.unwrap();
        sink.add(Rule::at(Submit).act(act));
        assert!(send_form(&sink, "+12125550123").await.is_err());
        // A client may try a second time on its own only if it knows that nothing was sent.
        assert!(sink.requests().all().iter().all(|sms| sms.taken == is_taken));
        assert!(sink.requests().count() >= 1);
    }
}
