//! An alert in characters, for those who have only a terminal.

use super::axis::{self, Range};
use super::document::Document;
use super::light_curve::{Kind, LightCurve};
use super::time;

/// Rows of the plot.
const ROWS: usize = 18;
/// Columns before the plot.
const LABELS: usize = 9;
/// The characters of an upper limit, and of the alert that is looked at.
const LIMIT: char = 'v';
const RESET: &str = "\x1b[0m";

#[derive(Clone, Copy)]
struct Cell {
    letter: char,
    /// the band
    band: Option<usize>,
    is_present: bool,
}

const EMPTY: Cell = Cell { letter: ' ', band: None, is_present: false };

/// The head and the light curve, `width` columns wide.
pub fn draw(document: &Document, width: usize, has_colour: bool) -> String {
    let mut out = format!("{}\n", crate::escape::shorten(&document.title, width));
    let mut line = String::new();
    for entry in &document.lines {
        let text = format!("{} {}", entry.label, entry.text);
        if !line.is_empty() && line.chars().count() + 3 + text.chars().count() > width {
            out.push_str(&format!("{line}\n"));
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { "   " });
        line.push_str(&crate::escape::shorten(&text, width));
    }
    out.push_str(&format!("{line}\n\n"));
    plot(document, width, has_colour, &mut out);
    for note in &document.notes {
        out.push_str(&format!("{note}\n"));
    }
    out
}

fn plot(document: &Document, width: usize, has_colour: bool, out: &mut String) {
    let curve = &document.curve;
    let (Some((time, brightness)), Some(view)) = (axis::ranges(curve, 0), curve.views.first()) else { return };
    let columns = width - LABELS - 1;
    let row_of = |value: f64| {
        let share = brightness.share(value);
        let down = if view.is_inverted { share } else { 1.0 - share };
        ((down * (ROWS - 1) as f64).round() as usize).min(ROWS - 1)
    };
    let bands = curve.bands(document.survey);
    let cells = cells(curve, columns, time, row_of, |name| bands.iter().position(|band| band.name == name));
    let unit = if view.is_inverted || view.unit.is_empty() { String::new() } else { format!(" ({})", view.unit) };
    out.push_str(&format!("{}{unit}\n", view.label));
    let labels: Vec<(usize, String)> =
        axis::ticks(brightness, 5.0).into_iter().map(|(at, text)| (row_of(at), text)).collect();
    for (number, row) in cells.iter().enumerate() {
        let label = labels.iter().find(|(at, _)| *at == number).map_or("", |(_, text)| text.as_str());
        let edge = if label.is_empty() { '│' } else { '┤' };
        out.push_str(&format!("{label:>width$}{edge}", width = LABELS));
        for cell in row {
            let colour =
                cell.band.and_then(|band| bands.get(band)).filter(|_| has_colour).map(|band| escape(band.dark));
            let ring = if has_colour && cell.is_present { "\x1b[7m" } else { "" };
            match colour {
                Some(colour) => out.push_str(&format!("{colour}{ring}{}{RESET}", cell.letter)),
                None => out.push(cell.letter),
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out.push_str(&format!("{:>LABELS$}└{}\n", "", "─".repeat(columns)));
    out.push_str(&time_labels(time, columns));
    let mut legend: Vec<String> = bands.iter().map(|band| format!("{} {}", letter(&band.name), band.name)).collect();
    if curve.points.iter().any(|point| point.kind == Kind::Limit) {
        legend.push(format!("{LIMIT} upper limit"));
    }
    legend.push("capital letter: this alert".to_owned());
    out.push_str(&format!("{:LABELS$} {}\n\n", "", legend.join(", ")));
}

fn cells(
    curve: &LightCurve,
    columns: usize,
    time: Range,
    row_of: impl Fn(f64) -> usize,
    band_of: impl Fn(&str) -> Option<usize>,
) -> Vec<Vec<Cell>> {
    let mut cells = vec![vec![EMPTY; columns]; ROWS];
    let mut points: Vec<_> = axis::points(curve, 0).collect();
    // What is drawn later is on top.
    points.sort_by_key(|(point, _)| (point.is_present, point.kind == Kind::Detection));
    for (point, measured) in points {
        let column = ((time.share(point.mjd) * (columns - 1) as f64).round() as usize).min(columns - 1);
        let band = band_of(&point.band);
        if let (Some(error), Kind::Detection) = (measured.error, point.kind) {
            let ends = [row_of(measured.value - error), row_of(measured.value + error)];
            for row in cells.iter_mut().take(ends[0].max(ends[1]) + 1).skip(ends[0].min(ends[1])) {
                if row[column].letter == ' ' {
                    row[column] = Cell { letter: '│', band, is_present: false };
                }
            }
        }
        let letter = match point.kind {
            Kind::Limit => LIMIT,
            _ if point.is_present => letter(&point.band).to_ascii_uppercase(),
            _ => letter(&point.band),
        };
        cells[row_of(measured.value)][column] = Cell { letter, band, is_present: point.is_present };
    }
    cells
}

/// The letter of a band; that of a numbered filter is its number.
fn letter(band: &str) -> char {
    let letter = band.strip_prefix("filter ").unwrap_or(band).chars().next().unwrap_or('?');
    if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '?' }
}

fn time_labels(time: Range, columns: usize) -> String {
    let [first, last] = [time.low, time.high].map(|mjd| {
        let utc = time::utc(time::to_ms(mjd));
        if time.high - time.low > 2.0 {
            utc.chars().take(10).collect()
        } else {
            utc.chars().take(16).collect::<String>()
        }
    });
    let middle = format!("MJD {:.2} to {:.2}", time.low, time.high);
    let room = columns.saturating_sub(first.len() + last.len() + middle.len());
    format!("{:LABELS$} {first}{:left$}{middle}{:right$}{last}\n", "", "", "", left = room / 2, right = room - room / 2)
}

/// The escape sequence of a colour such as `#15284F`.
fn escape(colour: &str) -> String {
    let part = |at: usize| colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(128);
    format!("\x1b[38;2;{};{};{}m", part(1), part(3), part(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::survey::Survey;
    use serde_json::json;

    fn document(title: &str) -> Document {
        let alert = json!({"candidate": {"jd": 2_458_451.75, "fid": 1, "magpsf": 18.5, "sigmapsf": 0.4, "isdiffpos": "t", "candid": 7},
            "prv_candidates": [{"jd": 2_458_450.75, "fid": 2, "magpsf": null, "diffmaglim": 19.5},
                {"jd": 2_458_440.75, "fid": 2, "magpsf": 17.0, "sigmapsf": 0.05, "isdiffpos": "t"}]});
        Document {
            title: title.to_owned(),
            lines: Vec::new(),
            position: None,
            curve: crate::view::light_curve::read(&alert, Survey::Ztf),
            notes: vec!["note".to_owned()],
            stamps: Vec::new(),
            is_negative: false,
            survey: Survey::Ztf,
        }
    }

    #[test]
    fn bright_is_up_and_each_point_has_its_letter() {
        let text = draw(&document("ZTF18abc"), 80, false);
        let line = |letter: char| {
            text.lines().position(|line| line.split(['│', '┤']).skip(1).any(|part| part.contains(letter)))
        };
        let (bright, present, limit) = (line('r'), line('G'), line('v'));
        assert!(bright.is_some() && bright < present && present < limit, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("2018-11-2") && text.contains("MJD 58439."), "{text}");
    }

    #[test]
    fn no_control_character_of_an_alert_reaches_the_terminal() {
        let text = draw(&document("\u{1b}[2Jx\u{7}"), 80, false);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
        assert!(draw(&document("x"), 80, true).contains("\x1b[38;2;"));
    }
}
