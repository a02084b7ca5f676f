//! `fink kafka list-groups`, `describe-group` and `reset-group`, compared with Kafka's own tool.

use serde_json::{Value, json};

use crate::consume::Consumer;
use crate::fixture::kafka_tools::consumer_groups;
use crate::fixture::topics::{message, producer, unique};
use crate::fixture::{Running, wait_until};
use fink::kafka::{CommitOutcome, ProducerRecord};

/// A consumer's fixture, whose configuration also has the administrator.
fn with_admin(what: &str) -> Consumer {
    let mut consumer = Consumer::new(what);
    let admin = consumer.fixture.cluster().admin_section();
    consumer.fixture.config.push_str(&admin);
    consumer
}

fn json_of(consumer: &Consumer, arguments: &[&str]) -> Value {
    let finished = consumer.fixture.ok(&[&["kafka"], arguments, &["--format", "json"]].concat());
    serde_json::from_str(&finished.stdout).expect("JSON")
}

fn describe(consumer: &Consumer) -> Value {
    json_of(consumer, &["describe-group", &consumer.group])
}

fn number(row: &Value, field: &str) -> i64 {
    row[field].as_i64().unwrap_or_else(|| panic!("no {field} in {row}"))
}

/// The lines of Kafka's tool for the partitions of the topic, as words.
fn told_by_kafka(consumer: &Consumer) -> Vec<Vec<String>> {
    let told = consumer_groups(&consumer.fixture, &["--describe", "--group", &consumer.group]);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    told.lines().map(words).filter(|words| words.get(1) == Some(&consumer.topic.0)).collect()
}

/// That each partition of the description is in what Kafka's tool says, whose end is the high watermark.
fn assert_as_kafka_tells(consumer: &Consumer, described: &Value) {
    let told = told_by_kafka(consumer);
    let rows = described["partitions"].as_array().expect("partitions");
    assert_eq!(rows.len(), 3);
    for row in rows {
        if row["committed"].is_null() && row["member_id"].is_null() {
            // Kafka's tool leaves it out.
            assert!(
                row["lag"].is_null()
                    && told.iter().all(|words| row["partition"] != words[2].parse::<i64>().expect("a number"))
            );
            continue;
        }
        let words = told.iter().find(|words| words[2] == number(row, "partition").to_string()).expect("a line");
        let text = |index: usize| words[index].as_str();
        assert_eq!(text(3), number(row, "committed").to_string(), "{words:?}");
        assert_eq!(text(4), number(row, "high").to_string(), "{words:?}");
        let undecided = number(row, "high") - number(row, "end");
        assert_eq!(text(5), (number(row, "lag") + undecided).to_string(), "{words:?}");
        let members = described["members"].as_array().expect("members");
        match members.iter().find(|member| member["member_id"] == row["member_id"]) {
            None => assert_eq!((text(6), text(7), text(8)), ("-", "-", "-")),
            Some(member) => {
                assert_eq!(member["member_id"], text(6));
                assert_eq!(format!("/{}", member["host"].as_str().expect("a host")), text(7));
                assert_eq!(member["client_id"], text(8));
                let place = json!({"topic": row["topic"], "partition": row["partition"]});
                assert!(member["partitions"].as_array().expect("partitions").contains(&place), "{member}");
            }
        }
    }
}

/// A reader that has read and committed what it can.
fn reader(consumer: &Consumer) -> Running {
    let running = consumer.start(&["--format", "ndjson"], "reader.log");
    wait_until(
        || format!("{}; {}", describe(consumer), running.log()),
        || {
            let described = describe(consumer);
            (described["lag"] == 0 && described["members"].as_array().is_some_and(|members| members.len() == 1))
                .then_some(())
        },
    );
    running
}

#[test]
fn groups_are_as_kafkas_own_tool_tells_and_an_open_transaction_is_no_lag() {
    let consumer = with_admin("groups");
    consumer.send("ztf", "datum", "schema", 30);
    consumer.candids(&["--limit", "4"]);
    let described = describe(&consumer);
    assert_eq!((&described["state"], number(&described, "lag")), (&json!("Empty"), 6));
    assert_as_kafka_tells(&consumer, &described);

    let producer = producer(&unique("groups"));
    producer.begin().expect("a transaction");
    for id in 0..5 {
        let record = ProducerRecord { id, ..message(&consumer.topic.0, b"k", b"v") };
        producer.send(&record).expect("a message");
    }
    let running = reader(&consumer);
    let described = wait_until(
        || "no open transaction".to_owned(),
        || {
            Some(describe(&consumer))
                .filter(|d| number(&d["partitions"][0], "high") - number(&d["partitions"][0], "end") == 5)
        },
    );
    assert_eq!((&described["state"], &described["type"]), (&json!("Stable"), &json!("classic")));
    assert_eq!(described["members"][0]["partitions"].as_array().map(Vec::len), Some(3));
    assert_as_kafka_tells(&consumer, &described);
    let text = consumer.fixture.ok(&["kafka", "describe-group", &consumer.group]).stdout;
    assert!(text.contains("state: Stable, members: 1, lag: 0") && text.contains("127.0.0.1"), "{text}");

    let listed = json_of(&consumer, &["list-groups", &consumer.group, "--topic", &consumer.topic.0]);
    let topics = json!([consumer.topic.0]);
    let expected = json!([{"group": consumer.group, "type": "classic", "state": "Stable", "members": 1, "topics": topics, "lag": 0}]);
    assert_eq!(listed, expected);
    assert_eq!(json_of(&consumer, &["list-groups", &consumer.group, "--topic", "fink_another"]), json!([]));
    let all = json_of(&consumer, &["list-groups"]);
    let names = consumer_groups(&consumer.fixture, &["--list"]);
    assert!(
        names.lines().any(|name| name == consumer.group)
            && all.as_array().expect("rows").iter().any(|row| row["group"] == consumer.group)
    );

    // A group with members is not moved.
    let reset = ["kafka", "reset-group", &consumer.group, "earliest"];
    consumer
        .fixture
        .run(&[&reset[..], &["--yes"]].concat())
        .assert_stderr(1, &["has members", "fink at 127.0.0.1", "stop them first"]);
    consumer.fixture.ok(&[&reset[..], &["--dry-run"]].concat());
    running.terminate();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    let described = wait_until(
        || "the transaction is open".to_owned(),
        || Some(describe(&consumer)).filter(|d| d["partitions"][0]["high"] == d["partitions"][0]["end"]),
    );
    assert!(number(&described, "lag") >= 5, "{described}");
    assert_as_kafka_tells(&consumer, &described);
}

#[test]
fn a_group_is_moved_as_planned_and_only_after_confirmation() {
    let consumer = with_admin("move");
    let sent = consumer.send("ztf", "datum", "schema", 30);
    assert_eq!(consumer.candids(&["--until-end"]), sent);
    let reset = |more: &[&str]| {
        let mut all = vec!["kafka", "reset-group", consumer.group.as_str()];
        all.extend(more);
        consumer.fixture.run(&all)
    };
    let committed = || {
        let described = describe(&consumer);
        let rows = described["partitions"].as_array().expect("partitions").clone();
        rows.iter().map(|row| number(row, "committed")).collect::<Vec<i64>>()
    };
    let plan = json_of(&consumer, &["reset-group", &consumer.group, "earliest", "--dry-run"]);
    assert_eq!(plan[0], json!({"topic": consumer.topic.0, "part": 0, "from": 10, "to": 0, "end": 10}));
    assert_eq!(committed(), [10, 10, 10]);
    reset(&["earliest"]).assert_stderr(2, &["--yes"]);
    reset(&["yesterday", "--yes"]).assert_stderr(2, &["is not a start"]);
    reset(&["--yes"]).assert_stderr(2, &["--to-offset"]);
    assert_eq!(committed(), [10, 10, 10]);

    let partition = format!("{}:2", consumer.topic.0);
    assert_eq!(reset(&["--to-offset", "4", "--topic", &partition, "--yes"]).code, 0);
    assert_eq!(committed(), [10, 10, 4]);
    reset(&["--to-offset", "11", "--topic", &partition, "--yes"]).assert_stderr(1, &["has the offsets 0 to 10"]);
    let absent = format!("{}:3", consumer.topic.0);
    reset(&["earliest", "--topic", &absent, "--yes"]).assert_stderr(2, &["has no partition 3"]);
    assert_eq!(consumer.candids(&["--until-end"]).len(), 6);
    assert_eq!(reset(&["-2h", "--yes"]).code, 0);
    assert_eq!(committed(), [0, 0, 0]);
    assert_eq!(reset(&["latest", "--yes"]).code, 0);
    assert_eq!(committed(), [10, 10, 10]);
    assert_as_kafka_tells(&consumer, &describe(&consumer));

    // A group that does not exist.
    let absent = format!("{}_absent", consumer.group);
    let run = |more: &[&str]| consumer.fixture.run(&[&["kafka"], more].concat());
    run(&["describe-group", &absent]).assert_stderr(1, &["does not exist", "list-groups"]);
    run(&["reset-group", &absent, "earliest", "--yes"]).assert_stderr(1, &["does not exist"]);
    assert_eq!(run(&["reset-group", &absent, "latest", "--topic", &consumer.topic.0, "--yes"]).code, 0);
    assert_eq!(json_of(&consumer, &["describe-group", &absent])["lag"], 0);
}
