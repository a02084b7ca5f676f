//! The lanes: history, live, and rows that become visible late.

use crate::fixture::alert_table::{Table, now};
use crate::fixture::wait_for_clock;

#[test]
fn the_past_is_published_once_and_then_the_present() {
    let mut table = Table::with_short_intervals("past");
    table.put(0..900, Some(now() - 3_600_000));
    let running = table.fixture.start(&["start", "distribution"], "log");
    running.wait_for("reading the past");
    table.wait_for(900, &running);
    table.put(900..950, None);
    table.wait_for(950, &running);
    running.terminate();
    table.assert_published(0..950);
}

#[test]
fn late_row_is_published_once() {
    let mut table = Table::with_short_intervals("late");
    table.put(0..5, None);
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written");
    let start = now();
    // The live lane is at work, and has passed the time that the late rows are stamped with.
    table.put(4..5, None);
    table.wait_for(1, &running);
    wait_for_clock(start + 4_000);
    table.put(9..10, None);
    table.wait_for(2, &running);
    table.put(5..8, Some(start + 500));
    table.wait_for(5, &running);
    table.put(8..9, None);
    table.wait_for(6, &running);
    table.wait_for_repair(&running);
    let log = running.terminate();
    let published = table.published();
    assert_eq!(published.keys().copied().collect::<Vec<i64>>(), [4, 5, 6, 7, 8, 9]);
    assert!(published.values().all(|count| *count == 1), "{published:?}");
    assert!(log.contains("3 late"), "{log}");
}

#[test]
fn a_restarted_service_resumes_at_its_checkpoint() {
    let mut table = Table::with_short_intervals("again");
    table.put(0..40, None);
    for round in 1..4_u32 {
        let running = table.fixture.start(&["start", "distribution", "--from", "earliest"], "log");
        table.wait_for(40 * round as usize, &running);
        running.terminate();
        table.assert_published(0..40 * round);
        table.put(40 * round..40 * (round + 1), None);
    }
    let watermark = table.offset_file().expect("the offset file is kept");
    assert!(watermark <= now(), "{watermark}");
}

#[test]
fn a_new_version_of_a_row_is_a_new_alert_and_another_column_is_not() {
    let mut table = Table::with_short_intervals("version");
    table.put(0..2, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(2, &running);
    let mut other = crate::fixture::alert_table::row(0, None);
    other.cells.retain(|cell| cell.qualifier == "candidate_ra");
    table.db.put(&[other]).expect("a cell is written");
    table.put(1..2, None);
    table.wait_for(3, &running);
    table.wait_for_repair(&running);
    running.terminate();
    assert_eq!(table.published().into_iter().collect::<Vec<_>>(), [(0, 1), (1, 2)]);
}

#[test]
fn a_dry_run_counts_and_sends_nothing() {
    let mut table = Table::with_short_intervals("dry");
    table.put(0..30, None);
    let finished = table.fixture.ok(&["start", "distribution", "--dry-run", "--format", "json"]);
    let counts: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(counts[0]["kept"], 30, "{finished:?}");
    assert!(table.published().is_empty());
}
