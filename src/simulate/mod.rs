//! Synthetic alerts in the telescopes' own schemas, for tests and demonstrations.
//!
//! Everything about alert `i` follows from the seed and `i` alone, however many alerts are made and in whatever order, so a run may be
//! split or resumed. The stream is in the order of time, about 100 alerts a night; half of its alerts are of objects that were seen in
//! nights before, and then the earlier detections stand in the later alert's history.

mod avro_record;
mod files;
mod fits;
mod lsst;
mod noise;
mod object;
mod rng;
mod schedule;
mod sky;
mod visits;
mod ztf;

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Value, json};

pub use files::write_files;

use lsst::Lsst;
use schedule::Pointing;
use ztf::Ztf;

use crate::avro::{Schema, SchemaError};

/// ZTF's alert schema 3.3, and Rubin's 10.0.
const SCHEMAS: [&str; 2] = [include_str!("../../conf/schemas/ztf.avsc"), include_str!("../../conf/schemas/lsst.avsc")];
/// How often a history is lengthened or shortened on the way to a size.
const MAX_SIZE_ATTEMPTS: usize = 4;

/// Whose alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survey {
    /// Zwicky Transient Facility, schema 3.3
    Ztf,
    /// Rubin Observatory's Legacy Survey of Space and Time, schema 10.0
    Lsst,
}

impl FromStr for Survey {
    type Err = SimulateError;

    fn from_str(name: &str) -> Result<Self, SimulateError> {
        match name {
            "ztf" => Ok(Self::Ztf),
            "lsst" => Ok(Self::Lsst),
            _ => Err(SimulateError::Survey(name.to_owned())),
        }
    }
}

/// What to add to the telescope's own alerts.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulatorOptions {
    /// Size of a datum in bytes, reached within 5 % by a longer history; alerts that can have none (LSST's solar-system objects and artefacts) stay
    /// short, and none is cut below the size of its images. `None`: as real alerts are (ZTF 42–58 kB, LSST 106.5–150 kB).
    pub target_bytes: Option<usize>,
    /// adds `cross_match_alerts_per_batch` after the alert's identifier: the catalogued type that Fink writes there
    pub fink: bool,
}

/// What an alert is known by.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertIdentity {
    /// the object; for LSST the number of the diaObject, or else of the ssObject, in digits. `None`: LSST alerts that have neither
    pub object: Option<String>,
    /// ZTF's `candid`, LSST's `diaSourceId`; unique for the first 88 million alerts
    pub source: i64,
    /// Julian date of the exposure (ZTF: its start, UTC; LSST: its middle, TAI)
    pub jd: f64,
}

/// What can go wrong in making alerts.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// no such survey
    #[error("there is no survey `{0}`: use `ztf` or `lsst`")]
    Survey(String),
    /// the built-in schema with the added fields cannot be used
    #[error("the built-in alert schema cannot be used: {0}")]
    Schema(#[from] SchemaError),
    /// the built-in schema is no JSON
    #[error("the built-in alert schema cannot be used: {0}")]
    Json(#[from] serde_json::Error),
    /// an image could not be compressed
    #[error("cannot compress an image: {0}")]
    Compress(#[from] flate2::CompressError),
    /// a file could not be written
    #[error("cannot write {path}: {reason}")]
    Write {
        /// the file or folder
        path: PathBuf,
        /// what the system says
        reason: std::io::Error,
    },
}

enum SurveyGenerator {
    Ztf(Box<Ztf>),
    Lsst(Box<Lsst>),
}

/// Makes alerts.
pub struct Simulator {
    generator: SurveyGenerator,
    schema: Schema,
    schema_text: String,
    target_bytes: Option<usize>,
}

impl Simulator {
    /// A generator of one survey's alerts.
    ///
    /// # Errors
    /// None that depends on the arguments: only where the built-in schema or the compressor failed.
    pub fn new(survey: Survey, seed: u64, options: SimulatorOptions) -> Result<Self, SimulateError> {
        let (text, generator) = match survey {
            Survey::Ztf => (SCHEMAS[0], SurveyGenerator::Ztf(Box::new(Ztf::new(seed, options)?))),
            Survey::Lsst => (SCHEMAS[1], SurveyGenerator::Lsst(Box::new(Lsst::new(seed, options)))),
        };
        let mut json: Value = serde_json::from_str(text)?;
        if let Some(fields) = json["fields"].as_array_mut().filter(|_| options.fink) {
            let (after, union) = match survey {
                Survey::Ztf => ("candid", json!(["string", "null"])),
                Survey::Lsst => ("diaSourceId", json!(["null", "string"])),
            };
            let at = fields.iter().position(|field| field["name"] == after).map_or(fields.len(), |at| at + 1);
            fields.insert(at, json!({"name": "cross_match_alerts_per_batch", "type": union, "default": null}));
        }
        let schema_text = json.to_string();
        Ok(Self { generator, schema: Schema::parse(&schema_text)?, schema_text, target_bytes: options.target_bytes })
    }

    /// The schema of the alerts.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The schema of the alerts as JSON, on one line.
    pub fn schema_text(&self) -> &str {
        &self.schema_text
    }

    /// Writes the alert `index` to `datum` (cleared first) as an Avro datum without header.
    ///
    /// # Errors
    /// Only where the compressor failed.
    pub fn alert(&mut self, index: u64, datum: &mut Vec<u8>) -> Result<AlertIdentity, SimulateError> {
        let pointing = Pointing::of(index);
        let (mut identity, mut nights) = self.make(pointing, None, datum)?;
        let Some(target) = self.target_bytes else { return Ok(identity) };
        // A night of history takes about this many bytes; better known once two lengths were tried.
        let mut night_bytes = 250.0;
        for _ in 0..MAX_SIZE_ATTEMPTS {
            let missing = target as f64 - datum.len() as f64;
            let wanted = (nights as f64 + missing / night_bytes).round().max(0.0) as u64;
            if wanted == nights {
                break;
            }
            let (length, from) = (datum.len() as f64, nights);
            (identity, nights) = self.make(pointing, Some(wanted), datum)?;
            let gained = (datum.len() as f64 - length) / (nights as f64 - from as f64);
            if gained <= 1.0 {
                break;
            }
            night_bytes = gained;
        }
        Ok(identity)
    }

    /// Makes an alert with so many nights of history, or as many as are usual; also tells how many.
    fn make(
        &mut self,
        pointing: Pointing,
        nights: Option<u64>,
        datum: &mut Vec<u8>,
    ) -> Result<(AlertIdentity, u64), SimulateError> {
        datum.clear();
        match &mut self.generator {
            SurveyGenerator::Ztf(ztf) => ztf.alert(pointing, nights, datum),
            SurveyGenerator::Lsst(lsst) => Ok(lsst.alert(pointing, nights, datum)),
        }
    }
}

#[cfg(test)]
mod tests;
