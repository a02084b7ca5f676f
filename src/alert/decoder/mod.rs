//! Messages for their readers: a datum as a line of JSON, some fields of it, or a file of its own.
//!
//! No tree of values is built here either. Whatever the bytes are, a length is believed only as far as there are bytes for it.

mod cache;
mod json;
mod project;

pub use cache::SchemaCache;
pub use json::{BytesFormat, write_bytes as json_bytes};
pub use project::{Projection, ProjectionError, Scalar};

use std::sync::Arc;

use crate::avro::container::Header;
use crate::avro::{Malformed, Reader, Schema, Skipper};

/// A schema made ready for decoding.
#[derive(Clone, Debug)]
pub struct Decoder {
    schema: Arc<Schema>,
    skipper: Arc<Skipper>,
    header: Arc<Header>,
}

impl Decoder {
    /// Makes a schema ready.
    pub fn new(schema: Schema) -> Self {
        let skipper = Skipper::new(&schema);
        let header = Header::new(&schema.to_string());
        Self { schema: Arc::new(schema), skipper: Arc::new(skipper), header: Arc::new(header) }
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether `datum` is one datum of the schema.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn check(&self, datum: &[u8]) -> Result<(), Malformed> {
        self.skipper.check(self.schema.root(), datum)
    }

    /// Appends the datum as JSON on one line, without a line's end.
    ///
    /// Integers are exact. Floats have the fewest digits that read back the same; `NaN`, `Infinity` and `-Infinity`, which JSON lacks, are
    /// strings. Bytes are as `bytes` says. A union is its value alone.
    ///
    /// # Errors
    /// The datum is damaged; `out` is left as it was.
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
    /// The datum is damaged.
    pub fn value(&self, datum: &[u8], bytes: BytesFormat) -> Result<serde_json::Value, Malformed> {
        let mut text = Vec::new();
        self.json(datum, bytes, &mut text)?;
        serde_json::from_slice(&text).or(Err(Malformed { what: "values nested too deep for JSON", at: 0 }))
    }

    /// Appends the datum as an Avro file of its own, with the schema.
    ///
    /// # Errors
    /// The datum is damaged.
    pub fn container(&self, datum: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.check(datum)?;
        self.header.write(out);
        self.header.write_block(datum, out);
        Ok(())
    }

    /// Whether there is a field of this dotted name.
    pub fn has_field(&self, field: &str) -> bool {
        project::has_field(&self.schema, field)
    }

    /// Picks the fields of these dotted names.
    ///
    /// # Errors
    /// The schema has no such field.
    pub fn projection(&self, fields: &[&str]) -> Result<Projection, ProjectionError> {
        Projection::new(Arc::clone(&self.schema), Arc::clone(&self.skipper), fields)
    }
}

#[cfg(test)]
mod tests;
