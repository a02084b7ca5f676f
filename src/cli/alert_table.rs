//! Alerts as table rows: the few fields that the alerts of every survey have, under different names.

use std::sync::Arc;

use serde_json::Value;

use crate::alert::decoder::{BytesFormat, Decoder, Projection, Scalar, SchemaCache};
use crate::avro::Schema;

/// The column headers.
pub const COLUMNS: [&str; 6] = ["object", "alert", "time", "ra", "dec", "brightness"];

/// For each column the fields that can hold it: those of ZTF, of Rubin, then of derived schemas. The first one that is not null is shown.
const FIELDS: [&[&str]; 6] = [
    &["objectId", "diaObject.diaObjectId", "diaSource.diaObjectId", "ssSource.ssObjectId", "diaObjectId"],
    &["candid", "diaSource.diaSourceId", "diaSourceId"],
    &["candidate.jd", "diaSource.midpointMjdTai"],
    &["candidate.ra", "diaSource.ra"],
    &["candidate.dec", "diaSource.dec"],
    &["candidate.magpsf", "diaSource.psfFlux"],
];

/// Why a message is not an alert.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

impl DecodeError {
    /// The message has no value.
    pub fn without_value() -> Self {
        Self("the message has no value".to_owned())
    }
}

/// Decodes messages whose key is their schema.
#[derive(Default)]
pub struct AlertReader {
    schemas: SchemaCache,
    projections: Option<(Arc<Schema>, Vec<Vec<Projection>>)>,
}

impl AlertReader {
    /// The decoder of a message's schema.
    ///
    /// # Errors
    /// The key is not a schema.
    pub fn decoder(&mut self, key: Option<&[u8]>) -> Result<Arc<Decoder>, DecodeError> {
        let no_schema = |reason: String| DecodeError(format!("the message key is not a schema: {reason}"));
        let key = key.ok_or_else(|| no_schema("the message has no key".to_owned()))?;
        self.schemas.get(key).map_err(|error| no_schema(error.to_string()))
    }

    /// The cells of one alert, by [`COLUMNS`].
    ///
    /// # Errors
    /// The key is not a schema, or the value not a datum of it. The whole value is validated, not only these cells.
    pub fn cells(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<[Value; 6], DecodeError> {
        let decoder = self.decoder(key)?;
        decoder.check(value).map_err(|error| DecodeError(error.to_string()))?;
        let projections = self.projections(&decoder);
        let mut cells: [Value; 6] = Default::default();
        for (cell, candidates) in cells.iter_mut().zip(projections.iter()) {
            for projection in candidates {
                let values = projection.read(value).map_err(|error| DecodeError(error.to_string()))?;
                *cell = values.first().map_or(Value::Null, json);
                if !cell.is_null() {
                    break;
                }
            }
        }
        Ok(cells)
    }

    /// One alert as a line of JSON: bytes in base64, integers exact.
    ///
    /// # Errors
    /// As [`cells`](Self::cells).
    pub fn json(&mut self, key: Option<&[u8]>, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        self.decoder(key)?.json(value, BytesFormat::Base64, out).map_err(|error| DecodeError(error.to_string()))
    }

    /// The projections of each column, cached for the schema of the previous alert.
    fn projections(&mut self, decoder: &Decoder) -> &[Vec<Projection>] {
        let known = self.projections.take().filter(|(schema, _)| Arc::ptr_eq(schema, decoder.schema()));
        let find = || {
            let column = |fields: &&[&str]| {
                let known = fields.iter().filter(|field| decoder.has_field(field));
                known.filter_map(|field| decoder.projection(&[field]).ok()).collect()
            };
            (Arc::clone(decoder.schema()), FIELDS.iter().map(column).collect())
        };
        &self.projections.insert(known.unwrap_or_else(find)).1
    }
}

fn json(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::from(*value),
        Scalar::Integer(value) => Value::from(*value),
        // By its shortest decimal form: a cast to f64 would print 16.07 as 16.06999969.
        Scalar::Float(value) => value.to_string().parse::<f64>().map_or(Value::Null, Value::from),
        Scalar::Double(value) => Value::from(*value),
        Scalar::Text(text) => Value::from(*text),
        Scalar::Bytes(bytes) => Value::from(format!("{} bytes", bytes.len())),
        Scalar::Json(text) => Value::from(text.as_str()),
    }
}
