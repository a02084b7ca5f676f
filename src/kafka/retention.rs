//! Whether topics retain alerts long enough.

use std::time::Duration;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Result};
use crate::kafka::topics::{CLEANUP_POLICY, TopicConfig};
use crate::units::{format_duration, format_size};

/// A lower retention.ms is worth a warning: consumers that are down for a night lose alerts.
const MIN_RETENTION_MS: i64 = 86_400_000;
/// A lower retention.bytes is worth a warning: a partition then holds fewer than about 20,000 alerts of ZTF.
const MIN_RETENTION_BYTES: i64 = 1 << 30;

/// Whether a topic retains alerts for its consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retention {
    /// for a day or longer
    Sufficient,
    /// for less than a day, or few alerts: why, and what to do
    Short(String),
    /// compaction deletes alerts: why, and what to do
    Lossy(String),
    /// the topic does not exist, or its configuration cannot be seen
    Unknown,
}

impl Retention {
    fn of(config: &TopicConfig) -> Self {
        let topic = &config.topic;
        let Some(policy) = config.value(CLEANUP_POLICY) else { return Self::Unknown };
        let change = |option: &str| {
            format!("kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {option}")
        };
        // Whatever their content, alerts share keys: all have the schema or the version, those of an object have its identifier. And a compacted
        // topic rejects messages without a key.
        if policy.split(',').any(|policy| policy.trim() == "compact") {
            return Self::Lossy(format!(
                "{CLEANUP_POLICY} is {policy}, so that only the last alert of each key is kept; set it to delete: `{}`",
                change("cleanup.policy=delete")
            ));
        }
        let limit = |name: &str, least: i64| {
            config.value(name).and_then(|value| value.parse().ok()).filter(|limit: &i64| (0..least).contains(limit))
        };
        if let Some(time) = limit("retention.ms", MIN_RETENTION_MS) {
            let time = format_duration(Duration::from_millis(time.unsigned_abs()));
            return Self::Short(format!(
                "alerts are deleted after {time} (retention.ms), consumed or not; to retain them for four days: `{}`",
                change("retention.ms=345600000")
            ));
        }
        if let Some(size) = limit("retention.bytes", MIN_RETENTION_BYTES) {
            let size = format_size(size.unsigned_abs());
            return Self::Short(format!(
                "each partition retains {size} at most (retention.bytes), and older alerts are deleted, consumed or not; to remove this limit: `{}`",
                change("retention.bytes=-1")
            ));
        }
        Self::Sufficient
    }
}

/// The retention of topics, in order. One request.
///
/// # Errors
/// No response.
pub fn retentions(admin: &Admin, topics: &[&str]) -> Result<Vec<Retention>> {
    admin.describe_configs(topics)?.iter().map(of_topic).collect()
}

fn of_topic(config: &TopicConfig) -> Result<Retention> {
    match &config.error {
        None | Some(Error::NotAuthorized { .. } | Error::Unsupported { .. } | Error::UnknownTopic { .. }) => {
            Ok(Retention::of(config))
        }
        Some(error) => Err(error.clone()),
    }
}

/// Fails for topics that lose alerts; logs a warning for those that retain them for a short time. Accepts topics whose configuration cannot be
/// seen.
///
/// # Errors
/// [`Error::TopicMismatch`] for the first topic that loses alerts (the log names the others); [`Error::UnknownTopic`]; or no response.
pub fn require_retention(admin: &Admin, topics: &[&str]) -> Result<()> {
    let (mut lossy, mut unknown) = (Vec::new(), Vec::new());
    let configs = admin.describe_configs(topics)?;
    // A broker may not know a new topic yet.
    let missing =
        |config: &TopicConfig| config.error.clone().filter(|error| matches!(error, Error::UnknownTopic { .. }));
    if let Some(error) = configs.iter().find_map(missing) {
        return Err(error);
    }
    for (topic, config) in topics.iter().zip(&configs) {
        match of_topic(config)? {
            Retention::Sufficient => {}
            Retention::Short(reason) => log::warn!("topic `{topic}`: {reason}"),
            Retention::Lossy(difference) => lossy.push(Error::TopicMismatch { topic: (*topic).to_owned(), difference }),
            Retention::Unknown => unknown.push(*topic),
        }
    }
    if let Some(first) = unknown.first() {
        log::info!(
            "cannot see whether {} topics, such as `{first}`, retain all alerts (not authorized to describe-configs): their {CLEANUP_POLICY} has \
             to be delete",
            unknown.len()
        );
    }
    let mut lossy = lossy.into_iter();
    match lossy.next() {
        None => Ok(()),
        Some(first) => {
            lossy.for_each(|error| log::error!("{error}"));
            Err(first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::topics::TopicConfigEntry;

    fn retention(options: &[(&str, &str)]) -> Retention {
        let option = |(name, value): &(&str, &str)| TopicConfigEntry {
            name: (*name).into(),
            value: (*value).into(),
            is_override: true,
        };
        let entries = options.iter().map(option).collect();
        Retention::of(&TopicConfig { topic: "fink_a".to_owned(), entries, error: None })
    }

    #[test]
    fn a_compacted_topic_is_lossy_whatever_its_retention() {
        for compacts in ["compact", "compact,delete", "delete,compact", "delete, compact"] {
            let Retention::Lossy(reason) = retention(&[("cleanup.policy", compacts), ("retention.ms", "5")]) else {
                panic!("{compacts} is accepted");
            };
            assert!(reason.contains(compacts) && reason.contains("--entity-name fink_a"), "{reason}");
        }
        assert_eq!(retention(&[("cleanup.policy", "delete"), ("retention.ms", "604800000")]), Retention::Sufficient);
        assert_eq!(retention(&[]), Retention::Unknown);
    }

    #[test]
    fn a_short_retention_names_its_limit() {
        let with = |name: &str, value: &str| retention(&[("cleanup.policy", "delete"), (name, value)]);
        assert!(matches!(with("retention.ms", "3600000"), Retention::Short(reason) if reason.contains("after 1h")));
        assert!(matches!(with("retention.bytes", "1048576"), Retention::Short(reason) if reason.contains("1MiB")));
        for (name, value) in [("retention.ms", "86400000"), ("retention.ms", "-1"), ("retention.bytes", "-1")] {
            assert_eq!(with(name, value), Retention::Sufficient, "{name}={value}");
        }
    }
}
