//! A datum as JSON, written from its bytes.

use std::io::Write;

use crate::avro::{Kind, Malformed, NodeId, Reader, Schema};
use crate::escape::json_string;

/// How bytes are written as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BytesFormat {
    /// in base64
    #[default]
    Base64,
    /// their number: `"<24510 bytes>"`
    Length,
    /// not at all: null
    Null,
}

const MAX_DEPTH: usize = 200;
/// Maximum size of the JSON of one datum. A few bytes can be an array of any number of records, each with all its field names.
const MAX_JSON_BYTES: usize = 256 << 20;

/// Appends one value of the node.
pub(super) fn write(
    schema: &Schema,
    id: NodeId,
    bytes: BytesFormat,
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let end = out.len().saturating_add(MAX_JSON_BYTES);
    Writer { schema, bytes, end }.value(id, reader, out, 0)
}

struct Writer<'a> {
    schema: &'a Schema,
    bytes: BytesFormat,
    /// maximum length of the output
    end: usize,
}

impl Writer<'_> {
    fn value(&self, id: NodeId, reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return reader.error("values are nested too deep");
        }
        if out.len() > self.end {
            return reader.error("JSON of more than 256 MiB");
        }
        match self.schema.kind(id) {
            Kind::Null => out.extend_from_slice(b"null"),
            Kind::Boolean => out.extend_from_slice(if reader.boolean()? { b"true" } else { b"false" }),
            Kind::Int => put(out, format_args!("{}", reader.int()?)),
            Kind::Long => put(out, format_args!("{}", reader.long()?)),
            Kind::Float => {
                let value = f32::from_le_bytes(reader.array()?);
                float(f64::from(value), format_args!("{value:?}"), out);
            }
            Kind::Double => {
                let value = f64::from_le_bytes(reader.array()?);
                float(value, format_args!("{value:?}"), out);
            }
            Kind::Bytes => self.bytes(reader.bytes()?, out),
            Kind::Fixed { size, .. } => self.bytes(reader.take(*size)?, out),
            Kind::String => json_string(reader.text()?, out),
            Kind::Enum { symbols, .. } => json_string(reader.symbol(symbols)?, out),
            Kind::Union(branches) => {
                let (_, branch) = reader.branch(branches)?;
                self.value(branch, reader, out, depth + 1)?;
            }
            Kind::Record { fields, .. } => {
                out.push(b'{');
                let mut separator: &[u8] = b"\"";
                for field in fields {
                    if field.is_superseded {
                        self.value(field.node, reader, &mut Vec::new(), depth + 1)?;
                        continue;
                    }
                    out.extend_from_slice(std::mem::replace(&mut separator, b",\""));
                    out.extend_from_slice(field.name.as_bytes());
                    out.extend_from_slice(b"\":");
                    self.value(field.node, reader, out, depth + 1)?;
                }
                out.push(b'}');
            }
            Kind::Array(item) => {
                out.push(b'[');
                self.items(self.schema.is_zero_sized(*item), reader, out, |reader, out| {
                    self.value(*item, reader, out, depth + 1)
                })?;
                out.push(b']');
            }
            Kind::Map(value) => {
                out.push(b'{');
                self.items(false, reader, out, |reader, out| {
                    json_string(reader.text()?, out);
                    out.push(b':');
                    self.value(*value, reader, out, depth + 1)
                })?;
                out.push(b'}');
            }
        }
        Ok(())
    }

    fn items(
        &self,
        empty: bool,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
        mut item: impl FnMut(&mut Reader<'_>, &mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut first = true;
        loop {
            match reader.block(empty)? {
                0 => return Ok(()),
                count => {
                    for _ in 0..count {
                        if !std::mem::take(&mut first) {
                            out.push(b',');
                        }
                        item(reader, out)?;
                    }
                }
            }
        }
    }

    fn bytes(&self, bytes: &[u8], out: &mut Vec<u8>) {
        write_bytes(bytes, self.bytes, out);
    }
}

/// Appends bytes as JSON.
pub fn write_bytes(bytes: &[u8], format: BytesFormat, out: &mut Vec<u8>) {
    match format {
        BytesFormat::Null => out.extend_from_slice(b"null"),
        BytesFormat::Length => put(out, format_args!("\"<{} bytes>\"", bytes.len())),
        BytesFormat::Base64 => {
            out.push(b'"');
            base64(bytes, out);
            out.push(b'"');
        }
    }
}

/// Appends formatted text.
pub(crate) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a write to memory does not fail");
}

/// Appends a number, whose digits are `text`; what JSON has no number for becomes a string.
pub(crate) fn float(value: f64, text: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    match value {
        _ if value.is_nan() => out.extend_from_slice(b"\"NaN\""),
        f64::INFINITY => out.extend_from_slice(b"\"Infinity\""),
        f64::NEG_INFINITY => out.extend_from_slice(b"\"-Infinity\""),
        _ => put(out, text),
    }
}

/// RFC 4648, section 4, with padding.
pub(crate) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = (bits >> (18 - 6 * place)) as usize & 63;
            out.push(if place <= group.len() { LETTERS[letter] } else { b'=' });
        }
    }
}
