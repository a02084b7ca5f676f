//! Publishes alerts that are missing, as the service would: in transactions, with the same key, partition and headers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::alert_reader::AlertReader;
use super::compare::DifferenceRecord;
use super::error::AuditError;
use super::identity;
use super::topic::{self, KAFKA_TIMEOUT};
use super::{Audit, AuditProgress, Comparison};
use crate::distribution::batch::{Batch, BatchAlert, Message, Verdict};
use crate::distribution::{ALERT_HEADER, TIMESTAMP_HEADER};
use crate::kafka::client::Identity;
use crate::kafka::consumer::StartAt;
use crate::kafka::topics::{self, TopicSpec};
use crate::kafka::{Admin, CommitOutcome, Error as KafkaError, Producer, ProducerOptions, ProducerRecord, partition};
use crate::timestamp::Timestamp;

/// Rows of one transaction.
const TRANSACTION_ROWS: usize = 100;
/// Messages that were sent so long before the audit began are read again before anything is published, ms: clocks may differ by as much.
const MAX_CLOCK_SKEW_MS: i64 = 3_600_000;

/// An alert that is to be published on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub id: u128,
    pub timestamp: i64,
    /// where its row key stands in the key file
    pub key: i64,
    pub stream: usize,
}

impl Missing {
    /// That of a difference, which has a row.
    pub fn of(difference: &DifferenceRecord) -> Option<Self> {
        let DifferenceRecord { id, timestamp, stream, .. } = *difference;
        Some(Self { id, timestamp, key: difference.key?, stream })
    }
}

/// What has come to the streams' topics since the audit.
#[derive(Default)]
struct NewMessages {
    ids: HashSet<(usize, u128)>,
    /// how many messages without an id, by stream, timestamp and hash of the datum
    values: HashMap<(usize, i64, u64), usize>,
}

/// The open way to the topics.
struct RepairPublisher<'a> {
    audit: &'a Audit<'a>,
    producer: Producer,
    partitions: BTreeMap<usize, i32>,
    new_messages: NewMessages,
}

impl Audit<'_> {
    /// Publishes what is missing, in the order of the timestamps, and returns how many alerts were published. Each transaction is seen whole or not
    /// at all; what was committed before a failure stays. Alerts that came to their topic since the audit, and rows that were written again
    /// since, are left out. Slack and the status column are not told.
    ///
    /// # Errors
    /// Kafka or the science database refused, a topic has an open transaction, or the caller gave up. Some alerts cannot be published: the
    /// others were.
    pub fn publish(
        &self,
        comparison: &mut Comparison,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<u64, AuditError> {
        let mut missing = std::mem::take(&mut comparison.missing);
        if missing.is_empty() {
            return Ok(0);
        }
        missing.sort_unstable_by_key(|missing| (missing.timestamp, missing.key, missing.stream));
        let mut publisher = self.publisher(&missing, &comparison.ends, report)?;
        report(AuditProgress::Publish(missing.len() as u64));
        let give_up = || (self.give_up)();
        let source = self.source(&give_up);
        let mut reader = source.reader();
        let (mut published, mut failed) = (0, Vec::new());
        let mut rest = &missing[..];
        while !rest.is_empty() {
            let rows = rest.chunk_by(|a, b| a.key == b.key).take(TRANSACTION_ROWS).map(<[Missing]>::len).sum();
            let (chunk, left) = rest.split_at(rows);
            rest = left;
            let mut keys = Vec::with_capacity(TRANSACTION_ROWS);
            for row in chunk.chunk_by(|a, b| a.key == b.key) {
                keys.extend(row.first().map(|first| comparison.keys.get(first.key)).transpose()?);
            }
            let sent = publisher.send_chunk(chunk, &keys, &mut reader, &mut failed)?;
            published += sent;
            report(AuditProgress::Published(sent));
        }
        match failed.pop() {
            None => Ok(published),
            Some(reason) => Err(AuditError::NotPublished { count: failed.len() + 1, reason }),
        }
    }

    /// Fences another repair, and sees what has come to the topics since the audit.
    fn publisher(
        &self,
        missing: &[Missing],
        ends: &[Vec<i64>],
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<RepairPublisher<'_>, AuditError> {
        let settings = self.settings;
        let streams: Vec<usize> = {
            let all = (0..self.streams.len()).filter(|stream| missing.iter().any(|missing| missing.stream == *stream));
            all.collect()
        };
        if let Some(stream) = streams.iter().map(|stream| &self.streams[*stream]).find(|stream| !stream.transactions) {
            return Err(AuditError::OneWriter { topic: stream.topic.clone() });
        }
        let user = Admin::open(&settings.kafka, Identity::User, KAFKA_TIMEOUT)?;
        let spec = |stream: &usize| {
            let stream = &self.streams[*stream];
            (stream.topic.as_str(), TopicSpec::stream(stream.partitions))
        };
        let partitions = topics::ensure_all(&user, &streams.iter().map(spec).collect::<Vec<_>>())?;
        let options = ProducerOptions {
            transactional_id: format!("{}-audit-0", settings.distribution.name),
            memory: settings.distribution.memory / 4,
            timeout: KAFKA_TIMEOUT,
        };
        let give_up = Arc::clone(&self.give_up);
        let producer = Producer::open(&settings.kafka, &options, move || give_up())?;
        let mut new_messages = NewMessages::default();
        for stream in &streams {
            self.read_new_messages(*stream, &ends[*stream], &mut new_messages, report)?;
        }
        Ok(RepairPublisher {
            audit: self,
            producer,
            partitions: streams.into_iter().zip(partitions).collect(),
            new_messages,
        })
    }

    fn read_new_messages(
        &self,
        index: usize,
        ends: &[i64],
        new_messages: &mut NewMessages,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<(), AuditError> {
        let stream = &self.streams[index];
        let mut each = |message: &crate::kafka::Message| {
            report(AuditProgress::Messages(1));
            let partition = usize::try_from(message.partition).unwrap_or_default();
            let is_new = ends.get(partition).is_none_or(|end| message.offset >= *end);
            let timestamp =
                topic::timestamp(message).filter(|at| self.request.window.contains(Timestamp::from_millis(*at)));
            if let Some(timestamp) = timestamp.filter(|_| is_new) {
                match topic::alert_id(message) {
                    0 => {
                        let value = identity::hash_datum(stream.encoding, message.value.as_deref().unwrap_or_default());
                        *new_messages.values.entry((index, timestamp, value)).or_default() += 1;
                    }
                    id => drop(new_messages.ids.insert((index, id))),
                }
            }
            Ok(())
        };
        let start = StartAt::Timestamp(self.started - MAX_CLOCK_SKEW_MS);
        let total = |total| report(AuditProgress::Topic(&stream.topic, total));
        let end = topic::read(&self.reader, &stream.topic, start, &*self.give_up, &mut each, &total)?;
        match end.and_then(|end| end.open) {
            Some((partition, offset)) => {
                Err(AuditError::OpenTransaction { topic: stream.topic.clone(), partition, offset })
            }
            None => Ok(()),
        }
    }
}

impl RepairPublisher<'_> {
    /// Publishes these alerts in one transaction; again without those that Kafka refuses, whose reasons are added to `failed`.
    fn send_chunk(
        &mut self,
        chunk: &[Missing],
        keys: &[Vec<u8>],
        reader: &mut AlertReader<'_>,
        failed: &mut Vec<String>,
    ) -> Result<u64, AuditError> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let batch = reader.fetch(&keys)?;
        let wanted: HashSet<(usize, u128)> = chunk.iter().map(|missing| (missing.stream, missing.id)).collect();
        let mut refused: HashSet<usize> = HashSet::new();
        let mut messages: Vec<(&BatchAlert, &Message)> = Vec::with_capacity(chunk.len());
        for alert in batch.alerts() {
            for message in batch.messages(alert) {
                if wanted.contains(&(message.stream, alert.entry.id.hash())) && !self.has_come(&batch, alert, message) {
                    messages.push((alert, message));
                }
            }
        }
        loop {
            let left = messages.iter().enumerate().filter(|(number, _)| !refused.contains(number));
            let left: Vec<_> = left.collect();
            if left.is_empty() {
                return Ok(0);
            }
            self.producer.begin()?;
            let mut sent = 0;
            let mut outcome = Ok(());
            for (number, (alert, message)) in left {
                match self.send(&batch, alert, message, number) {
                    Ok(()) => sent += 1,
                    Err(error @ KafkaError::TooLarge { .. }) => {
                        refused.insert(number);
                        failed.push(self.reason(&batch, alert, &error.to_string()));
                    }
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            let aborted = match outcome {
                Ok(()) => match self.producer.commit()? {
                    CommitOutcome::Committed => return Ok(sent),
                    CommitOutcome::Aborted(aborted) => aborted,
                },
                Err(KafkaError::MustAbort { .. }) => self.producer.abort()?,
                Err(error) => {
                    // What was sent is not to be seen; the first error tells more than one of the abort.
                    let _aborted = self.producer.abort();
                    return Err(error.into());
                }
            };
            let at_fault: Vec<_> = aborted.failures.iter().filter(|failure| failure.is_permanent()).collect();
            for failure in &at_fault {
                if refused.insert(failure.id)
                    && let Some((alert, _)) = messages.get(failure.id)
                {
                    failed.push(self.reason(&batch, alert, &failure.to_string()));
                }
            }
            log::warn!("{}; the transaction was aborted, and its alerts are sent again", aborted.reason);
            if (self.audit.give_up)() {
                return Err(AuditError::Stopped);
            }
        }
    }

    /// Whether the alert has come to its topic since the audit, or cannot be sent. A message without an id accounts for one alert.
    fn has_come(&mut self, batch: &Batch, alert: &BatchAlert, message: &Message) -> bool {
        let Verdict::Send(value) = &message.verdict else { return true };
        if self.new_messages.ids.contains(&(message.stream, alert.entry.id.hash())) {
            return true;
        }
        let encoding = self.audit.streams[message.stream].encoding;
        let value = identity::hash_datum(encoding, batch.bytes(value));
        match self.new_messages.values.get_mut(&(message.stream, alert.entry.timestamp.as_millis(), value)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    fn send(&self, batch: &Batch, alert: &BatchAlert, message: &Message, number: usize) -> Result<(), KafkaError> {
        let Verdict::Send(value) = &message.verdict else { return Ok(()) };
        let audit = self.audit;
        let partitions = self.partitions.get(&message.stream).copied().unwrap_or(1);
        let timestamp = alert.entry.timestamp.to_string();
        let id = alert.entry.id.to_hex();
        let key = message.key.as_ref().map(|key| batch.bytes(key));
        self.producer.send(&ProducerRecord {
            topic: &audit.streams[message.stream].topic,
            partition: partition::of_object(batch.bytes(&alert.object), partitions),
            key: key.or(audit.pipeline.constant_key(message.stream)),
            value: Some(batch.bytes(value)),
            headers: &[(TIMESTAMP_HEADER, timestamp.as_bytes()), (ALERT_HEADER, &id)],
            id: number,
        })
    }

    fn reason(&self, batch: &Batch, alert: &BatchAlert, reason: &str) -> String {
        format!("row \"{}\": {reason}", batch.bytes(&alert.key).escape_ascii())
    }
}
