//! Schema resolution (Avro specification, "Schema Resolution"): data of one schema, the *written* one, are turned into data of another, the
//! *read* one. It is compiled once and needs no tree of values.
//!
//! Beyond the specification, a field that the written schema does not have is null if it is nullable and has no default, and the names of
//! records, enums and fixed types need not agree: they contain the version in some surveys.

use std::sync::Arc;

use self::plan::{RecordOp, RecordPlan, Source, Step};
use self::planner::Planner;
pub use self::planner::ResolutionError;
pub(super) use self::planner::describe;
use super::reader::{Malformed, Reader};
use super::schema::{NodeId, Schema};
use super::skip::{MAX_DEPTH, Skipper};
use super::write::{write_bytes, write_long};

mod plan;
mod planner;

/// Maximum size of a datum that resolution writes. Defaults can make it larger than what it reads.
const MAX_RESOLVED_BYTES: usize = 256 << 20;

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
        let mut planner = Planner::new(written.0, read.0);
        let root = planner.step(written.1, read.1)?;
        let (records, skipper) = planner.finish();
        Ok(Self { skipper: Arc::new(skipper), records, root })
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
