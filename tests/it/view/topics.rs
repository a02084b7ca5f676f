//! Alerts of topics as they come.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use super::{Viewer, has_browser, script};
use crate::consume::Consumer;

#[test]
fn new_alerts_wait_and_no_group_is_used() {
    if !has_browser() {
        return;
    }
    let consumer = Consumer::new("view");
    consumer.send("ztf", "datum", "schema", 12);
    // Without a name: the topic of the configuration.
    let viewer = Viewer::start(&consumer.fixture, &[]);
    let mut look = script("view_page.py");
    look.args(["live", &viewer.url]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = look.spawn().expect("python");
    let mut answers = child.stdin.take().expect("a pipe");
    let asked = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for line in asked {
        assert_eq!(line.expect("a line"), "send");
        consumer.send("ztf", "datum", "schema", 12);
        answers.write_all(b"sent\n").expect("a pipe");
    }
    let output = child.wait_with_output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stats = consumer.fixture.ok(&["consume", "stats", "--format", "json"]).stdout;
    let stats: Value = serde_json::from_str(&stats).expect("JSON");
    let committed: Vec<&Value> = stats.as_array().expect("partitions").iter().map(|row| &row["committed"]).collect();
    assert!(committed.iter().all(|offset| offset.is_null()), "{committed:?}");
}

#[test]
fn a_topic_is_drawn_without_a_server() {
    let consumer = Consumer::new("view_terminal");
    consumer.send("lsst", "confluent", "schema", 12);
    let text = consumer.fixture.ok(&["view", &consumer.topic.0, "--terminal"]).stdout;
    assert!(
        text.contains("Difference flux (nJy)") && text.contains(&format!("message {}[", consumer.topic.0)),
        "{text}"
    );
}
