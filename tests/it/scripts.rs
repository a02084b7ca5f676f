//! `scripts/dev/streams`, `scripts/dev/freshness` and `scripts/dev/soak`, in short: they run, and what they check holds.

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
fn a_service_at_a_steady_rate_sends_each_alert_once_and_answers_all_the_time() {
    let short = ["--rate", "50", "--seconds", "6", "--bytes", "300", "--scrape", "2"];
    let out = run("dev/soak", &[&short[..], &["--fink", env!("CARGO_BIN_EXE_fink")]].concat());
    assert!(out.matches("lost 0, twice 0, others 0").count() == 2 && out.contains("exit code 0;"), "{out}");
}
