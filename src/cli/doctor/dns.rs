//! What the DNS says about the domains that mail is sent from: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489).

use std::collections::BTreeSet;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use super::Finding;
use crate::config::{EmailTransport, Settings};

const AREA: &str = "dns";
/// For one question; and how often it is asked again.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Domains that are looked at.
const MAX_DOMAINS: usize = 20;

/// What came of a question for TXT records.
enum Answer {
    Records(Vec<String>),
    /// The name itself is not there.
    NoSuchName,
    /// Nobody knows: the resolver did not answer.
    Unknown(String),
}

/// Looks at every domain that mail is sent from.
pub(super) async fn domains(settings: &Settings, more: Vec<String>) -> Vec<Finding> {
    let keys = &settings.email.dkim;
    let all: BTreeSet<String> = keys
        .iter()
        .map(|key| key.domain.clone())
        .chain(more)
        .map(|domain| domain.trim_end_matches('.').to_ascii_lowercase())
        .filter(|domain| !is_reserved(domain))
        .collect();
    if all.is_empty() {
        return match settings.email.transport {
            EmailTransport::Smtp => vec![Finding::skip(AREA, "no sending domain is known: name one with --domain")],
            EmailTransport::Outbox | EmailTransport::Discard => Vec::new(),
        };
    }
    let resolver = match resolver() {
        Ok(resolver) => resolver,
        Err(error) => return vec![Finding::skip(AREA, format!("the system's resolver cannot be used: {error}"))],
    };
    let mut findings = Vec::new();
    for domain in all.iter().take(MAX_DOMAINS) {
        let at_domain = txt(&resolver, domain).await;
        if matches!(at_domain, Answer::NoSuchName) {
            findings.push(Finding::warn(
                AREA,
                format!("{domain}: no such domain for this machine's resolver"),
                "check its spelling, and that the resolver sees the public DNS",
            ));
            continue;
        }
        findings.push(found(&format!("SPF of {domain}"), at_domain, |records| spf(domain, records)));
        let selectors: Vec<_> = keys.iter().filter(|key| key.domain.eq_ignore_ascii_case(domain)).collect();
        if selectors.is_empty() {
            findings.push(Finding::warn(
                AREA,
                format!("{domain}: no DKIM key in the settings"),
                "add [[email.dkim]], unless the mail server signs",
            ));
        }
        for key in selectors {
            let name = format!("{}._domainkey.{domain}", key.selector);
            findings
                .push(found(&format!("DKIM key {name}"), txt(&resolver, &name).await, |records| dkim(&name, records)));
        }
        findings.push(dmarc_of(&resolver, domain).await);
    }
    findings
}

fn resolver() -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
    builder.options_mut().timeout = TIMEOUT;
    builder.options_mut().attempts = 1;
    builder.build().map_err(|error| error.to_string())
}

async fn txt(resolver: &TokioResolver, name: &str) -> Answer {
    // The final dot keeps the machine's search domains out of it.
    match resolver.txt_lookup(format!("{name}.")).await {
        Ok(lookup) => Answer::Records(
            lookup
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                    _ => None,
                })
                .collect(),
        ),
        Err(error) if error.is_nx_domain() => Answer::NoSuchName,
        Err(error) if error.is_no_records_found() => Answer::Records(Vec::new()),
        Err(error) => Answer::Unknown(error.to_string()),
    }
}

fn found(what: &str, answer: Answer, judge: impl FnOnce(&[String]) -> Finding) -> Finding {
    match answer {
        Answer::Records(records) => judge(&records),
        Answer::NoSuchName => judge(&[]),
        Answer::Unknown(error) => Finding::skip(AREA, format!("{what}: the resolver did not answer ({error})")),
    }
}

/// The domain's own policy, else that of the domains above it.
async fn dmarc_of(resolver: &TokioResolver, domain: &str) -> Finding {
    let mut at = domain;
    loop {
        let records = match txt(resolver, &format!("_dmarc.{at}")).await {
            Answer::Records(records) => records,
            Answer::NoSuchName => Vec::new(),
            Answer::Unknown(error) => {
                return Finding::skip(AREA, format!("DMARC of {domain}: the resolver did not answer ({error})"));
            }
        };
        let above = at.split_once('.').map(|(_, above)| above).filter(|above| above.contains('.'));
        match above {
            Some(above) if !records.iter().any(|record| is_dmarc(record)) => at = above,
            _ => return dmarc(domain, &records),
        }
    }
}

fn spf(domain: &str, records: &[String]) -> Finding {
    let policies: Vec<_> =
        records.iter().filter(|record| *record == "v=spf1" || record.starts_with("v=spf1 ")).collect();
    match policies.as_slice() {
        [] => Finding::warn(
            AREA,
            format!("{domain}: no SPF record"),
            "publish a TXT record such as \"v=spf1 include:YOUR-MAIL-SERVER -all\"",
        ),
        [policy] if policy.split(' ').any(|term| term == "+all" || term == "all") => Finding::fail(
            AREA,
            format!("{domain}: the SPF record lets everyone send"),
            "replace +all with -all or ~all",
        ),
        [_] => Finding::ok(AREA, format!("{domain}: SPF is published")),
        _ => Finding::fail(
            AREA,
            format!("{domain}: {} SPF records, of which receivers use none", policies.len()),
            "merge them into one",
        ),
    }
}

fn dkim(name: &str, records: &[String]) -> Finding {
    let key = records.iter().find_map(|record| {
        record.split(';').find_map(|tag| tag.trim().strip_prefix("p=").map(|key| key.trim().to_owned()))
    });
    match key.as_deref() {
        None => Finding::fail(
            AREA,
            format!("{name}: no key is published"),
            "publish the public half of the key as a TXT record there",
        ),
        Some("") => {
            Finding::fail(AREA, format!("{name}: the key is revoked"), "publish a new key under a new selector")
        }
        Some(_) => Finding::ok(AREA, format!("{name}: a key is published")),
    }
}

fn is_dmarc(record: &str) -> bool {
    record.split(';').next().is_some_and(|tag| tag.replace(' ', "") == "v=DMARC1")
}

fn dmarc(domain: &str, records: &[String]) -> Finding {
    let policies: Vec<_> = records.iter().filter(|record| is_dmarc(record)).collect();
    match policies.as_slice() {
        [] => Finding::warn(
            AREA,
            format!("{domain}: no DMARC policy"),
            format!("publish \"v=DMARC1; p=none\" as a TXT record at _dmarc.{domain}; large receivers ask for one"),
        ),
        [_] => Finding::ok(AREA, format!("{domain}: DMARC is published")),
        _ => Finding::fail(AREA, format!("{domain}: more than one DMARC policy"), "keep one"),
    }
}

/// Names that nobody can publish anything under (RFC 2606, RFC 6762).
fn is_reserved(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    !domain.contains('.') || matches!(last, "test" | "example" | "invalid" | "localhost" | "local")
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn records(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn records_are_judged() {
        for (texts, level) in [
            (&["v=spf1 include:x -all", "other"][..], Level::Ok),
            (&["v=spf1"], Level::Ok),
            (&["v=spf10 -all"], Level::Warn),
            (&[], Level::Warn),
            (&["v=spf1 +all"], Level::Fail),
            (&["v=spf1 -all", "v=spf1 ~all"], Level::Fail),
        ] {
            assert_eq!(spf("d", &records(texts)).level, level, "{texts:?}");
        }
        for (texts, level) in [
            (&["v=DKIM1; k=rsa; p=MIIB"][..], Level::Ok),
            (&["p=MIIB"], Level::Ok),
            (&["v=DKIM1; p="], Level::Fail),
            (&["v=DKIM1"], Level::Fail),
            (&[], Level::Fail),
        ] {
            assert_eq!(dkim("n", &records(texts)).level, level, "{texts:?}");
        }
        for (texts, level) in [
            (&["v=DMARC1; p=none"][..], Level::Ok),
            (&["v = DMARC1 ;p=reject"], Level::Ok),
            (&["v=DMARC10"], Level::Warn),
            (&["v=DMARC1; p=none", "v=DMARC1"], Level::Fail),
        ] {
            assert_eq!(dmarc("d", &records(texts)).level, level, "{texts:?}");
        }
    }

    #[test]
    fn reserved_names_are_not_looked_up() {
        for (domain, reserved) in
            [("localhost", true), ("demo.example", true), ("a.test", true), ("example.com", false)]
        {
            assert_eq!(is_reserved(domain), reserved, "{domain}");
        }
    }
}
