//! `fink filter test`, and the tutorial's example filter, on simulated alerts. No servers are needed.
//!
//! The interpreter is the one that the variable FINK_TEST_PYTHON names; it has pandas and pyarrow.

use crate::fixture::Fixture;
use crate::fixture::cluster::python;

/// A fixture with 60 alerts of ZTF in `alerts/`, and filters in `judges.py`.
fn fixture() -> Fixture {
    let mut fixture = Fixture::embedded("filter");
    let python = python();
    let conf = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    fixture.config +=
        &format!("[filters]\npython = \"{python}\"\npath = [\".\", \"{}\"]\ntimeout = \"5s\"\n", conf.display());
    let filters = r#"
import sys
import numpy as np, pandas as pd

class Wrapped:
    """What pandas_udf makes of a function."""
    returnType = "boolean"
    def __init__(self, func): self.func = func
    def __call__(self, *args): raise RuntimeError("this would start Spark")

@Wrapped
def wrapped(magpsf):
    return magpsf < 18

def array(magpsf): return (magpsf < 18).to_numpy()
def objects(magpsf): return pd.Series([bool(x < 18) for x in magpsf], dtype=object)
def listed(magpsf): return [x < 18 for x in magpsf]
def default(magpsf, limit=18): return magpsf < limit

def history(cmagpsfc, cisdiffposc, cfidc, magpsf, prv_candidates):
    for history, signs, present, past in zip(cmagpsfc, cisdiffposc, magpsf, prv_candidates):
        assert isinstance(history, np.ndarray) and history[-1] == present, history
        assert len(history) == len(signs) == len(past or []) + 1
        assert past is None or isinstance(past[0], dict)
    return magpsf < 18

def records(candidate, cutoutScience, cstampDatac):
    assert list(candidate.columns)[:2] == ["jd", "fid"] and isinstance(cutoutScience, pd.DataFrame)
    assert isinstance(cstampDatac[0], bytes) and (cutoutScience["stampData"] == cstampDatac).all()
    return candidate["magpsf"] < 18

def spoils(candidate):
    candidate["magpsf"] = 0
    return candidate["magpsf"] < 18

def leaves(magpsf): sys.exit(4)
def scalar(magpsf): return True
def reordered(magpsf): return magpsf.sort_values() < 18
def ambiguous(stampData): return stampData.isna()
"#;
    std::fs::write(fixture.path("judges.py"), filters).expect("the fixture's folder");
    fixture.ok(&["simulate", "--survey", "ztf", "--alerts", "60", "--seed", "5", "--out", "alerts"]);
    fixture
}

fn kept(fixture: &Fixture, filter: &str) -> Vec<i64> {
    let finished = fixture.ok(&["filter", "test", filter, "alerts", "--format", "ndjson"]);
    let alerts = finished.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    alerts.map(|alert| alert["candid"].as_i64().expect("candid")).collect()
}

#[test]
fn every_form_of_a_filter_and_of_its_result_keeps_the_same_alerts() {
    let fixture = fixture();
    let plain = kept(&fixture, "judges:array");
    assert!((1..60).contains(&plain.len()), "{} kept", plain.len());
    for filter in ["wrapped", "objects", "listed", "default", "history", "records"] {
        assert_eq!(kept(&fixture, &format!("judges:{filter}")), plain, "{filter}");
    }
    assert_eq!(kept(&fixture, "judges:spoils").len(), 60);
    let table = fixture.ok(&["filter", "test", "judges:array", "alerts"]);
    assert_eq!(table.stdout.lines().count(), 1 + plain.len());
    table.assert_stderr(0, &[&format!("judges:array keeps {} of 60 alerts", plain.len())]);
}

#[test]
fn the_example_of_2019_runs() {
    let fixture = fixture();
    let finished =
        fixture.ok(&["filter", "test", "userfilters.leveltwo:sigmapsf_and_sgscore", "alerts", "--format", "json"]);
    let kept: Vec<serde_json::Value> = serde_json::from_str(&finished.stdout).expect("JSON");
    assert!((1..60).contains(&kept.len()), "{} kept", kept.len());
}

#[test]
fn a_wrong_filter_is_explained_and_ends_the_command() {
    let fixture = fixture();
    let test = |filter: &str| fixture.run(&["filter", "test", filter, "alerts"]);
    test("judges:leaves").assert_stderr(1, &["SystemExit: 4"]);
    test("judges:scalar").assert_stderr(1, &["returned a bool, not a Series or an array of booleans"]);
    test("judges:reordered").assert_stderr(1, &["in another order"]);
    test("judges:ambiguous").assert_stderr(2, &["cutoutScience.stampData", "cutoutTemplate.stampData"]);
    test("judges").assert_stderr(2, &["package.module:function"]);
    test("nobody:f")
        .assert_stderr(2, &["No module named 'nobody'; set filters.path to the directory that contains `nobody`"]);
    let bare = ["--set", "filters.python=/no/python", "filter", "test", "judges:array", "alerts"];
    fixture.run(&bare).assert_stderr(2, &["cannot start `/no/python`", "filters.python"]);
    fixture.run(&["filter", "test", "judges:array", "no-alerts"]).assert_stderr(1, &["no-alerts"]);
}
