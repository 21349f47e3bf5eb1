use std::net::SocketAddr;
use std::time::Duration;

use sendwheel_actors::domain::address::{Destination, PhoneNumber};
use sendwheel_actors::domain::directory::Limit;

use super::layers::Layers;
use super::*;

fn env(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_file(text: &str) -> Result<Settings, ConfigError> {
    Settings::merge(Some(("node.toml", text)), [], &Flags::default())
}

/// The default file with its examples of settings that have no default brought to life.
fn default_file_with_examples() -> String {
    DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_default_file_says_what_the_defaults_are() {
    let nothing = Settings::merge(None, [], &Flags::default()).unwrap();
    let printed = from_file(DEFAULT_FILE).unwrap();
    assert_eq!(format!("{nothing:#?}"), format!("{printed:#?}"));
}

#[test]
fn the_engine_gets_its_own_defaults_from_default_settings() {
    let settings = Settings::merge(None, [], &Flags::default()).unwrap();
    let expected = EngineSettings::for_node(NodeId(7));
    assert_eq!(settings.engine_settings(NodeId(7), expected.public_url.clone()), expected);
}

#[test]
fn the_default_file_has_every_key_and_no_other() {
    let text = default_file_with_examples();
    let mut layers = Layers::default();
    layers.add_file("default.toml", &text);
    let settings = Settings::read(&mut layers);
    assert_eq!(settings.email.dkim.len(), 1);
    assert_eq!(settings.sms.http.headers.len(), 1);
    let missing: Vec<_> = layers.known().iter().filter(|key| layers.origin(key).is_none()).cloned().collect();
    assert_eq!(missing, Vec::<String>::new(), "keys that the default file does not tell of");
    let problems: Vec<_> = layers.into_problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn what_cannot_be_used_is_refused_with_its_key_and_its_line() {
    for (file, expected) in [
        ("[server]\nlsten = \"x\"", "node.toml:2: server.lsten: unknown setting, did you mean server.listen?"),
        (
            "[server]\n\n[completely]\nother = 1",
            "node.toml:4: completely.other: unknown setting, see `sendwheel serve --print-config` for all of them",
        ),
        (
            "[server]\nlisten = 8080",
            "node.toml:2: server.listen: expected an address and a port such as \"127.0.0.1:8080\", not \"8080\"",
        ),
        (
            "[engine]\npermit_ttl = \"soon\"",
            "node.toml:2: engine.permit_ttl: expected a duration such as \"250ms\", \"10s\", \"6h\" or \"90d\", not \"soon\"",
        ),
        ("[engine]\nshards = 0", "node.toml:2: engine.shards: expected a number from 1 to 256, not \"0\""),
        (
            "[engine]\nlease_ttl = \"1s\"",
            "node.toml:2: engine.lease_ttl: expected 2s or more: renewals need time to arrive",
        ),
        (
            "[email]\ntransport = \"pigeon\"",
            "node.toml:2: email.transport: expected one of \"smtp\", \"outbox\", \"discard\", not \"pigeon\"",
        ),
        ("[email]\ntransport = \"smtp\"", "email.smtp.url: email.transport = \"smtp\" needs the server's URL"),
        ("[sms]\ntransport = \"twilio\"", "sms.twilio.account_sid: the chosen sms.transport needs it"),
        ("[store]\nfsync = maybe", "node.toml:2: not TOML: "),
        (
            "[store]\nmemtable = \"1MiB\"",
            "node.toml:2: store.memtable: expected a size from 4MiB to 64MiB, not \"1MiB\"",
        ),
        ("[store]\nmax_bytes = \"lots\"", "node.toml:2: store.max_bytes: expected a size such as"),
        ("[email]\nlimit.burst = 5", "email.limit.rate: a limit needs a rate"),
        ("[[email.dkim]]\ndomain = \"example.com\"\nselector = \"a\"", "email.dkim.0.key_file: a DKIM key needs"),
        ("[[email.destinations]]\nrate = 5", "email.destinations.0.domain: a limited destination needs a domain"),
        ("[[email.destinations]]\ndomain = \"a.example\"", "email.destinations.0.rate: a limit needs a rate"),
        (
            "[[sms.destinations]]\nprefix = \"0049\"\nrate = 5",
            "node.toml:2: sms.destinations.0.prefix: expected + and one to nine digits, such as +49, not \"0049\"",
        ),
        (
            "[[email.destinations]]\ndomain = \"a b\"\nrate = 5",
            "node.toml:2: email.destinations.0.domain: expected a domain such as gmail.com, not \"a b\"",
        ),
        (
            "[[email.destinations]]\ndomain = \"a.example\"\nrate = 0",
            "node.toml:3: email.destinations.0.rate: expected a number from 1 to 1000000, not \"0\"",
        ),
        (
            "[[sms.destinations]]\nprefix = \"+49\"\nrate = 5\n[[sms.destinations]]\nprefix = \"+49\"\nrate = 6",
            "node.toml:5: sms.destinations.1.prefix: this prefix has a limit already: leave one of the two",
        ),
        (
            "[[sms.destinations]]\nprefix = \"+49\"\nrate = 5\nper_day = true",
            "node.toml:4: sms.destinations.0.per_day: unknown setting",
        ),
        (
            "[sms]\ndestination_limit.rate = 5\ndestination_limit.per = \"0s\"",
            "node.toml:3: sms.destination_limit.per: expected a duration longer than nothing",
        ),
    ] {
        let error = from_file(file).expect_err(file).to_string();
        assert!(error.starts_with(expected), "{file:?} gave {error:?}");
    }
}

#[test]
fn destinations_have_limits_of_their_own_or_one_for_each() {
    let file = "[email]\ndestination_limit.rate = 9\n[[email.destinations]]\ndomain = \"Slow.Example\"\nrate = 2\nper = \"1m\"\n\
                [[sms.destinations]]\nprefix = \"+49\"\nrate = 5\n[[sms.destinations]]\nprefix = \"+4915\"\nrate = 6\nburst = 1";
    let settings = from_file(file).unwrap();
    let limit = |rate, per, burst| Limit { rate, per: Duration::from_secs(per), burst };
    let to_domain =
        |domain: &str| settings.email.destinations.of(Destination::of_domain(domain)).map(|(_, limit)| limit);
    assert_eq!(to_domain("slow.example"), Some(limit(2, 60, 2)));
    assert_eq!(to_domain("other.example"), Some(limit(9, 1, 9)));
    let to_number = |number: &str| {
        let number = PhoneNumber::parse(number).unwrap();
        settings.sms.destinations.of(Destination::of_number(&number)).map(|(_, limit)| limit)
    };
    assert_eq!(to_number("+4930123456"), Some(limit(5, 1, 5)));
    assert_eq!(to_number("+4915112345678"), Some(limit(6, 1, 1)));
    assert_eq!(to_number("+12125550123"), None);
}

#[test]
fn every_problem_is_reported_at_once() {
    let file = "[server]\nworkers = 0\n[store]\nfsync = \"no\"\nnew = 1";
    let error =
        Settings::merge(Some(("f", file)), env(&[("SENDWHEEL_LOG__LEVL", "info")]), &Flags::default()).unwrap_err();
    let lines: Vec<_> =
        error.problems.iter().map(|problem| (problem.key.clone(), problem.origin.to_string())).collect();
    let expected = [
        ("server.workers", "f:2: "),
        ("store.fsync", "f:4: "),
        ("store.new", "f:5: "),
        ("log.levl", "SENDWHEEL_LOG__LEVL: "),
    ];
    assert_eq!(lines, expected.map(|(key, origin)| (key.to_owned(), origin.to_owned())));
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n[email.smtp]\nconnections = 2";
    let variables = env(&[
        ("SENDWHEEL_SERVER__LISTEN", "127.0.0.1:2"),
        ("SENDWHEEL_EMAIL__SMTP__CONNECTIONS", "5"),
        ("SENDWHEEL_EMAIL__DKIM__0__DOMAIN", "example.com"),
        ("SENDWHEEL_EMAIL__DKIM__0__SELECTOR", "s"),
        ("SENDWHEEL_EMAIL__DKIM__0__KEY_FILE", "k.pem"),
        ("OTHER_SERVER__LISTEN", "nonsense"),
    ]);
    let settings = Settings::merge(Some(("f", file)), variables.clone(), &Flags::default()).unwrap();
    assert_eq!(settings.server.listen, SocketAddr::from(([127, 0, 0, 1], 2)));
    assert_eq!((settings.server.workers, settings.email.smtp.connections), (3, 5));
    assert_eq!(settings.email.dkim[0].domain, "example.com");
    let flags = Flags { listen: Some("localhost:3".into()), ..Flags::default() };
    let settings = Settings::merge(Some(("f", file)), variables, &flags).unwrap();
    assert_eq!(settings.server.listen, SocketAddr::from(([127, 0, 0, 1], 3)));
}

#[test]
fn variables_of_clients_and_of_service_links_are_no_settings() {
    let variables = env(&[
        ("SENDWHEEL_URL", "http://x"),
        ("SENDWHEEL_API_KEY", "sw_x"),
        ("SENDWHEEL_CONFIG", "x.toml"),
        ("SENDWHEEL_PORT", "tcp://10.0.0.1:8080"),
        ("SENDWHEEL_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("SENDWHEEL_SERVICE_HOST", "10.0.0.1"),
    ]);
    assert!(Settings::merge(None, variables, &Flags::default()).is_ok());
    let stray = Settings::merge(None, env(&[("SENDWHEEL_STORE", "x")]), &Flags::default()).unwrap_err();
    assert!(stray.to_string().starts_with("SENDWHEEL_STORE: store: unknown setting"), "{stray}");
}

#[test]
fn the_data_folder_moves_an_embedded_store_and_no_other() {
    let data = Flags { data: Some("/d".into()), ..Flags::default() };
    let both = Flags { store: Some("redis://h:1".into()), ..data.clone() };
    let redis = Some(("f", "[store]\nurl = \"redis://h:1\""));
    for (file, flags, url, outbox) in [
        (None, Flags::default(), "embedded:./sendwheel-data", "./sendwheel-data/outbox"),
        (None, data.clone(), "embedded:/d", "/d/outbox"),
        (Some(("f", "[store]\nurl = \"embedded:/e\"")), Flags::default(), "embedded:/e", "/e/outbox"),
        (Some(("f", "[store]\nurl = \"embedded:/e\"")), data.clone(), "embedded:/d", "/d/outbox"),
        (redis, Flags::default(), "redis://h:1", "./sendwheel-data/outbox"),
        (redis, data, "redis://h:1", "/d/outbox"),
        (None, both, "redis://h:1", "/d/outbox"),
    ] {
        let settings = Settings::merge(file, [], &flags).unwrap();
        assert_eq!(settings.store.url.expose(), url);
        assert_eq!(settings.outbox_dir, PathBuf::from(outbox), "{url}");
    }
}

#[test]
fn retention_is_shorter_on_redis_unless_it_is_set() {
    let days = |file| from_file(file).unwrap().engine.retention.as_secs() / 86_400;
    assert_eq!(days(""), 90);
    assert_eq!(days("[store]\nurl = \"redis://h:1\""), 7);
    assert_eq!(days("[store]\nurl = \"redis://h:1\"\n[engine]\nretention = \"30d\""), 30);
}

const SECRETS: &str = r#"
[store]
url = "redis://user:s3cret-a@h:1/0"
[bootstrap]
admin_password = "s3cret-b"
api_key = "sw_s3cret-c-0123456789012345678901234"
[email.smtp]
url = "smtp://user:s3cret-d@h:587?tls=required"
[sms.twilio]
auth_token = "s3cret-e"
[sms.http]
url = "https://h/send?token=s3cret-f"
headers.authorization = "s3cret-g"
[cluster]
secret = "s3cret-h-012345678901234567890123"
"#;

#[test]
fn secrets_are_not_in_debug_output() {
    let settings = from_file(SECRETS).unwrap();
    let shown = format!("{settings:#?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("redis://***@h:1/0"), "{shown}");
    assert_eq!(settings.store.url.expose(), "redis://user:s3cret-a@h:1/0");
}

#[test]
fn refused_secrets_are_not_shown() {
    for file in [
        "[store]\nurl = \"redis:/s3cret\"",
        "[bootstrap]\nadmin_password = \"s3cret\"",
        "[bootstrap]\napi_key = \"s3cret\"",
        "[email.smtp]\nurl = \"http://u:s3cret@h\"",
        "[sms.http]\nurl = \"h?s3cret\"",
        "[cluster]\nsecret = \"s3cret\"",
        "[sms.twilio]\nauth_token = \"s3cret",
    ] {
        let error = from_file(file).expect_err(file);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[test]
fn urls_are_shown_without_what_they_hide() {
    for (whole, shown) in [
        ("embedded:./a@b", "embedded:./a@b"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://:pw@h:1", "redis://***@h:1"),
        ("redis://u:p/w@h:1", "redis://***@h:1"),
        ("redis-cluster://u:pw@a:1,b:2", "redis-cluster://***@a:1,b:2"),
        ("https://h/send?token=x", "https://h/send"),
        ("redis:u:pw@h", "***"),
    ] {
        assert_eq!(SecretUrl::new(whole).to_string(), shown);
    }
}

#[test]
fn the_public_url_follows_the_address_that_was_bound() {
    let at = |file: &str, bound: &str| from_file(file).unwrap().server.public_url_at(bound.parse().unwrap());
    assert_eq!(at("", "127.0.0.1:4711"), "http://127.0.0.1:4711");
    assert_eq!(at("", "0.0.0.0:80"), "http://127.0.0.1:80");
    assert_eq!(at("", "[::]:80"), "http://[::1]:80");
    assert_eq!(at("[server]\npublic_url = \"https://m.example.com/\"", "0.0.0.0:80"), "https://m.example.com");
}

#[test]
fn values_have_their_forms() {
    assert_eq!(parse::bytes("16MiB"), Ok(16 << 20));
    assert_eq!(parse::bytes("1_000"), Ok(1_000));
    assert!(parse::bytes("99999999999999999999").is_err());
    assert!(parse::bytes("99999999999TiB").is_err());
    assert_eq!(parse::duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
    assert!(parse::positive_duration("0s").is_err());
    assert_eq!(parse::number(0.0, 1.0)("0.5"), Ok(0.5));
    assert!(parse::number(0.0, 1.0)("NaN").is_err());
}
