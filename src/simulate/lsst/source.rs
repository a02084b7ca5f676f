//! The records of one visit to an object (`diaSource`, `prvDiaSources`, `prvDiaForcedSources`), and of all visits (`diaObject`).

use super::ids::{ObjectIds, mjd};
use super::packet::{DiaForcedSource, DiaObject, DiaSource, PsfMeans, PsfRange, ScienceMeans};
use crate::simulate::avro_record::NonNullFlag;
use crate::simulate::object;
use crate::simulate::object::{LightCurve, Object};
use crate::simulate::schedule::Pointing;
use crate::simulate::visits::Visit;

/// Names of the bands, by number.
pub(super) const BANDS: [&str; 6] = ["u", "g", "r", "i", "z", "y"];
/// Days from an exposure to the end of its processing.
const PROCESSING: f64 = 0.0012;
/// Square degrees to 1 σ of a centroid, for a signal to noise ratio of 1.
const CENTROID: f64 = 1.2e-4;

/// The identifiers of a visit's source.
pub(super) struct VisitIds {
    id: i64,
    visit: i64,
    detector: i32,
}

impl VisitIds {
    /// Packs day, time of day, detector and a number on the detector.
    pub(super) fn of(visit: &mut Visit) -> Self {
        let day = mjd(visit.day).floor() as i64;
        let tick = ((visit.day - visit.day.floor()) * 1e5).round() as i64;
        let detector = visit.rng.below(189) as i64;
        let lap = visit.alert.map_or(0, Pointing::lap) as i64;
        let number = lap * 32 + visit.rng.below(32) as i64;
        let date = jiff::civil::date(1858, 11, 17).saturating_add(jiff::SignedDuration::from_hours(day * 24));
        let ymd = i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day());
        Self {
            id: (day << 41) | (tick << 24) | (detector << 16) | (number & 0x7fff),
            visit: ymd * 100_000 + tick,
            detector: detector as i32,
        }
    }
}

/// The record of a detection.
pub(super) fn dia_source(object: &Object, ids: &ObjectIds, visit_ids: &VisitIds, visit: &mut Visit) -> DiaSource {
    let (measure, at, mjd) = (visit.measure, visit.position, mjd(visit.day));
    let rng = &mut visit.rng;
    let is_real = !matches!(object.light_curve, LightCurve::Artefact { .. });
    let snr = measure.snr();
    let steady = object.template(visit.band).map_or(0.0, object::flux);
    let error = (CENTROID / snr) as f32;
    let pixel = (rng.between(20.0, 4050.0) as f32, rng.between(20.0, 3970.0) as f32);
    let width = rng.between(0.08, 0.12);
    let has_shape = !rng.chance(0.1);
    let shape = |value: f64| has_shape.then_some(value as f32);
    let has_trail = object.is_minor_planet() || rng.chance(0.8);
    let trail = |value: f64| has_trail.then_some(value as f32);
    let is_dipole = rng.chance(if is_real { 0.03 } else { 0.3 });
    let dipole = |value: f64| is_dipole.then_some(value as f32);
    let noisy = |rng: &mut crate::simulate::rng::AlertRng, by: f64| measure.flux + measure.error * by * rng.normal();
    let (length, angle) = (rng.between(0.2, 1.5), rng.between(-90.0, 90.0));
    // As in real alerts, a source without a shape has the extendedness NaN.
    let extendedness = if has_shape { rng.unit().powi(2) } else { f64::NAN };
    DiaSource {
        diaSourceId: visit_ids.id,
        visit: visit_ids.visit,
        detector: visit_ids.detector,
        diaObjectId: ids.dia_object,
        ssObjectId: ids.ss_object,
        parentDiaSourceId: Some(0),
        midpointMjdTai: mjd,
        ra: at.ra,
        raErr: Some(error),
        dec: at.dec,
        decErr: Some(error * 1.1),
        ra_dec_Cov: Some(error * error * 0.05),
        x: pixel.0,
        xErr: Some((1.8 / snr) as f32),
        y: pixel.1,
        yErr: Some((1.9 / snr) as f32),
        apFlux: some(noisy(rng, 3.0)),
        apFluxErr: some(measure.error * 3.0),
        isNegative: NonNullFlag(measure.flux < 0.0),
        snr: some(snr),
        psfFlux: some(measure.flux),
        psfFluxErr: some(measure.error),
        psfChi2: some(1681.0 + 58.0 * rng.normal() + if is_real { 0.0 } else { 2000.0 }),
        psfNdata: Some(1681),
        trailFlux: trail(noisy(rng, 0.5)),
        trailRa: has_trail.then_some(at.ra),
        trailDec: has_trail.then_some(at.dec),
        trailLength: trail(length),
        trailAngle: trail(angle),
        trailNdata: Some(if has_trail { 1681 } else { 0 }),
        dipoleMeanFlux: dipole(measure.flux.abs() * 10.0),
        dipoleMeanFluxErr: dipole(measure.error),
        dipoleFluxDiff: dipole(measure.flux),
        dipoleFluxDiffErr: dipole(measure.error * 2.0),
        dipoleLength: dipole(length * 0.5),
        dipoleAngle: dipole(angle * 2.0),
        dipoleChi2: dipole(1700.0),
        dipoleNdata: Some(if is_dipole { 1674 } else { 0 }),
        scienceFlux: some(steady + noisy(rng, 0.3)),
        scienceFluxErr: some(measure.error * 0.9),
        templateFlux: some(steady + measure.error * 0.3 * rng.normal()),
        templateFluxErr: some(measure.error * 0.3),
        ixx: shape(width),
        iyy: shape(width * 0.95),
        ixy: shape(width * 0.02),
        ixxPSF: some(0.087),
        iyyPSF: some(0.085),
        ixyPSF: some(-0.0024),
        shape_flag: NonNullFlag(!has_shape),
        extendedness: some(extendedness),
        reliability: some(if is_real { 1.0 - 0.4 * rng.unit().powi(3) } else { 0.6 * rng.unit() }),
        band: Some(BANDS[visit.band]),
        isDipole: NonNullFlag(is_dipole),
        dipoleFitAttempted: NonNullFlag(is_dipole),
        timeProcessedMjdTai: mjd + PROCESSING,
        bboxSize: Some(20 + rng.below(40) as i32),
        pixelFlags_streak: NonNullFlag(object.is_minor_planet() && rng.chance(0.05)),
        ..DiaSource::default()
    }
}

/// The record of photometry at the object's position, detected or not.
pub(super) fn forced_source(object: &Object, dia_object: i64, visit_ids: &VisitIds, visit: &Visit) -> DiaForcedSource {
    let (measure, mjd) = (visit.measure, mjd(visit.day));
    let steady = object.template(visit.band).map_or(0.0, object::flux);
    let place = object.position(visit.day);
    DiaForcedSource {
        diaForcedSourceId: visit_ids.id,
        diaObjectId: dia_object,
        ra: place.ra,
        dec: place.dec,
        visit: visit_ids.visit,
        detector: visit_ids.detector,
        psfFlux: some(measure.flux),
        psfFluxErr: some(measure.error),
        midpointMjdTai: mjd,
        scienceFlux: some(steady + measure.flux),
        scienceFluxErr: some(measure.error * 0.9),
        band: Some(BANDS[visit.band]),
        timeProcessedMjdTai: mjd + PROCESSING,
        timeWithdrawnMjdTai: None,
    }
}

/// The summary of an object's detections, of which the present one is the last.
pub(super) fn dia_object(object: &Object, id: i64, sources: &[&DiaSource]) -> DiaObject {
    let mut sum = DiaObject { diaObjectId: id, nDiaSources: sources.len() as i32, ..DiaObject::default() };
    let place = object.position(object.discovery.day());
    (sum.ra, sum.dec) = (place.ra, place.dec);
    if let [first, .., last] | [first @ last] = sources {
        sum.validityStartMjdTai = last.timeProcessedMjdTai;
        sum.firstDiaSourceMjdTai = Some(first.midpointMjdTai);
        sum.lastDiaSourceMjdTai = Some(last.midpointMjdTai);
        sum.raErr = last.raErr;
        sum.decErr = last.decErr;
        sum.ra_dec_Cov = last.ra_dec_Cov;
    }
    for (number, band) in BANDS.iter().enumerate() {
        let of_band = || sources.iter().filter(|source| source.band == Some(*band));
        let fluxes = of_band().filter_map(|source| source.psfFlux);
        let count = fluxes.clone().count() as f32;
        let mean = fluxes.clone().sum::<f32>() / count;
        let variance = fluxes.clone().map(|flux| (flux - mean).powi(2)).sum::<f32>() / (count - 1.0);
        let errors = of_band().filter_map(|source| source.psfFluxErr).sum::<f32>() / count;
        let science = of_band().filter_map(|source| source.scienceFlux).sum::<f32>() / count;
        let any = |value: f32| (count > 0.0).then_some(value);
        let several = |value: f32| (count > 1.0).then_some(value);
        sum.means[number] = PsfMeans {
            psfFluxMean: any(mean),
            psfFluxMeanErr: any(errors / count.sqrt()),
            psfFluxSigma: several(variance.sqrt()),
            psfFluxNdata: Some(count as i32),
            fpFluxMean: several(mean),
            fpFluxMeanErr: several(errors / count.sqrt()),
        };
        sum.science[number] =
            ScienceMeans { scienceFluxMean: any(science), scienceFluxMeanErr: any(errors / count.sqrt()) };
        sum.ranges[number] = PsfRange {
            psfFluxMin: fluxes.clone().reduce(f32::min),
            psfFluxMax: fluxes.reduce(f32::max),
            psfFluxMaxSlope: None,
            psfFluxErrMean: any(errors),
        };
    }
    sum
}

fn some(value: f64) -> Option<f32> {
    Some(value as f32)
}
