//! Positions of a group: where it begins, how far it is, how it is moved; and what may be read at all.

use std::process::Command;

use serde_json::{Value, json};

use super::Consumer;
use crate::fixture::cluster::User;

fn stats(consumer: &Consumer, more: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = ["consume", "stats", "--format", "json"].iter().chain(more).copied().collect();
    let finished = consumer.fixture.ok(&all);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

fn sum(rows: &[Value], field: &str) -> i64 {
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
    denied.assert_stderr(1, &["has no right to", "topic `secrets_of_others`"]);
    let denied = consumer.fixture.run(&["consume", "stats", "--group", "others"]);
    denied.assert_stderr(1, &["has no right to", "consumer group `others`"]);
}

#[test]
fn numbers_are_those_of_kafkas_own_tool() {
    let consumer = Consumer::new("numbers");
    consumer.send("ztf", "datum", "schema", 30);
    consumer.candids(&["--limit", "10"]);
    let cluster = consumer.fixture.cluster();
    let classpath = std::fs::read_to_string(cluster.value("FINK_TEST_KAFKA_CLASSPATH")).expect("a file");
    let properties = consumer.fixture.path("admin.properties");
    let login = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{}\" password=\"{}\";\n",
        cluster.username(User::Admin),
        cluster.password(User::Admin)
    );
    std::fs::write(&properties, login).expect("a file");
    let output = Command::new("java")
        .args(["-cp", classpath.trim(), "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"])
        .args(["--bootstrap-server", cluster.bootstrap_servers(), "--command-config"])
        .arg(&properties)
        .args(["--describe", "--group", &consumer.group])
        .output()
        .expect("java");
    let described = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{described}{}", String::from_utf8_lossy(&output.stderr));
    for row in stats(&consumer, &[]) {
        let words = [&row["topic"], &row["part"], &row["committed"], &row["end"], &row["lag"]]
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let words: Vec<&str> = words.iter().map(|word| if word == "null" { "-" } else { word.as_str() }).collect();
        let found = described.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().skip(1).take(5).collect();
            columns == words || words[2] == "-" && columns.starts_with(&words[..2])
        });
        assert!(found, "{words:?}: {described}");
    }
}
