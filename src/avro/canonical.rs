//! The schema fingerprint of the single-object encoding: Avro specification, "Parsing Canonical Form for Schemas" and "Schema
//! Fingerprints".
//!
//! apache-avro 0.22 is not used: it keeps `precision` and `scale`, and writes `{"type":"long"}` where a logical type was stripped from a
//! primitive, so the fingerprints of schemas with logical types differ from those of the Java implementation.

use std::collections::HashSet;
use std::fmt::Write;

use super::schema::{Kind, NodeId, Schema};

/// The marker of the single-object encoding, before the fingerprint in 8 bytes, little-endian.
pub(crate) const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];

impl Schema {
    /// The schema in Parsing Canonical Form.
    pub fn canonical_form(&self) -> String {
        let mut out = String::new();
        self.canonical(self.root, &mut HashSet::new(), &mut out);
        out
    }

    /// CRC-64-AVRO of the canonical form.
    pub fn fingerprint(&self) -> u64 {
        self.canonical_form().bytes().fold(EMPTY, |hash, byte| {
            let mut low = (hash ^ u64::from(byte)) & 0xff;
            for _ in 0..8 {
                low = (low >> 1) ^ (EMPTY & (low & 1).wrapping_neg());
            }
            (hash >> 8) ^ low
        })
    }

    fn canonical<'a>(&'a self, id: NodeId, written: &mut HashSet<&'a str>, out: &mut String) {
        let kind = self.kind(id);
        if let Some(name) = kind.name()
            && !written.insert(name)
        {
            out.push_str(&quoted(name));
            return;
        }
        let mut list = |open: &str, ids: &mut dyn Iterator<Item = (String, NodeId)>, close: &str| {
            out.push_str(open);
            for (at, (before, id)) in ids.enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&before);
                self.canonical(id, written, out);
                out.push_str(if before.is_empty() { "" } else { "}" });
            }
            out.push_str(close);
        };
        match kind {
            Kind::Array(item) => list(r#"{"type":"array","items":"#, &mut [(String::new(), *item)].into_iter(), "}"),
            Kind::Map(value) => list(r#"{"type":"map","values":"#, &mut [(String::new(), *value)].into_iter(), "}"),
            Kind::Union(branches) => list("[", &mut branches.iter().map(|id| (String::new(), *id)), "]"),
            Kind::Record { name, fields } => list(
                &format!(r#"{{"name":{},"type":"record","fields":["#, quoted(name)),
                &mut fields.iter().map(|field| (format!(r#"{{"name":{},"type":"#, quoted(&field.name)), field.node)),
                "]}",
            ),
            Kind::Fixed { name, size } => {
                let _ = write!(out, r#"{{"name":{},"type":"fixed","size":{size}}}"#, quoted(name));
            }
            Kind::Enum { name, symbols } => {
                let symbols: Vec<String> = symbols.iter().map(|symbol| quoted(symbol)).collect();
                let _ = write!(out, r#"{{"name":{},"type":"enum","symbols":[{}]}}"#, quoted(name), symbols.join(","));
            }
            Kind::Null => out.push_str(r#""null""#),
            Kind::Boolean => out.push_str(r#""boolean""#),
            Kind::Int => out.push_str(r#""int""#),
            Kind::Long => out.push_str(r#""long""#),
            Kind::Float => out.push_str(r#""float""#),
            Kind::Double => out.push_str(r#""double""#),
            Kind::Bytes => out.push_str(r#""bytes""#),
            Kind::String => out.push_str(r#""string""#),
        }
    }
}

const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// Names contain no character that JSON escapes.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
