//! The pixels of light curves and stamps, beside what numpy and astropy make of the alert.

use super::{Viewer, has_browser, look, run, script, simulate};
use crate::fixture::Fixture;

/// Alerts whose light curve and stamps are known, each in a folder of its own: of ZTF, of Rubin, and of ZTF with a negative difference.
fn known_alerts(fixture: &Fixture) -> [String; 3] {
    for survey in ["ztf", "lsst"] {
        simulate(fixture, survey, "20");
    }
    let mut make = script("view_pictures.py");
    make.arg("make").arg(fixture.folder.path());
    run(make);
    ["ztf", "lsst", "negative"].map(|name| fixture.path("pictures").join(name).display().to_string())
}

#[test]
fn the_picture_shows_what_the_alert_says() {
    let fixture = Fixture::embedded("view_png_pixels");
    let [ztf, lsst, _] = known_alerts(&fixture);
    for folder in [ztf, lsst] {
        let picture = format!("{folder}/picture.png");
        fixture.ok(&["view", &folder, "--png", &picture]);
        let mut compare = script("view_pictures.py");
        compare.args(["png", &picture, &format!("{folder}/alert.avro")]);
        run(compare);
    }
}

#[test]
fn the_page_shows_what_the_alert_says() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_page_pixels");
    let [ztf, lsst, negative] = known_alerts(&fixture);
    for (scenario, folder) in [("pictures", ztf), ("pictures", lsst), ("negative", negative)] {
        look(scenario, &Viewer::start(&fixture, &[&folder]).url);
    }
}
