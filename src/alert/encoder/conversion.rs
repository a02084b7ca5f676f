//! The encoding of one cell as an Avro value.

use std::collections::HashMap;
use std::sync::Arc;

use crate::avro::{Kind, NodeId, Schema, write_bytes, write_long};
use crate::catalog::{AvroCells, Column, ColumnType};

/// How the bytes of a cell are encoded as a value. Numbers may only widen, by the rules of Avro's schema resolution.
#[derive(Clone, Debug)]
pub(super) enum Conversion {
    Boolean,
    Integer,
    IntegerAsFloat,
    IntegerAsDouble,
    Float,
    FloatAsDouble,
    Double,
    Text,
    /// the words `true` and `false`, as Fink's writer stores booleans
    TextAsBoolean,
    Binary,
    Fixed(usize),
    Symbol(Arc<HashMap<String, i64>>),
    /// an Avro datum
    Avro(Arc<AvroCells>),
}

/// How a column fills the node, and the branch if the node is a union: the first branch of the same type, else the first that can hold the
/// column.
///
/// # Errors
/// The column cannot fill the node.
pub(super) fn conversion_for(
    column: &Column,
    schema: &Schema,
    node: NodeId,
) -> Result<(Option<usize>, Conversion), String> {
    if let Some(cells) = AvroCells::new(column, (schema, node)) {
        let cells = cells.map_err(|error| format!("its Avro schema cannot be read as the field's: {error}"))?;
        return Ok((None, Conversion::Avro(Arc::new(cells))));
    }
    let kind = &column.kind;
    let Kind::Union(branches) = schema.kind(node) else {
        let conversion = scalar_conversion(kind, schema, node);
        return conversion.map(|(conversion, _)| (None, conversion)).ok_or_else(|| describe(schema, node));
    };
    let possible = || {
        let branches = branches.iter().enumerate();
        branches.filter_map(|(at, branch)| scalar_conversion(kind, schema, *branch).map(|found| (Some(at), found)))
    };
    let best = possible().find(|(_, (_, is_same_type))| *is_same_type).or_else(|| possible().next());
    best.map(|(at, (conversion, _))| (at, conversion)).ok_or_else(|| describe(schema, node))
}

fn describe(schema: &Schema, node: NodeId) -> String {
    let mut json = schema.subschema(node).to_string();
    if json.len() > 100 {
        json = format!("{}…", json.chars().take(100).collect::<String>());
    }
    format!("it is {json}")
}

/// How a scalar column fills a node that is not a union, and whether the types are the same.
fn scalar_conversion(kind: &ColumnType, schema: &Schema, node: NodeId) -> Option<(Conversion, bool)> {
    use ColumnType as C;
    Some(match (kind, schema.kind(node)) {
        (C::Boolean, Kind::Boolean) => (Conversion::Boolean, true),
        (C::Byte | C::Short | C::Int, Kind::Int) | (C::Long, Kind::Long) => (Conversion::Integer, true),
        (C::Byte | C::Short | C::Int, Kind::Long) => (Conversion::Integer, false),
        (C::Byte | C::Short | C::Int | C::Long, Kind::Float) => (Conversion::IntegerAsFloat, false),
        (C::Byte | C::Short | C::Int | C::Long, Kind::Double) => (Conversion::IntegerAsDouble, false),
        (C::Float, Kind::Float) => (Conversion::Float, true),
        (C::Float, Kind::Double) => (Conversion::FloatAsDouble, false),
        (C::Double, Kind::Double) => (Conversion::Double, true),
        (C::String, Kind::String) => (Conversion::Text, true),
        (C::String, Kind::Bytes) => (Conversion::Binary, false),
        (C::String, Kind::Boolean) => (Conversion::TextAsBoolean, false),
        (C::String, Kind::Enum { symbols, .. }) => {
            let indexes = symbols.iter().zip(0..).map(|(symbol, at)| (symbol.clone(), at)).collect();
            (Conversion::Symbol(Arc::new(indexes)), false)
        }
        (C::Binary, Kind::Bytes) => (Conversion::Binary, true),
        (C::Binary, Kind::Fixed { size, .. }) => (Conversion::Fixed(*size), false),
        (C::Binary, Kind::String) => (Conversion::Text, false),
        _ => return None,
    })
}

impl Conversion {
    /// Appends the value. On an error, `out` may hold a part of it.
    pub fn encode(&self, cell: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Boolean => match cell {
                [byte] => out.push(u8::from(*byte != 0)),
                _ => return Err(width(cell, "1")),
            },
            Self::Integer => write_long(integer(cell)?, out),
            Self::IntegerAsFloat => out.extend_from_slice(&(integer(cell)? as f32).to_le_bytes()),
            Self::IntegerAsDouble => out.extend_from_slice(&(integer(cell)? as f64).to_le_bytes()),
            Self::Float => {
                let bytes = cell.try_into().map_err(|_| width(cell, "4"))?;
                out.extend_from_slice(&u32::from_be_bytes(bytes).to_le_bytes());
            }
            Self::FloatAsDouble => {
                let bytes = cell.try_into().map_err(|_| width(cell, "4"))?;
                out.extend_from_slice(&f64::from(f32::from_be_bytes(bytes)).to_le_bytes());
            }
            Self::Double => {
                let bytes = cell.try_into().map_err(|_| width(cell, "8"))?;
                out.extend_from_slice(&u64::from_be_bytes(bytes).to_le_bytes());
            }
            Self::Text => {
                std::str::from_utf8(cell)
                    .map_err(|e| format!("the text is not UTF-8 after byte {}", e.valid_up_to()))?;
                write_bytes(cell, out);
            }
            Self::TextAsBoolean => match cell {
                b"true" => out.push(1),
                b"false" => out.push(0),
                _ => return Err(format!("`{}` is neither `true` nor `false`", String::from_utf8_lossy(cell))),
            },
            Self::Binary => write_bytes(cell, out),
            Self::Fixed(size) if cell.len() == *size => out.extend_from_slice(cell),
            Self::Fixed(size) => return Err(width(cell, &size.to_string())),
            Self::Symbol(indexes) => {
                let symbol = std::str::from_utf8(cell).ok().and_then(|word| indexes.get(word));
                let unknown = || format!("`{}` is not a symbol of the schema's enum", String::from_utf8_lossy(cell));
                write_long(*symbol.ok_or_else(unknown)?, out);
            }
            Self::Avro(cells) => cells.read(cell, out)?,
        }
        Ok(())
    }
}

fn width(cell: &[u8], wanted: &str) -> String {
    format!("the cell has {} bytes, not {wanted}", cell.len())
}

/// A signed big-endian integer of 1, 2, 4 or 8 bytes. The caller has checked the width of the column.
fn integer(cell: &[u8]) -> Result<i64, String> {
    match *cell {
        [a] => Ok(i64::from(a as i8)),
        [a, b] => Ok(i64::from(i16::from_be_bytes([a, b]))),
        [a, b, c, d] => Ok(i64::from(i32::from_be_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => Err(width(cell, "1, 2, 4 or 8")),
    }
}
