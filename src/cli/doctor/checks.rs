//! The checks of settings, folder, store, clock, and the two providers.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use secrecy::ExposeSecret;
use sendwheel_actors::domain::clock::{SharedClock, SystemClock};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::sender::smtp::dial::Dialer;
use sendwheel_actors::sender::smtp::verdict::judge;
use sendwheel_actors::sender::smtp::{SmtpSettings, SmtpTls};
use sendwheel_actors::store::{SharedStore, StoreUrl};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;
use crate::cli::client::{Client, NodeArgs};
use crate::config::{EmailTransport, Settings, SmsTransport};
use crate::startup;

/// For a check that has no time limit of its own.
const LIMIT: Duration = Duration::from_secs(15);
/// A difference between clocks that is worth a word.
const SKEW: Duration = Duration::from_secs(1);

/// What the settings say that an operator may not have meant.
pub(super) fn settings(settings: &Settings) -> Vec<Finding> {
    const AREA: &str = "settings";
    let mut findings = vec![Finding::ok(AREA, "every key is known and has a good value")];
    if settings.server.public_url.is_none() && !settings.server.listen.ip().is_loopback() {
        findings.push(Finding::warn(
            AREA,
            "server.public_url is not set: links in mails would point at the listening address",
            "set it to what the outside reaches this node under",
        ));
    }
    if !settings.store.fsync && settings.store.is_embedded() {
        findings.push(Finding::warn(
            AREA,
            "store.fsync is off: a power cut loses the last moments",
            "leave it off only for measuring",
        ));
    }
    findings
}

/// Whether the node can keep its name and its outbox.
pub(super) fn folder(settings: &Settings) -> Vec<Finding> {
    const AREA: &str = "folder";
    let folder = &settings.store.data_dir;
    if !folder.exists() {
        return vec![Finding::ok(AREA, format!("{} will be made at the first start", folder.display()))];
    }
    vec![match tempfile::tempfile_in(folder) {
        Ok(_) => Finding::ok(AREA, format!("{} can be written to", folder.display())),
        Err(error) => Finding::fail(
            AREA,
            format!("{} cannot be written to: {error}", folder.display()),
            "give it to the user that the node runs as, or choose another with --data",
        ),
    }]
}

/// The store, and its clock.
pub(super) async fn store(settings: &Settings) -> Vec<Finding> {
    const AREA: &str = "store";
    let url = match startup::store_url(settings) {
        Ok(url) => url,
        Err(error) => return vec![Finding::fail(AREA, format!("{error:#}"), "correct store.url")],
    };
    if let StoreUrl::Embedded(folder) = &url
        && !folder.exists()
    {
        return vec![Finding::ok(AREA, format!("{} will be made at the first start", folder.display()))];
    }
    let clock: SharedClock = Arc::new(SystemClock);
    let opened = timeout(LIMIT, startup::open_store(settings, &clock, &IdSource::from_os())).await;
    let store = match opened {
        Ok(Ok(store)) => store,
        Ok(Err(error)) if settings.store.is_embedded() => return vec![held_or_broken(settings, &error).await],
        Ok(Err(error)) => {
            return vec![Finding::fail(
                AREA,
                format!("{error:#}"),
                "check that Redis runs there and lets this user in",
            )];
        }
        Err(_) => {
            return vec![Finding::fail(
                AREA,
                "no answer in time",
                "check network and firewall between here and the store",
            )];
        }
    };
    let mut findings = about(settings, &store, &clock).await;
    if let Err(error) = store.close().await {
        findings.push(Finding::warn(AREA, format!("closing it failed: {error}"), "look at the disk"));
    }
    findings
}

async fn about(settings: &Settings, store: &SharedStore, clock: &SharedClock) -> Vec<Finding> {
    const AREA: &str = "store";
    let mut findings = Vec::new();
    match store.describe().await {
        Ok(description) => {
            findings.push(Finding::ok(
                AREA,
                format!("{} {}, {} partitions", description.backend, description.version, store.partitions().get()),
            ));
            findings.extend(
                description.warnings.into_iter().map(|warning| Finding::new(super::Level::Warn, AREA, warning)),
            );
        }
        Err(error) => findings.push(Finding::fail(AREA, error.to_string(), "check the store's own log")),
    }
    match store.usage().await {
        Ok(usage) if usage.share >= settings.engine.refuse_schedules_at => findings.push(Finding::fail(
            AREA,
            format!("{:.0} % of its budget are used: new schedules are refused", usage.share * 100.0),
            "give it more space, or shorten engine.retention",
        )),
        Ok(usage) if usage.share > 0.0 => {
            findings.push(Finding::ok(AREA, format!("{:.0} % of its budget are used", usage.share * 100.0)));
        }
        Ok(_) => {}
        Err(error) => findings.push(Finding::skip(AREA, format!("its usage is not known: {error}"))),
    }
    findings.push(clock_against(settings, store, clock).await);
    findings
}

async fn clock_against(settings: &Settings, store: &SharedStore, clock: &SharedClock) -> Finding {
    const AREA: &str = "clock";
    if settings.store.is_embedded() {
        return Finding::skip(AREA, "an embedded store goes by this machine's clock: keep it right with NTP");
    }
    let before = clock.now();
    let theirs = match store.now().await {
        Ok(theirs) => theirs,
        Err(error) => return Finding::skip(AREA, format!("the store's clock cannot be read: {error}")),
    };
    let after = clock.now();
    // The answer was made somewhere between the two readings; only what lies outside is a difference.
    let skew = theirs.since(after).max(before.since(theirs));
    if skew > SKEW {
        let difference =
            humantime::format_duration(Duration::from_millis(u64::try_from(skew.as_millis()).unwrap_or(u64::MAX)));
        return Finding::warn(
            AREA,
            format!("this machine's clock and the store's differ by {difference}; messages go by the store's"),
            "keep both right with NTP",
        );
    }
    Finding::ok(AREA, "this machine and the store agree about the time")
}

/// An embedded store that cannot be opened: a running node has it, or it is broken.
async fn held_or_broken(settings: &Settings, error: &anyhow::Error) -> Finding {
    const AREA: &str = "store";
    let url = settings.server.public_url_at(settings.server.listen);
    let ready = match Client::with(&url, None) {
        Ok(client) => client.send_any(client.request(Method::GET, "/readyz").timeout(LIMIT)).await.ok(),
        Err(_) => None,
    };
    match ready.map(|answer| answer.status()) {
        Some(status) if status.is_success() => {
            Finding::ok(AREA, format!("a node holds it and is ready: {url} (see `sendwheel status`)"))
        }
        Some(status) => Finding::warn(
            AREA,
            format!("a node holds it and is not ready ({status}): {url}"),
            "look at its log, and at `sendwheel status`",
        ),
        None => Finding::fail(
            AREA,
            format!("{error:#}"),
            format!("if a node runs on it elsewhere than {url}, that is well: ask it with `sendwheel status --url`"),
        ),
    }
}

/// The way mails go out.
pub(super) async fn email(settings: &Settings) -> Vec<Finding> {
    const AREA: &str = "email";
    match settings.email.transport {
        EmailTransport::Outbox => {
            vec![Finding::ok(AREA, format!("mails are written to {}, none is sent", settings.outbox_dir.display()))]
        }
        EmailTransport::Discard => {
            vec![Finding::warn(AREA, "mails are thrown away", "set email.transport, unless you are measuring")]
        }
        EmailTransport::Smtp => match startup::smtp_settings(&settings.email) {
            Ok(smtp) => smtp_server(smtp).await,
            Err(error) => vec![Finding::fail(AREA, format!("{error:#}"), "correct [email.smtp]")],
        },
    }
}

async fn smtp_server(smtp: SmtpSettings) -> Vec<Finding> {
    const AREA: &str = "email";
    let server = format!("{}:{}", smtp.host, smtp.port);
    let has_login = smtp.credentials.is_some();
    let tls = smtp.tls;
    let mut findings = Vec::new();
    if tls == SmtpTls::None && has_login {
        findings.push(Finding::warn(
            AREA,
            "the password goes over the network unencrypted",
            "use ?tls=required or smtps://, unless the mail server is on this machine",
        ));
    }
    let dialer = match Dialer::new(smtp) {
        Ok(dialer) => dialer,
        Err(error) => {
            findings.push(Finding::fail(AREA, error.to_string(), "correct [email.smtp]"));
            return findings;
        }
    };
    match timeout(LIMIT * 2, dialer.dial()).await {
        Ok(Ok(mut dialed)) => {
            let _ = dialed.smtp.quit().await;
            let login = if has_login { ", and the sign-in is right" } else { "" };
            let how = match tls {
                SmtpTls::Implicit | SmtpTls::Required => "over TLS",
                SmtpTls::Opportunistic => "over TLS where it is offered",
                SmtpTls::None => "without TLS",
            };
            findings.push(Finding::ok(AREA, format!("{server} answers {how}{login}")));
        }
        Ok(Err(error)) => {
            let verdict = judge(error.stage, &error.trouble, false, &[]);
            let why = verdict.failure().map_or_else(|| "it failed".into(), |failure| failure.detail.clone());
            findings.push(Finding::fail(
                AREA,
                format!("{server}: {why}"),
                "check host, port, tls, user and password in email.smtp.url",
            ));
        }
        Err(_) => findings.push(Finding::fail(
            AREA,
            format!("{server}: no answer in time"),
            "check host and port, and that no firewall is between",
        )),
    }
    findings
}

/// The way texts go out.
pub(super) async fn sms(settings: &Settings) -> Vec<Finding> {
    const AREA: &str = "sms";
    vec![match settings.sms.transport {
        SmsTransport::Outbox => {
            Finding::ok(AREA, format!("texts are written to {}, none is sent", settings.outbox_dir.display()))
        }
        SmsTransport::Discard => {
            Finding::warn(AREA, "texts are thrown away", "set sms.transport, unless you are measuring")
        }
        SmsTransport::Twilio => twilio(settings).await,
        SmsTransport::Http => http_provider(settings).await,
    }]
}

async fn twilio(settings: &Settings) -> Finding {
    const AREA: &str = "sms";
    let section = &settings.sms.twilio;
    let (Some(sid), Some(token)) = (&section.account_sid, &section.auth_token) else {
        return Finding::fail(AREA, "Twilio's credentials are missing", "set sms.twilio.account_sid and auth_token");
    };
    let answer = match Client::with(&section.base_url, None) {
        Ok(client) => {
            let request = client
                .request(Method::GET, &format!("/2010-04-01/Accounts/{sid}.json"))
                .basic_auth(sid, Some(token.expose_secret()))
                .timeout(LIMIT);
            match client.send_any(request).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    client.read(response).await.map(|body| (status, body))
                }
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok((status, body)) => twilio_answer(status, &body),
        Err(error) => Finding::fail(AREA, error.to_string(), "check sms.twilio.base_url and the way to the internet"),
    }
}

fn twilio_answer(status: u16, body: &[u8]) -> Finding {
    const AREA: &str = "sms";
    let account: Value = serde_json::from_slice(body).unwrap_or_default();
    match (status, account.get("status").and_then(Value::as_str)) {
        (200, Some("active")) => Finding::ok(AREA, "Twilio knows the account, and it is active"),
        (200, state) => Finding::fail(
            AREA,
            format!("Twilio says that the account is {}", state.unwrap_or("in an unknown state")),
            "look into Twilio's console",
        ),
        (401 | 403 | 404, _) => {
            Finding::fail(AREA, "Twilio refuses the credentials", "check sms.twilio.account_sid and auth_token")
        }
        _ => Finding::warn(
            AREA,
            format!("Twilio answered with status {status}"),
            "try again later, and look at Twilio's status page",
        ),
    }
}

/// Only whether something listens there: a request of any form could send something.
async fn http_provider(settings: &Settings) -> Finding {
    const AREA: &str = "sms";
    let url = settings.sms.http.url.as_ref().and_then(|url| url::Url::parse(url.expose()).ok());
    let Some((host, port)) = url.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?))) else {
        return Finding::fail(AREA, "sms.http.url names no host", "correct it");
    };
    match timeout(LIMIT, TcpStream::connect((host.trim_matches(['[', ']']), port))).await {
        Ok(Ok(_)) => Finding::ok(AREA, format!("{host}:{port} accepts connections; its credentials are not checked")),
        Ok(Err(error)) => Finding::fail(AREA, format!("{host}:{port}: {error}"), "check sms.http.url"),
        Err(_) => {
            Finding::fail(AREA, format!("{host}:{port}: no answer in time"), "check sms.http.url and the firewall")
        }
    }
}

/// The domains of the account's email senders, if a node tells them.
pub(super) async fn sender_domains(node: &NodeArgs) -> Vec<String> {
    let Ok(client) = Client::new(node) else { return Vec::new() };
    let request = client.request(Method::GET, "/v1/senders").query(&[("limit", "500")]);
    let Ok(page) = client.json::<Value>(request).await else { return Vec::new() };
    let senders = page.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    senders.iter().filter_map(|sender| domain_of(sender.get("address")?.as_str()?)).collect()
}

fn domain_of(address: &str) -> Option<String> {
    let (_, domain) = address.trim_end_matches('>').rsplit_once('@')?;
    Some(domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::config::Flags;

    fn with(file: &str) -> Settings {
        Settings::merge(Some(("f", file)), [], &Flags::default()).unwrap()
    }

    #[test]
    fn an_answer_of_twilio_is_judged() {
        for (status, body, level) in [
            (200, r#"{"status":"active"}"#, Level::Ok),
            (200, r#"{"status":"suspended"}"#, Level::Fail),
            (401, "{}", Level::Fail),
            (503, "<html>", Level::Warn),
        ] {
            assert_eq!(twilio_answer(status, body.as_bytes()).level, level, "{status} {body}");
        }
    }

    #[test]
    fn a_public_node_without_a_public_url_is_warned_about() {
        let level = |file| settings(&with(file)).iter().map(|finding| finding.level).max();
        assert_eq!(level(""), Some(Level::Ok));
        assert_eq!(level("server.listen = \"0.0.0.0:80\""), Some(Level::Warn));
        assert_eq!(level("server = { listen = \"0.0.0.0:80\", public_url = \"https://h\" }"), Some(Level::Ok));
        assert_eq!(level("store.fsync = false"), Some(Level::Warn));
    }

    #[test]
    fn a_sender_s_domain_is_found_with_and_without_a_name() {
        assert_eq!(domain_of("Ann <ann@example.com>").as_deref(), Some("example.com"));
        assert_eq!(domain_of("ann@example.com").as_deref(), Some("example.com"));
        assert_eq!(domain_of("+12125550100"), None);
    }

    #[actix_web::test]
    async fn a_mail_server_that_is_not_there_fails_its_check() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = format!("email = {{ transport = \"smtp\", smtp.url = \"smtp://u:s3cret@{free}?tls=none\" }}");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let findings = email(&with(&file)).await;
        assert_eq!(findings.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Warn, Level::Fail]);
        assert!(findings[1].what.contains(&free.to_string()), "{findings:?}");
        assert!(!format!("{findings:?}").contains("s3cret"));
    }
}
