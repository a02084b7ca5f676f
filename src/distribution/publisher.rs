//! Alerts of a chunk and the checkpoint that says so, in one Kafka transaction; what follows a commit.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::DistributionError;
use super::batch::{Batch, BatchAlert, Verdict};
use super::checkpoint_state::Record;
use super::kafka_sink::AbortReport;
use super::kafka_sink::{KafkaSink, Rejection, SinkError};
use super::offset_file;
use super::stats::{Stats, StreamStats};
use super::status_column::StatusWriter;
use crate::kafka::checkpoint::Records;
use crate::ledger::{AlertId, LedgerEntry, RowVersion};
use crate::notify::{Notice, Notifier};
use crate::timestamp::Timestamp;

/// How much one transaction holds. A commit waits for the brokers, the longer the more partitions it touches, and nothing is sent meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct TransactionLimits {
    /// it is committed when it holds so many bytes of values,
    pub bytes: u64,
    /// or so many alerts,
    pub alerts: u64,
    /// or when it has been open for so long
    pub age: Duration,
}

/// How long notices that wait may hold up the end.
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
    distributed: Vec<RowVersion>,
    notices: Vec<Arc<Notice>>,
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
        }
    }
}

/// Sends alerts and commits them.
pub struct Publisher {
    /// `None`: a dry run, which sends and remembers nothing
    sink: Option<KafkaSink>,
    status: Option<StatusWriter>,
    notifier: Option<Notifier>,
    offset_file: Option<PathBuf>,
    offset: Timestamp,
    chunk: OpenTransaction,
    too_large: HashSet<(AlertId, usize)>,
    /// rejected alerts whose copy the rejected topic does not take
    rejected_too_large: HashSet<(AlertId, usize)>,
    /// transactions hold so many times fewer bytes than the limits allow, as a power of two
    shrink: u32,
    commits: u64,
}

/// How often the size of transactions is halved at the most, and after how many commits it is doubled again.
const MAX_SHRINK: u32 = 12;
const COMMITS_TO_GROW: u64 = 20;
/// The fewest bytes for which a transaction is committed early.
const MIN_BYTES: u64 = 64 << 10;

impl Publisher {
    /// A publisher for `streams` streams.
    pub fn new(
        sink: Option<KafkaSink>,
        status: Option<StatusWriter>,
        notifier: Option<Notifier>,
        offset_file: Option<PathBuf>,
        streams: usize,
    ) -> Self {
        Self {
            sink,
            status,
            notifier,
            offset_file,
            offset: Timestamp::EPOCH,
            chunk: OpenTransaction::new(streams),
            too_large: HashSet::new(),
            rejected_too_large: HashSet::new(),
            shrink: 0,
            commits: 0,
        }
    }

    /// What the checkpoint holds; nothing for a dry run, which begins where a new checkpoint would.
    ///
    /// # Errors
    /// Kafka refused for good.
    pub fn checkpoint(&self) -> Result<Records, SinkError> {
        self.sink.as_ref().map_or_else(|| Ok(Records::new()), KafkaSink::checkpoint)
    }

    /// The way to Kafka; `None` in a dry run.
    pub fn sink(&self) -> Option<&KafkaSink> {
        self.sink.as_ref()
    }

    /// Takes up the topics without transactions: see [`KafkaSink::restore_idempotent`].
    ///
    /// # Errors
    /// Such a topic may not be read, was made again, or has another writer.
    pub fn restore_idempotent(&mut self, records: &Records, watermark: Timestamp) -> Result<(), SinkError> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.restore_idempotent(records, watermark))
    }

    /// Takes up the rows whose status a former process left unwritten.
    ///
    /// # Errors
    /// The checkpoint's list of them is damaged.
    pub fn restore_status(&mut self, records: &Records) -> Result<(), DistributionError> {
        Ok(self.status.as_mut().map_or(Ok(()), |status| status.restore(records))?)
    }

    /// How many transactions of alerts were committed.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Notes that a scan returned rows.
    pub fn saw(&mut self, rows: u64) {
        self.chunk.rows += rows;
    }

    /// Lists `entries` as done with this chunk, although they need no message.
    pub fn note(&mut self, entries: impl IntoIterator<Item = LedgerEntry>) {
        self.chunk.entries.extend(entries);
    }

    /// Sends one alert's messages within the open transaction, which is opened where there is none.
    ///
    /// # Errors
    /// The transaction failed, and everything sent since the last commit is to be read again; or Kafka refused for good.
    pub fn send(&mut self, batch: &Batch, alert: &BatchAlert, late: bool) -> Result<(), SinkError> {
        if self.chunk.alerts == 0 {
            self.sink.as_mut().map_or(Ok(()), KafkaSink::prepare)?;
            self.chunk.opened = Instant::now();
        }
        for refusal in batch.refusals(alert) {
            self.chunk.streams[refusal.stream()].refuse(refusal.condition());
        }
        let mut is_sent = false;
        for message in batch.messages(alert) {
            let too_large = self.too_large.contains(&(alert.entry.id, message.stream));
            let refusal = match (&message.verdict, too_large) {
                (Verdict::Send(value), false) => {
                    let stats = &mut self.chunk.streams[message.stream];
                    let size = value.len() as u64;
                    self.chunk.bytes += size;
                    let sent = match &mut self.sink {
                        Some(sink) => sink.send(batch, alert, message, batch.bytes(value))?,
                        None => Ok(()),
                    };
                    match sent {
                        Ok(()) => {
                            is_sent = true;
                            stats.sent += 1;
                            stats.bytes += size;
                            continue;
                        }
                        Err(refusal) => refusal,
                    }
                }
                (Verdict::Send(value), true) => Rejection::too_large(value.len()),
                (Verdict::Reject(reason), _) => Rejection { reason: reason.clone() },
            };
            self.chunk.streams[message.stream].rejected += 1;
            if self.rejected_too_large.contains(&(alert.entry.id, message.stream)) {
                log::error!(
                    "row {} of stream {} is rejected, and the rejected topic does not take its copy: {}",
                    batch.bytes(&alert.key).escape_ascii(),
                    message.stream,
                    refusal.reason
                );
            } else if let Some(sink) = &mut self.sink {
                sink.reject(batch, alert, message, &refusal)?;
            }
        }
        self.chunk.notices.extend(alert.notice.iter().filter(|_| is_sent).cloned());
        self.chunk.alerts += 1;
        self.chunk.late += u64::from(late);
        self.chunk.entries.push(alert.entry);
        if self.status.is_some() {
            self.chunk
                .distributed
                .push(RowVersion { timestamp: alert.entry.timestamp, key: batch.bytes(&alert.key).to_vec() });
        }
        Ok(())
    }

    /// Whether the open transaction is large or old enough to be committed.
    pub fn is_due(&self, limits: TransactionLimits) -> bool {
        let bytes = (limits.bytes >> self.shrink).max(MIN_BYTES);
        let OpenTransaction { alerts, bytes: sent, opened, .. } = &self.chunk;
        *alerts > 0 && (*sent >= bytes || *alerts >= limits.alerts || opened.elapsed() >= limits.age)
    }

    /// The alerts sent since the last commit, for the ledger.
    pub fn take_entries(&mut self) -> Vec<LedgerEntry> {
        let mut entries = std::mem::take(&mut self.chunk.entries);
        entries.sort_unstable_by_key(|entry| entry.id);
        entries.dedup_by_key(|entry| entry.id);
        entries
    }

    /// Commits what was sent, with the checkpoint's `records`; then sees to the status column and the offset file, and adds to `counts`.
    ///
    /// # Errors
    /// As [`send`](Self::send); and the science database may refuse the status.
    pub fn commit(&mut self, mut records: Vec<Record>, stats: &mut Stats) -> Result<(), DistributionError> {
        let streams = self.chunk.streams.len();
        if let Some(status) = &mut self.status {
            records.extend(status.add(std::mem::take(&mut self.chunk.distributed))?);
        }
        if let Some(sink) = &mut self.sink
            && (self.chunk.alerts > 0 || !records.is_empty())
        {
            let began = Instant::now();
            sink.expire(Timestamp::from_millis(stats.watermark));
            sink.commit(&records)?;
            let OpenTransaction { alerts, bytes, .. } = self.chunk;
            log::debug!("committed {alerts} alerts, {bytes} bytes, in {} ms", began.elapsed().as_millis());
            self.commits += u64::from(alerts > 0);
            if self.commits.is_multiple_of(COMMITS_TO_GROW) {
                self.shrink = self.shrink.saturating_sub(1);
            }
        }
        if let Some(status) = &mut self.status {
            status.hand_over();
        }
        let chunk = std::mem::replace(&mut self.chunk, OpenTransaction::new(streams));
        stats.rows += chunk.rows;
        stats.alerts += chunk.alerts;
        stats.late += chunk.late;
        for (all, new) in stats.streams.iter_mut().zip(&chunk.streams) {
            all.add(new);
        }
        if let Some(notifier) = &self.notifier {
            notifier.enqueue(chunk.notices);
        }
        self.keep_offset(Timestamp::from_millis(stats.watermark));
        Ok(())
    }

    /// Drops what was sent since the last commit; tells why the transaction was aborted, where it was. After an outage the next
    /// transactions are smaller.
    ///
    /// # Errors
    /// Kafka refused for good.
    pub fn abort(&mut self) -> Result<AbortReport, SinkError> {
        self.chunk = OpenTransaction::new(self.chunk.streams.len());
        let Some(sink) = &mut self.sink else { return Ok(AbortReport::default()) };
        let report = sink.abort()?;
        self.too_large.extend(sink.take_too_large());
        self.rejected_too_large.extend(sink.take_rejected_too_large());
        if report.is_outage {
            self.shrink = (self.shrink + 2).min(MAX_SHRINK);
        }
        Ok(report)
    }

    /// Waits for the status of everything committed, unless `give_up` says so, and a little for the notices.
    ///
    /// # Errors
    /// The science database refused.
    pub fn end(&mut self, give_up: &dyn Fn() -> bool) -> Result<(), DistributionError> {
        if let Some(notifier) = self.notifier.take() {
            let tally = notifier.shut_down(NOTICES_TIMEOUT);
            log::info!(
                "slack: {} alerts announced in {} messages, {} dropped",
                tally.announced,
                tally.messages,
                tally.dropped
            );
        }
        if let Some(sink) = &mut self.sink
            && let Err(error) = sink.close()
        {
            log::warn!("{error}; the next start reads the topics without transactions back");
        }
        Ok(self.status.as_mut().map_or(Ok(()), |status| status.finish(give_up))?)
    }

    // The file is for people and old scripts; the checkpoint is what counts, so a full disk must not stop the alerts.
    fn keep_offset(&mut self, watermark: Timestamp) {
        if let Some(path) = &self.offset_file
            && self.sink.is_some()
            && watermark > self.offset
        {
            self.offset = watermark;
            if let Err(error) = offset_file::write(path, watermark) {
                log::warn!("{error}");
            }
        }
    }
}
