//! Rubin's packets: `diaSource`, `prvDiaSources`, `prvDiaForcedSources` and, up to version 7, `prvDiaNondetectionLimits`.

use serde_json::Value;

use super::photometry::magnitude_of_nanojansky;
use super::record::{absence, id, number, records};
use super::{Kind, LightCurve, Measured, Point, View};
use crate::view::time;

/// A limit is this many standard deviations of the noise.
const LIMIT_DEVIATIONS: f64 = 5.0;

/// What an alert of Rubin says. Fluxes are in nJy, times in TAI.
pub fn light_curve(alert: &Value) -> LightCurve {
    let mut points: Vec<Point> = Vec::new();
    let sources = records(alert, "prvDiaSources");
    points.extend(sources.iter().filter_map(|record| point(record, Kind::Detection)));
    points.extend(records(alert, "prvDiaForcedSources").iter().filter_map(|record| point(record, Kind::Forced)));
    points.extend(records(alert, "prvDiaNondetectionLimits").iter().filter_map(limit));
    let present = point(&alert["diaSource"], Kind::Detection);
    points.extend(present.map(|point| Point { is_present: true, ..point }));
    let has_science = points.iter().any(|point| point.values[1].is_some());
    let views = match has_science {
        true => vec![
            View::flux("Difference flux", "nJy"),
            View::flux("Science flux", "nJy"),
            View::magnitude("AB magnitude of the science flux"),
        ],
        false => vec![View::flux("Difference flux", "nJy"), View::magnitude("AB magnitude of the difference flux")],
    };
    for point in &mut points {
        let difference = point.values[0];
        let size = difference.map(|flux| Measured { value: flux.value.abs(), ..flux });
        match has_science {
            true => point.values.push(point.values[1].and_then(magnitude_of_nanojansky)),
            false => point.values[1] = size.and_then(magnitude_of_nanojansky),
        }
    }
    let forced = records(alert, "prvDiaForcedSources").len();
    let history = match (sources.len(), forced) {
        (0, 0) => {
            let absences =
                ["prvDiaSources", "prvDiaForcedSources"].into_iter().filter_map(|field| absence(alert, field));
            format!("No history: {}.", absences.collect::<Vec<_>>().join(", "))
        }
        (sources, forced) => format!("{sources} earlier detections and {forced} forced measurements in the packet."),
    };
    LightCurve { views, points, is_tai: true, history }
}

/// The time of a record, in UTC.
fn mjd(record: &Value) -> Option<f64> {
    number(record, "midpointMjdTai").or_else(|| number(record, "midPointTai")).map(time::from_tai)
}

fn band(record: &Value) -> String {
    let name = ["band", "filterName"].into_iter().find_map(|field| record.get(field)?.as_str());
    name.unwrap_or("?").to_owned()
}

/// A measurement, with its difference flux and its science flux.
fn point(record: &Value, kind: Kind) -> Option<Point> {
    let mjd = mjd(record)?;
    let flux = |field: &str| Measured::new(number(record, field)?, number(record, &format!("{field}Err")));
    let difference = flux("psfFlux");
    let said = ["isNegative", "is_negative"].into_iter().find_map(|field| record.get(field)?.as_bool());
    // The flag is that of the detection in the image; the fitted flux may be negative without it.
    let is_negative = said == Some(true) || difference.is_some_and(|flux| flux.value < 0.0);
    let id = match kind {
        Kind::Detection => id(record, "diaSourceId"),
        _ => id(record, "diaForcedSourceId"),
    };
    let values = vec![difference, flux("scienceFlux")];
    Some(Point { mjd, band: band(record), kind, values, is_negative, id, is_present: false })
}

fn limit(record: &Value) -> Option<Point> {
    let noise = Measured::new(LIMIT_DEVIATIONS * number(record, "diaNoise")?, None)?;
    let values = vec![Some(noise), None];
    let (mjd, band) = (mjd(record)?, band(record));
    Some(Point { mjd, band, kind: Kind::Limit, values, is_negative: false, id: None, is_present: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::survey::Survey;
    use serde_json::json;

    fn alert() -> Value {
        json!({
            "diaSource": {"diaSourceId": 9_007_199_254_740_993_u64, "midpointMjdTai": 60_776.5, "psfFlux": -1570.5, "psfFluxErr": 285.0,
                "scienceFlux": 36_307.8, "scienceFluxErr": 363.0, "isNegative": true, "band": "r"},
            "prvDiaSources": [{"diaSourceId": 3, "midpointMjdTai": 60_770.5, "psfFlux": 900.0, "psfFluxErr": 80.0, "scienceFlux": null, "band": "g"}],
            "prvDiaForcedSources": [{"diaForcedSourceId": 4, "midpointMjdTai": 60_771.5, "psfFlux": -20.0, "psfFluxErr": 80.0, "scienceFlux": -5.0, "band": "g"}],
            "prvDiaNondetectionLimits": [{"midpointMjdTai": 60_772.5, "diaNoise": 100.0, "band": "y"}]
        })
    }

    #[test]
    fn every_part_of_a_packet_is_a_point_in_utc() {
        let curve = super::super::read(&alert(), Survey::Rubin);
        let kinds: Vec<(Kind, &str, bool)> =
            curve.points.iter().map(|point| (point.kind, point.band.as_str(), point.is_negative)).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Detection, "g", false),
                (Kind::Forced, "g", true),
                (Kind::Limit, "y", false),
                (Kind::Detection, "r", true)
            ]
        );
        let present = curve.points.last().expect("a point");
        assert!((present.mjd - (60_776.5 - 37.0 / 86_400.0)).abs() < 1e-9 && present.is_present);
        assert_eq!(present.id.as_deref(), Some("9007199254740993"));
        assert_eq!(curve.points[2].values[0], Measured::new(500.0, None));
        assert_eq!(curve.history, "1 earlier detections and 1 forced measurements in the packet.");
    }

    #[test]
    fn the_science_flux_has_a_magnitude_where_it_is_positive() {
        let curve = super::super::read(&alert(), Survey::Rubin);
        let magnitude = curve.points.last().and_then(|point| point.values[2]).expect("a magnitude");
        // (36307.8 * u.nJy).to(u.ABmag)
        assert!((magnitude.value - 20.0).abs() < 1e-5 && (magnitude.error.expect("an error") - 0.010_855).abs() < 1e-5);
        assert_eq!(curve.points[1].values[2], None);
    }

    #[test]
    fn without_science_fluxes_the_difference_has_a_magnitude() {
        let curve = super::super::read(
            &json!({"diaSource": {"midpointMjdTai": 60_776.5, "psfFlux": -1000.0, "band": "i"}, "prvDiaSources": null, "prvDiaForcedSources": []}),
            Survey::Rubin,
        );
        assert_eq!(curve.views[1].label, "AB magnitude of the difference flux");
        assert!((curve.points[0].values[1].expect("a magnitude").value - 23.9).abs() < 1e-9);
        assert_eq!(curve.history, "No history: prvDiaSources is null, prvDiaForcedSources is empty.");
    }
}
