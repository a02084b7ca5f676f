//! The columns that Fink adds to ZTF's alerts.

use super::catalogs::Catalogs;
use super::column::{Map, columns};
use super::features::{Features, Point};
use super::nature::Nature;
use super::scores::score;
use super::{Known, timestamp};
use crate::simulate::visits::Visit;

columns! {
    ZtfColumns "fink.ztf" {
        brokerIngestTimestamp: String,
        brokerStartProcessTimestamp: String,
        fink_broker_version: &'static str,
        fink_science_version: &'static str,
        cdsxmatch: &'static str,
        tns: &'static str,
        DR3Name: String,
        Plx: f32,
        e_Plx: f32,
        gaiaVarFlag: i32,
        gaiaClass: &'static str,
        vsx: &'static str,
        spicy_id: i32,
        spicy_class: &'static str,
        gcvs: &'static str,
        x3hsp: String,
        x4lac: String,
        mangrove: Map<Option<String>>,
        roid: i32,
        rf_snia_vs_nonia: f64,
        snn_snia_vs_nonia: f64,
        snn_sn_vs_all: f64,
        mulens: f64,
        nalerthist: i32,
        rf_kn_vs_nonkn: f64,
        lc_features_g: Features,
        lc_features_r: Features,
        anomaly_score: f64,
        jd_first_real_det: f64,
        jdstarthist_dt: f64,
        mag_rate: f64,
        sigma_rate: f64,
        lower_rate: f64,
        upper_rate: f64,
        delta_time: f64,
        from_upper: bool,
        blazar_stats: Map<Option<f32>>,
        is_transient: bool,
        slsn_score: f32,
        tracklet: String,
        brokerEndProcessTimestamp: String,
    }
}

/// What Fink writes where a catalogue has no entry.
const UNKNOWN: &str = "Unknown";
const VERSION: &str = "simulated";
/// Days from the exposure to the arrival, and to the begin and the end of the processing.
const DELAYS: [f64; 3] = [0.008, 0.010, 0.011];

impl ZtfColumns {
    /// `julian` is the Julian date of day 0 of the schedule; `first` that of the object's first detection.
    pub(in crate::simulate) fn of(known: &Known<'_>, julian: f64, first: f64) -> Self {
        let nature = Nature::of(known);
        let catalogs = Catalogs::of(known, nature);
        let rng = &mut known.alert_rng();
        let detections = known.detections().count();
        let now = julian + known.now.day;
        let [arrival, begin, end] = DELAYS.map(|delay| Some(timestamp(now + delay)));
        let class_of = |case: bool, rng: &mut _| if detections < 3 { 0.0 } else { score(case, detections, rng) };
        let is_supernova = matches!(nature, Nature::SupernovaIa | Nature::Supernova);
        let (gaia, spicy) = (catalogs.gaia.as_ref(), catalogs.spicy.as_ref());
        let text = |value: Option<String>| Some(value.unwrap_or_else(|| UNKNOWN.to_owned()));
        let first_detection = known.detections().next().map_or(now, |visit| julian + visit.day);
        let mut columns = Self {
            brokerIngestTimestamp: arrival,
            brokerStartProcessTimestamp: begin,
            brokerEndProcessTimestamp: end,
            fink_broker_version: Some(VERSION),
            fink_science_version: Some(VERSION),
            cdsxmatch: Some(catalogs.simbad.map_or(UNKNOWN, |simbad| simbad.long)),
            tns: Some(catalogs.tns.as_ref().and_then(|report| report.class).unwrap_or_default()),
            DR3Name: text(gaia.map(|gaia| gaia.name.clone())),
            Plx: gaia.map(|gaia| gaia.parallax.0),
            e_Plx: gaia.map(|gaia| gaia.parallax.1),
            gaiaVarFlag: Some(i32::from(gaia.is_some_and(|gaia| gaia.is_variable))),
            gaiaClass: Some(UNKNOWN),
            vsx: Some(catalogs.vsx.unwrap_or(UNKNOWN)),
            spicy_id: Some(spicy.map_or(-1, |spicy| spicy.id)),
            spicy_class: Some(spicy.map_or(UNKNOWN, |spicy| spicy.class)),
            gcvs: Some(catalogs.gcvs.unwrap_or(UNKNOWN)),
            x3hsp: text(catalogs.hsp),
            x4lac: text(catalogs.lac),
            mangrove: Some(mangrove(catalogs.mangrove.as_ref())),
            roid: Some(match nature {
                Nature::MinorPlanet => 3,
                Nature::NewMinorPlanet => 2,
                _ if detections == 1 && catalogs.simbad.is_none() => 1,
                _ => 0,
            }),
            rf_snia_vs_nonia: Some(class_of(nature == Nature::SupernovaIa, rng)),
            snn_snia_vs_nonia: Some(class_of(nature == Nature::SupernovaIa, rng)),
            snn_sn_vs_all: Some(class_of(is_supernova, rng)),
            mulens: Some(if nature == Nature::Microlensing { rng.between(0.1, 1.0) } else { 0.0 }),
            nalerthist: Some(detections as i32),
            // The classifier looks at the first days alone.
            rf_kn_vs_nonkn: Some(match (nature, now - first) {
                (Nature::Kilonova, ..20.0) => rng.between(0.5, 1.0),
                _ => rng.between(0.0, 0.3),
            }),
            lc_features_g: features(known, 1),
            lc_features_r: features(known, 2),
            anomaly_score: Some(rng.between(-0.4, 0.1)),
            jd_first_real_det: Some(first_detection),
            jdstarthist_dt: Some(now - first_detection),
            blazar_stats: Some(blazar_statistics(nature, rng)),
            is_transient: Some(nature.is_transient() && catalogs.gaia.is_none()),
            slsn_score: Some(match nature {
                Nature::Supernova if detections > 4 => rng.unit() as f32,
                _ => -1.0,
            }),
            tracklet: Some(match nature {
                Nature::Tracklet => tracklet(now, rng.below(20)),
                _ => String::new(),
            }),
            ..Self::default()
        };
        columns.set_rate(known);
        columns
    }

    /// The change in magnitude since the last visit in the same band.
    fn set_rate(&mut self, known: &Known<'_>) {
        let now = known.now;
        let Some(before) = known.history.iter().rev().find(|visit| visit.band == now.band) else {
            self.from_upper = Some(false);
            return;
        };
        let from_upper = !before.is_detection();
        let magnitude = if from_upper { before.measure.limit() } else { before.measure.magnitude() };
        let days = now.day - before.day;
        let rate = (now.measure.magnitude() - magnitude) / days;
        let sigma = sigma(now).hypot(if from_upper { 0.0 } else { sigma(before) }) / days;
        (self.mag_rate, self.sigma_rate, self.delta_time) = (Some(rate), Some(sigma), Some(days));
        (self.lower_rate, self.upper_rate) = (Some(rate - 1.6 * sigma), Some(rate + 1.6 * sigma));
        self.from_upper = Some(from_upper);
    }
}

/// Error of a magnitude.
fn sigma(visit: &Visit) -> f64 {
    1.0857 / visit.measure.snr()
}

fn features(known: &Known<'_>, band: usize) -> Option<Features> {
    let of_band = known.detections().filter(|visit| visit.band == band);
    let points: Vec<Point> =
        of_band.map(|visit| Point { time: visit.day, value: visit.measure.magnitude(), error: sigma(visit) }).collect();
    Features::of(&points)
}

fn mangrove(galaxy: Option<&super::catalogs::MangroveGalaxy>) -> Map<Option<String>> {
    let value =
        |of: &dyn Fn(&super::catalogs::MangroveGalaxy) -> String| Some(galaxy.map_or_else(|| "None".to_owned(), of));
    Map(vec![
        ("HyperLEDA_name", value(&|galaxy| galaxy.hyperleda.clone())),
        ("2MASS_name", value(&|galaxy| galaxy.two_mass.clone())),
        ("lum_dist", value(&|galaxy| galaxy.luminosity_distance.to_string())),
        ("ang_dist", value(&|galaxy| galaxy.angular_distance.to_string())),
    ])
}

fn blazar_statistics(nature: Nature, rng: &mut crate::simulate::rng::AlertRng) -> Map<Option<f32>> {
    let names = ["instantness_low", "robustness_low", "instantness_high", "robustness_high"];
    let mut value = || if nature == Nature::Blazar { rng.between(0.3, 2.5) as f32 } else { -1.0 };
    Map(names.map(|name| (name, Some(value()))).to_vec())
}

/// The name of a track of a satellite: the exposure, and a number.
fn tracklet(julian: f64, number: u64) -> String {
    let time: String = timestamp(julian).chars().filter(char::is_ascii_digit).take(14).collect();
    format!("TRCK_{}_{}_{number:02}", &time[..8], &time[8..])
}
