//! Rows that are no alerts: `science_db.skip_rows`.

use fink::science_db::{Put, PutCell};

use crate::fixture::alert_table::{Table, now};

/// The row that Fink's writer puts into each table at its start: every cell is the name of its column's type.
fn schema_row(version: &str, timestamp: Option<i64>) -> Put {
    let columns =
        [("objectId", "string"), ("candid", "long"), ("candidate_magpsf", "double"), ("candidate_ra", "double")];
    let cells = columns.map(|(column, kind)| PutCell {
        family: "i".to_owned(),
        qualifier: column.to_owned(),
        value: kind.as_bytes().to_vec(),
    });
    Put { key: format!("schema_{version}").into_bytes(), timestamp, cells: cells.to_vec() }
}

/// A table with a stream of all columns, and one of text alone, to which a row of type names looks like an alert.
fn table(what: &str) -> Table {
    let mut table = Table::with_short_intervals(what);
    let rules = "<distribution-rules><select><column name=\"objectId\"/></select></distribution-rules>";
    std::fs::write(table.fixture.path("rules.xml"), rules).expect("a file");
    let block =
        format!("[[stream]]\nname = \"text\"\ntopic = \"{}_text\"\nrules = \"rules.xml\"\n", table.fixture.name);
    table.fixture.config.push_str(&block);
    table
}

fn rejected(table: &Table) -> usize {
    table.messages(&format!("{}_rejected", table.fixture.name)).len()
}

fn texts(table: &Table) -> usize {
    table.messages(&format!("{}_text", table.fixture.name)).len()
}

#[test]
fn the_writers_schema_rows_are_skipped_counted_and_logged_once() {
    let mut table = table("skip");
    let past = now() - 3_600_000;
    table.put(0..10, Some(past));
    table.db.put(&[schema_row("0.7_0.3", Some(past)), schema_row("0.8_0.3", Some(past))]).expect("rows are written");
    let running = table.fixture.start(&["start", "distribution"], "log");
    running.wait_for("is no alert and is skipped");
    // The writer starts again: the row gets a new timestamp.
    table.db.put(&[schema_row("0.8_0.3", None)]).expect("a row is written");
    table.put(10..15, None);
    table.wait_for_messages(&format!("{}_text", table.fixture.name), 15, &running);
    // Repairs read the row again and again.
    table.wait_for_repair(&running);
    table.wait_for_repair(&running);
    let log = running.terminate();
    table.assert_published(0..15);
    assert_eq!((texts(&table), rejected(&table)), (15, 0));
    assert_eq!(log.matches("is no alert and is skipped").count(), 1, "{log}");
    assert!(
        log.contains("row `schema_0.7_0.3` is no alert") || log.contains("row `schema_0.8_0.3` is no alert"),
        "{log}"
    );
    assert!(log.contains("stopped: 15 alerts, 30 messages sent, 0 late, 0 rejected, 3 rows skipped"), "{log}");

    let finished = table.fixture.ok(&["start", "distribution", "--dry-run", "--from", "earliest", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!((&report[1]["seen"], &report[1]["skipped"], &report[1]["kept"]), (&15.into(), &2.into(), &15.into()));
}

#[test]
fn jobs_skip_them_as_well_and_an_empty_list_skips_nothing() {
    let mut table = table("skipjob");
    let past = now() - 3_600_000;
    table.put(0..10, Some(past));
    table.db.put(&[schema_row("0.7_0.3", Some(past))]).expect("a row is written");
    let until = (past + 1).to_string();
    let job = ["start", "distribution", "--until", &until];
    table
        .fixture
        .ok(&job)
        .assert_stderr(0, &["finished: 10 alerts, 20 messages sent, 0 late, 0 rejected, 1 rows skipped"]);
    table.assert_published(0..10);
    assert_eq!((texts(&table), rejected(&table)), (10, 0));

    table.fixture.add("[science_db]", "skip_rows = []");
    let (from, until) = (past.to_string(), (past + 2).to_string());
    let everything = ["start", "distribution", "--from", &from, "--until", &until, "--allow-rejected"];
    table.fixture.ok(&everything).assert_stderr(0, &["finished: 11 alerts, 21 messages sent, 0 late, 1 rejected"]);
}
