//! Publishes missing alerts as the service does: in transactions, with the same key, partition and headers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU128;
use std::time::Duration;

use super::alert_reader::AlertReader;
use super::auditor::Audit;
use super::comparison::{Comparison, Missing};
use super::error::AuditError;
use super::identity;
use super::request::AuditProgress;
use super::topic::{self, KAFKA_TIMEOUT};
use crate::distribution::batch::{AlertBatch, BatchAlert, Message};
use crate::distribution::verdict::Verdict;
use crate::distribution::{ALERT_HEADER, TIMESTAMP_HEADER};
use crate::kafka::consumer::StartAt;
use crate::kafka::topics::TopicSpec;
use crate::kafka::{
    Admin, CommitOutcome, Error as KafkaError, Identity, Producer, ProducerOptions, ProducerRecord, partition,
};
use crate::timestamp::Timestamp;

/// Rows of one transaction.
const TRANSACTION_ROWS: usize = 100;
/// Largest difference between the clocks of this machine and the brokers. Messages that were sent up to this time before the audit began
/// are read before anything is published.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// What was sent to the streams' topics since the audit read them.
#[derive(Default)]
struct NewMessages {
    ids: HashSet<(usize, NonZeroU128)>,
    /// number of messages without an id by stream, timestamp and hash of the datum
    values: HashMap<(usize, Timestamp, u64), usize>,
}

/// Publishes alerts.
struct RepairPublisher<'a> {
    audit: &'a Audit<'a>,
    producer: Producer,
    /// number of partitions of each stream's topic
    partitions: BTreeMap<usize, i32>,
    new_messages: NewMessages,
}

impl Audit<'_> {
    /// Publishes the missing alerts in the order of their timestamps, and returns the number of published alerts. What was committed before an
    /// error stays. Alerts that were sent to their topic since the audit, and rows that were written again, are left out. Slack is not
    /// notified and the status column is not written.
    ///
    /// # Errors
    /// Kafka or the science database failed, a topic has an open transaction, or the audit was cancelled. `NotPublished`: all other alerts
    /// were published.
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
        let database = self.database_scan(&self.cancel);
        let mut reader = database.reader();
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

    /// Fences another repair, and reads what was sent to the topics since the audit.
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
        let partitions = user.ensure_topics(&streams.iter().map(spec).collect::<Vec<_>>())?;
        let options = ProducerOptions {
            transactional_id: format!("{}-audit-0", settings.distribution.name),
            memory: settings.distribution.memory / 4,
            timeout: KAFKA_TIMEOUT,
        };
        let producer = Producer::open(&settings.kafka, &options, &self.cancel)?;
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
        let mut each = |partition: u32, message: &crate::kafka::Message| {
            report(AuditProgress::Messages(1));
            let is_new = ends.get(partition as usize).is_none_or(|end| message.offset >= *end);
            let timestamp = topic::timestamp(message).filter(|timestamp| self.request.window.contains(*timestamp));
            if let Some(timestamp) = timestamp.filter(|_| is_new) {
                match topic::alert_id(message) {
                    None => {
                        let value = identity::hash_datum(stream.encoding, message.value.as_deref().unwrap_or_default());
                        *new_messages.values.entry((index, timestamp, value)).or_default() += 1;
                    }
                    Some(id) => drop(new_messages.ids.insert((index, id))),
                }
            }
            Ok(())
        };
        let start = StartAt::Timestamp((self.started - MAX_CLOCK_SKEW).as_millis());
        let total = |total| report(AuditProgress::Topic(&stream.topic, total));
        let end = topic::read(&self.reader, &stream.topic, start, &self.cancel, &mut each, &total)?;
        match end.and_then(|end| end.open) {
            Some((partition, offset)) => {
                Err(AuditError::OpenTransaction { topic: stream.topic.clone(), partition, offset })
            }
            None => Ok(()),
        }
    }
}

impl RepairPublisher<'_> {
    /// Publishes these alerts in one transaction. Alerts that Kafka refuses are added to `failed` with the reason, and the others are sent
    /// again.
    fn send_chunk(
        &mut self,
        chunk: &[Missing],
        keys: &[Vec<u8>],
        reader: &mut AlertReader<'_>,
        failed: &mut Vec<String>,
    ) -> Result<u64, AuditError> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let batch = reader.fetch(&keys)?;
        let wanted: HashSet<(usize, NonZeroU128)> = chunk.iter().map(|missing| (missing.stream, missing.id)).collect();
        let mut refused: HashSet<usize> = HashSet::new();
        let mut messages: Vec<(&BatchAlert, &Message)> = Vec::with_capacity(chunk.len());
        for alert in batch.alerts() {
            for (_, verdict) in batch.verdicts(alert) {
                let Verdict::Send(message) = verdict else { continue };
                let id = NonZeroU128::new(alert.entry.id.hash());
                let is_wanted = id.is_some_and(|id| wanted.contains(&(message.stream, id)));
                if is_wanted && !self.was_sent(&batch, alert, message) {
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
                    // The first error says more than one of the abort.
                    let _aborted = self.producer.abort();
                    return Err(error.into());
                }
            };
            for failure in aborted.failures.iter().filter(|failure| failure.is_permanent()) {
                if refused.insert(failure.id)
                    && let Some((alert, _)) = messages.get(failure.id)
                {
                    failed.push(self.reason(&batch, alert, &failure.to_string()));
                }
            }
            log::warn!("{}; the transaction was aborted; sending its alerts again", aborted.reason);
            if self.audit.cancel.is_cancelled() {
                return Err(AuditError::Stopped);
            }
        }
    }

    /// Whether the alert was sent to its topic since the audit. A message without an id stands for one alert.
    fn was_sent(&mut self, batch: &AlertBatch, alert: &BatchAlert, message: &Message) -> bool {
        let id = NonZeroU128::new(alert.entry.id.hash());
        if id.is_some_and(|id| self.new_messages.ids.contains(&(message.stream, id))) {
            return true;
        }
        let encoding = self.audit.streams[message.stream].encoding;
        let value = identity::hash_datum(encoding, batch.bytes(&message.value));
        match self.new_messages.values.get_mut(&(message.stream, alert.entry.timestamp, value)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    fn send(&self, batch: &AlertBatch, alert: &BatchAlert, message: &Message, number: usize) -> Result<(), KafkaError> {
        let audit = self.audit;
        let partitions = self.partitions[&message.stream];
        let timestamp = alert.entry.timestamp.to_string();
        let id = alert.entry.id.to_hex();
        let key = message.key.as_ref().map(|key| batch.bytes(key));
        self.producer.send(&ProducerRecord {
            topic: &audit.streams[message.stream].topic,
            partition: partition::of_object(batch.bytes(&alert.object), partitions),
            key: key.or(audit.pipeline.constant_key(message.stream)),
            value: Some(batch.bytes(&message.value)),
            headers: &[(TIMESTAMP_HEADER, timestamp.as_bytes()), (ALERT_HEADER, &id)],
            id: number,
        })
    }

    fn reason(&self, batch: &AlertBatch, alert: &BatchAlert, reason: &str) -> String {
        format!("row \"{}\": {reason}", batch.bytes(&alert.key).escape_ascii())
    }
}
