//! Reads a topic from given offsets to its end, whoever wrote there: what came after the last commit of a checkpoint.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;

use crate::config::KafkaSettings;
use crate::kafka::client::{self, Context, Identity};
use crate::kafka::consumer::Message;
use crate::kafka::error::{Error, Resource, Result, is_transient};
use crate::kafka::ffi::consuming::{ConsumerEvent, next_event};

const DEFAULTS: &[(&str, &str)] = &[("queued.max.messages.kbytes", "16384"), ("fetch.wait.max.ms", "100")];

/// How long one question to the brokers may take before `give_up` is asked.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Reads single topics, also what is not committed. Needs the right to read them.
pub struct TailReader {
    inner: BaseConsumer<Context>,
    timeout: Duration,
    give_up: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The offsets of a partition: of the oldest record that is left, and after the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// of the oldest record
    pub begin: i64,
    /// after the newest record
    pub end: i64,
}

impl TailReader {
    /// A reader that gives up a question, or a topic of which nothing more comes, after `timeout`. Does not wait for Kafka.
    ///
    /// # Errors
    /// Refused settings.
    pub fn open(
        settings: &KafkaSettings,
        timeout: Duration,
        give_up: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let fixed = [
            ("group.id", "fink"),
            ("isolation.level", "read_uncommitted"),
            ("enable.partition.eof", "true"),
            ("enable.auto.offset.store", "false"),
            ("enable.auto.commit", "false"),
            // Retention may remove records while they are read.
            ("auto.offset.reset", "earliest"),
        ];
        let config = client::config(settings, Identity::User, DEFAULTS, &fixed)?;
        let inner = config.create_with_context(Context::new(settings, Identity::User));
        let inner = inner.map_err(|e| client::settings_error(&e))?;
        Ok(Self { inner, timeout, give_up: Box::new(give_up) })
    }

    /// Where the partitions of a topic begin and end.
    ///
    /// # Errors
    /// No right to see the topic, or no answer.
    pub fn ends(&self, topic: &str, partitions: i32) -> Result<Vec<OffsetRange>> {
        (0..partitions).map(|partition| self.ends_of(topic, partition)).collect()
    }

    fn ends_of(&self, topic: &str, partition: i32) -> Result<OffsetRange> {
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

    /// Hands over each message of a topic from the offsets `from`, by partition, to the offsets `until`. What retention has removed is passed
    /// over.
    ///
    /// # Errors
    /// No right to read the topic ([`Error::NotAuthorized`]), it was deleted, or nothing came for too long.
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
        if (self.give_up)() {
            return Err(Error::Stopped(doing()));
        }
        match Instant::now() >= deadline {
            true => Err(self.context().timed_out(self.timeout, &doing())),
            false => Ok(()),
        }
    }

    fn check_error(&self, code: Code, reason: &str, topic: &str) -> Result<()> {
        if let Some(fault) = self.context().status().permanent_fault() {
            return Err(self.context().error_of(&fault));
        }
        match code {
            // The group is never used; of several brokers one may refuse a connection.
            Code::GroupAuthorizationFailed | Code::Authentication | Code::SSL => Ok(()),
            code if is_transient(code) => Ok(()),
            code => Err(self.error(code, reason, topic)),
        }
    }

    fn error(&self, code: Code, reason: &str, topic: &str) -> Error {
        self.context().refusal(code, reason, "read", Resource::Topic(topic))
    }

    fn context(&self) -> &Context {
        self.inner.client().context()
    }
}

fn code_of(error: &KafkaError) -> Code {
    error.rdkafka_error_code().unwrap_or(Code::Fail)
}
