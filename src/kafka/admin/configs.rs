//! Requests about the configuration of topics: DescribeConfigs.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Resource, Result};
use crate::kafka::ffi::admin_call::{AdminCall, CallError, ResponseError};
use crate::kafka::ffi::configs::{NativeConfig, describe_broker_config, describe_topic_configs};
use crate::kafka::metadata::POLL_INTERVAL;
use crate::kafka::topics::{MIN_INSYNC_REPLICAS, TopicConfig, TopicDefaults};

const ACTION: &str = "see the configuration of";

impl Admin {
    /// The configuration of topics, in order. One request.
    ///
    /// # Errors
    /// No response.
    pub fn describe_configs(&self, topics: &[&str]) -> Result<Vec<TopicConfig>> {
        let Some(first) = topics.first() else { return Ok(Vec::new()) };
        // Every broker can respond, but some servers that implement Kafka's protocol have no controller, where librdkafka sends it by default.
        let leader = self.leader(first);
        let request = |call: &AdminCall<'_>| match describe_topic_configs(call, topics, leader) {
            Err(CallError::Response(ResponseError { code: Code::UnsupportedFeature, .. })) => Ok(Vec::new()),
            response => response,
        };
        let mut found = self.submit_about(ACTION, Resource::Topic(first), request)?.into_iter();
        Ok(topics.iter().map(|topic| self.topic_config(topic, found.next())).collect())
    }

    /// The defaults of topics, from the configuration of a broker. Requires describe-configs on the cluster.
    ///
    /// # Errors
    /// Not authorized, or no response.
    pub fn topic_defaults(&self) -> Result<TopicDefaults> {
        let Some((broker, _)) = self.live_brokers(None)?.into_iter().next() else {
            return Ok(TopicDefaults::default());
        };
        let found = self.submit(ACTION, |call| describe_broker_config(call, broker))?.into_iter().next();
        let entries = found.and_then(|(_, entries)| entries.ok()).unwrap_or_default();
        let number = |name: &str| entries.iter().find(|entry| entry.name == name)?.value.parse::<i64>().ok();
        let count = |name: &str| number(name).and_then(|count| i32::try_from(count).ok());
        // The finest unit that is set counts.
        let units = [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)];
        Ok(TopicDefaults {
            replication: count("default.replication.factor"),
            min_insync_replicas: count(MIN_INSYNC_REPLICAS),
            retention_ms: units.into_iter().find_map(|(name, ms)| Some(number(name)? * ms)),
        })
    }

    fn topic_config(&self, topic: &str, found: Option<NativeConfig>) -> TopicConfig {
        let code = match found {
            Some((_, Ok(mut entries))) if !entries.is_empty() => {
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                return TopicConfig { topic: topic.to_owned(), entries, error: None };
            }
            // A topic always has options.
            Some((_, Ok(_))) => Code::TopicAuthorizationFailed,
            Some((_, Err(error))) => error.code,
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
