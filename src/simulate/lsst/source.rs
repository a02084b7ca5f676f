//! What one visit says of an object: `diaSource`, `prvDiaSources` and `prvDiaForcedSources`; and what all of them say: `diaObject`.

use super::super::object::{Nature, Object};
use super::super::packet::Flag;
use super::super::schedule::Slot;
use super::super::visits::Visit;
use super::packet::{DiaForcedSource, DiaObject, DiaSource, PsfMeans, PsfRange, ScienceMeans};
use super::{Ids, mjd};
use crate::simulate::object;

/// The bands by number.
pub(super) const BANDS: [&str; 6] = ["u", "g", "r", "i", "z", "y"];
/// Days from an exposure to the end of its processing.
const PROCESSING: f64 = 0.0012;
/// Square degrees to 1 σ of a centroid, for a signal to noise ratio of 1.
const CENTROID: f64 = 1.2e-4;

/// Where and by what number a visit saw the object.
pub(super) struct Sighting {
    id: i64,
    visit: i64,
    detector: i32,
}

impl Sighting {
    /// Day, time of day, detector and a number on the detector, packed.
    pub(super) fn of(visit: &mut Visit) -> Self {
        let day = mjd(visit.day).floor() as i64;
        let tick = ((visit.day - visit.day.floor()) * 1e5).round() as i64;
        let detector = visit.dice.below(189) as i64;
        let lap = visit.alert.map_or(0, Slot::lap) as i64;
        let number = lap * 32 + visit.dice.below(32) as i64;
        let date = jiff::civil::date(1858, 11, 17).saturating_add(jiff::SignedDuration::from_hours(day * 24));
        let ymd = i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day());
        Self {
            id: (day << 41) | (tick << 24) | (detector << 16) | (number & 0x7fff),
            visit: ymd * 100_000 + tick,
            detector: detector as i32,
        }
    }
}

/// A detection.
pub(super) fn dia_source(object: &Object, ids: &Ids, sighting: &Sighting, visit: &mut Visit) -> DiaSource {
    let (measure, at, mjd) = (visit.measure, visit.position, mjd(visit.day));
    let dice = &mut visit.dice;
    let is_real = !matches!(object.nature, Nature::Artefact { .. });
    let snr = measure.snr();
    let steady = object.template(visit.band).map_or(0.0, object::flux);
    let error = (CENTROID / snr) as f32;
    let pixel = (dice.between(20.0, 4050.0) as f32, dice.between(20.0, 3970.0) as f32);
    let width = dice.between(0.08, 0.12);
    let has_shape = !dice.chance(0.1);
    let shape = |value: f64| has_shape.then_some(value as f32);
    let has_trail = object.is_moving() || dice.chance(0.8);
    let trail = |value: f64| has_trail.then_some(value as f32);
    let is_dipole = dice.chance(if is_real { 0.03 } else { 0.3 });
    let dipole = |value: f64| is_dipole.then_some(value as f32);
    let noisy = |dice: &mut crate::simulate::dice::Dice, by: f64| measure.flux + measure.error * by * dice.normal();
    let (length, angle) = (dice.between(0.2, 1.5), dice.between(-90.0, 90.0));
    // A source without a shape has no extendedness that is a number.
    let extendedness = if has_shape { dice.unit().powi(2) } else { f64::NAN };
    DiaSource {
        diaSourceId: sighting.id,
        visit: sighting.visit,
        detector: sighting.detector,
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
        apFlux: some(noisy(dice, 3.0)),
        apFluxErr: some(measure.error * 3.0),
        isNegative: Flag(measure.flux < 0.0),
        snr: some(snr),
        psfFlux: some(measure.flux),
        psfFluxErr: some(measure.error),
        psfChi2: some(1681.0 + 58.0 * dice.normal() + if is_real { 0.0 } else { 2000.0 }),
        psfNdata: Some(1681),
        trailFlux: trail(noisy(dice, 0.5)),
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
        scienceFlux: some(steady + noisy(dice, 0.3)),
        scienceFluxErr: some(measure.error * 0.9),
        templateFlux: some(steady + measure.error * 0.3 * dice.normal()),
        templateFluxErr: some(measure.error * 0.3),
        ixx: shape(width),
        iyy: shape(width * 0.95),
        ixy: shape(width * 0.02),
        ixxPSF: some(0.087),
        iyyPSF: some(0.085),
        ixyPSF: some(-0.0024),
        shape_flag: Flag(!has_shape),
        extendedness: some(extendedness),
        reliability: some(if is_real { 1.0 - 0.4 * dice.unit().powi(3) } else { 0.6 * dice.unit() }),
        band: Some(BANDS[visit.band]),
        isDipole: Flag(is_dipole),
        dipoleFitAttempted: Flag(is_dipole),
        timeProcessedMjdTai: mjd + PROCESSING,
        bboxSize: Some(20 + dice.below(40) as i32),
        pixelFlags_streak: Flag(object.is_moving() && dice.chance(0.05)),
        ..DiaSource::default()
    }
}

/// Photometry at the object's place, whether it was detected or not.
pub(super) fn forced_source(object: &Object, dia_object: i64, sighting: &Sighting, visit: &Visit) -> DiaForcedSource {
    let (measure, mjd) = (visit.measure, mjd(visit.day));
    let steady = object.template(visit.band).map_or(0.0, object::flux);
    let place = object.position(visit.day);
    DiaForcedSource {
        diaForcedSourceId: sighting.id,
        diaObjectId: dia_object,
        ra: place.ra,
        dec: place.dec,
        visit: sighting.visit,
        detector: sighting.detector,
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

/// The sum of an object's detections, the present one last.
pub(super) fn dia_object(object: &Object, id: i64, sources: &[&DiaSource]) -> DiaObject {
    let mut sum = DiaObject { diaObjectId: id, nDiaSources: sources.len() as i32, ..DiaObject::default() };
    let place = object.position(object.birth.day());
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
