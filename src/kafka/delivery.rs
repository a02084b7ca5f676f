//! Delivery reports: librdkafka reports for each message whether it was delivered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

use crate::kafka::connection::Connection;
use crate::kafka::error::normalize_message;
use crate::kafka::expected_offsets::ExpectedOffsets;

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is larger than the topic accepts. Permanent.
    TooLarge,
    /// The broker rejects it as a record of this topic. Permanent.
    Invalid,
    /// It was not delivered within `message.timeout.ms`.
    TimedOut,
    /// Another reason, with librdkafka's message.
    Other(String),
}

/// A message that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// its topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// the id that the caller gave it
    pub id: usize,
    /// key and value together, bytes
    pub bytes: usize,
    /// why
    pub cause: Cause,
    pub(crate) code: Code,
}

impl DeliveryFailure {
    /// Whether sending the message again would fail again.
    pub fn is_permanent(&self) -> bool {
        matches!(self.cause, Cause::TooLarge | Cause::Invalid)
    }
}

impl std::fmt::Display for DeliveryFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, partition, bytes, .. } = self;
        match &self.cause {
            Cause::TooLarge => write!(f, "{bytes} bytes exceed max.message.bytes of topic `{topic}`"),
            Cause::Invalid => write!(f, "topic `{topic}` rejects the message"),
            Cause::TimedOut => {
                write!(f, "a message for topic `{topic}` partition {partition} was not delivered in time")
            }
            Cause::Other(message) => write!(f, "topic `{topic}` partition {partition}: {message}"),
        }
    }
}

/// An upper estimate of librdkafka's own structures for one message.
const MESSAGE_OVERHEAD_BYTES: u64 = 512;

/// The memory that a message occupies until it is delivered, bytes.
pub(crate) fn queued_bytes(key: usize, value: usize) -> u64 {
    key as u64 + value as u64 + MESSAGE_OVERHEAD_BYTES
}

/// Counts the bytes in flight and keeps the failures of the running transaction.
#[derive(Debug)]
pub(crate) struct DeliveryTracker {
    pub connection: Connection,
    in_flight: AtomicU64,
    failures: Mutex<Vec<DeliveryFailure>>,
    /// the offsets that the messages must get, where that is known
    expected_offsets: Option<ExpectedOffsets>,
}

impl DeliveryTracker {
    pub fn new(connection: Connection) -> Self {
        Self { connection, in_flight: AtomicU64::new(0), failures: Mutex::default(), expected_offsets: None }
    }

    /// A tracker that compares the offsets of delivered messages with the expected ones.
    pub fn with_expected_offsets(connection: Connection, expected: ExpectedOffsets) -> Self {
        Self { expected_offsets: Some(expected), ..Self::new(connection) }
    }

    /// The expected offsets, where they are tracked.
    pub fn expected_offsets(&self) -> Option<&ExpectedOffsets> {
        self.expected_offsets.as_ref()
    }

    /// The bytes of messages that were sent and not yet reported.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn add(&self, bytes: u64) {
        self.in_flight.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn remove(&self, bytes: u64) {
        self.in_flight.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether a message has failed since the last call of [`take_failures`](Self::take_failures).
    pub fn has_failures(&self) -> bool {
        !self.failures.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The failures since the last call.
    pub fn take_failures(&self) -> Vec<DeliveryFailure> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut failures)
    }
}

impl ClientContext for DeliveryTracker {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.connection.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.connection.stats_raw(statistics);
    }
}

impl ProducerContext for DeliveryTracker {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let message = match result {
            Ok(message) => {
                self.connection.status().mark_connected();
                if let Some(expected) = &self.expected_offsets {
                    expected.acknowledge(message.topic(), message.partition(), message.offset());
                }
                message
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
                let cause = match code {
                    // These fail because of another message, whose own failure is reported too.
                    Code::PurgeQueue | Code::PurgeInflight | Code::InvalidDifferentRecord => None,
                    Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => Some(Cause::TooLarge),
                    Code::InvalidRecord | Code::InvalidMessage | Code::InvalidTimestamp => Some(Cause::Invalid),
                    Code::MessageTimedOut | Code::OperationTimedOut => Some(Cause::TimedOut),
                    other => Some(Cause::Other(normalize_message(&other.to_string()))),
                };
                if let Some(cause) = cause {
                    let failure = DeliveryFailure {
                        topic: message.topic().to_owned(),
                        partition: message.partition(),
                        id,
                        bytes: message.key_len() + message.payload_len(),
                        cause,
                        code,
                    };
                    self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                }
                message
            }
        };
        self.remove(queued_bytes(message.key_len(), message.payload_len()));
    }
}
