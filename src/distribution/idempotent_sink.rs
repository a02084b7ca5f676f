//! Streams without transactions: their messages are sent while a chunk is filled, and are delivered before the chunk is committed. The
//! checkpoint accounts for them ([`topic_state`]); what a crash or an abort left behind is read back and not sent again.

mod lease;
#[cfg(test)]
mod model_tests;
mod process;
mod topic_state;

use std::sync::Arc;
use std::time::Duration;

pub use lease::LeaseTime;
use lease::{Lease, MAX_DELIVERY_AFTER_FENCING};
use topic_state::TopicState;
pub use topic_state::TopicStateError;

use super::checkpoint_state::Record;
use super::kafka_sink::{ALERT_HEADER, GiveUp, SinkError, TIMESTAMP_HEADER, retry_transient};
use super::retry;
use crate::config::KafkaSettings;
use crate::kafka::checkpoint::Records;
use crate::kafka::consumer::Message;
use crate::kafka::producer::ProducerRecord;
use crate::kafka::tail::OffsetRange;
use crate::kafka::transaction::Aborted;
use crate::kafka::{Error as KafkaError, FlushOutcome, IdempotentProducer, ProducerOptions, TailReader, schema_topic};
use crate::ledger::{AlertId, LedgerEntry};
use crate::timestamp::Timestamp;

/// The header that says who wrote a message without a transaction: the transactional id of its distribution.
pub const WRITER_HEADER: &str = "fink-writer";

/// How long a topic must not have grown before it is read back, where somebody may have had messages under way.
const QUIET_INTERVAL: Duration = Duration::from_secs(1);
/// How long the brokers are asked the same question.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// A topic that is written without transactions.
#[derive(Clone, Debug)]
pub struct SinkTopic {
    /// its name
    pub topic: String,
    /// its partitions
    pub partitions: i32,
}

/// What is known of the messages that were sent since the last commit.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// why some were not delivered, if that was so
    pub failed: Option<Aborted>,
    /// the alert and the stream of each message, by its number
    pub sent: Vec<(AlertId, usize)>,
}

/// The way out of the streams without transactions, and of schemas.
pub struct IdempotentSink {
    kafka: KafkaSettings,
    options: ProducerOptions,
    prefix: String,
    give_up: GiveUp,
    give_up_commit: GiveUp,
    producer: IdempotentProducer,
    reader: TailReader,
    topics: Vec<SinkTopic>,
    /// of each topic; empty until the checkpoint was read
    accounts: Vec<TopicState>,
    lease: Lease,
    /// when former processes of the same id were fenced; `None`: what they had under way was waited for
    fenced: Option<LeaseTime>,
    /// the alerts and streams of the messages sent since the last commit, by the number that Kafka's reports give back
    sent: Vec<(AlertId, usize)>,
    /// why something was not delivered
    failed: Option<Aborted>,
}

impl IdempotentSink {
    /// A way out to `topics`. To be opened when a former process of the same transactional id is fenced.
    ///
    /// # Errors
    /// Refused settings.
    pub fn open(
        kafka: &KafkaSettings,
        options: &ProducerOptions,
        prefix: &str,
        topics: Vec<SinkTopic>,
        (give_up, give_up_commit): (&GiveUp, &GiveUp),
    ) -> Result<Self, SinkError> {
        let stop = Arc::clone(give_up);
        Ok(Self {
            kafka: kafka.clone(),
            options: options.clone(),
            prefix: prefix.to_owned(),
            give_up: Arc::clone(give_up),
            give_up_commit: Arc::clone(give_up_commit),
            producer: open_producer(kafka, options, &topics, give_up_commit)?,
            reader: TailReader::open(kafka, KAFKA_TIMEOUT, move || stop())?,
            topics,
            accounts: Vec::new(),
            lease: Lease::default(),
            fenced: Some(LeaseTime::now()),
            sent: Vec::new(),
            failed: None,
        })
    }

    /// Writes the schema of a topic's alerts to its schema topic, unless the last message there has it.
    ///
    /// # Errors
    /// The schema topic may not be read or written.
    pub fn write_schema(&self, of: &SinkTopic, described: &str, schema: &[u8]) -> Result<(), SinkError> {
        use schema_topic::SchemaWrite;
        let SinkTopic { topic, partitions } = of;
        let write = || schema_topic::write(&self.reader, &self.producer, topic, *partitions, schema, described);
        match retry_transient(&self.give_up, write)? {
            SchemaWrite::Unchanged => {}
            SchemaWrite::First => log::info!("the schema of topic `{described}` was written to topic `{topic}`"),
            SchemaWrite::Replaced => log::warn!(
                "topic `{topic}` holds another schema than that of the alerts sent from now on, which was added: readers that take the \
                 first one do not understand them; send the stream to a new topic"
            ),
        }
        Ok(())
    }

    /// Reads what the checkpoint accounts for, and what stands on the topics behind it. Nothing may be under way.
    ///
    /// # Errors
    /// A topic cannot be read, was made again, or has another writer.
    pub fn take_up(&mut self, records: &Records, watermark: Timestamp) -> Result<(), SinkError> {
        self.accounts.clear();
        let found = self.topics.iter().map(|of| TopicState::load(&self.prefix, &of.topic, records));
        let found: Vec<Option<TopicState>> = found.collect::<Result<_, TopicStateError>>()?;
        let is_open = found.iter().flatten().any(TopicState::is_open);
        if let Some(fenced) = self.fenced.take()
            && found.iter().flatten().any(TopicState::may_be_written)
        {
            self.wait_for_former_process(fenced)?;
        }
        let ends = if is_open { self.quiet_ends()? } else { self.ends()? };
        for ((of, found), ends) in self.topics.iter().zip(found).zip(ends) {
            let account = match found {
                None => TopicState::new(&self.prefix, &of.topic, &ends),
                Some(mut account) => {
                    account.compare(&ends)?;
                    self.add_tail(&mut account, &ends)?;
                    account.expire(watermark);
                    account
                }
            };
            self.producer.set_offsets(account.topic(), account.offsets());
            self.accounts.push(account);
        }
        Ok(())
    }

    fn add_tail(&self, account: &mut TopicState, ends: &[OffsetRange]) -> Result<(), SinkError> {
        let until: Vec<i64> = ends.iter().map(|ends| ends.end).collect();
        let tail = self.tail(account.topic(), account.offsets(), &until)?;
        let topic = account.topic();
        if !tail.is_empty() {
            log::info!("topic `{topic}`: {} alerts stand behind the checkpoint and are not sent again", tail.len());
        }
        match account.add_tail(tail, &until) {
            0 => {}
            doubled => log::error!(
                "topic `{}`: {doubled} alerts stand there twice: messages of a former process arrived after all waits were over",
                account.topic()
            ),
        }
        Ok(())
    }

    /// Where each topic begins and ends, by partition.
    fn ends(&self) -> Result<Vec<Vec<OffsetRange>>, SinkError> {
        let ends = |of: &SinkTopic| retry_transient(&self.give_up, || self.reader.ends(&of.topic, of.partitions));
        self.topics.iter().map(ends).collect()
    }

    /// As [`ends`](Self::ends), when no topic grows any more.
    fn quiet_ends(&self) -> Result<Vec<Vec<OffsetRange>>, SinkError> {
        let mut ends = self.ends()?;
        loop {
            retry::sleep(QUIET_INTERVAL, &*self.give_up);
            if (self.give_up)() {
                return Err(SinkError::Stopped);
            }
            let before = std::mem::replace(&mut ends, self.ends()?);
            if before == ends {
                return Ok(ends);
            }
        }
    }

    fn wait_for_former_process(&self, fenced: LeaseTime) -> Result<(), SinkError> {
        let left = |fenced: LeaseTime| MAX_DELIVERY_AFTER_FENCING.saturating_sub(fenced.elapsed());
        if !left(fenced).is_zero() {
            log::info!(
                "the former process may still run: waiting {:.0?} for messages that it may have under way to topics without transactions",
                left(fenced)
            );
        }
        while !left(fenced).is_zero() {
            if (self.give_up)() {
                return Err(SinkError::Stopped);
            }
            retry::sleep(left(fenced), &*self.give_up);
        }
        Ok(())
    }

    /// The alerts of a topic between these offsets, all of which this distribution must have written.
    fn tail(&self, topic: &str, from: &[i64], until: &[i64]) -> Result<Vec<LedgerEntry>, SinkError> {
        let read = || {
            let mut messages = Vec::new();
            self.reader.read(topic, from, until, |message| messages.push(self.alert_of(message)))?;
            Ok(messages)
        };
        Ok(retry_transient(&self.give_up, read)?.into_iter().collect::<Result<_, TopicStateError>>()?)
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
                writer: writer.map_or_else(|| "somebody else".to_owned(), |writer| format!("`{writer}`")),
                topic: message.topic,
                partition: message.partition,
                offset: message.offset,
            }),
        }
    }

    /// Whether a transaction has to be committed before a chunk is begun.
    pub fn needs_commit(&self) -> bool {
        !self.accounts.is_empty() && !self.lease.is_fresh()
    }

    /// Whether messages were sent since the last commit.
    pub fn has_uncommitted(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether the alert stands on the topic of this number already.
    pub fn is_sent(&self, topic: usize, entry: LedgerEntry) -> bool {
        self.accounts.get(topic).is_some_and(|account| account.is_sent(entry))
    }

    /// Sends an alert's message on a stream; `message.id` is set here, and `fink-writer` has to be among its headers.
    ///
    /// # Errors
    /// As [`IdempotentProducer::send`]; [`KafkaError::MustAbort`] where the lease has ended.
    pub fn send(&mut self, message: &ProducerRecord<'_>, alert: AlertId, stream: usize) -> Result<(), KafkaError> {
        let lease = self.lease;
        self.producer.send(&ProducerRecord { id: self.sent.len(), ..*message }, &|| lease.stamp())?;
        self.sent.push((alert, stream));
        Ok(())
    }

    /// Forgets the alerts known to be sent that lie before the watermark, ms since 1970.
    pub fn expire(&mut self, watermark: Timestamp) {
        self.accounts.iter_mut().for_each(|account| account.expire(watermark));
    }

    /// Waits until everything sent was delivered; returns the records for the transaction that is to be committed next, at least one where
    /// `renews` says so. `open`: whether more may be sent after it.
    ///
    /// # Errors
    /// Something was not delivered, or another writer was noticed: what was sent has to be read back.
    pub fn account(&mut self, open: bool, renews: bool) -> Result<Vec<Record>, SinkError> {
        match self.producer.flush()? {
            FlushOutcome::Delivered => {}
            FlushOutcome::Failed(aborted) => {
                let reason = aborted.reason.clone();
                self.failed = Some(aborted);
                return Err(SinkError::Aborted(reason));
            }
            FlushOutcome::UnexpectedOffset(found) => return Err(SinkError::Aborted(found.to_string())),
        }
        let records = self.accounts.iter_mut().flat_map(|account| {
            let offsets = self.producer.offsets(account.topic());
            account.records(&offsets, open)
        });
        let mut records: Vec<Record> = records.collect();
        if renews && records.is_empty() {
            records.extend(self.accounts.first().map(TopicState::record));
        }
        Ok(records)
    }

    /// Notes that the transaction whose commit began at `began` was committed.
    pub fn committed(&mut self, began: LeaseTime) {
        self.sent.clear();
        self.lease.renew(began);
    }

    /// Waits until nothing is under way any more; opens the producer anew where it is of no use.
    ///
    /// # Errors
    /// Kafka refused for good.
    pub fn abort(&mut self) -> Result<Undelivered, SinkError> {
        let (sent, failed) = (std::mem::take(&mut self.sent), self.failed.take());
        match self.producer.flush() {
            Ok(FlushOutcome::Failed(aborted)) => Ok(Undelivered { failed: failed.or(Some(aborted)), sent }),
            Ok(_) => Ok(Undelivered { failed, sent }),
            Err(error) if error.requires_reopening() => {
                self.producer = open_producer(&self.kafka, &self.options, &self.topics, &self.give_up_commit)?;
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
    give_up: &GiveUp,
) -> Result<IdempotentProducer, SinkError> {
    let topics: Vec<(String, i32)> = topics.iter().map(|of| (of.topic.clone(), of.partitions)).collect();
    let give_up = Arc::clone(give_up);
    Ok(IdempotentProducer::open(kafka, options, &topics, move || give_up())?)
}
