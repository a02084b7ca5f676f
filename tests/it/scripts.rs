//! The longer checks of scripts/, in short: that they run, and that what they check holds.

use std::io::Write as _;
use std::process::Command;

/// What a script prints. It has to end well.
fn run(script: &str, arguments: &[&str]) -> String {
    let cluster =
        std::env::var("FINK_TEST_CLUSTER").expect("FINK_TEST_CLUSTER names a cluster's folder: run scripts/test");
    let finished = Command::new(format!("scripts/{script}"))
        .args(["--dir", &cluster])
        .args(arguments)
        .env("FINK", env!("CARGO_BIN_EXE_fink"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the script starts");
    let (out, err) = (String::from_utf8_lossy(&finished.stdout), String::from_utf8_lossy(&finished.stderr));
    assert!(finished.status.success(), "{}\n{out}\n{err}", finished.status);
    out.into_owned()
}

#[test]
fn every_stream_receives_what_pandas_keeps_by_its_rules_or_its_filter() {
    let out = run(
        "dev/streams",
        &["--alerts", "400", "--streams", "1,6+5", "--rounds", "1", "--fink", env!("CARGO_BIN_EXE_fink")],
    );
    assert!(out.contains("1 of 1 topics") && out.contains("11 of 11 topics"), "{out}");
}

#[test]
fn fresh_alerts_reach_a_consumer_while_they_are_put() {
    let out = run("dev/freshness", &["--rate", "100", "--seconds", "5", "--older", "200"]);
    assert!(out.contains("500 alerts put") && out.contains("500 consumed; fink ended with 0"), "{out}");
}

#[test]
fn the_comparison_of_chaos_finds_each_kind_of_mistake() {
    let python = std::env::var("FINK_TEST_PYTHON").expect("FINK_TEST_PYTHON names a Python that has fastavro");
    let finished = Command::new(python)
        .arg("tests/python/chaos_comparison.py")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("Python starts");
    assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
}

#[test]
fn killed_stopped_and_cut_off_fink_publishes_each_alert_once() {
    // On servers of its own, since it kills those too.
    let finished = Command::new("scripts/dev/chaos")
        .args(["--short", "--fink", env!("CARGO_BIN_EXE_fink")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the script starts");
    let (out, err) = (String::from_utf8_lossy(&finished.stdout), String::from_utf8_lossy(&finished.stderr));
    assert!(finished.status.success(), "{}\n{out}\n{err}", finished.status);
    assert!(out.contains("lost 0, duplicated 0, unexpected 0"), "{out}");
    // Past the test's capture: the seed and the figures are worth a look also where all is well.
    std::io::stderr().write_all(out.as_bytes()).expect("stderr");
}
