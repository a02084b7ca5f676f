//! Topics as data: how they are created, described and compared.

use std::time::Duration;

use crate::kafka::acls::Operation;
use crate::kafka::error::Error;

/// The topic option that says whether old messages are deleted or compacted.
pub(crate) const CLEANUP_POLICY: &str = "cleanup.policy";

/// The topic option that says how many replicas must have a message before it is acknowledged.
pub(crate) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// The topic option that says after how many ms messages are deleted.
pub(crate) const RETENTION_MS: &str = "retention.ms";

/// How safely and for how long a topic stores its messages. `None`: the cluster's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// the number of replicas
    pub replication: Option<i32>,
    /// how many of them must have a message before it is acknowledged
    pub min_insync_replicas: Option<i32>,
    /// after which time messages are deleted
    pub retention: Option<Duration>,
}

/// What a topic is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// the number of partitions; `None`: the cluster's default
    pub partitions: Option<i32>,
    /// the replication factor; `None`: the cluster's default
    pub replication: Option<i32>,
    /// topic options, by Kafka's names
    pub config: Vec<(String, String)>,
}

impl TopicSpec {
    /// A topic for alerts. It is never compacted, since alerts share their keys; the rest is left to the cluster.
    pub fn stream(partitions: i32) -> Self {
        let config = vec![(CLEANUP_POLICY.to_owned(), "delete".to_owned())];
        Self { partitions: Some(partitions), replication: None, config }
    }

    /// This specification with `durability`.
    #[must_use]
    pub fn with(mut self, durability: Durability) -> Self {
        let Durability { replication, min_insync_replicas, retention } = durability;
        self.replication = replication.or(self.replication);
        let options = [
            (MIN_INSYNC_REPLICAS, min_insync_replicas.map(|count| count.to_string())),
            (RETENTION_MS, retention.map(|time| time.as_millis().to_string())),
        ];
        self.config.extend(options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        self
    }

    /// Only the replicas and the retention.
    #[must_use]
    pub fn durability_only(&self) -> Self {
        let is_kept = |name: &String| name == MIN_INSYNC_REPLICAS || name == RETENTION_MS;
        let config = self.config.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        Self { partitions: None, replication: self.replication, config }
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.config.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }
}

/// Whether a topic had to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// it is new
    Created,
    /// it existed, as specified
    AlreadyExists,
}

/// The outcome of creating one topic of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// its name
    pub topic: String,
    /// why it was not created
    pub error: Option<Error>,
}

/// A topic compared with a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicDiff {
    /// it does not exist, or the user may not see it
    Missing,
    /// it is as specified
    Same,
    /// how it differs
    Different(String),
}

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// its name
    pub name: String,
    /// the number of partitions
    pub partitions: i32,
    /// the replication factor
    pub replication: usize,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// its number
    pub id: i32,
    /// the broker that leads it; `None`: it has no leader
    pub leader: Option<i32>,
    /// the brokers that replicate it
    pub replicas: Vec<i32>,
    /// the replicas that are in sync
    pub in_sync: Vec<i32>,
}

/// The description of one topic of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// its name
    pub name: String,
    /// the partitions, by number
    pub partitions: Vec<PartitionDescription>,
    /// what the user may do with it; empty where the brokers do not tell (before 2.3)
    pub operations: Vec<Operation>,
    /// why there is no description: [`Error::UnknownTopic`], [`Error::NotAuthorized`], …
    pub error: Option<Error>,
}

/// One option of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfigEntry {
    /// Kafka's name
    pub name: String,
    /// its value
    pub value: String,
    /// whether it is set for this topic, and not a default
    pub is_override: bool,
}

/// What the cluster gives topics whose specification does not say otherwise. `None`: not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicDefaults {
    /// the number of replicas
    pub replication: Option<i32>,
    /// how many of them must have a message before it is acknowledged
    pub min_insync_replicas: Option<i32>,
    /// after how many ms messages are deleted; negative: never
    pub retention_ms: Option<i64>,
}

/// The configuration of one topic of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// the topic
    pub topic: String,
    /// its options, by name
    pub entries: Vec<TopicConfigEntry>,
    /// why there are none: [`Error::NotAuthorized`], [`Error::Unsupported`], …
    pub error: Option<Error>,
}

impl TopicConfig {
    /// The value of an option; `None`: not known.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.value.as_str())
    }
}
