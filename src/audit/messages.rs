//! Turns the messages of streams' topics, and of the rejected topic, into records.

use super::compare::{Records, Scope};
use super::datum::{self, Identities};
use super::record::{Record, Side};
use super::tally::{Count, Tally};
use super::{Audit, AuditError, Step, topic};
use crate::kafka::Message;
use crate::kafka::consumer::StartAt;
use crate::ledger::AlertId;

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
        tally: &mut Tally,
        report: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<Scope, AuditError> {
        let (stream, window) = (&self.streams[index], self.request.window);
        let mut identities = Identities::default();
        let mut has_unnumbered = false;
        let mut each = |message: &Message| {
            report(Step::Messages(1));
            let Some(timestamp) = topic::timestamp(message) else {
                tally.add_timeless(index, Count::Foreign);
                return Ok(());
            };
            if !window.contains(timestamp) {
                return Ok(());
            }
            tally.add(index, timestamp, Count::OnTopic);
            let (id, value) = (topic::alert_id(message), message.value.as_deref().unwrap_or_default());
            has_unnumbered |= id == 0;
            let identity = match id {
                0 => identities.hash(stream.encoding, message.key.as_deref(), value, message.partition),
                _ => 0,
            };
            records.push(Record {
                id,
                timestamp,
                value: datum::hash(stream.encoding, value),
                identity,
                place: message.offset,
                partition: message.partition,
                stream: index as u32,
                side: Side::Message,
            })?;
            Ok(())
        };
        let total = |total| report(Step::Topic(&stream.topic, total));
        let end = topic::read(&self.reader, &stream.topic, StartAt::Earliest, &*self.give_up, &mut each, &total)?;
        let Some(end) = end else {
            log::warn!("stream `{}`: topic `{}` does not exist", stream.name, stream.topic);
            let held_from = vec![i64::MIN; usize::try_from(stream.partitions).unwrap_or(1)];
            return Ok(Scope { due, held_from, ends: Vec::new(), has_unnumbered: false });
        };
        if let Some((partition, offset)) = end.open {
            log::warn!(
                "topic `{}` partition {partition} has an open transaction from offset {offset} on: what is in it counts as missing",
                stream.topic
            );
        }
        if end.held_from.iter().any(|from| *from > window.from()) {
            log::warn!(
                "topic `{}` no longer holds its oldest messages (retention): alerts that may have been among them are not judged",
                stream.topic
            );
        }
        Ok(Scope { due, held_from: end.held_from, ends: end.ends, has_unnumbered })
    }

    /// Reads the rejected topic.
    ///
    /// # Errors
    /// As [`read_topic`](Self::read_topic).
    pub(super) fn read_rejected(
        &self,
        records: &mut Records,
        report: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<(), AuditError> {
        let topic = &self.settings.distribution.rejected_topic;
        let mut each = |message: &Message| {
            report(Step::Messages(1));
            let Some(timestamp) = topic::timestamp(message).filter(|at| self.request.window.contains(*at)) else {
                return Ok(());
            };
            let name = topic::header(message, "fink-stream");
            let stream = self.streams.iter().position(|stream| Some(stream.name.as_bytes()) == name);
            let (Some(stream), Some(key)) = (stream, topic::header(message, "fink-row-key")) else { return Ok(()) };
            records.push(Record {
                id: AlertId::new(key, timestamp).hash(),
                timestamp,
                value: 0,
                identity: 0,
                place: message.offset,
                partition: message.partition,
                stream: stream as u32,
                side: Side::Rejected,
            })?;
            Ok(())
        };
        let total = |total| report(Step::Topic(topic, total));
        topic::read(&self.reader, topic, StartAt::Earliest, &*self.give_up, &mut each, &total)?;
        Ok(())
    }
}
