//! Invitations and forgotten passwords, by mail: the mail arrives at a mail server, its link works once and not for
//! ever, and nobody learns who is a user here.

use reqwest::Method;
use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::sink::smtp::{Mail, SmtpOptions, SmtpSink};
use serde_json::{Value, json};

use super::super::stage::PATIENCE;
use super::people::{EMAIL, PASSWORD, Session, request, sign_in};
use super::{Got, id_of};

const CHOSEN: &str = "a sentence that Ada remembers";

struct Office {
    node: Node,
    smtp: SmtpSink,
}

impl Office {
    async fn open() -> Self {
        let smtp = SmtpSink::start(SmtpOptions::default()).await.unwrap();
        let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
            .set("bootstrap.admin_email", EMAIL)
            .set("bootstrap.admin_password", PASSWORD)
            .set("bootstrap.account", "Acme")
            .set("email.transport", "smtp")
            .set("email.smtp.url", smtp.url())
            .set("email.system_from", "Acme <office@acme.example>")
            .set("sms.transport", "discard");
        let node = Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { node, smtp }
    }

    async fn admin(&self) -> Session {
        Session::begin(request(&self.node, Method::POST, "/v1/sessions")).await
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Got {
        Got::of(request(&self.node, method, path).json(body)).await
    }

    /// The mail that arrives as number `count`, and the path of its link.
    async fn mail(&self, count: usize) -> (Mail, String) {
        self.smtp.mails().wait_for_count(count, PATIENCE).await.unwrap();
        let mail = self.smtp.mails().all().remove(count - 1);
        let text = String::from_utf8(mail.raw.to_vec()).unwrap().replace("=\r\n", "").replace("=3D", "=");
        let begin = text.find(&format!("{}/password/", self.node.url())).expect("the mail has a link");
        let link = text[begin..].split_whitespace().next().unwrap();
        (mail, link[self.node.url().len()..].to_owned())
    }

    async fn page(&self, path: &str) -> Got {
        Got::of(request(&self.node, Method::GET, path)).await
    }

    async fn post(&self, path: &str, password: &str) -> Got {
        Got::of(request(&self.node, Method::POST, path).form(&[("password", password)])).await
    }

    async fn forgot(&self, email: &str) {
        let got = self.ask(Method::POST, "/v1/password-resets", &json!({"email": email})).await;
        assert_eq!((got.status, got.text.as_str()), (202, ""), "{email}");
    }
}

#[tokio::test]
async fn an_invited_user_chooses_a_password_once_and_signs_in() {
    let office = Office::open().await;
    let admin = office.admin().await;
    let new = json!({"email": "ada@example.com", "name": "Ada"});
    let user = admin.ask(&office.node, Method::POST, "/v1/users", Some(&new)).await.expect(201);
    assert_eq!(user["invited"], true);
    let (mail, link) = office.mail(1).await;
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("office@acme.example", &["ada@example.com".to_owned()][..]));
    let raw = String::from_utf8_lossy(&mail.raw).into_owned();
    assert!(raw.contains("invited to Acme") && raw.contains("Acme <office@acme.example>"), "{raw}");
    assert_eq!(sign_in(&office.node, "ada@example.com", "").await.refused(401), "wrong_credentials");

    let again = admin.ask(&office.node, Method::POST, &format!("/v1/users/{}/invite", id_of(&user)), None).await;
    assert_eq!(again.status, 202, "{}", again.text);

    let page = office.page(&link).await;
    assert!(page.status == 200 && page.text.contains("New password") && !page.text.contains("ada@"), "{}", page.text);
    let short = office.post(&link, "short").await;
    assert!(short.status == 422 && short.text.contains("at least 12 characters"), "{}", short.text);
    let set = office.post(&link, CHOSEN).await;
    assert!(set.status == 200 && set.text.contains("Your password is set"), "{}", set.text);
    sign_in(&office.node, "ada@example.com", CHOSEN).await.expect(201);

    assert_eq!(office.page(&link).await.status, 404, "a link works once");
    assert_eq!(office.post(&link, "another sentence altogether").await.status, 404);
    let token = link.rsplit('/').next().unwrap();
    let used = json!({"token": token, "password": "another sentence altogether"});
    let refused = office.ask(Method::POST, "/v1/passwords", &used).await.refused_fields();
    assert_eq!(refused, [("/token".to_owned(), "invalid_link".to_owned())]);
    let again = admin.ask(&office.node, Method::POST, &format!("/v1/users/{}/invite", id_of(&user)), None).await;
    assert_eq!(again.refused(409), "has_password");
    // Both invitations were one mail; and no account sees whom the installation writes to.
    assert_eq!(office.smtp.mails().count(), 1);
    let contacts = admin.ask(&office.node, Method::GET, "/v1/contacts", None).await.expect(200);
    assert_eq!(contacts["data"], json!([]));
    assert!(!office.node.log().contains(token), "the log has the link");
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_and_ends_what_was_open() {
    let office = Office::open().await;
    let admin = office.admin().await;
    office.forgot("nobody@example.com").await;
    office.forgot("no address").await;
    office.forgot(&EMAIL.to_uppercase()).await;
    let (mail, link) = office.mail(1).await;
    assert_eq!(mail.to, [EMAIL]);
    let token = link.rsplit('/').next().unwrap();
    let chosen = json!({"token": token, "password": CHOSEN});
    let got = office.ask(Method::POST, "/v1/passwords", &chosen).await;
    assert_eq!(got.status, 204, "{}", got.text);
    let me = admin.ask(&office.node, Method::GET, "/v1/users/me", None).await;
    assert_eq!(me.refused(401), "unauthorized");
    assert_eq!(sign_in(&office.node, EMAIL, PASSWORD).await.refused(401), "wrong_credentials");
    sign_in(&office.node, EMAIL, CHOSEN).await.expect(201);
    assert_eq!(office.smtp.mails().count(), 1, "nobody else got a mail");
}
