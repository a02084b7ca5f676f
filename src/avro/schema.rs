//! A schema as a flat list of nodes that refer to each other by index, so that a recursive schema needs no special care.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The index of a node in its schema.
pub type NodeId = usize;

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// no value, no bytes
    Null,
    /// one byte, 0 or 1
    Boolean,
    /// 32-bit, zigzag varint
    Int,
    /// 64-bit, zigzag varint
    Long,
    /// 4 bytes, little-endian
    Float,
    /// 8 bytes, little-endian
    Double,
    /// length and bytes
    Bytes,
    /// length and UTF-8
    String,
    /// a fixed number of bytes
    Fixed {
        /// full name
        name: String,
        /// bytes
        size: usize,
    },
    /// one of some words
    Enum {
        /// full name
        name: String,
        /// the words
        symbols: Vec<String>,
    },
    /// any number of items
    Array(NodeId),
    /// any number of values, each with a string as its key
    Map(NodeId),
    /// one of the branches, whose index comes first
    Union(Vec<NodeId>),
    /// fields in order
    Record {
        /// full name
        name: String,
        /// the fields
        fields: Vec<Field>,
    },
}

/// A node: what it is, and the attributes that do not change its bytes (`logicalType`, `precision`, …).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// what it is
    pub kind: Kind,
    /// further attributes, in their order; documentation is left out
    pub extra: Map<String, Value>,
}

impl Node {
    /// The logical type's name, where the node has one.
    pub fn logical(&self) -> Option<&str> {
        self.extra.get("logicalType").and_then(Value::as_str)
    }
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// its name
    pub name: String,
    /// its type
    pub node: NodeId,
    /// the default as JSON
    pub default: Option<Value>,
    /// further attributes (`aliases`, `order`, …); documentation is left out
    pub extra: Map<String, Value>,
}

/// An Avro schema. Documentation is dropped when it is read: it triples the size of a telescope's schema and changes no byte of a datum.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", place(.at))]
pub struct SchemaError {
    /// the dotted path of the field; empty: the schema as a whole
    pub at: String,
    /// what is wrong
    pub reason: String,
}

fn place(at: &str) -> String {
    match at.is_empty() {
        true => String::new(),
        false => format!(" (at `{at}`)"),
    }
}

/// A union that is one type, or one type and null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalUnion {
    /// index of the null branch
    pub null: Option<usize>,
    /// index of the other branch
    pub value: usize,
    /// the other branch
    pub node: NodeId,
}

impl Schema {
    /// Puts a schema together from its nodes, which refer to each other by their indexes.
    ///
    /// # Errors
    /// A node refers to one that is not there, or the schema goes beyond a bound (which is named).
    pub fn from_nodes(nodes: Vec<Node>, root: NodeId) -> Result<Self, SchemaError> {
        let inside = |id: &NodeId| *id < nodes.len();
        let sound = nodes.iter().all(|node| match &node.kind {
            Kind::Array(item) | Kind::Map(item) => inside(item),
            Kind::Union(branches) => branches.iter().all(inside),
            Kind::Record { fields, .. } => fields.iter().all(|field| inside(&field.node)),
            _ => true,
        });
        if !sound || !inside(&root) {
            return Err(SchemaError::new("", "a node refers to one that is not there"));
        }
        let schema = Self { nodes, root };
        schema.check()?;
        Ok(schema)
    }

    /// The node of the whole.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node of this schema.
    ///
    /// # Panics
    /// `id` is another schema's.
    pub fn node(&self, id: NodeId) -> &Node {
        #[cfg(test)]
        visits::count();
        &self.nodes[id]
    }

    /// What a node of this schema is.
    ///
    /// # Panics
    /// `id` is another schema's.
    pub fn kind(&self, id: NodeId) -> &Kind {
        #[cfg(test)]
        visits::count();
        &self.nodes[id].kind
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node; never so for a schema that was read.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The one type that a union holds besides null; `None` for unions of several types, of null alone, and for anything that is no union.
    pub fn optional(&self, id: NodeId) -> Option<OptionalUnion> {
        let Kind::Union(branches) = self.kind(id) else { return None };
        let is_null = |branch: &NodeId| matches!(self.kind(*branch), Kind::Null);
        let mut values = branches.iter().enumerate().filter(|(_, branch)| !is_null(branch));
        let (value, node) = values.next()?;
        match values.next() {
            Some(_) => None,
            None => Some(OptionalUnion { null: branches.iter().position(is_null), value, node: *node }),
        }
    }

    /// The index of the null branch, where the node is a union that has one.
    pub fn null_branch(&self, id: NodeId) -> Option<usize> {
        match self.kind(id) {
            Kind::Union(branches) => branches.iter().position(|branch| matches!(self.kind(*branch), Kind::Null)),
            _ => None,
        }
    }

    /// The part of this schema under `id` as a schema of its own.
    pub fn subschema(&self, id: NodeId) -> Self {
        let mut nodes = Vec::new();
        let mut moved = vec![None; self.nodes.len()];
        let root = self.copy(id, &mut nodes, &mut moved);
        Self { nodes, root }
    }

    fn copy(&self, id: NodeId, nodes: &mut Vec<Node>, moved: &mut [Option<NodeId>]) -> NodeId {
        if let Some(there) = moved[id] {
            return there;
        }
        let there = nodes.len();
        moved[id] = Some(there);
        nodes.push(self.nodes[id].clone());
        let mut kind = self.nodes[id].kind.clone();
        match &mut kind {
            Kind::Array(item) | Kind::Map(item) => *item = self.copy(*item, nodes, moved),
            Kind::Union(branches) => branches.iter_mut().for_each(|branch| *branch = self.copy(*branch, nodes, moved)),
            Kind::Record { fields, .. } => {
                fields.iter_mut().for_each(|field| field.node = self.copy(field.node, nodes, moved));
            }
            _ => {}
        }
        nodes[there].kind = kind;
        there
    }
}

impl PartialEq for Schema {
    /// Equal when they are written as the same JSON.
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

/// Whether any datum of `written` is, byte for byte, a datum of `read` with the same meaning: same shapes, same field names, same words, in
/// the same order. Names of types and logical types do not matter; a union that is read may have further branches at its end.
pub fn same_encoding(written: (&Schema, NodeId), read: (&Schema, NodeId)) -> bool {
    fn same(a: &Schema, x: NodeId, b: &Schema, y: NodeId, seen: &mut HashSet<(NodeId, NodeId)>) -> bool {
        if !seen.insert((x, y)) {
            return true;
        }
        match (a.kind(x), b.kind(y)) {
            (Kind::Fixed { size: one, .. }, Kind::Fixed { size: other, .. }) => one == other,
            (Kind::Enum { symbols: one, .. }, Kind::Enum { symbols: other, .. }) => one == other,
            (Kind::Array(one), Kind::Array(other)) | (Kind::Map(one), Kind::Map(other)) => {
                same(a, *one, b, *other, seen)
            }
            (Kind::Union(one), Kind::Union(other)) => {
                one.len() <= other.len() && one.iter().zip(other).all(|(x, y)| same(a, *x, b, *y, seen))
            }
            (Kind::Record { fields: one, .. }, Kind::Record { fields: other, .. }) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(x, y)| x.name == y.name && same(a, x.node, b, y.node, seen))
            }
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
    same(written.0, written.1, read.0, read.1, &mut HashSet::new())
}

/// How often the nodes of schemas were looked at in this thread: the work that a schema makes.
#[cfg(test)]
pub(crate) mod visits {
    use std::cell::Cell;

    thread_local!(static VISITS: Cell<u64> = const { Cell::new(0) });

    pub(super) fn count() {
        VISITS.set(VISITS.get() + 1);
    }

    /// The number since this was last called.
    pub(crate) fn take() -> u64 {
        VISITS.replace(0)
    }
}
