//! The entries of an object in the catalogues that Fink compares alerts with.

use super::Known;
use super::nature::Nature;
use crate::simulate::object::LightCurve;
use crate::simulate::rng::AlertRng;

/// What catalogues say; `None`: the object is not in this one.
#[derive(Default)]
pub(super) struct Catalogs {
    pub(super) simbad: Option<SimbadType>,
    pub(super) gaia: Option<GaiaSource>,
    pub(super) tns: Option<TnsReport>,
    /// type of variability
    pub(super) vsx: Option<&'static str>,
    /// type of variability
    pub(super) gcvs: Option<&'static str>,
    /// name
    pub(super) hsp: Option<String>,
    /// name
    pub(super) lac: Option<String>,
    pub(super) spicy: Option<SpicySource>,
    pub(super) mangrove: Option<MangroveGalaxy>,
    pub(super) redshift: Option<PhotometricRedshift>,
}

/// An object type of SIMBAD: the name that Fink uses for ZTF, and the short one that it uses for Rubin.
#[derive(Clone, Copy)]
pub(super) struct SimbadType {
    pub(super) long: &'static str,
    pub(super) short: &'static str,
}

/// An entry of Gaia DR3.
pub(super) struct GaiaSource {
    pub(super) name: String,
    /// milliarcseconds, with its error
    pub(super) parallax: (f32, f32),
    pub(super) is_variable: bool,
}

/// A report to the Transient Name Server.
pub(super) struct TnsReport {
    pub(super) name: String,
    /// `None`: not classified
    pub(super) class: Option<&'static str>,
    pub(super) redshift: Option<f32>,
}

/// An entry of SPICY, the catalogue of young stars.
pub(super) struct SpicySource {
    pub(super) id: i32,
    pub(super) class: &'static str,
}

/// A galaxy of Mangrove.
pub(super) struct MangroveGalaxy {
    pub(super) hyperleda: String,
    pub(super) two_mass: String,
    /// Mpc
    pub(super) luminosity_distance: f32,
    /// Mpc
    pub(super) angular_distance: f32,
}

/// An entry of the photometric redshifts of the Legacy Surveys DR8.
pub(super) struct PhotometricRedshift {
    pub(super) value: f32,
    pub(super) error: f32,
}

impl Catalogs {
    pub(super) fn of(known: &Known<'_>, nature: Nature) -> Self {
        let rng = &mut known.object_rng();
        // The first number has decided the nature.
        rng.unit();
        let mut found = Self { simbad: simbad(known, nature, rng), ..Self::default() };
        let number = known.object.discovery.index;
        let place = known.object.position(known.object.discovery.day());
        let is_star = nature.is_star();
        if is_star || nature.is_nucleus() && rng.chance(0.6) {
            let parallax = if is_star { 10f64.powf(rng.between(-1.0, 0.9)) } else { 0.05 * rng.normal() };
            found.gaia = Some(GaiaSource {
                name: format!("Gaia DR3 {}", 1_000_000_000_000_000_000 + number * 7_919),
                parallax: (parallax as f32, rng.between(0.02, 0.2) as f32),
                is_variable: rng.chance(0.7),
            });
        }
        if let (LightCurve::Variable { period, .. }, Nature::Variable) = (&known.object.light_curve, nature) {
            let type_of_period = match period {
                ..1.0 => ("RRAB", "RRAB"),
                ..30.0 => ("EA", "EA"),
                ..100.0 => ("M", "M"),
                _ => ("L", "LB"),
            };
            found.vsx = rng.chance(0.5).then_some(type_of_period.0);
            found.gcvs = rng.chance(0.2).then_some(type_of_period.1);
        }
        if nature == Nature::Blazar {
            let name = sexagesimal(place.ra, place.dec);
            found.hsp = rng.chance(0.3).then(|| format!("3HSPJ{name}"));
            found.lac = rng.chance(0.5).then(|| format!("4FGL J{name}"));
        }
        if nature == Nature::YoungStar {
            let class = rng.one_of(&["ClassI", "FS", "ClassII", "ClassIII"]);
            found.spicy = Some(SpicySource { id: 1 + (number % 117_000) as i32, class });
        }
        if nature.is_transient() {
            // A host is nearby and bright enough for one of the catalogues, or for none.
            let distance = rng.between(20.0, 180.0);
            if nature == Nature::Kilonova || rng.chance(0.35) {
                found.mangrove = Some(MangroveGalaxy {
                    hyperleda: format!("PGC{}", 1_000_000 + number % 3_000_000),
                    two_mass: sexagesimal(place.ra, place.dec),
                    luminosity_distance: distance as f32,
                    angular_distance: (distance / (1.0 + distance / 4_280.0).powi(2)) as f32,
                });
            }
            let redshift = rng.between(0.02, 0.3);
            found.redshift = rng
                .chance(0.6)
                .then_some(PhotometricRedshift { value: redshift as f32, error: (0.02 * (1.0 + redshift)) as f32 });
            if rng.chance(0.5) {
                let class = match nature {
                    Nature::SupernovaIa => "SN Ia",
                    Nature::Kilonova => "Kilonova",
                    _ => rng.one_of(&["SN II", "SN Ic", "SN IIn", "SLSN-I"]),
                };
                let class = rng.chance(0.6).then_some(class);
                let prefix = if class.is_some_and(|class| class.starts_with('S')) { "SN" } else { "AT" };
                found.tns = Some(TnsReport {
                    name: format!("{prefix} 2026{}", letters(number)),
                    class,
                    redshift: class.map(|_| redshift as f32),
                });
            }
        }
        found
    }
}

fn simbad(known: &Known<'_>, nature: Nature, rng: &mut AlertRng) -> Option<SimbadType> {
    let (known_there, long, short) = match nature {
        Nature::SupernovaIa | Nature::Supernova => (0.3, "Galaxy", "G"),
        Nature::Kilonova => (0.7, "Galaxy", "G"),
        Nature::Microlensing => (0.0, "", ""),
        Nature::YoungStar => (0.8, "YSO_Candidate", "Y*?"),
        Nature::Variable => {
            let (long, short) = match known.object.catalogued() {
                "RRLyr" => ("RRLyrae", "RR*"),
                "EB*" => ("EclBin", "EB*"),
                "LPV*" => ("LongPeriodV*", "LP*"),
                _ => ("Star", "*"),
            };
            (0.8, long, short)
        }
        Nature::Blazar => (0.9, "Blazar", "Bla"),
        Nature::LensedQuasar => (0.9, "LensedQ", "LeQ"),
        Nature::Agn if known.object.catalogued() == "QSO" => (0.9, "QSO", "QSO"),
        Nature::Agn => (0.7, "AGN", "AGN"),
        Nature::MinorPlanet | Nature::NewMinorPlanet | Nature::Tracklet | Nature::Artefact => (0.0, "", ""),
    };
    rng.chance(known_there).then_some(SimbadType { long, short })
}

/// A position as catalogues name their sources by it: `123456.7+123456`.
fn sexagesimal(ra: f64, dec: f64) -> String {
    let (ra, dec_seconds) = (ra / 15.0 * 3600.0, (dec.abs() * 3600.0) as i64);
    let (hours, minutes) = ((ra / 3600.0) as i64, (ra / 60.0) as i64 % 60);
    let sign = if dec < 0.0 { '-' } else { '+' };
    let (degrees, arc_minutes, arc_seconds) = (dec_seconds / 3600, dec_seconds / 60 % 60, dec_seconds % 60);
    format!("{hours:02}{minutes:02}{:04.1}{sign}{degrees:02}{arc_minutes:02}{arc_seconds:02}", ra % 60.0)
}

/// Three or more letters, as in the names of transients.
fn letters(number: u64) -> String {
    let mut rest = number + 26 * 26;
    let mut name = Vec::new();
    loop {
        name.insert(0, b'a' + (rest % 26) as u8);
        rest /= 26;
        if rest == 0 {
            return String::from_utf8_lossy(&name).into_owned();
        }
    }
}
