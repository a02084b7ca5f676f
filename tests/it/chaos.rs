//! `scripts/dev/chaos`, in short: each alert goes out once while fink and its servers are killed, stopped and restarted.

use std::io::Write as _;
use std::process::Command;

use crate::fixture::cluster::python;

#[test]
fn the_comparison_of_chaos_finds_each_kind_of_mistake() {
    let finished = Command::new(python())
        .arg("tests/python/chaos_comparison.py")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("Python starts");
    assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
}

/// On servers of its own, since it kills those too. FINK_CHAOS_SEED repeats a run.
#[test]
fn killed_stopped_and_cut_off_fink_publishes_each_alert_once() {
    let seed = std::env::var("FINK_CHAOS_SEED").unwrap_or_else(|_| (std::process::id() % 1_000_000).to_string());
    // At once and past the test harness, so that it is known also where the run is cut short.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "chaos: seed {seed}; FINK_CHAOS_SEED={seed} repeats it").expect("stderr");
    let finished = Command::new("scripts/dev/chaos")
        // Three region servers and three brokers beside the other tests starve each other on two cores.
        .args(["--short", "--region-servers", "1", "--seed", &seed, "--fink", env!("CARGO_BIN_EXE_fink")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the script starts");
    let (out, err) = (String::from_utf8_lossy(&finished.stdout), String::from_utf8_lossy(&finished.stderr));
    // The report last: where a log is cut, its end is kept.
    assert!(finished.status.success(), "{}\n{err}\n{out}", finished.status);
    assert!(out.contains("lost 0, duplicated 0, unexpected 0"), "{out}");
    // The figures are worth a look also where all is well.
    stderr.write_all(out.as_bytes()).expect("stderr");
}
