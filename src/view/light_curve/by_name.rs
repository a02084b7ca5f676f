//! Packets of other surveys: time, value and error are found by their names.

use serde_json::Value;

use super::record::{absence, id, is_no};
use super::{Kind, LightCurve, Measured, Point, View};
use crate::consume::observation::{Brightness, Observation};
use crate::view::survey::filter_name;
use crate::view::time;

/// A field by one of these names, in any case, or none.
struct Names(&'static [&'static str]);

impl Names {
    fn find<'a>(&self, record: &'a Value) -> Option<&'a Value> {
        let fields = record.as_object()?;
        let named = |name: &&str| fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        self.0.iter().filter_map(|name| Some(named(name)?.1)).find(|value| !value.is_null())
    }

    fn number(&self, record: &Value) -> Option<f64> {
        self.find(record)?.as_f64()
    }
}

const JD: Names = Names(&["jd", "obsjd", "julian_date"]);
const MJD: Names = Names(&["mjd", "obsmjd", "mjd_obs"]);
const MJD_TAI: Names = Names(&["midpointMjdTai", "midPointTai"]);
const MAGNITUDE: Names = Names(&["magpsf", "mag", "magnitude", "mag_psf", "psfmag"]);
const MAGNITUDE_ERROR: Names =
    Names(&["sigmapsf", "dmag", "magerr", "mag_err", "magnitude_error", "sigmag", "e_mag", "mag_error", "psfmagerr"]);
const FLUX: Names = Names(&["psfFlux", "psFlux", "flux", "forcediffimflux", "fluxpsf"]);
const FLUX_ERROR: Names = Names(&[
    "psfFluxErr",
    "psFluxErr",
    "dflux",
    "fluxerr",
    "flux_err",
    "flux_error",
    "forcediffimfluxunc",
    "sigmaflux",
]);
const LIMIT: Names = Names(&["diffmaglim", "limmag", "maglim", "limiting_mag"]);
const BAND: Names = Names(&["band", "filter", "filterName", "filter_name", "filt"]);

/// Where the present detection stands, and where earlier ones do.
const PRESENT: [&str; 4] = ["candidate", "diaSource", "source", "detection"];
const HISTORY: [&str; 5] = ["prv_candidates", "prvDiaSources", "prv_detections", "history", "light_curve"];
const FORCED: [&str; 3] = ["prvDiaForcedSources", "fp_hists", "forced_photometry"];

const RA: Names = Names(&["ra", "raj2000", "ra_deg"]);
const DEC: Names = Names(&["dec", "decl", "dej2000", "dec_deg"]);

fn present(alert: &Value) -> &Value {
    PRESENT.iter().filter_map(|field| alert.get(field)).find(|value| value.is_object()).unwrap_or(alert)
}

/// Adds to an observation what other names say.
pub fn complete(alert: &Value, observation: &mut Observation) {
    let record = present(alert);
    if observation.ra.is_none() || observation.dec.is_none() {
        (observation.ra, observation.dec) = (RA.number(record), DEC.number(record));
    }
    if observation.brightness.is_none() {
        let magnitude =
            MAGNITUDE.number(record).map(|value| Brightness::Magnitude(value, MAGNITUDE_ERROR.number(record)));
        let flux = || FLUX.number(record).map(|value| Brightness::Flux(value, FLUX_ERROR.number(record)));
        observation.brightness = magnitude.or_else(flux);
    }
    if let Some(number) = record.get("fid").and_then(Value::as_i64) {
        observation.band = Some(filter_name(alert, number));
    }
}

/// What an alert says under these names; without points, where it has none of them.
pub fn light_curve(alert: &Value) -> LightCurve {
    let present = present(alert);
    let records = |fields: &[&'static str]| {
        let arrays = fields.iter().filter_map(|field| alert.get(field).and_then(Value::as_array));
        arrays.flatten().cloned().collect::<Vec<Value>>()
    };
    let (history, forced) = (records(&HISTORY), records(&FORCED));
    let mut points: Vec<Point> = history.iter().filter_map(|record| point(alert, record, Kind::Detection)).collect();
    points.extend(forced.iter().filter_map(|record| point(alert, record, Kind::Forced)));
    points.extend(point(alert, present, Kind::Detection).map(|point| Point { is_present: true, ..point }));
    // Views that no point has are not offered.
    let all = [View::magnitude("Magnitude"), View::flux("Flux", "")];
    let used: Vec<bool> = (0..all.len()).map(|view| points.iter().any(|point| point.values[view].is_some())).collect();
    let mut is_used = used.iter();
    let views = all.into_iter().filter(|_| is_used.next() == Some(&true)).collect();
    for point in &mut points {
        let mut is_used = used.iter();
        point.values.retain(|_| is_used.next() == Some(&true));
    }
    let history = match history.len() + forced.len() {
        0 => {
            let known = HISTORY.iter().filter(|field| alert.get(*field).is_some());
            let absences: Vec<String> = known.filter_map(|field| absence(alert, field)).collect();
            match absences.is_empty() {
                true => "No history in the packet.".to_owned(),
                false => format!("No history: {}.", absences.join(", ")),
            }
        }
        1 => "One earlier measurement in the packet; time, value and error are found by name.".to_owned(),
        count => format!("{count} earlier measurements in the packet; time, value and error are found by name."),
    };
    let is_tai = JD.number(present).or_else(|| MJD.number(present)).is_none() && MJD_TAI.number(present).is_some();
    LightCurve { views, points, is_tai, history }
}

fn point(alert: &Value, record: &Value, kind: Kind) -> Option<Point> {
    let utc = JD.number(record).map(time::from_jd).or_else(|| MJD.number(record));
    let mjd = utc.or_else(|| MJD_TAI.number(record).map(time::from_tai))?;
    let magnitude = MAGNITUDE.number(record).and_then(|value| Measured::new(value, MAGNITUDE_ERROR.number(record)));
    let flux = FLUX.number(record).and_then(|value| Measured::new(value, FLUX_ERROR.number(record)));
    let limit = LIMIT.number(record).and_then(|value| Measured::new(value, None));
    let (kind, values) = match (magnitude, flux, limit) {
        (None, None, None) => return None,
        (None, None, limit) => (Kind::Limit, vec![limit, None]),
        (magnitude, flux, _) => (kind, vec![magnitude, flux]),
    };
    let is_negative = is_no(record, "isdiffpos").unwrap_or(false);
    let named = BAND.find(record).and_then(Value::as_str).map(str::to_owned);
    let numbered = || Some(filter_name(alert, record.get("fid")?.as_i64()?));
    let band = named.or_else(numbered).unwrap_or_else(|| "?".to_owned());
    let id = id(record, "candid").or_else(|| id(record, "diaSourceId"));
    Some(Point { mjd, band, kind, values, is_negative, id, is_present: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::survey::Survey;
    use serde_json::json;

    #[test]
    fn atlas_is_read_by_its_names() {
        let alert = json!({"publisher": "ATLAS-02a", "candidate": {"mjd": 59_543.194_825, "filter": "o", "Mag": 18.3, "Dmag": 0.114, "flux": 173.78,
            "Dflux": 19.8, "isdiffpos": "f", "candid": "02a59543o0040o_006230"}});
        let curve = super::super::read(&alert, Survey::Other);
        assert_eq!(curve.views.iter().map(|view| view.label).collect::<Vec<_>>(), ["Magnitude", "Flux"]);
        let point = &curve.points[0];
        assert_eq!((point.band.as_str(), point.is_negative, point.is_present), ("o", true, true));
        assert_eq!(point.values, [Measured::new(18.3, Some(0.114)), Measured::new(173.78, Some(19.8))]);
    }

    #[test]
    fn winters_filters_are_not_those_of_ztf() {
        let alert = json!({"publisher": "WINTER-mirar", "candidate": {"jd": 2_460_381.03, "fid": 2, "magpsf": 13.35, "sigmapsf": 0.03},
            "prv_candidates": [{"jd": 2_460_380.04, "fid": 1, "magpsf": 13.2, "sigmapsf": 0.03}]});
        let curve = super::super::read(&alert, Survey::Other);
        assert_eq!(curve.points.iter().map(|point| point.band.as_str()).collect::<Vec<_>>(), ["J", "H"]);
    }

    #[test]
    fn an_alert_without_such_names_has_no_points() {
        let curve = super::super::read(&json!({"a": 1, "b": {"c": [1, 2]}}), Survey::Other);
        assert!(curve.points.is_empty() && curve.views.is_empty());
    }
}
