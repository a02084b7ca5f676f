//! What is computed, beside fastavro, numpy and astropy.

use super::{Viewer, real_alerts, run, script, simulate};
use crate::fixture::Fixture;

fn compare(fixture: &Fixture, folder: &str) {
    let viewer = Viewer::start(fixture, &["--keep", "100000", folder]);
    let mut oracle = script("view_oracle.py");
    oracle.args([&viewer.url, folder]);
    run(oracle);
}

#[test]
fn light_curves_and_stamps_of_simulated_alerts_are_those_of_astropy() {
    for survey in ["ztf", "lsst"] {
        let fixture = Fixture::embedded("view_numbers");
        let folder = simulate(&fixture, survey, "12");
        compare(&fixture, &folder);
    }
}

#[test]
fn light_curves_and_stamps_of_real_alerts_are_those_of_astropy() {
    let fixture = Fixture::embedded("view_real_numbers");
    for folder in real_alerts(&fixture) {
        compare(&fixture, &folder);
    }
}
