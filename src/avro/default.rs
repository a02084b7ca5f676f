//! A default, which schemas give as JSON, as a datum.

use serde_json::Value;

use super::bounds::{MOST_NODES, weight_of_text};
use super::schema::{Kind, NodeId, Schema};
use super::skip::DEEPEST;
use super::write::{put_bytes, put_long};
use crate::escape::shorten;

/// Most characters of a default that an error shows.
const SHOWN: usize = 100;

/// Why a default is no datum.
enum Fault<'a> {
    Misfit(&'a Value),
    /// a record whose default holds itself
    Endless,
    /// it takes more steps than are left
    TooLarge,
}

impl Fault<'_> {
    fn told(self) -> String {
        match self {
            Self::Misfit(value) => format!("the default {} does not fit its type", shorten(&value.to_string(), SHOWN)),
            Self::Endless => "a default without an end".to_owned(),
            Self::TooLarge => format!("the schema's defaults have more than {MOST_NODES} values"),
        }
    }
}

impl Schema {
    /// Appends the default `value` of a field of type `id` as a datum. In a union it belongs to the first branch that it fits; bytes
    /// are given as characters up to U+00FF. On an error `out` may hold a part.
    ///
    /// # Errors
    /// The value does not fit the type, or takes too many steps, in words.
    pub fn encode_default(&self, id: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        self.default_datum(id, value, DEEPEST, &mut MOST_NODES.clone(), out).map_err(Fault::told)
    }

    /// That `value` is a default of the type `id`. Each value in it takes one of the steps that are `left`.
    pub(super) fn check_default(&self, id: NodeId, value: &Value, left: &mut usize) -> Result<(), String> {
        self.default_datum(id, value, DEEPEST, left, &mut Vec::new()).map_err(Fault::told)
    }

    /// `deeper`: how many levels may still follow.
    fn default_datum<'a>(
        &'a self,
        id: NodeId,
        value: &'a Value,
        deeper: usize,
        left: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault<'a>> {
        let deeper = deeper.checked_sub(1).ok_or(Fault::Endless)?;
        *left = left.checked_sub(1 + value.as_str().map_or(0, weight_of_text)).ok_or(Fault::TooLarge)?;
        let misfit = || Fault::Misfit(value);
        let integer = || value.as_i64().ok_or_else(misfit);
        match self.kind(id) {
            Kind::Null => value.as_null().ok_or_else(misfit)?,
            Kind::Boolean => out.push(u8::from(value.as_bool().ok_or_else(misfit)?)),
            Kind::Int => put_long(i32::try_from(integer()?).map_err(|_| misfit())?.into(), out),
            Kind::Long => put_long(integer()?, out),
            Kind::Float => out.extend_from_slice(&(number(value).ok_or_else(misfit)? as f32).to_le_bytes()),
            Kind::Double => out.extend_from_slice(&number(value).ok_or_else(misfit)?.to_le_bytes()),
            Kind::Bytes => put_bytes(&bytes(value).ok_or_else(misfit)?, out),
            Kind::String => put_bytes(value.as_str().ok_or_else(misfit)?.as_bytes(), out),
            Kind::Fixed { size, .. } => {
                let bytes = bytes(value).filter(|bytes| bytes.len() == *size).ok_or_else(misfit)?;
                out.extend_from_slice(&bytes);
            }
            Kind::Enum { symbols, .. } => {
                let at = symbols.iter().position(|symbol| value == symbol).ok_or_else(misfit)?;
                put_long(at as i64, out);
            }
            Kind::Array(item) => {
                let list = value.as_array().ok_or_else(misfit)?;
                if !list.is_empty() {
                    put_long(list.len() as i64, out);
                    list.iter().try_for_each(|entry| self.default_datum(*item, entry, deeper, left, out))?;
                }
                out.push(0);
            }
            Kind::Map(inner) => {
                let map = value.as_object().ok_or_else(misfit)?;
                if !map.is_empty() {
                    put_long(map.len() as i64, out);
                    for (key, entry) in map {
                        put_bytes(key.as_bytes(), out);
                        self.default_datum(*inner, entry, deeper, left, out)?;
                    }
                }
                out.push(0);
            }
            Kind::Union(branches) => {
                let start = out.len();
                for (at, branch) in branches.iter().enumerate() {
                    put_long(at as i64, out);
                    match self.default_datum(*branch, value, deeper, left, out) {
                        Ok(()) => return Ok(()),
                        Err(Fault::TooLarge) => return Err(Fault::TooLarge),
                        Err(Fault::Misfit(_) | Fault::Endless) => out.truncate(start),
                    }
                }
                return Err(misfit());
            }
            Kind::Record { fields, .. } => {
                let map = value.as_object().ok_or_else(misfit)?;
                for field in fields {
                    let value = map.get(&field.name).or(field.default.as_ref()).ok_or_else(misfit)?;
                    self.default_datum(field.node, value, deeper, left, out)?;
                }
            }
        }
        Ok(())
    }
}

/// A number, or one of the words that writers use where JSON has none.
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
