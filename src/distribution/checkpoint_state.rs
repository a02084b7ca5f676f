//! What the checkpoint holds, and what to read next: decisions only, no I/O.
//!
//! The caller asks a [`CheckpointState`] for the [`next_action`](CheckpointState::next_action), tells it what was published, and writes the
//! [`Record`]s that each change returns in the *same* Kafka transaction as the alerts. After an abort it drops the state and
//! [`load`](CheckpointState::load)s it again, as after a crash: recovery has one path, and every start takes it.
//!
//! | lane | reads | when it is done |
//! | --- | --- | --- |
//! | history | `[watermark, now - overlap)`, in row order | the watermark moves to `now - repair`, and the ledger lists the rows written since |
//! | catch-up | from `overlap` before the last live scan of the previous run, or from where the history lane ended, to the present; a minute at a time | the ledger lists the rows, and the live lane starts |
//! | live | `[last live scan - settle - 2 s, now - settle)` | the ledger lists the new rows |
//! | sweep | `[last sweep - overlap, last live scan - settle)` | the same |
//! | repair | `[watermark, now - overlap)`, and no later than the last live scan | the same, and the watermark moves to `now - repair`, but not beyond the window |
//!
//! (`now` is the time at which the scan of a lane began.) The live lane and the sweep read back from their *last* scan. So the next scan makes up for
//! a pause of any length, and none of its rows count as late. A row that becomes visible within `overlap` is found by the first sweep that begins after
//! that: its window reaches back to `overlap` before the sweep before it. Most rows are visible at once, so the live lane, which reads back
//! [only 2 s](action::LIVE_LOOKBACK), finds them first: what a scan costs HBase grows with how far back it reads.
//!
//! Every start begins with the catch-up. Nothing newer is published meanwhile, so the alerts of an object keep their order. Rows that were visible
//! before the last live scan of the previous run are on its topics already, except for rows that became visible late: the repair finds those.
//!
//! A service that cannot keep up falls behind: its catch-up takes longer than a minute for each minute, and its watermark gets old. What the ledger lists
//! is not read whole again then: a repair of `[watermark, now - repair)`, but not beyond where the catch-up continues, moves the watermark beside the
//! catch-up. Only where the catch-up is as far behind, the history lane takes its place.
//!
//! A change that would move the watermark or a key range backwards is refused with an error, and leaves the state as it is.

mod action;
pub(crate) mod hex;
mod history_scan;
mod lanes;
mod missed;
#[cfg(test)]
mod model;
mod paused_streams;
mod records;
mod schedule;
mod state_record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use action::{Action, CatchUpSlice, HistoryWindow, Intervals};
pub(crate) use history_scan::HistoryScan;
pub(crate) use missed::{Missed, MissedByStream, MissedRange};
pub use records::CheckpointStateError;
use records::to_json;
pub(crate) use records::{Record, numbered};
use state_record::{HistoryScanRecord, StateRecord, load_history, load_ledger, load_state, state_key};
pub(crate) use state_record::{is_job_finished, moved_record, moved_to_name};

use crate::ledger::{Ledger, LedgerEntry};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// How far a distribution has come.
#[derive(Clone, Debug)]
pub struct CheckpointState {
    prefix: String,
    origin: String,
    watermark: Timestamp,
    job_until: Option<Timestamp>,
    history: Option<HistoryScan>,
    ledger: Ledger,
    /// what streams miss that are paused, or were
    missed: Missed,
    /// when the last live scan began whose rows are all published
    live_scanned_at: Option<Timestamp>,
    /// when the live scan began that runs in the background
    live_scan: Option<Timestamp>,
    catch_up: CatchUp,
    last_sweep: Option<Timestamp>,
    last_repair: Option<Timestamp>,
    is_sweeping: bool,
    /// the repair under way
    repair: Option<Repair>,
}

/// How far the catch-up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CatchUp {
    Due,
    At {
        /// when its first scan began; `None`: it has not begun
        started: Option<Timestamp>,
        /// where the next slice begins
        from: Timestamp,
    },
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Repair {
    started: Timestamp,
    window: Window,
}

impl CheckpointState {
    /// A service with the checkpoint name `prefix` that begins at `watermark`. `origin` is the start that the user asked for, in the user's
    /// words.
    pub fn service(prefix: &str, origin: &str, watermark: Timestamp) -> Self {
        Self::new(prefix, origin, watermark, None)
    }

    /// A job with the checkpoint name `prefix` that publishes `window` and ends.
    pub(crate) fn job(prefix: &str, window: Window) -> Self {
        Self::new(prefix, "job", window.from(), Some(window.until()))
    }

    fn new(prefix: &str, origin: &str, watermark: Timestamp, job_until: Option<Timestamp>) -> Self {
        Self {
            prefix: prefix.to_owned(),
            origin: origin.to_owned(),
            watermark,
            job_until,
            history: None,
            ledger: Ledger::default(),
            missed: Missed::new(prefix),
            live_scanned_at: None,
            live_scan: None,
            catch_up: CatchUp::Due,
            last_sweep: None,
            last_repair: None,
            is_sweeping: false,
            repair: None,
        }
    }

    /// Reads the state from the checkpoint's records under `prefix`; `None` where there are none.
    ///
    /// # Errors
    /// A record is damaged, or a later version wrote it; the state record is missing while others exist; or the checkpoint was moved.
    pub(crate) fn load(
        prefix: &str,
        records: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Option<Self>, CheckpointStateError> {
        let ledger = load_ledger(prefix, records)?;
        let missed = Missed::load(prefix, records)?;
        let Some(state) = load_state(prefix, records)? else {
            if let Some(to) = moved_to_name(prefix, records) {
                return Err(CheckpointStateError::Moved { prefix: prefix.to_owned(), to });
            }
            return match ledger.is_empty() && missed.is_empty() {
                true => Ok(None),
                false => Err(CheckpointStateError::NoState { prefix: prefix.to_owned() }),
            };
        };
        let history = state.history.map(|history| load_history(prefix, records, history)).transpose()?;
        let new = Self::new(prefix, &state.origin, state.watermark, state.job_until);
        Ok(Some(Self { history, ledger, missed, live_scanned_at: state.live_scanned_at, ..new }))
    }

    /// This state with the ledger and the paused streams of the checkpoint's records: what the ledger lists is not sent again, wherever the user
    /// begins.
    ///
    /// # Errors
    /// A record is damaged.
    pub(crate) fn with_ledger(self, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Self, CheckpointStateError> {
        let ledger = load_ledger(&self.prefix, records)?;
        Ok(Self { ledger, missed: Missed::load(&self.prefix, records)?, ..self })
    }

    /// Everything written before this time is done.
    pub(crate) fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The same ledger under a watermark that the user chose, and the records that delete an unfinished history lane.
    #[must_use]
    pub(crate) fn moved_to(self, origin: &str, watermark: Timestamp) -> (Self, Vec<Record>) {
        let deletions = self.history.map(|history| history.into_deletions(&self.prefix)).unwrap_or_default();
        let moved = Self { origin: origin.to_owned(), watermark, history: None, live_scanned_at: None, ..self };
        (moved, deletions)
    }

    /// Whether everything up to the present was read once since the start: by a repair, and by a live scan after it began.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.history.is_none()
            && self.catch_up == CatchUp::Done
            && self.last_repair.is_some()
            && self.repair.is_none()
            && self.live_scanned_at > self.last_repair
    }

    /// The start that the user asked for when this checkpoint was new, in the user's words.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is of a bounded job.
    pub(crate) fn is_job(&self) -> bool {
        self.job_until.is_some()
    }

    /// The time before which everything that was visible is published, except rows that a sweep or a repair has found since: the start of the last
    /// scan of the live lane or of the catch-up whose rows are all published. `settle` is that of the intervals. The lag is now minus this time.
    pub(crate) fn published_until(&self, settle: Duration) -> Timestamp {
        let scanned = self.live_scanned_at.map_or(self.watermark, |scanned| scanned - settle);
        let caught_up = match self.catch_up {
            CatchUp::At { from, .. } => from,
            CatchUp::Due | CatchUp::Done => self.watermark,
        };
        scanned.max(caught_up).max(self.watermark)
    }

    /// What is done although it was written after the watermark.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What streams miss that are paused, or were.
    pub(crate) fn missed(&self) -> &Missed {
        &self.missed
    }

    /// The history lane under way, if any.
    pub(crate) fn history(&self) -> Option<&HistoryScan> {
        self.history.as_ref()
    }

    /// Whether a scan that finds the row `key`, written at `timestamp`, has to publish it.
    pub(crate) fn is_new(&self, key: &[u8], timestamp: Timestamp) -> bool {
        timestamp >= self.watermark && !self.ledger.contains(LedgerEntry::new(key, timestamp))
    }

    /// All records of this state, to be written when the distribution begins; this also converts the records of earlier versions.
    ///
    /// # Errors
    /// A record cannot be written as JSON.
    pub(crate) fn records(&mut self) -> Result<Vec<Record>, CheckpointStateError> {
        let mut records = match &mut self.history {
            Some(history) => history.take_records(&self.prefix)?,
            None => Vec::new(),
        };
        records.push(self.state_record()?);
        Ok(records)
    }

    /// The record `<prefix>/state`.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn state_record(&self) -> Result<Record, CheckpointStateError> {
        let history = self.history.as_ref().map(|history| HistoryScanRecord::new(history.window()));
        // A restart continues a catch-up where it is. Before its first slice is done, this is still the last live scan of the previous run.
        let live_scanned_at = match self.catch_up {
            CatchUp::At { from, .. } => self.live_scanned_at.max(Some(from)),
            CatchUp::Due | CatchUp::Done => self.live_scanned_at,
        };
        let state = StateRecord {
            version: state_record::version(!self.missed.is_empty()),
            origin: self.origin.clone(),
            watermark: self.watermark,
            job_until: self.job_until,
            live_scanned_at,
            history,
        };
        let key = state_key(&self.prefix);
        let value = to_json(&key, &state)?;
        Ok((key, Some(value)))
    }
}
