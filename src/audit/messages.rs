//! Turns the messages of the streams' topics and of the rejected topic into records.

use std::num::NonZeroU128;

use super::auditor::Audit;
use super::compare::Records;
use super::error::AuditError;
use super::identity::{self, IdentityHasher};
use super::record::{Record, RecordKind};
use super::request::AuditProgress;
use super::topic;
use super::topic_scope::TopicScope;
use super::totals::{AuditTotals, Category};
use crate::kafka::Message;
use crate::kafka::consumer::StartAt;
use crate::ledger::AlertId;
use crate::timestamp::Timestamp;

impl Audit<'_> {
    /// Reads the topic of a stream.
    ///
    /// # Errors
    /// Kafka failed or does not answer, a temporary file cannot be written, or the audit was cancelled.
    pub(super) fn read_topic(
        &self,
        index: usize,
        due: Timestamp,
        records: &mut Records,
        totals: &mut AuditTotals,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<TopicScope, AuditError> {
        let (stream, window) = (&self.streams[index], self.request.window);
        let mut identities = IdentityHasher::default();
        let mut has_messages_without_id = false;
        let mut each = |partition: u32, message: &Message| {
            report(AuditProgress::Messages(1));
            let Some(timestamp) = topic::timestamp(message) else {
                totals.add_timeless(index, Category::Foreign);
                return Ok(());
            };
            if !window.contains(timestamp) {
                return Ok(());
            }
            totals.add(index, timestamp, Category::OnTopic);
            let (id, value) = (topic::alert_id(message), message.value.as_deref().unwrap_or_default());
            has_messages_without_id |= id.is_none();
            let identity = match id {
                None => identities.hash(stream.encoding, message.key.as_deref(), value, partition),
                Some(_) => 0,
            };
            records.push(Record {
                id,
                timestamp,
                value: identity::hash_datum(stream.encoding, value),
                identity,
                offset: message.offset,
                partition,
                stream: Some(index as u32),
                kind: RecordKind::Message,
            })?;
            Ok(())
        };
        let total = |total| report(AuditProgress::Topic(&stream.topic, total));
        let end = topic::read(&self.reader, &stream.topic, StartAt::Earliest, &self.cancel, &mut each, &total)?;
        let Some(end) = end else {
            log::warn!("stream `{}`: topic `{}` does not exist", stream.name, stream.topic);
            let (partitions, retained, ends) = (stream.partitions, Vec::new(), Vec::new());
            return Ok(TopicScope { due, partitions, retained, ends, has_messages_without_id: false });
        };
        if let Some((partition, offset)) = end.open {
            log::warn!(
                "topic `{}` partition {partition} has an open transaction from offset {offset} on: alerts in it count as missing",
                stream.topic
            );
        }
        if end.retained.iter().any(|retained| retained.may_be_deleted(window.from())) {
            log::warn!(
                "topic `{}` has lost its oldest messages (retention): alerts that may have been among them count as expired",
                stream.topic
            );
        }
        let partitions = i32::try_from(end.ends.len()).unwrap_or(i32::MAX);
        Ok(TopicScope { due, partitions, retained: end.retained, ends: end.ends, has_messages_without_id })
    }

    /// Reads the rejected topic.
    ///
    /// # Errors
    /// As [`read_topic`](Self::read_topic).
    pub(super) fn read_rejected(
        &self,
        records: &mut Records,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<(), AuditError> {
        let topic = &self.settings.distribution.rejected_topic;
        let mut each = |partition: u32, message: &Message| {
            report(AuditProgress::Messages(1));
            let Some(timestamp) = topic::timestamp(message).filter(|at| self.request.window.contains(*at)) else {
                return Ok(());
            };
            let name = topic::header(message, "fink-stream");
            let stream = self.streams.iter().position(|stream| Some(stream.name.as_bytes()) == name);
            let (Some(stream), Some(key)) = (stream, topic::header(message, "fink-row-key")) else { return Ok(()) };
            records.push(Record {
                id: NonZeroU128::new(AlertId::new(key, timestamp).hash()),
                timestamp,
                value: 0,
                identity: 0,
                offset: message.offset,
                partition,
                stream: Some(stream as u32),
                kind: RecordKind::Rejected,
            })?;
            Ok(())
        };
        let total = |total| report(AuditProgress::Topic(topic, total));
        topic::read(&self.reader, topic, StartAt::Earliest, &self.cancel, &mut each, &total)?;
        Ok(())
    }
}
