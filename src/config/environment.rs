//! Environment variables: one for each key, and those of Fink's shell configuration of 2019.
//!
//! The variable of a key is `FINK_` and the key in capitals, with `_` for every other character: `FINK_KAFKA_BOOTSTRAP_SERVERS` for
//! `kafka.bootstrap_servers`, `FINK_STREAM_FULL_TOPIC` for `topic` of the stream `full`. An empty variable counts as unset.

use std::collections::BTreeMap;

/// The variables of Fink's shell configuration and their keys. `stream.` is the only stream.
pub(super) const FINK_2019_VARIABLES: [(&str, &str); 8] = [
    ("DISTRIBUTION_SERVERS", "kafka.bootstrap_servers"),
    ("DISTRIBUTION_TOPIC", "stream.topic"),
    ("DISTRIBUTION_SCHEMA", "stream.schema"),
    ("DISTRIBUTION_OFFSET", "distribution.start"),
    ("DISTRIBUTION_OFFSET_FILE", "distribution.offset_file"),
    ("DISTRIBUTION_RULES_XML", "stream.rules"),
    ("SCIENCE_DB_NAME", "science_db.table"),
    ("SCIENCE_DB_CATALOG", "science_db.catalog"),
];

/// The environment of a process. It has no `Debug`, since some variables are secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Result<String, NotUtf8>>);

/// A variable whose bytes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

impl Environment {
    /// The environment of this process.
    pub fn from_process() -> Self {
        let pairs = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.into_string().map_err(|_| NotUtf8)))
        });
        Self(pairs.collect())
    }

    /// Sets a variable that is unset or empty.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.0.insert(name.to_owned(), Ok(value.to_owned()));
        }
    }

    /// The value of a variable, unless it is unset or empty.
    pub(super) fn get(&self, name: &str) -> Option<Result<&str, NotUtf8>> {
        match self.0.get(name)? {
            Ok(text) if text.is_empty() => None,
            Ok(text) => Some(Ok(text)),
            Err(error) => Some(Err(*error)),
        }
    }

    /// The value of a variable, unless it is unset, empty or not UTF-8.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.ok()
    }

    /// The names of the variables that are not empty.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| self.get(name).is_some())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name, Ok(value))).collect())
    }
}

/// The variable of a dotted key.
pub fn variable_of(key: &str) -> String {
    let letters = key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    "FINK_".chars().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_follow_their_keys() {
        assert_eq!(variable_of("science_db.address"), "FINK_SCIENCE_DB_ADDRESS");
        assert_eq!(variable_of("stream.my-stream.schema_id"), "FINK_STREAM_MY_STREAM_SCHEMA_ID");
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let environment: Environment = [("A".to_owned(), String::new())].into_iter().collect();
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.names().count(), 0);
    }
}
