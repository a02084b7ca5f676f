//! Tables and lines of JSON, and every way in which a message can be made.

use serde_json::json;

use super::Consumer;
use crate::fixture::topics::admin;
use fink::kafka::topics::TopicSpec;

const ALL: [&str; 2] = ["--no-group", "--until-end"];

#[test]
fn every_encoding_and_key_is_decoded() {
    let consumer = Consumer::new("encodings");
    let schema = consumer.fixture.path("schema.avsc");
    let schema = schema.to_str().expect("UTF-8");
    let mut sent = consumer.send("ztf", "datum", "schema", 12);
    let first = consumer.lines(&["--no-group", "--limit", "1", "--dump-schema", schema]);
    assert_eq!(first.len(), 1);
    for encoding in ["datum", "confluent", "single-object", "container"] {
        for key in ["schema", "object-id", "version", "none"] {
            let name = format!("{}_{encoding}_{key}", consumer.topic.0);
            let spec = TopicSpec { partitions: Some(2), replication: None, config: Vec::new() };
            admin().create_topic(&name, &spec).expect("a topic");
            sent = consumer.send_to(&name, "ztf", encoding, key, 12);
            let needs_schema = key != "schema" && encoding != "container";
            let with_schema: &[&str] = if needs_schema { &["--schema", schema] } else { &[] };
            let all: Vec<&str> = [name.as_str()].iter().chain(&ALL).chain(with_schema).copied().collect();
            assert_eq!(consumer.candids(&all), sent, "{encoding} {key}");
            if needs_schema {
                let finished =
                    consumer.fixture.run(&["consume", &name, "--no-group", "--until-end", "--format", "ndjson"]);
                finished.assert_stderr(1, &["no schema is known for it", "12 messages could not be decoded"]);
                assert_eq!(finished.stdout, "");
            }
            admin().delete_topic(&name).expect("a topic");
        }
    }
    assert_eq!(sent.len(), 12);
}

#[test]
fn whole_alerts_and_single_fields_are_printed_as_they_were_sent() {
    let consumer = Consumer::new("fields");
    let sent = consumer.send("lsst", "datum", "schema", 0);
    let whole = consumer.lines(&["--no-group", "--until-end", "--bytes", "none"]);
    assert_eq!(whole.len(), sent.len());
    let fields =
        ["--fields", "diaSource.psfFlux,diaSourceId,kafka.topic,kafka.offset,kafka.partition", "--no-group", "-e"];
    let picked = consumer.lines(&fields);
    for (whole, picked) in whole.iter().zip(&picked) {
        assert_eq!(picked["diaSource.psfFlux"], whole["diaSource"]["psfFlux"]);
        assert_eq!(picked["kafka.topic"], json!(consumer.topic.0));
        assert!(whole["cutoutDifference"].is_null());
    }
    let error = consumer.fixture.run(&["consume", "--no-group", "-e", "--format", "ndjson", "--fields", "psfFluxx"]);
    error.assert_stderr(2, &["--fields: the alerts have no field `psfFluxx` (nearest: "]);
}

#[test]
fn a_table_fits_80_columns() {
    let consumer = Consumer::new("table");
    consumer.send("ztf", "datum", "schema", 12);
    consumer.send("lsst", "datum", "schema", 0);
    let finished = consumer.fixture.ok(&["consume", "--no-group", "--until-end", "--format", "table"]);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert!(lines[0].starts_with("UTC                 OBJECT"), "{}", lines[0]);
    assert_eq!(lines.len(), 1 + 12 + consumer.alerts("lsst").len());
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", finished.stdout);
    assert!(finished.stdout.contains("ZTF") && finished.stdout.contains("nJy"), "{}", finished.stdout);
}

#[test]
fn a_broken_message_is_named_and_the_others_are_printed() {
    let consumer = Consumer::new("broken");
    let sent = consumer.send("ztf", "datum", "schema", 12);
    // A message without a schema in its key, as a faulty producer sends it.
    consumer.send("ztf", "datum", "object-id", 3);
    let finished =
        consumer.fixture.run(&["consume", "--no-group", "--until-end", "--format", "ndjson", "--fields", "candid"]);
    finished.assert_stderr(
        1,
        &[&format!("{}[0] at 4: no schema is known for it", consumer.topic.0), "3 messages could not be decoded"],
    );
    assert_eq!(finished.stdout.lines().count(), sent.len());
}

#[test]
fn ends_and_expectations() {
    let consumer = Consumer::new("ends");
    let sent = consumer.send("ztf", "datum", "schema", 30);
    assert_eq!(consumer.candids(&["--no-group", "--limit", "7"]).len(), 7);
    assert_eq!(consumer.candids(&["--no-group", "--idle", "2s"]), sent);
    assert_eq!(consumer.candids(&["--no-group", "--expect", "30"]), sent);
    assert_eq!(consumer.candids(&["--no-group", "--from", "latest", "--exit-after", "3s"]), [0_u64; 0]);
    assert_eq!(consumer.candids(&["--no-group", "--from", "-2h", "-e"]), sent);
    let few = consumer.fixture.run(&["consume", "--no-group", "-e", "--expect", "31", "--format", "ndjson"]);
    few.assert_stderr(1, &["31 alerts were expected, 30 came"]);
    let wrong = consumer.fixture.run(&["consume", "--limit", "1", "--expect", "2"]);
    wrong.assert_stderr(2, &["--limit 1 ends before --expect 2"]);
}
