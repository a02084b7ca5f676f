//! Skips values and checks them, at a few nanoseconds a field.
//!
//! A schema is compiled into one step for each node. In the steps of a record, neighbours of fixed size are merged.

use super::reader::{Malformed, Reader};
use super::schema::{Kind, NodeId, Schema};

/// Maximum nesting of a datum, which limits the stack that a malformed one can use. Only recursive schemas come near it.
pub(crate) const MAX_DEPTH: usize = 200;

/// A value, or some that follow each other, to skip.
#[derive(Clone, Debug)]
pub(super) enum SkipStep {
    Fixed(usize),
    Boolean,
    Int,
    Long,
    Bytes,
    Text,
    Enum(usize),
    OptionalFixed { null: u8, size: usize },
    Optional { null: u8, value: Box<SkipStep> },
    Union(Vec<SkipStep>),
    Array { item: Box<SkipStep>, empty: bool },
    Map(Box<SkipStep>),
    Record(NodeId),
}

/// A schema compiled for skipping.
#[derive(Clone, Debug)]
pub struct Skipper {
    steps: Vec<SkipStep>,
    records: Vec<Vec<SkipStep>>,
}

impl Skipper {
    pub fn new(schema: &Schema) -> Self {
        let ids = 0..schema.len();
        let records = ids.clone().map(|id| match schema.kind(id) {
            Kind::Record { fields, .. } => {
                Self::sequence(schema, &fields.iter().map(|field| field.node).collect::<Vec<_>>())
            }
            _ => Vec::new(),
        });
        Self { records: records.collect(), steps: ids.map(|id| step(schema, id)).collect() }
    }

    /// The steps for values that follow each other.
    pub(super) fn sequence(schema: &Schema, nodes: &[NodeId]) -> Vec<SkipStep> {
        let mut steps: Vec<SkipStep> = Vec::with_capacity(nodes.len());
        for node in nodes {
            match (step(schema, *node), steps.last_mut()) {
                (SkipStep::Fixed(size), Some(SkipStep::Fixed(sum))) => *sum = sum.saturating_add(size),
                (step, _) => steps.push(step),
            }
        }
        steps
    }

    /// Skips values that follow each other, `depth` levels below the top.
    #[inline]
    pub(super) fn skip_all(&self, steps: &[SkipStep], reader: &mut Reader<'_>, depth: usize) -> Result<(), Malformed> {
        steps.iter().try_for_each(|step| self.run(step, reader, depth))
    }

    /// As [`skip`](Self::skip), `depth` levels below the top.
    #[inline]
    pub(super) fn skip_at(&self, id: NodeId, reader: &mut Reader<'_>, depth: usize) -> Result<(), Malformed> {
        self.run(&self.steps[id], reader, depth)
    }

    /// Skips one value of the node `id` of the schema.
    ///
    /// # Errors
    /// The bytes are not a value of that node.
    ///
    /// # Panics
    /// `id` is not of the schema.
    pub fn skip(&self, id: NodeId, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.run(&self.steps[id], reader, 0)
    }

    /// Checks that `datum` is exactly one value of the node `id`.
    ///
    /// # Errors
    /// See [`skip`](Self::skip).
    pub fn check(&self, id: NodeId, datum: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(datum);
        self.skip(id, &mut reader)?;
        reader.end()
    }

    #[inline]
    fn run(&self, step: &SkipStep, reader: &mut Reader<'_>, depth: usize) -> Result<(), Malformed> {
        match step {
            SkipStep::Fixed(size) => reader.take(*size).map(drop),
            SkipStep::OptionalFixed { null, size } => match reader.rest().first() {
                Some(byte) if byte | 2 == 2 => reader.take(1 + if byte == null { 0 } else { *size }).map(drop),
                _ => match reader.index(2, NO_BRANCH)? as u8 * 2 == *null {
                    true => Ok(()),
                    false => reader.take(*size).map(drop),
                },
            },
            SkipStep::Optional { null, value } => match reader.index(2, NO_BRANCH)? as u8 * 2 == *null {
                true => Ok(()),
                false => self.run(value, reader, depth),
            },
            SkipStep::Boolean => reader.boolean().map(drop),
            SkipStep::Int => reader.int().map(drop),
            SkipStep::Long => reader.long().map(drop),
            SkipStep::Bytes => reader.bytes().map(drop),
            SkipStep::Text => reader.text().map(drop),
            SkipStep::Enum(symbols) => reader.index(*symbols, "an enum index without a symbol").map(drop),
            SkipStep::Union(branches) => {
                let branch = reader.index(branches.len(), NO_BRANCH)?;
                self.run(&branches[branch], reader, depth)
            }
            // Zero-sized items have nothing to skip. `block` counts them.
            SkipStep::Array { empty: true, .. } => self.blocks(reader, depth, true, |_| Ok(())),
            SkipStep::Array { item, .. } => {
                self.blocks(reader, depth, false, |reader| self.run(item, reader, depth + 1))
            }
            SkipStep::Map(value) => self.blocks(reader, depth, false, |reader| {
                reader.text()?;
                self.run(value, reader, depth + 1)
            }),
            SkipStep::Record(id) => {
                if depth > MAX_DEPTH {
                    return reader.error("records are nested too deep");
                }
                self.records[*id].iter().try_for_each(|step| self.run(step, reader, depth + 1))
            }
        }
    }

    fn blocks(
        &self,
        reader: &mut Reader<'_>,
        depth: usize,
        empty: bool,
        mut item: impl FnMut(&mut Reader<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return reader.error("lists are nested too deep");
        }
        loop {
            match reader.block(empty)? {
                0 => return Ok(()),
                count => (0..count).try_for_each(|_| item(reader))?,
            }
        }
    }
}

const NO_BRANCH: &str = "a union index without a branch";

fn step(schema: &Schema, id: NodeId) -> SkipStep {
    match schema.kind(id) {
        Kind::Null => SkipStep::Fixed(0),
        Kind::Boolean => SkipStep::Boolean,
        Kind::Int => SkipStep::Int,
        Kind::Long => SkipStep::Long,
        Kind::Float => SkipStep::Fixed(4),
        Kind::Double => SkipStep::Fixed(8),
        Kind::Bytes => SkipStep::Bytes,
        Kind::String => SkipStep::Text,
        Kind::Fixed { size, .. } => SkipStep::Fixed(*size),
        Kind::Enum { symbols, .. } => SkipStep::Enum(symbols.len()),
        Kind::Array(item) => {
            SkipStep::Array { item: Box::new(step(schema, *item)), empty: schema.is_zero_sized(*item) }
        }
        Kind::Map(value) => SkipStep::Map(Box::new(step(schema, *value))),
        Kind::Record { .. } if schema.is_zero_sized(id) => SkipStep::Fixed(0),
        Kind::Record { .. } => SkipStep::Record(id),
        Kind::Union(branches) => match (schema.optional(id), branches.len()) {
            (Some(optional), 2) => {
                let null = if optional.value == 0 { 2 } else { 0 };
                match step(schema, optional.node) {
                    SkipStep::Fixed(size) => SkipStep::OptionalFixed { null, size },
                    value => SkipStep::Optional { null, value: Box::new(value) },
                }
            }
            _ => SkipStep::Union(branches.iter().map(|branch| step(schema, *branch)).collect()),
        },
    }
}

impl Schema {
    /// Whether every value of the node has no bytes: null, or a record of nulls.
    pub(crate) fn is_zero_sized(&self, id: NodeId) -> bool {
        fn empty(schema: &Schema, id: NodeId, depth: usize) -> bool {
            match schema.kind(id) {
                Kind::Null | Kind::Fixed { size: 0, .. } => true,
                Kind::Record { fields, .. } => {
                    depth < MAX_DEPTH && fields.iter().all(|field| empty(schema, field.node, depth + 1))
                }
                _ => false,
            }
        }
        empty(self, id, 0)
    }
}
