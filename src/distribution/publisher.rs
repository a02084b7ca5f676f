//! Sends alerts, commits them with the checkpoint in one transaction, and does what follows a commit: the status column, Slack notices, the
//! offset file and the statistics.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::StreamAlert;
use super::batch::{Batch, BatchAlert};
use super::catalog_watch::CatalogWatch;
use super::checkpoint_state::{CheckpointState, Record};
use super::error::DistributionError;
use super::instruments::Instruments;
use super::kafka_sink::{AbortReport, KafkaSink, SendOutcome};
use super::offset_file::OffsetFile;
use super::rejection_log::{Rejection, RejectionLog};
use super::sink_error::SinkError;
use super::stats::{Stats, StreamStats};
use super::status_column::StatusWriter;
use super::verdict::{RejectClass, Verdict};
use crate::cancel::CancellationToken;
use crate::kafka::checkpoint::Records;
use crate::ledger::{LedgerEntry, RowVersion};
use crate::notify::{Notice, Notifier};
use crate::timestamp::Timestamp;

/// When a transaction is due to be committed. A commit waits for the brokers, longer the more partitions it touches, and nothing is sent
/// meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransactionLimits {
    /// of message values
    pub bytes: u64,
    pub alerts: u64,
    /// since its first alert
    pub age: Duration,
}

/// After an outage the byte limit of transactions is quartered, down to this power of two of the limit; so many commits double it again.
const MAX_SHRINK: u32 = 12;
const COMMITS_TO_GROW: u64 = 20;
/// The smallest byte limit.
const MIN_BYTES: u64 = 64 << 10;

/// The longest time without a commit. A commit proves that no other process has taken over, and its record says up to when alerts are published.
const MAX_COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// How long the end waits for Slack notices.
const NOTICES_TIMEOUT: Duration = Duration::from_secs(5);

/// What the open transaction holds.
#[derive(Debug)]
struct OpenTransaction {
    opened: Instant,
    bytes: u64,
    rows: u64,
    alerts: u64,
    late: u64,
    streams: Vec<StreamStats>,
    entries: Vec<LedgerEntry>,
    /// the rows whose status is to be written after the commit
    distributed: Vec<RowVersion>,
    notices: Vec<Arc<Notice>>,
    /// the first rejected alert of each stream
    rejections: Vec<Option<Rejection>>,
}

impl OpenTransaction {
    fn new(streams: usize) -> Self {
        Self {
            opened: Instant::now(),
            bytes: 0,
            rows: 0,
            alerts: 0,
            late: 0,
            streams: vec![StreamStats::default(); streams],
            entries: Vec::new(),
            distributed: Vec::new(),
            notices: Vec::new(),
            rejections: vec![None; streams],
        }
    }
}

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
    /// alerts that brokers refused as too large: they go to the rejected topic
    too_large: HashSet<StreamAlert>,
    /// alerts whose copy the rejected topic refused as too large: they are only logged
    rejected_too_large: HashSet<StreamAlert>,
    /// the byte limit of transactions is divided by this power of two
    shrink: u32,
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
            too_large: HashSet::new(),
            rejected_too_large: HashSet::new(),
            shrink: 0,
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

    /// As [`KafkaSink::restore_idempotent`].
    ///
    /// # Errors
    /// The same.
    pub fn restore_idempotent(&mut self, records: &Records, watermark: Timestamp) -> Result<(), SinkError> {
        self.outputs.sink.as_mut().map_or(Ok(()), |sink| sink.restore_idempotent(records, watermark))
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

    /// Sends an alert's messages in the open transaction, or in a new one.
    ///
    /// # Errors
    /// The transaction failed, and everything sent since the last commit has to be read again; or a permanent error of Kafka.
    pub fn send(&mut self, batch: &Batch, alert: &BatchAlert, late: bool) -> Result<(), SinkError> {
        if self.transaction.alerts == 0 {
            self.outputs.sink.as_mut().map_or(Ok(()), KafkaSink::prepare)?;
            self.transaction.opened = Instant::now();
        }
        let mut is_sent = false;
        for (stream, verdict) in batch.verdicts(alert) {
            let stats = &mut self.transaction.streams[stream];
            let (class, reason) = match verdict {
                Verdict::Refuse(criterion) => {
                    stats.refuse(criterion);
                    continue;
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
                            is_sent = true;
                            stats.sent += 1;
                            stats.bytes += size;
                            continue;
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

    /// Whether the open transaction is large or old enough to be committed.
    pub fn is_due(&self, limits: TransactionLimits) -> bool {
        let max_bytes = (limits.bytes >> self.shrink).max(MIN_BYTES);
        let OpenTransaction { alerts, bytes, opened, .. } = &self.transaction;
        *alerts > 0 && (*bytes >= max_bytes || *alerts >= limits.alerts || opened.elapsed() >= limits.age)
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
        let is_empty = self.transaction.alerts == 0 && self.transaction.entries.is_empty();
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
        let Outputs { sink, status, notifier, offset_file } = &mut self.outputs;
        if let Some(status) = status {
            records.extend(status.add(std::mem::take(&mut self.transaction.distributed))?);
        }
        // A scan without new rows writes nothing, so it does not put off the next `keep_alive`.
        let is_written = self.transaction.alerts > 0 || !records.is_empty();
        if let Some(sink) = sink
            && is_written
        {
            let started = Instant::now();
            sink.expire(watermark);
            sink.commit(&records)?;
            self.instruments.commits.observe(started.elapsed().as_secs_f64());
            self.stats.checkpoint_at = Some(Instant::now());
            let OpenTransaction { alerts, bytes, .. } = self.transaction;
            log::debug!("committed {alerts} alerts, {bytes} bytes, in {} ms", started.elapsed().as_millis());
            self.commits += u64::from(alerts > 0);
            if self.commits.is_multiple_of(COMMITS_TO_GROW) {
                self.shrink = self.shrink.saturating_sub(1);
            }
        }
        if is_written {
            self.committed_at = Instant::now();
        }
        if let Some(status) = status {
            status.write_committed();
        }
        let committed = std::mem::replace(&mut self.transaction, OpenTransaction::new(self.stats.streams.len()));
        self.stats.rows += committed.rows;
        self.stats.alerts += committed.alerts;
        self.stats.late += committed.late;
        self.stats.watermark = watermark;
        for (all, new) in self.stats.streams.iter_mut().zip(&committed.streams) {
            all.add(new);
        }
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
            self.shrink = (self.shrink + 2).min(MAX_SHRINK);
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
