//! Requests about the configuration of topics: DescribeConfigs.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Resource, Result};
use crate::kafka::ffi::admin_call::{AdminCall, CallError, ResponseError};
use crate::kafka::ffi::configs::{NativeConfig, describe_topic_configs};
use crate::kafka::metadata::POLL_INTERVAL;
use crate::kafka::topics::TopicConfig;

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
