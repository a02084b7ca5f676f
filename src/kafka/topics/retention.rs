//! How long topics keep their messages, and whether that suits alerts.

use std::time::Duration;

use super::description::TopicConfigEntry;
use crate::config::{format_duration, format_size};
use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Result};

/// A retention time below this is worth a warning, ms: readers that are away for a night lose alerts.
const MIN_RETENTION_MS: i64 = 86_400_000;
/// A retention size below this is worth a warning, bytes of a partition: about 20,000 alerts of ZTF.
const MIN_RETENTION_BYTES: i64 = 1 << 30;

/// The option that says whether old messages are deleted or compacted.
pub(super) const CLEANUP_POLICY: &str = "cleanup.policy";

/// Whether a topic keeps alerts as readers expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retention {
    /// it does
    Sufficient,
    /// it deletes alerts soon: why, and what to do
    Short(String),
    /// it loses alerts: why, and what to do
    Lossy(String),
    /// the topic does not exist, the user may not see its configuration, or the brokers do not tell it
    Unknown,
}

impl Retention {
    fn of(topic: &str, options: &[TopicConfigEntry]) -> Self {
        let value = |name: &str| options.iter().find(|option| option.name == name).map(|option| option.value.as_str());
        let Some(policy) = value(CLEANUP_POLICY) else { return Self::Unknown };
        let change = |option: &str| {
            format!("kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {option}")
        };
        // Keys repeat whatever they are: the schema and the version for all alerts, the object for its own; and brokers refuse messages
        // without a key.
        if policy.split(',').any(|policy| policy.trim() == "compact") {
            return Self::Lossy(format!(
                "{CLEANUP_POLICY} is {policy}, so that only the last alert of each key is kept; set it to delete: `{}`",
                change("cleanup.policy=delete")
            ));
        }
        let limit = |name: &str, least: i64| {
            value(name).and_then(|value| value.parse().ok()).filter(|limit: &i64| (0..least).contains(limit))
        };
        if let Some(time) = limit("retention.ms", MIN_RETENTION_MS) {
            let time = format_duration(Duration::from_millis(time.unsigned_abs()));
            return Self::Short(format!(
                "alerts are deleted after {time} (retention.ms), read or not; to keep them for four days: `{}`",
                change("retention.ms=345600000")
            ));
        }
        if let Some(size) = limit("retention.bytes", MIN_RETENTION_BYTES) {
            let size = format_size(size.unsigned_abs());
            return Self::Short(format!(
                "each partition keeps {size} at most (retention.bytes), and older alerts are deleted, read or not; to let time alone decide: `{}`",
                change("retention.bytes=-1")
            ));
        }
        Self::Sufficient
    }
}

/// The policies of topics, in their order. Costs one request for all of them.
///
/// # Errors
/// No answer.
pub fn retentions(admin: &Admin, topics: &[&str]) -> Result<Vec<Retention>> {
    let answers = admin.describe_configs_of(topics)?;
    let policy = |(topic, options): (&&str, &std::result::Result<Vec<TopicConfigEntry>, _>)| match options {
        Ok(options) => Retention::of(topic, options),
        Err(_) => Retention::Unknown,
    };
    Ok(topics.iter().zip(&answers).map(policy).collect())
}

/// Refuses topics that lose alerts; warns of those that delete them soon. Those whose configuration the user may not see are accepted.
///
/// # Errors
/// [`Error::TopicMismatch`] of the first topic that loses alerts (the log names the others); or as [`retentions`].
pub fn require_retention(admin: &Admin, topics: &[&str]) -> Result<()> {
    let (mut bad, mut hidden) = (Vec::new(), Vec::new());
    for (topic, policy) in topics.iter().zip(retentions(admin, topics)?) {
        match policy {
            Retention::Sufficient => {}
            Retention::Short(reason) => log::warn!("topic `{topic}`: {reason}"),
            Retention::Lossy(difference) => bad.push(Error::TopicMismatch { topic: (*topic).to_owned(), difference }),
            Retention::Unknown => hidden.push(*topic),
        }
    }
    if let Some(first) = hidden.first() {
        log::info!(
            "cannot see whether {} topics, such as `{first}`, keep all alerts (no right to describe-configs): their cleanup.policy has to be delete",
            hidden.len()
        );
    }
    let mut bad = bad.into_iter();
    match bad.next() {
        None => Ok(()),
        Some(first) => {
            bad.for_each(|error| log::error!("{error}"));
            Err(first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(options: &[(&str, &str)]) -> Retention {
        let option = |(name, value): &(&str, &str)| TopicConfigEntry {
            name: (*name).into(),
            value: (*value).into(),
            is_override: true,
        };
        Retention::of("fink_a", &options.iter().map(option).collect::<Vec<_>>())
    }

    #[test]
    fn a_topic_that_compacts_is_bad_whatever_else_it_does() {
        for compacts in ["compact", "compact,delete", "delete,compact", "delete, compact"] {
            let Retention::Lossy(reason) = policy(&[("cleanup.policy", compacts), ("retention.ms", "5")]) else {
                panic!("{compacts} is not refused");
            };
            assert!(reason.contains(compacts) && reason.contains("--entity-name fink_a"), "{reason}");
        }
        assert_eq!(policy(&[("cleanup.policy", "delete"), ("retention.ms", "604800000")]), Retention::Sufficient);
        assert_eq!(policy(&[]), Retention::Unknown);
    }

    #[test]
    fn a_topic_that_deletes_soon_is_named_with_its_limit() {
        let with = |name: &str, value: &str| policy(&[("cleanup.policy", "delete"), (name, value)]);
        assert!(matches!(with("retention.ms", "3600000"), Retention::Short(reason) if reason.contains("after 1h")));
        assert!(matches!(with("retention.bytes", "1048576"), Retention::Short(reason) if reason.contains("1MiB")));
        for (name, value) in [("retention.ms", "86400000"), ("retention.ms", "-1"), ("retention.bytes", "-1")] {
            assert_eq!(with(name, value), Retention::Sufficient, "{name}={value}");
        }
    }
}
