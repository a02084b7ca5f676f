//! The skip-walk: passes over one value, checking all of it, at a few nanoseconds a field.
//!
//! A schema is turned into one step a node. A record's step holds its fields' steps side by side, with neighbours of fixed size made one.

use super::reader::{Malformed, Reader};
use super::schema::{Kind, NodeId, Schema};

/// Deepest nesting that is followed; only recursive schemas come near it. It bounds the stack that a damaged datum can use.
pub(crate) const DEEPEST: usize = 200;

#[derive(Clone, Debug)]
enum Step {
    Fixed(usize),
    Boolean,
    Int,
    Long,
    Bytes,
    Text,
    Enum(usize),
    OptionalFixed { null: u8, size: usize },
    Optional { null: u8, value: Box<Step> },
    Union(Vec<Step>),
    Array { item: Box<Step>, empty: bool },
    Map(Box<Step>),
    Record(NodeId),
}

/// A schema made ready for skipping.
#[derive(Clone, Debug)]
pub struct Skipper {
    steps: Vec<Step>,
    records: Vec<Vec<Step>>,
}

impl Skipper {
    /// Makes a schema ready.
    pub fn new(schema: &Schema) -> Self {
        let ids = 0..schema.len();
        let records = ids.clone().map(|id| match schema.kind(id) {
            Kind::Record { fields, .. } => {
                let mut steps: Vec<Step> = Vec::with_capacity(fields.len());
                for field in fields {
                    match (step(schema, field.node), steps.last_mut()) {
                        (Step::Fixed(size), Some(Step::Fixed(sum))) => *sum = sum.saturating_add(size),
                        (step, _) => steps.push(step),
                    }
                }
                steps
            }
            _ => Vec::new(),
        });
        Self { records: records.collect(), steps: ids.map(|id| step(schema, id)).collect() }
    }

    /// Passes over one value of the node `id` (of the schema that this was made from).
    ///
    /// # Errors
    /// The bytes are no value of that node: cut short, a wrong branch, no UTF-8, …
    pub fn skip(&self, id: NodeId, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match self.steps.get(id) {
            Some(step) => self.run(step, reader, 0),
            None => reader.fault("a type that the schema does not have"),
        }
    }

    /// Whether `datum` is one value of the node `id` and no more.
    ///
    /// # Errors
    /// See [`skip`](Self::skip).
    pub fn check(&self, id: NodeId, datum: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(datum);
        self.skip(id, &mut reader)?;
        reader.end()
    }

    #[inline]
    fn run(&self, step: &Step, reader: &mut Reader<'_>, depth: usize) -> Result<(), Malformed> {
        match step {
            Step::Fixed(size) => reader.take(*size).map(drop),
            Step::OptionalFixed { null, size } => match reader.rest().first() {
                Some(byte) if byte | 2 == 2 => reader.take(1 + if byte == null { 0 } else { *size }).map(drop),
                _ => match reader.index(2, NO_BRANCH)? as u8 * 2 == *null {
                    true => Ok(()),
                    false => reader.take(*size).map(drop),
                },
            },
            Step::Optional { null, value } => match reader.index(2, NO_BRANCH)? as u8 * 2 == *null {
                true => Ok(()),
                false => self.run(value, reader, depth),
            },
            Step::Boolean => reader.boolean().map(drop),
            Step::Int => reader.int().map(drop),
            Step::Long => reader.long().map(drop),
            Step::Bytes => reader.bytes().map(drop),
            Step::Text => reader.text().map(drop),
            Step::Enum(symbols) => reader.index(*symbols, "an enum index without a symbol").map(drop),
            Step::Union(branches) => {
                let branch = reader.index(branches.len(), NO_BRANCH)?;
                match branches.get(branch) {
                    Some(step) => self.run(step, reader, depth),
                    None => reader.fault(NO_BRANCH),
                }
            }
            // Items without a byte are counted, and there is nothing to pass over.
            Step::Array { empty: true, .. } => self.blocks(reader, depth, true, |_| Ok(())),
            Step::Array { item, .. } => self.blocks(reader, depth, false, |reader| self.run(item, reader, depth + 1)),
            Step::Map(value) => self.blocks(reader, depth, false, |reader| {
                reader.text()?;
                self.run(value, reader, depth + 1)
            }),
            Step::Record(id) => {
                if depth > DEEPEST {
                    return reader.fault("records nested too deep");
                }
                self.records.get(*id).into_iter().flatten().try_for_each(|step| self.run(step, reader, depth + 1))
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
        if depth > DEEPEST {
            return reader.fault("lists nested too deep");
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

fn step(schema: &Schema, id: NodeId) -> Step {
    match schema.kind(id) {
        Kind::Null => Step::Fixed(0),
        Kind::Boolean => Step::Boolean,
        Kind::Int => Step::Int,
        Kind::Long => Step::Long,
        Kind::Float => Step::Fixed(4),
        Kind::Double => Step::Fixed(8),
        Kind::Bytes => Step::Bytes,
        Kind::String => Step::Text,
        Kind::Fixed { size, .. } => Step::Fixed(*size),
        Kind::Enum { symbols, .. } => Step::Enum(symbols.len()),
        Kind::Array(item) => Step::Array { item: Box::new(step(schema, *item)), empty: schema.takes_no_byte(*item) },
        Kind::Map(value) => Step::Map(Box::new(step(schema, *value))),
        Kind::Record { .. } if schema.takes_no_byte(id) => Step::Fixed(0),
        Kind::Record { .. } => Step::Record(id),
        Kind::Union(branches) => match (schema.choice(id), branches.len()) {
            (Some(choice), 2) => {
                let null = if choice.value == 0 { 2 } else { 0 };
                match step(schema, choice.node) {
                    Step::Fixed(size) => Step::OptionalFixed { null, size },
                    value => Step::Optional { null, value: Box::new(value) },
                }
            }
            _ => Step::Union(branches.iter().map(|branch| step(schema, *branch)).collect()),
        },
    }
}

impl Schema {
    /// Whether every value of the node takes no byte: null, a record of nulls.
    pub fn takes_no_byte(&self, id: NodeId) -> bool {
        fn empty(schema: &Schema, id: NodeId, depth: usize) -> bool {
            match schema.kind(id) {
                Kind::Null | Kind::Fixed { size: 0, .. } => true,
                Kind::Record { fields, .. } => {
                    depth < DEEPEST && fields.iter().all(|field| empty(schema, field.node, depth + 1))
                }
                _ => false,
            }
        }
        empty(self, id, 0)
    }
}
