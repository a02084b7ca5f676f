//! A default, which schemas give as JSON, as a datum.

use serde_json::Value;

use super::schema::{Kind, NodeId, Schema};
use super::skip::DEEPEST;
use super::write::{put_bytes, put_long};

impl Schema {
    /// Appends the default `value` of a field of type `id` as a datum. In a union it belongs to the first branch that it fits; bytes
    /// are given as characters up to U+00FF. On an error `out` may hold a part.
    ///
    /// # Errors
    /// The value does not fit the type, in words.
    pub fn encode_default(&self, id: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        self.default_datum(id, value, DEEPEST, out)
    }

    /// `deeper`: how many levels may still follow; a record whose default holds itself has no end.
    fn default_datum(&self, id: NodeId, value: &Value, deeper: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(deeper) = deeper.checked_sub(1) else { return Err("a default without an end".into()) };
        let misfit = || format!("the default {value} does not fit its type");
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
                    list.iter().try_for_each(|entry| self.default_datum(*item, entry, deeper, out))?;
                }
                out.push(0);
            }
            Kind::Map(inner) => {
                let map = value.as_object().ok_or_else(misfit)?;
                if !map.is_empty() {
                    put_long(map.len() as i64, out);
                    for (key, entry) in map {
                        put_bytes(key.as_bytes(), out);
                        self.default_datum(*inner, entry, deeper, out)?;
                    }
                }
                out.push(0);
            }
            Kind::Union(branches) => {
                let start = out.len();
                for (at, branch) in branches.iter().enumerate() {
                    put_long(at as i64, out);
                    if self.default_datum(*branch, value, deeper, out).is_ok() {
                        return Ok(());
                    }
                    out.truncate(start);
                }
                return Err(misfit());
            }
            Kind::Record { fields, .. } => {
                let map = value.as_object().ok_or_else(misfit)?;
                for field in fields {
                    let value = map.get(&field.name).or(field.default.as_ref()).ok_or_else(misfit)?;
                    self.default_datum(field.node, value, deeper, out)?;
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
