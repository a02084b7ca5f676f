//! What a [`CheckpointState`] promises: whatever crashes, each alert is committed once, and those of an object that were visible in time in the
//! order of their timestamps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::model::{Event, MAX_RECORD_BYTES, Model, ModelRow, Version, at, object_of};
use super::*;
use crate::distribution::clock::ClockReading;
use crate::science_db::KeyRange;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const INTERVALS: Intervals = Intervals {
    poll: ms(5),
    settle: ms(0),
    overlap: ms(30),
    repair: ms(200),
    repair_every: ms(40),
    sweep_every: ms(20),
    catch_up_slice: ms(60_000),
};

/// The longest time after which a row becomes visible and is still sent, ms.
const REPAIR: i64 = 200;

fn window(from: i64, until: i64) -> Window {
    Window::new(at(from), at(until)).expect("a window")
}

fn history_window(from: i64, until: i64) -> HistoryWindow {
    HistoryWindow::of(window(from, until))
}

fn reading(millis: i64) -> ClockReading {
    ClockReading { wall: at(millis), steady: at(millis) }
}

fn rows(max_late: i64) -> impl Strategy<Value = Vec<ModelRow>> {
    // Half of the rows are visible at once.
    let late = prop_oneof![Just(0), 0..=max_late];
    let row = (any::<u8>(), 1i64..1500, late).prop_map(|(key, timestamp, late)| ModelRow {
        key: key % 40,
        timestamp: at(timestamp),
        visible: at(timestamp + late),
    });
    prop::collection::vec(row, 0..60)
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (
        prop::bool::weighted(0.08),
        0u8..25,
        prop::option::weighted(0.05, 1u8..=150),
        prop::option::weighted(0.03, 0u8..=200),
        prop::bool::weighted(0.04),
    );
    let event =
        event.prop_map(|(crashes, took, ahead, foreign, toggles)| Event { crashes, took, ahead, foreign, toggles });
    prop::collection::vec(event, 0..400)
}

/// The longest window that the catch-up reads at once.
fn slices() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(INTERVALS.catch_up_slice), (40u64..200).prop_map(ms)]
}

fn last_versions(rows: &[ModelRow]) -> BTreeSet<Version> {
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
    fn each_alert_is_published_once_whatever_crashes(
        rows in rows(REPAIR), events in events(), start in 0i64..1600, page in 1usize..8, settle in 0u64..20,
        pushes: bool, catch_up_slice in slices(),
    ) {
        let (poll, sweep_every) = if pushes { (ms(25), ms(60)) } else { (INTERVALS.poll, INTERVALS.sweep_every) };
        let settle = if pushes { Duration::ZERO } else { ms(settle) };
        let mut model = Model::new(rows, Intervals { settle, poll, sweep_every, catch_up_slice, ..INTERVALS }, start, events, page);
        model.pushes = pushes;
        while !model.is_over() {
            let _crash_or_end = model.run(None);
        }
        let published: BTreeSet<_> = model.kafka.alerts.iter().map(|(alert, _)| *alert).collect();
        prop_assert_eq!(published.len(), model.kafka.alerts.len(), "an alert was published twice");
        for alert in last_versions(&model.rows) {
            prop_assert!(published.contains(&alert), "{:?} was lost", alert);
        }
        let paused: BTreeSet<_> = model.kafka.paused.iter().copied().collect();
        prop_assert_eq!(paused.len(), model.kafka.paused.len(), "an alert was published twice on the paused stream");
        let state = CheckpointState::load("p", &model.checkpoint()).expect("readable").expect("there");
        let missed: Vec<_> = state.missed().streams().flat_map(|(_, missed)| missed.ranges()).collect();
        for alert in last_versions(&model.rows) {
            let is_sent = paused.contains(&alert);
            prop_assert!(is_sent || missed.iter().any(|range| range.contains(alert.1)), "{:?} was lost", alert);
        }
        // With more rows, the history lane may take so long that it has to begin again and again.
        prop_assert!(model.rows.len() > 15 || missed.is_empty(), "the stream misses {:?} still", missed);
        prop_assert!(paused.is_subset(&published), "the paused stream has an alert that the others lack");
    }

    #[test]
    fn an_objects_alerts_that_were_visible_in_time_keep_their_order(
        rows in rows(0), events in events(), start in 0i64..1600, page in 1usize..8, catch_up_slice in slices(),
    ) {
        let mut model = Model::new(rows, Intervals { catch_up_slice, ..INTERVALS }, start, events, page);
        while !model.is_over() {
            let _crash_or_end = model.run(None);
        }
        // The history lane reads in row order.
        let live = model.kafka.alerts.iter().filter(|(_, by_history)| !by_history).map(|(alert, _)| *alert);
        let mut newest: BTreeMap<u8, Timestamp> = BTreeMap::new();
        for (key, timestamp) in live {
            let newest = newest.entry(object_of(key)).or_insert(timestamp);
            prop_assert!(*newest <= timestamp, "({}, {}) came after one of {}", key, timestamp, newest);
            *newest = timestamp;
        }
    }

    #[test]
    fn a_service_that_cannot_keep_up_reads_no_row_whole_that_the_ledger_lists(
        rows in rows(REPAIR), took in prop::collection::vec(5u8..60, 100..400), page in 1usize..4, slice in slices(),
    ) {
        let event = |took| Event { crashes: false, took, ahead: None, foreign: None, toggles: false };
        let events = took.into_iter().map(event).collect();
        let mut model = Model::new(rows, Intervals { catch_up_slice: slice, ..INTERVALS }, 0, events, page);
        let _end = model.run(None);
        prop_assert_eq!(model.read_again, 0);
    }

    #[test]
    fn a_job_publishes_its_window_once_and_ends(
        rows in rows(0), events in events(), from in 1i64..700, length in 1i64..700, page in 1usize..8,
    ) {
        let window = window(from, from + length);
        let mut model = Model::new(rows, INTERVALS, 1500, events, page);
        while !matches!(model.run(Some(window)), Ok(true)) {}
        let mut published: Vec<_> = model.kafka.alerts.iter().map(|(alert, _)| *alert).collect();
        published.sort_unstable();
        let wanted = last_versions(&model.rows).into_iter().filter(|(_, timestamp)| window.contains(*timestamp));
        prop_assert_eq!(published, wanted.collect::<Vec<_>>());
    }

    #[test]
    fn the_ledger_stays_small(rows in rows(REPAIR), page in 1usize..8) {
        let mut model = Model::new(rows, INTERVALS, 0, Vec::new(), page);
        let _end = model.run(None);
        let state = CheckpointState::load("p", &model.checkpoint()).expect("readable").expect("there");
        prop_assert!(state.watermark() >= model.now - INTERVALS.repair - 2 * INTERVALS.repair_every);
        prop_assert_eq!(model.checkpoint().len(), 1);
    }
}

fn records(state: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    BTreeMap::from([(b"p/state".to_vec(), state.as_bytes().to_vec())])
}

fn committed(records: impl IntoIterator<Item = Record>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    records.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

#[test]
fn a_checkpoint_of_a_later_version_is_refused() {
    let records = records(r#"{"version":4,"origin":"","watermark":0}"#);
    let error = CheckpointState::load("p", &records).expect_err("a later version");
    assert!(error.to_string().contains("version 4"), "{error}");
}

#[test]
fn the_state_record_keeps_its_format() {
    let mut state = CheckpointState::service("p", "now", at(5));
    state.finish_live_scan(at(7));
    state.start_history(history_window(5, 9), &[KeyRange::default()]);
    let (key, value) = state.state_record().expect("a record");
    let text = r#"{"version":2,"origin":"now","watermark":5,"looked":7,"history":{"from":5,"until":9}}"#;
    assert_eq!((&key[..], value.as_deref()), (&b"p/state"[..], Some(text.as_bytes())));
}

#[test]
fn another_name_is_another_checkpoint() {
    let record = CheckpointState::service("p", "now", at(5)).state_record().expect("a record");
    assert!(CheckpointState::load("q", &committed([record])).expect("readable").is_none());
}

#[test]
fn a_checkpoint_that_has_lost_its_state_is_refused() {
    let mut state = CheckpointState::service("p", "now", at(5));
    let records = state.record_published(&[LedgerEntry::new(b"a", at(7))]).expect("records");
    let records = committed(records.into_iter().filter(|(key, _)| key.starts_with(b"p/ledger")));
    let error = CheckpointState::load("p", &records).expect_err("no state");
    assert!(error.to_string().contains("`p/state` is gone"), "{error}");
    let anew = CheckpointState::service("p", "earliest", at(0)).with_ledger(&records).expect("a ledger");
    assert!(!anew.is_new(b"a", at(7)), "what was sent is not sent again");
}

#[test]
fn the_history_lane_of_version_1_continues_where_it_was() {
    let state = r#"{"version":1,"origin":"earliest","watermark":0,"job_until":null,"history":{"from":0,"until":900,"ranges":[
        {"start":"","end":"14","after":"05","done":false},{"start":"14","end":"","after":"","done":false}]}}"#;
    let mut state = CheckpointState::load("p", &records(state)).expect("readable").expect("there");
    assert_eq!(state.next_action(reading(2000), &INTERVALS), Action::StartHistory(history_window(0, 900)));
    state.start_history(history_window(0, 900), &[KeyRange::default()]);
    let ranges: Vec<_> = state.history().expect("running").ranges().map(|(_, range)| range.clone()).collect();
    assert_eq!(ranges[0].after(), Some(&[5][..]));
    assert_eq!(ranges[1].keys(), KeyRange { start: vec![0x14], end: Vec::new() });
    let written = state.records().expect("records");
    assert!(written.iter().any(|(key, _)| key == b"p/history/00000000"), "its ranges get records of their own");
    let again = CheckpointState::load("p", &committed(written)).expect("readable").expect("there");
    assert_eq!(again.history().expect("running").ranges().next().and_then(|(_, range)| range.after()), Some(&[5][..]));
}

#[test]
fn a_watermark_never_moves_back() {
    let mut state = CheckpointState::service("p", "now", at(500));
    let error = state.advance_watermark(at(499)).expect_err("a step back");
    assert_eq!(error.to_string(), "the watermark would move back from 500 to 499 (ms since 1970)");
    state.start_repair(window(500, 590), at(600), &INTERVALS);
    assert!(state.finish_repair(&INTERVALS).expect("records").is_empty());
    state.start_history(history_window(300, 400), &[KeyRange::default()]);
    state.advance_history(0, None, true).expect("a range");
    let error = state.history_records(&[]).expect_err("a step back");
    assert!(matches!(error, CheckpointStateError::WatermarkBackwards { .. }), "{error}");
    assert!(state.watermark() == at(500) && state.history().is_some(), "a refused change changes nothing");
}

#[test]
fn a_change_without_its_lane_is_an_error() {
    let mut state = CheckpointState::service("p", "now", at(500));
    assert!(matches!(state.finish_repair(&INTERVALS), Err(CheckpointStateError::NoRepair)));
    assert!(matches!(state.history_records(&[]), Err(CheckpointStateError::NoHistory)));
    assert!(matches!(state.advance_history(0, None, true), Err(CheckpointStateError::NoHistory)));
}

#[test]
fn a_repair_moves_the_watermark_no_further_than_its_window() {
    let mut state = CheckpointState::service("p", "now", at(0));
    state.start_repair(window(0, 137), at(400), &INTERVALS);
    state.finish_repair(&INTERVALS).expect("records");
    assert_eq!(state.watermark(), at(137), "what was written from 137 on is not scanned yet");
}

#[test]
fn a_live_scan_comes_between_two_repairs() {
    let mut state = CheckpointState::service("p", "now", at(0));
    let Action::CatchUp(slice) = state.next_action(reading(150), &INTERVALS) else { panic!("no catch-up") };
    state.finish_slice(slice, at(150));
    let Action::Repair(window) = state.next_action(reading(185), &INTERVALS) else { panic!("no repair") };
    state.start_repair(window, at(185), &INTERVALS);
    state.finish_repair(&INTERVALS).expect("records");
    assert!(matches!(state.next_action(reading(245), &INTERVALS), Action::Live(_)));
}

/// A service with the watermark 0 whose live lane has scanned at 700.
fn scanned_at_700() -> CheckpointState {
    let mut state = CheckpointState::service("p", "now", at(0));
    state.finish_slice(CatchUpSlice { window: window(0, 700), is_last: true }, at(700));
    state
}

#[test]
fn an_old_watermark_is_moved_by_a_repair_while_the_live_lane_goes_on() {
    let mut state = scanned_at_700();
    let Action::Repair(repaired) = state.next_action(reading(720), &INTERVALS) else { panic!("no repair") };
    assert_eq!(repaired, window(0, 520), "the watermark can move to `now - repair`");
    state.start_repair(repaired, at(720), &INTERVALS);
    assert!(matches!(state.next_action(reading(721), &INTERVALS), Action::Sweep(_) | Action::Live(_)));
    state.finish_repair(&INTERVALS).expect("records");
    assert_eq!(state.watermark(), at(520));
}

#[test]
fn the_history_lane_begins_behind_what_was_scanned_and_lists_what_it_publishes_of_the_present() {
    let mut state = scanned_at_700();
    let Action::Repair(repaired) = state.next_action(reading(1200), &INTERVALS) else { panic!("no repair") };
    assert_eq!(repaired, window(0, 670), "everything before the last live scan, less `overlap`, was scanned");
    state.start_repair(repaired, at(1200), &INTERVALS);
    assert!(matches!(state.next_action(reading(1201), &INTERVALS), Action::Wait(_)), "the history lane comes next");
    state.finish_repair(&INTERVALS).expect("records");
    let action = state.next_action(reading(1210), &INTERVALS);
    let history = HistoryWindow { done: window(670, 1010), until: at(1180) };
    assert_eq!(action, Action::StartHistory(history));
    state.start_history(history, &[KeyRange::default()]);
    let records = committed(state.records().expect("records"));
    let mut state = CheckpointState::load("p", &records).expect("readable").expect("there");
    assert_eq!(state.history().map(HistoryScan::window), Some(history), "a restart keeps it");
    state.start_history(history, &[KeyRange::default()]);
    state.advance_history(0, None, true).expect("a range");
    let entries = [("a", 1009), ("b", 1010)].map(|(key, millis)| LedgerEntry::new(key.as_bytes(), at(millis)));
    let records = state.history_records(&entries).expect("records");
    assert_eq!((state.watermark(), state.ledger().len()), (at(1010), 1));
    assert!(!state.is_new(b"b", at(1010)));
    let Action::CatchUp(slice) = state.next_action(reading(1220), &INTERVALS) else { panic!("no catch-up") };
    assert_eq!(slice.window, window(1180, 1220));
    let state = CheckpointState::load("p", &committed(records)).expect("readable").expect("there");
    let Action::CatchUp(slice) = state.next_action(reading(1220), &INTERVALS) else { panic!("no catch-up") };
    assert_eq!(slice.window, window(1150, 1220), "less `overlap`");
}

#[test]
fn ten_thousand_regions_are_recorded_one_by_one() {
    let mut state = CheckpointState::service("p", "earliest", at(0));
    let start = |index: u32| if index == 0 { Vec::new() } else { index.to_be_bytes().to_vec() };
    let end = |index: u32| if index == 9_999 { Vec::new() } else { start(index + 1) };
    let regions: Vec<KeyRange> = (0..10_000).map(|index| KeyRange { start: start(index), end: end(index) }).collect();
    state.start_history(history_window(0, 900), &regions);
    state.advance_history(17, Some(&[0, 0, 0, 17, 1]), false).expect("a range");
    let some = state.history_records(&[]).expect("records");
    assert_eq!(some.len(), 2, "the range that advanced, and the state");
    for number in 0..10_000 {
        state.advance_history(number, None, true).expect("a range");
        if number % 500 == 499 && number < 9_999 {
            assert_eq!(state.history_records(&[]).expect("records").len(), 501);
        }
    }
    let last = state.history_records(&[]).expect("records");
    assert!(last.iter().all(|(_, value)| value.as_ref().is_none_or(|value| value.len() < MAX_RECORD_BYTES)));
    assert_eq!(state.watermark(), at(900));
}

#[test]
fn the_time_up_to_which_everything_is_published_follows_the_catch_up_not_the_live_lane()
-> Result<(), CheckpointStateError> {
    let settle = ms(0);
    let mut before = CheckpointState::service("live", "now", at(1_000));
    assert_eq!(before.published_until(settle), at(1_000));
    before.finish_slice(CatchUpSlice { window: window(1_000, 1_500), is_last: true }, at(1_500));
    before.finish_live_scan(at(2_000));
    assert_eq!(before.published_until(settle), at(2_000));
    assert_eq!(before.published_until(ms(300)), at(1_700), "rows younger than `settle` are left for later");

    // The service was down for 70 s: until the slices of the gap are published, they count.
    let records = before.records()?.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let mut after = CheckpointState::load("live", &records)?.expect("a state");
    let now = 72_000;
    assert_eq!(after.published_until(settle), at(2_000));
    let slice = CatchUpSlice { window: window(1_970, 61_970), is_last: false };
    after.finish_slice(slice, at(now));
    assert_eq!(after.published_until(settle), at(61_970));
    after.finish_slice(CatchUpSlice { window: window(61_970, now), is_last: true }, at(now));
    assert_eq!(after.published_until(settle), at(now));
    Ok(())
}
