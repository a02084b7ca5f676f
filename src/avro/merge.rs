//! One schema for the data of two: the versions of a survey's schema.
//!
//! Data of both schemas can be resolved to the merged one without loss:
//! - It has the fields of both. One that only one of them has is nullable, or has its default.
//! - Of two numeric types it has the wider one, of string and bytes it has bytes.
//! - A union has the branches of both, an enum the symbols of both. It is nullable where either is.
//!
//! The order of the fields, branches and symbols is that of the newer schema if it has all of the older one's, so that data of the newer
//! schema often need no conversion; else that of the older schema, with what is new at the end.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::resolve::describe;
use super::schema::{Field, Kind, Node, NodeId, Schema, SchemaError};
use crate::escape::shorten;

/// Why two schemas cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// a field has types that have no common one
    #[error("{} is {older} in the older schema and {newer} in the newer one", subject(.field))]
    Conflict {
        /// dotted path; empty for the schemas as a whole
        field: String,
        older: String,
        newer: String,
    },
    #[error("the merged schema: {0}")]
    Schema(#[from] SchemaError),
}

fn subject(field: &str) -> String {
    match field.is_empty() {
        true => "the whole".to_owned(),
        false => format!("the field `{field}`"),
    }
}

impl Schema {
    /// The schema for the data of `self` and of `newer`. It is equal to `self` if data of `newer` need no change of it.
    ///
    /// # Errors
    /// A field has types that have no common one, or the merged schema exceeds a limit.
    pub fn merge(&self, newer: &Self) -> Result<Self, MergeError> {
        let mut merger = Merger {
            older: self,
            newer,
            nodes: Vec::new(),
            merged: BTreeMap::new(),
            older_ids: vec![None; self.len()],
            newer_ids: vec![None; newer.len()],
            path: Vec::new(),
        };
        let root = merger.merge(self.root(), newer.root())?;
        let merged = Self::from_nodes(merger.nodes, root)?;
        Ok(merged.with_distinct_names()?)
    }
}

/// Whether two schemas differ at most in the order of fields, branches and symbols, and in names, defaults and other attributes.
pub(crate) fn same_but_order(one: &Schema, other: &Schema) -> bool {
    fn same(a: &Schema, x: NodeId, b: &Schema, y: NodeId, seen: &mut HashSet<(NodeId, NodeId)>) -> bool {
        if !seen.insert((x, y)) {
            return true;
        }
        match (a.kind(x), b.kind(y)) {
            (Kind::Array(one), Kind::Array(other)) | (Kind::Map(one), Kind::Map(other)) => {
                same(a, *one, b, *other, seen)
            }
            (Kind::Union(one), Kind::Union(other)) => {
                let is_in =
                    |x: &NodeId, seen: &mut HashSet<_>| other.iter().any(|y| same(a, *x, b, *y, &mut seen.clone()));
                one.len() == other.len() && one.iter().all(|x| is_in(x, seen))
            }
            (Kind::Record { fields: one, .. }, Kind::Record { fields: other, .. }) => {
                let find = |name: &str| other.iter().find(|field| field.name == name);
                one.len() == other.len()
                    && one.iter().all(|field| find(&field.name).is_some_and(|y| same(a, field.node, b, y.node, seen)))
            }
            (Kind::Enum { symbols: one, .. }, Kind::Enum { symbols: other, .. }) => {
                one.len() == other.len() && one.iter().all(|symbol| other.contains(symbol))
            }
            (Kind::Fixed { size: one, .. }, Kind::Fixed { size: other, .. }) => one == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
    same(one, one.root(), other, other.root(), &mut HashSet::new())
}

struct Merger<'a> {
    older: &'a Schema,
    newer: &'a Schema,
    nodes: Vec<Node>,
    /// the nodes of pairs of records
    merged: BTreeMap<(NodeId, NodeId), NodeId>,
    /// the copies of nodes of either schema
    older_ids: Vec<Option<NodeId>>,
    newer_ids: Vec<Option<NodeId>>,
    path: Vec<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Older,
    Newer,
}

impl<'a> Merger<'a> {
    fn conflict<T>(&self, older: NodeId, newer: NodeId) -> Result<T, MergeError> {
        let field = shorten(&self.path.join("."), 200);
        Err(MergeError::Conflict { field, older: describe(self.older, older), newer: describe(self.newer, newer) })
    }

    fn add(&mut self, kind: Kind, extra: Map<String, Value>) -> NodeId {
        self.nodes.push(Node { kind, extra });
        self.nodes.len() - 1
    }

    /// Copies a node of one schema.
    fn copy(&mut self, side: Side, id: NodeId) -> NodeId {
        let (schema, ids) = match side {
            Side::Older => (self.older, &mut self.older_ids),
            Side::Newer => (self.newer, &mut self.newer_ids),
        };
        if let Some(there) = ids[id] {
            return there;
        }
        // A record within itself: the merged one holds its data too, and would otherwise contain the one of either schema.
        let is_of = |(older, newer): &(NodeId, NodeId)| match side {
            Side::Older => *older == id,
            Side::Newer => *newer == id,
        };
        if let Some((_, there)) = self.merged.iter().find(|(pair, _)| is_of(pair)) {
            return *there;
        }
        let there = self.nodes.len();
        ids[id] = Some(there);
        self.nodes.push(schema.node(id).clone());
        let mut kind = schema.kind(id).clone();
        match &mut kind {
            Kind::Array(item) | Kind::Map(item) => *item = self.copy(side, *item),
            Kind::Union(branches) => branches.iter_mut().for_each(|branch| *branch = self.copy(side, *branch)),
            Kind::Record { fields, .. } => fields.iter_mut().for_each(|field| field.node = self.copy(side, field.node)),
            _ => {}
        }
        self.nodes[there].kind = kind;
        there
    }

    fn merge(&mut self, older: NodeId, newer: NodeId) -> Result<NodeId, MergeError> {
        let (a, b) = (self.older.kind(older), self.newer.kind(newer));
        match (a, b) {
            (Kind::Union(_), _) | (_, Kind::Union(_)) => self.union(older, newer),
            (Kind::Null, Kind::Null) => Ok(self.copy(Side::Newer, newer)),
            (Kind::Null, _) | (_, Kind::Null) => self.union(older, newer),
            _ => self.plain(older, newer),
        }
    }

    /// Types that are neither unions nor null.
    fn plain(&mut self, older: NodeId, newer: NodeId) -> Result<NodeId, MergeError> {
        let (a, b) = (self.older.node(older), self.newer.node(newer));
        let extra = || if b.extra.is_empty() { a.extra.clone() } else { b.extra.clone() };
        if let (Some(one), Some(other)) = (a.logical(), b.logical())
            && (one != other || ["precision", "scale"].iter().any(|key| a.extra.get(*key) != b.extra.get(*key)))
        {
            return self.conflict(older, newer);
        }
        match (&a.kind, &b.kind) {
            (Kind::Array(one), Kind::Array(other)) => {
                let item = self.merge(*one, *other)?;
                Ok(self.add(Kind::Array(item), extra()))
            }
            (Kind::Map(one), Kind::Map(other)) => {
                let value = self.merge(*one, *other)?;
                Ok(self.add(Kind::Map(value), extra()))
            }
            (Kind::Record { fields: one, .. }, Kind::Record { name, fields: other }) => {
                if let Some(known) = self.merged.get(&(older, newer)) {
                    return Ok(*known);
                }
                let id = self.add(Kind::Record { name: name.clone(), fields: Vec::new() }, extra());
                self.merged.insert((older, newer), id);
                let fields = self.fields(one, other)?;
                self.nodes[id].kind = Kind::Record { name: name.clone(), fields };
                Ok(id)
            }
            (Kind::Fixed { size: one, .. }, Kind::Fixed { size: other, .. }) if one == other => {
                Ok(self.copy(Side::Newer, newer))
            }
            (Kind::Enum { symbols: one, .. }, Kind::Enum { name, symbols: other }) => {
                let (base, rest) =
                    if one.iter().all(|symbol| other.contains(symbol)) { (other, one) } else { (one, other) };
                let mut symbols = base.clone();
                symbols.extend(rest.iter().filter(|symbol| !base.contains(symbol)).cloned());
                Ok(self.add(Kind::Enum { name: name.clone(), symbols }, extra()))
            }
            (one, other) if one == other => {
                let kind = other.clone();
                Ok(self.add(kind, extra()))
            }
            (one, other) => match wider(one, other) {
                Some(Side::Older) => Ok(self.copy(Side::Older, older)),
                Some(Side::Newer) => Ok(self.copy(Side::Newer, newer)),
                None => self.conflict(older, newer),
            },
        }
    }

    fn fields(&mut self, older: &'a [Field], newer: &'a [Field]) -> Result<Vec<Field>, MergeError> {
        let find =
            |fields: &'a [Field], name: &str| fields.iter().find(|field| field.name == name && !field.is_superseded);
        let has_all = |these: &'a [Field], those: &'a [Field]| {
            those.iter().all(|field| field.is_superseded || find(these, &field.name).is_some())
        };
        let (base, rest) = if has_all(newer, older) { (newer, older) } else { (older, newer) };
        let present = |fields: &'a [Field]| fields.iter().filter(|field| !field.is_superseded);
        let names = present(base).chain(present(rest).filter(|field| find(base, &field.name).is_none()));
        let mut merged = Vec::with_capacity(older.len().max(newer.len()));
        for name in names.map(|field| field.name.as_str()) {
            self.path.push(name);
            merged.push(match (find(older, name), find(newer, name)) {
                (Some(one), Some(other)) => {
                    let node = self.merge(one.node, other.node)?;
                    let default = other.default.clone().or_else(|| one.default.clone());
                    Field { node, default, ..other.clone() }
                }
                (Some(only), None) => self.optional(Side::Older, only),
                (None, Some(only)) => self.optional(Side::Newer, only),
                (None, None) => continue,
            });
            self.path.pop();
        }
        // A default may be that of a type which is no longer the first of its union.
        for field in &mut merged {
            if let Some(default) = &field.default
                && !self.fits(field.node, default)
            {
                field.default = None;
            }
        }
        Ok(merged)
    }

    /// A field that the other schema does not have.
    fn optional(&mut self, side: Side, field: &Field) -> Field {
        let node = self.copy(side, field.node);
        let is_null = |id: &NodeId| matches!(self.nodes[*id].kind, Kind::Null);
        let is_nullable = match &self.nodes[node].kind {
            Kind::Union(branches) => branches.iter().any(is_null),
            kind => *kind == Kind::Null,
        };
        if is_nullable || field.default.is_some() {
            return Field { node, ..field.clone() };
        }
        let mut branches = vec![self.add(Kind::Null, Map::new())];
        match &self.nodes[node].kind {
            Kind::Union(others) => branches.extend(others.clone()),
            _ => branches.push(node),
        }
        let node = self.add(Kind::Union(branches), Map::new());
        Field { node, default: Some(Value::Null), ..field.clone() }
    }

    /// Whether the nodes so far accept a default. Only types that a merge changes are looked into.
    fn fits(&self, node: NodeId, default: &Value) -> bool {
        let schema = Schema { nodes: self.nodes.clone(), root: node };
        schema.encode_default(node, default, &mut Vec::new()).is_ok()
    }

    fn union(&mut self, older: NodeId, newer: NodeId) -> Result<NodeId, MergeError> {
        let (a, b) = (branches(self.older, older), branches(self.newer, newer));
        // For each branch of the newer type that of the older one, each at most once: the same type, else one that can be merged.
        let mut pairs: Vec<Option<usize>> = vec![None; b.len()];
        for exact in [true, false] {
            for (at, branch) in b.iter().enumerate() {
                if pairs[at].is_none() {
                    let is_free = |index: &usize| !pairs.contains(&Some(*index));
                    let fits = |index: &usize| self.match_branches(a[*index], *branch, exact);
                    pairs[at] = (0..a.len()).filter(is_free).find(fits);
                }
            }
        }
        let is_null = |schema: &Schema, node: NodeId| matches!(schema.kind(node), Kind::Null);
        let count =
            |schema: &Schema, branches: &[NodeId]| branches.iter().filter(|node| !is_null(schema, **node)).count();
        let unpaired_older: Vec<usize> = (0..a.len()).filter(|index| !pairs.contains(&Some(*index))).collect();
        let total =
            count(self.newer, &b) + unpaired_older.iter().filter(|index| !is_null(self.older, a[**index])).count();
        if total > 1 && count(self.older, &a) < 2 && count(self.newer, &b) < 2 {
            return self.conflict(older, newer);
        }
        let mut merged = Vec::new();
        if unpaired_older.is_empty() {
            for (branch, pair) in b.iter().zip(&pairs) {
                merged.push(match pair {
                    Some(index) => self.merge(a[*index], *branch)?,
                    None => self.copy(Side::Newer, *branch),
                });
            }
        } else {
            for (index, branch) in a.iter().enumerate() {
                merged.push(match pairs.iter().position(|pair| *pair == Some(index)) {
                    Some(at) => self.merge(*branch, b[at])?,
                    None => self.copy(Side::Older, *branch),
                });
            }
            for (branch, _) in b.iter().zip(&pairs).filter(|(_, pair)| pair.is_none()) {
                merged.push(self.copy(Side::Newer, *branch));
            }
            // A type that becomes nullable: null first, as a default of null requires.
            if a.len() == 1
                && merged.len() == 2
                && matches!(self.nodes[merged[1]].kind, Kind::Null)
                && !is_null(self.older, a[0])
            {
                merged.swap(0, 1);
            }
        }
        Ok(self.add(Kind::Union(merged), Map::new()))
    }

    /// Whether two branches can be one. `exact`: they are of the same kind, and named types have the same name without namespaces.
    fn match_branches(&self, older: NodeId, newer: NodeId, exact: bool) -> bool {
        let (a, b) = (self.older.kind(older), self.newer.kind(newer));
        let short = |kind: &'a Kind| kind.name().map(|name| name.rsplit('.').next().unwrap_or(name));
        let is_same_kind = std::mem::discriminant(a) == std::mem::discriminant(b);
        match exact {
            true => is_same_kind && short(a) == short(b),
            false => is_same_kind || wider(a, b).is_some(),
        }
    }
}

/// The branches of a union, or a type alone.
fn branches(schema: &Schema, node: NodeId) -> Vec<NodeId> {
    match schema.kind(node) {
        Kind::Union(branches) => branches.clone(),
        _ => vec![node],
    }
}

/// Which of two types holds the values of both.
fn wider(older: &Kind, newer: &Kind) -> Option<Side> {
    let rank = |kind: &Kind| match kind {
        Kind::Int => Some(0),
        Kind::Long => Some(1),
        Kind::Float => Some(2),
        Kind::Double => Some(3),
        _ => None,
    };
    match (older, newer) {
        (Kind::String, Kind::Bytes) => Some(Side::Newer),
        (Kind::Bytes, Kind::String) => Some(Side::Older),
        _ => match (rank(older)?, rank(newer)?) {
            (one, other) if one < other => Some(Side::Newer),
            (one, other) if one > other => Some(Side::Older),
            _ => None,
        },
    }
}
