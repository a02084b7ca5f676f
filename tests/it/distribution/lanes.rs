//! The three lanes: the past, the present, and what became visible late.

use std::time::Duration;

use crate::fixture::alert_table::{Table, now};

/// Waiting times that fit a test.
const SHORT_INTERVALS: &str = "poll = \"100ms\"\noverlap = \"1s\"\nrepair = \"30s\"\nrepair_every = \"1s\"";

fn wait_for(table: &Table, running: &crate::fixture::Running, count: usize) {
    let began = std::time::Instant::now();
    while table.published().len() < count {
        assert!(began.elapsed() < Duration::from_secs(40), "{} of {count}: {}", table.published().len(), running.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_past_is_published_once_and_then_the_present() {
    let mut table = Table::new("past");
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    table.put(0..900, Some(now() - 3_600_000));
    let running = table.fixture.start(&["start", "distribution"], "log");
    running.wait_for("reading the past", Duration::from_secs(30));
    wait_for(&table, &running, 900);
    table.put(900..950, None);
    wait_for(&table, &running, 950);
    assert_eq!(running.terminate(), 0);
    table.assert_published(0..950);
}

#[test]
fn late_row_is_published_once() {
    let mut table = Table::new("late");
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    table.put(0..5, None);
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written", Duration::from_secs(30));
    let start = now();
    // The live lane is at work, and has passed the time that the late rows are stamped with.
    table.put(4..5, None);
    wait_for(&table, &running, 1);
    while now() < start + 4_000 {
        std::thread::sleep(Duration::from_millis(50));
    }
    table.put(9..10, None);
    wait_for(&table, &running, 2);
    table.put(5..8, Some(start + 500));
    wait_for(&table, &running, 5);
    table.put(8..9, None);
    wait_for(&table, &running, 6);
    std::thread::sleep(Duration::from_secs(2));
    let log = table.fixture.path("log");
    assert_eq!(running.terminate(), 0);
    let published = table.published();
    assert_eq!(published.keys().copied().collect::<Vec<i64>>(), [4, 5, 6, 7, 8, 9]);
    assert!(published.values().all(|count| *count == 1), "{published:?}");
    let said = std::fs::read_to_string(log).expect("a log");
    assert!(said.contains("3 late"), "{said}");
}

#[test]
fn a_service_started_again_goes_on_where_it_stood() {
    let mut table = Table::new("again");
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    table.put(0..40, None);
    for round in 1..4_u32 {
        let running = table.fixture.start(&["start", "distribution", "--from", "earliest"], "log");
        wait_for(&table, &running, 40 * round as usize);
        assert_eq!(running.terminate(), 0);
        table.assert_published(0..40 * round);
        table.put(40 * round..40 * (round + 1), None);
    }
    let offset = std::fs::read_to_string(table.fixture.path("offset")).expect("the offset file is kept");
    let time = offset.strip_prefix("distributed till, ").and_then(|time| time.parse::<i64>().ok());
    assert!(time.is_some_and(|time| time <= now()), "{offset}");
}

#[test]
fn a_new_version_of_a_row_is_a_new_alert_and_another_column_is_not() {
    let mut table = Table::new("version");
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    table.put(0..2, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    wait_for(&table, &running, 2);
    let mut other = crate::fixture::alert_table::row(0, None);
    other.cells.retain(|cell| cell.qualifier == "candidate_ra");
    fink::science_db::ScienceDb::put(&mut table.db, &[other]).expect("a cell is written");
    table.put(1..2, None);
    let began = std::time::Instant::now();
    while table.published().get(&1) != Some(&2) && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(running.terminate(), 0);
    assert_eq!(table.published().into_iter().collect::<Vec<_>>(), [(0, 1), (1, 2)]);
}

#[test]
fn a_dry_run_counts_and_sends_nothing() {
    let mut table = Table::new("dry");
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    table.put(0..30, None);
    let finished = table.fixture.ok(&["start", "distribution", "--dry-run", "--format", "json"]);
    let counts: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(counts[0]["kept"], 30, "{finished:?}");
    assert!(table.published().is_empty());
}
