//! A schema derived from the columns of a catalog.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::StreamSchemaError;
use crate::avro::{Field, Kind, Node, NodeId, Schema, is_name, namespace_of};
use crate::catalog::{Catalog, Column, ColumnType};

/// The name of the root, and the namespace of types without one, as in Spark.
const ROOT: &str = "topLevelRecord";

pub(super) fn derive(catalog: &Catalog, selected: Option<&[usize]>) -> Result<Schema, StreamSchemaError> {
    let status = catalog.status_column().map(|column| column.name.as_str());
    let is_marker = |column: &Column| catalog.records.iter().any(|record| record.path == column.field);
    let wanted = |at: usize, column: &Column| match selected {
        Some(selected) => selected.contains(&at),
        None => Some(column.name.as_str()) != status,
    };
    let mut tree = FieldTree::default();
    for (at, column) in catalog.columns.iter().enumerate() {
        if wanted(at, column) && !is_marker(column) {
            let path: Vec<&str> = column.field.split('.').collect();
            if let Some(name) = path.iter().find(|name| !is_name(name)) {
                return Err(StreamSchemaError::Name { column: column.name.clone(), name: (*name).to_owned() });
            }
            tree.add(&path, column);
        }
    }
    if tree.entries.is_empty() {
        return Err(StreamSchemaError::Empty);
    }
    let mut nodes = NodeList { list: Vec::new(), names: HashMap::new() };
    let root = nodes.record(&tree, "", ROOT, catalog);
    Ok(Schema::from_nodes(nodes.list, root)?)
}

/// The columns as a tree of records. A record is at the position of its first column.
#[derive(Default)]
struct FieldTree<'a> {
    entries: Vec<(&'a str, Entry<'a>)>,
}

enum Entry<'a> {
    Column(&'a Column),
    FieldTree(FieldTree<'a>),
}

impl<'a> FieldTree<'a> {
    fn add(&mut self, path: &[&'a str], column: &'a Column) {
        let [first, rest @ ..] = path else { return };
        if rest.is_empty() {
            self.entries.push((first, Entry::Column(column)));
            return;
        }
        for (name, entry) in &mut self.entries {
            if let (true, Entry::FieldTree(group)) = (*name == *first, entry) {
                return group.add(rest, column);
            }
        }
        let mut group = Self::default();
        group.add(rest, column);
        self.entries.push((first, Entry::FieldTree(group)));
    }
}

struct NodeList {
    list: Vec<Node>,
    /// the types by name, with their JSON
    names: HashMap<String, (NodeId, Value)>,
}

impl NodeList {
    fn add(&mut self, kind: Kind) -> NodeId {
        self.list.push(Node { kind, extra: Map::new() });
        self.list.len() - 1
    }

    fn nullable(&mut self, node: NodeId) -> NodeId {
        let null = self.add(Kind::Null);
        self.add(Kind::Union(vec![node, null]))
    }

    /// Adds a record at `path`. `name` is its full name, and the namespace of the records in it.
    fn record(&mut self, group: &FieldTree<'_>, path: &str, name: &str, catalog: &Catalog) -> NodeId {
        let id = self.add(Kind::Null);
        let name = self.free_name(name.to_owned());
        self.names.insert(name.clone(), (id, Value::Null));
        let mut fields = Vec::with_capacity(group.entries.len());
        for (field, entry) in &group.entries {
            let node = match entry {
                Entry::Column(column) => self.column(column),
                Entry::FieldTree(group) => {
                    let path = if path.is_empty() { (*field).to_owned() } else { format!("{path}.{field}") };
                    let nullable = catalog.records.iter().any(|record| record.path == path && record.nullable);
                    let record = self.record(group, &path, &format!("{name}.{field}"), catalog);
                    if nullable { self.nullable(record) } else { record }
                }
            };
            fields.push(Field {
                name: (*field).to_owned(),
                node,
                default: None,
                extra: Map::new(),
                is_superseded: false,
            });
        }
        self.list[id].kind = Kind::Record { name, fields };
        id
    }

    fn column(&mut self, column: &Column) -> NodeId {
        let schema = match &column.kind {
            ColumnType::Avro(schema) => Some(schema),
            _ => column.exact.as_ref(),
        };
        let node = match (schema, &column.kind) {
            (Some(schema), _) => self.import(schema, schema.root(), &mut vec![None; schema.len()]),
            (None, ColumnType::Boolean) => self.add(Kind::Boolean),
            (None, ColumnType::Byte | ColumnType::Short | ColumnType::Int) => self.add(Kind::Int),
            (None, ColumnType::Long) => self.add(Kind::Long),
            (None, ColumnType::Float) => self.add(Kind::Float),
            (None, ColumnType::Double) => self.add(Kind::Double),
            (None, ColumnType::String) => self.add(Kind::String),
            (None, ColumnType::Binary | ColumnType::Avro(_)) => self.add(Kind::Bytes),
        };
        let Kind::Union(branches) = &self.list[node].kind else { return self.nullable(node) };
        let mut branches = branches.clone();
        if !branches.iter().any(|branch| matches!(self.list[*branch].kind, Kind::Null)) {
            branches.push(self.add(Kind::Null));
            self.list[node].kind = Kind::Union(branches);
        }
        node
    }

    /// Copies the type of a cell. A type without namespace gets the root's. A name that another type has gets a trailing `_`.
    fn import(&mut self, from: &Schema, id: NodeId, moved: &mut Vec<Option<NodeId>>) -> NodeId {
        if let Some(there) = moved[id] {
            return there;
        }
        let mut node = from.node(id).clone();
        let there = self.list.len();
        if let Some(name) = node.kind.name() {
            let full = match namespace_of(name).is_empty() {
                true => format!("{ROOT}.{name}"),
                false => name.to_owned(),
            };
            let written = from.subschema(id).to_json();
            let full = match self.names.get(&full) {
                Some((known, as_json)) if *as_json == written => {
                    moved[id] = Some(*known);
                    return *known;
                }
                _ => self.free_name(full),
            };
            self.names.insert(full.clone(), (there, written));
            node.kind.rename(full);
        }
        moved[id] = Some(there);
        self.list.push(node.clone());
        match &mut node.kind {
            Kind::Array(item) | Kind::Map(item) => *item = self.import(from, *item, moved),
            Kind::Union(branches) => branches.iter_mut().for_each(|branch| *branch = self.import(from, *branch, moved)),
            Kind::Record { fields, .. } => {
                fields.iter_mut().for_each(|field| field.node = self.import(from, field.node, moved));
            }
            _ => {}
        }
        self.list[there] = node;
        there
    }

    fn free_name(&self, mut name: String) -> String {
        while self.names.contains_key(&name) {
            name.push('_');
        }
        name
    }
}
