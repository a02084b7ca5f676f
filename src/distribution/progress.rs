//! What to read next, and how watermark and ledger move: decisions only, no I/O.
//!
//! A [`Progress`] is what the checkpoint holds. The caller asks [`next`](Progress::next) what to read, tells what it has published, and
//! writes the [`Record`]s that each change gives back in the *same* Kafka transaction as the alerts. After an abort it throws its
//! `Progress` away and [`load`](Progress::load)s it again, as after a crash: so there is one way back, and it is used every day.
//!
//! | lane | reads | then |
//! | --- | --- | --- |
//! | history | `[watermark, now - repair)`, row by row | the watermark moves to the window's end |
//! | live | `[last look - settle - glance, now - settle)` | what was new is listed in the ledger |
//! | sweep | `[last sweep - overlap, now - settle)` | the same |
//! | repair | `[watermark, now - overlap)` | the same, and the watermark moves to `now - repair` |
//!
//! (`now` of a lane is the time at which its look began.) Live lane and sweep look back from their *last* look, so a pause of any length is
//! made good by the next look and nothing of it counts as late. A row that becomes visible within `overlap` is found by the first sweep
//! that begins after that: its window reaches back to `overlap` before the sweep before it. Most rows are visible at once, so the live
//! lane, which goes back no more than a [`GLANCE`], finds them first; a look costs HBase what it goes back.

mod hex;
mod history;
#[cfg(test)]
mod world;

use std::collections::BTreeMap;

pub use history::{History, RangeProgress};
use serde::{Deserialize, Serialize};

use crate::ledger::{AlertId, Entry, Ledger, LedgerError};
use crate::science_db::KeyRange;
use crate::window::Window;

/// One change of the checkpoint: a key and its new value, or `None` where the key is gone.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

/// The waiting times that decide which lane is due, all in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// how often the live lane looks
    pub poll: i64,
    /// rows younger than this are left alone
    pub settle: i64,
    /// how far back a sweep goes; above `settle`
    pub overlap: i64,
    /// how late a row may become visible and still be sent; at least `overlap`
    pub repair: i64,
    /// time between two repairs
    pub repair_every: i64,
}

/// How far back a live look goes beyond `settle`, ms: the time that most writes take to become visible.
pub const GLANCE: i64 = 2_000;
/// Time between two sweeps, ms: so long at most waits a row that became visible later than a [`GLANCE`], but within `overlap`.
const SWEEP_EVERY: i64 = 5_000;

impl Pace {
    /// How far back a live look goes, ms.
    fn glance(&self) -> i64 {
        self.overlap.min(self.settle + GLANCE)
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin the history lane over this window: [`begin_history`](Progress::begin_history).
    BeginHistory(Window),
    /// Go on with the history lane.
    History,
    /// Begin a repair.
    Repair {
        /// what to look through
        window: Window,
        /// whether it closes the gap that a start or the history lane left, so that what it finds is not late
        closes_gap: bool,
    },
    /// Begin a sweep: look again for rows that became visible only now.
    Sweep(Window),
    /// Look for fresh rows.
    Live(Window),
    /// Nothing before this time, ms since 1970.
    Wait(i64),
    /// A bounded job has done all it was asked to.
    Finished,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    origin: String,
    watermark: i64,
    #[serde(default)]
    job_until: Option<i64>,
    #[serde(default)]
    history: Option<History>,
}

const VERSION: u32 = 1;

/// A checkpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProgressError {
    /// not what this program writes
    #[error("checkpoint record `{key}` cannot be read: {reason}")]
    Unreadable {
        /// the record's key
        key: String,
        /// what is wrong
        reason: String,
    },
    /// a damaged ledger
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Where a distribution stands.
#[derive(Clone, Debug)]
pub struct Progress {
    prefix: String,
    state: State,
    ledger: Ledger,
    last_look: Option<i64>,
    last_sweep: Option<i64>,
    last_repair: Option<i64>,
    sweeping: bool,
    repairing: bool,
}

impl Progress {
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
        let state = State { version: VERSION, origin: origin.to_owned(), watermark, job_until, history: None };
        Self {
            prefix: prefix.to_owned(),
            state,
            ledger: Ledger::default(),
            last_look: None,
            last_sweep: None,
            last_repair: None,
            sweeping: false,
            repairing: false,
        }
    }

    /// Reads back what stands in the checkpoint under `prefix`, or `None` where nothing does.
    ///
    /// # Errors
    /// A record is damaged, or was written by a later version.
    pub fn load(prefix: &str, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Option<Self>, ProgressError> {
        let key = state_key(prefix);
        let Some(value) = records.get(&key) else { return Ok(None) };
        let unreadable = |key: &[u8], reason: String| ProgressError::Unreadable {
            key: String::from_utf8_lossy(key).into_owned(),
            reason,
        };
        let state: State = serde_json::from_slice(value).map_err(|e| unreadable(&key, e.to_string()))?;
        if state.version != VERSION {
            let reason = format!("it has version {}, this program reads version {VERSION}", state.version);
            return Err(unreadable(&key, reason));
        }
        let mut ledger = Ledger::default();
        let segments = ledger_prefix(prefix);
        for (key, value) in records.range(segments.clone()..).take_while(|(key, _)| key.starts_with(&segments)) {
            let number = std::str::from_utf8(&key[segments.len()..])
                .ok()
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .ok_or_else(|| unreadable(key, "its number is not hexadecimal".to_owned()))?;
            ledger.restore(number, value)?;
        }
        let found = Self::new(prefix, "", 0, None);
        Ok(Some(Self { state, ledger, ..found }))
    }

    /// Everything before this time is done; ms since 1970.
    pub fn watermark(&self) -> i64 {
        self.state.watermark
    }

    /// The same ledger under a watermark that the user chose anew.
    #[must_use]
    pub fn moved_to(mut self, origin: &str, watermark: i64) -> Self {
        origin.clone_into(&mut self.state.origin);
        self.state.watermark = watermark;
        self.state.history = None;
        self
    }

    /// Whether everything up to the present was looked at once since the start: by a repair, and by a live look after it began.
    pub fn is_caught_up(&self) -> bool {
        self.state.history.is_none()
            && self.last_repair.is_some()
            && !self.repairing
            && self.last_look > self.last_repair
    }

    /// Where the user told this checkpoint to begin, in their words.
    pub fn origin(&self) -> &str {
        &self.state.origin
    }

    /// How many alerts after the watermark are listed as done.
    pub fn ledger_len(&self) -> usize {
        self.ledger.len()
    }

    /// The history lane under way, if any.
    pub fn history(&self) -> Option<&History> {
        self.state.history.as_ref()
    }

    /// Whether the row `key`, written at `timestamp`, is yet to be published by a look that finds it.
    pub fn is_new(&self, key: &[u8], timestamp: i64) -> bool {
        timestamp >= self.state.watermark && !self.ledger.contains(AlertId::new(key, timestamp))
    }

    /// What to do at `now` (ms since 1970).
    pub fn next(&self, now: i64, pace: &Pace) -> Step {
        let watermark = self.state.watermark;
        if self.state.history.is_some() {
            return Step::History;
        }
        if let Some(until) = self.state.job_until {
            return Window::new(watermark, until).map_or(Step::Finished, Step::BeginHistory);
        }
        let past = now - pace.repair;
        if !self.repairing
            && watermark < past - 2 * pace.repair_every
            && let Some(window) = Window::new(watermark, past)
        {
            return Step::BeginHistory(window);
        }
        let repair_at = self.last_repair.map_or(now, |last| last + pace.repair_every);
        if !self.repairing && repair_at <= now {
            return match Window::new(watermark, now - pace.overlap) {
                Some(window) => Step::Repair { window, closes_gap: self.last_repair.is_none() },
                None => self.live(now, pace),
            };
        }
        // The first live look goes back as far as a sweep does.
        if let Some(last) = self.last_sweep
            && !self.sweeping
            && pace.glance() < pace.overlap
            && last + SWEEP_EVERY.max(pace.poll) <= now
            && let Some(window) = Window::new((last - pace.overlap).max(self.state.watermark), now - pace.settle)
        {
            return Step::Sweep(window);
        }
        self.live(now, pace)
    }

    fn live(&self, now: i64, pace: &Pace) -> Step {
        let look_at = self.last_look.map_or(now, |last| last + pace.poll);
        let back = self.last_sweep.map_or(pace.overlap, |_| pace.glance());
        let from = self.last_look.unwrap_or(now) - back;
        match Window::new(from.max(self.state.watermark), now - pace.settle) {
            Some(window) if look_at <= now => Step::Live(window),
            _ => Step::Wait(look_at.max(now + 1)),
        }
    }

    /// Takes up the history lane over `window`, in these key ranges. Nothing is written until rows are done.
    pub fn begin_history(&mut self, window: Window, ranges: Vec<KeyRange>) {
        let ranges = ranges
            .into_iter()
            .map(|keys| RangeProgress { start: keys.start, end: keys.end, after: Vec::new(), done: false })
            .collect();
        self.state.history = Some(History { from: window.from(), until: window.until(), ranges });
    }

    /// Notes that the history lane did all rows of range `index` up to and with `after`, or (`done`) all of them.
    pub fn history_reached(&mut self, index: usize, after: Option<&[u8]>, done: bool) {
        let Some(range) = self.state.history.as_mut().and_then(|history| history.ranges.get_mut(index)) else { return };
        if let Some(after) = after {
            range.after.clear();
            range.after.extend_from_slice(after);
        }
        range.done |= done;
    }

    /// The record that says where the history lane stands; moves the watermark when every range is done.
    pub fn history_records(&mut self) -> Vec<Record> {
        let finished = self.state.history.as_ref().filter(|history| history.ranges.iter().all(RangeProgress::is_done));
        let until = finished.map(|history| history.until);
        if let Some(until) = until {
            self.state.history = None;
            self.state.watermark = until;
            self.last_look = None;
            self.last_sweep = None;
            self.last_repair = None;
        }
        self.moved()
    }

    /// Lists these alerts as done and returns the record that says so.
    pub fn published(&mut self, entries: Vec<Entry>) -> Vec<Record> {
        let number = self.ledger.add(entries);
        number.map(|number| (self.ledger_key(number), Some(self.ledger.segment_bytes(number)))).into_iter().collect()
    }

    /// Notes that a live look that began at `now` found all there was.
    pub fn looked(&mut self, now: i64) {
        self.last_look = Some(now);
        self.last_sweep.get_or_insert(now);
    }

    /// Notes that a sweep began at `now`.
    pub fn sweep_began(&mut self, now: i64) {
        self.sweeping = true;
        self.last_sweep = Some(now);
    }

    /// Notes that all that the sweep under way found is done.
    pub fn sweep_ended(&mut self) {
        self.sweeping = false;
    }

    /// Notes that a repair began at `now`.
    pub fn repair_began(&mut self, now: i64) {
        self.repairing = true;
        self.last_repair = Some(now);
        self.last_look.get_or_insert(now);
    }

    /// Notes that all that the repair begun at `began` found is done: the watermark moves to `began - repair`.
    pub fn repair_ended(&mut self, began: i64, pace: &Pace) -> Vec<Record> {
        self.repairing = false;
        if began - pace.repair <= self.state.watermark {
            return Vec::new();
        }
        self.state.watermark = began - pace.repair;
        self.moved()
    }

    /// The record of watermark and history lane, to be written before anything is published under a new checkpoint.
    pub fn state_record(&self) -> Record {
        let value = serde_json::to_vec(&self.state).unwrap_or_default();
        (state_key(&self.prefix), Some(value))
    }

    fn moved(&mut self) -> Vec<Record> {
        let mut records: Vec<Record> = self
            .ledger
            .expire(self.state.watermark)
            .into_iter()
            .map(|number| (self.ledger_key(number), None))
            .collect();
        records.push(self.state_record());
        records
    }

    fn ledger_key(&self, number: u64) -> Vec<u8> {
        let mut key = ledger_prefix(&self.prefix);
        key.extend_from_slice(format!("{number:016x}").as_bytes());
        key
    }
}

fn state_key(prefix: &str) -> Vec<u8> {
    format!("{prefix}/state").into_bytes()
}

fn ledger_prefix(prefix: &str) -> Vec<u8> {
    format!("{prefix}/ledger/").into_bytes()
}
