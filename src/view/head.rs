//! What stands above the light curve.

use serde_json::Value;

use super::format;
use super::light_curve::Measured;
use super::sky::Position;
use super::store::{Origin, StoredAlert};
use super::survey::Survey;
use super::time;
use crate::consume::observation::{Brightness, Observation};
use crate::escape::shorten;

/// The longest text of a value, characters.
const MAX_CHARS: usize = 200;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// what it is
    pub label: &'static str,
    /// its value
    pub text: String,
    /// whether users want to copy it
    pub is_copied: bool,
}

/// The lines of an alert; what it does not say is left out.
pub fn lines(alert: &StoredAlert, json: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    let observation = &alert.observation;
    let mut add = |label, text: Option<String>, is_copied| {
        lines.extend(text.map(|text| Line { label, text: shorten(&text, MAX_CHARS), is_copied }));
    };
    add("alert", observation.detection.clone(), true);
    let position = position(observation);
    add("RA Dec", position.map(Position::degrees), true);
    add("J2000", position.map(Position::sexagesimal), true);
    add("l b", position.map(Position::galactic).map(|(l, b)| format!("{l:.5} {b:+.5}")), false);
    add("observed", observation.time.map(|ms| format!("{} UTC", time::utc(ms))), false);
    add("MJD", observation.time.map(|ms| format!("{:.5}", time::from_ms(ms))), false);
    add("band", observation.band.clone(), false);
    if let Some((label, text)) = observation.brightness.map(|value| brightness(value, alert.survey)) {
        add(label, Some(text), false);
    }
    for (label, record, field) in
        [("rb", "candidate", "rb"), ("drb", "candidate", "drb"), ("reliability", "diaSource", "reliability")]
    {
        add(label, json[record][field].as_f64().map(|score| format!("{score:.3}")), false);
    }
    add("class", observation.class.clone(), false);
    match &alert.origin {
        Origin::File(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            add("file", Some(name.to_string_lossy().into_owned()), false);
        }
        Origin::Message { topic, partition, offset, written, received } => {
            add("message", Some(format!("{topic}[{partition}]@{offset}")), true);
            add("row written", written.map(|ms| format!("{} UTC", time::utc(ms))), false);
            add("received", Some(format!("{} UTC", time::utc(*received))), false);
        }
    }
    lines
}

/// Where the source is.
pub fn position(observation: &Observation) -> Option<Position> {
    Position::new(observation.ra?, observation.dec?)
}

/// The label and the text of a brightness. Only Rubin's fluxes are known to be in nJy.
pub fn brightness(brightness: Brightness, survey: Survey) -> (&'static str, String) {
    let (label, value, error, unit) = match brightness {
        Brightness::Magnitude(value, error) => ("magnitude", value, error, ""),
        Brightness::Flux(value, error) if survey == Survey::Rubin => ("flux", value, error, " nJy"),
        Brightness::Flux(value, error) => ("flux", value, error, ""),
    };
    let error = error.filter(|error| *error > 0.0);
    (label, format!("{}{unit}", format::measured(Measured { value, error })))
}
