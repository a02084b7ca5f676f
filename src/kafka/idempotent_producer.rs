//! The idempotent producer without transactions, for topics without transaction markers.
//!
//! A transaction writes a marker to each of its partitions, which occupies an offset. Consumers that use the number of messages as an offset
//! cannot handle that. Without transactions consumers see messages at once, and an older process with the same name is not fenced. So a topic
//! must have only one writer, which this producer checks: its messages must get consecutive offsets.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::cancel::CancellationToken;
use crate::kafka::Aborted;
use crate::kafka::admin::Admin;
use crate::kafka::client_config::Identity;
use crate::kafka::connection::Connection;
use crate::kafka::delivery::DeliveryTracker;
use crate::kafka::error::Result;
use crate::kafka::expected_offsets::{ExpectedOffsets, UnexpectedOffset};
use crate::kafka::ffi::TransactionError;
use crate::kafka::producer::{Producer, ProducerOptions, ProducerRecord};
use crate::kafka::settings::KafkaSettings;
use crate::kafka::topics::TopicSpec;

/// `message.timeout.ms`: how long the producer retries a message.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How old a message may be when a broker stores it, and how far its timestamp may be ahead of the broker's clock. With [`MESSAGE_TIMEOUT`] this
/// allows clocks to differ by 10 s.
const MAX_MESSAGE_AGE: Duration = Duration::from_secs(20);
const MAX_TIMESTAMP_AHEAD: Duration = Duration::from_secs(10);

/// How long after a process was last allowed to send, the brokers may still store one of its messages.
pub const MAX_ARRIVAL_DELAY: Duration = Duration::from_secs(MAX_MESSAGE_AGE.as_secs() + MAX_TIMESTAMP_AHEAD.as_secs());

/// The topic of a stream without transactions. The brokers reject late messages, which fences a process that was suspended with messages in
/// flight. Kafka has these options since 3.6.
pub fn topic_spec(partitions: i32) -> TopicSpec {
    let mut spec = TopicSpec::stream(partitions);
    spec.config.extend(fencing_options().map(|(name, value)| (name.to_owned(), value)));
    spec
}

fn fencing_options() -> [(&'static str, String); 3] {
    [
        ("message.timestamp.type", "CreateTime".to_owned()),
        ("message.timestamp.before.max.ms", MAX_MESSAGE_AGE.as_millis().to_string()),
        ("message.timestamp.after.max.ms", MAX_TIMESTAMP_AHEAD.as_millis().to_string()),
    ]
}

/// Warns where the brokers may accept late messages for this topic.
///
/// # Errors
/// No response.
pub fn check_topic(user: &Admin, topic: &str) -> Result<()> {
    let config = user.describe_configs(&[topic])?.pop();
    let value = |name: &str| config.as_ref().and_then(|config| config.value(name));
    let missing = fencing_options().into_iter().filter(|(option, wanted)| value(option) != Some(wanted.as_str()));
    let missing: Vec<String> = missing.map(|(option, wanted)| format!("{option}={wanted}")).collect();
    if !missing.is_empty() {
        log::warn!(
            "topic `{topic}` does not have {}, or this user may not see it: its brokers may store late messages of a process that was \
             suspended while another took over, so that the topic has alerts twice; set it with \
             `kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {}`",
            missing.join(" and "),
            missing.join(",")
        );
    }
    Ok(())
}

/// The outcome of the messages since the last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum FlushOutcome {
    /// all were delivered, with consecutive offsets
    Delivered,
    /// Some were not delivered, or that is unknown: read the ends of the topics.
    Failed(Aborted),
    /// All were delivered, but another writer has added records: read the ends of the topics.
    UnexpectedOffset(UnexpectedOffset),
}

/// An idempotent producer, the only writer of its topics. `send` may be called from several threads; `flush` and `set_offsets` only while none
/// of them sends.
pub struct IdempotentProducer {
    producer: Producer,
}

impl IdempotentProducer {
    /// Opens a producer for topics with these numbers of partitions. Errors name it by `options.transactional_id`. Does not wait for the brokers.
    /// Before the first message, [`set_offsets`](Self::set_offsets) has to set the end of each topic. `token` ends waits for the brokers.
    ///
    /// # Errors
    /// Invalid settings.
    pub fn open(
        settings: &KafkaSettings,
        options: &ProducerOptions,
        topics: &[(String, i32)],
        token: &CancellationToken,
    ) -> Result<Self> {
        let mut settings = settings.clone();
        // An alias of the option that is fixed here: librdkafka would apply the later one.
        settings.librdkafka.retain(|(option, _)| option != "delivery.timeout.ms");
        let timeout = MESSAGE_TIMEOUT.as_millis().to_string();
        let fixed = [("message.timeout.ms", timeout.as_str())];
        let connection = Connection::new(&settings, Identity::User);
        let deliveries = DeliveryTracker::with_expected_offsets(connection, ExpectedOffsets::new(topics));
        let producer = Producer::create(&settings, options, &fixed, deliveries, token)?;
        Ok(Self { producer })
    }

    /// Sets the end of each partition of a topic: the offsets that the next messages must get.
    pub fn set_offsets(&self, topic: &str, offsets: &[i64]) {
        self.expected_offsets(|expected| expected.set(topic, offsets));
    }

    /// The offset after the last delivered message, by partition of a topic.
    pub fn offsets(&self, topic: &str) -> Vec<i64> {
        self.expected_offsets(|expected| expected.offsets(topic))
    }

    /// Sends a message with the timestamp that `stamp` returns, ms since 1970. Returns when librdkafka has copied it; blocks while the memory limit
    /// is reached, and until the first message of each partition is delivered, whose offset shows whether other records precede it.
    ///
    /// # Errors
    /// - [`Error::TooLarge`](crate::kafka::Error::TooLarge): the message was not sent; others are unaffected.
    /// - [`Error::MustAbort`](crate::kafka::Error::MustAbort): `stamp` returned none, and nothing was sent.
    /// - Others: as for [`Producer::send`].
    pub fn send(&self, message: &ProducerRecord<'_>, stamp: &dyn Fn() -> Option<i64>) -> Result<()> {
        self.producer.send_stamped(message, Some(stamp))?;
        match self.expected_offsets(|expected| expected.begin(message.topic, message.partition)) {
            true => self.producer.flush("sending the first message of a partition"),
            false => Ok(()),
        }
    }

    /// Waits until each message was delivered or has failed: up to 10 s while brokers are down.
    ///
    /// # Errors
    /// Not authorized, or a topic is missing; [`Error::Cancelled`](crate::kafka::Error::Cancelled); the producer has failed.
    pub fn flush(&self) -> Result<FlushOutcome> {
        self.producer.flush("waiting for messages to be delivered")?;
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            return Err(self.producer.fatal(&TransactionError::new(code, reason)));
        }
        // `classify_abort` removes the failures of whole batches from the list.
        let had_failures = self.producer.deliveries().has_failures();
        let mut aborted = self.producer.classify_abort(&TransactionError::new(Code::NoError, String::new()))?;
        if had_failures {
            let all = aborted.failures.len();
            aborted.failures.retain(|failure| failure.code != Code::InvalidTimestamp);
            if aborted.failures.len() < all {
                aborted.reason = format!(
                    "the brokers rejected messages as too old or too new: this process was suspended for more than {} s, or its clock and \
                     theirs differ by more than {} s",
                    (MAX_MESSAGE_AGE - MESSAGE_TIMEOUT).as_secs(),
                    MAX_TIMESTAMP_AHEAD.as_secs()
                );
            }
            return Ok(FlushOutcome::Failed(aborted));
        }
        let unexpected = self.expected_offsets(ExpectedOffsets::take_unexpected);
        Ok(unexpected.map_or(FlushOutcome::Delivered, FlushOutcome::UnexpectedOffset))
    }

    /// The bytes of messages that were sent and not yet acknowledged.
    pub fn in_flight(&self) -> u64 {
        self.producer.in_flight()
    }

    fn expected_offsets<T: Default>(&self, with: impl FnOnce(&ExpectedOffsets) -> T) -> T {
        self.producer.deliveries().expected_offsets().map(with).unwrap_or_default()
    }
}
