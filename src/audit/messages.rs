//! Turns the messages of streams' topics, and of the rejected topic, into records.

use super::compare::{Records, TopicScope};
use super::identity::{self, IdentityHasher};
use super::record::{Record, RecordKind};
use super::totals::{AuditTotals, Category};
use super::{Audit, AuditError, AuditProgress, topic};
use crate::kafka::Message;
use crate::kafka::consumer::StartAt;
use crate::ledger::AlertId;
use crate::timestamp::Timestamp;

impl Audit<'_> {
    /// Reads a stream's topic; what was found out about it.
    ///
    /// # Errors
    /// Kafka refused or does not answer, or temporary files cannot be written.
    pub(super) fn read_topic(
        &self,
        index: usize,
        due: i64,
        records: &mut Records,
        totals: &mut AuditTotals,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<TopicScope, AuditError> {
        let (stream, window) = (&self.streams[index], self.request.window);
        let mut identities = IdentityHasher::default();
        let mut has_messages_without_id = false;
        let mut each = |message: &Message| {
            report(AuditProgress::Messages(1));
            let Some(timestamp) = topic::timestamp(message) else {
                totals.add_timeless(index, Category::Foreign);
                return Ok(());
            };
            if !window.contains(Timestamp::from_millis(timestamp)) {
                return Ok(());
            }
            totals.add(index, timestamp, Category::OnTopic);
            let (id, value) = (topic::alert_id(message), message.value.as_deref().unwrap_or_default());
            has_messages_without_id |= id == 0;
            let identity = match id {
                0 => identities.hash(stream.encoding, message.key.as_deref(), value, message.partition),
                _ => 0,
            };
            records.push(Record {
                id,
                timestamp,
                value: identity::hash_datum(stream.encoding, value),
                identity,
                offset: message.offset,
                partition: message.partition,
                stream: index as u32,
                kind: RecordKind::Message,
            })?;
            Ok(())
        };
        let total = |total| report(AuditProgress::Topic(&stream.topic, total));
        let end = topic::read(&self.reader, &stream.topic, StartAt::Earliest, &*self.give_up, &mut each, &total)?;
        let Some(end) = end else {
            log::warn!("stream `{}`: topic `{}` does not exist", stream.name, stream.topic);
            let retained_from = vec![i64::MIN; usize::try_from(stream.partitions).unwrap_or(1)];
            return Ok(TopicScope { due, retained_from, ends: Vec::new(), has_messages_without_id: false });
        };
        if let Some((partition, offset)) = end.open {
            log::warn!(
                "topic `{}` partition {partition} has an open transaction from offset {offset} on: what is in it counts as missing",
                stream.topic
            );
        }
        if end.retained_from.iter().any(|from| *from > window.from().as_millis()) {
            log::warn!(
                "topic `{}` no longer holds its oldest messages (retention): alerts that may have been among them are not judged",
                stream.topic
            );
        }
        Ok(TopicScope { due, retained_from: end.retained_from, ends: end.ends, has_messages_without_id })
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
        let mut each = |message: &Message| {
            report(AuditProgress::Messages(1));
            let Some(timestamp) =
                topic::timestamp(message).filter(|at| self.request.window.contains(Timestamp::from_millis(*at)))
            else {
                return Ok(());
            };
            let name = topic::header(message, "fink-stream");
            let stream = self.streams.iter().position(|stream| Some(stream.name.as_bytes()) == name);
            let (Some(stream), Some(key)) = (stream, topic::header(message, "fink-row-key")) else { return Ok(()) };
            records.push(Record {
                id: AlertId::new(key, Timestamp::from_millis(timestamp)).hash(),
                timestamp,
                value: 0,
                identity: 0,
                offset: message.offset,
                partition: message.partition,
                stream: stream as u32,
                kind: RecordKind::Rejected,
            })?;
            Ok(())
        };
        let total = |total| report(AuditProgress::Topic(topic, total));
        topic::read(&self.reader, topic, StartAt::Earliest, &*self.give_up, &mut each, &total)?;
        Ok(())
    }
}
