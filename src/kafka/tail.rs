//! Reads a topic from given offsets to its end, uncommitted messages included: what follows the offsets of a checkpoint.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;

use crate::cancel::CancellationToken;
use crate::kafka::client_config::{Identity, client_config};
use crate::kafka::connection::Connection;
use crate::kafka::error::{Error, Resource, Result, is_transient, settings_error};
use crate::kafka::ffi::consuming::{ConsumerEvent, next_event};
use crate::kafka::message::Message;
use crate::kafka::settings::KafkaSettings;

const DEFAULTS: &[(&str, &str)] =
    &[("queued.max.messages.kbytes", "16384"), ("fetch.queue.backoff.ms", "10"), ("fetch.wait.max.ms", "100")];

/// How long one request waits before the token is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Reads single topics with `isolation.level=read_uncommitted`. Requires read on them.
pub struct TailReader {
    inner: BaseConsumer<Connection>,
    timeout: Duration,
    token: CancellationToken,
}

/// The offsets of a partition that have records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// the offset of the oldest retained record
    pub begin: i64,
    /// the offset after the newest record
    pub end: i64,
}

impl TailReader {
    /// Opens a reader. `timeout` applies to each request, and to the time between two messages; `token` ends waits. Does not wait for the brokers.
    ///
    /// # Errors
    /// Invalid settings.
    pub fn open(settings: &KafkaSettings, timeout: Duration, token: &CancellationToken) -> Result<Self> {
        let fixed = [
            ("group.id", "fink"),
            ("isolation.level", "read_uncommitted"),
            ("enable.partition.eof", "true"),
            ("enable.auto.offset.store", "false"),
            ("enable.auto.commit", "false"),
            // Retention may delete records while they are read.
            ("auto.offset.reset", "earliest"),
        ];
        let config = client_config(settings, Identity::User, DEFAULTS, &fixed)?;
        let inner = config.create_with_context(Connection::new(settings, Identity::User));
        let inner = inner.map_err(|e| settings_error(&e))?;
        Ok(Self { inner, timeout, token: token.clone() })
    }

    /// The offset range of each partition of a topic, in order.
    ///
    /// # Errors
    /// Not authorized to describe the topic, or no response.
    pub fn offset_ranges(&self, topic: &str, partitions: i32) -> Result<Vec<OffsetRange>> {
        (0..partitions).map(|partition| self.offset_range(topic, partition)).collect()
    }

    fn offset_range(&self, topic: &str, partition: i32) -> Result<OffsetRange> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let error = match self.inner.fetch_watermarks(topic, partition, POLL_INTERVAL) {
                Ok((begin, end)) => return Ok(OffsetRange { begin, end }),
                Err(error) => error,
            };
            self.check_error(code_of(&error), "", topic)?;
            self.check(topic, deadline)?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Calls `each` with every message of a topic from the offsets `from` up to, not including, `until`, both by partition. Messages that retention
    /// has deleted are skipped.
    ///
    /// # Errors
    /// Not authorized to read the topic, it was deleted, or no message arrived within the timeout.
    pub fn read(&self, topic: &str, from: &[i64], until: &[i64], mut each: impl FnMut(Message)) -> Result<()> {
        let mut open = BTreeMap::new();
        let mut list = TopicPartitionList::new();
        for (partition, (from, until)) in (0..).zip(from.iter().zip(until)).filter(|(_, (from, until))| from < until) {
            let added = list.add_partition_offset(topic, partition, Offset::Offset(*from));
            added.map_err(|e| self.error(code_of(&e), "", topic))?;
            open.insert(partition, *until);
        }
        if open.is_empty() {
            return Ok(());
        }
        self.inner.assign(&list).map_err(|e| self.error(code_of(&e), "", topic))?;
        let mut deadline = Instant::now() + self.timeout;
        while !open.is_empty() {
            let (partition, next) = match next_event(&self.inner, POLL_INTERVAL) {
                Some(ConsumerEvent::Message(message)) if message.topic == topic => {
                    let (partition, offset) = (message.partition, message.offset);
                    if open.get(&partition).is_some_and(|until| offset < *until) {
                        each(message);
                    }
                    (partition, offset + 1)
                }
                Some(ConsumerEvent::EndOfPartition { topic: of, partition, offset }) if of == topic => {
                    (partition, offset)
                }
                Some(ConsumerEvent::Error { code, reason, .. }) => {
                    self.check_error(code, &reason, topic)?;
                    self.check(topic, deadline)?;
                    continue;
                }
                Some(_) | None => {
                    self.check(topic, deadline)?;
                    continue;
                }
            };
            deadline = Instant::now() + self.timeout;
            if open.get(&partition).is_some_and(|until| next >= *until) {
                open.remove(&partition);
            }
        }
        self.inner.assign(&TopicPartitionList::new()).map_err(|e| self.error(code_of(&e), "", topic))
    }

    fn check(&self, topic: &str, deadline: Instant) -> Result<()> {
        let doing = || format!("reading topic `{topic}` to its end");
        if self.token.is_cancelled() {
            return Err(Error::Cancelled(doing()));
        }
        match Instant::now() >= deadline {
            true => Err(self.connection().diagnose_timeout(self.timeout, &doing())),
            false => Ok(()),
        }
    }

    fn check_error(&self, code: Code, reason: &str, topic: &str) -> Result<()> {
        self.connection().check_fault()?;
        match code {
            // No group is used; and the faults of the connection were checked above.
            Code::GroupAuthorizationFailed | Code::Authentication | Code::SSL => Ok(()),
            code if is_transient(code) => Ok(()),
            code => Err(self.error(code, reason, topic)),
        }
    }

    fn error(&self, code: Code, reason: &str, topic: &str) -> Error {
        self.connection().request_error(code, reason, "read", Resource::Topic(topic))
    }

    fn connection(&self) -> &Connection {
        self.inner.client().context()
    }
}

fn code_of(error: &KafkaError) -> Code {
    error.rdkafka_error_code().unwrap_or(Code::Fail)
}
