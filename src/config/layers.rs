//! The three layers of settings (file, environment, flags) laid over each other, each value with its origin.
//!
//! Every layer is flattened to `section.key` → text before anything is interpreted, so that a value is
//! parsed by the same code wherever it came from, and a refusal can name the key and the line. What no
//! reader asked for is unknown, and stops the start: a misspelt setting must not be a silent default.
//!
//! Values may be secrets: nothing here has `Debug`, and a refusal shows a value only when its reader says
//! that it may be shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

/// Begins every environment variable of ours.
pub(crate) const ENV_PREFIX: &str = "SENDWHEEL_";

/// Variables of the client commands, which are no settings of a node.
const ENV_OF_CLIENTS: [&str; 3] = ["SENDWHEEL_URL", "SENDWHEEL_API_KEY", "SENDWHEEL_CONFIG"];

/// Which bug the load harness asks for, in builds that have some.
#[cfg(feature = "planted-bugs")]
pub(crate) const PLANTED_BUG: &str = "SENDWHEEL_PLANTED_BUG";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the file, counted from 1.
    File { name: String, line: usize },
    /// An environment variable.
    Env(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// Nowhere: a setting that is missing.
    Missing,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}: "),
            Self::Env(name) => write!(f, "{name}: "),
            Self::Flag(name) => write!(f, "{name}: "),
            Self::Missing => Ok(()),
        }
    }
}

/// A setting that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(crate) origin: Origin,
    pub(crate) key: String,
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

struct Value {
    text: String,
    origin: Origin,
}

/// The merged layers, and what went wrong with them so far.
#[derive(Default)]
pub(crate) struct Layers {
    values: BTreeMap<String, Value>,
    known: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Layers {
    /// Lays the file's values over what is there.
    pub(crate) fn add_file(&mut self, name: &str, text: &str) {
        match DeTable::parse(text) {
            Ok(table) => self.add_table(name, text, "", table.get_ref()),
            Err(error) => {
                let line = line_of(text, error.span().map_or(0, |span| span.start));
                let origin = Origin::File { name: name.into(), line };
                // The message alone: the rendered error would quote the line, and with it a secret.
                self.problems.push(Problem {
                    origin,
                    key: String::new(),
                    what: format!("not TOML: {}", error.message()),
                });
            }
        }
    }

    fn add_table(&mut self, name: &str, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(prefix, key.get_ref());
            self.add_value(name, text, path, line_of(text, key.span().start), value.get_ref());
        }
    }

    fn add_value(&mut self, name: &str, text: &str, path: String, line: usize, value: &DeValue<'_>) {
        let scalar = match value {
            DeValue::Table(table) => return self.add_table(name, text, &path, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let line = line_of(text, item.span().start);
                    self.add_value(name, text, join(&path, &index.to_string()), line, item.get_ref());
                }
                return;
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(at) => at.to_string(),
        };
        self.values.insert(path, Value { text: scalar, origin: Origin::File { name: name.into(), line } });
    }

    /// Lays the environment's values over what is there: `SENDWHEEL_SECTION__KEY`.
    pub(crate) fn add_env(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(ENV_PREFIX) else { continue };
            if ENV_OF_CLIENTS.contains(&name.as_str()) || is_service_link(rest) {
                continue;
            }
            // A build without planted bugs refuses it, as it does every setting that it does not know.
            #[cfg(feature = "planted-bugs")]
            if name == PLANTED_BUG {
                continue;
            }
            let path = rest.to_ascii_lowercase().replace("__", ".");
            self.values.insert(path, Value { text, origin: Origin::Env(name) });
        }
    }

    /// Lays a flag's value over what is there.
    pub(crate) fn add_flag(&mut self, flag: &'static str, key: &str, text: String) {
        self.values.insert(key.into(), Value { text, origin: Origin::Flag(flag) });
    }

    /// Where a key's value came from, if it was set at all.
    pub(crate) fn origin(&self, key: &str) -> Option<&Origin> {
        self.values.get(key).map(|value| &value.origin)
    }

    /// A value that may be shown in a refusal.
    pub(crate) fn optional<T, E: fmt::Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.insert(key.into());
        let value = self.values.get(key)?;
        match parse(&value.text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let what = format!("{error}, not {:?}", value.text);
                self.problems.push(Problem { origin: value.origin.clone(), key: key.into(), what });
                None
            }
        }
    }

    /// A value that may be shown in a refusal, or its default.
    pub(crate) fn or<T, E: fmt::Display>(
        &mut self,
        key: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// A value that is never shown.
    pub(crate) fn secret(&mut self, key: &str) -> Option<SecretString> {
        self.known.insert(key.into());
        self.values.get(key).map(|value| SecretString::from(value.text.as_str()))
    }

    /// How many tables an array of tables has. A plain table counts as none: see [`Self::has`].
    pub(crate) fn len_of(&self, prefix: &str) -> usize {
        let prefix = format!("{prefix}.");
        self.values
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .filter_map(|(key, _)| key[prefix.len()..].split('.').next()?.parse::<usize>().ok())
            .max()
            .map_or(0, |last| last.saturating_add(1).min(MAX_ARRAY))
    }

    /// Whether anything is set under a key.
    pub(crate) fn has(&self, prefix: &str) -> bool {
        let dotted = format!("{prefix}.");
        self.values.contains_key(prefix)
            || self.values.range(dotted.clone()..).next().is_some_and(|(key, _)| key.starts_with(&dotted))
    }

    /// Every value of a table whose keys are free; never shown, as headers carry credentials.
    pub(crate) fn free_table(&mut self, prefix: &str) -> BTreeMap<String, SecretString> {
        let dotted = format!("{prefix}.");
        let mut table = BTreeMap::new();
        for (key, value) in self.values.range(dotted.clone()..).take_while(|(key, _)| key.starts_with(&dotted)) {
            self.known.insert(key.clone());
            table.insert(key[dotted.len()..].to_owned(), SecretString::from(value.text.as_str()));
        }
        table
    }

    /// Refuses a key for a reason that only shows when several are read together.
    pub(crate) fn refuse(&mut self, key: &str, what: impl Into<String>) {
        let origin = self.origin(key).cloned().unwrap_or(Origin::Missing);
        self.problems.push(Problem { origin, key: key.into(), what: what.into() });
    }

    /// Whether a store URL names an embedded store, or nothing was said.
    pub(crate) fn is_embedded_or_unset(&self, key: &str) -> bool {
        self.values.get(key).is_none_or(|value| value.text.starts_with("embedded:"))
    }

    /// Every key that a reader asked for.
    #[cfg(test)]
    pub(crate) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    /// What is wrong, with every key that nobody asked for; file first, in order of lines.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        for (key, value) in &self.values {
            if !self.known.contains(key) {
                let what = match nearest(key, &self.known) {
                    Some(near) => format!("unknown setting, did you mean {near}?"),
                    None => "unknown setting, see `sendwheel serve --print-config` for all of them".into(),
                };
                self.problems.push(Problem { origin: value.origin.clone(), key: key.clone(), what });
            }
        }
        self.problems.sort_by_key(|problem| match &problem.origin {
            Origin::File { line, .. } => (0, *line),
            Origin::Env(_) => (1, 0),
            Origin::Flag(_) => (2, 0),
            Origin::Missing => (3, 0),
        });
        self.problems
    }
}

/// Tables in an array, at most.
const MAX_ARRAY: usize = 1_000;

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn line_of(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Whether a variable is one that Kubernetes and Docker links set for a service called "sendwheel".
fn is_service_link(rest: &str) -> bool {
    !rest.contains("__") && (rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_"))
}

fn nearest<'a>(key: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(key, candidate), candidate.as_str()))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, candidate)| candidate)
}
