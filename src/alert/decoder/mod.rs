//! Decodes messages for their consumers: a datum as a line of JSON, some of its fields, or an Avro file.
//!
//! Decoding builds no tree of values. A length in the datum never allocates more than the datum has bytes.

mod cache;
mod json;
mod project;

pub use cache::SchemaCache;
pub use json::{BytesFormat, write_bytes as json_bytes};
pub(crate) use json::{base64, float as json_float, put};
pub use project::{Projection, ProjectionError, Scalar};

use std::sync::Arc;

use crate::avro::container::Header;
use crate::avro::{Malformed, Reader, Schema, Skipper};

/// A schema compiled for decoding.
#[derive(Clone, Debug)]
pub struct Decoder {
    schema: Arc<Schema>,
    skipper: Arc<Skipper>,
    header: Arc<Header>,
}

impl Decoder {
    pub fn new(schema: Schema) -> Self {
        let skipper = Skipper::new(&schema);
        let header = Header::new(&schema.to_string());
        Self { schema: Arc::new(schema), skipper: Arc::new(skipper), header: Arc::new(header) }
    }

    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Checks that `datum` is exactly one datum of the schema.
    ///
    /// # Errors
    /// It is not; the error has the byte offset.
    pub fn check(&self, datum: &[u8]) -> Result<(), Malformed> {
        self.skipper.check(self.schema.root(), datum)
    }

    /// Appends the datum as JSON on one line, without a line break.
    ///
    /// Integers are exact. Floats have the fewest digits that parse to the same value; `NaN`, `Infinity` and `-Infinity`, which JSON lacks,
    /// are strings. A union is its value alone.
    ///
    /// # Errors
    /// The datum is malformed; `out` is unchanged.
    pub fn json(&self, datum: &[u8], bytes: BytesFormat, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let start = out.len();
        let mut reader = Reader::new(datum);
        let written =
            json::write(&self.schema, self.schema.root(), bytes, &mut reader, out).and_then(|()| reader.end());
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// The datum as a JSON value; see [`json`](Self::json).
    ///
    /// # Errors
    /// The datum is malformed.
    pub fn value(&self, datum: &[u8], bytes: BytesFormat) -> Result<serde_json::Value, Malformed> {
        let mut text = Vec::new();
        self.json(datum, bytes, &mut text)?;
        serde_json::from_slice(&text).or(Err(Malformed { what: "values are nested too deep for JSON", at: 0 }))
    }

    /// Appends the datum as an Avro object container file, with the schema.
    ///
    /// # Errors
    /// The datum is malformed.
    pub fn container(&self, datum: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.check(datum)?;
        self.header.write(out);
        self.header.write_block(datum, out);
        Ok(())
    }

    /// Appends the header of an Avro object container file.
    pub(crate) fn container_header(&self, out: &mut Vec<u8>) {
        self.header.write(out);
    }

    /// Appends a block of an Avro object container file with this datum, which must be one of the schema.
    pub(crate) fn container_block(&self, datum: &[u8], out: &mut Vec<u8>) {
        self.header.write_block(datum, out);
    }

    /// Whether the schema has the field with this dotted path.
    pub(crate) fn has_field(&self, field: &str) -> bool {
        project::has_field(&self.schema, field)
    }

    /// A projection on the fields with these dotted paths.
    ///
    /// # Errors
    /// The schema has no such field.
    pub fn projection(&self, fields: &[&str]) -> Result<Projection, ProjectionError> {
        Projection::new(Arc::clone(&self.schema), Arc::clone(&self.skipper), fields)
    }
}

#[cfg(test)]
mod tests;
