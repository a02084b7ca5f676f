//! Alerts as lines of JSON: whole, or some of their fields.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::ConsumeError;
use super::fields::FieldNames;
use crate::alert::decoder::{BytesFormat, Decoder, Projection, Scalar};
use crate::alert::decoder::{json_bytes, json_float, put};
use crate::avro::Schema;
use crate::escape::json_string;
use crate::kafka::Message;

/// Fields of the message instead of the alert.
const MESSAGE_FIELDS: [&str; 4] = ["kafka.topic", "kafka.partition", "kafka.offset", "kafka.timestamp"];

/// Writes alerts as JSON.
#[derive(Debug)]
pub struct NdjsonWriter {
    /// as the user named them; empty: whole alerts
    fields: Vec<String>,
    bytes: BytesFormat,
    last: Option<(Arc<Schema>, FieldPlan)>,
}

/// Where the fields of one schema are found.
#[derive(Debug)]
struct FieldPlan {
    /// for each field as the user named it, where its value comes from
    sources: Vec<Source>,
    scalars: Option<Projection>,
}

#[derive(Debug)]
enum Source {
    Message(&'static str),
    /// by the number in the projection, and the dotted path
    Scalar(usize, String),
}

impl NdjsonWriter {
    /// Of these fields, or of whole alerts where there is none.
    pub fn new(fields: Vec<String>, bytes: BytesFormat) -> Self {
        Self { fields, bytes, last: None }
    }

    /// Appends one alert and a line's end.
    ///
    /// # Errors
    /// A field that the schema does not have, or a damaged datum, whose line is left out.
    pub fn write(
        &mut self,
        message: &Message,
        decoder: &Decoder,
        datum: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ConsumeError> {
        let damaged = |error: crate::avro::Malformed| ConsumeError::Format(error.to_string());
        if self.fields.is_empty() {
            decoder.json(datum, self.bytes, out).map_err(damaged)?;
            out.push(b'\n');
            return Ok(());
        }
        let known = self.last.take().filter(|(schema, _)| Arc::ptr_eq(schema, decoder.schema()));
        let known = match known {
            Some(known) => known,
            None => (Arc::clone(decoder.schema()), self.plan(decoder)?),
        };
        let (_, plan) = self.last.insert(known);
        let values = match &plan.scalars {
            Some(projection) => projection.read(datum).map_err(damaged)?,
            None => Vec::new(),
        };
        // Only whole values know how bytes within them are wanted.
        let has_parts = values.iter().any(|value| matches!(value, Scalar::Json(_)));
        let whole = match has_parts && self.bytes != BytesFormat::Length {
            true => Some(decoder.value(datum, self.bytes).map_err(damaged)?),
            false => None,
        };
        let mut before = b'{';
        for (name, source) in self.fields.iter().zip(&plan.sources) {
            out.push(std::mem::replace(&mut before, b','));
            json_string(name, out);
            out.push(b':');
            match source {
                Source::Message(field) => message_field(field, message, out),
                Source::Scalar(at, path) => match (values.get(*at), &whole) {
                    (Some(Scalar::Json(_)), Some(whole)) => {
                        let part = path.split('.').try_fold(whole, |value, name| value.get(name));
                        put(out, format_args!("{}", part.unwrap_or(&serde_json::Value::Null)));
                    }
                    (value, _) => scalar(value.unwrap_or(&Scalar::Null), self.bytes, out),
                },
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    fn plan(&self, decoder: &Decoder) -> Result<FieldPlan, ConsumeError> {
        let names = FieldNames::of(decoder.schema());
        let mut paths: Vec<String> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut sources = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            if let Some(known) = MESSAGE_FIELDS.iter().find(|known| *known == field) {
                sources.push(Source::Message(known));
                continue;
            }
            let (path, _) = names.resolve(field).map_err(|error| ConsumeError::Usage(format!("--fields: {error}")))?;
            let at = *places.entry(path.to_owned()).or_insert_with(|| {
                paths.push(path.to_owned());
                paths.len() - 1
            });
            sources.push(Source::Scalar(at, path.to_owned()));
        }
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let scalars = match paths.is_empty() {
            true => None,
            false => Some(decoder.projection(&paths).map_err(|error| ConsumeError::Usage(error.to_string()))?),
        };
        Ok(FieldPlan { sources, scalars })
    }
}

fn message_field(field: &str, message: &Message, out: &mut Vec<u8>) {
    match field {
        "kafka.topic" => json_string(&message.topic, out),
        "kafka.partition" => put(out, format_args!("{}", message.partition)),
        "kafka.offset" => put(out, format_args!("{}", message.offset)),
        _ => match message.timestamp {
            Some(timestamp) => put(out, format_args!("{timestamp}")),
            None => out.extend_from_slice(b"null"),
        },
    }
}

/// As [`Decoder::json`] writes it.
fn scalar(value: &Scalar<'_>, format: BytesFormat, out: &mut Vec<u8>) {
    match value {
        Scalar::Null => out.extend_from_slice(b"null"),
        Scalar::Boolean(value) => put(out, format_args!("{value}")),
        Scalar::Integer(value) => put(out, format_args!("{value}")),
        Scalar::Float(value) => json_float(f64::from(*value), format_args!("{value:?}"), out),
        Scalar::Double(value) => json_float(*value, format_args!("{value:?}"), out),
        Scalar::Text(text) => json_string(text, out),
        Scalar::Bytes(bytes) => json_bytes(bytes, format, out),
        Scalar::Json(text) => out.extend_from_slice(text.as_bytes()),
    }
}
