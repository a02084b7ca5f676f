//! Brokers that go away and come back, which only librdkafka's mock brokers do on request.

use std::path::Path;

use fink::avro::container::Container;
use fink::kafka::ProducerOptions;
use fink::kafka::{CommitOutcome, Producer, ProducerRecord};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::fixture::cluster::{TIMEOUT, plaintext};
use crate::fixture::{Fixture, wait_until};

const TOPIC: &str = "fink_outages";

fn send(mock: &MockCluster<'static, DefaultProducerContext>, files: &[std::path::PathBuf], id: &str) {
    let options = ProducerOptions { transactional_id: id.to_owned(), memory: 64 << 20, timeout: TIMEOUT };
    let token = fink::cancel::CancellationToken::new();
    let producer = Producer::open(&plaintext(mock.bootstrap_servers()), &options, &token).expect("a producer");
    producer.begin().expect("a transaction");
    for (id, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).expect("a file");
        let container = Container::read(&bytes).expect("an Avro file");
        let (key, value) = (container.schema_json.as_bytes(), container.data().next().expect("an alert"));
        let partition = (id % 2) as i32;
        let record = ProducerRecord { topic: TOPIC, partition, key: Some(key), value: Some(value), headers: &[], id };
        producer.send(&record).expect("a message");
    }
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
}

fn saved(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".avro")).count()
}

#[test]
fn reading_continues_when_brokers_come_back() {
    let mut fixture = Fixture::embedded("outages");
    fixture.ok(&["simulate", "--survey", "ztf", "--alerts", "20", "--seed", "5", "--out", "alerts"]);
    let entries = std::fs::read_dir(fixture.path("alerts")).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mock: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("mock brokers");
    mock.create_topic(TOPIC, 2, 1).expect("a topic");
    send(&mock, &files[..10], "before");
    fixture.config.push_str(&format!(
        "[kafka]\nbootstrap_servers = \"{}\"\nsecurity_protocol = \"plaintext\"\n",
        mock.bootstrap_servers()
    ));
    let consumer = fixture.start(&["-v", "consume", TOPIC, "--no-group", "--save", "saved"], "consume.log");
    let folder = fixture.path("saved");
    let wait_for_files = |count: usize| {
        wait_until(
            || format!("{} files: {}", saved(&folder), consumer.log()),
            || (saved(&folder) == count).then_some(()),
        );
    };
    wait_for_files(10);
    mock.broker_down(-1).expect("mock brokers");
    consumer.wait_for("kafka cannot be reached");
    mock.broker_up(-1).expect("mock brokers");
    consumer.wait_for("kafka can be reached again");
    send(&mock, &files[10..], "after");
    wait_for_files(20);
    let log = consumer.terminate();
    assert_eq!(log.matches("kafka cannot be reached").count(), 1, "{log}");
}

#[test]
fn brokers_that_are_away_at_the_start_are_waited_for() {
    let mut fixture = Fixture::embedded("late");
    let mock: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("mock brokers");
    mock.create_topic(TOPIC, 2, 1).expect("a topic");
    mock.broker_down(-1).expect("mock brokers");
    fixture.config.push_str(&format!(
        "[kafka]\nbootstrap_servers = \"{}\"\nsecurity_protocol = \"plaintext\"\n",
        mock.bootstrap_servers()
    ));
    let consumer = fixture.start(&["consume", TOPIC, "--no-group", "--until-end", "--format", "ndjson"], "consume.log");
    consumer.wait_for("waiting for it");
    mock.broker_up(-1).expect("mock brokers");
    let (code, log) = consumer.wait();
    assert_eq!(code, 0, "{log}");
}
