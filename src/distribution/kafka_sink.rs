//! The sink of a distribution: it sends alerts to the topics of their streams and to the rejected topic, and writes the checkpoint, in one
//! transaction. Streams without transactions go through the [`IdempotentSink`].

mod commit;
mod open;
mod rejected;

use super::batch::{AlertBatch, BatchAlert, Message, StreamAlert};
use super::checkpoint_state::Record;
use super::headers::{ALERT_HEADER, TIMESTAMP_HEADER, WRITER_HEADER};
use super::idempotent_sink::IdempotentSink;
use super::owner::Owner;
use crate::cancel::CancellationToken;
use crate::kafka::KafkaSettings;
use crate::kafka::checkpoint::Records;
use crate::kafka::{Admin, Error as KafkaError, Producer, ProducerOptions, ProducerRecord, checkpoint, partition};

use super::sink_error::{SinkError, retry_existing};
use crate::timestamp::Timestamp;
use rejected::RejectedCopy;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum SendOutcome {
    /// it is part of the open transaction, or delivered without one
    Sent,
    /// it is larger than any topic takes, bytes; the transaction is as it was
    TooLarge(usize),
}

/// What is known of an aborted transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AbortReport {
    /// whether brokers that are away, or too slow, were the reason: the same transaction may succeed later
    pub is_outage: bool,
    /// messages that the brokers refused for what they are: they would be refused again
    pub too_large: Vec<StreamAlert>,
    /// rejected alerts of which the brokers refused the copy
    pub rejected_too_large: Vec<StreamAlert>,
}

impl AbortReport {
    /// Whether the next transaction differs from the aborted one, because refused messages are not sent again.
    pub fn has_refused(&self) -> bool {
        !self.too_large.is_empty() || !self.rejected_too_large.is_empty()
    }
}

/// What a message of the open transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SentMessage {
    Alert(StreamAlert),
    Rejected(StreamAlert),
    Checkpoint,
}

/// Where the messages of a stream go.
#[derive(Debug)]
struct Destination {
    topic: String,
    partitions: i32,
    /// the key of all messages, where it is the same
    key: Option<Vec<u8>>,
    /// the name of the stream
    stream: String,
    /// its index among the topics of the idempotent sink; `None`: written in transactions
    idempotent: Option<usize>,
}

/// The producers of one distribution, and the state of the open transaction.
pub(crate) struct KafkaSink {
    producer: Producer,
    idempotent: Option<IdempotentSink>,
    kafka: KafkaSettings,
    options: ProducerOptions,
    cancel: CancellationToken,
    /// ends the wait for a commit that is under way
    commit_cancel: CancellationToken,
    user: Admin,
    destinations: Vec<Destination>,
    rejected: Destination,
    checkpoint: String,
    /// of the checkpoint topic
    partition: i32,
    owner: Owner,
    /// records that the first commit has to write
    unwritten: Vec<Record>,
    /// the messages of the open transaction; the delivery reports give their indexes
    sent: Vec<SentMessage>,
    is_open: bool,
    /// the producer has failed and has to be opened again
    is_broken: bool,
    report: AbortReport,
    /// a checkpoint record that the topic does not take, bytes
    record_too_large: Option<usize>,
}

impl KafkaSink {
    /// The topic and the partition of the checkpoint.
    pub fn checkpoint_partition(&self) -> (&str, i32) {
        (&self.checkpoint, self.partition)
    }

    /// A client of the sink's user.
    pub fn admin(&self) -> &Admin {
        &self.user
    }

    /// Whether the partition of the checkpoint has held records.
    ///
    /// # Errors
    /// The user may not describe the topic.
    pub fn had_checkpoint(&self) -> Result<bool, SinkError> {
        let partition = [(self.checkpoint.clone(), self.partition)];
        let high = retry_existing(&self.cancel, || self.user.high_watermarks(&partition))?;
        Ok(high.iter().any(|high| *high > 0))
    }

    /// A topic of a stream that holds messages, if there is one.
    ///
    /// # Errors
    /// The user may not describe a topic.
    pub fn topic_with_messages(&self) -> Result<Option<&str>, SinkError> {
        let topics: Vec<&str> = self.destinations.iter().map(|destination| destination.topic.as_str()).collect();
        let watermarks = retry_existing(&self.cancel, || self.user.watermarks(&topics))?;
        let has_messages = |topic: &str| watermarks.iter().any(|found| found.topic == topic && found.high > 0);
        Ok(topics.into_iter().find(|topic| has_messages(topic)))
    }

    /// Reads the checkpoint. To be called while no transaction is open.
    ///
    /// # Errors
    /// The topic is missing, or may not be read.
    pub fn checkpoint(&self) -> Result<Records, SinkError> {
        let read = || checkpoint::read(&self.user, &self.checkpoint, &[self.partition], &self.cancel);
        let mut partitions = retry_existing(&self.cancel, read)?;
        let mut records = partitions.remove(&self.partition).ok_or_else(|| SinkError::NoCheckpointPartition {
            topic: self.checkpoint.clone(),
            partition: self.partition,
        })?;
        for (key, value) in &self.unwritten {
            records.extend(value.iter().map(|value| (key.clone(), value.clone())));
        }
        Ok(records)
    }

    /// Sends an alert's message to its stream.
    ///
    /// # Errors
    /// The transaction failed; or a permanent error of Kafka.
    pub fn send(
        &mut self,
        batch: &AlertBatch,
        alert: &BatchAlert,
        message: &Message,
    ) -> Result<SendOutcome, SinkError> {
        let is_transactional = self.destinations[message.stream].idempotent.is_none();
        if is_transactional {
            self.begin()?;
        }
        let destination = &self.destinations[message.stream];
        let timestamp = alert.entry.timestamp.to_string();
        let id = alert.entry.id.to_hex();
        let headers = [
            (TIMESTAMP_HEADER, timestamp.as_bytes()),
            (ALERT_HEADER, &id),
            (WRITER_HEADER, self.options.transactional_id.as_bytes()),
        ];
        let record = ProducerRecord {
            topic: &destination.topic,
            partition: partition::of_object(batch.bytes(&alert.object), destination.partitions),
            key: message.key.as_ref().map(|key| batch.bytes(key)).or(destination.key.as_deref()),
            value: Some(batch.bytes(&message.value)),
            headers: if is_transactional { &headers[..2] } else { &headers },
            id: self.sent.len(),
        };
        let stream_alert = (alert.entry.id, message.stream);
        let sent = match (destination.idempotent, &mut self.idempotent) {
            (Some(topic), Some(sink)) if sink.is_sent(topic, alert.entry) => Ok(()),
            (Some(_), Some(sink)) => sink.send(&record, stream_alert),
            _ => self.producer.send(&record),
        };
        match sent {
            Ok(()) => {
                if is_transactional {
                    self.sent.push(SentMessage::Alert(stream_alert));
                }
                Ok(SendOutcome::Sent)
            }
            Err(KafkaError::TooLarge { bytes, .. }) => Ok(SendOutcome::TooLarge(bytes)),
            Err(error) if is_transactional => Err(self.failed(error)),
            // The transactional producer is not affected.
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what the checkpoint says about the topics without transactions, and what was written to them since. To be called before the
    /// first alert, and after each abort.
    ///
    /// # Errors
    /// Such a topic may not be read, was created again, or has another writer.
    pub fn restore_idempotent(&mut self, records: &Records, watermark: Timestamp) -> Result<(), SinkError> {
        self.idempotent.as_mut().map_or(Ok(()), |sink| sink.restore(records, watermark))
    }

    /// Prepares for the first alert of a transaction: where streams are written without transactions, a commit may have to prove first that
    /// no other process has taken over.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    pub fn prepare(&mut self) -> Result<(), SinkError> {
        match self.idempotent.as_ref().is_some_and(IdempotentSink::needs_commit) {
            true => self.commit_and_renew(&[], true),
            false => Ok(()),
        }
    }

    /// Forgets the alerts before the watermark that were found on topics without transactions.
    pub fn expire(&mut self, watermark: Timestamp) {
        self.idempotent.iter_mut().for_each(|sink| sink.expire(watermark));
    }

    /// Sends the identity of an alert, and the reason why it is rejected, to the rejected topic: as JSON and as headers, both truncated to a
    /// size that any topic takes.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn reject(
        &mut self,
        batch: &AlertBatch,
        alert: &BatchAlert,
        stream: usize,
        reason: &str,
    ) -> Result<(), SinkError> {
        self.begin()?;
        let destination = &self.destinations[stream];
        let row_key = batch.bytes(&alert.key);
        let copy = RejectedCopy::new(row_key, alert.entry, (&destination.stream, &destination.topic), reason);
        let record = ProducerRecord {
            topic: &self.rejected.topic,
            partition: partition::of_object(batch.bytes(&alert.object), self.rejected.partitions),
            key: Some(copy.row_key()),
            value: Some(copy.value()),
            headers: &copy.headers(),
            id: self.sent.len(),
        };
        self.producer.send(&record).map_err(|error| self.failed(error))?;
        self.sent.push(SentMessage::Rejected((alert.entry.id, stream)));
        Ok(())
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
