//! A plain consumer: what is committed on some topics, from a chosen point on.

mod commit;

pub use commit::OffsetCommit;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;

use crate::config::KafkaSettings;
use crate::kafka::client::{self, Context, Identity};
use crate::kafka::error::{Error, Resource, Result, is_transient};
use crate::kafka::ffi::consuming::{ConsumerEvent, next_event};
use crate::kafka::topics;

/// Defaults. Raw options may change them.
const DEFAULTS: &[(&str, &str)] = &[
    // For each partition; the default of 64 MiB is much for a laptop that follows 50 partitions.
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.wait.max.ms", "100"),
    // How soon new partitions of a topic are found.
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// A group that librdkafka wants to hear of even where none is used; nothing is ever committed for it.
const NO_GROUP: &str = "fink";

/// Where a consumer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// the oldest message that Kafka still has
    Earliest,
    /// what comes after the consumer is ready
    Latest,
    /// the first message at or after this time, ms since 1970
    Timestamp(i64),
}

/// What a consumer is opened with.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// topics, at least one
    pub topics: Vec<String>,
    /// Consumers of one group share the partitions and go on where the group stopped; `None`: alone, and from `start`.
    pub group: Option<String>,
    /// where to begin; with a group: where the group has not been yet
    pub start: StartAt,
    /// how long to wait for the brokers at the start, and for their answers later
    pub timeout: Duration,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// its topic
    pub topic: String,
    /// where in the topic
    pub partition: i32,
    /// where in the partition
    pub offset: i64,
    /// ms since 1970
    pub timestamp: Option<i64>,
    /// the key
    pub key: Option<Vec<u8>>,
    /// the value
    pub value: Option<Vec<u8>>,
    /// names and values, in order
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What a consumer meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// a message
    Message(Message),
    /// Everything there is at the moment has been seen; told again whenever it is so again.
    EndOfPartition {
        /// the topic
        topic: String,
        /// its partition
        partition: i32,
        /// where the next message will be, or later
        offset: i64,
    },
    /// These partitions are read from now on; `latest` means from here.
    Assigned(Vec<(String, i32)>),
    /// The group takes these partitions back: they are given up at the next call of [`Consumer::next`], so that offsets can be committed
    /// before.
    Revoked(Vec<(String, i32)>),
}

/// How far a consumer is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// where this consumer reads next, if it has read anything
    pub position: Option<i64>,
    /// where the group has come to, if there is a group and it has come anywhere
    pub committed: Option<i64>,
    /// the offset after the last message that can be read
    pub end: i64,
}

/// A consumer. Sees committed messages only.
pub struct Consumer {
    inner: BaseConsumer<Context>,
    group: Option<String>,
    start: StartAt,
    timeout: Duration,
    positions: BTreeMap<(String, i32), Option<i64>>,
    events: VecDeque<Event>,
    /// partitions to give up at the next call
    revoked: Vec<(String, i32)>,
}

impl Consumer {
    /// Opens a consumer. Without a group it is ready on return, which its first event, [`Event::Assigned`], says as well; with one, when that
    /// event comes.
    ///
    /// # Errors
    /// Refused settings or login, a topic that does not exist or may not be seen, no answer within the time.
    pub fn open(settings: &KafkaSettings, options: &ConsumerOptions) -> Result<Self> {
        let mut consumer = Self::create(settings, options.group.as_deref(), options.start, options.timeout)?;
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

    /// Opens a consumer of certain partitions, without a group.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_partitions(
        settings: &KafkaSettings,
        partitions: Vec<(String, i32)>,
        start: StartAt,
        timeout: Duration,
    ) -> Result<Self> {
        let mut consumer = Self::create(settings, None, start, timeout)?;
        consumer.assign(partitions)?;
        Ok(consumer)
    }

    fn create(settings: &KafkaSettings, group: Option<&str>, start: StartAt, timeout: Duration) -> Result<Self> {
        let fixed = [
            ("group.id", group.unwrap_or(NO_GROUP)),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("enable.auto.offset.store", "false"),
            ("enable.auto.commit", if group.is_some() { "true" } else { "false" }),
            // Where the offset to begin with is gone meanwhile: the nearest that is left.
            ("auto.offset.reset", "earliest"),
        ];
        let config = client::config(settings, Identity::User, DEFAULTS, &fixed)?;
        let context = Context::new(settings, Identity::User);
        let inner: BaseConsumer<Context> =
            config.create_with_context(context).map_err(|e| client::settings_error(&e))?;
        let (positions, events, revoked) = (BTreeMap::new(), VecDeque::new(), Vec::new());
        Ok(Self { inner, group: group.map(str::to_owned), start, timeout, positions, events, revoked })
    }

    /// The next event within `timeout`; `None`: nothing came. While brokers are away nothing comes; [`context`](Self::context) tells.
    ///
    /// # Errors
    /// No right to read a topic or to use the group, a topic that was deleted, a refused login.
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
                    self.context().status().mark_connected();
                    if let Some(position) = self.positions.get_mut(&(message.topic.clone(), message.partition)) {
                        *position = Some(message.offset + 1);
                        return Ok(Some(Event::Message(message)));
                    }
                }
                Some(ConsumerEvent::EndOfPartition { topic, partition, offset }) => {
                    self.context().status().mark_connected();
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
                Some(ConsumerEvent::Reported) => {}
                None if Instant::now() >= deadline => return Ok(None),
                None => {}
            }
        }
    }

    /// Takes note that a message has been dealt with. With a group, what was dealt with is committed every 5 s and at the end.
    ///
    /// # Errors
    /// The partition went to another consumer of the group.
    pub fn store_offset(&self, message: &Message) -> Result<()> {
        if self.group.is_none() {
            return Ok(());
        }
        let stored = self.inner.store_offset(&message.topic, message.partition, message.offset);
        stored.map_err(|e| self.error(&e, "commit the offset of", Some(&message.topic)))
    }

    /// How far this consumer is in each of its partitions.
    ///
    /// # Errors
    /// No answer, or no right to see the group.
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

    /// The partitions that are read at the moment, by topic and number.
    pub fn assigned(&self) -> Vec<(String, i32)> {
        self.positions.keys().cloned().collect()
    }

    /// The connection: its status and whose it is.
    pub fn context(&self) -> &Context {
        self.client().context()
    }

    fn client(&self) -> &Client<Context> {
        self.inner.client()
    }

    fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        let serve = || {
            while let Some(ConsumerEvent::Reported | ConsumerEvent::Error { .. }) =
                next_event(&self.inner, Duration::ZERO)
            {}
        };
        topics::partitions_of(self.client(), self.context(), topic, self.timeout, serve)
    }

    /// Where the group has come to, by topic and partition; nothing without a group.
    fn committed(&self, partitions: TopicPartitionList) -> Result<HashMap<(String, i32), Offset>> {
        if self.group.is_none() {
            return Ok(HashMap::new());
        }
        let found = self.inner.committed_offsets(partitions, self.timeout);
        Ok(found.map_err(|e| self.error(&e, "see the offsets of", None))?.to_topic_map())
    }

    fn assign(&mut self, partitions: Vec<(String, i32)>) -> Result<()> {
        let mut list = list_of(&partitions);
        let committed = self.committed(list.clone())?;
        let mut by_time = HashMap::new();
        if let StartAt::Timestamp(time) = self.start {
            let mut times = list.clone();
            times.set_all_offsets(Offset::Offset(time)).map_err(|e| self.error(&e, "read", None))?;
            let found = self.inner.offsets_for_times(times, self.timeout);
            by_time = found.map_err(|e| self.error(&e, "look for a time in", None))?.to_topic_map();
        }
        for (topic, partition) in &partitions {
            let place = (topic.clone(), *partition);
            let offset = match (committed.get(&place), self.start) {
                (Some(Offset::Offset(offset)), _) => *offset,
                (_, StartAt::Earliest) => self.ends(topic, *partition)?.0,
                (_, StartAt::Latest) => self.ends(topic, *partition)?.1,
                (_, StartAt::Timestamp(_)) => match by_time.get(&place) {
                    Some(Offset::Offset(offset)) => *offset,
                    _ => self.ends(topic, *partition)?.1,
                },
            };
            let set = list.set_partition_offset(topic, *partition, Offset::Offset(offset));
            set.map_err(|e| self.error(&e, "read", Some(topic)))?;
        }
        let done = match self.inner.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.inner.incremental_assign(&list),
            _ => self.inner.assign(&list),
        };
        done.map_err(|e| self.error(&e, "read", None))?;
        self.positions.extend(partitions.iter().map(|place| (place.clone(), None)));
        self.events.push_back(Event::Assigned(partitions));
        Ok(())
    }

    fn give_up_revoked(&mut self) -> Result<()> {
        if self.revoked.is_empty() {
            return Ok(());
        }
        let partitions = std::mem::take(&mut self.revoked);
        let done = match self.inner.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.inner.incremental_unassign(&list_of(&partitions)),
            _ => self.inner.unassign(),
        };
        done.map_err(|e| self.error(&e, "give back", None))?;
        self.positions.retain(|place, _| !partitions.contains(place));
        Ok(())
    }

    /// The oldest offset of a partition and the one after its last committed message.
    fn ends(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let error = match self.inner.fetch_watermarks(topic, partition, self.timeout) {
                Ok(ends) => return Ok(ends),
                Err(error) => error,
            };
            if !error.rdkafka_error_code().is_some_and(is_transient) || Instant::now() >= deadline {
                return Err(self.error(&error, "read", Some(topic)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn check_error(&self, code: Code, reason: &str, topic: Option<&str>) -> Result<()> {
        let status = self.context().status();
        if let Some(fault) =
            status.permanent_fault().filter(|_| self.positions.is_empty()).or(status.persistent_fault())
        {
            return Err(self.context().error_of(&fault));
        }
        match code {
            Code::GroupAuthorizationFailed if self.group.is_none() => Ok(()),
            // One of several brokers; the connection's status knows.
            Code::Authentication | Code::SSL => Ok(()),
            // The group has gone on without this consumer, which joins it again.
            Code::PollExceeded => {
                log::warn!("{reason}");
                Ok(())
            }
            code if is_transient(code) => Ok(()),
            _ => Err(self.refusal(code, reason, "read", topic)),
        }
    }

    fn error(&self, error: &KafkaError, action: &str, topic: Option<&str>) -> Error {
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        match code {
            Code::OperationTimedOut | Code::BrokerTransportFailure => {
                self.context().timed_out(self.timeout, &format!("trying to {action} {}", topic.unwrap_or("the topics")))
            }
            _ => self.refusal(code, "", action, topic),
        }
    }

    fn refusal(&self, code: Code, reason: &str, action: &str, topic: Option<&str>) -> Error {
        // librdkafka names the topic of some errors only in its words: `Subscribed topic not available: NAME: …`.
        let named = reason.split_once("topic not available: ").and_then(|(_, rest)| rest.split_once(':'));
        let resource = match (topic.or(named.map(|(name, _)| name)), &self.group) {
            (Some(topic), _) if code != Code::GroupAuthorizationFailed => Resource::Topic(topic),
            (_, Some(group)) => Resource::Group(group),
            (Some(topic), None) => Resource::Topic(topic),
            (None, None) => Resource::Cluster,
        };
        self.context().refusal(code, reason, action, resource)
    }
}

fn list_of<'a>(partitions: impl IntoIterator<Item = &'a (String, i32)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    list
}
