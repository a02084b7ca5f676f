//! The page in headless Chromium.

use super::{Viewer, has_browser, look, real_alerts, run, script, simulate};
use crate::fixture::Fixture;

#[test]
fn a_ztf_alert_is_drawn_and_keys_and_mouse_work() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_ztf");
    let folder = simulate(&fixture, "ztf", "40");
    look("ztf", &Viewer::start(&fixture, &[&folder]).url);
}

#[test]
fn an_lsst_alert_is_drawn_and_keys_and_mouse_work() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_lsst");
    let folder = simulate(&fixture, "lsst", "40");
    look("lsst", &Viewer::start(&fixture, &[&folder]).url);
}

#[test]
fn light_curves_stamps_and_fields_are_saved_and_copied() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_uses");
    let folder = simulate(&fixture, "ztf", "20");
    look("uses", &Viewer::start(&fixture, &[&folder]).url);
}

#[test]
fn hostile_broken_and_unknown_alerts_are_shown_as_far_as_they_go() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_broken");
    simulate(&fixture, "ztf", "1");
    let mut make = script("view_alerts.py");
    make.arg(fixture.folder.path());
    run(make);
    look("broken", &Viewer::start(&fixture, &[&fixture.folder.path().display().to_string()]).url);
}

#[test]
fn the_filter_box_takes_conditions() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_filter");
    let folder = simulate(&fixture, "ztf", "60");
    look("filters", &Viewer::start(&fixture, &[&folder]).url);
}

#[test]
fn a_page_in_one_file_needs_no_server() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_html");
    let folder = simulate(&fixture, "lsst", "3");
    let file = fixture.path("alerts.html").display().to_string();
    fixture.ok(&["view", &folder, "--html", &file]);
    look("saved", &format!("file://{file}"));
}

#[test]
fn real_alerts_are_drawn() {
    if !has_browser() {
        return;
    }
    let fixture = Fixture::embedded("view_real");
    for folder in real_alerts(&fixture) {
        look("every", &Viewer::start(&fixture, &[&folder]).url);
    }
}
