//! A small world to try [`CheckpointState`] in: rows that become visible late, a clock that is wrong for a while, a process that may die between
//! any two of its steps, and a checkpoint partition that another producer writes to as well, whose transactions may stay open. Whatever
//! happens, each alert must have been committed once, and those of an object that were visible in time in the order of their timestamps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::distribution::clock::Clock;
use crate::kafka::Message;
use crate::kafka::checkpoint::Restore;

const PACE: Intervals = Intervals { poll: 5, settle: 0, overlap: 30, repair: 200, repair_every: 40 };

/// No record may be larger, however many alerts and key ranges there are.
const MAX_RECORD: usize = 1 << 10;

#[derive(Clone, Debug)]
struct WorldRow {
    key: u8,
    timestamp: i64,
    visible: i64,
}

impl WorldRow {
    fn object_of(key: u8) -> u8 {
        key % 7
    }
}

/// One record of the checkpoint's partition.
struct Entered {
    record: Record,
    /// when another producer's transaction, of which it is a part, is given up; `None`: it is committed
    open_until: Option<i64>,
}

/// The Kafka side.
#[derive(Default)]
struct Topic {
    /// what readers see, and whether the history lane sent it
    alerts: Vec<((u8, i64), bool)>,
    checkpoint: Vec<Entered>,
}

impl Topic {
    fn commit(&mut self, alerts: &[(u8, i64)], records: Vec<Record>, by_history: bool) {
        self.alerts.extend(alerts.iter().map(|alert| (*alert, by_history)));
        for record in records {
            let size = record.0.len() + record.1.as_ref().map_or(0, Vec::len);
            assert!(size <= MAX_RECORD, "a record of {size} bytes");
            self.checkpoint.push(Entered { record, open_until: None });
        }
    }

    /// Another producer begins a transaction here, and dies: the brokers give it up at `until`.
    fn open_foreign(&mut self, until: i64) {
        let record = (b"other/state".to_vec(), Some(Vec::new()));
        self.checkpoint.push(Entered { record, open_until: Some(until) });
    }

    fn last_stable(&self, now: i64) -> usize {
        let open = |entered: &Entered| entered.open_until.is_some_and(|until| until > now);
        self.checkpoint.iter().position(open).unwrap_or(self.checkpoint.len())
    }

    /// Reads the checkpoint at `now`; waits while it has to, and tells until when.
    fn read(&self, mut now: i64) -> (BTreeMap<Vec<u8>, Vec<u8>>, i64) {
        let mut restore = Restore::new([(0, self.checkpoint.len() as i64)]);
        let mut at = 0;
        loop {
            let end = self.last_stable(now);
            for (offset, entered) in self.checkpoint.iter().enumerate().take(end).skip(at) {
                if entered.open_until.is_none() {
                    restore.add(message(offset, &entered.record)).expect("a record");
                }
            }
            at = end;
            restore.reached(0, end as i64);
            if restore.is_complete() {
                return (restore.into_records().remove(&0).unwrap_or_default(), now);
            }
            now += 10;
        }
    }
}

fn message(offset: usize, (key, value): &Record) -> Message {
    Message {
        topic: "checkpoint".to_owned(),
        partition: 0,
        offset: offset as i64,
        timestamp: None,
        key: Some(key.clone()),
        value: value.clone(),
        headers: Vec::new(),
    }
}

/// Death of the process, or of one of its threads, at the place where it stood.
struct Died;

/// What happens at a step of the process.
#[derive(Clone, Copy, Debug)]
struct Draw {
    dies: bool,
    took: u8,
    /// the system clock is ahead by so much from here on, until it is set right or the process dies
    ahead: Option<u8>,
    /// another producer's transaction begins, and lasts so long
    foreign: Option<u8>,
}

const QUIET: Draw = Draw { dies: false, took: 1, ahead: None, foreign: None };

struct World {
    rows: Vec<WorldRow>,
    intervals: Intervals,
    /// the true time
    now: i64,
    ahead: i64,
    clock: Clock,
    topic: Topic,
    draws: Vec<Draw>,
    drawn: usize,
    chunk: usize,
    regions: Vec<KeyRange>,
}

impl World {
    fn new(rows: Vec<WorldRow>, intervals: Intervals, now: i64, draws: Vec<Draw>, chunk: usize) -> Self {
        let starts = (0..40u8).map(|index| if index == 0 { Vec::new() } else { vec![index] });
        let starts: Vec<Vec<u8>> = starts.collect();
        let ends = starts.iter().skip(1).cloned().chain([Vec::new()]);
        let regions = starts.iter().cloned().zip(ends).map(|(start, end)| KeyRange { start, end }).collect();
        let (clock, topic) = (Clock::new(now, now), Topic::default());
        Self { rows, intervals, now, ahead: 0, clock, topic, draws, drawn: 0, chunk, regions }
    }

    fn step(&mut self) -> Result<(), Died> {
        let draw = self.draws.get(self.drawn).copied().unwrap_or(QUIET);
        self.drawn += 1;
        self.now += i64::from(draw.took);
        match draw.ahead {
            Some(ahead) => self.ahead = i64::from(ahead),
            None if draw.took % 5 == 0 => self.ahead = 0,
            None => {}
        }
        if let Some(lasts) = draw.foreign {
            self.topic.open_foreign(self.now + i64::from(lasts));
        }
        match draw.dies {
            true => Err(Died),
            false => Ok(()),
        }
    }

    /// The newest visible version of each row, in row order.
    fn table(&self) -> BTreeMap<u8, i64> {
        let mut table = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.visible <= self.now) {
            let newest = table.entry(row.key).or_insert(row.timestamp);
            *newest = row.timestamp.max(*newest);
        }
        table
    }

    fn look(&self, window: Window, progress: &CheckpointState) -> Vec<(u8, i64)> {
        let fresh = |(key, timestamp): &(u8, i64)| window.contains(*timestamp) && progress.is_new(&[*key], *timestamp);
        self.table().into_iter().filter(fresh).collect()
    }

    /// Publishes rows in the order of their timestamps, those that were written again meanwhile left out; `last` ends the look.
    fn publish(
        &mut self,
        progress: &mut CheckpointState,
        found: &[(u8, i64)],
        last: impl FnOnce(&mut CheckpointState),
    ) -> Result<(), Died> {
        let mut rows = found.to_vec();
        rows.sort_by_key(|(key, at)| (*at, *key));
        let chunks: Vec<Vec<(u8, i64)>> = rows.chunks(self.chunk).map(<[_]>::to_vec).collect();
        let count = chunks.len();
        let mut last = Some(last);
        for (index, asked) in chunks.into_iter().enumerate() {
            self.step()?;
            let table = self.table();
            let unchanged: Vec<(u8, i64)> =
                asked.iter().copied().filter(|(key, at)| table.get(key) == Some(at)).collect();
            if index + 1 == count
                && let Some(last) = last.take()
            {
                last(progress);
            }
            let entries: Vec<LedgerEntry> = asked.iter().map(|(key, at)| LedgerEntry::new(&[*key], *at)).collect();
            let records = progress.published(&entries).expect("records");
            self.step()?;
            self.topic.commit(&unchanged, records, false);
            self.step()?;
        }
        if let Some(last) = last {
            last(progress);
        }
        Ok(())
    }

    /// Publishes some of what a search has found.
    fn take_turn(&mut self, progress: &mut CheckpointState, found: &mut Vec<(u8, i64)>) -> Result<(), Died> {
        let turn = found.drain(..found.len().min(3));
        let now: Vec<_> = turn.filter(|(key, at)| progress.is_new(&[*key], *at)).collect();
        self.publish(progress, &now, |_| ())
    }

    fn history(&mut self, progress: &mut CheckpointState) -> Result<(), Died> {
        let Some(history) = progress.history().cloned() else { return Ok(()) };
        let window = history.window();
        for (number, range) in history.ranges().filter(|(_, range)| !range.is_done()) {
            let mut after = range.after().map(|key| key[0]);
            let keys = range.keys();
            loop {
                let page: Vec<u8> = self
                    .table()
                    .into_keys()
                    .filter(|key| [*key][..] >= keys.start[..] && (keys.end.is_empty() || [*key][..] < keys.end[..]))
                    .filter(|key| after.is_none_or(|after| *key > after))
                    .take(self.chunk)
                    .collect();
                // Most ranges are empty, and are done in the same transaction as others.
                if page.is_empty() {
                    progress.advance_history(number, None, true).expect("a range");
                    break;
                }
                self.step()?;
                let found: Vec<(u8, i64)> =
                    self.look(window, progress).into_iter().filter(|(key, _)| page.contains(key)).collect();
                after = page.last().copied();
                progress.advance_history(number, after.as_ref().map(std::slice::from_ref), false).expect("a range");
                let records = progress.history_records().expect("records");
                self.step()?;
                self.topic.commit(&found, records, true);
                self.step()?;
            }
        }
        let records = progress.history_records().expect("records");
        self.topic.commit(&[], records, true);
        self.step()
    }

    /// Whether all deaths are behind, and a quiet time long enough to make good whatever they left.
    fn is_over(&self) -> bool {
        self.drawn >= self.draws.len() + 2500 && self.now >= 2500
    }

    fn live_through(&mut self, job: Option<Window>) -> Result<bool, Died> {
        // A process that starts while the clock is wrong is another matter: it says so, and ends.
        self.ahead = 0;
        self.clock = Clock::new(self.now, self.now);
        let (records, now) = self.topic.read(self.now);
        self.now = now;
        let found = CheckpointState::load("p", &records).expect("a checkpoint that can be read");
        let mut progress = found.unwrap_or_else(|| {
            job.map_or_else(|| CheckpointState::service("p", "earliest", 0), |window| CheckpointState::job("p", window))
        });
        self.step()?;
        let records = progress.records().expect("records");
        self.topic.commit(&[], records, false);
        let mut repair: Option<(i64, Vec<(u8, i64)>)> = None;
        let mut sweep: Option<Vec<(u8, i64)>> = None;
        while !self.is_over() {
            self.step()?;
            let intervals = self.intervals;
            let now = self.clock.read(self.now + self.ahead, self.now);
            match progress.next(now, &intervals) {
                Action::BeginHistory(window) => {
                    let regions = self.regions.clone();
                    progress.start_history(window, &regions);
                }
                Action::History => self.history(&mut progress)?,
                Action::CatchUp(slice) => {
                    let found = self.look(slice.window, &progress);
                    self.publish(&mut progress, &found, |progress| progress.caught_up_to(slice, now.steady))?;
                }
                Action::Repair(window) => {
                    progress.repair_started(window, now.steady);
                    self.step()?;
                    repair = Some((now.steady, self.look(window, &progress)));
                }
                Action::Sweep(window) => {
                    progress.sweep_started(now.steady);
                    self.step()?;
                    sweep = Some(self.look(window, &progress));
                }
                Action::Live(window) => {
                    let found = self.look(window, &progress);
                    self.publish(&mut progress, &found, |progress| progress.looked(now.steady))?;
                }
                Action::Wait(at) => self.now += (at - now.steady).max(1),
                Action::Finished => return Ok(true),
            }
            if let Some(mut found) = sweep.take() {
                self.take_turn(&mut progress, &mut found)?;
                match found.is_empty() {
                    true => progress.sweep_ended(),
                    false => sweep = Some(found),
                }
            }
            if let Some((began, mut found)) = repair.take() {
                self.take_turn(&mut progress, &mut found)?;
                if found.is_empty() {
                    let records = progress.repair_ended(began, &intervals).expect("records");
                    self.topic.commit(&[], records, false);
                    self.step()?;
                } else {
                    repair = Some((began, found));
                }
            }
        }
        Ok(false)
    }

    fn checkpoint(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.topic.read(self.now).0
    }
}

fn rows(repair: i64) -> impl Strategy<Value = Vec<WorldRow>> {
    // Half of the rows are visible at once.
    let late = prop_oneof![Just(0), 0..=repair];
    let row = (any::<u8>(), 1i64..1500, late).prop_map(|(key, timestamp, late)| WorldRow {
        key: key % 40,
        timestamp,
        visible: timestamp + late,
    });
    prop::collection::vec(row, 0..60)
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let draw = (
        prop::bool::weighted(0.08),
        0u8..25,
        prop::option::weighted(0.05, 1u8..=150),
        prop::option::weighted(0.03, 0u8..=200),
    );
    prop::collection::vec(draw.prop_map(|(dies, took, ahead, foreign)| Draw { dies, took, ahead, foreign }), 0..400)
}

fn last_versions(rows: &[WorldRow]) -> BTreeSet<(u8, i64)> {
    let mut last = BTreeMap::new();
    for row in rows {
        let newest = last.entry(row.key).or_insert(row.timestamp);
        *newest = row.timestamp.max(*newest);
    }
    last.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_alert_is_published_once_whatever_dies(
        rows in rows(PACE.repair), draws in draws(), start in 0i64..1600, chunk in 1usize..8, settle in 0i64..20,
    ) {
        let intervals = Intervals { settle, ..PACE };
        let mut world = World::new(rows, intervals, start, draws, chunk);
        while !world.is_over() {
            let _death_or_end = world.live_through(None);
        }
        let published: BTreeSet<_> = world.topic.alerts.iter().map(|(alert, _)| *alert).collect();
        prop_assert_eq!(published.len(), world.topic.alerts.len(), "an alert was published twice");
        for alert in last_versions(&world.rows) {
            prop_assert!(published.contains(&alert), "{:?} was lost", alert);
        }
    }

    #[test]
    fn an_objects_alerts_that_were_visible_in_time_keep_their_order(
        rows in rows(0), draws in draws(), start in 0i64..1600, chunk in 1usize..8,
    ) {
        let mut world = World::new(rows, PACE, start, draws, chunk);
        while !world.is_over() {
            let _death_or_end = world.live_through(None);
        }
        // The history lane reads in row order.
        let live = world.topic.alerts.iter().filter(|(_, by_history)| !by_history).map(|(alert, _)| *alert);
        let mut newest: BTreeMap<u8, i64> = BTreeMap::new();
        for (key, at) in live {
            let newest = newest.entry(WorldRow::object_of(key)).or_insert(at);
            prop_assert!(*newest <= at, "({}, {}) came after one of {}", key, at, newest);
            *newest = at;
        }
    }

    #[test]
    fn a_job_publishes_its_window_once_and_ends(
        rows in rows(0), draws in draws(), from in 1i64..700, length in 1i64..700, chunk in 1usize..8,
    ) {
        let window = Window::new(from, from + length).expect("a length above 0");
        let mut world = World::new(rows, PACE, 1500, draws, chunk);
        while !matches!(world.live_through(Some(window)), Ok(true)) {}
        let mut published: Vec<_> = world.topic.alerts.iter().map(|(alert, _)| *alert).collect();
        published.sort_unstable();
        let wanted: Vec<_> = last_versions(&world.rows).into_iter().filter(|(_, at)| window.contains(*at)).collect();
        prop_assert_eq!(published, wanted);
    }

    #[test]
    fn the_ledger_stays_small(rows in rows(PACE.repair), chunk in 1usize..8) {
        let mut world = World::new(rows, PACE, 0, Vec::new(), chunk);
        let _end = world.live_through(None);
        let progress = CheckpointState::load("p", &world.checkpoint()).expect("readable").expect("there");
        prop_assert!(progress.watermark() >= world.now - PACE.repair - 2 * PACE.repair_every);
        prop_assert_eq!(world.checkpoint().len(), 1);
    }
}

fn records(state: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    BTreeMap::from([(b"p/state".to_vec(), state.as_bytes().to_vec())])
}

#[test]
fn a_checkpoint_of_a_later_version_is_refused() {
    let error = CheckpointState::load("p", &records(r#"{"version":3,"origin":"","watermark":0}"#))
        .expect_err("a later version");
    assert!(error.to_string().contains("version 3"), "{error}");
}

#[test]
fn another_name_is_another_checkpoint() {
    let (key, value) = CheckpointState::service("p", "now", 5).state_record().expect("a record");
    let records = BTreeMap::from([(key, value.expect("a value"))]);
    assert!(CheckpointState::load("q", &records).expect("readable").is_none());
}

#[test]
fn a_checkpoint_that_has_lost_its_state_is_refused() {
    let mut ledger = CheckpointState::service("p", "now", 5);
    let records = ledger.published(&[LedgerEntry::new(b"a", 7)]).expect("records");
    let ledger = records.into_iter().filter(|(key, _)| key.starts_with(b"p/ledger"));
    let records: BTreeMap<Vec<u8>, Vec<u8>> = ledger.filter_map(|(key, value)| Some((key, value?))).collect();
    let error = CheckpointState::load("p", &records).expect_err("no state");
    assert!(error.to_string().contains("`p/state` is gone"), "{error}");
    let anew = CheckpointState::service("p", "earliest", 0).with_ledger(&records).expect("a ledger");
    assert!(!anew.is_new(b"a", 7), "what was sent is not sent again");
}

#[test]
fn the_history_lane_of_version_1_goes_on_where_it_stood() {
    let state = r#"{"version":1,"origin":"earliest","watermark":0,"job_until":null,"history":{"from":0,"until":900,"ranges":[
        {"start":"","end":"14","after":"05","done":false},{"start":"14","end":"","after":"","done":false}]}}"#;
    let mut progress = CheckpointState::load("p", &records(state)).expect("readable").expect("there");
    let now = ClockReading { wall: 2000, steady: 2000 };
    assert_eq!(progress.next(now, &PACE), Action::BeginHistory(Window::new(0, 900).expect("a window")));
    progress.start_history(Window::new(0, 900).expect("a window"), &[KeyRange::default()]);
    let ranges: Vec<_> = progress.history().expect("at work").ranges().map(|(_, range)| range.clone()).collect();
    assert_eq!(ranges[0].after(), Some(&[5][..]));
    assert_eq!(ranges[1].keys(), KeyRange { start: vec![0x14], end: Vec::new() });
    let written = progress.records().expect("records");
    assert!(written.iter().any(|(key, _)| key == b"p/history/00000000"), "its ranges get records of their own");
    let written: BTreeMap<_, _> = written.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let again = CheckpointState::load("p", &written).expect("readable").expect("there");
    assert_eq!(again.history().expect("at work").ranges().next().and_then(|(_, range)| range.after()), Some(&[5][..]));
}

#[test]
fn a_watermark_never_moves_back() {
    let mut progress = CheckpointState::service("p", "now", 500);
    assert!(progress.advance_watermark(499).is_err());
    assert!(progress.repair_ended(600, &PACE).expect("records").is_empty());
    assert_eq!(progress.watermark(), 500);
}

#[test]
fn a_repair_moves_the_watermark_no_further_than_it_has_looked() {
    let mut progress = CheckpointState::service("p", "now", 0);
    progress.repair_started(Window::new(0, 137).expect("a window"), 400);
    progress.repair_ended(400, &PACE).expect("records");
    assert_eq!(progress.watermark(), 137, "what was written from 137 on is yet to be looked at");
}

#[test]
fn a_live_look_comes_between_two_repairs() {
    let mut progress = CheckpointState::service("p", "now", 0);
    let now = |at: i64| ClockReading { wall: at, steady: at };
    let Action::CatchUp(slice) = progress.next(now(150), &PACE) else { panic!("no catch-up") };
    progress.caught_up_to(slice, 150);
    let Action::Repair(window) = progress.next(now(185), &PACE) else { panic!("no repair") };
    progress.repair_started(window, 185);
    progress.repair_ended(185, &PACE).expect("records");
    assert!(matches!(progress.next(now(245), &PACE), Action::Live(_)));
}

#[test]
fn ten_thousand_regions_are_recorded_one_by_one() {
    let mut progress = CheckpointState::service("p", "earliest", 0);
    let start = |index: u32| if index == 0 { Vec::new() } else { index.to_be_bytes().to_vec() };
    let end = |index: u32| if index == 9_999 { Vec::new() } else { start(index + 1) };
    let regions: Vec<KeyRange> = (0..10_000).map(|index| KeyRange { start: start(index), end: end(index) }).collect();
    progress.start_history(Window::new(0, 900).expect("a window"), &regions);
    progress.advance_history(17, Some(&[0, 0, 0, 17, 1]), false).expect("a range");
    let some = progress.history_records().expect("records");
    assert_eq!(some.len(), 2, "the range that moved, and the state");
    for number in 0..10_000 {
        progress.advance_history(number, None, true).expect("a range");
        if number % 500 == 499 && number < 9_999 {
            assert_eq!(progress.history_records().expect("records").len(), 501);
        }
    }
    let last = progress.history_records().expect("records");
    assert!(last.iter().all(|(_, value)| value.as_ref().is_none_or(|value| value.len() < MAX_RECORD)));
    assert_eq!(progress.watermark(), 900);
}
