//! What every survey's alerts have under some name: when, where, in which band, how bright, what it may be.

use std::sync::Arc;

use crate::alert::decoder::{Decoder, Projection, Scalar};
use crate::avro::{Malformed, Schema};

/// TAI − UTC since 2017, seconds. Rubin's times are TAI.
const TAI_MINUS_UTC: f64 = 37.0;
/// The Julian dates of 1970-01-01.
const JD_1970: f64 = 2_440_587.5;
const MJD_1970: f64 = 40_587.0;

/// What a field with a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Julian date, UTC
    Jd,
    /// modified Julian date, UTC
    Mjd,
    /// modified Julian date, TAI
    MjdTai,
    Object,
    /// the detection's id
    Detection,
    /// 1, 2, 3 for g, r, i
    FilterNumber,
    Band,
    /// magnitude, with its error
    Magnitude,
    MagnitudeError,
    /// flux in nJy, with its error
    Flux,
    FluxError,
    /// 1: real, 0: bogus
    Score,
    Class,
    Ra,
    Dec,
}

use Meaning::*;

/// The fields in order of preference within each meaning: ZTF's first, then Rubin's, then those of others and of derived schemas.
const FIELDS: [(&str, Meaning); 47] = [
    ("candidate.jd", Jd),
    ("diaSource.midpointMjdTai", MjdTai),
    ("diaSource.midPointTai", MjdTai),
    ("jd", Jd),
    ("candidate.mjd", Mjd),
    ("mjd", Mjd),
    ("midpointMjdTai", MjdTai),
    ("objectId", Object),
    ("diaObject.diaObjectId", Object),
    ("diaSource.diaObjectId", Object),
    ("ssSource.ssObjectId", Object),
    ("diaSource.ssObjectId", Object),
    ("diaObjectId", Object),
    ("objectid", Object),
    ("candid", Detection),
    ("diaSource.diaSourceId", Detection),
    ("diaSourceId", Detection),
    ("candidate.fid", FilterNumber),
    ("diaSource.band", Band),
    ("diaSource.filterName", Band),
    ("candidate.band", Band),
    ("candidate.filter", Band),
    ("band", Band),
    ("filter", Band),
    ("fid", FilterNumber),
    ("candidate.magpsf", Magnitude),
    ("magpsf", Magnitude),
    ("candidate.sigmapsf", MagnitudeError),
    ("sigmapsf", MagnitudeError),
    ("diaSource.psfFlux", Flux),
    ("diaSource.psFlux", Flux),
    ("psfFlux", Flux),
    ("diaSource.psfFluxErr", FluxError),
    ("diaSource.psFluxErr", FluxError),
    ("psfFluxErr", FluxError),
    ("candidate.drb", Score),
    ("candidate.rb", Score),
    ("diaSource.reliability", Score),
    ("finkclass", Class),
    ("class", Class),
    ("cdsxmatch", Class),
    ("cross_match_alerts_per_batch", Class),
    ("xm.simbad_otype", Class),
    ("candidate.ra", Ra),
    ("diaSource.ra", Ra),
    ("candidate.dec", Dec),
    ("diaSource.dec", Dec),
];

/// A brightness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Brightness {
    /// magnitude and error
    Magnitude(f64, Option<f64>),
    /// nJy and error
    Flux(f64, Option<f64>),
}

/// What an alert says of its detection; what it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// ms since 1970, UTC
    pub time: Option<i64>,
    /// the object's identifier
    pub object: Option<String>,
    /// the detection's
    pub detection: Option<String>,
    /// the band's letter or name
    pub band: Option<String>,
    /// how bright
    pub brightness: Option<Brightness>,
    /// 1: real, 0: bogus
    pub score: Option<f64>,
    /// what the object may be
    pub class: Option<String>,
    /// degrees
    pub ra: Option<f64>,
    /// degrees
    pub dec: Option<f64>,
}

/// Reads observations from alerts of any schema.
#[derive(Debug, Default)]
pub struct ObservationReader {
    last: Option<(Arc<Schema>, Option<Projection>, Vec<Meaning>)>,
}

impl ObservationReader {
    /// What a datum of the decoder's schema says.
    ///
    /// # Errors
    /// The datum is damaged.
    pub fn read(&mut self, decoder: &Decoder, datum: &[u8]) -> Result<Observation, Malformed> {
        let known = self.last.take().filter(|(schema, ..)| Arc::ptr_eq(schema, decoder.schema()));
        let (_, projection, meanings) = self.last.insert(known.unwrap_or_else(|| prepare(decoder)));
        let mut observation = Observation::default();
        let (mut error, mut is_flux) = ((None, None), None);
        let Some(projection) = projection else { return Ok(observation) };
        for (value, meaning) in projection.read(datum)?.iter().zip(meanings) {
            let number = number(value);
            match meaning {
                Jd => fill(&mut observation.time, number.map(|jd| ms((jd - JD_1970) * 86_400.0))),
                Mjd => fill(&mut observation.time, number.map(|mjd| ms((mjd - MJD_1970) * 86_400.0))),
                MjdTai => {
                    let utc = number.map(|mjd| ms((mjd - MJD_1970) * 86_400.0 - TAI_MINUS_UTC));
                    fill(&mut observation.time, utc);
                }
                Object => fill(&mut observation.object, identifier(value)),
                Detection => fill(&mut observation.detection, identifier(value)),
                FilterNumber => fill(&mut observation.band, filter_name(value)),
                Band => fill(&mut observation.band, text(value)),
                Magnitude => fill(&mut is_flux, number.map(|value| (value, false))),
                Flux => fill(&mut is_flux, number.map(|value| (value, true))),
                MagnitudeError => fill(&mut error.0, number),
                FluxError => fill(&mut error.1, number),
                Score => fill(&mut observation.score, number),
                Class => fill(&mut observation.class, text(value)),
                Ra => fill(&mut observation.ra, number),
                Dec => fill(&mut observation.dec, number),
            }
        }
        observation.brightness = is_flux.map(|(value, is_flux)| match is_flux {
            true => Brightness::Flux(value, error.1),
            false => Brightness::Magnitude(value, error.0),
        });
        Ok(observation)
    }
}

fn prepare(decoder: &Decoder) -> (Arc<Schema>, Option<Projection>, Vec<Meaning>) {
    let (fields, meanings): (Vec<&str>, Vec<Meaning>) =
        FIELDS.iter().filter(|(field, _)| decoder.has_field(field)).copied().unzip();
    let projection = (!fields.is_empty()).then(|| decoder.projection(&fields).ok()).flatten();
    (Arc::clone(decoder.schema()), projection, meanings)
}

fn fill<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// A finite number. Floats go through their fewest digits: 16.07 is not to become 16.06999969.
fn number(value: &Scalar<'_>) -> Option<f64> {
    match value {
        Scalar::Integer(value) => Some(*value as f64),
        Scalar::Float(value) => value.to_string().parse().ok(),
        Scalar::Double(value) => Some(*value),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

/// An identifier. Rubin's later schemas say 0 where there is none.
fn identifier(value: &Scalar<'_>) -> Option<String> {
    match value {
        Scalar::Integer(0) => None,
        Scalar::Integer(value) => Some(value.to_string()),
        value => text(value),
    }
}

fn text(value: &Scalar<'_>) -> Option<String> {
    match value {
        Scalar::Text(text) if !text.is_empty() => Some((*text).to_owned()),
        Scalar::Integer(value) => Some(value.to_string()),
        _ => None,
    }
}

fn filter_name(value: &Scalar<'_>) -> Option<String> {
    match value {
        Scalar::Integer(1) => Some("g".to_owned()),
        Scalar::Integer(2) => Some("r".to_owned()),
        Scalar::Integer(3) => Some("i".to_owned()),
        value => text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::{write_bytes, write_long};

    fn observe(schema: &str, datum: &[u8]) -> Observation {
        let decoder = Decoder::new(Schema::parse(schema).expect("a schema"));
        ObservationReader::default().read(&decoder, datum).expect("a datum")
    }

    #[test]
    fn ztf_is_read_by_its_names() {
        let schema = r#"{"type":"record","name":"a","fields":[{"name":"objectId","type":"string"},{"name":"candid","type":"long"},
            {"name":"candidate","type":{"type":"record","name":"c","fields":[{"name":"jd","type":"double"},{"name":"fid","type":"int"},
            {"name":"magpsf","type":"float"},{"name":"sigmapsf","type":"float"},{"name":"drb","type":["null","float"]},{"name":"rb","type":"float"}]}}]}"#;
        let mut datum = Vec::new();
        write_bytes(b"ZTF18abc", &mut datum);
        write_long(42, &mut datum);
        datum.extend_from_slice(&2_460_000.5_f64.to_le_bytes());
        write_long(2, &mut datum);
        datum.extend_from_slice(&16.07_f32.to_le_bytes());
        datum.extend_from_slice(&0.05_f32.to_le_bytes());
        datum.push(0);
        datum.extend_from_slice(&0.75_f32.to_le_bytes());
        let observation = observe(schema, &datum);
        assert_eq!(observation.time, Some(1_677_283_200_000));
        assert_eq!((observation.object.as_deref(), observation.detection.as_deref()), (Some("ZTF18abc"), Some("42")));
        assert_eq!(observation.band.as_deref(), Some("r"));
        assert_eq!(observation.brightness, Some(Brightness::Magnitude(16.07, Some(0.05))));
        assert_eq!(observation.score, Some(0.75));
    }

    #[test]
    fn rubins_times_are_tai_and_an_identifier_of_0_is_none() {
        let schema = r#"{"type":"record","name":"a","fields":[{"name":"diaSourceId","type":"long"},{"name":"diaSource","type":{"type":"record","name":"s",
            "fields":[{"name":"diaObjectId","type":"long"},{"name":"ssObjectId","type":"long"},{"name":"midpointMjdTai","type":"double"},{"name":"psfFlux","type":"float"}]}}]}"#;
        let mut datum = Vec::new();
        write_long(9_007_199_254_740_993, &mut datum);
        write_long(0, &mut datum);
        write_long(7, &mut datum);
        datum.extend_from_slice(&60_000.0_f64.to_le_bytes());
        datum.extend_from_slice(&(-120.5_f32).to_le_bytes());
        let observation = observe(schema, &datum);
        assert_eq!(observation.time, Some(1_677_283_200_000 - 37_000));
        assert_eq!(observation.object.as_deref(), Some("7"));
        assert_eq!(observation.detection.as_deref(), Some("9007199254740993"));
        assert_eq!(observation.brightness, Some(Brightness::Flux(-120.5, None)));
    }

    #[test]
    fn what_an_alert_lacks_is_absent() {
        let schema = r#"{"type":"record","name":"a","fields":[{"name":"x","type":"int"}]}"#;
        assert_eq!(observe(schema, &[2]), Observation::default());
    }
}
