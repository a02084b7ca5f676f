//! Arguments that make no sense are refused before a connection to any server.

use crate::fixture::Fixture;
use crate::fixture::alert_table::{Table, now};

/// Nothing listens at any address, and there is not even a catalog.
fn closed() -> Fixture {
    let mut fixture = Fixture::embedded("arguments");
    fixture.config = "[science_db]\naddress = \"127.0.0.1:1\"\n[kafka]\nbootstrap_servers = \"127.0.0.1:1\"\nsecurity_protocol = \"plaintext\"\n[distribution]\n".to_owned();
    fixture
}

#[test]
fn wrong_times_and_names_are_refused_before_any_server_is_asked() {
    let fixture = closed();
    let hour_ahead = (now() + 3_600_000).to_string();
    let (micros, nanos) = ((now() * 1_000).to_string(), (now() * 1_000_000).to_string());
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--from", "200", "--until", "100"], &["(200 ms since 1970) is not before --until 1970-01-01T00:00:00.1Z"]),
        (&["--from", "2019-11-02T00:00:00Z", "--until", "2019-11-01T00:00:00Z"], &["nothing between them"]),
        (&["--from", "now", "--until", "2019-11-01T00:00:00Z"], &["nothing between them"]),
        (&["--until", "0"], &["nothing between them"]),
        (&["--until", &hour_ahead], &["--until", " ahead of now"]),
        (&["--until", "2999-01-01T00:00:00Z"], &["(2999-01-01T00:00:00Z)", "a job reads what exists"]),
        (&["--from", &hour_ahead], &["--from", " ahead of now", "would be skipped"]),
        (&["--from", &micros, "--dry-run"], &["--from", "looks like microseconds: write 1"]),
        (&["--stream", "ful", "--from", &nanos], &["there is no stream `ful`", "`full`"]),
    ];
    for (arguments, words) in cases {
        fixture.run(&[&["start", "distribution"], arguments].concat()).assert_stderr(2, words);
    }
    let finished = fixture.run(&["--set", &format!("distribution.start={micros}"), "start", "distribution"]);
    finished.assert_stderr(2, &["distribution.start", "looks like microseconds"]);
    fixture.run(&["ingest", "x", "--timestamp", &micros]).assert_stderr(2, &["--timestamp", "looks like microseconds"]);
    fixture
        .run(&["start", "distribution_test", "--limit", "3", "--expect", "4"])
        .assert_stderr(2, &["--limit 3", "--expect 4"]);
}

#[test]
fn seconds_are_taken_for_milliseconds_with_a_warning() {
    let mut fixture = closed();
    fixture.replace("address = \"127.0.0.1:1\"\n", "catalog = \"none.json\"\n");
    let finished = fixture.run(&["start", "distribution", "--from", "1572566400", "--dry-run"]);
    finished.assert_stderr(2, &["--from 1572566400 is read as milliseconds", "looks like seconds", "1572566400000"]);
}

#[test]
fn an_offset_file_in_microseconds_is_refused_by_its_name() {
    let table = Table::new("micros");
    let file = table.fixture.path("offset");
    std::fs::write(&file, format!("distributed till, {}", now() * 1_000)).expect("a file");
    let name = file.display().to_string();
    let words = ["the offset file", &name, "looks like microseconds: write 1", "correct or remove the file"];
    table.fixture.run(&["start", "distribution", "--exit-after", "5s"]).assert_stderr(2, &words);
    table.fixture.run(&["start", "distribution", "--dry-run"]).assert_stderr(2, &words);
    let finished = table.fixture.run(&["doctor"]);
    assert!(finished.stdout.contains(&format!("✖ offset file: the offset file {name}")), "{finished:?}");
    std::fs::write(&file, format!("distributed till, {}", now() - 1_000)).expect("a file");
    table.fixture.ok(&["start", "distribution", "--exit-after", "15s"]);
}
