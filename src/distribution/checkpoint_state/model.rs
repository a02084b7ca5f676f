//! A model of everything around a [`CheckpointState`]: rows that become visible late, a system clock that is wrong for a while, a process that
//! may crash between any two of its steps, and a checkpoint partition that another producer writes to as well, whose transactions may stay open.

mod kafka;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::distribution::clock::{Clock, ClockReading};
use crate::science_db::KeyRange;
pub use kafka::MAX_RECORD_BYTES;
use kafka::{ModelKafka, PAUSED};

/// The model runs until nothing has gone wrong for so many steps, and until this time, ms.
const QUIET_STEPS: usize = 2500;
const END: i64 = 2500;

pub const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A version of a row: its key and its timestamp.
pub type Version = (u8, Timestamp);

/// A row of the table.
#[derive(Clone, Debug)]
pub struct ModelRow {
    pub key: u8,
    pub timestamp: Timestamp,
    pub visible: Timestamp,
}

/// The object that the row of this key belongs to.
pub fn object_of(key: u8) -> u8 {
    key % 7
}

/// The process, or one of its threads, has crashed.
pub struct Crash;

/// What happens at a step of the process.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub crashes: bool,
    /// how long the step takes, ms
    pub took: u8,
    /// the system clock is ahead by so many ms from here on, until it is corrected or the process crashes
    pub ahead: Option<u8>,
    /// another producer's transaction begins, and stays open for so many ms
    pub foreign: Option<u8>,
    /// the operator pauses the stream [`PAUSED`], or resumes it
    pub toggles: bool,
}

const QUIET: Event = Event { crashes: false, took: 1, ahead: None, foreign: None, toggles: false };

/// The process and its surroundings.
pub struct Model {
    pub rows: Vec<ModelRow>,
    intervals: Intervals,
    /// the true time
    pub now: Timestamp,
    ahead: Duration,
    clock: Clock,
    pub kafka: ModelKafka,
    events: Vec<Event>,
    steps: usize,
    /// rows of a page, or of a fetch
    page: usize,
    regions: Vec<KeyRange>,
    /// whether HBase pushes most rows, each one again and again, some before they are visible; live scans run in the background then
    pub pushes: bool,
    /// a pause, or the end of one, is asked for
    toggles: bool,
    /// rows that the history lane has read whole although the ledger lists them, without those of the last `overlap` before its window
    pub read_again: usize,
}

impl Model {
    pub fn new(rows: Vec<ModelRow>, intervals: Intervals, now: i64, events: Vec<Event>, page: usize) -> Self {
        let starts = (0..40u8).map(|index| if index == 0 { Vec::new() } else { vec![index] });
        let starts: Vec<Vec<u8>> = starts.collect();
        let ends = starts.iter().skip(1).cloned().chain([Vec::new()]);
        let regions = starts.iter().cloned().zip(ends).map(|(start, end)| KeyRange { start, end }).collect();
        let (now, kafka) = (at(now), ModelKafka::default());
        let clock = new_clock(now);
        Self {
            rows,
            intervals,
            now,
            ahead: Duration::ZERO,
            clock,
            kafka,
            events,
            steps: 0,
            page,
            regions,
            pushes: false,
            toggles: false,
            read_again: 0,
        }
    }

    /// Time passes, and the next event happens.
    fn step(&mut self) -> Result<(), Crash> {
        let event = self.events.get(self.steps).copied().unwrap_or(QUIET);
        self.steps += 1;
        self.now = self.now + Duration::from_millis(event.took.into());
        match event.ahead {
            Some(ahead) => self.ahead = Duration::from_millis(ahead.into()),
            None if event.took % 5 == 0 => self.ahead = Duration::ZERO,
            None => {}
        }
        self.toggles |= event.toggles;
        if let Some(lasts) = event.foreign {
            self.kafka.open_foreign_transaction(self.now + Duration::from_millis(lasts.into()));
        }
        match event.crashes {
            true => Err(Crash),
            false => Ok(()),
        }
    }

    /// The newest visible version of each row, in row order.
    fn table(&self) -> BTreeMap<u8, Timestamp> {
        let mut table = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.visible <= self.now) {
            let newest = table.entry(row.key).or_insert(row.timestamp);
            *newest = row.timestamp.max(*newest);
        }
        table
    }

    /// What HBase pushes.
    fn pushed(&self, state: &CheckpointState) -> Vec<Version> {
        let is_pushed = |row: &&ModelRow| {
            let is_synced = row.timestamp <= self.now && row.visible <= self.now + Duration::from_millis(3);
            is_synced && !row.key.is_multiple_of(3) && state.is_new(&[row.key], row.timestamp)
        };
        let pushed: BTreeSet<Version> =
            self.rows.iter().filter(is_pushed).map(|row| (row.key, row.timestamp)).collect();
        pushed.into_iter().collect()
    }

    /// The rows of `window` that are not published yet.
    fn scan(&self, window: Window, state: &CheckpointState) -> Vec<Version> {
        let is_new = |(key, timestamp): &Version| window.contains(*timestamp) && state.is_new(&[*key], *timestamp);
        self.table().into_iter().filter(is_new).collect()
    }

    /// Publishes rows in the order of their timestamps, except those that were written again meanwhile. `finish` is applied to the state
    /// that the last transaction writes.
    fn publish(
        &mut self,
        state: &mut CheckpointState,
        found: &[Version],
        finish: impl FnOnce(&mut CheckpointState),
    ) -> Result<(), Crash> {
        let mut rows = found.to_vec();
        rows.sort_by_key(|(key, timestamp)| (*timestamp, *key));
        let pages: Vec<Vec<Version>> = rows.chunks(self.page).map(<[_]>::to_vec).collect();
        let count = pages.len();
        let mut finish = Some(finish);
        for (index, page) in pages.into_iter().enumerate() {
            self.step()?;
            let table = self.table();
            let unchanged: Vec<Version> =
                page.iter().copied().filter(|(key, timestamp)| table.get(key) == Some(timestamp)).collect();
            if index + 1 == count
                && let Some(finish) = finish.take()
            {
                finish(state);
            }
            let is_done = |(key, timestamp): &&Version| table.get(key).is_some_and(|newest| newest >= timestamp);
            let done = page.iter().filter(is_done);
            let entries: Vec<LedgerEntry> =
                done.map(|(key, timestamp)| LedgerEntry::new(&[*key], *timestamp)).collect();
            let records = state.record_published(&entries).expect("records");
            self.step()?;
            self.kafka.commit(&unchanged, records, false, state.missed());
            self.step()?;
        }
        if let Some(finish) = finish {
            finish(state);
        }
        Ok(())
    }

    /// Publishes some of the rows that a background scan has found.
    fn publish_some(&mut self, state: &mut CheckpointState, found: &mut Vec<Version>) -> Result<(), Crash> {
        let some = found.drain(..found.len().min(3));
        let new: Vec<_> = some.filter(|(key, timestamp)| state.is_new(&[*key], *timestamp)).collect();
        self.publish(state, &new, |_| ())
    }

    fn history(&mut self, state: &mut CheckpointState) -> Result<(), Crash> {
        let Some(history) = state.history().cloned() else { return Ok(()) };
        let window = history.window().alerts();
        for (number, range) in history.ranges().filter(|(_, range)| !range.is_done()) {
            let mut after = range.after().map(|key| key[0]);
            let keys = range.keys();
            loop {
                let page: Vec<u8> = self
                    .table()
                    .into_keys()
                    .filter(|key| [*key][..] >= keys.start[..] && (keys.end.is_empty() || [*key][..] < keys.end[..]))
                    .filter(|key| after.is_none_or(|after| *key > after))
                    .take(self.page)
                    .collect();
                // Most ranges are empty, and are recorded in the same transaction as others.
                if page.is_empty() {
                    state.advance_history(number, None, true).expect("a range");
                    break;
                }
                self.step()?;
                let found: Vec<Version> =
                    self.scan(window, state).into_iter().filter(|(key, _)| page.contains(key)).collect();
                let is_listed = |(key, timestamp): &Version| {
                    *timestamp >= window.from() + self.intervals.overlap
                        && window.contains(*timestamp)
                        && state.ledger().contains(LedgerEntry::new(&[*key], *timestamp))
                };
                self.read_again +=
                    self.table().into_iter().filter(|row| page.contains(&row.0) && is_listed(row)).count();
                after = page.last().copied();
                state.advance_history(number, after.as_ref().map(std::slice::from_ref), false).expect("a range");
                let entries: Vec<LedgerEntry> =
                    found.iter().map(|(key, timestamp)| LedgerEntry::new(&[*key], *timestamp)).collect();
                let records = state.history_records(&entries).expect("records");
                self.step()?;
                self.kafka.commit(&found, records, true, state.missed());
                self.step()?;
            }
        }
        let records = state.history_records(&[]).expect("records");
        self.kafka.commit(&[], records, true, state.missed());
        self.step()
    }

    /// Pauses the stream or resumes it, where that is asked for. In the end it is resumed.
    fn toggle(&mut self, state: &mut CheckpointState) -> Result<(), Crash> {
        let is_paused = state.missed().of(PAUSED).is_some_and(|missed| missed.paused_at().is_some());
        let is_last = self.steps >= self.events.len();
        if state.history().is_some() || !(std::mem::take(&mut self.toggles) && !is_last || is_last && is_paused) {
            return Ok(());
        }
        let records = match is_paused {
            true => state.resume(PAUSED),
            false => state.pause(PAUSED, self.now),
        };
        let records = records.expect("records").expect("a change");
        self.step()?;
        self.kafka.commit(&[], records, false, state.missed());
        self.step()
    }

    /// Publishes the next page of what the stream has missed.
    fn publish_missed(&mut self, state: &mut CheckpointState, now: ClockReading) -> Result<(), Crash> {
        let Some((name, window)) = state.next_missed(now, &self.intervals, |_| true) else { return Ok(()) };
        let name = name.to_owned();
        let regions = self.regions.clone();
        state.missed_mut().start_scan(&name, window, &regions);
        let scan = state.missed().scan(&name).expect("a scan").clone();
        let mut found = Vec::new();
        for (number, range) in scan.ranges().filter(|(_, range)| !range.is_done()) {
            let (keys, after) = (range.keys(), range.after().map(|key| key[0]));
            let is_in_range =
                |key: u8| [key][..] >= keys.start[..] && (keys.end.is_empty() || [key][..] < keys.end[..]);
            let rows = self.table().into_iter();
            let rows = rows.filter(|(key, _)| is_in_range(*key) && after.is_none_or(|after| *key > after));
            let page: Vec<Version> = rows.take(self.page).collect();
            let after = page.last().map(|(key, _)| *key);
            state
                .missed_mut()
                .advance(&name, number, after.as_ref().map(std::slice::from_ref), page.is_empty())
                .expect("a range");
            found.extend(page.into_iter().filter(|(_, timestamp)| window.contains(*timestamp)));
            if found.len() >= self.page {
                break;
            }
        }
        let records = state.missed_records(&name).expect("records");
        self.step()?;
        self.kafka.commit_missed(&found, records);
        self.step()
    }

    /// Whether all events are over, and a quiet time that is long enough to recover from them.
    pub fn is_over(&self) -> bool {
        self.steps >= self.events.len() + QUIET_STEPS && self.now >= at(END)
    }

    /// Runs a process from its start until it crashes, or the model is over. Returns whether the job is finished.
    pub fn run(&mut self, job: Option<Window>) -> Result<bool, Crash> {
        // A process that starts while the clock is wrong ends with an error, which is not part of the model.
        self.ahead = Duration::ZERO;
        self.clock = new_clock(self.now);
        let (records, now) = self.kafka.read(self.now);
        self.now = now;
        let found = CheckpointState::load("p", &records).expect("a readable checkpoint");
        let mut state = found.unwrap_or_else(|| match job {
            None => CheckpointState::service("p", "earliest", at(0)),
            Some(window) => CheckpointState::job("p", window),
        });
        self.step()?;
        let records = state.records().expect("records");
        self.kafka.commit(&[], records, false, state.missed());
        let mut repair: Option<Vec<Version>> = None;
        let mut sweep: Option<Vec<Version>> = None;
        let mut live: Option<Vec<Version>> = None;
        while !self.is_over() {
            self.step()?;
            self.toggle(&mut state)?;
            let intervals = self.intervals;
            let monotonic = self.now.since(Timestamp::EPOCH);
            let now = self.clock.read(self.now + self.ahead, monotonic);
            match state.next_action(now, &intervals) {
                Action::StartHistory(window) => {
                    let regions = self.regions.clone();
                    state.start_history(window, &regions);
                }
                Action::History => self.history(&mut state)?,
                Action::CatchUp(slice) => {
                    let found = self.scan(slice.window, &state);
                    self.publish(&mut state, &found, |state| state.finish_slice(slice, now.steady))?;
                }
                Action::Repair(window) => {
                    state.start_repair(window, now.steady, &intervals);
                    self.step()?;
                    repair = Some(self.scan(window, &state));
                }
                Action::Sweep(window) => {
                    state.start_sweep(now.steady);
                    self.step()?;
                    sweep = Some(self.scan(window, &state));
                }
                Action::Live(window) if self.pushes => {
                    state.start_background_live_scan(now.steady);
                    self.step()?;
                    live = Some(self.scan(window, &state));
                }
                Action::Live(window) => {
                    let found = self.scan(window, &state);
                    self.publish(&mut state, &found, |state| state.finish_live_scan(now.steady))?;
                }
                Action::Wait(until) => {
                    self.now = self.now + until.since(now.steady).max(Duration::from_millis(1));
                }
                Action::Finished => return Ok(true),
            }
            if self.pushes && state.is_live(now, &intervals) {
                let pushed = self.pushed(&state);
                self.publish(&mut state, &pushed, |_| ())?;
                if let Some(mut found) = live.take() {
                    found.retain(|(key, timestamp)| state.is_new(&[*key], *timestamp));
                    self.publish(&mut state, &found, CheckpointState::finish_background_live_scan)?;
                }
            }
            if state.is_live(now, &intervals) {
                self.publish_missed(&mut state, now)?;
            }
            if let Some(mut found) = sweep.take() {
                self.publish_some(&mut state, &mut found)?;
                match found.is_empty() {
                    true => state.finish_sweep(),
                    false => sweep = Some(found),
                }
            }
            if let Some(mut found) = repair.take() {
                self.publish_some(&mut state, &mut found)?;
                if found.is_empty() {
                    let records = state.finish_repair(&intervals).expect("records");
                    self.kafka.commit(&[], records, false, state.missed());
                    self.step()?;
                } else {
                    repair = Some(found);
                }
            }
        }
        Ok(false)
    }

    /// What the checkpoint holds in the end.
    pub fn checkpoint(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.kafka.read(self.now).0
    }
}

fn new_clock(now: Timestamp) -> Clock {
    Clock::new(now, now.since(Timestamp::EPOCH))
}
