//! ZTF's packets: `candidate`, `prv_candidates` and, since 2023, `fp_hists`.

use serde_json::Value;

use super::photometry::{add, magnitude, magnitude_of_microjansky, microjansky};
use super::record::{absence, id, is_no, number, records};
use super::{Kind, LightCurve, Measured, Point, View};
use crate::view::time;

/// A source of the reference image nearer than this, in pixels, is behind the alert, as Fink's `is_source_behind` has it.
const BEHIND_PIXELS: f64 = 1.5;
/// Forced photometry of fewer standard deviations has no magnitude (ZTF's forced photometry guide, section 6.5).
const FORCED_SIGNIFICANCE: f64 = 3.0;
/// Values below this stand for nothing.
const NO_VALUE: f64 = -900.0;

const DIFFERENCE_MAGNITUDE: usize = 0;

/// What an alert of ZTF says.
pub fn light_curve(alert: &Value) -> LightCurve {
    let candidate = &alert["candidate"];
    let is_behind = has_source_behind(candidate);
    let views = match is_behind {
        true => {
            vec![View::magnitude("Difference magnitude"), View::magnitude("DC magnitude"), View::flux("DC flux", "µJy")]
        }
        false => vec![View::magnitude("Difference magnitude"), View::flux("Difference flux", "µJy")],
    };
    let history = records(alert, "prv_candidates");
    let mut points: Vec<Point> = history.iter().filter_map(|record| point(record, is_behind)).collect();
    let found = points.iter().filter(|point| point.kind == Kind::Detection).count();
    points.extend(records(alert, "fp_hists").iter().filter_map(|record| forced(record, is_behind)));
    let present = point(candidate, is_behind);
    points.extend(present.map(|point| Point { is_present: true, ..point }));
    let history = match absence(alert, "prv_candidates") {
        Some(absence) => format!("No history: {absence}."),
        None => format!("{} visits in the 30 days before the alert, {found} of them detections.", history.len()),
    };
    LightCurve { views, points, is_tai: false, history }
}

fn has_source_behind(candidate: &Value) -> bool {
    let is_star_like =
        |field, low: f64, high: f64| number(candidate, field).is_some_and(|value| (low..=high).contains(&value));
    let is_near = number(candidate, "distnr").is_some_and(|pixels| (0.0..=BEHIND_PIXELS).contains(&pixels));
    is_near && reference(candidate).is_some() && (is_star_like("chinr", 0.5, 1.5) || is_star_like("sharpnr", -0.5, 0.5))
}

/// The magnitude of the source in the reference image.
fn reference(record: &Value) -> Option<Measured> {
    let value = number(record, "magnr").filter(|value| *value > NO_VALUE)?;
    Measured::new(value, number(record, "sigmagnr"))
}

fn band(record: &Value) -> String {
    match record.get("fid").and_then(Value::as_i64) {
        Some(1) => "g".to_owned(),
        Some(2) => "r".to_owned(),
        Some(3) => "i".to_owned(),
        Some(other) => format!("filter {other}"),
        None => "?".to_owned(),
    }
}

/// A visit: a detection, or a limit where it has no magnitude.
fn point(record: &Value, is_behind: bool) -> Option<Point> {
    let mjd = time::from_jd(number(record, "jd")?);
    let (band, id) = (band(record), id(record, "candid"));
    let Some(found) = number(record, "magpsf").and_then(|value| Measured::new(value, number(record, "sigmapsf")))
    else {
        let limit = Measured::new(number(record, "diffmaglim")?, None)?;
        let mut values = vec![Some(limit)];
        // A limit on the difference says nothing of the sum.
        values.extend(if is_behind { vec![None, None] } else { vec![Some(microjansky(limit))] });
        return Some(Point { mjd, band, kind: Kind::Limit, values, is_negative: false, id: None, is_present: false });
    };
    let is_negative = is_no(record, "isdiffpos").unwrap_or(false);
    let mut values = vec![None; DIFFERENCE_MAGNITUDE + 1];
    values[DIFFERENCE_MAGNITUDE] = Some(found);
    values.extend(fluxes(microjansky(found), is_negative, reference(record).filter(|_| is_behind), is_behind));
    Some(Point { mjd, band, kind: Kind::Detection, values, is_negative, id, is_present: false })
}

/// The views after the first, from the absolute value of the difference flux in µJy.
fn fluxes(
    difference: Measured,
    is_negative: bool,
    reference: Option<Measured>,
    is_behind: bool,
) -> Vec<Option<Measured>> {
    let zero = Measured { value: 0.0, error: None };
    match (is_behind, reference) {
        (false, _) => vec![Some(add(zero, difference, is_negative))],
        (true, None) => vec![None, None],
        (true, Some(reference)) => {
            let sum = add(microjansky(reference), difference, is_negative);
            vec![magnitude_of_microjansky(sum), Some(sum)]
        }
    }
}

/// Forced photometry, in counts with the zero point of its image.
fn forced(record: &Value, is_behind: bool) -> Option<Point> {
    let mjd = time::from_jd(number(record, "jd")?);
    let counts = number(record, "forcediffimflux").filter(|counts| *counts > -99_998.0)?;
    let deviation = number(record, "forcediffimfluxunc").filter(|deviation| *deviation > 0.0)?;
    let zero_point = number(record, "magzpsci")?;
    let is_negative = counts < 0.0;
    let size = Measured { value: counts.abs(), error: Some(deviation) };
    let is_significant = size.value >= FORCED_SIGNIFICANCE * deviation;
    let found = if is_significant { magnitude(size, zero_point) } else { None };
    let unit = microjansky(Measured { value: zero_point, error: None }).value;
    let flux = Measured { value: size.value * unit, error: Some(deviation * unit) };
    let mut values = vec![found];
    values.extend(fluxes(flux, is_negative, reference(record).filter(|_| is_behind), is_behind));
    Some(Point { mjd, band: band(record), kind: Kind::Forced, values, is_negative, id: None, is_present: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::survey::Survey;
    use serde_json::json;

    fn alert() -> Value {
        json!({
            "objectId": "ZTF18abc",
            "candid": 7,
            "candidate": {"jd": 2_458_451.75, "fid": 2, "magpsf": 18.5, "sigmapsf": 0.1, "diffmaglim": 20.0, "isdiffpos": "f", "candid": 7,
                "magnr": 17.0, "sigmagnr": 0.02, "distnr": 0.4, "chinr": 1.0, "sharpnr": 0.1},
            "prv_candidates": [
                {"jd": 2_458_450.75, "fid": 1, "magpsf": null, "sigmapsf": null, "diffmaglim": 19.5, "isdiffpos": null, "candid": null},
                {"jd": 2_458_449.75, "fid": 1, "magpsf": 18.0, "sigmapsf": 0.05, "diffmaglim": 19.5, "isdiffpos": "1", "candid": 5,
                    "magnr": 17.5, "sigmagnr": 0.03}
            ],
            "fp_hists": [
                {"jd": 2_458_440.75, "fid": 1, "forcediffimflux": -2814.0, "forcediffimfluxunc": 33.7, "magzpsci": 26.2, "magnr": 14.8, "sigmagnr": 0.01},
                {"jd": 2_458_441.75, "fid": 1, "forcediffimflux": -99999.0, "forcediffimfluxunc": -99999.0, "magzpsci": 26.2},
                {"jd": 2_458_442.75, "fid": 1, "forcediffimflux": 20.0, "forcediffimfluxunc": 30.0, "magzpsci": 26.2}
            ]
        })
    }

    #[test]
    fn every_part_of_a_packet_is_a_point() {
        let curve = super::super::read(&alert(), Survey::Ztf);
        let kinds: Vec<(Kind, &str, bool)> =
            curve.points.iter().map(|point| (point.kind, point.band.as_str(), point.is_negative)).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Forced, "g", true),
                (Kind::Detection, "g", false),
                (Kind::Limit, "g", false),
                (Kind::Detection, "r", true)
            ]
        );
        let present = &curve.points[3];
        assert!(present.is_present && present.id.as_deref() == Some("7") && (present.mjd - 58_451.25).abs() < 1e-9);
        assert_eq!(curve.history, "2 visits in the 30 days before the alert, 1 of them detections.");
    }

    #[test]
    fn the_sum_of_reference_and_difference_is_that_of_fink_utils() {
        // fink_utils.photometry.conversion.dc_mag(18.5, 0.1, 17.0, 0.02, 'f') and (18.0, 0.05, 17.5, 0.03, '1'), apparent_flux in Jy
        let curve = super::super::read(&alert(), Survey::Ztf);
        let [faint, bright] =
            [&curve.points[3], &curve.points[1]].map(|point| point.values[1].expect("a DC magnitude"));
        assert!((faint.value - 17.314_07).abs() < 1e-4, "{faint:?}");
        assert!((bright.value - 16.968_89).abs() < 1e-4, "{bright:?}");
        let flux = curve.points[3].values[2].expect("a flux");
        assert!((flux.value - 430.922).abs() < 1e-2, "{flux:?}");
    }

    #[test]
    fn without_a_source_behind_only_the_difference_is_shown() {
        let mut alert = alert();
        alert["candidate"]["distnr"] = json!(9.0);
        alert["prv_candidates"] = Value::Null;
        let curve = super::super::read(&alert, Survey::Ztf);
        assert_eq!(curve.views[1].label, "Difference flux");
        let present = curve.points.last().expect("a point");
        assert!(present.values[1].expect("a flux").value < 0.0);
        assert_eq!(curve.history, "No history: prv_candidates is null.");
    }

    #[test]
    fn a_limit_bounds_the_difference_alone() {
        let curve = super::super::read(&alert(), Survey::Ztf);
        let limit = curve.points.iter().find(|point| point.kind == Kind::Limit).expect("a limit");
        assert_eq!(limit.values, [Measured::new(19.5, None), None, None]);
    }
}
