//! The default of a field, which is JSON, as a datum.

use serde_json::Value;

use super::limits::{MAX_SCHEMA_NODES, weight_of_text};
use super::schema::{Kind, NodeId, Schema};
use super::skip::MAX_DEPTH;
use super::write::{write_bytes, write_long};
use crate::escape::shorten;

/// Maximum length of a default in an error, characters.
const MAX_SHOWN_CHARS: usize = 100;

/// Why a default is not a datum.
enum DefaultError<'a> {
    TypeMismatch(&'a Value),
    /// a record whose default contains itself
    Recursive,
    /// more values than are allowed
    TooLarge,
}

impl DefaultError<'_> {
    fn message(self) -> String {
        match self {
            Self::TypeMismatch(value) => {
                format!("the default {} does not fit its type", shorten(&value.to_string(), MAX_SHOWN_CHARS))
            }
            Self::Recursive => "the default contains itself".to_owned(),
            Self::TooLarge => format!("the schema's defaults have more than {MAX_SCHEMA_NODES} values"),
        }
    }
}

impl Schema {
    /// Appends the default `value` of a field of type `id` as a datum. In a union it belongs to the first branch that it fits. Bytes are
    /// characters up to U+00FF. On an error, `out` may hold a part of the datum.
    ///
    /// # Errors
    /// The value does not fit the type, or has too many values.
    pub(crate) fn encode_default(&self, id: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        self.default_datum(id, value, MAX_DEPTH, &mut MAX_SCHEMA_NODES.clone(), out).map_err(DefaultError::message)
    }

    /// Checks that `value` is a default of the type `id`, and subtracts the number of its values from `left`.
    pub(super) fn check_default(&self, id: NodeId, value: &Value, left: &mut usize) -> Result<(), String> {
        self.default_datum(id, value, MAX_DEPTH, left, &mut Vec::new()).map_err(DefaultError::message)
    }

    /// `deeper`: the remaining levels.
    fn default_datum<'a>(
        &'a self,
        id: NodeId,
        value: &'a Value,
        deeper: usize,
        left: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DefaultError<'a>> {
        let deeper = deeper.checked_sub(1).ok_or(DefaultError::Recursive)?;
        *left = left.checked_sub(1 + value.as_str().map_or(0, weight_of_text)).ok_or(DefaultError::TooLarge)?;
        let type_mismatch = || DefaultError::TypeMismatch(value);
        let integer = || value.as_i64().ok_or_else(type_mismatch);
        match self.kind(id) {
            Kind::Null => value.as_null().ok_or_else(type_mismatch)?,
            Kind::Boolean => out.push(u8::from(value.as_bool().ok_or_else(type_mismatch)?)),
            Kind::Int => write_long(i32::try_from(integer()?).map_err(|_| type_mismatch())?.into(), out),
            Kind::Long => write_long(integer()?, out),
            Kind::Float => out.extend_from_slice(&(number(value).ok_or_else(type_mismatch)? as f32).to_le_bytes()),
            Kind::Double => out.extend_from_slice(&number(value).ok_or_else(type_mismatch)?.to_le_bytes()),
            Kind::Bytes => write_bytes(&bytes(value).ok_or_else(type_mismatch)?, out),
            Kind::String => write_bytes(value.as_str().ok_or_else(type_mismatch)?.as_bytes(), out),
            Kind::Fixed { size, .. } => {
                let bytes = bytes(value).filter(|bytes| bytes.len() == *size).ok_or_else(type_mismatch)?;
                out.extend_from_slice(&bytes);
            }
            Kind::Enum { symbols, .. } => {
                let at = symbols.iter().position(|symbol| value == symbol).ok_or_else(type_mismatch)?;
                write_long(at as i64, out);
            }
            Kind::Array(item) => {
                let list = value.as_array().ok_or_else(type_mismatch)?;
                if !list.is_empty() {
                    write_long(list.len() as i64, out);
                    list.iter().try_for_each(|entry| self.default_datum(*item, entry, deeper, left, out))?;
                }
                out.push(0);
            }
            Kind::Map(inner) => {
                let map = value.as_object().ok_or_else(type_mismatch)?;
                if !map.is_empty() {
                    write_long(map.len() as i64, out);
                    for (key, entry) in map {
                        write_bytes(key.as_bytes(), out);
                        self.default_datum(*inner, entry, deeper, left, out)?;
                    }
                }
                out.push(0);
            }
            Kind::Union(branches) => {
                let start = out.len();
                for (at, branch) in branches.iter().enumerate() {
                    write_long(at as i64, out);
                    match self.default_datum(*branch, value, deeper, left, out) {
                        Ok(()) => return Ok(()),
                        Err(DefaultError::TooLarge) => return Err(DefaultError::TooLarge),
                        Err(DefaultError::TypeMismatch(_) | DefaultError::Recursive) => out.truncate(start),
                    }
                }
                return Err(type_mismatch());
            }
            Kind::Record { fields, .. } => {
                let map = value.as_object().ok_or_else(type_mismatch)?;
                for field in fields {
                    let value = map.get(&field.name).or(field.default.as_ref()).ok_or_else(type_mismatch)?;
                    self.default_datum(field.node, value, deeper, left, out)?;
                }
            }
        }
        Ok(())
    }
}

/// A number, or the name of one that JSON cannot express.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| match value.as_str()? {
        "NaN" => Some(f64::NAN),
        "Infinity" | "INF" => Some(f64::INFINITY),
        "-Infinity" | "-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    })
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_str()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
