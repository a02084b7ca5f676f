//! `fink start distribution_test` on topics with damaged or hostile messages.

use fink::cancel::CancellationToken;
use fink::kafka::topics::TopicSpec;
use fink::kafka::{CommitOutcome, Producer, ProducerOptions, ProducerRecord};

use crate::fixture::cluster::{TIMEOUT, User};
use crate::fixture::{Finished, Fixture};

const SCHEMA: &str = r#"{"type": "record", "name": "alert", "fields": [{"name": "objectId", "type": "string"},
    {"name": "candid", "type": "long"}, {"name": "note", "type": "string"}, {"name": "stamp", "type": "bytes"},
    {"name": "history", "type": {"type": "array", "items": "double"}}]}"#;

/// A fixture whose topic has these messages, as (key, value), in one partition.
fn fixture(what: &str, messages: &[(&[u8], Option<&[u8]>)]) -> Fixture {
    let mut fixture = Fixture::with_servers(what);
    let cluster = fixture.cluster();
    let spec = TopicSpec { partitions: Some(1), replication: None, config: Vec::new() };
    cluster.admin().create_topic(&fixture.name, &spec).expect("a topic");
    let options = ProducerOptions { transactional_id: fixture.name.clone(), memory: 64 << 20, timeout: TIMEOUT };
    let producer =
        Producer::open(&cluster.kafka(User::Producer), &options, &CancellationToken::new()).expect("a producer");
    producer.begin().expect("a transaction");
    for (id, (key, value)) in messages.iter().enumerate() {
        let (topic, key) = (fixture.name.as_str(), Some(*key));
        let message = ProducerRecord { topic, partition: 0, key, value: *value, headers: &[], id };
        producer.send(&message).expect("it is sent");
    }
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    fixture.log_in_as(User::Consumer);
    fixture
}

fn read(fixture: &Fixture, format: &str, expect: usize) -> Finished {
    let expect = expect.to_string();
    let arguments = ["start", "distribution_test", "--from", "earliest", "--exit-after", "20s", "--format", format];
    fixture.run(&[&arguments[..], &["--expect", &expect]].concat())
}

/// An alert whose note holds each character that acts on a terminal.
fn alert() -> Vec<u8> {
    let note = "\u{1b}[2J\u{7f}\u{80}\u{9b}\u{9f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}end";
    let object = "ZTF\u{202e}\u{9b}";
    let mut datum = Vec::new();
    fink::avro::write_bytes(object.as_bytes(), &mut datum);
    fink::avro::write_long(7, &mut datum);
    fink::avro::write_bytes(note.as_bytes(), &mut datum);
    fink::avro::write_bytes(&[1, 2, 3], &mut datum);
    datum.extend([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    datum
}

#[test]
fn each_damaged_value_is_found_in_each_format_and_named() {
    let good = alert();
    let mut damaged: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    damaged.push([&good[..], &[0]].concat());
    let key = SCHEMA.as_bytes();
    let mut messages: Vec<(&[u8], Option<&[u8]>)> = vec![(key, Some(&good))];
    messages.extend(damaged.iter().map(|value| (key, Some(value.as_slice()))));
    messages.extend([(key, None), (b"no schema".as_slice(), Some(good.as_slice())), (key, Some(good.as_slice()))]);
    let fixture = fixture("damaged", &messages);
    let bad = messages.len() - 2;
    for format in ["table", "ndjson"] {
        let finished = read(&fixture, format, 2);
        finished.assert_stderr(1, &["2 alerts read", &format!("{bad} messages could not be decoded")]);
        for offset in 1..=bad {
            let place = format!("{}[0] at {offset}: ", fixture.name);
            assert!(finished.stderr.contains(&place), "{format}: nothing about {place}: {finished:?}");
        }
        let alerts = finished.stdout.lines().filter(|line| line.contains("ZTF")).count();
        assert_eq!(alerts, 2, "{format}: {}", finished.stdout);
        let is_control_or_bidi = |c: char| {
            c.is_control() && c != '\n' || "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}".contains(c)
        };
        assert!(!finished.stdout.contains(is_control_or_bidi), "{format}: {:?}", finished.stdout);
    }
    let line = read(&fixture, "ndjson", 2).stdout;
    let alert: serde_json::Value = serde_json::from_str(line.lines().next().expect("an alert")).expect("JSON");
    assert_eq!(alert["alert"]["objectId"], "ZTF\u{202e}\u{9b}", "escapes change nothing: {line}");
}

#[test]
fn schemas_that_grow_exponentially_are_refused_one_by_one() {
    let mut fields = vec![r#"{"name":"x0","type":{"type":"record","name":"r0","fields":[]}}"#.to_owned()];
    fields.extend((1..40).map(|level| {
        let inner = level - 1;
        format!(
            r#"{{"name":"x{level}","type":{{"type":"record","name":"r{level}","fields":[{{"name":"a","type":"r{inner}"}},{{"name":"b","type":"r{inner}"}}]}}}}"#
        )
    }));
    let key = format!(r#"{{"type":"record","name":"root","fields":[{}]}}"#, fields.join(","));
    let good = alert();
    let fixture = fixture("explode", &[(key.as_bytes(), Some(b"")), (SCHEMA.as_bytes(), Some(&good))]);
    for format in ["table", "ndjson"] {
        let finished = read(&fixture, format, 1);
        finished.assert_stderr(
            1,
            &["[0] at 0: ", "more than 50000 nodes", "1 alerts read", "1 messages could not be decoded"],
        );
    }
}
