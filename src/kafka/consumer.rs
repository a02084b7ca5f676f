//! A consumer of committed messages.

mod assignment;
mod commit;

pub use commit::OffsetCommit;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;

use crate::kafka::client_config::{Identity, client_config};
use crate::kafka::connection::Connection;
use crate::kafka::error::{Error, Resource, Result, is_transient, settings_error};
use crate::kafka::ffi::consuming::{ConsumerEvent, next_event};
use crate::kafka::message::Message;
use crate::kafka::metadata::partition_count;
use crate::kafka::settings::KafkaSettings;

/// Defaults. Raw options may change them.
const DEFAULTS: &[(&str, &str)] = &[
    // librdkafka's default of 64 MiB is too much for a laptop: fetched batches and what they are made of come on top.
    ("queued.max.messages.kbytes", "8192"),
    // librdkafka's default of 1 s stalls a consumer with a queue this small: 10,000 alerts take ten times as long.
    ("fetch.queue.backoff.ms", "10"),
    (FETCH_WAIT, "100"),
    // How soon new partitions of a topic are found.
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// How long a broker waits for new messages. It answers one such request after the other.
const FETCH_WAIT: &str = "fetch.wait.max.ms";

/// Of a consumer that reads up to an end: it does not wait for new messages, and partitions that are added while a request waits, wait too.
const BOUNDED_DEFAULTS: &[(&str, &str)] = &[(FETCH_WAIT, "5")];

/// librdkafka requires a group id even where no group is used. No offset is committed for it.
const NO_GROUP: &str = "fink";

/// The position that a consumer starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// the oldest retained message
    Earliest,
    /// the end of each partition when the consumer is ready
    Latest,
    /// the first message at or after this time, ms since 1970
    Timestamp(i64),
}

/// What a consumer is opened with.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// the topics, at least one
    pub topics: Vec<String>,
    /// The consumers of a group share the partitions and resume at the committed offsets. `None`: the consumer reads all partitions from `start`.
    pub group: Option<String>,
    /// where to start; with a group, in partitions without a committed offset
    pub start: StartAt,
    /// the timeout of each request
    pub timeout: Duration,
}

/// An event of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// a message
    Message(Message),
    /// All messages of a partition have been consumed. Repeated whenever that is so again.
    EndOfPartition {
        /// the topic
        topic: String,
        /// its partition
        partition: i32,
        /// the offset of the next message, or a lower one than that
        offset: i64,
    },
    /// These partitions are consumed from now on; for [`StartAt::Latest`], from here.
    Assigned(Vec<(String, i32)>),
    /// The group has assigned these partitions to another consumer. They are unassigned at the next call of [`Consumer::next`], so that their
    /// offsets can be committed before.
    Revoked(Vec<(String, i32)>),
}

/// The lag of a consumer in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// the next offset of this consumer, if it has consumed anything
    pub position: Option<i64>,
    /// the committed offset of the group, if there is one
    pub committed: Option<i64>,
    /// the last stable offset
    pub end: i64,
}

/// A consumer with `isolation.level=read_committed`.
pub struct Consumer {
    inner: BaseConsumer<Connection>,
    group: Option<String>,
    /// the caller chose the partitions and knows that they exist
    has_explicit_partitions: bool,
    start: StartAt,
    timeout: Duration,
    positions: BTreeMap<(String, i32), Option<i64>>,
    events: VecDeque<Event>,
    /// partitions to give up at the next call
    revoked: Vec<(String, i32)>,
}

impl Consumer {
    /// Opens a consumer. Without a group it is ready on return; with one, when its first event, [`Event::Assigned`], arrives.
    ///
    /// # Errors
    /// Invalid settings, a refused login, a topic that does not exist or may not be described, or no response.
    pub fn open(settings: &KafkaSettings, options: &ConsumerOptions) -> Result<Self> {
        let group = options.group.as_deref();
        let mut consumer = Self::create(settings, DEFAULTS, group, options.start, options.timeout)?;
        let mut all = Vec::new();
        for topic in &options.topics {
            let Some(partitions) = consumer.partitions(topic)? else {
                return Err(Error::UnknownTopic { topic: topic.clone(), hint: String::new() });
            };
            all.extend((0..partitions).map(|partition| (topic.clone(), partition)));
        }
        if consumer.group.is_some() {
            let topics: Vec<&str> = options.topics.iter().map(String::as_str).collect();
            consumer.inner.subscribe(&topics).map_err(|e| consumer.error(&e, "read", None))?;
        } else {
            consumer.assign(all)?;
        }
        Ok(consumer)
    }

    /// Opens a consumer of these partitions, without a group, to read them up to some offset.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_partitions(
        settings: &KafkaSettings,
        partitions: Vec<(String, i32)>,
        start: StartAt,
        timeout: Duration,
    ) -> Result<Self> {
        let defaults = [DEFAULTS, BOUNDED_DEFAULTS].concat();
        let mut consumer = Self::create(settings, &defaults, None, start, timeout)?;
        consumer.has_explicit_partitions = true;
        consumer.assign(partitions)?;
        Ok(consumer)
    }

    fn create(
        settings: &KafkaSettings,
        defaults: &[(&str, &str)],
        group: Option<&str>,
        start: StartAt,
        timeout: Duration,
    ) -> Result<Self> {
        let fixed = [
            ("group.id", group.unwrap_or(NO_GROUP)),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("enable.auto.offset.store", "false"),
            ("enable.auto.commit", if group.is_some() { "true" } else { "false" }),
            // Where the offset to start at was deleted meanwhile: the oldest one that is retained.
            ("auto.offset.reset", "earliest"),
        ];
        let config = client_config(settings, Identity::User, defaults, &fixed)?;
        let connection = Connection::new(settings, Identity::User);
        let inner: BaseConsumer<Connection> = config.create_with_context(connection).map_err(|e| settings_error(&e))?;
        let (positions, events, revoked) = (BTreeMap::new(), VecDeque::new(), Vec::new());
        Ok(Self {
            inner,
            group: group.map(str::to_owned),
            has_explicit_partitions: false,
            start,
            timeout,
            positions,
            events,
            revoked,
        })
    }

    /// The next event; `None`: there was none within `timeout`. While brokers are down there are no events: see
    /// [`connection`](Self::connection).
    ///
    /// # Errors
    /// Not authorized to read a topic or to use the group, a deleted topic, or a refused login.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event>> {
        self.give_up_revoked()?;
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match next_event(&self.inner, left) {
                Some(ConsumerEvent::Message(message)) => {
                    self.connection().status().mark_connected();
                    if let Some(position) = self.positions.get_mut(&(message.topic.clone(), message.partition)) {
                        *position = Some(message.offset + 1);
                        return Ok(Some(Event::Message(message)));
                    }
                }
                Some(ConsumerEvent::EndOfPartition { topic, partition, offset }) => {
                    self.connection().status().mark_connected();
                    if let Some(position) = self.positions.get_mut(&(topic.clone(), partition)) {
                        *position = Some(offset);
                        return Ok(Some(Event::EndOfPartition { topic, partition, offset }));
                    }
                }
                Some(ConsumerEvent::Assign(partitions)) => self.assign(partitions)?,
                Some(ConsumerEvent::Revoke(partitions)) => {
                    self.revoked.clone_from(&partitions);
                    return Ok(Some(Event::Revoked(partitions)));
                }
                Some(ConsumerEvent::Error { code, reason, topic }) => {
                    self.check_error(code, &reason, topic.as_deref())?
                }
                Some(ConsumerEvent::Handled) => {}
                None if Instant::now() >= deadline => return Ok(None),
                None => {}
            }
        }
    }

    /// Marks a message as consumed. With a group, the offsets of consumed messages are committed every 5 s and when the consumer is dropped.
    ///
    /// # Errors
    /// The group has assigned the partition to another consumer.
    pub fn store_offset(&self, message: &Message) -> Result<()> {
        if self.group.is_none() {
            return Ok(());
        }
        let stored = self.inner.store_offset(&message.topic, message.partition, message.offset);
        stored.map_err(|e| self.error(&e, "commit the offset of", Some(&message.topic)))
    }

    /// The lag in each partition of this consumer.
    ///
    /// # Errors
    /// No response, or not authorized to describe the group.
    pub fn lag(&self) -> Result<Vec<Lag>> {
        let committed = self.committed(list_of(self.positions.keys()))?;
        let mut lags = Vec::with_capacity(self.positions.len());
        for ((topic, partition), position) in &self.positions {
            let (_, end) = self.ends(topic, *partition)?;
            lags.push(Lag {
                topic: topic.clone(),
                partition: *partition,
                position: *position,
                committed: committed.get(&(topic.clone(), *partition)).and_then(|offset| match offset {
                    Offset::Offset(offset) => Some(*offset),
                    _ => None,
                }),
                end,
            });
        }
        Ok(lags)
    }

    /// Asks a broker for an answer. On a quiet topic nothing else tells that a connection works again, and its faults are cleared.
    pub fn probe_connection(&self, timeout: Duration) {
        let Some((topic, partition)) = self.positions.keys().next() else { return };
        if self.client().fetch_watermarks(topic, *partition, timeout).is_ok() {
            self.connection().status().mark_connected();
        }
    }

    /// The assigned partitions, by topic and number.
    pub fn assigned(&self) -> Vec<(String, i32)> {
        self.positions.keys().cloned().collect()
    }

    /// The connection: its status and its user.
    pub fn connection(&self) -> &Connection {
        self.client().context()
    }

    fn client(&self) -> &Client<Connection> {
        self.inner.client()
    }

    fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        let serve = || {
            while let Some(ConsumerEvent::Handled | ConsumerEvent::Error { .. }) =
                next_event(&self.inner, Duration::ZERO)
            {}
        };
        partition_count(self.client(), self.connection(), topic, self.timeout, serve)
    }

    /// The committed offsets of the group; empty without a group.
    fn committed(&self, partitions: TopicPartitionList) -> Result<HashMap<(String, i32), Offset>> {
        if self.group.is_none() {
            return Ok(HashMap::new());
        }
        let found = self.inner.committed_offsets(partitions, self.timeout);
        Ok(found.map_err(|e| self.error(&e, "fetch the committed offsets of", None))?.to_topic_map())
    }

    fn check_error(&self, code: Code, reason: &str, topic: Option<&str>) -> Result<()> {
        // Before the first assignment the client may never have been connected.
        match self.positions.is_empty() {
            true => self.connection().check_fault()?,
            false => self.connection().check_connected()?,
        }
        match code {
            Code::GroupAuthorizationFailed if self.group.is_none() => Ok(()),
            // It may concern one of several brokers; the checks above decide.
            Code::Authentication | Code::SSL => Ok(()),
            // `max.poll.interval.ms` has passed: the consumer joins the group again.
            Code::PollExceeded => {
                log::warn!("{reason}");
                Ok(())
            }
            code if is_transient(code) => Ok(()),
            code if self.has_explicit_partitions && is_stale_metadata(code) => Err(stale_metadata(reason, topic)),
            _ => Err(self.request_error(code, reason, "read", topic)),
        }
    }

    fn error(&self, error: &KafkaError, action: &str, topic: Option<&str>) -> Error {
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        match code {
            Code::OperationTimedOut | Code::BrokerTransportFailure => self
                .connection()
                .diagnose_timeout(self.timeout, &format!("trying to {action} {}", topic.unwrap_or("the topics"))),
            _ => self.request_error(code, "", action, topic),
        }
    }

    fn request_error(&self, code: Code, reason: &str, action: &str, topic: Option<&str>) -> Error {
        // librdkafka names the topic of some errors only in the message: `Subscribed topic not available: NAME: …`.
        let named = reason.split_once("topic not available: ").and_then(|(_, rest)| rest.split_once(':'));
        let resource = match (topic.or(named.map(|(name, _)| name)), &self.group) {
            (Some(topic), _) if code != Code::GroupAuthorizationFailed => Resource::Topic(topic),
            (_, Some(group)) => Resource::Group(group),
            (Some(topic), None) => Resource::Topic(topic),
            (None, None) => Resource::Cluster,
        };
        self.connection().request_error(code, reason, action, resource)
    }
}

/// Whether a broker that has just restarted and has not caught up with the metadata may respond so about a partition that exists.
fn is_stale_metadata(code: Code) -> bool {
    matches!(code, Code::UnknownPartition | Code::UnknownTopic | Code::UnknownTopicOrPartition)
}

/// A transient error, unlike [`Error::UnknownTopic`]: a retry requests the offsets of the partitions first, and fails where they do not exist.
fn stale_metadata(reason: &str, topic: Option<&str>) -> Error {
    Error::Other {
        doing: format!("read topic `{}`", topic.unwrap_or_default()),
        reason: reason.to_owned(),
        transient: true,
    }
}

fn list_of<'a>(partitions: impl IntoIterator<Item = &'a (String, i32)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_a_restarted_broker_does_not_know_yet_is_transient() {
        for code in [Code::UnknownPartition, Code::UnknownTopicOrPartition] {
            assert!(is_stale_metadata(code));
        }
        assert!(!is_stale_metadata(Code::TopicAuthorizationFailed));
        let error = stale_metadata("unknown partition", Some("t"));
        assert!(error.is_transient(), "{error}");
        assert_eq!(error.to_string(), "read topic `t`: unknown partition");
    }
}
