//! The sink of streams without transactions. Their messages are sent while a transaction is filled, and are delivered before it is committed.
//! The checkpoint records the offsets up to which the messages of a topic are known ([`topic_state`]); those that a crash or an abort leaves
//! behind them are read back and not sent again.

mod lease;
#[cfg(test)]
mod model_tests;
mod process;
pub(super) mod topic_state;

use std::time::Duration;

pub(crate) use lease::LeaseTime;
use lease::{Lease, MAX_DELIVERY_AFTER_FENCING};
use topic_state::TopicState;
use topic_state::TopicStateError;

use super::batch::StreamAlert;
use super::checkpoint_state::Record;
use super::headers::{ALERT_HEADER, TIMESTAMP_HEADER, WRITER_HEADER};
use super::sink_error::{SinkError, retry_existing, retry_transient};
use crate::cancel::CancellationToken;
use crate::kafka::Aborted;
use crate::kafka::KafkaSettings;
use crate::kafka::Message;
use crate::kafka::checkpoint::Records;
use crate::kafka::tail::OffsetRange;
use crate::kafka::{
    Error as KafkaError, FlushOutcome, IdempotentProducer, ProducerOptions, ProducerRecord, TailReader, schema_topic,
};
use crate::ledger::{AlertId, LedgerEntry};
use crate::timestamp::Timestamp;

/// A topic that an unknown process may still write to is read back when it has not grown for so long.
const QUIET_INTERVAL: Duration = Duration::from_secs(1);
/// The timeout of one request to the brokers.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// A topic that is written without transactions.
#[derive(Clone, Debug)]
pub(crate) struct SinkTopic {
    pub topic: String,
    pub partitions: i32,
}

/// The messages sent since the last commit.
#[derive(Clone, Debug)]
pub(crate) struct Undelivered {
    /// why some were not delivered; `None`: all were
    pub failed: Option<Aborted>,
    /// the delivery reports give their indexes
    pub sent: Vec<StreamAlert>,
}

/// Writes the streams without transactions, and schema topics.
pub(crate) struct IdempotentSink {
    kafka: KafkaSettings,
    options: ProducerOptions,
    prefix: String,
    cancel: CancellationToken,
    commit_cancel: CancellationToken,
    producer: IdempotentProducer,
    reader: TailReader,
    topics: Vec<SinkTopic>,
    /// of each topic; empty until the checkpoint is read
    states: Vec<TopicState>,
    lease: Lease,
    /// when older processes with the same id were fenced; `None`: their messages in flight have been waited for
    fenced: Option<LeaseTime>,
    /// the messages sent since the last commit; the delivery reports give their indexes
    sent: Vec<StreamAlert>,
    /// why a message was not delivered
    failed: Option<Aborted>,
}

impl IdempotentSink {
    /// A sink for `topics`. To be opened after an older process with the same transactional id was fenced.
    ///
    /// # Errors
    /// librdkafka refuses the settings.
    pub fn open(
        kafka: &KafkaSettings,
        options: &ProducerOptions,
        prefix: &str,
        topics: Vec<SinkTopic>,
        (cancel, commit_cancel): (&CancellationToken, &CancellationToken),
    ) -> Result<Self, SinkError> {
        Ok(Self {
            kafka: kafka.clone(),
            options: options.clone(),
            prefix: prefix.to_owned(),
            cancel: cancel.clone(),
            commit_cancel: commit_cancel.clone(),
            producer: open_producer(kafka, options, &topics, commit_cancel)?,
            reader: TailReader::open(kafka, KAFKA_TIMEOUT, cancel)?,
            topics,
            states: Vec::new(),
            lease: Lease::default(),
            fenced: Some(LeaseTime::now()),
            sent: Vec::new(),
            failed: None,
        })
    }

    /// Writes the schema of the alerts on the topic `described` to its schema topic, unless the last message there is this schema.
    ///
    /// # Errors
    /// The user may not read or write the schema topic.
    pub fn write_schema(&self, of: &SinkTopic, described: &str, schema: &[u8]) -> Result<(), SinkError> {
        use schema_topic::SchemaWrite;
        let SinkTopic { topic, partitions } = of;
        let write = || schema_topic::write(&self.reader, &self.producer, topic, *partitions, schema, described);
        match retry_transient(&self.cancel, write)? {
            SchemaWrite::Unchanged => {}
            SchemaWrite::First => log::info!("the schema of topic `{described}` was written to topic `{topic}`"),
            SchemaWrite::Replaced => log::warn!(
                "topic `{topic}` held another schema; the new one was appended. Consumers that use the first schema cannot decode alerts \
                 from now on: send the stream to a new topic"
            ),
        }
        Ok(())
    }

    /// Restores the states of the topics from the checkpoint, and reads the messages behind the recorded offsets. No message may be in flight.
    ///
    /// # Errors
    /// A topic cannot be read, was created again, or has another writer.
    pub fn restore(&mut self, records: &Records, watermark: Timestamp) -> Result<(), SinkError> {
        self.states.clear();
        let found = self.topics.iter().map(|of| TopicState::load(&self.prefix, &of.topic, records));
        let found: Vec<Option<TopicState>> = found.collect::<Result<_, TopicStateError>>()?;
        let is_open = found.iter().flatten().any(TopicState::is_open);
        if let Some(fenced) = self.fenced.take()
            && found.iter().flatten().any(TopicState::may_be_written)
        {
            self.wait_for_older_process(fenced)?;
        }
        let ends = if is_open { self.quiet_ends()? } else { self.ends()? };
        for ((of, found), ends) in self.topics.iter().zip(found).zip(ends) {
            let state = match found {
                None => TopicState::new(&self.prefix, &of.topic, &ends),
                Some(mut state) => {
                    state.compare(&ends)?;
                    self.add_tail(&mut state, &ends)?;
                    state.expire(watermark);
                    state
                }
            };
            self.producer.set_offsets(state.topic(), state.offsets());
            self.states.push(state);
        }
        Ok(())
    }

    fn add_tail(&self, state: &mut TopicState, ends: &[OffsetRange]) -> Result<(), SinkError> {
        let until: Vec<i64> = ends.iter().map(|ends| ends.end).collect();
        let tail = self.tail(state.topic(), state.offsets(), &until)?;
        if !tail.is_empty() {
            log::info!(
                "topic `{}` holds {} alerts behind the checkpoint: they are not sent again",
                state.topic(),
                tail.len()
            );
        }
        match state.add_tail(tail, &until) {
            0 => {}
            duplicates => log::error!(
                "topic `{}` holds {duplicates} alerts twice: messages of an older process arrived after all timeouts",
                state.topic()
            ),
        }
        Ok(())
    }

    /// The offset ranges of each topic, by partition.
    fn ends(&self) -> Result<Vec<Vec<OffsetRange>>, SinkError> {
        let ends =
            |of: &SinkTopic| retry_existing(&self.cancel, || self.reader.offset_ranges(&of.topic, of.partitions));
        self.topics.iter().map(ends).collect()
    }

    /// As [`ends`](Self::ends), once no topic grows any more.
    fn quiet_ends(&self) -> Result<Vec<Vec<OffsetRange>>, SinkError> {
        let mut ends = self.ends()?;
        loop {
            if self.cancel.wait(QUIET_INTERVAL) {
                return Err(SinkError::Cancelled);
            }
            let before = std::mem::replace(&mut ends, self.ends()?);
            if before == ends {
                return Ok(ends);
            }
        }
    }

    fn wait_for_older_process(&self, fenced: LeaseTime) -> Result<(), SinkError> {
        let left = || MAX_DELIVERY_AFTER_FENCING.saturating_sub(fenced.elapsed());
        if !left().is_zero() {
            log::info!(
                "the process that wrote the checkpoint may still run: waiting {:.0?} for its messages in flight to topics without transactions",
                left()
            );
        }
        while !left().is_zero() {
            if self.cancel.wait(left()) {
                return Err(SinkError::Cancelled);
            }
        }
        Ok(())
    }

    /// The alerts between these offsets of a topic. This distribution must have written all of them.
    fn tail(&self, topic: &str, from: &[i64], until: &[i64]) -> Result<Vec<LedgerEntry>, SinkError> {
        let read = || {
            let mut messages = Vec::new();
            self.reader.read(topic, from, until, |message| messages.push(self.alert_of(message)))?;
            Ok(messages)
        };
        Ok(retry_existing(&self.cancel, read)?.into_iter().collect::<Result<_, TopicStateError>>()?)
    }

    fn alert_of(&self, message: Message) -> Result<LedgerEntry, TopicStateError> {
        let header = |name: &str| {
            let found = message.headers.iter().find(|(header, _)| header == name);
            found.and_then(|(_, value)| value.as_deref())
        };
        let text = |name: &str| header(name).and_then(|value| std::str::from_utf8(value).ok());
        let id = header(ALERT_HEADER).and_then(AlertId::from_hex);
        let timestamp = text(TIMESTAMP_HEADER).and_then(|digits| digits.parse().ok()).map(Timestamp::from_millis);
        match (text(WRITER_HEADER), id, timestamp) {
            (Some(writer), Some(id), Some(timestamp)) if writer == self.options.transactional_id => {
                Ok(LedgerEntry { id, timestamp })
            }
            (writer, ..) => Err(TopicStateError::Foreign {
                writer: writer.map_or_else(|| "another program".to_owned(), |writer| format!("`{writer}`")),
                topic: message.topic,
                partition: message.partition,
                offset: message.offset,
            }),
        }
    }

    /// Whether a transaction has to be committed before anything is sent.
    pub fn needs_commit(&self) -> bool {
        !self.states.is_empty() && !self.lease.is_fresh()
    }

    /// Whether messages were sent since the last commit.
    pub fn has_uncommitted(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether the alert is on the topic of this index already.
    pub fn is_sent(&self, topic: usize, entry: LedgerEntry) -> bool {
        self.states.get(topic).is_some_and(|state| state.is_sent(entry))
    }

    /// Sends the message of `alert`. `record.id` is set here; [`WRITER_HEADER`] has to be among its headers.
    ///
    /// # Errors
    /// As [`IdempotentProducer::send`]; [`KafkaError::MustAbort`] where the lease has ended.
    pub fn send(&mut self, record: &ProducerRecord<'_>, alert: StreamAlert) -> Result<(), KafkaError> {
        let lease = self.lease;
        self.producer.send(&ProducerRecord { id: self.sent.len(), ..*record }, &|| lease.stamp())?;
        self.sent.push(alert);
        Ok(())
    }

    /// Forgets the sent alerts before the watermark.
    pub fn expire(&mut self, watermark: Timestamp) {
        self.states.iter_mut().for_each(|state| state.expire(watermark));
    }

    /// Waits until all messages are delivered, and returns the checkpoint records for the next transaction, at least one where `renews`. `open`:
    /// whether more may be sent after that transaction.
    ///
    /// # Errors
    /// A message was not delivered, or another writer was noticed: the topics have to be read back.
    pub fn flush(&mut self, open: bool, renews: bool) -> Result<Vec<Record>, SinkError> {
        match self.producer.flush()? {
            FlushOutcome::Delivered => {}
            FlushOutcome::Failed(aborted) => {
                let reason = aborted.reason.clone();
                self.failed = Some(aborted);
                return Err(SinkError::Aborted(reason));
            }
            FlushOutcome::UnexpectedOffset(found) => return Err(SinkError::Aborted(found.to_string())),
        }
        let records = self.states.iter_mut().flat_map(|state| {
            let offsets = self.producer.offsets(state.topic());
            state.records(&offsets, open)
        });
        let mut records: Vec<Record> = records.collect();
        if renews && records.is_empty() {
            records.extend(self.states.first().map(TopicState::record));
        }
        Ok(records)
    }

    /// Records that the transaction is committed whose commit started at `started`.
    pub fn committed(&mut self, started: LeaseTime) {
        self.sent.clear();
        self.lease.renew(started);
    }

    /// Waits until no message is in flight, and opens the producer again where it has failed.
    ///
    /// # Errors
    /// A permanent error of Kafka.
    pub fn abort(&mut self) -> Result<Undelivered, SinkError> {
        let (sent, failed) = (std::mem::take(&mut self.sent), self.failed.take());
        match self.producer.flush() {
            Ok(FlushOutcome::Failed(aborted)) => Ok(Undelivered { failed: failed.or(Some(aborted)), sent }),
            Ok(_) => Ok(Undelivered { failed, sent }),
            Err(error) if error.requires_reopening() => {
                self.producer = open_producer(&self.kafka, &self.options, &self.topics, &self.commit_cancel)?;
                Ok(Undelivered { failed, sent })
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn open_producer(
    kafka: &KafkaSettings,
    options: &ProducerOptions,
    topics: &[SinkTopic],
    cancel: &CancellationToken,
) -> Result<IdempotentProducer, SinkError> {
    let topics: Vec<(String, i32)> = topics.iter().map(|of| (of.topic.clone(), of.partitions)).collect();
    Ok(IdempotentProducer::open(kafka, options, &topics, cancel)?)
}
