//! Streams with Python filters: correct ones, and failing ones of every kind beside a stream that must lose nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fink::alert::decoder::{BytesFormat, SchemaCache};

use crate::fixture::Finished;
use crate::fixture::alert_table::{Table, now};
use crate::fixture::cluster::python;

/// The filters of these tests.
const FILTERS: &str = r#"
import os, time
import numpy as np, pandas as pd

def even(candid):
    return candid % 2 == 0

def bright(magpsf: pd.Series, ra: pd.Series) -> pd.Series:
    print("what a filter prints is no answer")
    return (magpsf < 16.5) & (ra > 10)

def raises(candid):
    if (candid == 777).any():
        raise ValueError("no filter for 777")
    return candid >= 0

def thousandth(candid):
    if (candid % 1000 == 500).any():
        raise ValueError("no filter for this one")
    return candid % 2 == 0

def hangs(candid):
    if (candid == 333).any():
        time.sleep(1e6)
    return candid >= 0

def dies(candid):
    if (candid == 123).any() or (candid == 901).any():
        os._exit(3)
    return candid >= 0

FAILED = set()

def hiccups(candid):
    """Fails once for each batch, as with a service that is away for a moment."""
    if candid.iloc[0] not in FAILED:
        FAILED.add(candid.iloc[0])
        raise ConnectionError("the service is away")
    return candid >= 0

def sleeps(magpsf):
    time.sleep(1e6)

def exits(magpsf):
    print("going away")
    os._exit(3)

def ints(magpsf):
    return (magpsf > 0).astype(int)

def short(magpsf):
    return (magpsf > 0)[1:]

def none(magpsf):
    return pd.Series([None] * len(magpsf))

def eats(magpsf):
    return magpsf > np.ones(2_000_000_000).sum()

def strange(magpsff):
    return magpsff > 0
"#;

/// A table with `rows` rows, an hour old, and a stream for each of these filters beside the one that takes everything.
fn table(what: &str, rows: u32, filters: &[&str], settings: &str) -> Table {
    let mut table = Table::new(what);
    table.put(0..rows, Some(now() - 3_600_000));
    std::fs::write(table.fixture.path("judges.py"), FILTERS).expect("the fixture's folder");
    let python = python();
    let name = table.fixture.name.clone();
    for filter in filters {
        let filters: Vec<String> = filter.split('+').map(|filter| format!("\"judges:{filter}\"")).collect();
        let (stream, filters) = (filter.replace('+', "_"), filters.join(", "));
        writeln!(
            table.fixture.config,
            "[[stream]]\nname = \"{stream}\"\ntopic = \"{name}_{stream}\"\nfilters = [{filters}]"
        )
        .expect("memory");
    }
    writeln!(table.fixture.config, "[filters]\npython = \"{python}\"\npath = [\".\"]\n{settings}").expect("memory");
    table
}

fn job(table: &Table, more: &[&str]) -> Finished {
    let until = (now() - 1_800_000).to_string();
    table.fixture.run(&[&["start", "distribution", "--until", &until, "--allow-rejected"], more].concat())
}

/// The alerts on a topic; none of them twice.
fn on(table: &Table, topic: &str) -> BTreeSet<i64> {
    let mut schemas = SchemaCache::default();
    let messages = table.messages(topic);
    let found: BTreeSet<i64> = messages
        .iter()
        .map(|message| {
            let decoder = schemas.get(message.key.as_deref().expect("a key")).expect("the key is a schema");
            let alert =
                decoder.value(message.value.as_deref().expect("a value"), BytesFormat::Base64).expect("a datum");
            alert["candid"].as_i64().expect("candid")
        })
        .collect();
    assert_eq!(found.len(), messages.len(), "an alert is on {topic} twice");
    found
}

fn of_stream(table: &Table, stream: &str) -> BTreeSet<i64> {
    on(table, &format!("{}_{stream}", table.fixture.name))
}

fn header(message: &fink::kafka::Message, name: &str) -> String {
    let found = message.headers.iter().find(|(known, _)| known == name);
    String::from_utf8(found.and_then(|(_, value)| value.clone()).expect("a header")).expect("UTF-8")
}

/// What a stream lacks of the rows of `0..rows`, with the rejected alerts of that stream as (row key, reason).
fn lacking(table: &Table, stream: &str, rows: i64) -> (Vec<i64>, Vec<(String, String)>) {
    let sent = of_stream(table, stream);
    let rejected = table.messages(&format!("{}_rejected", table.fixture.name));
    let of_stream = rejected.iter().filter(|message| header(message, "fink-stream") == stream);
    let rejected = of_stream.map(|message| (header(message, "fink-row-key"), header(message, "fink-reason")));
    ((0..rows).filter(|candid| !sent.contains(candid)).collect(), rejected.collect())
}

#[test]
fn a_filter_that_raises_for_one_alert_in_a_thousand_rejects_exactly_those() {
    let table = table("thousandth", 3000, &["thousandth"], "");
    let finished = job(&table, &[]);
    finished.assert_stderr(0, &["3 rejected", "stream `thousandth`: 1500 alerts were refused"]);
    table.assert_published(0..3000);
    let (lacking, mut rejected) = lacking(&table, "thousandth", 3000);
    assert!(lacking.iter().all(|candid| candid % 2 == 1 || candid % 1000 == 500), "{lacking:?}");
    assert_eq!(lacking.len(), 1500 + 3);
    rejected.sort();
    let keys: Vec<&str> = rejected.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["row00500", "row01500", "row02500"]);
    for (_, reason) in &rejected {
        assert!(
            reason.contains("filter `judges:thousandth`: ") && reason.contains("no filter for this one"),
            "{reason}"
        );
    }
}

#[test]
fn a_filter_that_hangs_or_ends_its_process_for_one_alert_rejects_that_one() {
    let table = table("hangs", 1000, &["hangs", "dies"], "timeout = \"8s\"");
    job(&table, &[]).assert_stderr(0, &["3 rejected"]);
    table.assert_published(0..1000);
    let (hanging, reasons) = lacking(&table, "hangs", 1000);
    assert_eq!((hanging, reasons.len()), (vec![333], 1));
    let reason = &reasons[0].1;
    assert!(reason.contains("for this alert alone; for its batch: no answer within 8s (filters.timeout)"), "{reason}");
    let (dying, reasons) = lacking(&table, "dies", 1000);
    assert_eq!((dying, reasons.len()), (vec![123, 901], 2));
    assert!(reasons.iter().all(|(_, reason)| reason.contains("exit status: 3")), "{reasons:?}");
}

#[test]
fn a_transient_failure_rejects_nothing_and_stops_nothing() {
    for (what, on_error) in [("hiccup", "reject"), ("hiccupstop", "stop")] {
        let table = table(what, 500, &["hiccups"], &format!("workers = 1\non_error = \"{on_error}\""));
        job(&table, &[]).assert_stderr(0, &["0 rejected"]);
        assert_eq!(of_stream(&table, "hiccups").len(), 500);
    }
}

#[test]
fn what_all_filters_of_a_stream_keep_is_sent_and_the_rest_counted_by_name() {
    let table = table("sift", 1000, &["even", "bright+even"], "");
    let dry = job(&table, &["--dry-run", "--format", "json"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    let counts: serde_json::Value = serde_json::from_str(&dry.stdout).expect("JSON");
    let bright = |candid: &i64| 16.0 + *candid as f64 / 1000.0 < 16.5 && candid % 360 > 10;
    let refused_by_bright = (0..1000).filter(|candid| !bright(candid)).count();
    assert_eq!(counts[1]["refused_by"], serde_json::json!([{"filter": "judges:even", "refused": 500}]));
    assert_eq!(
        counts[2]["refused_by"][0],
        serde_json::json!({"filter": "judges:bright", "refused": refused_by_bright})
    );
    let finished = job(&table, &[]);
    finished.assert_stderr(0, &["stream `even`: 500 alerts were refused by filter judges:even"]);
    table.assert_published(0..1000);
    assert_eq!(of_stream(&table, "even"), (0..1000).filter(|candid| candid % 2 == 0).collect());
    assert_eq!(of_stream(&table, "bright_even"), (0..1000).filter(bright).filter(|candid| candid % 2 == 0).collect());
}

#[test]
fn a_wrong_filter_costs_its_own_stream_the_alerts_that_it_fails_for_and_no_other_anything() {
    let wrong = ["raises", "sleeps", "exits", "ints", "short", "none", "eats"];
    let filters = [&["even"], &wrong[..]].concat();
    let table = table("wrong", 1000, &filters, "timeout = \"2s\"");
    let finished = job(&table, &[]);
    assert_eq!(finished.code, 0, "{finished:?}");
    table.assert_published(0..1000);
    assert_eq!(of_stream(&table, "even").len(), 500);
    let rejected = table.messages(&format!("{}_rejected", table.fixture.name));
    for (filter, words) in wrong.into_iter().zip([
        "ValueError: no filter for 777",
        "no answer within 2s (filters.timeout)",
        "exit status: 3",
        "type int64, not booleans",
        "for ",
        "None for alert 1 of",
        "MemoryError",
    ]) {
        let of_filter: Vec<_> = rejected.iter().filter(|message| header(message, "fink-stream") == filter).collect();
        for message in &of_filter {
            let reason = header(message, "fink-reason");
            assert!(reason.starts_with(&format!("filter `judges:{filter}`: ")) && reason.contains(words), "{reason}");
        }
        // Each alert is on the stream or rejected: never both, never neither.
        assert_eq!(of_stream(&table, filter).len() + of_filter.len(), 1000, "{filter}");
        match filter {
            "raises" => assert_eq!(of_filter.len(), 1, "{filter}"),
            _ => assert_eq!(of_filter.len(), 1000, "{filter}"),
        }
    }
}

#[test]
fn with_stop_a_failure_ends_the_service_and_the_rest_is_sent_once_the_filter_is_corrected() {
    let table = table("stop", 1000, &["raises"], "on_error = \"stop\"");
    let until = (now() - 1_800_000).to_string();
    let arguments = ["start", "distribution", "--until", &until];
    table
        .fixture
        .run(&arguments)
        .assert_stderr(1, &["filter `judges:raises`", "Traceback", "ValueError: no filter for 777"]);
    let corrected = FILTERS.replace("candid == 777", "candid == -1");
    std::fs::write(table.fixture.path("judges.py"), corrected).expect("the fixture's folder");
    table.fixture.ok(&arguments);
    assert_eq!(of_stream(&table, "raises").len(), 1000);
    table.assert_published(0..1000);
}

#[test]
fn workers_that_end_again_and_again_end_the_service() {
    let table = table("again", 600, &["exits"], "batch = 10");
    job(&table, &[])
        .assert_stderr(1, &["filter workers were restarted 21 times within 10m", "judges:exits", "exit status: 3"]);
    assert_eq!(of_stream(&table, "exits").len(), 0);
}

#[test]
fn a_filter_that_is_not_there_or_asks_for_no_column_refuses_to_start() {
    let table = table("refused", 1, &["strange"], "");
    job(&table, &[]).assert_stderr(2, &["filter `judges:strange`", "no column `magpsff`", "candidate.magpsf"]);
    let mut table = table;
    table.fixture.replace("judges:strange", "judges:nobody");
    job(&table, &[]).assert_stderr(2, &["filter `judges:nobody`", "no attribute 'nobody'"]);
    table.fixture.replace("judges:nobody", "no.where:nobody");
    job(&table, &[]).assert_stderr(2, &["filter `no.where:nobody`", "No module named 'no'"]);
    assert!(table.messages(&table.fixture.name).is_empty());
}
