//! Schema resolution (Avro specification, "Schema Resolution"): data of one schema, the *written* one, are turned into data of another, the
//! *read* one. It is compiled once and needs no tree of values.
//!
//! Beyond the specification, a field that the written schema does not have is null if it is nullable and has no default, and the names of
//! records, enums and fixed types need not agree: they contain the version in some surveys.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::reader::{Malformed, Reader};
use super::schema::{Field, Kind, NodeId, Schema, same_encoding};
use super::skip::{MAX_DEPTH, SkipStep, Skipper};
use super::write::{write_bytes, write_long};
use crate::escape::shorten;

/// Maximum size of a datum that resolution writes. Defaults can make it larger than what it reads.
const MAX_RESOLVED_BYTES: usize = 256 << 20;
/// Maximum length of a type in an error, characters.
const MAX_SHOWN_CHARS: usize = 60;

/// Why data of one schema cannot be read as data of another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", place(.field))]
pub struct ResolutionError {
    /// dotted path; empty for the schemas as a whole
    pub field: String,
    pub reason: String,
}

fn place(field: &str) -> String {
    match field.is_empty() {
        true => String::new(),
        false => format!("field `{field}`: "),
    }
}

/// How a value of a written type becomes one of a read type.
#[derive(Clone, Debug)]
enum Step {
    /// the same bytes
    Copy(NodeId),
    IntAsFloat,
    IntAsDouble,
    LongAsFloat,
    LongAsDouble,
    FloatAsDouble,
    BytesAsText,
    /// the read index by written index; `None`: the read enum has no such symbol
    Symbol(Box<[Option<i64>]>),
    /// into a branch of a read union, whose index precedes it
    Branch {
        index: Box<[u8]>,
        step: Box<Step>,
    },
    /// from the branches of a written union; `None`: such values cannot be read
    Union(Box<[Option<Step>]>),
    Array {
        item: Box<Step>,
        empty: bool,
    },
    Map(Box<Step>),
    /// index in `records`
    Record(usize),
}

/// A part of a record, in the order of the read fields, which is also that of the written ones.
#[derive(Clone, Debug)]
enum RecordOp {
    /// written fields that are not read
    Skip(Box<[SkipStep]>),
    /// fields with the same bytes
    Copy(Box<[SkipStep]>),
    /// a default
    Constant(Box<[u8]>),
    Value(Step),
}

/// A field of a record whose fields have another order.
#[derive(Clone, Debug)]
enum Source {
    Constant(Box<[u8]>),
    /// index of the written field
    Field(usize, Step),
}

#[derive(Clone, Debug)]
enum RecordPlan {
    InOrder(Vec<RecordOp>),
    Reordered { written: Box<[NodeId]>, read: Vec<Source> },
}

/// Turns data of a written schema into data of a read schema.
#[derive(Clone, Debug)]
pub struct Resolution {
    skipper: Arc<Skipper>,
    records: Vec<RecordPlan>,
    root: Step,
}

impl Resolution {
    /// Resolves a node of one schema to a node of another.
    ///
    /// A union of which some branches, or an enum of which some symbols, cannot be read is accepted: the data are checked.
    ///
    /// # Errors
    /// No data could be read.
    pub fn new(written: (&Schema, NodeId), read: (&Schema, NodeId)) -> Result<Self, ResolutionError> {
        let mut planner = Planner {
            written: written.0,
            read: read.0,
            skipper: Skipper::new(written.0),
            known: HashMap::new(),
            records: Vec::new(),
            path: Vec::new(),
        };
        let root = planner.step(written.1, read.1)?;
        let records = planner.records.into_iter().map(|plan| plan.unwrap_or(RecordPlan::InOrder(Vec::new()))).collect();
        Ok(Self { skipper: Arc::new(planner.skipper), records, root })
    }

    /// Whether every datum keeps its bytes.
    pub fn is_identity(&self) -> bool {
        matches!(self.root, Step::Copy(_))
    }

    /// Appends the datum of the read schema. On an error, `out` may hold a part of it.
    ///
    /// # Errors
    /// The bytes are not exactly one datum of the written schema, or its values cannot be read.
    pub fn resolve(&self, datum: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut reader = Reader::new(datum);
        let limit = out.len().saturating_add(MAX_RESOLVED_BYTES);
        self.run(&self.root, &mut reader, out, limit, 0)?;
        reader.end()
    }

    fn run(
        &self,
        step: &Step,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
        limit: usize,
        depth: usize,
    ) -> Result<(), Malformed> {
        match step {
            Step::Copy(node) => {
                let start = reader.position();
                self.skipper.skip_at(*node, reader, depth)?;
                out.extend_from_slice(reader.since(start));
            }
            Step::IntAsFloat => out.extend_from_slice(&(reader.int()? as f32).to_le_bytes()),
            Step::IntAsDouble => out.extend_from_slice(&f64::from(reader.int()?).to_le_bytes()),
            Step::LongAsFloat => out.extend_from_slice(&(reader.long()? as f32).to_le_bytes()),
            Step::LongAsDouble => out.extend_from_slice(&(reader.long()? as f64).to_le_bytes()),
            Step::FloatAsDouble => {
                out.extend_from_slice(&f64::from(f32::from_le_bytes(reader.array()?)).to_le_bytes());
            }
            Step::BytesAsText => write_bytes(reader.text()?.as_bytes(), out),
            Step::Symbol(indexes) => {
                let start = *reader;
                let index = reader.index(indexes.len(), "an enum index without a symbol")?;
                match indexes[index] {
                    Some(index) => write_long(index, out),
                    None => return start.error("a symbol that the read enum does not have"),
                }
            }
            Step::Branch { index, step } => {
                out.extend_from_slice(index);
                self.run(step, reader, out, limit, depth)?;
            }
            Step::Union(branches) => {
                let start = *reader;
                let index = reader.index(branches.len(), "a union index without a branch")?;
                match &branches[index] {
                    Some(step) => self.run(step, reader, out, limit, depth)?,
                    None => return start.error("a value of a type that the read type does not have"),
                }
            }
            Step::Array { item, empty } => self.blocks(reader, out, *empty, limit, depth, |reader, out| {
                self.run(item, reader, out, limit, depth + 1)
            })?,
            Step::Map(value) => self.blocks(reader, out, false, limit, depth, |reader, out| {
                write_bytes(reader.text()?.as_bytes(), out);
                self.run(value, reader, out, limit, depth + 1)
            })?,
            Step::Record(record) => {
                if depth > MAX_DEPTH {
                    return reader.error("records are nested too deep");
                }
                self.record(&self.records[*record], reader, out, limit, depth + 1)?;
            }
        }
        Ok(())
    }

    fn record(
        &self,
        plan: &RecordPlan,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
        limit: usize,
        depth: usize,
    ) -> Result<(), Malformed> {
        match plan {
            RecordPlan::InOrder(ops) => {
                for op in ops {
                    match op {
                        RecordOp::Skip(steps) => self.skipper.skip_all(steps, reader, depth)?,
                        RecordOp::Copy(steps) => {
                            let start = reader.position();
                            self.skipper.skip_all(steps, reader, depth)?;
                            out.extend_from_slice(reader.since(start));
                        }
                        RecordOp::Constant(bytes) => out.extend_from_slice(bytes),
                        RecordOp::Value(step) => self.run(step, reader, out, limit, depth)?,
                    }
                }
            }
            RecordPlan::Reordered { written, read } => {
                let mut starts: Vec<Reader<'_>> = Vec::with_capacity(written.len());
                for node in written {
                    starts.push(*reader);
                    self.skipper.skip_at(*node, reader, depth)?;
                }
                for source in read {
                    match source {
                        Source::Constant(bytes) => out.extend_from_slice(bytes),
                        Source::Field(index, step) => {
                            let mut start = starts[*index];
                            self.run(step, &mut start, out, limit, depth)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn blocks(
        &self,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
        empty: bool,
        limit: usize,
        depth: usize,
        mut item: impl FnMut(&mut Reader<'_>, &mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return reader.error("lists are nested too deep");
        }
        loop {
            let count = reader.block(empty)?;
            write_long(count as i64, out);
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                item(reader, out)?;
                if out.len() > limit {
                    return reader.error("the datum is larger than 256 MiB in the read schema");
                }
            }
        }
    }
}

struct Planner<'a> {
    written: &'a Schema,
    read: &'a Schema,
    skipper: Skipper,
    /// the plans of pairs of records
    known: HashMap<(NodeId, NodeId), usize>,
    /// `None` while it is being made
    records: Vec<Option<RecordPlan>>,
    path: Vec<&'a str>,
}

impl<'a> Planner<'a> {
    fn error<T>(&self, reason: String) -> Result<T, ResolutionError> {
        Err(ResolutionError { field: shorten(&self.path.join("."), 200), reason })
    }

    fn mismatch<T>(&self, written: NodeId, read: NodeId) -> Result<T, ResolutionError> {
        let (written, read) = (describe(self.written, written), describe(self.read, read));
        self.error(format!("{written} cannot be read as {read}"))
    }

    fn step(&mut self, from: NodeId, to: NodeId) -> Result<Step, ResolutionError> {
        if same_encoding((self.written, from), (self.read, to)) {
            return Ok(Step::Copy(from));
        }
        if let Kind::Union(branches) = self.written.kind(from) {
            let is_null = |branch: NodeId| matches!(self.written.kind(branch), Kind::Null);
            let (mut steps, mut first_error, mut any) = (Vec::with_capacity(branches.len()), None, false);
            for branch in branches {
                let step = self.single(*branch, to);
                // What can only ever be null is refused: it is another type rather than one that lost a branch.
                any |= step.is_ok() && (!is_null(*branch) || branches.len() == 1);
                steps.push(match step {
                    Ok(step) => Some(step),
                    Err(error) => {
                        if !is_null(*branch) {
                            first_error.get_or_insert(error);
                        }
                        None
                    }
                });
            }
            return match (any, first_error) {
                (true, _) => Ok(Step::Union(steps.into())),
                (false, Some(error)) => Err(error),
                (false, None) => self.mismatch(from, to),
            };
        }
        self.single(from, to)
    }

    /// A written type that is no union.
    fn single(&mut self, from: NodeId, to: NodeId) -> Result<Step, ResolutionError> {
        let read = self.read;
        let Kind::Union(branches) = read.kind(to) else { return self.plain(from, to) };
        let into = |at: usize, step: Step| {
            let mut index = Vec::new();
            write_long(at as i64, &mut index);
            Step::Branch { index: index.into(), step: Box::new(step) }
        };
        if let Some(at) = branches.iter().position(|branch| self.is_same_type(from, *branch))
            && let Ok(step) = self.plain(from, branches[at])
        {
            return Ok(into(at, step));
        }
        let mut first_error = None;
        for (at, branch) in branches.iter().enumerate() {
            match self.plain(from, *branch) {
                Ok(step) => return Ok(into(at, step)),
                Err(error) if !matches!(read.kind(*branch), Kind::Null) => drop(first_error.get_or_insert(error)),
                Err(_) => {}
            }
        }
        first_error.filter(|_| branches.len() < 3).map_or_else(|| self.mismatch(from, to), Err)
    }

    /// Whether the types are the same but for what is in them. Named types have the same name, without namespaces.
    fn is_same_type(&self, from: NodeId, to: NodeId) -> bool {
        let (from, to) = (self.written.kind(from), self.read.kind(to));
        let short = |kind: &'a Kind| kind.name().map(|name| name.rsplit('.').next().unwrap_or(name));
        std::mem::discriminant(from) == std::mem::discriminant(to) && short(from) == short(to)
    }

    /// Types that are no unions.
    fn plain(&mut self, from: NodeId, to: NodeId) -> Result<Step, ResolutionError> {
        if same_encoding((self.written, from), (self.read, to)) {
            return Ok(Step::Copy(from));
        }
        let (written, read) = (self.written, self.read);
        Ok(match (written.kind(from), read.kind(to)) {
            (Kind::Int, Kind::Long) | (Kind::String, Kind::Bytes) => Step::Copy(from),
            (Kind::Int, Kind::Float) => Step::IntAsFloat,
            (Kind::Int, Kind::Double) => Step::IntAsDouble,
            (Kind::Long, Kind::Float) => Step::LongAsFloat,
            (Kind::Long, Kind::Double) => Step::LongAsDouble,
            (Kind::Float, Kind::Double) => Step::FloatAsDouble,
            (Kind::Bytes, Kind::String) => Step::BytesAsText,
            (Kind::Enum { symbols: one, .. }, Kind::Enum { symbols: other, .. }) => {
                let position =
                    |symbol: &str| other.iter().zip(0..).find(|(known, _)| *known == symbol).map(|(_, at)| at);
                let default = read.node(to).extra.get("default").and_then(Value::as_str).and_then(position);
                let indexes: Box<[Option<i64>]> = one.iter().map(|symbol| position(symbol).or(default)).collect();
                if indexes.iter().all(Option::is_none) {
                    return self.mismatch(from, to);
                }
                Step::Symbol(indexes)
            }
            (Kind::Array(one), Kind::Array(other)) => {
                Step::Array { item: Box::new(self.step(*one, *other)?), empty: written.is_zero_sized(*one) }
            }
            (Kind::Map(one), Kind::Map(other)) => Step::Map(Box::new(self.step(*one, *other)?)),
            (Kind::Record { fields: one, .. }, Kind::Record { fields: other, .. }) => {
                if let Some(known) = self.known.get(&(from, to)) {
                    return Ok(Step::Record(*known));
                }
                let index = self.records.len();
                self.known.insert((from, to), index);
                self.records.push(None);
                match self.record(one, other) {
                    Ok(plan) => self.records[index] = Some(plan),
                    Err(error) => {
                        // The records planned within it may refer to it.
                        self.records.truncate(index);
                        self.known.retain(|_, known| *known < index);
                        return Err(error);
                    }
                }
                Step::Record(index)
            }
            _ => return self.mismatch(from, to),
        })
    }

    fn record(&mut self, written: &'a [Field], read: &'a [Field]) -> Result<RecordPlan, ResolutionError> {
        let mut sources = Vec::with_capacity(read.len());
        for field in read {
            self.path.push(&field.name);
            sources.push(match source_of(written, field) {
                Some(at) => Source::Field(at, self.step(written[at].node, field.node)?),
                None => Source::Constant(self.constant(field)?),
            });
            self.path.pop();
        }
        let matched =
            || sources.iter().filter_map(|source| if let Source::Field(at, _) = source { Some(*at) } else { None });
        if !matched().is_sorted_by(|one, other| one < other) {
            return Ok(RecordPlan::Reordered {
                written: written.iter().map(|field| field.node).collect(),
                read: sources,
            });
        }
        Ok(RecordPlan::InOrder(self.in_order(written, sources)))
    }

    /// The value of a field that is not written.
    fn constant(&self, field: &Field) -> Result<Box<[u8]>, ResolutionError> {
        let mut bytes = Vec::new();
        match (&field.default, self.read.kind(field.node), self.read.null_branch(field.node)) {
            (Some(default), ..) => {
                self.read.encode_default(field.node, default, &mut bytes).or_else(|reason| self.error(reason))?;
            }
            (None, Kind::Null, _) => {}
            (None, _, Some(null)) => write_long(null as i64, &mut bytes),
            (None, ..) => {
                let read = describe(self.read, field.node);
                return self.error(format!(
                    "it is not among the written fields, and as {read} it is neither nullable nor has a default"
                ));
            }
        }
        Ok(bytes.into())
    }

    fn in_order(&self, written: &[Field], sources: Vec<Source>) -> Vec<RecordOp> {
        let mut ops: Vec<RecordOp> = Vec::new();
        // The written fields from `copied` to `next` are copied.
        let (mut copied, mut next) = (0, 0);
        let steps = |range: std::ops::Range<usize>| {
            let nodes: Vec<NodeId> = written[range].iter().map(|field| field.node).collect();
            Skipper::sequence(self.written, &nodes).into_boxed_slice()
        };
        let flush = |ops: &mut Vec<RecordOp>, copied: usize, next: usize| {
            if copied < next {
                ops.push(RecordOp::Copy(steps(copied..next)));
            }
        };
        for source in sources {
            match source {
                Source::Constant(bytes) => {
                    flush(&mut ops, copied, next);
                    copied = next;
                    match ops.last_mut() {
                        Some(RecordOp::Constant(before)) => *before = [&**before, &*bytes].concat().into(),
                        _ => ops.push(RecordOp::Constant(bytes)),
                    }
                }
                Source::Field(at, step) => {
                    if at > next {
                        flush(&mut ops, copied, next);
                        ops.push(RecordOp::Skip(steps(next..at)));
                        copied = at;
                    }
                    if !matches!(step, Step::Copy(_)) {
                        flush(&mut ops, copied, at);
                        ops.push(RecordOp::Value(step));
                        copied = at + 1;
                    }
                    next = at + 1;
                }
            }
        }
        flush(&mut ops, copied, next);
        if next < written.len() {
            ops.push(RecordOp::Skip(steps(next..written.len())));
        }
        ops
    }
}

/// The index of the written field that a read field has, by its name or else by its aliases.
fn source_of(written: &[Field], read: &Field) -> Option<usize> {
    let find = |name: &str| written.iter().position(|field| field.name == name && !field.is_superseded);
    let aliases =
        || read.extra.get("aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    find(&read.name).or_else(|| aliases().find_map(find))
}

/// A type in an error.
pub(super) fn describe(schema: &Schema, node: NodeId) -> String {
    let json = schema.subschema(node).to_json();
    match json {
        Value::String(word) => word,
        json => shorten(&json.to_string(), MAX_SHOWN_CHARS),
    }
}
