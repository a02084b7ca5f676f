//! Makes alerts.

use serde_json::{Value, json};

use super::alert_identity::AlertIdentity;
use super::enriched;
use super::error::SimulateError;
use super::lsst::Lsst;
use super::options::SimulatorOptions;
use super::schedule::Pointing;
use super::survey::Survey;
use super::ztf::Ztf;
use crate::avro::Schema;

/// ZTF's alert schema 3.3, and Rubin's 10.0.
const SCHEMAS: [&str; 2] = [include_str!("../../conf/schemas/ztf.avsc"), include_str!("../../conf/schemas/lsst.avsc")];
/// Maximum number of times that a history is lengthened or shortened to reach a size.
const MAX_SIZE_ATTEMPTS: usize = 4;

enum SurveyGenerator {
    Ztf(Box<Ztf>),
    Lsst(Box<Lsst>),
}

/// Makes the alerts of one survey.
pub struct Simulator {
    generator: SurveyGenerator,
    schema: Schema,
    schema_text: String,
    target_bytes: Option<usize>,
}

impl Simulator {
    /// A simulator of `survey`.
    ///
    /// # Errors
    /// Independent of the arguments: the built-in schema or the compressor failed.
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
        if let Some(fields) = json["fields"].as_array_mut().filter(|_| options.enriched) {
            fields.extend(enriched::schema_fields(survey));
        }
        let schema_text = json.to_string();
        Ok(Self { generator, schema: Schema::parse(&schema_text)?, schema_text, target_bytes: options.target_bytes })
    }

    /// The schema of the alerts.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The schema of the alerts as one line of JSON.
    pub fn schema_text(&self) -> &str {
        &self.schema_text
    }

    /// Writes the alert `index` to `datum` (cleared first) as an Avro datum without header.
    ///
    /// # Errors
    /// The compressor failed.
    pub fn alert(&mut self, index: u64, datum: &mut Vec<u8>) -> Result<AlertIdentity, SimulateError> {
        let pointing = Pointing::of(index);
        let (mut identity, mut nights) = self.make(pointing, None, datum)?;
        let Some(target) = self.target_bytes else { return Ok(identity) };
        // A first guess of the bytes that a night of history takes. Two lengths give a better one.
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

    /// Writes an alert with `nights` of history; `None`: the usual number. Returns the number too.
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
