//! A telescope's schema, limited to the fields that some columns fill.

use super::error::StreamSchemaError;
use crate::avro::{Field, Kind, Node, NodeId, Schema};
use crate::catalog::Catalog;

pub(super) fn prune(schema: &Schema, catalog: &Catalog, selected: &[usize]) -> Result<Schema, StreamSchemaError> {
    let nodes = (0..schema.len()).map(|id| schema.node(id).clone()).collect();
    let mut pruner = Pruner { schema, catalog, selected, nodes, open: Vec::new() };
    match pruner.record(schema.root(), "") {
        Some(root) => {
            let pruned = Schema::from_nodes(pruner.nodes, root)?;
            Ok(pruned.subschema(pruned.root()).with_distinct_names()?)
        }
        None => Err(StreamSchemaError::Empty),
    }
}

struct Pruner<'a> {
    schema: &'a Schema,
    catalog: &'a Catalog,
    selected: &'a [usize],
    nodes: Vec<Node>,
    open: Vec<NodeId>,
}

impl Pruner<'_> {
    /// The record with those of its fields that are selected; `None` if there is none.
    fn record(&mut self, id: NodeId, path: &str) -> Option<NodeId> {
        let schema = self.schema;
        let Kind::Record { name, fields } = schema.kind(id) else { return None };
        if self.open.contains(&id) {
            return None;
        }
        self.open.push(id);
        let mut kept: Vec<Field> = Vec::new();
        for field in fields {
            let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
            if let Some(node) = self.field(field.node, &path) {
                let default = field.default.clone().filter(|value| node == field.node || value.is_null());
                kept.push(Field { node, default, ..field.clone() });
            }
        }
        self.open.pop();
        if kept.len() == fields.len() && kept.iter().zip(fields).all(|(kept, field)| kept.node == field.node) {
            return Some(id);
        }
        (!kept.is_empty()).then(|| self.add(Kind::Record { name: name.clone(), fields: kept }, id))
    }

    fn field(&mut self, node: NodeId, path: &str) -> Option<NodeId> {
        let schema = self.schema;
        let flat = path.replace('.', "_");
        let columns = self.catalog.columns.iter();
        let own = columns.clone().position(|column| column.field == path).or_else(|| self.catalog.index_of(&flat));
        let marker = self.catalog.records.iter().any(|record| record.path == path);
        if let (Some(own), false) = (own, marker) {
            return self.selected.contains(&own).then_some(node);
        }
        let (optional, value) = match schema.optional(node) {
            Some(optional) => (Some(optional), optional.node),
            None => (None, node),
        };
        let pruned = match schema.kind(value) {
            Kind::Record { .. } => self.record(value, path)?,
            Kind::Array(item) => {
                let (inner, record) = match schema.optional(*item) {
                    Some(inner) => (Some(inner), inner.node),
                    None => (None, *item),
                };
                let kept = self.record(record, path)?;
                let kept = match inner {
                    Some(inner) => self.branch(*item, inner.value, kept),
                    None => kept,
                };
                if kept == *item { value } else { self.add(Kind::Array(kept), value) }
            }
            _ => return None,
        };
        Some(match optional {
            Some(optional) => self.branch(node, optional.value, pruned),
            None => pruned,
        })
    }

    /// The union with the type of one branch replaced.
    fn branch(&mut self, union: NodeId, at: usize, node: NodeId) -> NodeId {
        let Kind::Union(branches) = self.schema.kind(union) else { return node };
        if branches.get(at) == Some(&node) {
            return union;
        }
        let branches = branches.iter().enumerate().map(|(place, old)| if place == at { node } else { *old }).collect();
        self.add(Kind::Union(branches), union)
    }

    fn add(&mut self, kind: Kind, like: NodeId) -> NodeId {
        self.nodes.push(Node { kind, extra: self.schema.node(like).extra.clone() });
        self.nodes.len() - 1
    }
}
