//! What topics look like.

use std::time::Instant;

use rdkafka::admin::{ConfigResourceResult, ResourceSpecifier};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::POLL_INTERVAL;
use crate::kafka::admin::Admin;
use crate::kafka::error::{Resource, Result};

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// its name
    pub name: String,
    /// partitions
    pub partitions: usize,
    /// copies of each partition
    pub replication: usize,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// its number
    pub id: i32,
    /// the broker that serves it; −1: none
    pub leader: i32,
    /// the brokers that hold it
    pub replicas: Vec<i32>,
    /// those that are up to date
    pub in_sync: Vec<i32>,
}

/// An option of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfigEntry {
    /// Kafka's name
    pub name: String,
    /// its value
    pub value: String,
    /// whether it was set for this topic, and is not a default
    pub is_override: bool,
}

/// All about one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// its name
    pub name: String,
    /// partitions, by number
    pub partitions: Vec<PartitionDescription>,
    /// options by name; `None`: the user may not see them
    pub options: Option<Vec<TopicConfigEntry>>,
}

impl Admin {
    /// All topics that the user may see, by name.
    ///
    /// # Errors
    /// No answer.
    pub fn list_topics(&self) -> Result<Vec<TopicSummary>> {
        let deadline = Instant::now() + self.timeout();
        loop {
            if let Ok(metadata) = self.client().fetch_metadata(None, POLL_INTERVAL) {
                let mut topics: Vec<_> = metadata
                    .topics()
                    .iter()
                    .map(|topic| TopicSummary {
                        name: topic.name().to_owned(),
                        partitions: topic.partitions().len(),
                        replication: topic.partitions().first().map_or(0, |p| p.replicas().len()),
                    })
                    .collect();
                topics.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(topics);
            }
            self.check("list topics", deadline)?;
        }
    }

    /// All about one topic; `None`: it does not exist.
    ///
    /// # Errors
    /// No right to see it, or no answer.
    pub fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>> {
        if self.partitions(topic)?.is_none() {
            return Ok(None);
        }
        let metadata = self.client().fetch_metadata(Some(topic), self.timeout()).map_err(|error| {
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            self.refusal(code, "", "look at", Resource::Topic(topic))
        })?;
        let Some(found) = metadata.topics().iter().find(|t| t.name() == topic) else { return Ok(None) };
        let mut partitions: Vec<_> = found
            .partitions()
            .iter()
            .map(|p| PartitionDescription {
                id: p.id(),
                leader: p.leader(),
                replicas: p.replicas().to_vec(),
                in_sync: p.isr().to_vec(),
            })
            .collect();
        partitions.sort_by_key(|p| p.id);
        Ok(Some(TopicDescription { name: topic.to_owned(), partitions, options: self.topic_config(topic)? }))
    }

    /// Where a partition begins and ends: the offset of its oldest message, and that of the next to come.
    ///
    /// # Errors
    /// No right to see the topic, no leader, or no answer.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        self.client().fetch_watermarks(topic, partition, self.timeout()).map_err(|error| {
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            self.refusal(code, "", "look at", Resource::Topic(topic))
        })
    }

    /// The options of a topic by name; `None`: the user may not see them, or the brokers do not tell them.
    ///
    /// # Errors
    /// It does not exist, or no answer.
    pub fn topic_config(&self, topic: &str) -> Result<Option<Vec<TopicConfigEntry>>> {
        Ok(self.try_topic_config(topic)?.ok())
    }

    /// The options of a topic by name, or the code with which they are kept back: `TopicAuthorizationFailed`, or `UnsupportedFeature` where the
    /// brokers do not know the question.
    pub(in crate::kafka) fn try_topic_config(
        &self,
        topic: &str,
    ) -> Result<std::result::Result<Vec<TopicConfigEntry>, Code>> {
        Ok(self.describe_configs_of(&[topic])?.into_iter().next().unwrap_or(Err(Code::UnsupportedFeature)))
    }

    /// As [`try_topic_config`](Self::try_topic_config) of many topics in one request, in their order.
    pub(super) fn describe_configs_of(
        &self,
        topics: &[&str],
    ) -> Result<Vec<std::result::Result<Vec<TopicConfigEntry>, Code>>> {
        let Some(first) = topics.first() else { return Ok(Vec::new()) };
        let action = "see the configuration of";
        let specifiers: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        // The topic's leader knows them as well as the controller, which not every server that speaks Kafka's protocol has.
        let options = self.options().broker_id(self.leader(first));
        let request = async {
            match self.inner().describe_configs(&specifiers, &options).await {
                Err(KafkaError::AdminOp(Code::UnsupportedFeature)) => Ok(Vec::new()),
                answer => answer,
            }
        };
        let mut answers = self.answer(action, Resource::Topic(first), request)?.into_iter();
        topics.iter().map(|topic| self.options_of(topic, answers.next())).collect()
    }

    fn options_of(
        &self,
        topic: &str,
        answer: Option<ConfigResourceResult>,
    ) -> Result<std::result::Result<Vec<TopicConfigEntry>, Code>> {
        let resource = match answer {
            // Where the user may not see them, rdkafka gives none instead of the refusal; a topic is never without options.
            Some(Ok(resource)) if resource.entries.is_empty() => return Ok(Err(Code::TopicAuthorizationFailed)),
            Some(Ok(resource)) => resource,
            Some(Err(code @ (Code::TopicAuthorizationFailed | Code::UnsupportedFeature))) => return Ok(Err(code)),
            Some(Err(code)) => return Err(self.refusal(code, "", "see the configuration of", Resource::Topic(topic))),
            None => return Ok(Err(Code::UnsupportedFeature)),
        };
        let mut found: Vec<_> = resource
            .entries
            .into_iter()
            .map(|entry| TopicConfigEntry {
                is_override: entry.source == rdkafka::admin::ConfigSource::DynamicTopic,
                name: entry.name,
                value: entry.value.unwrap_or_default(),
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Ok(found))
    }

    /// The broker that serves a topic's first partition; `None`: nobody does at the moment, or the user may not see it.
    fn leader(&self, topic: &str) -> Option<i32> {
        let metadata = self.client().fetch_metadata(Some(topic), POLL_INTERVAL.min(self.timeout())).ok()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic)?;
        found
            .partitions()
            .iter()
            .find(|partition| partition.id() == 0)
            .map(|partition| partition.leader())
            .filter(|id| *id >= 0)
    }
}
