//! What to read next, and how watermark and ledger move: decisions only, no I/O.
//!
//! A [`CheckpointState`] is what the checkpoint holds. The caller asks [`next`](CheckpointState::next) what to read, tells what it has published, and
//! writes the [`Record`]s that each change gives back in the *same* Kafka transaction as the alerts. After an abort it drops its
//! `CheckpointState` and [`load`](CheckpointState::load)s it again, as after a crash: so there is one way back, and it is used every day.
//!
//! | lane | reads | then |
//! | --- | --- | --- |
//! | history | `[watermark, now - repair)`, row by row | the watermark moves to the window's end |
//! | catch-up | from the last look of the process before, less `overlap`, or from the watermark, to the present; in slices of a minute | the ledger lists it, and the live lane begins |
//! | live | `[last look - settle - live_lookback, now - settle)` | what was new is listed in the ledger |
//! | sweep | `[last sweep - overlap, last look - settle)` | the same |
//! | repair | `[watermark, now - overlap)`, and no later than the last look | the same, and the watermark moves to `now - repair`, no further than the window |
//!
//! (`now` of a lane is the time at which its look began.) Live lane and sweep look back from their *last* look, so a pause of any length is
//! made good by the next look and nothing of it counts as late. A row that becomes visible within `overlap` is found by the first sweep
//! that begins after that: its window reaches back to `overlap` before the sweep before it. Most rows are visible at once, so the live
//! lane, which goes back no more than a [`LIVE_LOOKBACK_MS`], finds them first; a look costs HBase what it goes back.
//!
//! The catch-up comes first after every start: while it runs nothing newer goes out, so the alerts of an object keep their order. What was
//! visible before the last look of the former process is on its topics already, except for rows that became visible late: these are the
//! repair's.

mod action;
mod hex;
mod history_scan;
#[cfg(test)]
mod model_tests;
mod records;

use std::collections::BTreeMap;

pub use action::{Action, CatchUpSlice, Intervals, LIVE_LOOKBACK_MS};
pub use history_scan::{HistoryScan, RangeProgress};
pub use records::{CheckpointStateError, Record, is_job_finished, numbered};
use records::{HistoryScanRecord, StateRecord, VERSION, ledger_key, load_history, load_ledger, state_key, unreadable};

use action::{CATCH_UP_SLICE_MS, SWEEP_INTERVAL_MS};

use super::clock::ClockReading;
use crate::ledger::{Ledger, LedgerEntry};
use crate::science_db::KeyRange;
use crate::window::Window;

/// Where a distribution stands.
#[derive(Clone, Debug)]
pub struct CheckpointState {
    prefix: String,
    origin: String,
    watermark: i64,
    job_until: Option<i64>,
    history: Option<HistoryScan>,
    ledger: Ledger,
    /// when the last look began of whose finds all are published
    looked: Option<i64>,
    catch_up: CatchUp,
    last_sweep: Option<i64>,
    last_repair: Option<i64>,
    sweeping: bool,
    /// the end of the repair under way, ms since 1970
    repairing: Option<i64>,
}

/// How far the catch-up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CatchUp {
    Due,
    At {
        /// when its first look began
        began: i64,
        /// where the next slice begins
        from: i64,
    },
    Done,
}

impl CheckpointState {
    /// A service named `prefix` in the checkpoint, that begins at `watermark` (ms since 1970). `origin` says in the user's words where
    /// it was told to begin.
    pub fn service(prefix: &str, origin: &str, watermark: i64) -> Self {
        Self::new(prefix, origin, watermark, None)
    }

    /// A job named `prefix` in the checkpoint that publishes `window` and ends.
    pub fn job(prefix: &str, window: Window) -> Self {
        Self::new(prefix, "job", window.from(), Some(window.until()))
    }

    fn new(prefix: &str, origin: &str, watermark: i64, job_until: Option<i64>) -> Self {
        Self {
            prefix: prefix.to_owned(),
            origin: origin.to_owned(),
            watermark,
            job_until,
            history: None,
            ledger: Ledger::default(),
            looked: None,
            catch_up: CatchUp::Due,
            last_sweep: None,
            last_repair: None,
            sweeping: false,
            repairing: None,
        }
    }

    /// Reads back what stands in the checkpoint under `prefix`, or `None` where nothing does.
    ///
    /// # Errors
    /// A record is damaged, or was written by a later version; or the state is gone while other records are left.
    pub fn load(prefix: &str, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Option<Self>, CheckpointStateError> {
        let key = state_key(prefix);
        let ledger = load_ledger(prefix, records)?;
        let Some(value) = records.get(&key) else {
            return match ledger.is_empty() {
                true => Ok(None),
                false => Err(CheckpointStateError::NoState { prefix: prefix.to_owned() }),
            };
        };
        let state: StateRecord = serde_json::from_slice(value).map_err(|error| unreadable(&key, error.to_string()))?;
        if !(1..=VERSION).contains(&state.version) {
            let reason = format!("it has version {}, this program reads versions 1 to {VERSION}", state.version);
            return Err(unreadable(&key, reason));
        }
        let history = match state.history {
            None => None,
            Some(HistoryScanRecord { from, until, ranges }) => {
                let window = Window::new(from, until)
                    .ok_or_else(|| unreadable(&key, format!("its history lane reads from {from} until {until}")))?;
                Some(load_history(prefix, records, window, ranges)?)
            }
        };
        let new = Self::new(prefix, &state.origin, state.watermark, state.job_until);
        Ok(Some(Self { history, ledger, looked: state.looked, ..new }))
    }

    /// This progress with the ledger that stands in the checkpoint: what it lists is not sent again wherever the user begins.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn with_ledger(self, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Self, CheckpointStateError> {
        Ok(Self { ledger: load_ledger(&self.prefix, records)?, ..self })
    }

    /// Everything before this time is done; ms since 1970.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// The same ledger under a watermark that the user chose anew; the records of a history lane under way are to be deleted.
    #[must_use]
    pub fn moved_to(self, origin: &str, watermark: i64) -> (Self, Vec<Record>) {
        let deletions = self.history.map(|history| history.into_deletions(&self.prefix)).unwrap_or_default();
        let moved = Self { origin: origin.to_owned(), watermark, history: None, looked: None, ..self };
        (moved, deletions)
    }

    /// Whether everything up to the present was looked at once since the start: by a repair, and by a live look after it began.
    pub fn is_caught_up(&self) -> bool {
        self.history.is_none()
            && self.catch_up == CatchUp::Done
            && self.last_repair.is_some()
            && self.repairing.is_none()
            && self.looked > self.last_repair
    }

    /// Where the user told this checkpoint to begin, in their words.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What is listed as done after the watermark.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The history lane under way, if any.
    pub fn history(&self) -> Option<&HistoryScan> {
        self.history.as_ref()
    }

    /// Whether the row `key`, written at `timestamp`, is yet to be published by a look that finds it.
    pub fn is_new(&self, key: &[u8], timestamp: i64) -> bool {
        timestamp >= self.watermark && !self.ledger.contains(LedgerEntry::new(key, timestamp))
    }

    /// What to do at `now`.
    pub fn next(&self, now: ClockReading, intervals: &Intervals) -> Action {
        if let Some(history) = &self.history {
            return match history.is_split() {
                true => Action::History,
                false => Action::BeginHistory(history.window()),
            };
        }
        if let Some(until) = self.job_until {
            return Window::new(self.watermark, until).map_or(Action::Finished, Action::BeginHistory);
        }
        let past = now.steady - intervals.repair;
        if self.repairing.is_none()
            && self.watermark < past - 2 * intervals.repair_every
            && let Some(window) = Window::new(self.watermark, past)
        {
            return Action::BeginHistory(window);
        }
        // A pause of the running process leaves a gap as a stop does.
        if self.catch_up != CatchUp::Done || self.looked.is_some_and(|looked| now.steady - looked > CATCH_UP_SLICE_MS) {
            return self.next_slice(now, intervals);
        }
        // What came after the last look is the live lane's, in the order of its timestamps.
        let seen = self.looked.unwrap_or(now.steady).min(now.steady) - intervals.settle;
        // A live look comes between two repairs, however long they take.
        if self.repairing.is_none()
            && self.looked > self.last_repair
            && due(self.last_repair, intervals.repair_every, now) <= now.steady
            && let Some(window) = Window::new(self.watermark, seen.min(now.wall - intervals.overlap))
        {
            return Action::Repair(window);
        }
        if !self.sweeping
            && intervals.live_lookback() < intervals.overlap
            && due(self.last_sweep, SWEEP_INTERVAL_MS.max(intervals.poll), now) <= now.steady
            && let Some(window) = self.back(self.last_sweep, intervals.overlap, now, seen)
        {
            return Action::Sweep(window);
        }
        let look_at = due(self.looked, intervals.poll, now);
        match self.back(self.looked, intervals.live_lookback(), now, now.wall - intervals.settle) {
            Some(window) if look_at <= now.steady => Action::Live(window),
            _ => Action::Wait(look_at.max(now.steady + 1)),
        }
    }

    /// The window from `back` ms before the `last` look to `until`.
    fn back(&self, last: Option<i64>, back: i64, now: ClockReading, until: i64) -> Option<Window> {
        let from = last.unwrap_or(now.steady).min(now.steady) - back;
        Window::new(from.max(self.watermark), until)
    }

    fn next_slice(&self, now: ClockReading, intervals: &Intervals) -> Action {
        let from = match (self.catch_up, self.looked) {
            (CatchUp::At { from, .. }, _) => from,
            (CatchUp::Due, Some(looked)) => looked.min(now.steady) - intervals.overlap,
            (CatchUp::Done, Some(looked)) => looked.min(now.steady) - intervals.live_lookback(),
            (_, None) => self.watermark,
        };
        let from = from.max(self.watermark);
        let until = now.wall - intervals.settle;
        match Window::new(from, until.min(from.saturating_add(CATCH_UP_SLICE_MS))) {
            Some(window) => Action::CatchUp(CatchUpSlice { window, is_last: window.until() == until }),
            None => Action::Wait(now.steady + (from + intervals.settle - now.wall).clamp(0, intervals.poll) + 1),
        }
    }

    /// Takes up the history lane over `window`, in the key ranges of these regions, which cover all keys in ascending order. After a
    /// restart the ranges that have a record stay as they are.
    pub fn start_history(&mut self, window: Window, regions: &[KeyRange]) {
        self.history.get_or_insert_with(|| HistoryScan::new(window)).split(regions);
    }

    /// Notes that the history lane did all rows of range `number` up to and with `after`, or (`done`) all of them.
    ///
    /// # Errors
    /// There is no such range.
    pub fn advance_history(
        &mut self,
        number: u32,
        after: Option<&[u8]>,
        done: bool,
    ) -> Result<(), CheckpointStateError> {
        self.history.as_mut().ok_or(CheckpointStateError::NoHistory)?.reached(number, after, done)
    }

    /// The records that say where the history lane stands; moves the watermark when every range is done.
    ///
    /// # Errors
    /// The history lane is not at work, or the watermark would move backwards.
    pub fn history_records(&mut self) -> Result<Vec<Record>, CheckpointStateError> {
        let mut history = self.history.take().ok_or(CheckpointStateError::NoHistory)?;
        if !history.is_finished() {
            let mut records = history.take_records(&self.prefix)?;
            self.history = Some(history);
            records.push(self.state_record()?);
            return Ok(records);
        }
        let window = history.window();
        let mut records = history.into_deletions(&self.prefix);
        self.looked = None;
        // A catch-up that was overtaken goes on where it was.
        self.catch_up = match self.catch_up {
            CatchUp::At { began, from } => CatchUp::At { began, from: from.max(window.until()) },
            CatchUp::Due | CatchUp::Done => CatchUp::Due,
        };
        self.last_sweep = None;
        self.last_repair = None;
        records.extend(self.advance_watermark(window.until())?);
        Ok(records)
    }

    /// Lists these alerts as done; returns the records that say so.
    ///
    /// # Errors
    /// None but a record that cannot be written.
    pub fn published(&mut self, entries: &[LedgerEntry]) -> Result<Vec<Record>, CheckpointStateError> {
        let segments = self.ledger.add(entries);
        if segments.is_empty() {
            return Ok(Vec::new());
        }
        let segments = segments.into_iter().map(|(number, bytes)| (ledger_key(&self.prefix, number), Some(bytes)));
        let mut records: Vec<Record> = segments.collect();
        records.push(self.state_record()?);
        Ok(records)
    }

    /// Notes that all that this slice of the catch-up held is done; `began`: when its look began, on the steady clock.
    pub fn caught_up_to(&mut self, slice: CatchUpSlice, began: i64) {
        let first = match self.catch_up {
            CatchUp::At { began, .. } => began,
            CatchUp::Due | CatchUp::Done => began,
        };
        if slice.is_last {
            self.catch_up = CatchUp::Done;
            self.looked = Some(began);
            // What became visible meanwhile in the earlier slices is the next sweep's.
            self.last_sweep = Some(self.last_sweep.map_or(first, |last| last.min(first)));
        } else {
            self.catch_up = CatchUp::At { began: first, from: slice.window.until() };
        }
    }

    /// Notes that a live look that began at `now`, on the steady clock, found all there was and that all of it is done.
    pub fn looked(&mut self, now: i64) {
        self.looked = Some(now);
    }

    /// Notes that a sweep began at `now`, on the steady clock.
    pub fn sweep_started(&mut self, now: i64) {
        self.sweeping = true;
        self.last_sweep = Some(now);
    }

    /// Notes that all that the sweep under way found is done.
    pub fn sweep_ended(&mut self) {
        self.sweeping = false;
    }

    /// Notes that a repair of `window` began at `now`, on the steady clock.
    pub fn repair_started(&mut self, window: Window, now: i64) {
        self.repairing = Some(window.until());
        self.last_repair = Some(now);
    }

    /// Notes that all that the repair begun at `began` (on the steady clock) found is done: the watermark moves to `began - repair`, but no
    /// further than the repair has looked.
    ///
    /// # Errors
    /// None but a record that cannot be written.
    pub fn repair_ended(&mut self, began: i64, intervals: &Intervals) -> Result<Vec<Record>, CheckpointStateError> {
        let looked_until = self.repairing.take().unwrap_or(self.watermark);
        match (began - intervals.repair).min(looked_until) {
            to if to <= self.watermark => Ok(Vec::new()),
            to => self.advance_watermark(to),
        }
    }

    /// The records that say where the distribution stands, to be written when it begins. Those of a former version are brought up to date.
    ///
    /// # Errors
    /// One cannot be written as JSON.
    pub fn records(&mut self) -> Result<Vec<Record>, CheckpointStateError> {
        let mut records = match &mut self.history {
            Some(history) => history.take_records(&self.prefix)?,
            None => Vec::new(),
        };
        records.push(self.state_record()?);
        Ok(records)
    }

    /// The record of watermark and origin, to be written before anything is published under a new checkpoint.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn state_record(&self) -> Result<Record, CheckpointStateError> {
        let history = self.history.as_ref().map(|history| {
            let (from, until) = (history.window().from(), history.window().until());
            HistoryScanRecord { from, until, ranges: Vec::new() }
        });
        let state = StateRecord {
            version: VERSION,
            origin: self.origin.clone(),
            watermark: self.watermark,
            job_until: self.job_until,
            // Before the catch-up is over, it still tells of the process before.
            looked: self.looked,
            history,
        };
        let value = serde_json::to_vec(&state).map_err(CheckpointStateError::Unwritable)?;
        Ok((state_key(&self.prefix), Some(value)))
    }

    fn advance_watermark(&mut self, to: i64) -> Result<Vec<Record>, CheckpointStateError> {
        if to < self.watermark {
            return Err(CheckpointStateError::Backwards { watermark: self.watermark, to });
        }
        self.watermark = to;
        let expired = self.ledger.expire(to).into_iter();
        let mut records: Vec<Record> = expired.map(|number| (ledger_key(&self.prefix, number), None)).collect();
        records.push(self.state_record()?);
        Ok(records)
    }
}

/// When what was last done at `last` is to be done again. A clock that was set back must not make it wait for the time it has lost.
fn due(last: Option<i64>, every: i64, now: ClockReading) -> i64 {
    last.map_or(now.steady, |last| if last > now.steady { now.steady } else { last + every })
}
