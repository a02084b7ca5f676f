//! A durable map in a compacted topic: what has been done, written in the same transactions as what was done.
//!
//! The topic has one partition and is compacted: Kafka keeps the last value of each key and forgets keys whose last value is null. It is
//! written through the transactional producer (a `None` value deletes a key) and read whole, once, at the start.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::config::KafkaSettings;
use crate::kafka::admin::Admin;
use crate::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use crate::kafka::error::{Error, Result};
use crate::kafka::topics::{self, TopicShape};

/// The only partition of a checkpoint topic.
pub const PARTITION: i32 = 0;

/// How the names of checkpoint topics begin.
const PREFIX: &str = "fink_checkpoint_";

/// The topic in which the distribution of this name keeps its checkpoint.
pub fn topic_of(distribution: &str) -> String {
    format!("{PREFIX}{distribution}")
}

/// Whether a topic of this name is a distribution's checkpoint.
pub fn is_checkpoint(topic: &str) -> bool {
    topic.starts_with(PREFIX)
}

/// What a checkpoint topic is made with. Small segments and an eager cleaner keep it small, since all of it is read at each start; how many
/// replicas must have a record (min.insync.replicas) is the cluster's to say.
pub fn shape() -> TopicShape {
    let config = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.1"),
        ("segment.bytes", "16777216"),
        ("segment.ms", "600000"),
        ("delete.retention.ms", "3600000"),
    ];
    TopicShape {
        partitions: 1,
        replication: None,
        config: config.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    }
}

/// Makes sure that a checkpoint topic exists: one partition, compacted. Creates it where that is allowed.
///
/// # Errors
/// It may not be created ([`Error::UnknownTopic`]), or it is not what a checkpoint needs ([`Error::TopicShape`]).
pub fn ensure(user: &Admin, topic: &str) -> Result<()> {
    let wrong = |difference: String| Error::TopicShape { topic: topic.to_owned(), difference };
    let partitions = topics::ensure(user, topic, &shape()).map_err(|error| match error {
        Error::UnknownTopic { topic, hint } => Error::UnknownTopic {
            topic,
            hint: format!("{hint}; a checkpoint has one partition and cleanup.policy=compact"),
        },
        other => other,
    })?;
    if partitions != 1 {
        return Err(wrong(format!("a checkpoint has one partition, this topic has {partitions}")));
    }
    let options = match user.ask_topic_options(topic)? {
        Ok(options) => options,
        // Some servers that speak Kafka's protocol keep records without letting anybody see how.
        Err(Code::UnsupportedFeature) => {
            log::info!("the brokers do not tell how topic `{topic}` is configured: it has to be compacted");
            return Ok(());
        }
        Err(_) => Vec::new(),
    };
    match options.iter().find(|option| option.name == "cleanup.policy") {
        Some(policy) if policy.value != "compact" => Err(wrong(format!(
            "cleanup.policy is {}, so that the checkpoint would be forgotten in time; it has to be compact",
            policy.value
        ))),
        Some(_) => Ok(()),
        None => {
            log::warn!("cannot see whether topic `{topic}` is compacted (no right to its configuration): it has to be");
            Ok(())
        }
    }
}

/// Reads a checkpoint: every key with its last committed value.
///
/// Call this after [`Producer::open`](crate::kafka::Producer::open), which fences the process that wrote before and aborts what it left open:
/// what is read then is final. Read before, a commit under way could come after it.
///
/// # Errors
/// The topic does not exist or may not be read, or its end was not reached within the time.
pub fn read_all(settings: &KafkaSettings, topic: &str, within: Duration) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let deadline = Instant::now() + within;
    let options = ConsumerOptions { topics: vec![topic.to_owned()], group: None, start: StartAt::Earliest, within };
    let mut consumer = Consumer::open(settings, &options)?;
    let mut map = BTreeMap::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match consumer.next(left)? {
            Some(Event::Message(message)) => match (message.key, message.value) {
                (Some(key), Some(value)) => {
                    map.insert(key, value);
                }
                (Some(key), None) => {
                    map.remove(&key);
                }
                (None, _) => {
                    return Err(Error::TopicShape {
                        topic: topic.to_owned(),
                        difference: format!("the record at offset {} has no key: no checkpoint", message.offset),
                    });
                }
            },
            // Reached as well where the last records are aborted or only the marks of transactions.
            Some(Event::EndOfPartition { .. }) => return Ok(map),
            Some(Event::Assigned(_) | Event::Revoked(_)) => {}
            None => return Err(consumer.context().timed_out(within, &format!("reading topic `{topic}`"))),
        }
    }
}
