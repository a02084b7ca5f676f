//! What a stream's own schema leaves out.

use super::derive;
use super::error::StreamSchemaError;
use crate::avro::{Kind, NodeId, Schema};
use crate::catalog::Catalog;

/// The fields of the catalog that alerts of `schema` do not have, as dotted paths; `[]` stands for the items of an array or the values of a
/// map. Of a record that is left out, the record alone.
///
/// # Errors
/// The catalog has a column that cannot be a field.
pub(crate) fn unsent_fields(catalog: &Catalog, schema: &Schema) -> Result<Vec<String>, StreamSchemaError> {
    let all = derive::derive(catalog, None)?;
    let mut comparison = Comparison { all: &all, sent: schema, open: Vec::new(), unsent: Vec::new() };
    comparison.compare(all.root(), schema.root(), "");
    Ok(comparison.unsent)
}

struct Comparison<'a> {
    all: &'a Schema,
    sent: &'a Schema,
    /// the records around the current type, which may contain themselves
    open: Vec<(NodeId, NodeId)>,
    unsent: Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, all: NodeId, sent: NodeId, path: &str) {
        let value = |schema: &Schema, node: NodeId| schema.optional(node).map_or(node, |optional| optional.node);
        let (all, sent) = (value(self.all, all), value(self.sent, sent));
        match (self.all.kind(all), self.sent.kind(sent)) {
            (Kind::Array(one), Kind::Array(other)) | (Kind::Map(one), Kind::Map(other)) => {
                self.compare(*one, *other, &format!("{path}[]"));
            }
            (Kind::Record { fields: one, .. }, Kind::Record { fields: other, .. }) => {
                if self.open.contains(&(all, sent)) {
                    return;
                }
                self.open.push((all, sent));
                for field in one {
                    let name = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
                    match other.iter().find(|other| other.name == field.name) {
                        Some(found) => self.compare(field.node, found.node, &name),
                        None => self.unsent.push(name),
                    }
                }
                self.open.pop();
            }
            _ => {}
        }
    }
}
