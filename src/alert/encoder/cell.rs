//! What the encoder writes around a cell and instead of a missing one.

use crate::avro::{Kind, NodeId, Schema, write_long};

/// A cell that cannot be encoded.
#[derive(Debug)]
pub(super) struct CellError {
    /// index in the plan's columns
    pub source: usize,
    pub reason: String,
}

impl CellError {
    pub fn new(source: usize, reason: impl Into<String>) -> Self {
        Self { source, reason: reason.into() }
    }

    pub fn missing(source: usize) -> Self {
        Self::new(source, "the row has no cell, but the schema requires a value")
    }
}

/// What to do if a column is null.
#[derive(Clone, Debug)]
pub(super) enum OnNull {
    Fail,
    /// the encoding of null or of the field's default
    Write(Box<[u8]>),
}

impl OnNull {
    /// For a field of type `node`: null if the type allows it, else the default.
    pub fn new(schema: &Schema, node: NodeId, default: Option<Box<[u8]>>) -> Self {
        null_bytes(schema, node).or(default).map_or(Self::Fail, Self::Write)
    }
}

/// The index of a union's branch, as it precedes the value.
pub(super) fn branch_bytes(branch: usize) -> Box<[u8]> {
    let mut bytes = Vec::new();
    write_long(branch as i64, &mut bytes);
    bytes.into()
}

/// The encoding of null, if the node allows it.
pub(super) fn null_bytes(schema: &Schema, node: NodeId) -> Option<Box<[u8]>> {
    match schema.kind(node) {
        Kind::Null => Some(Box::new([])),
        _ => schema.null_branch(node).map(branch_bytes),
    }
}

/// The branch bytes and the type of a node that is one type, or one type and null.
pub(super) fn value_of(schema: &Schema, node: NodeId) -> (Box<[u8]>, NodeId) {
    match schema.optional(node) {
        Some(optional) => (branch_bytes(optional.value), optional.node),
        None => (Box::default(), node),
    }
}
