//! Sends alerts, commits them with the checkpoint in one transaction, and does what follows a commit: the status column, Slack notices, the
//! offset file and the statistics.

mod open_transaction;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{AlertBatch, BatchAlert, Message, StreamAlert};
use super::catalog_watch::CatalogWatch;
use super::checkpoint_state::{CheckpointState, Missed, MissedByStream, MissedRange, Record};
use super::error::DistributionError;
use super::instruments::Instruments;
use super::kafka_sink::{AbortReport, KafkaSink, SendOutcome};
use super::offset_file::OffsetFile;
use super::rejection_log::{Rejection, RejectionLog};
use super::sink_error::SinkError;
use super::stats::Stats;
use super::status_column::StatusWriter;
use super::verdict::{RejectClass, Verdict};
use crate::cancel::CancellationToken;
use crate::kafka::checkpoint::Records;
use crate::ledger::{LedgerEntry, RowVersion};
use crate::notify::Notifier;
use crate::timestamp::Timestamp;
pub(super) use open_transaction::TransactionLimits;
use open_transaction::{OpenTransaction, TransactionSize};

/// The longest time without a commit. A commit proves that no other process has taken over, and its record says up to when alerts are published.
const MAX_COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// How long the end waits for Slack notices.
const NOTICES_TIMEOUT: Duration = Duration::from_secs(5);

/// Where alerts go, and what follows their commit.
pub(crate) struct Outputs {
    /// `None`: a dry run
    pub sink: Option<KafkaSink>,
    pub status: Option<StatusWriter>,
    pub notifier: Option<Notifier>,
    pub offset_file: Option<OffsetFile>,
}

/// Sends alerts and commits them.
pub(crate) struct Publisher<'a> {
    outputs: Outputs,
    catalog: CatalogWatch,
    transaction: OpenTransaction,
    /// by stream: what it misses, because it is paused or was
    missed: Vec<Vec<MissedRange>>,
    /// the timestamp of the oldest alert that some stream may miss
    missed_from: Option<Timestamp>,
    /// alerts that brokers refused as too large: they go to the rejected topic
    too_large: HashSet<StreamAlert>,
    /// alerts whose copy the rejected topic refused as too large: they are only logged
    rejected_too_large: HashSet<StreamAlert>,
    size: TransactionSize,
    commits: u64,
    committed_at: Instant,
    rejection_log: RejectionLog,
    stats: Stats,
    instruments: Instruments,
    report: &'a mut dyn FnMut(&Stats),
}

impl<'a> Publisher<'a> {
    /// A publisher that adds to `stats` after each commit, and passes them to `report`.
    pub fn new(
        outputs: Outputs,
        catalog: CatalogWatch,
        stats: Stats,
        instruments: &Instruments,
        report: &'a mut dyn FnMut(&Stats),
    ) -> Self {
        Self {
            outputs,
            catalog,
            transaction: OpenTransaction::new(stats.streams.len()),
            missed: vec![Vec::new(); stats.streams.len()],
            missed_from: None,
            too_large: HashSet::new(),
            rejected_too_large: HashSet::new(),
            size: TransactionSize::default(),
            commits: 0,
            committed_at: Instant::now(),
            rejection_log: RejectionLog::default(),
            stats,
            instruments: instruments.clone(),
            report,
        }
    }

    /// The statistics, which the lanes add to.
    pub fn stats(&mut self) -> &mut Stats {
        &mut self.stats
    }

    /// Passes the statistics to the caller of the distribution, and logs rejected alerts.
    pub fn report(&mut self) {
        self.log_rejections(false);
        self.stats.uncommitted = self.transaction.alerts;
        (self.report)(&self.stats);
    }

    fn log_rejections(&mut self, all: bool) {
        let names: Vec<&str> = self.stats.streams.iter().map(|stream| stream.name.as_str()).collect();
        for line in self.rejection_log.take_lines(&names, Instant::now(), all) {
            log::warn!("{line}");
        }
    }

    /// Reads the checkpoint. It is empty in a dry run, which begins where a new checkpoint would.
    ///
    /// # Errors
    /// As for [`KafkaSink::checkpoint`].
    pub fn checkpoint(&self) -> Result<Records, SinkError> {
        self.outputs.sink.as_ref().map_or_else(|| Ok(Records::new()), KafkaSink::checkpoint)
    }

    /// The sink; `None` in a dry run.
    pub fn sink(&self) -> Option<&KafkaSink> {
        self.outputs.sink.as_ref()
    }

    /// As [`KafkaSink::restore_idempotent`]. To be called after [`set_missed`](Self::set_missed).
    ///
    /// # Errors
    /// The same.
    pub fn restore_idempotent(&mut self, records: &Records, watermark: Timestamp) -> Result<(), SinkError> {
        let oldest = self.oldest_unsent(watermark);
        self.outputs.sink.as_mut().map_or(Ok(()), |sink| sink.restore_idempotent(records, oldest))
    }

    /// Leaves out the alerts that streams miss from now on: a scan of its own sends them later.
    pub fn set_missed(&mut self, missed: &Missed) {
        self.missed_from = missed.from();
        for (stream, ranges) in self.stats.streams.iter_mut().zip(&mut self.missed) {
            let missed = missed.of(&stream.name);
            stream.paused_at = missed.and_then(MissedByStream::paused_at);
            stream.missed_from = missed.and_then(MissedByStream::from);
            *ranges = missed.map(|missed| missed.ranges().to_vec()).unwrap_or_default();
        }
    }

    /// The time before which nothing is sent any more.
    fn oldest_unsent(&self, watermark: Timestamp) -> Timestamp {
        self.missed_from.map_or(watermark, |from| from.min(watermark))
    }

    /// Queues the rows whose status an earlier process left unwritten.
    ///
    /// # Errors
    /// The checkpoint's list of them is damaged.
    pub fn restore_status(&mut self, records: &Records) -> Result<(), DistributionError> {
        Ok(self.outputs.status.as_mut().map_or(Ok(()), |status| status.restore(records))?)
    }

    /// How many transactions with alerts were committed.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Counts rows that a scan returned.
    pub fn count_rows(&mut self, rows: usize) {
        self.transaction.rows += rows as u64;
    }

    /// Lists `entries` as done with the open transaction, although they need no message.
    pub fn add_done(&mut self, entries: impl IntoIterator<Item = LedgerEntry>) {
        self.transaction.entries.extend(entries);
    }

    /// Sends an alert's messages in the open transaction, or in a new one, except to the streams that miss it.
    ///
    /// # Errors
    /// The transaction failed, and everything sent since the last commit has to be read again; or a permanent error of Kafka.
    pub fn send(&mut self, batch: &AlertBatch, alert: &BatchAlert, late: bool) -> Result<(), SinkError> {
        self.prepare()?;
        let mut is_sent = false;
        for (stream, verdict) in batch.verdicts(alert) {
            if !self.missed[stream].iter().any(|range| range.contains(alert.entry.timestamp)) {
                is_sent |= self.send_to(stream, verdict, batch, alert)?;
            }
        }
        let transaction = &mut self.transaction;
        transaction.notices.extend(alert.notice.iter().filter(|_| is_sent).cloned());
        transaction.alerts += 1;
        transaction.late += u64::from(late);
        transaction.entries.push(alert.entry);
        if self.outputs.status.is_some() {
            let key = batch.bytes(&alert.key).to_vec();
            transaction.distributed.push(RowVersion { timestamp: alert.entry.timestamp, key });
        }
        Ok(())
    }

    /// Sends an alert to the stream that has missed it, of which alone the batch has verdicts. The other streams, the ledger and the status column
    /// have it already.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_missed(&mut self, batch: &AlertBatch, alert: &BatchAlert) -> Result<(), SinkError> {
        self.prepare()?;
        for (stream, verdict) in batch.verdicts(alert) {
            self.send_to(stream, verdict, batch, alert)?;
        }
        self.transaction.missed += 1;
        Ok(())
    }

    /// Prepares for the first alert of a transaction.
    fn prepare(&mut self) -> Result<(), SinkError> {
        if self.transaction.sent_alerts() == 0 {
            self.outputs.sink.as_mut().map_or(Ok(()), KafkaSink::prepare)?;
            self.transaction.opened = Instant::now();
        }
        Ok(())
    }

    /// Does with an alert what the stream has decided. Returns whether it was sent to its topic.
    fn send_to(
        &mut self,
        stream: usize,
        verdict: Verdict<&Message>,
        batch: &AlertBatch,
        alert: &BatchAlert,
    ) -> Result<bool, SinkError> {
        let stats = &mut self.transaction.streams[stream];
        let (class, reason) = match verdict {
            Verdict::Refuse(criterion) => {
                stats.refuse(criterion);
                return Ok(false);
            }
            Verdict::Send(message) if self.too_large.contains(&(alert.entry.id, stream)) => {
                (RejectClass::Size, too_large_reason(message.value.len()))
            }
            Verdict::Send(message) => {
                let size = message.value.len() as u64;
                self.transaction.bytes += size;
                let outcome = match &mut self.outputs.sink {
                    Some(sink) => sink.send(batch, alert, message)?,
                    None => SendOutcome::Sent,
                };
                match outcome {
                    SendOutcome::Sent => {
                        stats.sent += 1;
                        stats.bytes += size;
                        return Ok(true);
                    }
                    SendOutcome::TooLarge(bytes) => (RejectClass::Size, too_large_reason(bytes)),
                }
            }
            // It may be written under a schema that the catalog has now.
            Verdict::Reject(_, reason) if self.catalog.has_changed() => {
                let catalog = self.catalog.path().display().to_string();
                return Err(SinkError::CatalogChanged { catalog, reason: reason.to_string() });
            }
            Verdict::Reject(class, reason) => (class, reason),
        };
        stats.reject(class);
        self.transaction.rejections[stream].get_or_insert_with(|| Rejection {
            row: batch.bytes(&alert.key).escape_ascii().to_string(),
            reason: Arc::clone(&reason),
        });
        if self.rejected_too_large.contains(&(alert.entry.id, stream)) {
            log::error!(
                "row {} of stream {stream} is rejected, and the rejected topic does not take its copy: {reason}",
                batch.bytes(&alert.key).escape_ascii()
            );
        } else if let Some(sink) = &mut self.outputs.sink {
            sink.reject(batch, alert, stream, &reason)?;
        }
        Ok(false)
    }

    /// Whether the open transaction is large or old enough to be committed.
    pub fn is_due(&self, limits: TransactionLimits) -> bool {
        self.transaction.is_due(limits, self.size)
    }

    /// Takes the alerts that are done since the last commit, for the ledger.
    pub fn take_entries(&mut self) -> Vec<LedgerEntry> {
        let mut entries = std::mem::take(&mut self.transaction.entries);
        entries.sort_unstable_by_key(|entry| entry.id);
        entries.dedup_by_key(|entry| entry.id);
        entries
    }

    /// Commits the record of `state`, where nothing else was committed for some seconds and nothing is to be: so a process that was fenced notices it,
    /// and the checkpoint shows how far the service is.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    pub fn keep_alive(&mut self, state: &CheckpointState) -> Result<(), DistributionError> {
        let is_empty = self.transaction.sent_alerts() == 0 && self.transaction.entries.is_empty();
        match is_empty && self.committed_at.elapsed() >= MAX_COMMIT_INTERVAL {
            true => self.commit(vec![state.state_record()?], state.watermark()),
            false => Ok(()),
        }
    }

    /// Commits what was sent, with the checkpoint's `records`, whose watermark is `watermark`; then updates everything that follows a commit.
    ///
    /// # Errors
    /// As for [`send`](Self::send); and the science database may refuse the status of earlier rows.
    pub fn commit(&mut self, mut records: Vec<Record>, watermark: Timestamp) -> Result<(), DistributionError> {
        let oldest_unsent = self.oldest_unsent(watermark);
        let Outputs { sink, status, notifier, offset_file } = &mut self.outputs;
        if let Some(status) = status {
            records.extend(status.add(std::mem::take(&mut self.transaction.distributed))?);
        }
        // A scan without new rows writes nothing, so it does not put off the next `keep_alive`.
        let is_written = self.transaction.sent_alerts() > 0 || !records.is_empty();
        if let Some(sink) = sink
            && is_written
        {
            let started = Instant::now();
            sink.expire(oldest_unsent);
            sink.commit(&records)?;
            self.instruments.commits.observe(started.elapsed().as_secs_f64());
            self.stats.checkpoint_at = Some(Instant::now());
            let (alerts, bytes) = (self.transaction.sent_alerts(), self.transaction.bytes);
            log::debug!("committed {alerts} alerts, {bytes} bytes, in {} ms", started.elapsed().as_millis());
            self.commits += u64::from(alerts > 0);
            self.size.note_commits(self.commits);
        }
        if is_written {
            self.committed_at = Instant::now();
        }
        if let Some(status) = status {
            status.write_committed();
        }
        let committed = std::mem::replace(&mut self.transaction, OpenTransaction::new(self.stats.streams.len()));
        committed.add_to(&mut self.stats);
        self.stats.watermark = watermark;
        for (stream, first) in committed.rejections.into_iter().enumerate() {
            if let Some(first) = first {
                self.rejection_log.add(stream, committed.streams[stream].rejected(), first);
            }
        }
        if let Some(notifier) = notifier {
            notifier.enqueue(committed.notices);
        }
        if let (Some(file), Some(_)) = (offset_file, sink) {
            file.update(watermark);
        }
        Ok(())
    }

    /// Drops what was sent since the last commit, and reports whether the transaction was aborted because of an outage. After an outage the
    /// next transactions are smaller.
    ///
    /// # Errors
    /// As for [`KafkaSink::abort`].
    pub fn abort(&mut self) -> Result<AbortReport, SinkError> {
        self.transaction = OpenTransaction::new(self.stats.streams.len());
        let Some(sink) = &mut self.outputs.sink else { return Ok(AbortReport::default()) };
        let report = sink.abort()?;
        self.instruments.aborts.inc();
        self.too_large.extend(&report.too_large);
        self.rejected_too_large.extend(&report.rejected_too_large);
        if report.is_outage {
            self.size.shrink();
        }
        Ok(report)
    }

    /// Waits until the status of every committed alert is written, unless `cancel` is cancelled, and for a short time for the notices.
    /// Returns the statistics. `is_end`: whether the process ends.
    ///
    /// # Errors
    /// The science database refused a status.
    pub fn close(mut self, cancel: &CancellationToken, is_end: bool) -> Result<Stats, DistributionError> {
        self.log_rejections(true);
        let Outputs { sink, status, notifier, .. } = self.outputs;
        if let Some(notifier) = notifier {
            let totals = notifier.shut_down(NOTICES_TIMEOUT);
            log::info!(
                "slack: {} alerts announced in {} messages, {} dropped",
                totals.announced,
                totals.messages,
                totals.dropped
            );
        }
        if let Some(mut sink) = sink
            && let Err(error) = sink.close(is_end)
        {
            let error = match error {
                SinkError::Cancelled => "kafka does not answer, so the open transaction is not committed".to_owned(),
                error => error.to_string(),
            };
            log::warn!("{error}; the next start resumes as after a crash");
        }
        if let Some(mut status) = status {
            status.finish(cancel)?;
        }
        Ok(self.stats)
    }
}

fn too_large_reason(bytes: usize) -> Arc<str> {
    format!("its {bytes} bytes are more than the topic takes (max.message.bytes)").into()
}
