//! The producer without transactions: idempotent, for topics that must hold nothing but messages.
//!
//! A transaction leaves a marker in each partition that it wrote to, which takes an offset. Readers that take a count of messages for an
//! offset do not get past it. This producer leaves none; in turn its messages are seen as soon as they are sent, and an older process of the
//! same name is not fenced. So its topics have one writer, which this producer checks: its messages must get consecutive offsets.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::config::KafkaSettings;
use crate::kafka::client::{As, Context};
use crate::kafka::delivery::Deliveries;
use crate::kafka::error::Result;
use crate::kafka::ffi::StepError;
use crate::kafka::positions::{Interleaved, Positions};
use crate::kafka::producer::{Outgoing, Producer, ProducerOptions};
use crate::kafka::transaction::Aborted;

/// How long a message may wait to be delivered. After this time nothing of it is sent any more, not even by a process that was stopped.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// What became of the messages sent since the last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum FlushOutcome {
    /// all were delivered, each right after its predecessor
    Delivered,
    /// Some were not, or it is unknown: read the topics' ends back.
    Failed(Aborted),
    /// All were delivered, but others wrote to the topic meanwhile: read the topics' ends back.
    Interleaved(Interleaved),
}

/// An idempotent producer for topics of which it is the only writer. `send` may be called from several threads; `flush` and `set_offsets` only
/// while none of them sends.
pub struct PlainProducer {
    producer: Producer,
}

impl PlainProducer {
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
        let context = Context::new(&settings, As::User);
        let deliveries = Deliveries::with_positions(context, Positions::new(topics));
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

    /// Sends a message. Returns as soon as librdkafka has a copy of it; waits while the memory is full, and for the delivery of the first
    /// message in each partition, which proves that nothing unseen stands before it.
    ///
    /// # Errors
    /// - [`Error::TooLarge`](crate::kafka::Error::TooLarge): the message was not sent; nothing else is touched.
    /// - Others: as of [`Producer::send`].
    pub fn send(&self, message: &Outgoing<'_>) -> Result<()> {
        self.producer.send(message)?;
        match self.positions(|positions| positions.begin(message.topic, message.partition)) {
            true => self.producer.flush("sending the first message of a partition"),
            false => Ok(()),
        }
    }

    /// Waits until each message sent was delivered or has failed, at most [`MESSAGE_TIMEOUT`] while brokers are away.
    ///
    /// # Errors
    /// A missing right or topic, which no second try mends; the caller gave up; the producer is of no use any more.
    pub fn flush(&self) -> Result<FlushOutcome> {
        self.producer.flush("waiting for messages to be delivered")?;
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            let step = StepError { code, reason, fatal: true, retriable: false, requires_abort: false };
            return Err(self.producer.fatal(&step));
        }
        let nothing = StepError {
            code: Code::NoError,
            reason: String::new(),
            fatal: false,
            retriable: false,
            requires_abort: false,
        };
        // Failures of whole batches are taken out of the list; that there were some must still be known.
        let had_failures = self.producer.deliveries().has_failures();
        let aborted = self.producer.why_aborted(&nothing)?;
        if had_failures {
            return Ok(FlushOutcome::Failed(aborted));
        }
        let interleaved = self.positions(Positions::take_interleaved);
        Ok(interleaved.map_or(FlushOutcome::Delivered, FlushOutcome::Interleaved))
    }

    /// Bytes of messages that were sent and not yet confirmed.
    pub fn under_way(&self) -> u64 {
        self.producer.under_way()
    }

    fn positions<T: Default>(&self, with: impl FnOnce(&Positions) -> T) -> T {
        self.producer.deliveries().positions().map(with).unwrap_or_default()
    }
}
