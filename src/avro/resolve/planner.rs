//! Compiles a pair of schemas into steps.

use std::collections::HashMap;

use serde_json::Value;

use super::plan::{RecordOp, RecordPlan, Source, Step};
use crate::avro::schema::{Field, Kind, NodeId, Schema, same_encoding};
use crate::avro::skip::Skipper;
use crate::avro::write::write_long;
use crate::escape::shorten;

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
/// Compiles the steps from a written schema to a read one.
pub(super) struct Planner<'a> {
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
    pub fn new(written: &'a Schema, read: &'a Schema) -> Self {
        let skipper = Skipper::new(written);
        Self { written, read, skipper, known: HashMap::new(), records: Vec::new(), path: Vec::new() }
    }

    /// The plans of the records that the steps name, by index, and the skipper of the written schema.
    pub fn finish(self) -> (Vec<RecordPlan>, Skipper) {
        let records = self.records.into_iter().map(|plan| plan.unwrap_or(RecordPlan::InOrder(Vec::new()))).collect();
        (records, self.skipper)
    }

    fn error<T>(&self, reason: String) -> Result<T, ResolutionError> {
        Err(ResolutionError { field: shorten(&self.path.join("."), 200), reason })
    }

    fn mismatch<T>(&self, written: NodeId, read: NodeId) -> Result<T, ResolutionError> {
        let (written, read) = (describe(self.written, written), describe(self.read, read));
        self.error(format!("{written} cannot be read as {read}"))
    }

    /// The step from a written node to a read one.
    ///
    /// # Errors
    /// No data could be read.
    pub fn step(&mut self, from: NodeId, to: NodeId) -> Result<Step, ResolutionError> {
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
pub(in crate::avro) fn describe(schema: &Schema, node: NodeId) -> String {
    let json = schema.subschema(node).to_json();
    match json {
        Value::String(word) => word,
        json => shorten(&json.to_string(), MAX_SHOWN_CHARS),
    }
}
