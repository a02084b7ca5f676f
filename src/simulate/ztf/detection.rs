//! The records of one exposure of an object: `candidate`, and the entries of `prv_candidates`.

use super::dates::{FIRST_NIGHT, julian};
use super::field_context::{FieldContext, Neighbour};
use super::packet::{Candidate, DetectorPosition, Exposure, PrvCandidate, Shape};
use crate::simulate::object::{LightCurve, Object};
use crate::simulate::rng::AlertRng;
use crate::simulate::schedule::Pointing;
use crate::simulate::sky::Position;
use crate::simulate::visits::Visit;

/// ZTF's number for a missing value, used beside null.
const MISSING_VALUE: f32 = -999.0;
/// Version of the random forest that scores candidates.
const RB_VERSION: &str = "t17_f5_c3";
/// Version of the neural network that scores candidates.
const DRB_VERSION: &str = "d6_m7";
/// Size of a readout channel, pixels.
const CHANNEL: (f64, f64) = (3072.0, 3080.0);

/// What the alert says about earlier visits.
pub(super) struct DetectionHistory {
    detections: i32,
    covered: i32,
    pub(super) first: f64,
}

impl DetectionHistory {
    /// Summarises the history, and assumes what was before it.
    pub(super) fn of(object: &Object, history: &[Visit], now: &Visit) -> Self {
        let mut seen = history.iter().filter(|visit| visit.is_detection());
        let older = match object.light_curve {
            LightCurve::Variable { period, .. } => (period * 7.0) as i32 % 120,
            LightCurve::Agn { .. } => 15,
            _ => 0,
        };
        let first = seen.next().map_or(now.day, |visit| visit.day);
        let detections = seen.count() as i32 + i32::from(first < now.day) + older + 1;
        let covered = history.len() as i32 + older * 2 + 90;
        Self { detections, covered, first: julian(first - f64::from(older) * 2.5) }
    }
}

/// The fields of a detection that `candidate` and `prv_candidates` share.
pub(super) struct Detection {
    pub(super) exposure: Exposure,
    pub(super) candid: i64,
    isdiffpos: &'static str,
    spot: DetectorPosition,
    position: Position,
    magpsf: f32,
    sigmapsf: f32,
    pub(super) shape: Shape,
    reference: Position,
    scorr: f64,
    calibration: Calibration,
}

/// The photometric calibration of the exposure.
struct Calibration {
    zero_point: f32,
    scatter: f32,
    colour: f32,
}

/// The exposure of a visit, and the position of the object in it.
fn exposure(context: &FieldContext, visit: &Visit, is_history: bool) -> (Exposure, DetectorPosition) {
    let night = FIRST_NIGHT + visit.day.floor() as i64;
    let tick = ((visit.day - visit.day.floor()) * 1e5).round() as i64;
    let date = jiff::civil::date(2017, 1, 1).saturating_add(jiff::SignedDuration::from_hours(night * 24));
    let (year, month, day) = (date.year(), date.month(), date.day());
    let filter = match visit.band {
        1 => "zg",
        2 => "zr",
        _ => "zi",
    };
    let (field, ccd, quadrant) = (context.field, context.rcid / 4 + 1, context.rcid % 4 + 1);
    let name = format!(
        "ztf_{year}{month:02}{day:02}{tick:05}0_{field:06}_{filter}_c{ccd:02}_o_q{quadrant}_scimrefdiffimg.fits"
    );
    let exposure = Exposure {
        jd: julian(visit.day),
        fid: visit.band as i32,
        pid: ((night * 100_000 + tick) * 100 + i64::from(context.rcid)) * 100 + 15,
        diffmaglim: Some(visit.measure.limit() as f32),
        pdiffimfilename: Some(match is_history {
            true => format!("/ztf/archive/sci/{year}/{month:02}{day:02}/{tick:05}0/{name}.fz"),
            false => name,
        }),
        programpi: Some("Kulkarni"),
        programid: 1,
    };
    let spot = DetectorPosition {
        nid: Some(night as i32),
        rcid: Some(context.rcid),
        field: Some(context.field),
        ..DetectorPosition::default()
    };
    (exposure, spot)
}

/// The measurements of a detected object.
pub(super) fn detection(object: &Object, context: &FieldContext, visit: &mut Visit, is_history: bool) -> Detection {
    let (exposure, spot) = exposure(context, visit, is_history);
    let (measure, rng) = (visit.measure, &mut visit.rng);
    let pass = visit.alert.map_or(0, Pointing::lap);
    let tblid = (pass * 20 + rng.below(20)) as i64;
    let is_positive = measure.flux > 0.0;
    let candid = exposure.pid * 1_000_000 + if is_positive { 15_000 } else { 10_000 } + tblid;
    let (magnitude, sigma) = (measure.magnitude(), 1.0857 / measure.snr());
    let (x, y) = (context.x + rng.normal(), context.y + rng.normal());
    let is_real = !matches!(object.light_curve, LightCurve::Artefact { .. });
    let fwhm = if is_real { rng.between(1.8, 5.0) } else { rng.between(0.8, 9.0) };
    let (long, elongation) = (fwhm * rng.between(0.25, 0.45), rng.between(1.0, if is_real { 1.4 } else { 2.2 }));
    let aperture = magnitude + sigma * rng.normal();
    let wide = aperture + 0.5 * sigma * rng.normal();
    // The flux in the wide aperture may be negative; its magnitude is then NaN, as in real alerts.
    let is_dark = measure.snr() < 6.0 && rng.chance(0.02);
    let shape = Shape {
        chipsf: some(if is_real { 0.6 + rng.unit().powi(4) * 20.0 } else { rng.between(5.0, 220.0) }),
        magap: some(aperture),
        sigmagap: some(sigma * 1.1),
        distnr: some(context.reference.distance / 1.012),
        magnr: some(context.reference.magnitude),
        sigmagnr: some(0.015 + 0.02 * 10f64.powf((context.reference.magnitude - 19.0) / 2.5)),
        chinr: some(rng.between(0.3, 1.7)),
        sharpnr: some(rng.normal() * 0.1),
        sky: some(rng.normal() * 0.4),
        magdiff: some(aperture - magnitude),
        fwhm: some(fwhm),
        classtar: some(rng.unit().powf(0.2)),
        mindtoedge: some(x.min(y).min(CHANNEL.0 - x).min(CHANNEL.1 - y).max(0.0)),
        magfromlim: some(measure.limit() - aperture),
        seeratio: some(rng.between(0.6, 2.0)),
        aimage: some(long),
        bimage: some(long / elongation),
        aimagerat: some(long / fwhm),
        bimagerat: some(long / elongation / fwhm),
        elong: some(elongation),
        nneg: Some(rng.below(if is_real { 4 } else { 12 }) as i32),
        nbad: Some(0),
        rb: some(if is_real { rng.between(0.5, 0.98) } else { rng.between(0.02, 0.4) }),
        ssdistnr: Some(MISSING_VALUE),
        ssmagnr: Some(MISSING_VALUE),
        ssnamenr: Some("null".to_owned()),
        sumrat: some(if is_real { 1.0 - rng.unit().powi(6) } else { rng.between(-0.5, 1.0) }),
        magapbig: some(if is_dark { f64::NAN } else { wide }),
        sigmagapbig: some(if is_dark { f64::NAN } else { sigma * 1.3 }),
    };
    Detection {
        exposure,
        candid,
        isdiffpos: if is_positive { "t" } else { "f" },
        spot: DetectorPosition { tblid: Some(tblid), xpos: some(x), ypos: some(y), ..spot },
        position: visit.position,
        magpsf: magnitude as f32,
        sigmapsf: sigma as f32,
        shape,
        reference: context.reference_position,
        scorr: measure.snr(),
        calibration: Calibration {
            zero_point: rng.between(25.9, 26.4) as f32,
            scatter: rng.between(0.025, 0.08) as f32,
            colour: rng.between(-0.15, 0.12) as f32,
        },
    }
}

/// An entry of `prv_candidates`: a detection, or the upper limit of a visit without detection.
pub(super) fn earlier(object: &Object, context: &FieldContext, mut visit: Visit) -> PrvCandidate {
    if !visit.is_detection() {
        let (exposure, spot) = exposure(context, &visit, true);
        return PrvCandidate { exposure, spot, rbversion: RB_VERSION, ..PrvCandidate::default() };
    }
    let seen = detection(object, context, &mut visit, true);
    PrvCandidate {
        exposure: seen.exposure,
        candid: Some(seen.candid),
        isdiffpos: Some(seen.isdiffpos),
        spot: seen.spot,
        ra: Some(seen.position.ra),
        dec: Some(seen.position.dec),
        magpsf: Some(seen.magpsf),
        sigmapsf: Some(seen.sigmapsf),
        shape: seen.shape,
        ranr: Some(seen.reference.ra),
        decnr: Some(seen.reference.dec),
        scorr: Some(seen.scorr),
        magzpsci: Some(seen.calibration.zero_point),
        magzpsciunc: Some(4.2e-5),
        magzpscirms: Some(seen.calibration.scatter),
        clrcoeff: Some(seen.calibration.colour),
        clrcounc: Some(7.2e-5),
        rbversion: RB_VERSION,
    }
}

/// The `candidate` of an alert.
pub(super) fn candidate(
    seen: Detection,
    object: &Object,
    context: &FieldContext,
    past: &DetectionHistory,
    rng: &mut AlertRng,
) -> Candidate {
    let mut shape = seen.shape;
    if let LightCurve::MinorPlanet { magnitude, .. } = object.light_curve {
        shape.ssdistnr = some(rng.unit().powi(3) * 5.0);
        shape.ssmagnr = some((magnitude * 10.0).round() / 10.0);
        shape.ssnamenr = Some((1 + object.discovery.index * 7919 % 550_000).to_string());
    }
    let jd = seen.exposure.jd;
    let [one, two, three] = context.neighbours.map(Neighbour::fields);
    let spread = rng.between(2.0, 8.0);
    let real = f64::from(shape.rb.unwrap_or(0.0));
    let bright = rng.chance(0.2).then(|| (rng.between(1.0, 90.0), rng.between(9.0, 14.0)));
    Candidate {
        exposure: seen.exposure,
        candid: seen.candid,
        isdiffpos: seen.isdiffpos,
        spot: seen.spot,
        ra: seen.position.ra,
        dec: seen.position.dec,
        magpsf: seen.magpsf,
        sigmapsf: seen.sigmapsf,
        shape,
        ranr: seen.reference.ra,
        decnr: seen.reference.dec,
        sgmag1: one.g,
        srmag1: one.r,
        simag1: one.i,
        szmag1: one.z,
        sgscore1: one.star,
        distpsnr1: one.distance,
        ndethist: past.detections,
        ncovhist: past.covered,
        jdstarthist: Some(past.first),
        jdendhist: Some(jd),
        scorr: Some(seen.scorr),
        tooflag: Some(0),
        objectidps1: one.id,
        objectidps2: two.id,
        sgmag2: two.g,
        srmag2: two.r,
        simag2: two.i,
        szmag2: two.z,
        sgscore2: two.star,
        distpsnr2: two.distance,
        objectidps3: three.id,
        sgmag3: three.g,
        srmag3: three.r,
        simag3: three.i,
        szmag3: three.z,
        sgscore3: three.star,
        distpsnr3: three.distance,
        nmtchps: context.neighbours.iter().flatten().count() as i32 + rng.below(4) as i32,
        rfid: i64::from(context.field) * 1_000_000 + 120_100 + i64::from(context.rcid),
        jdstartref: 2_458_315.941_62,
        jdendref: 2_458_350.922_153,
        nframesref: 15,
        rbversion: RB_VERSION,
        dsnrms: some(seen.scorr * 0.6),
        ssnrms: some(seen.scorr * 0.6 * spread),
        dsdiff: some(seen.scorr * 0.6 * (1.0 - spread)),
        magzpsci: Some(seen.calibration.zero_point),
        magzpsciunc: Some(4.2e-5),
        magzpscirms: Some(seen.calibration.scatter),
        nmatches: 40 + rng.below(1200) as i32,
        clrcoeff: Some(seen.calibration.colour),
        clrcounc: Some(7.2e-5),
        zpclrcov: Some(-5.1e-5),
        zpmed: Some(seen.calibration.zero_point - 0.09),
        clrmed: some(rng.between(0.55, 0.9)),
        clrrms: some(rng.between(0.2, 0.32)),
        neargaia: some(rng.between(0.02, 70.0)),
        neargaiabright: Some(bright.map_or(MISSING_VALUE, |(distance, _)| distance as f32)),
        maggaia: some(rng.between(13.0, 21.0)),
        maggaiabright: Some(bright.map_or(MISSING_VALUE, |(_, magnitude)| magnitude as f32)),
        exptime: Some(30.0),
        drb: (!rng.chance(0.01)).then(|| (real.powf(0.4) - 0.02 * rng.unit()).clamp(0.0, 1.0) as f32),
        drbversion: DRB_VERSION,
    }
}

/// A neighbour as the fields of `candidate`.
struct NeighbourFields {
    id: Option<i64>,
    g: Option<f32>,
    r: Option<f32>,
    i: Option<f32>,
    z: Option<f32>,
    star: Option<f32>,
    distance: Option<f32>,
}

impl Neighbour {
    fn fields(neighbour: Option<Self>) -> NeighbourFields {
        let value = |of: fn(&Self) -> f64| Some(neighbour.as_ref().map_or(MISSING_VALUE, |it| of(it) as f32));
        NeighbourFields {
            id: Some(neighbour.map_or(-999, |it| it.id)),
            // Faint stars have no g magnitude in PS1.
            g: value(|it| if it.magnitude > 21.0 { f64::from(MISSING_VALUE) } else { it.magnitude + 0.6 }),
            r: value(|it| it.magnitude),
            i: value(|it| it.magnitude - 0.3),
            z: value(|it| it.magnitude - 0.5),
            star: value(|it| it.star),
            distance: value(|it| it.distance),
        }
    }
}

fn some(value: f64) -> Option<f32> {
    Some(value as f32)
}
