//! The producer without transactions: idempotent, for topics that must hold nothing but messages.
//!
//! A transaction leaves a marker in each partition that it wrote to, which takes an offset. Readers that take a count of messages for an
//! offset do not get past it. This producer leaves none; in turn its messages are seen as soon as they are sent, and an older process of the
//! same name is not fenced. So its topics have one writer, which this producer checks: its messages must get consecutive offsets.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::config::{KafkaSettings, StreamSettings};
use crate::kafka::admin::Admin;
use crate::kafka::client::{Context, Identity};
use crate::kafka::delivery::DeliveryTracker;
use crate::kafka::error::Result;
use crate::kafka::expected_offsets::{ExpectedOffsets, UnexpectedOffset};
use crate::kafka::ffi::TransactionError;
use crate::kafka::producer::{Producer, ProducerOptions, ProducerRecord};
use crate::kafka::topics::TopicSpec;
use crate::kafka::transaction::Aborted;

/// How long a message may wait to be delivered.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How old a message may be when a broker takes it, and how far ahead of the broker's clock its timestamp may be. A message is sent within
/// [`MESSAGE_TIMEOUT`], so clocks may differ by 10 s.
const MAX_MESSAGE_AGE: Duration = Duration::from_secs(20);
const MAX_TIMESTAMP_AHEAD: Duration = Duration::from_secs(10);

/// How long after a process was last allowed to send the brokers may still take a message of it.
pub const MAX_ARRIVAL_DELAY: Duration = Duration::from_secs(MAX_MESSAGE_AGE.as_secs() + MAX_TIMESTAMP_AHEAD.as_secs());

/// The spec of a stream's topic. Without transactions the brokers refuse messages that come late, which fences a process that was stopped
/// with messages under way; they take these options since Kafka 3.6.
pub fn topic_spec(stream: &StreamSettings) -> TopicSpec {
    let mut spec = TopicSpec::stream(stream.partitions);
    if !stream.transactions {
        spec.config.extend(fence().map(|(name, value)| (name.to_owned(), value)));
    }
    spec
}

fn fence() -> [(&'static str, String); 3] {
    [
        ("message.timestamp.type", "CreateTime".to_owned()),
        ("message.timestamp.before.max.ms", MAX_MESSAGE_AGE.as_millis().to_string()),
        ("message.timestamp.after.max.ms", MAX_TIMESTAMP_AHEAD.as_millis().to_string()),
    ]
}

/// Warns where the brokers take messages for this topic however late they come, or do not tell.
///
/// # Errors
/// It does not exist, or no answer.
pub fn check_topic(user: &Admin, topic: &str) -> Result<()> {
    let options = user.topic_config(topic)?.unwrap_or_default();
    let lacking = fence().into_iter().filter(|(name, value)| {
        options.iter().find(|option| option.name == *name).is_none_or(|option| option.value != *value)
    });
    let lacking: Vec<String> = lacking.map(|(name, value)| format!("{name}={value}")).collect();
    if !lacking.is_empty() {
        log::warn!(
            "topic `{topic}` has not, or does not tell, {}: its brokers may take messages of a process that was stopped and wakes up after \
             another has taken over, and alerts may then stand there twice; set it with \
             `kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {}`",
            lacking.join(" and "),
            lacking.join(",")
        );
    }
    Ok(())
}

/// What became of the messages sent since the last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum FlushOutcome {
    /// all were delivered, each right after its predecessor
    Delivered,
    /// Some were not, or it is unknown: read the topics' ends back.
    Failed(Aborted),
    /// All were delivered, but others wrote to the topic meanwhile: read the topics' ends back.
    UnexpectedOffset(UnexpectedOffset),
}

/// An idempotent producer for topics of which it is the only writer. `send` may be called from several threads; `flush` and `set_offsets` only
/// while none of them sends.
pub struct IdempotentProducer {
    producer: Producer,
}

impl IdempotentProducer {
    /// Opens a producer for topics with these numbers of partitions. `options.transactional_id` only names it, in errors. Does not wait for
    /// Kafka. Before the first message, [`set_offsets`](Self::set_offsets) has to say where each topic ends.
    ///
    /// # Errors
    /// Refused settings.
    pub fn open(
        settings: &KafkaSettings,
        options: &ProducerOptions,
        topics: &[(String, i32)],
        give_up: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut settings = settings.clone();
        // Another name of the option that is fixed here.
        settings.librdkafka.retain(|(option, _)| option != "delivery.timeout.ms");
        let timeout = MESSAGE_TIMEOUT.as_millis().to_string();
        let fixed = [("message.timeout.ms", timeout.as_str())];
        let context = Context::new(&settings, Identity::User);
        let deliveries = DeliveryTracker::with_positions(context, ExpectedOffsets::new(topics));
        let producer = Producer::create(&settings, options, &fixed, deliveries, give_up)?;
        Ok(Self { producer })
    }

    /// Says where the partitions of a topic end: which offsets the next messages must get.
    pub fn set_offsets(&self, topic: &str, offsets: &[i64]) {
        self.positions(|positions| positions.set(topic, offsets));
    }

    /// The offset after the last message delivered, by partition of a topic.
    pub fn offsets(&self, topic: &str) -> Vec<i64> {
        self.positions(|positions| positions.offsets(topic))
    }

    /// Sends a message with the timestamp that `stamp` gives, ms since 1970, which is asked last of all. Returns as soon as librdkafka has a copy of it; waits while the memory is full, and for the delivery of the first
    /// message in each partition, which proves that nothing unseen stands before it.
    ///
    /// # Errors
    /// - [`Error::TooLarge`](crate::kafka::Error::TooLarge): the message was not sent; nothing else is touched.
    /// - [`Error::MustAbort`](crate::kafka::Error::MustAbort): `stamp` gave none, and nothing was sent.
    /// - Others: as of [`Producer::send`].
    pub fn send(&self, message: &ProducerRecord<'_>, stamp: &dyn Fn() -> Option<i64>) -> Result<()> {
        self.producer.send_stamped(message, Some(stamp))?;
        match self.positions(|positions| positions.begin(message.topic, message.partition)) {
            true => self.producer.flush("sending the first message of a partition"),
            false => Ok(()),
        }
    }

    /// Waits until each message sent was delivered or has failed, at most `MESSAGE_TIMEOUT` while brokers are away.
    ///
    /// # Errors
    /// A missing right or topic, which no second try mends; the caller gave up; the producer is of no use any more.
    pub fn flush(&self) -> Result<FlushOutcome> {
        self.producer.flush("waiting for messages to be delivered")?;
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            let step = TransactionError { code, reason, fatal: true, retriable: false, requires_abort: false };
            return Err(self.producer.fatal(&step));
        }
        let nothing = TransactionError {
            code: Code::NoError,
            reason: String::new(),
            fatal: false,
            retriable: false,
            requires_abort: false,
        };
        // Failures of whole batches are taken out of the list; that there were some must still be known.
        let had_failures = self.producer.deliveries().has_failures();
        let mut aborted = self.producer.classify_abort(&nothing)?;
        if had_failures {
            let all = aborted.failures.len();
            aborted.failures.retain(|failure| failure.code != Code::InvalidTimestamp);
            if aborted.failures.len() < all {
                aborted.reason = format!(
                    "the brokers took messages for too old, or for too new: this process was stopped for more than {} s, or its clock and \
                     theirs differ by more than {} s",
                    (MAX_MESSAGE_AGE - MESSAGE_TIMEOUT).as_secs(),
                    MAX_TIMESTAMP_AHEAD.as_secs()
                );
            }
            return Ok(FlushOutcome::Failed(aborted));
        }
        let unexpected = self.positions(ExpectedOffsets::take_unexpected);
        Ok(unexpected.map_or(FlushOutcome::Delivered, FlushOutcome::UnexpectedOffset))
    }

    /// Bytes of messages that were sent and not yet confirmed.
    pub fn in_flight(&self) -> u64 {
        self.producer.in_flight()
    }

    fn positions<T: Default>(&self, with: impl FnOnce(&ExpectedOffsets) -> T) -> T {
        self.producer.deliveries().positions().map(with).unwrap_or_default()
    }
}
