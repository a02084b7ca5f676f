//! The way out: topics, partitions and keys of the streams, the rejected topic, and the checkpoint.

mod commit;
mod open;
mod rejected;

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, BatchAlert, Message};
use super::checkpoint_state::Record;
use super::idempotent_sink::{IdempotentSink, TopicStateError, WRITER_HEADER};
use super::owner::Owner;
use crate::config::KafkaSettings;
use crate::kafka::checkpoint::Records;
use crate::kafka::producer::ProducerRecord;
use crate::kafka::{Admin, Error as KafkaError, Producer, ProducerOptions, checkpoint, partition};
use crate::ledger::AlertId;
use crate::timestamp::Timestamp;

/// Says several times a second whether to give up waiting.
pub type GiveUp = Arc<dyn Fn() -> bool + Send + Sync>;

/// Pause between two tries.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The header that says when the alert was written to the science database: its trigger's timestamp, ms since 1970, in digits.
pub const TIMESTAMP_HEADER: &str = "fink-timestamp";
/// The header that says which alert it is: [`AlertId::to_hex`].
pub const ALERT_HEADER: &str = "fink-alert";

/// Why an alert's message is not on its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// in words
    pub reason: String,
}

impl Rejection {
    /// The broker does not take a value of so many bytes.
    pub fn too_large(bytes: usize) -> Self {
        Self { reason: format!("its {bytes} bytes are more than the topic takes (max.message.bytes)") }
    }
}

/// Why a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// everything sent since the last commit is to be read again; [`KafkaSink::abort`] tells more
    #[error("{0}")]
    Aborted(String),
    /// the user's signal, or the end of the time, came first
    #[error("stopped while waiting for kafka")]
    Stopped,
    /// Kafka refused for good
    #[error(transparent)]
    Kafka(KafkaError),
    /// a topic without transactions is not as the checkpoint says
    #[error(transparent)]
    Account(#[from] TopicStateError),
}

impl From<KafkaError> for SinkError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::Stopped(_) => Self::Stopped,
            KafkaError::MustAbort { .. } => Self::Aborted(error.to_string()),
            error if error.requires_reopening() => Self::Aborted(error.to_string()),
            error => Self::Kafka(error),
        }
    }
}

/// What is known of an aborted transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AbortReport {
    /// whether brokers that are away, or too slow, were the reason: the same may work later
    pub is_outage: bool,
    /// how many messages were refused for what they are, and are not sent again
    pub refused: usize,
}

/// The place of one message in the open transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SentMessage {
    Alert(AlertId, usize),
    Rejected(AlertId, usize),
    Checkpoint,
}

#[derive(Debug)]
struct Destination {
    topic: String,
    partitions: i32,
    key: Option<Vec<u8>>,
    name: String,
    /// its number among the topics without transactions
    plain: Option<usize>,
}

/// The open way to Kafka of one distribution.
pub struct KafkaSink {
    producer: Producer,
    /// the way out of the streams without transactions
    plain: Option<IdempotentSink>,
    kafka: KafkaSettings,
    options: ProducerOptions,
    /// whether to stop at once
    give_up: GiveUp,
    /// whether to stop waiting for a commit that is under way
    give_up_commit: GiveUp,
    user: Admin,
    streams: Vec<Destination>,
    rejected: Destination,
    checkpoint: String,
    partition: i32,
    owner: Owner,
    /// records that the first commit has to write
    unwritten: Vec<Record>,
    /// the messages of the open transaction, by the number that Kafka's reports give back
    sent: Vec<SentMessage>,
    is_open: bool,
    /// the producer is of no use any more
    is_broken: bool,
    report: AbortReport,
    too_large: Vec<(AlertId, usize)>,
    rejected_too_large: Vec<(AlertId, usize)>,
    /// a checkpoint record that the topic does not take, bytes
    record_too_large: Option<usize>,
}

impl KafkaSink {
    /// The topic and the partition of the checkpoint.
    pub fn checkpoint_place(&self) -> (&str, i32) {
        (&self.checkpoint, self.partition)
    }

    /// The topics of the streams, and whether some message was ever written to each.
    ///
    /// # Errors
    /// They may not be seen.
    pub fn written_topics(&self) -> Result<Vec<(&str, bool)>, SinkError> {
        let topics: Vec<&str> = self.streams.iter().map(|stream| stream.topic.as_str()).collect();
        let found = retry_transient(&self.give_up, || self.user.watermarks(&topics))?;
        let is_written = |topic: &str| found.iter().any(|place| place.topic == topic && place.high > 0);
        Ok(topics.into_iter().map(|topic| (topic, is_written(topic))).collect())
    }

    /// What the checkpoint holds. To be asked when the producer is open and no transaction is.
    ///
    /// # Errors
    /// The topic is missing, or may not be read.
    pub fn checkpoint(&self) -> Result<Records, SinkError> {
        let read = || checkpoint::read(&self.user, &self.checkpoint, &[self.partition], &*self.give_up);
        let mut records = retry_transient(&self.give_up, read)?.remove(&self.partition).unwrap_or_default();
        for (key, value) in &self.unwritten {
            records.extend(value.iter().map(|value| (key.clone(), value.clone())));
        }
        Ok(records)
    }

    /// Sends one alert's value to its stream. The inner error is the message's own fault, and leaves the transaction as it was.
    ///
    /// # Errors
    /// The transaction failed, or Kafka refused for good.
    pub fn send(
        &mut self,
        batch: &Batch,
        alert: &BatchAlert,
        message: &Message,
        value: &[u8],
    ) -> Result<Result<(), Rejection>, SinkError> {
        let is_plain = self.streams[message.stream].plain.is_some();
        if !is_plain {
            self.begin()?;
        }
        let destination = &self.streams[message.stream];
        let timestamp = alert.entry.timestamp.to_string();
        let id = alert.entry.id.to_hex();
        let headers = [
            (TIMESTAMP_HEADER, timestamp.as_bytes()),
            (ALERT_HEADER, &id),
            (WRITER_HEADER, self.options.transactional_id.as_bytes()),
        ];
        let outgoing = ProducerRecord {
            topic: &destination.topic,
            partition: partition::of_object(batch.bytes(&alert.object), destination.partitions),
            key: message.key.as_ref().map(|key| batch.bytes(key)).or(destination.key.as_deref()),
            value: Some(value),
            headers: if is_plain { &headers } else { &headers[..2] },
            id: self.sent.len(),
        };
        let sent = match (destination.plain, &mut self.plain) {
            (Some(topic), Some(plain)) if plain.is_sent(topic, alert.entry) => Ok(()),
            (Some(_), Some(plain)) => plain.send(&outgoing, alert.entry.id, message.stream),
            _ => self.producer.send(&outgoing),
        };
        match sent {
            Ok(()) if is_plain => Ok(Ok(())),
            Ok(()) => {
                self.sent.push(SentMessage::Alert(alert.entry.id, message.stream));
                Ok(Ok(()))
            }
            Err(KafkaError::TooLarge { bytes, .. }) => Ok(Err(Rejection::too_large(bytes))),
            // The transactional producer has no part in this failure.
            Err(error) if is_plain => Err(error.into()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Reads what the checkpoint accounts for on the topics without transactions, and what stands there behind it. To be called before the
    /// first alert and after each abort. `watermark`: ms since 1970.
    ///
    /// # Errors
    /// Such a topic may not be read, was made again, or has another writer.
    pub fn restore_idempotent(&mut self, records: &Records, watermark: Timestamp) -> Result<(), SinkError> {
        self.plain.as_mut().map_or(Ok(()), |plain| plain.take_up(records, watermark))
    }

    /// Prepares for a chunk, before its first alert: commits a record where that is needed to know that no other process has taken over.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn prepare(&mut self) -> Result<(), SinkError> {
        match self.plain.as_ref().is_some_and(IdempotentSink::needs_commit) {
            true => self.commit_and_renew(&[], true),
            false => Ok(()),
        }
    }

    /// Forgets which alerts before the watermark, ms since 1970, were found on topics without transactions.
    pub fn expire(&mut self, watermark: Timestamp) {
        self.plain.iter_mut().for_each(|plain| plain.expire(watermark));
    }

    /// Sends what is known of an alert to the rejected topic: as a JSON value, and as headers, both cut to a size that fits.
    ///
    /// # Errors
    /// The transaction failed, or Kafka refused for good.
    pub fn reject(
        &mut self,
        batch: &Batch,
        alert: &BatchAlert,
        message: &Message,
        refusal: &Rejection,
    ) -> Result<(), SinkError> {
        self.begin()?;
        let destination = &self.streams[message.stream];
        let copy = rejected::Copy::new(
            batch.bytes(&alert.key),
            alert.entry,
            (&destination.name, &destination.topic),
            &refusal.reason,
        );
        let outgoing = ProducerRecord {
            topic: &self.rejected.topic,
            partition: partition::of_object(batch.bytes(&alert.object), self.rejected.partitions),
            key: Some(copy.row_key()),
            value: Some(copy.value()),
            headers: &copy.headers(),
            id: self.sent.len(),
        };
        match self.producer.send(&outgoing) {
            Ok(()) => self.sent.push(SentMessage::Rejected(alert.entry.id, message.stream)),
            Err(error) => return Err(self.failed(error)),
        }
        Ok(())
    }

    /// The messages that Kafka refused since the last call for what they are, as alert and stream: they would fail again.
    pub fn take_too_large(&mut self) -> Vec<(AlertId, usize)> {
        std::mem::take(&mut self.too_large)
    }

    /// The same of rejected alerts, whose copy on the rejected topic would fail again.
    pub fn take_rejected_too_large(&mut self) -> Vec<(AlertId, usize)> {
        std::mem::take(&mut self.rejected_too_large)
    }

    fn begin(&mut self) -> Result<(), SinkError> {
        if !self.is_open {
            self.producer.begin().map_err(|error| self.failed(error))?;
            self.is_open = true;
        }
        Ok(())
    }

    fn failed(&mut self, error: KafkaError) -> SinkError {
        self.is_broken |= error.requires_reopening();
        error.into()
    }
}

/// Tries until Kafka answers, each absence told in the log.
pub(super) fn retry_transient<T>(
    give_up: &GiveUp,
    mut ask: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    loop {
        match ask() {
            Err(error) if error.is_transient() => {
                log::warn!("{error}; trying again");
                super::retry::sleep(RETRY_INTERVAL, &**give_up);
            }
            outcome => return outcome.map_err(SinkError::from),
        }
        if give_up() {
            return Err(SinkError::Stopped);
        }
    }
}
