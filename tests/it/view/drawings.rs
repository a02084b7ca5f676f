//! `--png`, `--html` and `--terminal`.

use super::simulate;
use crate::fixture::Fixture;

#[test]
fn a_picture_has_its_size_and_is_not_empty() {
    for survey in ["ztf", "lsst"] {
        let fixture = Fixture::embedded("view_png");
        let folder = simulate(&fixture, survey, "5");
        let file = fixture.path("alert.png").display().to_string();
        fixture.ok(&["view", &folder, "--png", &file]);
        let bytes = std::fs::read(&file).expect("a picture");
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        // IHDR: width and height, big-endian.
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        assert_eq!((number(16), number(20)), (1200, 900));
        assert!(bytes.len() > 40_000, "{} bytes", bytes.len());
    }
}

#[test]
fn the_terminal_shows_bands_limits_and_the_alert_itself() {
    let fixture = Fixture::embedded("view_terminal");
    let folder = simulate(&fixture, "ztf", "20");
    let text = fixture.ok(&["view", &folder, "--terminal"]).stdout;
    assert!(text.contains("Difference magnitude") && text.contains("capital letter: this alert"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains('\u{1b}'), "colours without a terminal: {text}");
    let chosen = fixture.ok(&["view", &folder, "--terminal", "--where", "magpsf < 19"]).stdout;
    assert!(chosen.contains("magnitude 1"), "{chosen}");
}

#[test]
fn a_file_of_many_alerts_holds_them_all() {
    let fixture = Fixture::embedded("view_html_file");
    let folder = simulate(&fixture, "ztf", "4");
    let file = fixture.path("alerts.html").display().to_string();
    fixture.ok(&["view", &folder, "--html", &file]);
    let html = std::fs::read_to_string(&file).expect("a page");
    assert!(html.contains("http-equiv=\"Content-Security-Policy\"") && !html.contains("src=\"http"));
    assert_eq!(html.matches("\"object\":\"ZTF").count(), 8, "each alert is in the list and in its document");
}
