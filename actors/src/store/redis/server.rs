//! What the server says about itself: version, memory, persistence.

use redis::Value;

use super::connection::{Link, store_error};
use crate::store::contract::{StoreError, Usage};

/// Facts of one server, from `INFO`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ServerFacts {
    pub(super) version: String,
    pub(super) used_memory: u64,
    pub(super) maxmemory: u64,
    pub(super) policy: String,
    pub(super) is_aof_on: bool,
}

impl ServerFacts {
    fn parse(info: &str) -> Self {
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim()
        };
        Self {
            version: field("redis_version").to_owned(),
            used_memory: field("used_memory").parse().unwrap_or(0),
            maxmemory: field("maxmemory").parse().unwrap_or(0),
            policy: field("maxmemory_policy").to_owned(),
            is_aof_on: field("aof_enabled") == "1",
        }
    }

    /// Asks every server (a cluster has several).
    pub(super) async fn read(link: &Link) -> Result<Vec<Self>, StoreError> {
        let mut command = redis::cmd("INFO");
        command.arg("everything");
        let reply: Value = link.run(&command).await.map_err(|error| store_error(&error))?;
        let mut texts = Vec::new();
        collect(reply, &mut texts);
        let facts: Vec<Self> =
            texts.iter().map(|text| Self::parse(text)).filter(|facts| !facts.version.is_empty()).collect();
        if facts.is_empty() {
            return Err(StoreError::Unusable("the server does not answer INFO; permit it to this user".to_owned()));
        }
        Ok(facts)
    }

    /// What makes it unusable.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < 7) {
            return Err(StoreError::Unusable(format!("Redis {} is too old; run version 7 or later", self.version)));
        }
        if self.maxmemory > 0 && self.policy != "noeviction" {
            return Err(StoreError::Unusable(format!(
                "maxmemory-policy is {}, which throws messages away; set it to noeviction",
                self.policy
            )));
        }
        Ok(())
    }

    /// What an operator should change.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.is_aof_on {
            warnings.push("appendonly is off: a restart of the server loses messages; set it to yes".to_owned());
        }
        if self.maxmemory == 0 {
            warnings.push("maxmemory is not set: a full server is killed instead of refusing; set it".to_owned());
        }
        warnings
    }

    /// Share and bytes.
    pub(super) fn usage(&self) -> Usage {
        let share = if self.maxmemory == 0 { 0.0 } else { self.used_memory as f64 / self.maxmemory as f64 };
        Usage { share, bytes: self.used_memory }
    }
}

/// `INFO` is one text from one server, a map of them from a cluster.
fn collect(value: Value, texts: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => texts.push(text),
        Value::Array(values) => values.into_iter().for_each(|value| collect(value, texts)),
        Value::Map(pairs) => pairs.into_iter().for_each(|(_, value)| collect(value, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: &str, maxmemory: u64, policy: &str) -> ServerFacts {
        ServerFacts::parse(&format!(
            "# Server\r\nredis_version:{version}\r\nused_memory:50\r\nmaxmemory:{maxmemory}\r\n\
             maxmemory_policy:{policy}\r\naof_enabled:0\r\n"
        ))
    }

    #[test]
    fn an_old_or_evicting_server_is_refused_with_what_to_do() {
        assert!(facts("7.0.15", 100, "noeviction").check().is_ok());
        assert!(facts("8.0.0", 0, "allkeys-lru").check().is_ok(), "without a limit nothing is evicted");
        assert!(facts("6.2.0", 0, "noeviction").check().unwrap_err().to_string().contains("version 7"));
        assert!(facts("7.2.0", 1, "allkeys-lru").check().unwrap_err().to_string().contains("noeviction"));
        assert!(facts("", 0, "").check().is_err());
    }

    #[test]
    fn usage_is_the_share_of_maxmemory() {
        assert_eq!(facts("7.0.0", 100, "noeviction").usage(), Usage { share: 0.5, bytes: 50 });
        assert_eq!(facts("7.0.0", 0, "noeviction").usage(), Usage { share: 0.0, bytes: 50 });
        assert_eq!(facts("7.0.0", 0, "noeviction").warnings().len(), 2);
    }
}
