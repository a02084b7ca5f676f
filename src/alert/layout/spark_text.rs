//! Values as text, as written by Spark 2.4's cast to string.
//!
//! `org.apache.spark.sql.catalyst.expressions.Cast`, branch 2.4: a list is `[a, b]`, a null in it is nothing and has no space before it
//! (`[a,, c]`, `[, b]`, `[]` for one null); a map is `[k -> v, l ->]`; a struct is written like a list. Numbers are Java's.

use std::io::Write;

use crate::avro::{Kind, Malformed, Node, NodeId, Reader, Schema};
use crate::catalog::Column;

/// The order of columns in the table of 2019: the alert's own fields, candidate, other records, cut-outs, lists, status.
pub(super) fn fink_2019_order(columns: &[Column]) -> Vec<usize> {
    const FIRST: [&str; 6] =
        ["schemavsn", "publisher", "objectId", "candid", "timestamp", "cross_match_alerts_per_batch"];
    let rank = |column: &Column| {
        let record = column.field.split('.').next().filter(|record| *record != column.field);
        match (FIRST.iter().position(|name| *name == column.name), record, column.name.as_str()) {
            (Some(place), ..) => place,
            (_, Some("candidate"), _) => 11,
            (_, Some("cutoutScience"), _) => 13,
            (_, Some("cutoutTemplate"), _) => 14,
            (_, Some("cutoutDifference"), _) => 15,
            (_, Some("prv_candidates"), _) => 16,
            (_, _, "status") => 17,
            (_, Some(_), _) => 12,
            (_, None, _) => 10,
        }
    };
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|at| rank(&columns[*at]));
    order
}

#[derive(Clone, Debug, Default)]
struct List {
    text: Vec<u8>,
    items: usize,
}

impl List {
    /// Appends one item; `write` returns false for null.
    fn item(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<bool, Malformed>) -> Result<(), Malformed> {
        separated(self.items, &mut self.text, write)?;
        self.items += 1;
        Ok(())
    }
}

/// Appends a separator, unless it is the first item, and one item.
fn separated(
    before: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<bool, Malformed>,
) -> Result<(), Malformed> {
    if before == 0 {
        return write(out).map(drop);
    }
    out.extend_from_slice(b", ");
    if !write(out)? {
        out.pop();
    }
    Ok(())
}

/// Writes several lists side by side. Its buffers are reused.
#[derive(Clone, Debug, Default)]
pub(super) struct TextWriter {
    lists: Vec<List>,
}

impl TextWriter {
    /// Starts `count` lists.
    pub fn begin(&mut self, count: usize) {
        self.lists.resize_with(self.lists.len().max(count), List::default);
        for list in &mut self.lists {
            list.text.clear();
            list.items = 0;
        }
    }

    /// Appends the next value to the list `at`.
    pub fn item(&mut self, at: usize, schema: &Schema, id: NodeId, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.lists[at].item(|out| cast(schema, id, reader, out, 0))
    }

    /// Appends a null to the list `at`.
    pub fn null_item(&mut self, at: usize) {
        let written = self.lists[at].item(|_| Ok(false));
        debug_assert!(written.is_ok(), "a null is not read");
    }

    /// Appends the list `at` to `out`.
    pub fn end(&mut self, at: usize, out: &mut Vec<u8>) {
        out.push(b'[');
        out.extend_from_slice(&self.lists[at].text);
        out.push(b']');
    }

    /// Appends one value.
    pub fn value(
        &mut self,
        schema: &Schema,
        id: NodeId,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        cast(schema, id, reader, out, 0).map(drop)
    }
}

const MAX_DEPTH: usize = 100;

/// Appends one value. Returns false for null, for which nothing is written.
fn cast(
    schema: &Schema,
    id: NodeId,
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<bool, Malformed> {
    if depth > MAX_DEPTH {
        return reader.error("values nested too deep");
    }
    let node = schema.node(id);
    match &node.kind {
        Kind::Null => return Ok(false),
        Kind::Boolean => out.extend_from_slice(if reader.boolean()? { b"true" } else { b"false" }),
        Kind::Int => integer(node, reader.int()?.into(), out),
        Kind::Long => integer(node, reader.long()?, out),
        Kind::Float => {
            let value = f32::from_le_bytes(reader.array()?);
            java(f64::from(value), format_args!("{value}"), format_args!("{value:e}"), out);
        }
        Kind::Double => {
            let value = f64::from_le_bytes(reader.array()?);
            java(value, format_args!("{value}"), format_args!("{value:e}"), out);
        }
        Kind::Bytes => raw(node, reader.bytes()?, out),
        Kind::Fixed { size, .. } => raw(node, reader.take(*size)?, out),
        Kind::String => out.extend_from_slice(reader.text()?.as_bytes()),
        Kind::Enum { symbols, .. } => {
            out.extend_from_slice(reader.symbol(symbols)?.as_bytes());
        }
        Kind::Union(branches) => {
            let (_, branch) = reader.branch(branches)?;
            return cast(schema, branch, reader, out, depth + 1);
        }
        Kind::Record { fields, .. } => {
            out.push(b'[');
            for (at, field) in fields.iter().enumerate() {
                separated(at, out, |out| cast(schema, field.node, reader, out, depth + 1))?;
            }
            out.push(b']');
        }
        Kind::Array(item) => {
            out.push(b'[');
            each(schema.is_zero_sized(*item), reader, |reader, at| {
                separated(at, out, |out| cast(schema, *item, reader, out, depth + 1))
            })?;
            out.push(b']');
        }
        Kind::Map(value) => {
            out.push(b'[');
            each(false, reader, |reader, at| {
                separated(at, out, |out| {
                    out.extend_from_slice(reader.text()?.as_bytes());
                    out.extend_from_slice(b" -> ");
                    if !cast(schema, *value, reader, out, depth + 1)? {
                        out.pop();
                    }
                    Ok(true)
                })
            })?;
            out.push(b']');
        }
    }
    Ok(true)
}

/// Calls `item` for each item of an array or map with its index.
fn each<'a>(
    empty: bool,
    reader: &mut Reader<'a>,
    mut item: impl FnMut(&mut Reader<'a>, usize) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut before = 0;
    loop {
        match reader.block(empty)? {
            0 => return Ok(()),
            count => {
                for _ in 0..count {
                    item(reader, before)?;
                    before += 1;
                }
            }
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a write to memory does not fail");
}

/// Java's `toString` of a float: plain between 1e-3 and 1e7, else with an exponent; always a digit after the point. The digits are the
/// fewest that read back the same.
fn java(value: f64, plain: std::fmt::Arguments<'_>, exponent: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    let size = value.abs();
    let start = out.len();
    if size.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
    if size.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        put(out, plain);
        if !out.iter().skip(start).any(|byte| *byte == b'.') {
            out.extend_from_slice(b".0");
        }
        return;
    }
    put(out, exponent);
    let Some(e) = out.iter().skip(start).position(|byte| *byte == b'e').map(|at| start + at) else { return };
    let pointed = out.iter().take(e).skip(start).any(|byte| *byte == b'.');
    let power = out.split_off(e);
    out.extend_from_slice(if pointed { b"E" } else { b".0E" });
    out.extend_from_slice(power.get(1..).unwrap_or_default());
}

/// An integer; dates and times of day as Spark shows them, in UTC.
fn integer(node: &Node, value: i64, out: &mut Vec<u8>) {
    let moment = match node.logical() {
        Some("timestamp-millis") => jiff::Timestamp::from_millisecond(value).ok(),
        Some("timestamp-micros") => jiff::Timestamp::from_microsecond(value).ok(),
        Some("date") => value.checked_mul(86_400).and_then(|s| jiff::Timestamp::from_second(s).ok()),
        _ => None,
    };
    let Some(moment) = moment else { return put(out, format_args!("{value}")) };
    let civil = jiff::tz::TimeZone::UTC.to_datetime(moment);
    put(out, format_args!("{:04}-{:02}-{:02}", civil.year(), civil.month(), civil.day()));
    if node.logical() != Some("date") {
        put(out, format_args!(" {:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second()));
        let micros = civil.subsec_nanosecond() / 1000;
        if micros != 0 {
            put(out, format_args!(".{micros:06}"));
            out.truncate(out.iter().rposition(|byte| *byte != b'0').map_or(0, |at| at + 1));
        }
    }
}

/// Bytes: a decimal as a number, others as the text that they are.
fn raw(node: &Node, bytes: &[u8], out: &mut Vec<u8>) {
    let scale = node.extra.get("scale").and_then(serde_json::Value::as_u64).unwrap_or(0) as usize;
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    if node.logical() != Some("decimal") || bytes.is_empty() || bytes.len() > 15 || scale > 38 {
        return out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes());
    }
    let value = bytes.iter().fold(if negative { -1i128 } else { 0 }, |sum, byte| (sum << 8) | i128::from(*byte));
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let (sign, point) = (if value < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
    put(out, format_args!("{sign}{whole}{point}{part}"));
}
