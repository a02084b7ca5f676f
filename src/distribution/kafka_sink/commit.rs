//! The end of a transaction: the commit, with the checkpoint's records, or the abort.

use super::open::open_producer;
use super::{AbortReport, KafkaSink, SentMessage, SinkError, retry_existing};
use crate::distribution::checkpoint_state::Record;
use crate::distribution::idempotent_sink::{LeaseTime, Undelivered};
use crate::kafka::Aborted;
use crate::kafka::{CommitOutcome, Error as KafkaError, ProducerRecord, checkpoint};

impl KafkaSink {
    /// Commits the messages that were sent, together with the checkpoint's `records`.
    ///
    /// # Errors
    /// The transaction failed; or a permanent error of Kafka.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), SinkError> {
        self.commit_and_renew(records, false)
    }

    /// As [`commit`](Self::commit). `renews`: write a record even where nothing has changed, to renew the lease of the idempotent sink.
    pub(super) fn commit_and_renew(&mut self, records: &[Record], renews: bool) -> Result<(), SinkError> {
        let started = LeaseTime::now();
        let topic_records = self.idempotent.as_mut().map_or_else(|| Ok(Vec::new()), |sink| sink.flush(true, renews))?;
        let mut first = std::mem::take(&mut self.unwritten);
        let unwritten = first.len();
        first.extend(topic_records);
        let result = self.commit_with(&first, records);
        match (&result, &mut self.idempotent) {
            (Ok(()), Some(sink)) => sink.committed(started),
            (Ok(()), None) => {}
            (Err(_), _) => {
                first.truncate(unwritten);
                self.unwritten = first;
            }
        }
        result
    }

    fn commit_with(&mut self, first: &[Record], records: &[Record]) -> Result<(), SinkError> {
        self.begin()?;
        for (key, value) in first.iter().chain(records) {
            let record = ProducerRecord {
                topic: &self.checkpoint,
                partition: self.partition,
                key: Some(key),
                value: value.as_deref(),
                headers: &[],
                id: self.sent.len(),
            };
            self.producer.send(&record).map_err(|error| self.failed(error))?;
            self.sent.push(SentMessage::Checkpoint);
        }
        let outcome = self.producer.commit().map_err(|error| self.failed(error))?;
        self.is_open = false;
        let sent = std::mem::take(&mut self.sent);
        match outcome {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Aborted(aborted) => {
                self.add_to_report(&aborted, &sent);
                Err(SinkError::Aborted(aborted.reason))
            }
        }
    }

    /// Aborts the open transaction, if any, so that the next one can begin, and opens the producer again where it has failed. Reports on the
    /// transaction that was aborted last.
    ///
    /// # Errors
    /// A permanent error of Kafka; another process has taken over; the checkpoint topic does not take a record.
    pub fn abort(&mut self) -> Result<AbortReport, SinkError> {
        if let Some(sink) = &mut self.idempotent {
            let Undelivered { failed, sent } = sink.abort()?;
            let sent: Vec<SentMessage> = sent.into_iter().map(SentMessage::Alert).collect();
            failed.iter().for_each(|aborted| self.add_to_report(aborted, &sent));
        }
        let sent = std::mem::take(&mut self.sent);
        if std::mem::take(&mut self.is_open) && !self.is_broken {
            match self.producer.abort() {
                Ok(aborted) => self.add_to_report(&aborted, &sent),
                Err(error) if error.requires_reopening() => self.is_broken = true,
                Err(error) => return Err(error.into()),
            }
        }
        if self.is_broken {
            self.report.is_outage = true;
            // The brokers give the same error for a transaction that timed out and for a producer that was fenced. Opening the producer again
            // would fence the process that has taken over, if there is one.
            self.check_owner()?;
            self.producer = open_producer(&self.kafka, &self.options, (&self.cancel, &self.commit_cancel))?;
            self.is_broken = false;
        }
        match self.record_too_large {
            Some(bytes) => Err(SinkError::Kafka(KafkaError::TooLarge { topic: self.checkpoint.clone(), bytes })),
            None => Ok(std::mem::take(&mut self.report)),
        }
    }

    /// Aborts the open transaction, if any, and records in the checkpoint that this process has ended (`is_end`), for a standby; and that nothing more is sent
    /// without transactions, unless something is uncommitted: the next process then does not have to wait for messages of this one.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    pub fn close(&mut self, is_end: bool) -> Result<(), SinkError> {
        if self.is_broken {
            return Ok(());
        }
        let was_open = self.is_open;
        if was_open {
            self.abort()?;
        }
        let mut records = match self.idempotent.as_mut().filter(|sink| !was_open && !sink.has_uncommitted()) {
            Some(sink) => sink.flush(false, false)?,
            None => Vec::new(),
        };
        if is_end {
            records.push(self.owner.end_record());
        }
        if records.is_empty() { Ok(()) } else { self.commit_with(&[], &records) }
    }

    fn check_owner(&self) -> Result<(), SinkError> {
        let read = || checkpoint::read_stable(&self.user, &self.checkpoint, self.partition, &self.cancel);
        let records = retry_existing(&self.cancel, read)?;
        match self.owner.is_current(&records) {
            true => Ok(()),
            false => {
                Err(SinkError::Kafka(KafkaError::Fenced { transactional_id: self.options.transactional_id.clone() }))
            }
        }
    }

    fn add_to_report(&mut self, aborted: &Aborted, sent: &[SentMessage]) {
        self.report.is_outage |= aborted.is_outage;
        for failure in aborted.failures.iter().filter(|failure| failure.is_permanent()) {
            match sent.get(failure.id) {
                Some(SentMessage::Alert(alert)) => self.report.too_large.push(*alert),
                Some(SentMessage::Rejected(alert)) => self.report.rejected_too_large.push(*alert),
                Some(SentMessage::Checkpoint) => self.record_too_large = Some(failure.bytes),
                None => {}
            }
        }
    }
}
