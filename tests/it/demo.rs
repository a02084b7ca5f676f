//! `fink demo`: the whole way of an alert without any server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::fixture::{Finished, run_without_env};
use serde_json::Value;

/// Runs the demonstration with a folder for its temporary files, of which none may be left.
fn demo(folder: &Path, arguments: &[&str]) -> Finished {
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let variables = [("TMPDIR", temporary.to_str().unwrap())];
    let finished = run_without_env(folder, &[&["demo"], arguments].concat(), &variables);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "something is left behind");
    finished
}

/// The alerts' identifiers by topic.
fn alerts(finished: &Finished) -> BTreeMap<String, Vec<i64>> {
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""), "{finished:?}");
    let mut alerts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in finished.stdout.lines() {
        let alert: Value = serde_json::from_str(line).unwrap();
        assert!(alert["ra"].is_f64() && alert["brightness"].is_f64(), "{alert}");
        alerts.entry(alert["topic"].as_str().unwrap().to_owned()).or_default().push(alert["alert"].as_i64().unwrap());
    }
    alerts.values_mut().for_each(|ids| ids.sort_unstable());
    alerts
}

#[test]
fn it_explains_each_step_and_what_to_try_next() {
    let folder = tempfile::tempdir().unwrap();
    let finished = demo(folder.path(), &["--alerts", "40"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""), "{finished:?}");
    for words in
        ["Simulated 40 ZTF alerts", "fink_outstream", "distribution-rules.xml", "each alert once", "Next steps"]
    {
        assert!(finished.stdout.contains(words), "nothing about `{words}`: {finished:?}");
    }
}

#[test]
fn every_alert_comes_once_and_the_rules_take_some() {
    let folder = tempfile::tempdir().unwrap();
    for survey in ["ztf", "lsst"] {
        let finished =
            demo(folder.path(), &["--survey", survey, "--alerts", "60", "--seed", "5", "--format", "ndjson"]);
        let alerts = alerts(&finished);
        let (full, selected) = (&alerts["fink_outstream"], &alerts["fink_selected"]);
        assert_eq!(full.len(), 60, "{survey}");
        assert!(full.windows(2).all(|pair| pair[0] < pair[1]), "{survey}: twice");
        assert!((1..60).contains(&selected.len()), "{survey}: {} are selected", selected.len());
        assert!(selected.iter().all(|id| full.contains(id)), "{survey}");
    }
}

#[test]
fn rules_of_ones_own_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let rules = |body: &str| {
        let text = format!("<distribution-rules><select>{body}</select></distribution-rules>");
        fs::write(folder.path().join("my rules.xml"), text).unwrap();
        demo(folder.path(), &["--alerts", "10", "--rules", "my rules.xml", "--format", "ndjson"])
    };
    let whole = alerts(&rules("<column name='candid'/><column name='candidate'/>"));
    assert_eq!(whole["fink_selected"], whole["fink_outstream"]);
    rules("<column name='candidd'/>").assert_stderr(2, &["my rules.xml", "`candid`"]);
    demo(folder.path(), &["--rules", "nowhere.xml"]).assert_stderr(2, &["nowhere.xml"]);
    demo(folder.path(), &["--alerts", "0"]).assert_stderr(2, &["0"]);
}
