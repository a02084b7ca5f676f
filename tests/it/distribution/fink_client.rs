//! End to end: alert files into HBase, out to Kafka, and back through the Python package fink-client; every field is compared with the
//! file that it came from.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::cluster::{User, python};
use crate::fixture::{Fixture, real_alerts_of};

/// Sends the alerts of `folder` through everything and compares what fink-client reads with them. Returns what `fink ingest`
/// reported.
fn come_back_as_they_were(what: &str, survey: &str, folder: &Path, history: &str) -> serde_json::Value {
    let mut fixture = Fixture::with_servers(what);
    let schema = fixture.path("catalog.avsc").display().to_string();
    let (name, catalog) = (fixture.name.clone(), fixture.path("catalog.json").display().to_string());
    fixture.replace(&format!("catalog = \"{catalog}\""), &format!("catalog = \"{catalog}\"\ntable = \"{name}\""));
    fixture.config += &format!("schema = \"{schema}\"\n");
    let arguments = ["ingest", "--format", "ndjson", "--history", history];
    let loaded = fixture.run(&[&arguments[..], &[&folder.display().to_string()]].concat());
    let report: serde_json::Value =
        serde_json::from_str(&loaded.stdout).unwrap_or_else(|error| panic!("{error}: {loaded:?}"));
    assert_eq!(loaded.code, i32::from(report["broken_files"] != 0), "{loaded:?}");
    fixture.ok(&["start", "distribution", "--until", "now"]);
    let cluster = fixture.cluster();
    let python = python();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/compare.py");
    let mut command = Command::new(python);
    command.arg(script).arg(cluster.bootstrap_servers()).arg(cluster.username(User::Consumer));
    command.arg(cluster.password_file(User::Consumer)).args([survey, &fixture.name]).arg(folder);
    if history == "text" {
        command.arg("--text");
    }
    let output = command.output().expect("the Python interpreter");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{survey}, --history {history}: {said}");
    assert!(output.status.success(), "{said}{errors}");
    report
}

/// Simulated alerts as files.
fn simulated(fixture: &Fixture, survey: &str, count: &str, more: &[&str]) -> PathBuf {
    let folder = fixture.path("alerts");
    let place = folder.display().to_string();
    let arguments = ["simulate", "--survey", survey, "--seed", "3", "--alerts", count, "--out", &place];
    fixture.ok(&[&arguments[..], more].concat());
    folder
}

#[test]
fn ztf_alerts_come_back_as_they_were() {
    let fixture = Fixture::embedded("ztf");
    let folder = simulated(&fixture, "ztf", "40", &[]);
    come_back_as_they_were("ztf_avro", "ztf", &folder, "avro");
    come_back_as_they_were("ztf_text", "ztf", &folder, "text");
}

#[test]
fn rubin_alerts_of_230_kb_come_back_as_they_were() {
    let fixture = Fixture::embedded("lsst");
    let folder = simulated(&fixture, "lsst", "40", &["--bytes", "235000"]);
    come_back_as_they_were("lsst_avro", "lsst", &folder, "avro");
}

/// The folders of real alerts: their survey for fink-client, how many alerts they have, and how many files that cannot be loaded.
const REAL_FOLDERS: [(&str, &str, u64, u64); 9] = [
    ("ztf-1.8", "ztf", 1, 1),
    ("ztf-3.1", "ztf", 31, 0),
    ("ztf-4.01", "ztf", 1, 0),
    ("ztf-tarball", "ztf", 30, 0),
    ("atlas-0.1", "ztf", 1, 0),
    ("turbo-0.1", "ztf", 1, 0),
    ("winter-0.1", "ztf", 1, 0),
    ("lsst-7.4", "lsst", 8, 0),
    ("elasticc-0.9", "lsst", 3, 1),
];

#[test]
fn real_alerts_come_back_as_they_were() {
    for (name, survey, count, damaged) in REAL_FOLDERS {
        let Some(folder) = real_alerts_of(name) else { continue };
        for history in ["avro", "text"] {
            let what = format!("real_{}_{history}", name.replace(['-', '.'], "_"));
            let report = come_back_as_they_were(&what, survey, &folder, history);
            let counted = (report["alerts"].as_u64(), report["broken_files"].as_u64());
            assert_eq!(counted, (Some(count), Some(damaged)), "{name}, --history {history}");
        }
    }
}
