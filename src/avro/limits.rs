//! Limits of schemas, which are untrusted input: they come from message keys, files and catalogs.
//!
//! A schema of a few kB can describe a tree of any size: a record may refer to another twice, which refers to another twice, and so on. Code
//! that walks the tree (layouts, plans, selections of columns) would exhaust memory. A schema is therefore rejected if its *expansion*, the
//! tree with each named type at each reference, but not within itself, exceeds a limit. Real alerts have about 1,000 leaves, 10 levels and
//! paths of 100 bytes.

use serde_json::{Map, Value};

use super::schema::{Kind, NodeId, Schema, SchemaError};
use crate::escape::shorten;

/// Maximum size of the JSON of a schema, bytes.
pub(crate) const MAX_SCHEMA_BYTES: usize = 4 << 20;
/// Maximum length of a full name, a field name or a symbol, bytes.
pub(crate) const MAX_NAME_BYTES: usize = 1024;
/// Maximum number of nodes of the expansion. Symbols of enums, values of defaults and values of other attributes count as nodes.
pub(crate) const MAX_SCHEMA_NODES: usize = 50_000;
/// Maximum nesting of types. Each array, map, union and record is a level.
pub(crate) const MAX_SCHEMA_DEPTH: usize = 40;
/// Maximum size of the dotted paths of all fields of the expansion, bytes.
const MAX_PATH_BYTES: usize = 4 << 20;

/// Maximum length of a text from the schema in an error, characters.
const MAX_SHOWN_CHARS: usize = 200;

/// The number of nodes that a text in a default or an attribute counts for.
pub(super) fn weight_of_text(text: &str) -> usize {
    text.len() / 64
}

/// The number of nodes that the other attributes of a type or a field count for.
fn weight(attributes: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(of).sum(),
            Value::Object(fields) => weight(fields),
            Value::String(text) => weight_of_text(text),
            _ => 0,
        }
    }
    attributes.iter().map(|(name, value)| weight_of_text(name) + of(value)).sum()
}

impl SchemaError {
    /// An error at a field. Both texts may contain parts of the schema, so they are shortened and escaped for a terminal.
    pub(super) fn new(at: &str, reason: &str) -> Self {
        Self { at: shorten(at, MAX_SHOWN_CHARS), reason: shorten(reason, 2 * MAX_SHOWN_CHARS) }
    }
}

impl Schema {
    /// Drops the defaults that are not values of their fields.
    pub(super) fn drop_unfit_defaults(&mut self, repairs: &mut Vec<String>) {
        let mut unfit = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let Kind::Record { name, fields } = &node.kind else { continue };
            for (at, field) in fields.iter().enumerate() {
                let Some(default) = &field.default else { continue };
                // Too many values are refused later, by `check`.
                let mut left = MAX_SCHEMA_NODES;
                if let Err(reason) = self.check_default(field.node, default, &mut left)
                    && left > 0
                {
                    unfit.push((id, at, format!("{name}.{}", field.name), reason));
                }
            }
        }
        if let Some((_, _, field, reason)) = unfit.first() {
            let others = match unfit.len() {
                1 => String::new(),
                count => format!(", and so for {} other fields", count - 1),
            };
            let field = shorten(field, MAX_SHOWN_CHARS);
            repairs.push(format!("{reason} (at `{field}`){others}: defaults play no part in reading the data"));
        }
        for (id, at, ..) in unfit {
            if let Kind::Record { fields, .. } = &mut self.nodes[id].kind {
                fields[at].default = None;
            }
        }
    }

    /// Checks the limits, and that each default is a value of its field. Takes about [`MAX_SCHEMA_NODES`] steps.
    pub(super) fn check(&self) -> Result<(), SchemaError> {
        let mut left = MAX_SCHEMA_NODES;
        let mut costs = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let Kind::Record { name, fields } = &node.kind else {
                costs.push(Vec::new());
                continue;
            };
            let mut of_fields: Vec<usize> = fields.iter().map(|field| weight(&field.extra)).collect();
            for (field, cost) in fields.iter().zip(&mut of_fields) {
                if let Some(default) = &field.default {
                    let before = left;
                    self.check_default(field.node, default, &mut left)
                        .map_err(|reason| SchemaError::new(&format!("{name}.{}", field.name), &reason))?;
                    *cost += before - left;
                }
            }
            costs.push(of_fields);
        }
        let open = vec![false; self.nodes.len()];
        let mut expansion = Expansion { schema: self, costs, open, path: Vec::new(), levels: 0, nodes: 0, paths: 0 };
        expansion.visit(self.root)
    }
}

struct Expansion<'a> {
    schema: &'a Schema,
    /// for each record, the nodes of the default and the attributes of each field
    costs: Vec<Vec<usize>>,
    /// the nodes around the current one
    open: Vec<bool>,
    path: Vec<&'a str>,
    levels: usize,
    nodes: usize,
    /// size of all paths so far
    paths: usize,
}

impl Expansion<'_> {
    fn error(&self, reason: String) -> Result<(), SchemaError> {
        Err(SchemaError::new(&self.path.join("."), &reason))
    }

    fn visit(&mut self, id: NodeId) -> Result<(), SchemaError> {
        let node = self.schema.node(id);
        let symbols = if let Kind::Enum { symbols, .. } = &node.kind { symbols.len() } else { 0 };
        self.nodes += 1 + symbols + weight(&node.extra);
        if self.nodes > MAX_SCHEMA_NODES {
            return self.error(format!(
                "the schema has more than {MAX_SCHEMA_NODES} nodes, counting each named type at each reference"
            ));
        }
        if self.levels >= MAX_SCHEMA_DEPTH {
            return self.error(format!("the schema's types are nested more than {MAX_SCHEMA_DEPTH} levels deep"));
        }
        if std::mem::replace(&mut self.open[id], true) {
            return Ok(());
        }
        self.levels += 1;
        match &node.kind {
            Kind::Array(item) | Kind::Map(item) => self.visit(*item)?,
            Kind::Union(branches) => branches.iter().try_for_each(|branch| self.visit(*branch))?,
            Kind::Record { fields, .. } => {
                for (at, field) in fields.iter().enumerate() {
                    self.path.push(&field.name);
                    self.nodes += self.costs[id][at];
                    self.paths += self.path.iter().map(|name| name.len() + 1).sum::<usize>();
                    if self.paths > MAX_PATH_BYTES {
                        return self.error(format!(
                            "the dotted paths of the schema's fields have more than {MAX_PATH_BYTES} bytes"
                        ));
                    }
                    self.visit(field.node)?;
                    self.path.pop();
                }
            }
            _ => {}
        }
        self.levels -= 1;
        self.open[id] = false;
        Ok(())
    }
}
