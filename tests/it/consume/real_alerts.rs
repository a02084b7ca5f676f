//! Telescopes' own alerts. The folder with the `.avro` files is named by `FINK_TEST_ALERTS`, which has a folder for each survey and version.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Consumer;
use crate::fixture::skip;
use crate::fixture::topics::admin;
use fink::avro::container::Container;
use fink::kafka::topics::TopicSpec;

/// The folders of alerts with ids that fink-client knows, and that fastavro reads.
fn folders() -> Vec<(PathBuf, &'static str)> {
    let Some(all) = std::env::var_os("FINK_TEST_ALERTS") else {
        skip("FINK_TEST_ALERTS does not name a folder of real alerts");
        return Vec::new();
    };
    let known = [("ztf-3.1", "ztf"), ("ztf-4.01", "ztf"), ("lsst-7.4", "lsst")];
    let known = known.map(|(name, survey)| (Path::new(&all).join(name), survey));
    let found: Vec<_> = known.into_iter().filter(|(folder, _)| folder.is_dir()).collect();
    assert!(!found.is_empty(), "FINK_TEST_ALERTS has no folder that this test knows");
    found
}

#[test]
fn every_field_of_real_alerts_is_read_in_every_encoding_and_with_every_key() {
    for (folder, survey) in folders() {
        let name = folder.file_name().expect("a folder").to_string_lossy().replace(['-', '.'], "_");
        let mut consumer = Consumer::new(&format!("real_{name}"));
        consumer.files = Some(folder.clone());
        // A folder may have alerts of several versions.
        let mut schemas: BTreeMap<String, String> = BTreeMap::new();
        for file in consumer.alerts(survey) {
            let bytes = std::fs::read(&file).expect("a file");
            let schema = Container::read(&bytes).expect("an Avro file").schema_json.clone();
            schemas.entry(schema).or_insert_with(|| file.display().to_string());
        }
        let files: Vec<&str> = schemas.values().flat_map(|file| ["--schema", file]).collect();
        for encoding in ["datum", "confluent", "single-object", "container"] {
            let topic = format!("{}_{encoding}", consumer.topic.0);
            let spec = TopicSpec { partitions: Some(2), replication: None, config: Vec::new() };
            admin().create_topic(&topic, &spec).expect("a topic");
            // With the messages of all keys beside each other, only those with the schema as their key say what it is.
            let mut sent = Vec::new();
            for key in ["schema", "object-id", "version", "none"] {
                sent = consumer.send_to(&topic, survey, encoding, key, 0);
            }
            sent.sort_unstable();
            let fourfold: Vec<u64> = sent.iter().flat_map(|id| [*id; 4]).collect();
            for (format, expected) in [("avro", &sent), ("parquet", &fourfold)] {
                let saved = format!("{encoding}_{format}");
                let save = ["consume", &topic, "--no-group", "-e", "--save", &saved, "--as", format];
                consumer.fixture.ok(&[&save[..], &files].concat());
                assert_eq!(consumer.saved(&saved, survey), *expected, "{name} {encoding} {format}");
            }
            admin().delete_topic(&topic).expect("a topic");
        }
    }
}
