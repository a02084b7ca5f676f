use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn window(from: i64, until: i64) -> Window {
    Window::new(at(from), at(until)).expect("a window")
}

fn apply(records: impl IntoIterator<Item = Record>, to: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    for (key, value) in records {
        match value {
            Some(value) => to.insert(key, value),
            None => to.remove(&key),
        };
    }
}

fn next(missed: &Missed, watermark: i64) -> Option<(&str, Window)> {
    missed.next(at(watermark), |_| true)
}

/// A stream `x` that misses `[from, until)`.
fn resumed(from: i64, until: i64) -> Missed {
    let mut missed = Missed::new("live");
    missed.pause("x", at(from), at(from)).expect("a record").expect("a pause");
    missed.resume("x", at(until)).expect("a record").expect("the end of a pause");
    missed
}

#[test]
fn a_paused_stream_misses_what_is_written_from_then_on() {
    let mut missed = Missed::new("live");
    assert!(missed.pause("x", at(900), at(1000)).expect("a record").is_some());
    assert!(missed.pause("x", at(950), at(2000)).expect("no record").is_none(), "it is paused already");
    let x = missed.of("x").expect("a pause");
    assert_eq!((x.paused_at(), x.from(), x.until()), (Some(at(900)), Some(at(1000)), None));
    let range = x.ranges()[0];
    assert!(!range.contains(at(999)) && range.contains(at(1000)) && range.contains(at(i64::MAX)));
    assert!(next(&missed, 5000).is_none(), "a paused stream receives nothing");
    assert!(missed.resume("y", at(3000)).expect("no record").is_none());
    assert!(missed.resume("x", at(3000)).expect("records").is_some());
    let range = missed.of("x").expect("missed alerts").ranges()[0];
    assert!(range.contains(at(2999)) && !range.contains(at(3000)));
}

#[test]
fn a_pause_without_new_alerts_leaves_no_record() {
    let mut missed = Missed::new("live");
    missed.pause("x", at(900), at(1000)).expect("a record");
    let records = missed.resume("x", at(1000)).expect("records").expect("the end of a pause");
    assert_eq!(records, [(b"live/stream/x/missed".to_vec(), None)]);
    assert!(missed.is_empty());
}

#[test]
fn a_second_pause_adds_a_range_or_continues_the_last_one() {
    let mut missed = resumed(1000, 3000);
    missed.pause("x", at(3500), at(3000)).expect("a record");
    assert_eq!(missed.of("x").expect("a pause").ranges(), [MissedRange { from: at(1000), until: None }]);
    missed.resume("x", at(4000)).expect("records");
    missed.pause("x", at(5500), at(5000)).expect("a record");
    missed.resume("x", at(6000)).expect("records");
    let ranges =
        [(1000, 4000), (5000, 6000)].map(|(from, until)| MissedRange { from: at(from), until: Some(at(until)) });
    assert_eq!(missed.of("x").expect("missed alerts").ranges(), ranges);
}

#[test]
fn only_what_the_watermark_has_passed_is_read_in_few_windows() {
    let missed = resumed(1000, 3000);
    assert_eq!(next(&missed, 900), None);
    assert_eq!(next(&missed, 1999), None);
    assert_eq!(next(&missed, 2000), Some(("x", window(1000, 2000))));
    assert_eq!(next(&missed, 5000), Some(("x", window(1000, 3000))));
    assert_eq!(missed.next(at(5000), |name| name != "x"), None, "it is not in the configuration");
}

#[test]
fn a_scan_continues_after_a_restart_and_its_end_is_the_end_of_the_window() {
    let mut missed = resumed(1000, 3000);
    let mut records = BTreeMap::new();
    let regions = ["", "m"].map(|start| KeyRange {
        start: start.as_bytes().to_vec(),
        end: if start.is_empty() { b"m".to_vec() } else { Vec::new() },
    });
    missed.start_scan("x", window(1000, 2000), &regions);
    missed.advance("x", 0, Some(b"c"), false).expect("a range");
    apply(missed.scan_records("x").expect("records"), &mut records);

    let mut missed = Missed::load("live", &records).expect("records");
    assert_eq!(next(&missed, 9000), Some(("x", window(1000, 2000))), "the scan keeps its window");
    missed.start_scan("x", window(1000, 2000), &regions);
    let left: Vec<_> = missed.scan("x").expect("a scan").ranges().map(|(_, range)| range.unread_keys().start).collect();
    assert_eq!(left, [b"c\0".to_vec(), b"m".to_vec()]);
    for number in 0..2 {
        missed.advance("x", number, None, true).expect("a range");
    }
    apply(missed.scan_records("x").expect("records"), &mut records);
    assert_eq!(records.len(), 1, "the key ranges are deleted");

    let mut missed = Missed::load("live", &records).expect("records");
    assert_eq!(next(&missed, 9000), Some(("x", window(2000, 3000))));
    missed.start_scan("x", window(2000, 3000), &regions);
    for number in 0..2 {
        missed.advance("x", number, None, true).expect("a range");
    }
    apply(missed.scan_records("x").expect("records"), &mut records);
    assert!(missed.is_empty() && records.is_empty());
}

#[test]
fn a_pause_during_a_scan_keeps_its_position() {
    let mut missed = resumed(1000, 3000);
    missed.start_scan("x", window(1000, 3000), &[KeyRange::default()]);
    missed.advance("x", 0, Some(b"c"), false).expect("a range");
    let mut records = BTreeMap::new();
    apply(missed.scan_records("x").expect("records"), &mut records);
    apply(missed.pause("x", at(5000), at(5000)).expect("a record"), &mut records);
    let mut missed = Missed::load("live", &records).expect("records");
    assert!(next(&missed, 9000).is_none());
    missed.resume("x", at(6000)).expect("records");
    assert_eq!(next(&missed, 9000), Some(("x", window(1000, 3000))));
    missed.start_scan("x", window(1000, 3000), &[KeyRange::default()]);
    missed.advance("x", 0, None, true).expect("a range");
    missed.scan_records("x").expect("records");
    assert_eq!(next(&missed, 9000), Some(("x", window(5000, 6000))));
}

#[test]
fn the_scan_of_one_stream_ends_before_that_of_another_begins() {
    let mut missed = resumed(1000, 3000);
    missed.pause("a", at(1500), at(1500)).expect("a record");
    missed.resume("a", at(2000)).expect("records");
    missed.start_scan("x", window(1000, 3000), &[KeyRange::default()]);
    assert_eq!(next(&missed, 9000), Some(("x", window(1000, 3000))));
    assert_eq!((missed.from(), missed.paused()), (Some(at(1000)), None));
    missed.pause("b", at(8000), at(8000)).expect("a record");
    assert_eq!(missed.paused().as_deref(), Some("b"));
    missed.advance("x", 0, None, true).expect("a range");
    missed.scan_records("x").expect("records");
    assert_eq!(next(&missed, 9000), Some(("a", window(1500, 2000))));
}

#[test]
fn a_damaged_record_is_an_error() {
    for value in
        ["{}", r#"{"ranges":[]}"#, r#"{"ranges":[{"from":1}]}"#, r#"{"paused_at":1,"ranges":[{"from":1,"until":2}]}"#]
    {
        let records = BTreeMap::from([(b"live/stream/x/missed".to_vec(), value.as_bytes().to_vec())]);
        assert!(Missed::load("live", &records).is_err(), "{value}");
    }
}
