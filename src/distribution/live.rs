//! The live lane, the catch-up before it and the searches beside it: rows are found by their trigger, fetched whole, published in the order
//! of their timestamps, and listed in the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::background_scan::ScanOutput;
use super::batch::Batch;
use super::checkpoint_state::CatchUpSlice;
use super::memory_budget::MemoryLease;
use super::publisher::TransactionLimits;
use super::readers::{ReadOutput, Task};
use super::{Distribution, DistributionError, READER_THREADS};
use crate::ledger::{LedgerEntry, RowVersion};
use crate::science_db::KeyRange;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Rows fetched whole by one task.
const ROWS_PER_FETCH: usize = 100;
/// Fetches under way at once, for each reader: one at work and one waiting.
const FETCHES_PER_READER: usize = 2;

/// A burst's first alerts are not to wait for its last ones.
const TRANSACTION_LIMITS: TransactionLimits =
    TransactionLimits { bytes: 128 << 20, alerts: 20_000, age: Duration::from_secs(1) };

/// What is done when all rows of a look are published; times are of the steady clock.
#[derive(Clone, Copy, Debug)]
enum Completion {
    /// a live look that began at this time
    Live(Timestamp),
    /// a slice of the catch-up, and when its look began
    Slice(CatchUpSlice, Timestamp),
    /// a turn of a search
    BackgroundScan,
}

/// A part of a fetch that has come before its turn.
type FetchedPart = (Batch, Vec<LedgerEntry>, bool, Option<MemoryLease>);

impl Distribution<'_> {
    /// The live lane: what is new in `window` is fetched whole and published. `false`: given up on the way.
    pub(super) fn live(&mut self, window: Window) -> Result<bool, DistributionError> {
        let began = self.now.steady;
        match self.look(window)? {
            Some(fresh) => self.publish(fresh, false, Completion::Live(began)),
            None => Ok(false),
        }
    }

    /// The catch-up: what is new in one slice of the gap is fetched whole and published, oldest first. `false`: given up on the way.
    pub(super) fn catch_up(&mut self, slice: CatchUpSlice) -> Result<bool, DistributionError> {
        let began = self.now.steady;
        match self.look(slice.window)? {
            Some(fresh) => self.publish(fresh, false, Completion::Slice(slice, began)),
            None => Ok(false),
        }
    }

    /// The rows of `window` that are yet to be published; `None`: given up on the way.
    fn look(&mut self, window: Window) -> Result<Option<Vec<RowVersion>>, DistributionError> {
        self.readers.submit(Task::ScanTriggers { keys: KeyRange::default(), window });
        let mut fresh = Vec::new();
        loop {
            if (self.give_up)() {
                return Ok(None);
            }
            match self.readers.receive(Duration::from_millis(100)) {
                Some((ReadOutput::Triggers { rows, done }, _)) => {
                    self.publisher.saw(rows.len() as u64);
                    fresh.extend(rows.into_iter().filter(|row| self.progress.is_new(&row.key, row.timestamp)));
                    if done {
                        return Ok(Some(fresh));
                    }
                }
                Some((ReadOutput::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
        }
    }

    /// Takes up what sweep and repair have found, and publishes some of it.
    pub(super) fn publish_background_rows(&mut self) -> Result<(), DistributionError> {
        let is_new = |row: &RowVersion| self.progress.is_new(&row.key, row.timestamp);
        self.sweep.poll(is_new)?;
        self.repair.poll(is_new)?;
        if let Some(ScanOutput { rows, late, is_last, .. }) = self.sweep.next()
            && self.publish_step(rows, late)?
            && is_last
        {
            self.progress.finish_sweep();
        }
        if let Some(ScanOutput { rows, late, is_last }) = self.repair.next()
            && self.publish_step(rows, late)?
            && is_last
        {
            let records = self.progress.finish_repair(&self.intervals)?;
            self.stats.watermark = self.progress.watermark().as_millis();
            self.publisher.commit(records, &mut self.stats)?;
        }
        Ok(())
    }

    fn publish_step(&mut self, mut rows: Vec<RowVersion>, late: bool) -> Result<bool, DistributionError> {
        rows.retain(|row| self.progress.is_new(&row.key, row.timestamp));
        self.publish(rows, late, Completion::BackgroundScan)
    }

    /// Fetches rows whole and publishes them in the order of their timestamps. `false`: given up on the way.
    ///
    /// A row that was written again since it was found goes out in its new place: it is new to the look that finds it there.
    fn publish(&mut self, mut rows: Vec<RowVersion>, late: bool, look: Completion) -> Result<bool, DistributionError> {
        rows.sort_unstable();
        let turn = Arc::new(AtomicUsize::new(0));
        let mut chunks = rows.chunks(ROWS_PER_FETCH).enumerate();
        let count = chunks.len();
        let mut ask = || {
            chunks.next().map(|(sequence, rows)| Task::Fetch { sequence, rows: rows.to_vec(), turn: Arc::clone(&turn) })
        };
        for task in std::iter::repeat_with(&mut ask).take(READER_THREADS * FETCHES_PER_READER).flatten() {
            self.readers.submit(task);
        }
        let mut early: BTreeMap<usize, Vec<FetchedPart>> = BTreeMap::new();
        let mut next = 0;
        while next < count {
            if (self.give_up)() {
                self.readers.cancel();
                self.commit_published(None)?;
                return Ok(false);
            }
            match self.readers.receive(Duration::from_millis(100)) {
                Some((ReadOutput::Fetched { sequence, batch, asked, done }, lease)) => {
                    early.entry(sequence).or_default().push((batch, asked, done, lease));
                }
                Some((ReadOutput::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
            while let Some(parts) = early.remove(&next) {
                let is_done = parts.iter().any(|(_, _, done, _)| *done);
                if is_done {
                    next += 1;
                    turn.store(next, Ordering::Relaxed);
                    ask().into_iter().for_each(|task| self.readers.submit(task));
                }
                for part in parts {
                    self.publish_part(part, late)?;
                }
                if !is_done {
                    break;
                }
            }
            // Also while nothing comes: a transaction that waits for an absent HBase would time out.
            if self.publisher.is_due(TRANSACTION_LIMITS) {
                self.commit_published(None)?;
            }
        }
        self.commit_published(Some(look))?;
        Ok(true)
    }

    fn publish_part(&mut self, (batch, asked, _, lease): FetchedPart, late: bool) -> Result<(), DistributionError> {
        for alert in batch.alerts() {
            if self.progress.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
                self.publisher.send(&batch, alert, late)?;
            }
        }
        // Done too where the row has a newer version by now, is gone, or bears the status already.
        self.publisher.note(asked);
        drop(lease);
        Ok(())
    }

    /// Commits what was sent; `look`: what ends with it.
    fn commit_published(&mut self, look: Option<Completion>) -> Result<(), DistributionError> {
        match look {
            Some(Completion::Live(began)) => self.progress.finish_live_scan(began),
            Some(Completion::Slice(slice, began)) => self.progress.finish_slice(slice, began),
            Some(Completion::BackgroundScan) | None => {}
        }
        let entries = self.publisher.take_entries();
        let records = self.progress.record_published(&entries)?;
        self.publisher.commit(records, &mut self.stats)?;
        self.watch_ledger();
        (self.report)(&self.stats);
        Ok(())
    }
}
