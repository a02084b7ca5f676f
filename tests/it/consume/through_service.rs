//! Alert files through the whole service: `fink ingest`, `fink start distribution`, `fink consume --save`. Every field of what is saved is compared
//! with what fastavro reads from the files, for every encoding and every key.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Consumer;
use crate::fixture::cluster::python;
use crate::fixture::topics::Topic;
use crate::fixture::{Fixture, real_alerts_of};

const ENCODINGS: [&str; 4] = ["datum", "confluent", "single-object", "container"];
/// The key `version` takes columns that Fink's broker adds.
const KEYS: [&str; 4] = ["schema", "object-id", "none", "version"];

fn run_script(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/saved_exactly.py");
    let output = Command::new(python()).arg(script).args(arguments).output().expect("python");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Sends the alerts of a file or a folder through the service, to a topic for each encoding and each of the keys, and compares what is saved.
/// `formats` are the formats that they are saved in.
fn come_back(what: &str, survey: &str, originals: &Path, keys: &[&str], formats: &[&str]) {
    let mut service = Fixture::with_servers(&format!("service_{what}"));
    let schema = service.path("catalog.avsc").display().to_string();
    let (name, catalog) = (service.name.clone(), service.path("catalog.json").display().to_string());
    service.replace(&format!("catalog = \"{catalog}\""), &format!("catalog = \"{catalog}\"\ntable = \"{name}\""));
    let streams = service.config.find("[[stream]]").expect("a stream");
    service.config.truncate(streams);
    let mut topics: Vec<(&str, Topic)> = Vec::new();
    for encoding in ENCODINGS {
        for key in keys {
            let stream = format!("{encoding}-{key}");
            let topic = format!("{name}_{}", stream.replace('-', "_"));
            let id = if encoding == "confluent" { "schema_id = 7\n" } else { "" };
            service.config += &format!(
                "[[stream]]\nname = \"{stream}\"\ntopic = \"{topic}\"\npartitions = 2\nschema = \"{schema}\"\n\
                 encoding = \"{encoding}\"\nkey = \"{key}\"\n{id}"
            );
            topics.push((key, Topic::named(topic)));
        }
    }
    let ingested = service.run(&["ingest", &originals.display().to_string()]);
    // A folder of real alerts may have a damaged file, which is named.
    assert!(ingested.code == 0 || ingested.stderr.contains("DAMAGED"), "{ingested:?}");
    service.ok(&["start", "distribution", "--until", "now"]);

    let consumer = Consumer::new(&format!("service_{what}"));
    let save = |folder: &str, format: &str, keys: &[&str], schema: &[&str]| {
        let wanted = topics.iter().filter(|(key, _)| keys.contains(key)).map(|(_, topic)| topic.0.as_str());
        let wanted: Vec<&str> = wanted.collect();
        let arguments = ["consume", "--no-group", "-e", "--save", folder, "--as", format, "--by", "topic"];
        consumer.fixture.ok(&[&arguments[..], schema, &wanted].concat());
        let folder = consumer.fixture.path(folder).display().to_string();
        let said = run_script(&["compare", survey, &folder, &originals.display().to_string()]);
        assert_eq!(said.lines().count(), wanted.len(), "{what}: {said}");
    };
    // Messages whose key is the schema need nothing else.
    save("schema_in_the_key", "avro", &["schema"], &[]);
    for format in formats {
        save(format, format, keys, &["--schema", &schema]);
    }
}

const FORMATS: [&str; 3] = ["avro", "avro-many", "parquet"];

#[test]
fn enriched_alerts_come_back_with_every_encoding_and_key() {
    for survey in ["ztf", "lsst"] {
        let fixture = Fixture::embedded("service_enriched");
        let folder = fixture.path("alerts");
        let out = folder.display().to_string();
        fixture.ok(&["simulate", "--survey", survey, "--alerts", "12", "--seed", "8", "--enriched", "--out", &out]);
        come_back(&format!("enriched_{survey}"), survey, &folder, &KEYS, &FORMATS);
    }
}

/// Real alerts: a folder, one of its files or all of them, and the survey whose ids they have.
const REAL: [(&str, &str, &str); 6] = [
    ("ztf-1.8", "", "ztf"),
    ("ztf-3.1", "", "ztf"),
    ("ztf-4.01", "", "ztf"),
    ("lsst-7.4", "", "lsst"),
    ("lsst-11.1-container", "lsst.v10_0.avro", "lsst"),
    ("lsst-11.1-container", "lsst.v11_1.avro", "lsst"),
];

#[test]
fn real_alerts_come_back_with_every_encoding_and_key() {
    for (folder, file, survey) in REAL {
        let Some(folder_path) = real_alerts_of(folder) else { continue };
        let originals = if file.is_empty() { folder_path } else { folder_path.join(file) };
        let what = format!("{folder}{file}").replace(['-', '.'], "_");
        come_back(&what, survey, &originals, &KEYS[..3], &["avro", "parquet"]);
    }
}

#[test]
fn real_alerts_of_finks_broker_come_back_with_every_encoding_and_key() {
    for (folder, survey) in [("ztf-3.1", "ztf"), ("lsst-7.4", "lsst")] {
        let Some(originals) = real_alerts_of(folder) else { continue };
        let place = tempfile::tempdir().expect("a folder");
        let copies: PathBuf = place.path().join("alerts");
        run_script(&["version", &originals.display().to_string(), &copies.display().to_string()]);
        let what = format!("broker_{}", folder.replace(['-', '.'], "_"));
        come_back(&what, survey, &copies, &KEYS, &["avro", "parquet"]);
    }
}
