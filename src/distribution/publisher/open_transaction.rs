//! The open transaction: what it holds, and when it is due to be committed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::distribution::rejection_log::Rejection;
use crate::distribution::stats::{Stats, StreamStats};
use crate::ledger::{LedgerEntry, RowVersion};
use crate::notify::Notice;

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

/// How large transactions may be: after an outage they are smaller, so that slow brokers do not get more than they can take in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TransactionSize {
    /// the byte limit is divided by this power of two
    shrink: u32,
}

impl TransactionSize {
    fn max_bytes(self, limits: TransactionLimits) -> u64 {
        (limits.bytes >> self.shrink).max(MIN_BYTES)
    }

    /// An outage has aborted a transaction.
    pub fn shrink(&mut self) {
        self.shrink = (self.shrink + 2).min(MAX_SHRINK);
    }

    /// `commits` transactions with alerts were committed since the start.
    pub fn note_commits(&mut self, commits: u64) {
        if commits.is_multiple_of(COMMITS_TO_GROW) {
            self.shrink = self.shrink.saturating_sub(1);
        }
    }
}

/// What the open transaction holds.
#[derive(Debug)]
pub(super) struct OpenTransaction {
    pub opened: Instant,
    pub bytes: u64,
    pub rows: u64,
    pub alerts: u64,
    pub late: u64,
    /// alerts that only one stream has missed
    pub missed: u64,
    pub streams: Vec<StreamStats>,
    pub entries: Vec<LedgerEntry>,
    /// the rows whose status is to be written after the commit
    pub distributed: Vec<RowVersion>,
    pub notices: Vec<Arc<Notice>>,
    /// the first rejected alert of each stream
    pub rejections: Vec<Option<Rejection>>,
}

impl OpenTransaction {
    pub fn new(streams: usize) -> Self {
        Self {
            opened: Instant::now(),
            bytes: 0,
            rows: 0,
            alerts: 0,
            late: 0,
            missed: 0,
            streams: vec![StreamStats::default(); streams],
            entries: Vec::new(),
            distributed: Vec::new(),
            notices: Vec::new(),
            rejections: vec![None; streams],
        }
    }

    /// Whether it is large or old enough to be committed.
    pub fn is_due(&self, limits: TransactionLimits, size: TransactionSize) -> bool {
        let alerts = self.sent_alerts();
        let is_full = self.bytes >= size.max_bytes(limits) || alerts >= limits.alerts;
        alerts > 0 && (is_full || self.opened.elapsed() >= limits.age)
    }

    /// Alerts with messages.
    pub fn sent_alerts(&self) -> u64 {
        self.alerts + self.missed
    }

    /// Adds its counts to `stats`, once it is committed.
    pub fn add_to(&self, stats: &mut Stats) {
        stats.rows += self.rows;
        stats.alerts += self.alerts;
        stats.late += self.late;
        for (all, new) in stats.streams.iter_mut().zip(&self.streams) {
            all.add(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TransactionLimits = TransactionLimits { bytes: 1 << 20, alerts: 100, age: Duration::from_secs(3600) };

    #[test]
    fn a_transaction_is_due_when_it_is_full() {
        let (mut transaction, size) = (OpenTransaction::new(1), TransactionSize::default());
        transaction.bytes = 2 << 20;
        assert!(!transaction.is_due(LIMITS, size), "it has no alert");
        transaction.alerts = 1;
        assert!(transaction.is_due(LIMITS, size));
        transaction.bytes = 1;
        assert!(!transaction.is_due(LIMITS, size));
        transaction.missed = 99;
        assert!(transaction.is_due(LIMITS, size));
    }

    #[test]
    fn transactions_are_smaller_after_an_outage_and_grow_with_each_success() {
        let mut size = TransactionSize::default();
        size.shrink();
        assert_eq!(size.max_bytes(LIMITS), LIMITS.bytes / 4);
        size.note_commits(COMMITS_TO_GROW - 1);
        assert_eq!(size.max_bytes(LIMITS), LIMITS.bytes / 4);
        size.note_commits(COMMITS_TO_GROW);
        assert_eq!(size.max_bytes(LIMITS), LIMITS.bytes / 2);
        (0..20).for_each(|_| size.shrink());
        assert_eq!(size.max_bytes(LIMITS), MIN_BYTES);
    }
}
