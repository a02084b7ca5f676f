//! What the page gets, as JSON.

use serde_json::{Value, json};

use super::error::ViewError;
use super::format;
use super::head::{self, Line};
use super::light_curve::{self, Kind, LightCurve, Measured, Point};
use super::links::links;
use super::list;
use super::sky::Position;
use super::stamps::{self, Stamp};
use super::store::{AlertStore, Origin, StoredAlert};
use super::survey::Survey;
use super::time;
use crate::alert::decoder::{BytesFormat, json_bytes};

/// All that is shown of an alert.
#[derive(Debug)]
pub struct Document {
    /// the object's name, or what stands for it
    pub title: String,
    /// the head
    pub lines: Vec<Line>,
    /// where the source is
    pub position: Option<Position>,
    /// the light curve, with the object's other alerts
    pub curve: LightCurve,
    /// what is said of the light curve
    pub notes: Vec<String>,
    /// the stamps
    pub stamps: Vec<Stamp>,
    /// whether the source is fainter than in the reference
    pub is_negative: bool,
    /// the survey
    pub survey: Survey,
}

impl Document {
    /// Reads an alert, and the others of its object in the store.
    ///
    /// # Errors
    /// The datum is damaged.
    pub fn read(alert: &StoredAlert, store: &AlertStore) -> Result<Self, ViewError> {
        let json = alert.json()?;
        let mut curve = light_curve::read(&json, alert.survey);
        let mut notes = vec![curve.history.clone()];
        let others = store.others(alert);
        let before = curve.points.len();
        for other in &others {
            curve.merge(light_curve::read(&other.json()?, other.survey));
        }
        if !others.is_empty() {
            let added = curve.points.len() - before;
            notes.push(format!("With {} more alerts of this object from here: {added} more points.", others.len()));
        }
        if curve.points.is_empty() {
            notes.push("No light curve: the packet has no time and brightness under a known name.".to_owned());
        }
        let position = head::position(&alert.observation);
        let sky = position.map(|position| [position.ra, position.dec]);
        let stamps = stamps::read(&alert.decoder, &alert.datum, alert.survey == Survey::Ztf, sky);
        let is_negative = curve.points.iter().any(|point| point.is_present && point.is_negative);
        let title = alert.observation.object.clone().or_else(|| alert.observation.detection.clone());
        let title = title.unwrap_or_else(|| format!("alert {}", alert.number));
        let lines = head::lines(alert, &json);
        Ok(Self { title, lines, position, curve, notes, stamps, is_negative, survey: alert.survey })
    }

    /// As the page reads it. `with_files`: the stamps' FITS files come along.
    pub fn to_json(&self, alert: &StoredAlert, with_files: bool) -> Value {
        let links = links(self.survey, alert.observation.object.as_deref(), self.position);
        json!({
            "number": alert.number,
            "item": list::item(alert),
            "title": crate::escape::shorten(&self.title, 200),
            "survey": match self.survey { Survey::Ztf => "ZTF", Survey::Rubin => "Rubin", Survey::Other => "" },
            "lines": self.lines.iter().map(|line| json!([line.label, line.text, line.is_copied])).collect::<Vec<_>>(),
            "links": links.iter().map(|(name, url)| json!([name, url])).collect::<Vec<_>>(),
            "portal": links.iter().find(|(name, _)| *name == "Fink").map(|(_, url)| url),
            "curve": self.curve_json(),
            "stamps": self.stamps.iter().map(|stamp| stamp_json(stamp, with_files)).collect::<Vec<_>>(),
            "negative": self.is_negative,
            "fileName": file_name(alert),
        })
    }

    fn curve_json(&self) -> Value {
        let curve = &self.curve;
        let bands = curve.bands(self.survey).into_iter().map(|band| {
            json!({"name": band.name, "color": band.color, "negative": band.negative, "dark": band.dark, "classic": band.classic,
                "marker": band.marker.name()})
        });
        let views = curve.views.iter().map(
            |view| json!({"label": view.label, "unit": view.unit, "inverted": view.is_inverted, "zero": view.has_zero}),
        );
        json!({
            "views": views.collect::<Vec<_>>(),
            "bands": bands.collect::<Vec<_>>(),
            "points": curve.points.iter().map(point_json).collect::<Vec<_>>(),
            "tai": curve.is_tai,
            "notes": self.notes,
        })
    }
}

fn point_json(point: &Point) -> Value {
    let kind = match point.kind {
        Kind::Detection => "detection",
        Kind::Limit => "limit",
        Kind::Forced => "forced",
    };
    let value = |measured: &Option<Measured>| {
        measured.map(|measured| json!([measured.value, measured.error, format::measured(measured)]))
    };
    json!({
        "mjd": point.mjd,
        "time": time::utc(time::to_ms(point.mjd)),
        "band": point.band,
        "kind": kind,
        "values": point.values.iter().map(value).collect::<Vec<_>>(),
        "negative": point.is_negative,
        "id": point.id,
        "present": point.is_present,
    })
}

fn stamp_json(stamp: &Stamp, with_file: bool) -> Value {
    let file = with_file.then(|| base64(&stamp.file));
    let units = match &stamp.units {
        Ok(units) => units,
        Err(reason) => return json!({"name": stamp.kind.name(), "error": reason, "units": [], "file": file}),
    };
    let units: Vec<Value> = units
        .iter()
        .map(|unit| {
            let image = &unit.image;
            let bytes: Vec<u8> = image.pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
            json!({
                "name": crate::escape::shorten(&unit.name, 40),
                "unit": crate::escape::shorten(&unit.counts, 20),
                "width": image.width,
                "height": image.height,
                "pixels": base64(&bytes),
                "median": image.median,
                "zscale": [image.zscale.0, image.zscale.1],
                "extremes": [image.extremes.0, image.extremes.1],
                "wcs": unit.wcs.map(|wcs| json!({"pixel": wcs.pixel, "sky": wcs.sky, "matrix": wcs.matrix, "header": wcs.is_from_header})),
            })
        })
        .collect();
    json!({"name": stamp.kind.name(), "error": null, "units": units, "file": file})
}

fn base64(bytes: &[u8]) -> String {
    let mut quoted = Vec::new();
    json_bytes(bytes, BytesFormat::Base64, &mut quoted);
    String::from_utf8_lossy(&quoted).trim_matches('"').to_owned()
}

/// A name for files that are saved: the object and the detection, with nothing that a file system takes amiss.
pub fn file_name(alert: &StoredAlert) -> String {
    let observation = &alert.observation;
    let parts = [observation.object.as_deref(), observation.detection.as_deref()];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join("_");
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).take(80).collect();
    match (name.is_empty(), &alert.origin) {
        (false, _) => name,
        (true, Origin::Message { partition, offset, .. }) => format!("alert_{partition}_{offset}"),
        (true, Origin::File(_)) => format!("alert_{}", alert.number),
    }
}
