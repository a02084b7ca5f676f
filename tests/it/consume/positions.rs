//! Positions of a group: where it begins, how far it is, how it is moved; and what may be read at all.

use std::process::Command;

use serde_json::{Value, json};

use super::Consumer;
use crate::fixture::cluster::{User, python};
use crate::fixture::topics::{message, producer, unique};
use crate::fixture::wait_until;
use fink::kafka::{CommitOutcome, ProducerRecord};

pub fn stats(consumer: &Consumer, more: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = ["consume", "stats", "--format", "json"].iter().chain(more).copied().collect();
    let finished = consumer.fixture.ok(&all);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

pub fn sum(rows: &[Value], field: &str) -> i64 {
    rows.iter().map(|row| row[field].as_i64().unwrap_or(0)).sum()
}

#[test]
fn a_group_goes_on_where_it_ended_and_its_lag_goes_to_0() {
    let consumer = Consumer::new("group");
    let sent = consumer.send("ztf", "datum", "schema", 30);
    let first = consumer.candids(&["--limit", "10"]);
    assert_eq!(first.len(), 10);
    let rows = stats(&consumer, &[]);
    assert_eq!((rows.len(), sum(&rows, "committed"), sum(&rows, "lag"), sum(&rows, "end")), (3, 10, 20, 30));
    let mut all = consumer.candids(&["--until-end"]);
    all.extend(first);
    all.sort_unstable();
    assert_eq!(all, sent);
    assert_eq!(sum(&stats(&consumer, &[]), "lag"), 0);
    assert!(consumer.candids(&["--until-end"]).is_empty());
}

#[test]
fn a_position_is_moved_but_not_under_its_readers() {
    let consumer = Consumer::new("reset");
    let sent = consumer.send("ztf", "datum", "schema", 30);
    consumer.candids(&["--until-end"]);
    let dry = consumer.fixture.ok(&["consume", "reset", "earliest", "--dry-run", "--format", "json"]);
    let plan: Vec<Value> = serde_json::from_str(&dry.stdout).expect("JSON");
    assert_eq!(plan[0], json!({"topic": consumer.topic.0, "part": 0, "from": 10, "to": 0, "end": 10}));
    assert_eq!(sum(&stats(&consumer, &[]), "lag"), 0);
    consumer.fixture.run(&["consume", "reset", "earliest"]).assert_stderr(2, &["--yes"]);
    consumer.fixture.ok(&["consume", "reset", "-2h", "--yes"]);
    assert_eq!(sum(&stats(&consumer, &[]), "lag"), 30);
    consumer.fixture.ok(&["consume", "reset", "latest", "--yes"]);
    assert_eq!(sum(&stats(&consumer, &[]), "lag"), 0);
    assert_eq!(consumer.candids(&["--from", "earliest", "--until-end"]), sent);

    let reader = consumer.start(&["-v", "--format", "ndjson"], "reader.log");
    reader.wait_for("reading 3 partitions");
    let refused = consumer.fixture.run(&["consume", "reset", "earliest", "--yes"]);
    refused.assert_stderr(1, &["has members, so its position cannot be moved: fink at "]);
    let refused = consumer.fixture.run(&["consume", "--from", "earliest", "--until-end"]);
    refused.assert_stderr(1, &["has members"]);
    reader.terminate();
}

#[test]
fn absent_denied_and_empty_topics_are_told_apart() {
    let consumer = Consumer::new("absent");
    let empty = consumer.fixture.ok(&["consume", "--until-end"]);
    assert_eq!(empty.stdout, "");
    let topics = consumer.fixture.ok(&["consume", "topics", &consumer.topic.0, "--format", "json"]);
    let topics: Vec<Value> = serde_json::from_str(&topics.stdout).expect("JSON");
    assert_eq!((&topics[0]["messages"], &topics[0]["flows"]), (&json!(0), &json!("no, empty")));
    let absent = format!("{}_absent", consumer.topic.0);
    for command in [["consume", &absent, "-e"], ["consume", "stats", &absent]] {
        consumer.fixture.run(&command).assert_stderr(1, &[&format!("topic `{absent}` does not exist")]);
    }
    let denied = consumer.fixture.run(&["consume", "secrets_of_others", "--until-end"]);
    denied.assert_stderr(1, &["is not authorized to", "topic `secrets_of_others`"]);
    let denied = consumer.fixture.run(&["consume", "stats", "--group", "others"]);
    denied.assert_stderr(1, &["is not authorized to", "consumer group `others`"]);
}

/// The end of each partition for a reader of committed messages, as librdkafka's own admin client says.
const ENDS: &str = r#"
import sys
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
servers, user, password_file, topic, partitions = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": servers, "security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-512",
                     "sasl.username": user, "sasl.password": open(password_file).read().strip()})
asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(int(partitions))}
for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
    found = admin.list_offsets(asked, isolation_level=level)
    print(*[found[place].result().offset for place in sorted(asked, key=lambda place: place.partition)])
"#;

#[test]
fn what_an_open_transaction_holds_back_is_no_lag() {
    let consumer = Consumer::new("open");
    consumer.send("ztf", "datum", "schema", 30);
    consumer.candids(&["--limit", "10"]);
    let producer = producer(&unique("open"));
    producer.begin().expect("a transaction");
    for id in 0..5 {
        let record = ProducerRecord { id, ..message(&consumer.topic.0, b"k", b"v") };
        producer.send(&record).expect("a message");
    }
    let cluster = consumer.fixture.cluster();
    let ends = || {
        let output = Command::new(python())
            .args(["-c", ENDS, cluster.bootstrap_servers(), cluster.username(User::Consumer)])
            .args([cluster.password_file(User::Consumer), &consumer.topic.0, "3"])
            .output()
            .expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| line.split(' ').map(|end| end.parse().expect("a number")).collect()).collect()
    };
    // Until the messages are in the log, the two ends are the same.
    let open = wait_until(
        || "no open transaction".to_owned(),
        || Some(ends()).filter(|ends: &Vec<Vec<i64>>| ends[1][0] == ends[0][0] + 5),
    );
    let rows = stats(&consumer, &[]);
    let shown: Vec<i64> = rows.iter().map(|row| row["end"].as_i64().expect("a number")).collect();
    assert_eq!((&shown, sum(&rows, "lag")), (&open[0], 20));
    assert_eq!(consumer.candids(&["--until-end"]).len(), 20);
    assert_eq!(sum(&stats(&consumer, &[]), "lag"), 0);
    consumer.fixture.ok(&["consume", "reset", "latest", "--yes"]);
    assert_eq!(sum(&stats(&consumer, &[]), "committed"), 30);
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    let committed = wait_until(
        || "the transaction is open".to_owned(),
        || Some(ends()).filter(|ends: &Vec<Vec<i64>>| ends[0] == ends[1]),
    );
    let rows = stats(&consumer, &[]);
    assert_eq!(rows.iter().map(|row| row["end"].as_i64().expect("a number")).collect::<Vec<_>>(), committed[0]);
}
