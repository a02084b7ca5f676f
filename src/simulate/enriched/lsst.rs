//! The columns that Fink adds to Rubin's alerts.

use super::catalogs::Catalogs;
use super::column::{Map, columns};
use super::features::{Features, Point};
use super::nature::Nature;
use super::scores::{broad_class, score};
use super::{Known, timestamp};

columns! {
    LsstColumns "fink.lsst" {
        lsst_schema_version: &'static str,
        brokerIngestTimestamp: String,
        brokerStartProcessTimestamp: String,
        fink_broker_version: &'static str,
        fink_science_version: &'static str,
        publisher: &'static str,
        lc_features: Map<Features>,
        clf: Classifiers,
        xm: CrossMatches,
        pred: Predictions,
        misc: Miscellaneous,
        brokerEndProcessTimestamp: String,
    }
}

columns! {
    Classifiers "fink.clf" {
        snnSnVsOthers_score: f32,
        cats_class: i32,
        cats_score: f32,
        earlySNIa_score: f32,
        elephant_kstest_science: f32,
        elephant_kstest_template: f32,
    }
}

columns! {
    CrossMatches "fink.xm" {
        simbad_otype: &'static str,
        gaiadr3_DR3Name: String,
        gaiadr3_Plx: f32,
        gaiadr3_e_Plx: f32,
        gaiadr3_VarFlag: &'static str,
        legacydr8_zphot: f32,
        legacydr8_e_zphot: f32,
        legacydr8_pstar: f32,
        legacydr8_fqual: i32,
        tns_fullname: String,
        tns_type: &'static str,
        tns_redshift: f32,
        gcvs_type: &'static str,
        x3hsp_type: String,
        x4lac_type: String,
        vsx_Type: &'static str,
        spicy_class: &'static str,
        mangrove_HyperLEDA_name: String,
        mangrove_2MASS_name: String,
        mangrove_lum_dist: f32,
        mangrove_ang_dist: f32,
    }
}

columns! {
    Predictions "fink.pred" {
        is_sso: bool,
        is_first: bool,
        is_cataloged: bool,
        main_label_classifier: i32,
        main_label_crossmatch: &'static str,
    }
}

columns! {
    Miscellaneous "fink.misc" {
        firstDiaSourceMjdTaiFink: f64,
    }
}

const VERSION: &str = "simulated";
/// The version of the built-in schema.
const SCHEMA_VERSION: &str = "lsst.v10_0";
/// Days from the exposure to the arrival, and to the begin and the end of the processing.
const DELAYS: [f64; 3] = [0.0014, 0.0015, 0.0017];
/// Bands, by number.
const BANDS: [&str; 6] = ["u", "g", "r", "i", "z", "y"];
/// Julian date less modified Julian date.
const JULIAN: f64 = 2_400_000.5;

impl LsstColumns {
    /// `mjd` is the modified Julian date of day 0 of the schedule.
    pub(in crate::simulate) fn of(known: &Known<'_>, mjd: f64) -> Self {
        let nature = Nature::of(known);
        let catalogs = Catalogs::of(known, nature);
        let rng = &mut known.alert_rng();
        let detections = known.detections().count();
        let [arrival, begin, end] = DELAYS.map(|delay| Some(timestamp(JULIAN + mjd + known.now.day + delay)));
        let is_supernova = matches!(nature, Nature::SupernovaIa | Nature::Supernova);
        let class = broad_class(nature, detections);
        let mut single = |is_case: bool| Some(score(is_case, detections, rng) as f32);
        let mut classifiers = Classifiers {
            snnSnVsOthers_score: single(is_supernova),
            cats_class: Some(class),
            cats_score: if class < 0 { Some(-1.0) } else { single(true) },
            earlySNIa_score: if detections < 3 { Some(-1.0) } else { single(nature == Nature::SupernovaIa) },
            ..Classifiers::default()
        };
        let has_host = catalogs.simbad.is_some() || catalogs.mangrove.is_some() || catalogs.redshift.is_some();
        if nature.is_transient() && !has_host {
            classifiers.elephant_kstest_science = Some(rng.unit() as f32);
            classifiers.elephant_kstest_template = Some(rng.unit() as f32);
        }
        let is_cataloged = catalogs.simbad.is_some() || catalogs.gaia.is_some();
        let simbad = catalogs.simbad.map(|simbad| simbad.short);
        let first = known.detections().next().map_or(known.now.day, |visit| visit.day);
        Self {
            lsst_schema_version: Some(SCHEMA_VERSION),
            brokerIngestTimestamp: arrival,
            brokerStartProcessTimestamp: begin,
            brokerEndProcessTimestamp: end,
            fink_broker_version: Some(VERSION),
            fink_science_version: Some(VERSION),
            publisher: Some("Fink"),
            lc_features: Some(features(known)),
            clf: Some(classifiers),
            pred: Some(Predictions {
                is_sso: Some(known.object.is_minor_planet()),
                is_first: Some(detections == 1),
                is_cataloged: Some(is_cataloged),
                main_label_classifier: Some(class),
                main_label_crossmatch: simbad,
            }),
            xm: Some(CrossMatches::of(catalogs)),
            misc: Some(Miscellaneous { firstDiaSourceMjdTaiFink: Some(mjd + first) }),
        }
    }
}

impl CrossMatches {
    fn of(catalogs: Catalogs) -> Self {
        let Catalogs { simbad, gaia, tns, vsx, gcvs, hsp, lac, spicy, mangrove, redshift } = catalogs;
        let (gaia, tns, galaxy, redshift) = (gaia.as_ref(), tns.as_ref(), mangrove.as_ref(), redshift.as_ref());
        Self {
            simbad_otype: simbad.map(|simbad| simbad.short),
            gaiadr3_DR3Name: gaia.map(|gaia| gaia.name.clone()),
            gaiadr3_Plx: gaia.map(|gaia| gaia.parallax.0),
            gaiadr3_e_Plx: gaia.map(|gaia| gaia.parallax.1),
            gaiadr3_VarFlag: gaia.map(|gaia| if gaia.is_variable { "VARIABLE" } else { "NOT_AVAILABLE" }),
            legacydr8_zphot: redshift.map(|redshift| redshift.value),
            legacydr8_e_zphot: redshift.map(|redshift| redshift.error),
            legacydr8_pstar: redshift.map(|_| 0.02),
            legacydr8_fqual: redshift.map(|_| 1),
            tns_fullname: tns.map(|report| report.name.clone()),
            tns_type: tns.and_then(|report| report.class),
            tns_redshift: tns.and_then(|report| report.redshift),
            gcvs_type: gcvs,
            x3hsp_type: hsp,
            x4lac_type: lac,
            vsx_Type: vsx,
            spicy_class: spicy.map(|spicy| spicy.class),
            mangrove_HyperLEDA_name: galaxy.map(|galaxy| galaxy.hyperleda.clone()),
            mangrove_2MASS_name: galaxy.map(|galaxy| galaxy.two_mass.clone()),
            mangrove_lum_dist: galaxy.map(|galaxy| galaxy.luminosity_distance),
            mangrove_ang_dist: galaxy.map(|galaxy| galaxy.angular_distance),
        }
    }
}

/// By band; those without a detection are left out.
fn features(known: &Known<'_>) -> Map<Features> {
    let of_band = |(number, name): (usize, &'static str)| {
        let visits = known.detections().filter(|visit| visit.band == number);
        let points: Vec<Point> = visits
            .map(|visit| Point { time: visit.day, value: visit.measure.flux, error: visit.measure.error })
            .collect();
        Features::of(&points).map(|features| (name, features))
    };
    Map(BANDS.into_iter().enumerate().filter_map(of_band).collect())
}
