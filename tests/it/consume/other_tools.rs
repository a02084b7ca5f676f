//! A group beside Kafka's own tool and kcat: the same numbers, and each of them resumes where another has ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Consumer;
use super::positions::{stats, sum};
use crate::fixture::kafka_tools::consumer_groups;
use crate::fixture::topics::{message, options, settings, unique, with_option};
use crate::fixture::{skip, wait_until};
use fink::cancel::CancellationToken;
use fink::kafka::{CommitOutcome, Producer, ProducerRecord};

/// Of each partition with a committed offset: that offset, the end and the lag.
type Numbers = BTreeMap<i64, [i64; 3]>;

/// What a command prints; it must succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The numbers of kafka-consumer-groups.
fn numbers_of_kafka(consumer: &Consumer) -> Numbers {
    let text = consumer_groups(&consumer.fixture, &["--describe", "--group", &consumer.group]);
    let of_topic = text.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_of_topic = columns.get(1) == Some(&consumer.topic.0.as_str());
        let numbers: Vec<i64> = columns.get(2..6)?.iter().map_while(|number| number.parse().ok()).collect();
        let [partition, committed, end, lag] = <[i64; 4]>::try_from(numbers).ok()?;
        is_of_topic.then_some((partition, [committed, end, lag]))
    });
    of_topic.collect()
}

/// The numbers of `fink consume stats`.
fn numbers(consumer: &Consumer) -> Numbers {
    let number = |row: &Value, field: &str| row[field].as_i64();
    let of_row = |row: &Value| {
        let [partition, end, lag] = ["part", "end", "lag"].map(|field| number(row, field).expect("a number"));
        Some((partition, [number(row, "committed")?, end, lag]))
    };
    stats(consumer, &[]).iter().filter_map(of_row).collect()
}

/// kcat with a certificate: a librdkafka before 2.6.1 cannot log in to Kafka 4 with SCRAM.
fn kcat(consumer: &Consumer) -> Option<impl Fn(&[&str]) -> String> {
    if Command::new("kcat").arg("-V").output().is_err() {
        skip("kcat is not installed (Debian: apt-get install kcat)");
        return None;
    }
    let cluster = consumer.fixture.cluster();
    let tls = Path::new(cluster.value("FINK_TEST_TLS_DIR")).to_owned();
    let servers = cluster.value("FINK_TEST_CERTIFICATE_BOOTSTRAP").to_owned();
    Some(move |arguments: &[&str]| {
        let mut command = Command::new("kcat");
        command.args(["-q", "-b", &servers, "-X", "security.protocol=ssl", "-X", "auto.offset.reset=earliest"]);
        for (option, file) in
            [("ca", "ca.pem"), ("certificate", "consumer.pem"), ("key", "consumer.key")].map(|(o, f)| (o, tls.join(f)))
        {
            command.arg("-X").arg(format!("ssl.{option}.location={}", file.display()));
        }
        printed(command.args(arguments))
    })
}

#[test]
fn numbers_are_those_of_kafkas_own_tool() {
    let consumer = Consumer::new("numbers");
    consumer.send("ztf", "datum", "schema", 30);
    consumer.candids(&["--limit", "10"]);
    let shown = numbers(&consumer);
    assert!(!shown.is_empty());
    assert_eq!(numbers_of_kafka(&consumer), shown);
}

#[test]
fn a_group_is_the_same_for_all_tools_and_an_open_transaction_is_no_lag() {
    let consumer = Consumer::new("tools");
    consumer.send("ztf", "datum", "schema", 30);
    consumer.candids(&["--until-end"]);
    let at_end: Numbers = (0..3).map(|partition| (partition, [10, 10, 0])).collect();
    assert_eq!((&numbers(&consumer), &numbers_of_kafka(&consumer)), (&at_end, &at_end));

    // Longer than Kafka's tool takes to start, a few times.
    let settings = with_option(settings(), "transaction.timeout.ms", "600000");
    let producer =
        Producer::open(&settings, &options(&unique("tools")), &CancellationToken::new()).expect("a producer");
    producer.begin().expect("a transaction");
    for id in 0..5 {
        let record = ProducerRecord { id, ..message(&consumer.topic.0, b"k", b"v") };
        producer.send(&record).expect("a message");
    }
    // Kafka's tool counts up to the high watermark, and so what no consumer of committed messages can read yet.
    let mut with_open = at_end.clone();
    with_open.insert(0, [10, 15, 5]);
    wait_until(
        || format!("{:?}", numbers_of_kafka(&consumer)),
        || (numbers_of_kafka(&consumer) == with_open).then_some(()),
    );
    assert_eq!(numbers(&consumer), at_end);

    consumer.fixture.ok(&["consume", "reset", "earliest", "--yes"]);
    let at_begin: Numbers = (0..3).map(|partition| (partition, [0, 10, 10])).collect();
    assert_eq!(numbers(&consumer), at_begin);
    let committed: Vec<i64> = numbers_of_kafka(&consumer).values().map(|[committed, ..]| *committed).collect();
    assert_eq!(committed, [0, 0, 0]);
    if let Some(kcat) = kcat(&consumer) {
        let read = kcat(&["-C", "-t", &consumer.topic.0, "-p", "0", "-o", "beginning", "-e", "-f", "%o\n"]);
        assert_eq!(read.lines().last(), Some("9"), "kcat reads up to the end that `stats` shows");
        let read = kcat(&["-f", "%p %o\n", "-c", "30", "-G", &consumer.group, &consumer.topic.0]);
        assert_eq!(read.lines().count(), 30);
        assert_eq!(numbers(&consumer), at_end, "fink resumes where kcat has ended");
        assert!(consumer.candids(&["--until-end"]).is_empty());
    }

    let reset = ["--topic", &consumer.topic.0, "--reset-offsets", "--to-offset", "4", "--execute"];
    consumer_groups(&consumer.fixture, &[&reset[..], &["--group", &consumer.group]].concat());
    assert_eq!(numbers(&consumer), (0..3).map(|partition| (partition, [4, 10, 6])).collect());
    assert_eq!(consumer.candids(&["--until-end"]).len(), 18);
    assert_eq!(sum(&stats(&consumer, &[]), "lag"), 0);

    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    // Five messages, and the marker of the transaction's end.
    let mut committed = at_end;
    committed.insert(0, [10, 16, 6]);
    wait_until(|| format!("{:?}", numbers(&consumer)), || (numbers(&consumer) == committed).then_some(()));
    assert_eq!(numbers_of_kafka(&consumer), committed);
}
