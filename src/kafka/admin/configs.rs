//! Requests about the configuration of topics: DescribeConfigs.

use rdkafka::admin::{ConfigResourceResult, ConfigSource, ResourceSpecifier};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::kafka::admin::Admin;
use crate::kafka::error::{Resource, Result};
use crate::kafka::metadata::POLL_INTERVAL;
use crate::kafka::topics::{MIN_INSYNC_REPLICAS, TopicConfig, TopicConfigEntry, TopicDefaults};

const ACTION: &str = "see the configuration of";

impl Admin {
    /// The configuration of topics, in order. One request.
    ///
    /// # Errors
    /// No response.
    pub fn describe_configs(&self, topics: &[&str]) -> Result<Vec<TopicConfig>> {
        let Some(first) = topics.first() else { return Ok(Vec::new()) };
        let specifiers: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        // Every broker can respond, but some servers that implement Kafka's protocol have no controller, where librdkafka sends it by default.
        let options = self.options().broker_id(self.leader(first));
        let request = async {
            match self.inner.describe_configs(&specifiers, &options).await {
                Err(KafkaError::AdminOp(Code::UnsupportedFeature)) => Ok(Vec::new()),
                response => response,
            }
        };
        let mut responses = self.wait_for(ACTION, Resource::Topic(first), request)?.into_iter();
        Ok(topics.iter().map(|topic| self.topic_config(topic, responses.next())).collect())
    }

    /// The defaults of topics, from the configuration of a broker. Requires describe-configs on the cluster.
    ///
    /// # Errors
    /// Not authorized, or no response.
    pub fn topic_defaults(&self) -> Result<TopicDefaults> {
        let Some((broker, _)) = self.live_brokers(None)?.into_iter().next() else {
            return Ok(TopicDefaults::default());
        };
        let specifiers = [ResourceSpecifier::Broker(broker)];
        let options = self.options().broker_id(Some(broker));
        let request = async { self.inner.describe_configs(&specifiers, &options).await };
        let response = self.wait_for(ACTION, Resource::Cluster, request)?.into_iter().next();
        let entries = response.and_then(std::result::Result::ok).map(|resource| resource.entries).unwrap_or_default();
        let number = |name: &str| entries.iter().find(|entry| entry.name == name)?.value.as_ref()?.parse::<i64>().ok();
        let count = |name: &str| number(name).and_then(|count| i32::try_from(count).ok());
        // The finest unit that is set counts.
        let units = [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)];
        Ok(TopicDefaults {
            replication: count("default.replication.factor"),
            min_insync_replicas: count(MIN_INSYNC_REPLICAS),
            retention_ms: units.into_iter().find_map(|(name, ms)| Some(number(name)? * ms)),
        })
    }

    fn topic_config(&self, topic: &str, response: Option<ConfigResourceResult>) -> TopicConfig {
        let code = match response {
            Some(Ok(resource)) if !resource.entries.is_empty() => {
                let entry = |entry: rdkafka::admin::ConfigEntry| TopicConfigEntry {
                    is_override: entry.source == ConfigSource::DynamicTopic,
                    name: entry.name,
                    value: entry.value.unwrap_or_default(),
                };
                let mut entries: Vec<TopicConfigEntry> = resource.entries.into_iter().map(entry).collect();
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                return TopicConfig { topic: topic.to_owned(), entries, error: None };
            }
            // A topic always has options: rdkafka drops the error code of a resource.
            Some(Ok(_)) => Code::TopicAuthorizationFailed,
            Some(Err(code)) => code,
            None => Code::UnsupportedFeature,
        };
        let error = self.connection().request_error(code, "", ACTION, Resource::Topic(topic));
        TopicConfig { topic: topic.to_owned(), entries: Vec::new(), error: Some(error) }
    }

    /// The broker that leads the topic's first partition; `None`: none at the moment, or the user may not see the topic.
    fn leader(&self, topic: &str) -> Option<i32> {
        let metadata = self.client().fetch_metadata(Some(topic), POLL_INTERVAL.min(self.timeout)).ok()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic)?;
        let first = found.partitions().iter().find(|partition| partition.id() == 0)?;
        Some(first.leader()).filter(|id| *id >= 0)
    }
}
