//! How a transaction ends: committed with the checkpoint's records, or aborted, and what is learned from that.

use super::open::open_producer;
use super::{AbortReport, KafkaSink, SentMessage, SinkError, retry_transient};
use crate::distribution::checkpoint_state::Record;
use crate::distribution::idempotent_sink::{LeaseTime, Undelivered};
use crate::kafka::producer::ProducerRecord;
use crate::kafka::transaction::Aborted;
use crate::kafka::{CommitOutcome, Error as KafkaError, checkpoint};

impl KafkaSink {
    /// Commits what was sent together with the checkpoint's `records`.
    ///
    /// # Errors
    /// The transaction failed, or Kafka refused for good.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), SinkError> {
        self.commit_and_renew(records, false)
    }

    pub(super) fn commit_and_renew(&mut self, records: &[Record], renews: bool) -> Result<(), SinkError> {
        let began = LeaseTime::now();
        let accounts = self.plain.as_mut().map_or_else(|| Ok(Vec::new()), |plain| plain.account(true, renews))?;
        let mut first = std::mem::take(&mut self.unwritten);
        let unwritten = first.len();
        first.extend(accounts);
        let outcome = self.commit_with(&first, records);
        match (&outcome, &mut self.plain) {
            (Ok(()), Some(plain)) => plain.committed(began),
            (Ok(()), None) => {}
            (Err(_), _) => {
                first.truncate(unwritten);
                self.unwritten = first;
            }
        }
        outcome
    }

    fn commit_with(&mut self, first: &[Record], records: &[Record]) -> Result<(), SinkError> {
        self.begin()?;
        for (key, value) in first.iter().chain(records) {
            let outgoing = ProducerRecord {
                topic: &self.checkpoint,
                partition: self.partition,
                key: Some(key),
                value: value.as_deref(),
                headers: &[],
                id: self.sent.len(),
            };
            self.producer.send(&outgoing).map_err(|error| self.failed(error))?;
            self.sent.push(SentMessage::Checkpoint);
        }
        let outcome = self.producer.commit().map_err(|error| self.failed(error))?;
        self.is_open = false;
        let sent = std::mem::take(&mut self.sent);
        match outcome {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Aborted(aborted) => {
                self.learn(&aborted, &sent);
                Err(SinkError::Aborted(aborted.reason))
            }
        }
    }

    /// Aborts the open transaction, if any, so that the next may begin; opens the producer anew where it was lost. Tells what was the
    /// matter with the transaction that was aborted last.
    ///
    /// # Errors
    /// Kafka refused for good; another process has taken over; the checkpoint's topic does not take a record.
    pub fn abort(&mut self) -> Result<AbortReport, SinkError> {
        if let Some(plain) = &mut self.plain {
            let Undelivered { failed, sent } = plain.abort()?;
            let sent: Vec<SentMessage> =
                sent.into_iter().map(|(alert, stream)| SentMessage::Alert(alert, stream)).collect();
            failed.iter().for_each(|aborted| self.learn(aborted, &sent));
        }
        let sent = std::mem::take(&mut self.sent);
        if std::mem::take(&mut self.is_open) && !self.is_broken {
            match self.producer.abort() {
                Ok(aborted) => self.learn(&aborted, &sent),
                Err(error) if error.requires_reopening() => self.is_broken = true,
                Err(error) => return Err(error.into()),
            }
        }
        if self.is_broken {
            self.report.is_outage = true;
            // A producer whose transaction timed out cannot be told from one that was fenced. To open it again would fence the process
            // that has taken over, if one has.
            self.check_owner()?;
            self.producer = open_producer(&self.kafka, &self.options, (&self.give_up, &self.give_up_commit))?;
            self.is_broken = false;
        }
        match self.record_too_large {
            Some(bytes) => Err(SinkError::Kafka(KafkaError::TooLarge { topic: self.checkpoint.clone(), bytes })),
            None => Ok(std::mem::take(&mut self.report)),
        }
    }

    /// Writes to the checkpoint that nothing more is sent without transactions, unless something is uncommitted.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn close(&mut self) -> Result<(), SinkError> {
        let Some(plain) = self.plain.as_mut().filter(|plain| !self.is_open && !plain.has_uncommitted()) else {
            return Ok(());
        };
        let records = plain.account(false, false)?;
        if records.is_empty() { Ok(()) } else { self.commit_with(&[], &records) }
    }

    fn check_owner(&self) -> Result<(), SinkError> {
        let read = || checkpoint::read_stable(&self.user, &self.checkpoint, self.partition, &*self.give_up);
        let records = retry_transient(&self.give_up, read)?;
        match self.owner.is_current(&records) {
            true => Ok(()),
            false => {
                Err(SinkError::Kafka(KafkaError::Fenced { transactional_id: self.options.transactional_id.clone() }))
            }
        }
    }

    fn learn(&mut self, aborted: &Aborted, sent: &[SentMessage]) {
        self.report.is_outage |= aborted.is_outage;
        for failure in aborted.failures.iter().filter(|failure| failure.is_permanent()) {
            match sent.get(failure.id) {
                Some(SentMessage::Alert(alert, stream)) => self.too_large.push((*alert, *stream)),
                Some(SentMessage::Rejected(alert, stream)) => self.rejected_too_large.push((*alert, *stream)),
                Some(SentMessage::Checkpoint) => self.record_too_large = Some(failure.bytes),
                None => continue,
            }
            self.report.refused += 1;
        }
    }
}
