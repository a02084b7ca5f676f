//! Delivery reports: what librdkafka says about each message after it was sent, or could not be.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

use crate::kafka::client::Context;
use crate::kafka::error::lower;
use crate::kafka::expected_offsets::ExpectedOffsets;

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is larger than the topic takes. The message's own fault: send it elsewhere.
    TooLarge,
    /// The broker does not accept it as a record of this topic. The message's own fault: send it elsewhere.
    Invalid,
    /// No broker took it in time.
    TimedOut,
    /// Something else, in librdkafka's words.
    Other(String),
}

/// A message that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// where it was to go
    pub topic: String,
    /// where in the topic
    pub partition: i32,
    /// the number that the caller gave it
    pub id: usize,
    /// key and value together, bytes
    pub bytes: usize,
    /// why
    pub cause: Cause,
    pub(crate) code: Code,
}

impl DeliveryFailure {
    /// Whether the message itself is at fault, so that sending it again would fail again.
    pub fn is_permanent(&self) -> bool {
        matches!(self.cause, Cause::TooLarge | Cause::Invalid)
    }
}

impl std::fmt::Display for DeliveryFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, partition, bytes, .. } = self;
        match &self.cause {
            Cause::TooLarge => write!(f, "{bytes} bytes are more than topic `{topic}` takes (max.message.bytes)"),
            Cause::Invalid => write!(f, "topic `{topic}` does not accept the message"),
            Cause::TimedOut => {
                write!(f, "no broker took the message for topic `{topic}` partition {partition} in time")
            }
            Cause::Other(words) => write!(f, "topic `{topic}` partition {partition}: {words}"),
        }
    }
}

/// What librdkafka needs for a message besides its key and value; a generous estimate of its own structures.
const MESSAGE_OVERHEAD: u64 = 512;

/// The room that a message takes while it waits for its delivery.
pub(crate) fn queued_bytes(key: usize, value: usize) -> u64 {
    key as u64 + value as u64 + MESSAGE_OVERHEAD
}

/// Counts what is under way and keeps the failures of the running transaction.
#[derive(Debug)]
pub(crate) struct DeliveryTracker {
    pub context: Context,
    in_flight: AtomicU64,
    failures: Mutex<Vec<DeliveryFailure>>,
    /// where it is known which offsets the messages must get
    positions: Option<ExpectedOffsets>,
}

impl DeliveryTracker {
    pub fn new(context: Context) -> Self {
        Self { context, in_flight: AtomicU64::new(0), failures: Mutex::default(), positions: None }
    }

    /// A tracker whose offsets are compared with `positions`.
    pub fn with_positions(context: Context, positions: ExpectedOffsets) -> Self {
        Self { positions: Some(positions), ..Self::new(context) }
    }

    /// The positions, where they are kept.
    pub fn positions(&self) -> Option<&ExpectedOffsets> {
        self.positions.as_ref()
    }

    /// Bytes of messages that were sent and not yet reported.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn add(&self, bytes: u64) {
        self.in_flight.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn remove(&self, bytes: u64) {
        self.in_flight.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether a message failed since the last call of [`take`](Self::take).
    pub fn has_failures(&self) -> bool {
        !self.failures.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The failures since the last call.
    pub fn take(&self) -> Vec<DeliveryFailure> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut failures)
    }
}

impl ClientContext for DeliveryTracker {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.context.stats_raw(statistics);
    }
}

impl ProducerContext for DeliveryTracker {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let message = match result {
            Ok(message) => {
                self.context.status().mark_connected();
                if let Some(positions) = &self.positions {
                    positions.acknowledge(message.topic(), message.partition(), message.offset());
                }
                message
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
                let cause = match code {
                    // These fall with another message, whose own failure is reported as well.
                    Code::PurgeQueue | Code::PurgeInflight | Code::InvalidDifferentRecord => None,
                    Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => Some(Cause::TooLarge),
                    Code::InvalidRecord | Code::InvalidMessage | Code::InvalidTimestamp => Some(Cause::Invalid),
                    Code::MessageTimedOut | Code::OperationTimedOut => Some(Cause::TimedOut),
                    other => Some(Cause::Other(lower(&other.to_string()))),
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

/// Topics that take smaller batches than the producer makes.
///
/// A broker refuses a batch as a whole, so that the messages beside one that is too large are refused too. Batches are kept below `batch.size`,
/// which every topic takes unless its max.message.bytes was lowered; a larger message then goes alone, and its refusal is its own. Where a
/// topic refuses a batch nonetheless, its messages are sent one by one from then on.
#[derive(Debug, Default)]
pub(crate) struct UnbatchedTopics {
    any: AtomicBool,
    /// for each topic the smallest message that it is known to refuse, bytes
    topics: RwLock<BTreeMap<String, Option<usize>>>,
    /// held while a message to such a topic is under way
    pub lock: Mutex<()>,
}

impl UnbatchedTopics {
    /// The smallest size known to be refused, if this topic needs care.
    pub fn get(&self, topic: &str) -> Option<Option<usize>> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    /// Takes care of this topic from now on; says whether that is new.
    pub fn add(&self, topic: &str) -> bool {
        self.any.store(true, Ordering::Relaxed);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.to_owned(), None).is_none()
    }

    /// Those topics.
    pub fn topics(&self) -> Vec<String> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Remembers that this topic refuses messages of this size.
    pub fn refuses(&self, topic: &str, bytes: usize) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(least) = topics.get_mut(topic) {
            *least = Some(least.map_or(bytes, |known| known.min(bytes)));
        }
    }
}
