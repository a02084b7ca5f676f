//! End to end: alert files into HBase, out to Kafka, and back through the Python package fink-client; every field is compared with the
//! file that it came from.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::cluster::{User, python};
use crate::fixture::{Fixture, skip};

/// Sends the alerts of `folder` through everything and compares what fink-client reads with them.
fn come_back_as_they_were(what: &str, survey: &str, folder: &Path, history: &str) {
    let mut fixture = Fixture::with_servers(what);
    let schema = fixture.path("catalog.avsc").display().to_string();
    let (name, catalog) = (fixture.name.clone(), fixture.path("catalog.json").display().to_string());
    fixture.replace(&format!("catalog = \"{catalog}\""), &format!("catalog = \"{catalog}\"\ntable = \"{name}\""));
    fixture.config += &format!("schema = \"{schema}\"\n");
    fixture.ok(&["ingest", &folder.display().to_string(), "--history", history]);
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

#[test]
fn real_alerts_come_back_as_they_were() {
    let Ok(alerts) = std::env::var("FINK_TEST_ALERTS") else {
        skip("FINK_TEST_ALERTS does not name a folder of real alerts");
        return;
    };
    let mut tried = 0;
    for entry in std::fs::read_dir(&alerts).expect("FINK_TEST_ALERTS names a folder") {
        let folder = entry.expect("a folder").path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let survey = if name.starts_with("ztf") { "ztf" } else { "lsst" };
        for history in ["avro", "text"] {
            come_back_as_they_were(&format!("real_{survey}_{history}"), survey, &folder, history);
            tried += 1;
        }
    }
    assert!(tried > 0, "no folder of alerts in {alerts}");
}
