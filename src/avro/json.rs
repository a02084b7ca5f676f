//! Writes a schema as compact JSON. A named type is defined at its first occurrence and referred to by name afterwards.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::name::namespace_of;
use super::schema::{Kind, NodeId, Schema};

impl Schema {
    pub fn to_json(&self) -> Value {
        self.write(self.root, "", &mut HashSet::new())
    }

    /// One node. `namespace` is the enclosing namespace; the types in `written` are defined already.
    fn write<'a>(&'a self, id: NodeId, namespace: &str, written: &mut HashSet<&'a str>) -> Value {
        let node = &self.nodes[id];
        let word = match &node.kind {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Fixed { .. } => "fixed",
            Kind::Enum { .. } => "enum",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Record { .. } => "record",
            Kind::Union(branches) => {
                let branches =
                    Value::Array(branches.iter().map(|branch| self.write(*branch, namespace, written)).collect());
                return branches;
            }
        };
        let mut object = Map::new();
        object.insert("type".into(), word.into());
        let mut inside = namespace;
        if let Some(name) = node.kind.name() {
            let own = namespace_of(name);
            let short = match own == namespace {
                true => name.get(own.len()..).unwrap_or(name).trim_start_matches('.'),
                false => name,
            };
            if !written.insert(name) {
                return short.into();
            }
            object.insert("name".into(), short.into());
            if own.is_empty() && !namespace.is_empty() {
                object.insert("namespace".into(), "".into());
            }
            inside = own;
        }
        match &node.kind {
            Kind::Fixed { size, .. } => {
                object.insert("size".into(), (*size).into());
            }
            Kind::Enum { symbols, .. } => {
                object.insert("symbols".into(), symbols.clone().into());
            }
            Kind::Array(item) => {
                object.insert("items".into(), self.write(*item, inside, written));
            }
            Kind::Map(value) => {
                object.insert("values".into(), self.write(*value, inside, written));
            }
            Kind::Record { fields, .. } => {
                let mut list = Vec::with_capacity(fields.len());
                for field in fields {
                    let mut entry = Map::new();
                    entry.insert("name".into(), field.name.clone().into());
                    entry.insert("type".into(), self.write(field.node, inside, written));
                    entry.extend(field.default.clone().map(|default| ("default".into(), default)));
                    entry.extend(field.extra.clone());
                    list.push(entry.into());
                }
                object.insert("fields".into(), Value::Array(list));
            }
            _ => {}
        }
        object.extend(node.extra.clone());
        match object.len() == 1 {
            true => word.into(),
            false => object.into(),
        }
    }
}

impl std::fmt::Display for Schema {
    /// Compact JSON.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_json())
    }
}
