//! A schema as a flat list of nodes that refer to each other by index, so that recursive schemas are not special.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The index of a node in its schema.
pub type NodeId = usize;

/// The type of a node.
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
        /// in bytes
        size: usize,
    },
    /// one of some symbols
    Enum {
        /// full name
        name: String,
        symbols: Vec<String>,
    },
    Array(NodeId),
    /// values with strings as keys
    Map(NodeId),
    /// the index of a branch, and its value
    Union(Vec<NodeId>),
    /// the values of the fields, in order
    Record {
        /// full name
        name: String,
        fields: Vec<Field>,
    },
}

impl Kind {
    /// The full name of a record, an enum or a fixed.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Record { name, .. } | Self::Enum { name, .. } | Self::Fixed { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Changes the full name of a record, an enum or a fixed.
    pub fn rename(&mut self, full: String) {
        if let Self::Record { name, .. } | Self::Enum { name, .. } | Self::Fixed { name, .. } = self {
            *name = full;
        }
    }
}

/// A type, and its attributes that do not change the encoding (`logicalType`, `precision`, …).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub kind: Kind,
    /// other attributes, in order, without documentation
    pub extra: Map<String, Value>,
}

impl Node {
    /// The name of the logical type.
    pub fn logical(&self) -> Option<&str> {
        self.extra.get("logicalType").and_then(Value::as_str)
    }
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub node: NodeId,
    /// in JSON
    pub default: Option<Value>,
    /// other attributes (`aliases`, `order`, …), without documentation
    pub extra: Map<String, Value>,
    /// Whether a later field of the record had the same name in a [written schema](super::WrittenSchema). Its value is skipped; its own name
    /// is another then.
    pub is_superseded: bool,
}

/// An Avro schema, without documentation, which triples the size of a telescope's schema and does not affect data.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// Why a schema is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", place(.at))]
pub struct SchemaError {
    /// dotted path of the field; empty for the schema as a whole
    pub at: String,
    pub reason: String,
}

fn place(at: &str) -> String {
    match at.is_empty() {
        true => String::new(),
        false => format!(" (at `{at}`)"),
    }
}

/// A union of one type, or of one type and null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionalUnion {
    /// index of the null branch
    pub null: Option<usize>,
    /// index of the other branch
    pub value: usize,
    /// the other branch
    pub node: NodeId,
}

impl Schema {
    /// A schema from its nodes.
    ///
    /// # Errors
    /// A node refers to one that does not exist, or the schema exceeds a limit.
    pub(crate) fn from_nodes(nodes: Vec<Node>, root: NodeId) -> Result<Self, SchemaError> {
        let inside = |id: &NodeId| *id < nodes.len();
        let sound = nodes.iter().all(|node| match &node.kind {
            Kind::Array(item) | Kind::Map(item) => inside(item),
            Kind::Union(branches) => branches.iter().all(inside),
            Kind::Record { fields, .. } => fields.iter().all(|field| inside(&field.node)),
            _ => true,
        });
        if !sound || !inside(&root) {
            return Err(SchemaError::new("", "a node refers to one that does not exist"));
        }
        let schema = Self { nodes, root };
        schema.check()?;
        Ok(schema)
    }

    /// The root node.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// # Panics
    /// `id` is not of this schema.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        #[cfg(test)]
        visits::count();
        &self.nodes[id]
    }

    /// The type of a node.
    ///
    /// # Panics
    /// `id` is not of this schema.
    pub(crate) fn kind(&self, id: NodeId) -> &Kind {
        #[cfg(test)]
        visits::count();
        &self.nodes[id].kind
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Always false: a schema has a root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The union at `id`, if it has one type besides null.
    pub(crate) fn optional(&self, id: NodeId) -> Option<OptionalUnion> {
        let Kind::Union(branches) = self.kind(id) else { return None };
        let is_null = |branch: &NodeId| matches!(self.kind(*branch), Kind::Null);
        let mut values = branches.iter().enumerate().filter(|(_, branch)| !is_null(branch));
        let (value, node) = values.next()?;
        match values.next() {
            Some(_) => None,
            None => Some(OptionalUnion { null: branches.iter().position(is_null), value, node: *node }),
        }
    }

    /// The index of the null branch, if the node is a union with null.
    pub(crate) fn null_branch(&self, id: NodeId) -> Option<usize> {
        match self.kind(id) {
            Kind::Union(branches) => branches.iter().position(|branch| matches!(self.kind(*branch), Kind::Null)),
            _ => None,
        }
    }

    /// The schema of the node `id` alone.
    pub(crate) fn subschema(&self, id: NodeId) -> Self {
        let mut nodes = Vec::new();
        let mut moved = vec![None; self.nodes.len()];
        let root = self.copy(id, &mut nodes, &mut moved);
        Self { nodes, root }
    }

    /// The schema with a `_` after the name of each type that has the name of another one.
    pub(crate) fn with_distinct_names(&self) -> Result<Self, SchemaError> {
        let mut nodes = self.nodes.clone();
        for id in 0..nodes.len() {
            let Some(mut name) = nodes[id].kind.name().map(str::to_owned) else { continue };
            let taken = |name: &str| {
                nodes.iter().enumerate().any(|(other, node)| {
                    let (one, two) = ((self, id), (self, other));
                    other < id
                        && node.kind.name() == Some(name)
                        && !(same_encoding(one, two) && same_encoding(two, one))
                })
            };
            while taken(&name) {
                name.push('_');
            }
            nodes[id].kind.rename(name);
        }
        Self::from_nodes(nodes, self.root)
    }

    /// The schema without superseded fields; `None` if it has none.
    pub fn without_superseded(&self) -> Option<Self> {
        let mut whole = self.clone();
        let mut is_changed = false;
        for node in &mut whole.nodes {
            if let Kind::Record { fields, .. } = &mut node.kind {
                let before = fields.len();
                fields.retain(|field| !field.is_superseded);
                is_changed |= fields.len() < before;
            }
        }
        is_changed.then(|| whole.subschema(whole.root))
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
    /// Compares the JSON.
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

/// Whether every datum of `written` is, byte for byte, a datum of `read` with the same meaning: the same types, field names and symbols in
/// the same order. Names of types and logical types are ignored. A union of `read` may have additional branches at its end.
pub(crate) fn same_encoding(written: (&Schema, NodeId), read: (&Schema, NodeId)) -> bool {
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

/// Counts how often nodes were visited in this thread, as a measure of the work that a schema causes.
#[cfg(test)]
pub(crate) mod visits {
    use std::cell::Cell;

    thread_local!(static VISITS: Cell<u64> = const { Cell::new(0) });

    pub(super) fn count() {
        VISITS.set(VISITS.get() + 1);
    }

    /// The number since the last call.
    pub(crate) fn take() -> u64 {
        VISITS.replace(0)
    }
}
