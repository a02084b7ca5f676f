//! What the lanes have done: each change of the state returns the records to be committed with the alerts.

use super::schedule::is_old;
use super::state_record::ledger_key;
use super::{
    CatchUp, CatchUpSlice, CheckpointState, CheckpointStateError, HistoryScan, HistoryWindow, Intervals, Record, Repair,
};
use crate::ledger::LedgerEntry;
use crate::science_db::KeyRange;
use crate::timestamp::Timestamp;
use crate::window::Window;

impl CheckpointState {
    /// Starts the history lane over `window`, in the key ranges of `regions`, which cover all keys in ascending order. After a restart the
    /// ranges that have a record stay as they are.
    pub(crate) fn start_history(&mut self, window: HistoryWindow, regions: &[KeyRange]) {
        self.history.get_or_insert_with(|| HistoryScan::new(window)).split(regions);
    }

    /// Records that the history lane is done with all rows of range `number` up to and including `after`, or (`done`) with all of them.
    ///
    /// # Errors
    /// There is no such range, or it is past `after` already.
    pub(crate) fn advance_history(
        &mut self,
        number: u32,
        after: Option<&[u8]>,
        done: bool,
    ) -> Result<(), CheckpointStateError> {
        self.history.as_mut().ok_or(CheckpointStateError::NoHistory)?.advance(number, after, done)
    }

    /// The records of how far the history lane has come, having published `entries` since the last call. Moves the watermark when every range is done.
    ///
    /// # Errors
    /// The history lane is not running, or the watermark would move backwards.
    pub(crate) fn history_records(&mut self, entries: &[LedgerEntry]) -> Result<Vec<Record>, CheckpointStateError> {
        let history = self.history.as_mut().ok_or(CheckpointStateError::NoHistory)?;
        let HistoryWindow { done, until: read_until } = history.window();
        if history.is_finished() {
            self.check_watermark(done.until())?;
        }
        // Those before the end of the window are done by the position in the checkpoint: the ledger does not have to list them.
        let listed: Vec<LedgerEntry> =
            entries.iter().copied().filter(|entry| entry.timestamp >= done.until()).collect();
        let mut records = self.list_in_ledger(&listed);
        let Some(history) = self.history.take_if(|history| history.is_finished()) else {
            let history = self.history.as_mut().ok_or(CheckpointStateError::NoHistory)?;
            records.extend(history.take_records(&self.prefix)?);
            records.push(self.state_record()?);
            return Ok(records);
        };
        records.extend(history.into_deletions(&self.prefix));
        self.live_scanned_at = None;
        let (started, from) = match self.catch_up {
            CatchUp::At { started, from } => (started, from.max(read_until)),
            CatchUp::Due | CatchUp::Done => (None, read_until),
        };
        self.catch_up = CatchUp::At { started, from };
        self.last_sweep = None;
        self.last_repair = None;
        records.extend(self.advance_watermark(done.until())?);
        Ok(records)
    }

    /// Lists these alerts as done, and returns the records that say so.
    ///
    /// # Errors
    /// A record cannot be written as JSON.
    pub(crate) fn record_published(&mut self, entries: &[LedgerEntry]) -> Result<Vec<Record>, CheckpointStateError> {
        let mut records = self.list_in_ledger(entries);
        if !records.is_empty() {
            records.push(self.state_record()?);
        }
        Ok(records)
    }

    fn list_in_ledger(&mut self, entries: &[LedgerEntry]) -> Vec<Record> {
        let segments = self.ledger.add(entries).into_iter();
        segments.map(|(number, bytes)| (ledger_key(&self.prefix, number), Some(bytes))).collect()
    }

    /// Records that all rows of a slice of the catch-up are published. `started`: when its scan began, by the steady clock.
    pub(crate) fn finish_slice(&mut self, slice: CatchUpSlice, started: Timestamp) {
        let first_started = match self.catch_up {
            CatchUp::At { started: Some(first), .. } => first,
            CatchUp::At { started: None, .. } | CatchUp::Due | CatchUp::Done => started,
        };
        if slice.is_last {
            self.catch_up = CatchUp::Done;
            self.live_scanned_at = Some(started);
            // The next sweep finds what became visible in the earlier slices meanwhile.
            self.last_sweep = Some(self.last_sweep.map_or(first_started, |last| last.min(first_started)));
        } else {
            self.catch_up = CatchUp::At { started: Some(first_started), from: slice.window.until() };
        }
    }

    /// Records that all rows of a live scan are published. `started`: when the scan began, by the steady clock.
    pub(crate) fn finish_live_scan(&mut self, started: Timestamp) {
        self.live_scanned_at = Some(started);
    }

    /// Records that a live scan starts at `now`, by the steady clock, in the background: none is due until it is finished.
    pub(crate) fn start_background_live_scan(&mut self, now: Timestamp) {
        self.live_scan = Some(now);
    }

    /// Records that all rows of the background live scan are published.
    pub(crate) fn finish_background_live_scan(&mut self) {
        // A catch-up may have read further meanwhile.
        self.live_scanned_at = self.live_scanned_at.max(self.live_scan.take());
    }

    /// Records that a sweep starts at `now`, by the steady clock.
    pub(crate) fn start_sweep(&mut self, now: Timestamp) {
        self.is_sweeping = true;
        self.last_sweep = Some(now);
    }

    /// Records that all rows of the running sweep are published.
    pub(crate) fn finish_sweep(&mut self) {
        self.is_sweeping = false;
    }

    /// Records that a repair of `window` starts at `now`, by the steady clock.
    pub(crate) fn start_repair(&mut self, window: Window, now: Timestamp, intervals: &Intervals) {
        self.repair = Some(Repair { started: now, window });
        // One that moves an old watermark does not read the present.
        if !is_old(self.watermark, now, intervals) {
            self.last_repair = Some(now);
        }
    }

    /// Records that all rows of the running repair are published: the watermark moves to `repair` before its start, but not beyond its
    /// window, and never back.
    ///
    /// # Errors
    /// No repair is running.
    pub(crate) fn finish_repair(&mut self, intervals: &Intervals) -> Result<Vec<Record>, CheckpointStateError> {
        let Repair { started, window } = self.repair.take().ok_or(CheckpointStateError::NoRepair)?;
        match (started - intervals.repair).min(window.until()) {
            to if to <= self.watermark => Ok(Vec::new()),
            to => self.advance_watermark(to),
        }
    }

    fn check_watermark(&self, to: Timestamp) -> Result<(), CheckpointStateError> {
        match to < self.watermark {
            true => Err(CheckpointStateError::WatermarkBackwards { watermark: self.watermark, to }),
            false => Ok(()),
        }
    }

    pub(super) fn advance_watermark(&mut self, to: Timestamp) -> Result<Vec<Record>, CheckpointStateError> {
        self.check_watermark(to)?;
        self.watermark = to;
        let expired = self.ledger.expire(to).into_iter();
        let mut records: Vec<Record> = expired.map(|number| (ledger_key(&self.prefix, number), None)).collect();
        records.push(self.state_record()?);
        Ok(records)
    }
}
