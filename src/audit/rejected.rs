//! The alerts on the rejected topic: lists them, and publishes those that can be encoded now.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU128;

use super::auditor::Audit;
use super::comparison::{Comparison, Missing};
use super::error::AuditError;
use super::key_file::KeyFile;
use super::request::AuditProgress;
use super::topic;
use super::totals::AuditTotals;
use crate::kafka::Message;
use crate::kafka::consumer::StartAt;
use crate::ledger::AlertId;
use crate::timestamp::Timestamp;

/// An alert that could not be decoded, encoded or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RejectedAlert {
    /// the index of its stream among those of the audit
    pub stream: usize,
    pub row_key: Vec<u8>,
    /// of its trigger cell
    pub timestamp: Timestamp,
    pub reason: String,
    /// when it was rejected
    pub rejected_at: Option<Timestamp>,
    /// of the rejected topic
    pub partition: u32,
    pub offset: i64,
}

impl RejectedAlert {
    /// The alert and its stream; `None`: the hash of the alert is zero, which no alert has in practice.
    fn id(&self) -> Option<(usize, NonZeroU128)> {
        let id = NonZeroU128::new(AlertId::new(&self.row_key, self.timestamp).hash())?;
        Some((self.stream, id))
    }
}

/// What became of rejected alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetryTotals {
    /// they were sent since they were rejected
    pub on_topic: u64,
    /// they were published now
    pub published: u64,
    /// they are rejected or refused again, or their rows were replaced or deleted
    pub left: u64,
}

/// Rejected alerts that are not on their topic, ready to be published.
pub(crate) struct Retry {
    comparison: Comparison,
    on_topic: u64,
}

impl Retry {
    /// The number of alerts of each stream.
    pub fn counts(&self) -> Vec<u64> {
        self.comparison.repairable()
    }
}

impl Audit<'_> {
    /// Calls `each` with the rejected alerts of the audit's streams and window, in the order of the topic.
    ///
    /// # Errors
    /// Kafka failed, the audit was cancelled, or `each` failed.
    pub fn for_each_rejected(
        &self,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
        each: &mut dyn FnMut(RejectedAlert) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let topic = &self.settings.distribution.rejected_topic;
        let mut read = |partition: u32, message: &Message| {
            report(AuditProgress::Messages(1));
            self.rejected_alert(partition, message).map_or(Ok(()), &mut *each)
        };
        let total = |total| report(AuditProgress::Topic(topic, total));
        topic::read(&self.reader, topic, StartAt::Earliest, &self.cancel, &mut read, &total)?;
        Ok(())
    }

    /// The rejected alert of a message; `None`: it is of another stream, out of the window, or not of `fink`.
    fn rejected_alert(&self, partition: u32, message: &Message) -> Option<RejectedAlert> {
        let timestamp = topic::timestamp(message).filter(|at| self.request.window.contains(*at))?;
        let name = topic::header(message, "fink-stream")?;
        let reason = topic::header(message, "fink-reason").unwrap_or_default();
        Some(RejectedAlert {
            stream: self.streams.iter().position(|stream| stream.name.as_bytes() == name)?,
            row_key: topic::header(message, "fink-row-key")?.to_vec(),
            timestamp,
            reason: String::from_utf8_lossy(reason).into_owned(),
            rejected_at: message.timestamp.map(Timestamp::from_millis),
            partition,
            offset: message.offset,
        })
    }

    /// Finds out which of the rejected alerts are not on the topics of their streams.
    ///
    /// # Errors
    /// As for [`for_each_rejected`](Self::for_each_rejected); and a temporary file cannot be used.
    pub fn prepare_retry(
        &self,
        rejected: &[RejectedAlert],
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<Retry, AuditError> {
        let mut ends = vec![Vec::new(); self.streams.len()];
        let mut sent: HashSet<(usize, NonZeroU128)> = HashSet::new();
        for (index, stream) in self.streams.iter().enumerate() {
            let of_stream = || rejected.iter().filter(|rejected| rejected.stream == index);
            let wanted: HashSet<NonZeroU128> = of_stream().filter_map(|rejected| Some(rejected.id()?.1)).collect();
            // An alert is sent after its row was written.
            let Some(first) = of_stream().map(|rejected| rejected.timestamp).min() else { continue };
            let mut each = |_: u32, message: &Message| {
                report(AuditProgress::Messages(1));
                if let Some(id) = topic::alert_id(message).filter(|id| wanted.contains(id)) {
                    sent.insert((index, id));
                }
                Ok(())
            };
            let total = |total| report(AuditProgress::Topic(&stream.topic, total));
            let start = StartAt::Timestamp(first.as_millis());
            if let Some(end) = topic::read(&self.reader, &stream.topic, start, &self.cancel, &mut each, &total)? {
                ends[index] = end.ends;
            }
        }
        let mut keys = KeyFile::new(&self.request.temp_dir)?;
        let mut offsets: HashMap<&[u8], i64> = HashMap::new();
        let (mut missing, mut seen) = (Vec::new(), HashSet::new());
        let mut on_topic = 0;
        for alert in rejected {
            let Some(id) = alert.id().filter(|id| seen.insert(*id)) else { continue };
            if sent.contains(&id) {
                on_topic += 1;
                continue;
            }
            let key = match offsets.get(&*alert.row_key) {
                Some(offset) => *offset,
                None => {
                    let offset = keys.push(&alert.row_key)?;
                    offsets.insert(&alert.row_key, offset);
                    offset
                }
            };
            missing.push(Missing { id: id.1, timestamp: alert.timestamp, key, stream: id.0 });
        }
        let totals = AuditTotals::new(self.streams.len(), self.request.night_hour);
        Ok(Retry { comparison: Comparison { totals, missing, keys, ends }, on_topic })
    }

    /// Publishes the alerts as the service does, except those that were sent meanwhile, and those that are rejected or refused again.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub fn retry(
        &self,
        mut retry: Retry,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<RetryTotals, AuditError> {
        let wanted: u64 = retry.counts().iter().sum();
        let published = self.publish(&mut retry.comparison, report)?;
        Ok(RetryTotals { on_topic: retry.on_topic, published, left: wanted - published })
    }
}
