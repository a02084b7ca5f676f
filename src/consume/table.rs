//! Alerts as a table: one line each, 80 columns, or more where the terminal is wider.

use super::observation::{Brightness, Observation};
use crate::escape::shorten;
use crate::kafka::Message;

/// A column: its heading and its width.
type Column = (&'static str, usize);

/// With a blank between them, 80 characters.
const COLUMNS: [Column; 7] =
    [("UTC", 19), ("OBJECT", 19), ("BAND", 4), ("BRIGHTNESS", 15), ("RB", 4), ("CLASS", 9), ("AGE", 4)];

/// Those that follow on a wide terminal, as far as there is room.
const WIDE_COLUMNS: [Column; 5] = [("RA", 10), ("DEC", 10), ("ALERT", 19), ("PART", 4), ("OFFSET", 10)];
/// At the end, without a bound, where there is room for this much.
const TOPIC: Column = ("TOPIC", 20);

/// Lines of a table.
#[derive(Clone, Copy, Debug)]
pub struct AlertTable {
    /// how many of [`WIDE_COLUMNS`] are shown
    wide: usize,
    topic: bool,
}

impl AlertTable {
    /// For a terminal of so many columns.
    pub fn new(width: usize) -> Self {
        let mut room = width.saturating_sub(COLUMNS.iter().map(|(_, width)| width + 1).sum::<usize>() - 1);
        let mut wide = 0;
        for (_, width) in WIDE_COLUMNS {
            if room < width + 1 {
                break;
            }
            room -= width + 1;
            wide += 1;
        }
        Self { wide, topic: wide == WIDE_COLUMNS.len() && room > TOPIC.1 }
    }

    /// The line of headings.
    pub fn heading(self) -> String {
        let heads: Vec<String> = COLUMNS.iter().chain(&WIDE_COLUMNS).map(|(head, _)| (*head).to_owned()).collect();
        self.join(&heads, TOPIC.0)
    }

    /// The line of an alert. `now` is in ms since 1970.
    pub fn line(self, observation: &Observation, message: &Message, now: i64) -> String {
        let degrees = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.5}"));
        let text = |value: &Option<String>, width: usize| {
            // Escapes are longer than what they stand for.
            value.as_deref().map_or("-".to_owned(), |value| shorten(&shorten(value, width - 1), width - 1))
        };
        let cells = [
            observation.time.map_or("-".to_owned(), utc),
            text(&observation.object, 20),
            text(&observation.band, 5),
            observation.brightness.map_or("-".to_owned(), brightness),
            observation.score.map_or("-".to_owned(), |score| format!("{score:.2}")),
            text(&observation.class, 9),
            observation.time.map_or("-".to_owned(), |time| age(now - time)),
            degrees(observation.ra),
            degrees(observation.dec),
            text(&observation.detection, 20),
            message.partition.to_string(),
            message.offset.to_string(),
        ];
        self.join(&cells, &message.topic)
    }

    fn join(self, cells: &[String], topic: &str) -> String {
        let mut line = String::new();
        let columns = COLUMNS.iter().chain(WIDE_COLUMNS.iter().take(self.wide));
        for ((_, width), cell) in columns.zip(cells) {
            line.push_str(&format!("{cell:width$} "));
        }
        if self.topic {
            line.push_str(topic);
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// `2026-02-24 01:02:03`, UTC.
pub fn utc(ms: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_millisecond(ms) else { return "-".to_owned() };
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// At most 15 characters.
fn brightness(value: Brightness) -> String {
    match value {
        Brightness::Magnitude(value, Some(error)) => format!("{value:.3}±{error:.3}"),
        Brightness::Magnitude(value, None) => format!("{value:.3}"),
        Brightness::Flux(value, error) => {
            let error = error.map_or(String::new(), |error| format!("±{}", short(error)));
            format!("{}{error}nJy", short(value))
        }
    }
}

/// A number in at most 6 characters.
fn short(value: f64) -> String {
    match value.abs() {
        size if size < 99_999.5 => format!("{value:.0}"),
        size if size < 999_950.0 => format!("{:.0}k", value / 1e3),
        _ => format!("{value:.0e}"),
    }
}

/// A length of time in at most 4 characters.
pub fn age(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..0 => "0s".to_owned(),
        0..100 => format!("{seconds}s"),
        100..6_000 => format!("{}m", seconds / 60),
        6_000..172_800 => format!("{}h", seconds / 3_600),
        172_800..86_313_600 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", (seconds / 31_557_600).min(999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let (topic, timestamp, key, value, headers) = ("fink_a".to_owned(), None, None, None, Vec::new());
        Message { topic, partition: 3, offset: 12, timestamp, key, value, headers }
    }

    fn full() -> Observation {
        Observation {
            time: Some(1_771_891_200_000),
            object: Some("169298433191444489".to_owned()),
            detection: Some("42".to_owned()),
            band: Some("r".to_owned()),
            brightness: Some(Brightness::Magnitude(18.2344, Some(0.051))),
            score: Some(0.987),
            class: Some("Early SN Ia candidate".to_owned()),
            ra: Some(12.5),
            dec: Some(-3.25),
        }
    }

    #[test]
    fn a_line_fits_80_columns() {
        let table = AlertTable::new(80);
        let line = table.line(&full(), &message(), 1_771_891_200_000 + 90_000);
        assert_eq!(line, "2026-02-24 00:00:00 169298433191444489  r    18.234±0.051    0.99 Early SN… 90s");
        assert!(table.heading().len() <= 80);
        let flux = Observation { brightness: Some(Brightness::Flux(-123_456.0, Some(98_765.4))), ..full() };
        assert!(table.line(&flux, &message(), 0).chars().count() <= 80);
    }

    #[test]
    fn what_is_absent_is_a_dash() {
        let line = AlertTable::new(80).line(&Observation::default(), &message(), 0);
        assert_eq!(line.split_whitespace().collect::<String>(), "-------");
    }

    #[test]
    fn a_wide_terminal_shows_more() {
        let line = AlertTable::new(200).line(&full(), &message(), 0);
        assert!(line.ends_with("12.50000   -3.25000   42                  3    12         fink_a"), "{line}");
        assert!(AlertTable::new(102).heading().ends_with("RA         DEC"));
    }

    #[test]
    fn hostile_text_stays_on_its_line() {
        let object = Some("\u{1b}[2J\n<script>".to_owned());
        let line = AlertTable::new(80).line(&Observation { object, ..full() }, &message(), 0);
        assert!(!line.contains(['\u{1b}', '\n']) && line.chars().count() <= 80, "{line:?}");
    }

    #[test]
    fn ages_are_short() {
        let all: Vec<String> = [-5, 0, 99, 100, 5_999, 6_000, 172_800, 90_000_000_000].map(|s| age(s * 1000)).into();
        assert_eq!(all, ["0s", "0s", "99s", "1m", "99m", "1h", "2d", "999y"]);
    }
}
