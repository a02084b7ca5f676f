//! Turns a datum into cells, in one pass.

use std::sync::Arc;

use super::options::NEW_STATUS;
use super::row_key::RowKey;
use super::spark_text::TextWriter;
use super::steps::{AvroCell, FlattenStep, Nullable, OnNull, ScalarKind};
use super::table::Layout;
use crate::avro::{Malformed, NodeId, Reader, Schema, Skipper};

/// Why an alert cannot be turned into cells.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlattenError {
    #[error("the alert is damaged: {0}")]
    Malformed(#[from] Malformed),
    /// the row key is null
    #[error("{0}")]
    RowKey(String),
}

#[derive(Clone, Copy, Debug)]
struct CellSpan {
    column: usize,
    start: usize,
    end: usize,
    in_datum: bool,
}

/// Turns alerts into cells. Its buffers are reused for each alert.
#[derive(Clone, Debug)]
pub struct Flattener {
    schema: Arc<Schema>,
    steps: Arc<[FlattenStep]>,
    skipper: Skipper,
    row_key: RowKey,
    status: Option<usize>,
    out: CellBuffer,
    key: Vec<u8>,
}

/// The cells of an alert: slices of the datum or of the flattener's buffer.
#[derive(Clone, Copy, Debug)]
pub struct FlatAlert<'a> {
    key: &'a [u8],
    in_key: Option<usize>,
    datum: &'a [u8],
    buffer: &'a [u8],
    spans: &'a [CellSpan],
}

impl<'a> FlatAlert<'a> {
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The cells as (index in the catalog's columns, bytes). A column that is stored in the key has none.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
        let cells = *self;
        self.spans
            .iter()
            .filter(move |span| Some(span.column) != cells.in_key)
            .map(move |span| (span.column, cells.bytes(span)))
    }

    fn bytes(&self, span: &CellSpan) -> &'a [u8] {
        let from = if span.in_datum { self.datum } else { self.buffer };
        &from[span.start..span.end]
    }
}

impl Layout {
    /// The flattener of the layout. Each thread has its own.
    pub fn flattener(&self) -> Flattener {
        Flattener {
            schema: Arc::clone(&self.schema),
            steps: Arc::clone(&self.steps),
            skipper: Skipper::new(&self.schema),
            row_key: self.row_key.clone(),
            status: self.status,
            out: CellBuffer::default(),
            key: Vec::new(),
        }
    }
}

impl Flattener {
    /// The cells of one alert, a datum in the layout's schema.
    ///
    /// # Errors
    /// The datum is malformed, or its row key is null.
    pub fn flatten<'a>(&'a mut self, datum: &'a [u8]) -> Result<FlatAlert<'a>, FlattenError> {
        self.out.spans.clear();
        self.out.buffer.clear();
        self.key.clear();
        let mut reader = Reader::new(datum);
        let walk = Walk { schema: &self.schema, skipper: &self.skipper };
        walk.steps(&self.steps, &mut reader, &mut self.out)?;
        reader.end()?;
        if let Some(column) = self.status {
            self.out.copy(column, NEW_STATUS);
        }
        let cells = |key| FlatAlert {
            key,
            in_key: self.row_key.only(),
            datum,
            buffer: &self.out.buffer,
            spans: &self.out.spans,
        };
        let keyless = cells(&[]);
        let cell = |column| keyless.spans.iter().find(|span| span.column == column).map(|span| keyless.bytes(span));
        self.row_key.write(cell, &mut self.key).map_err(FlattenError::RowKey)?;
        Ok(cells(&self.key))
    }
}

#[derive(Clone, Debug, Default)]
struct CellBuffer {
    spans: Vec<CellSpan>,
    buffer: Vec<u8>,
    text: TextWriter,
}

impl CellBuffer {
    fn copy(&mut self, column: usize, bytes: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        self.spans.push(CellSpan { column, start, end: self.buffer.len(), in_datum: false });
    }

    /// Adds a cell that is the `len` bytes before the reader's position.
    fn borrow(&mut self, column: usize, reader: &Reader<'_>, len: usize) {
        let end = reader.position();
        self.spans.push(CellSpan { column, start: end - len, end, in_datum: true });
    }
}

struct Walk<'a> {
    schema: &'a Schema,
    skipper: &'a Skipper,
}

impl Walk<'_> {
    fn steps(&self, steps: &[FlattenStep], reader: &mut Reader<'_>, out: &mut CellBuffer) -> Result<(), Malformed> {
        steps.iter().try_for_each(|step| self.step(step, reader, out))
    }

    fn step(&self, step: &FlattenStep, reader: &mut Reader<'_>, out: &mut CellBuffer) -> Result<(), Malformed> {
        match step {
            FlattenStep::Skip(node) => self.skipper.skip(*node, reader),
            FlattenStep::Scalar { column, union, scalar, on_null } => match (read_branch(*union, reader)?, on_null) {
                (true, _) => write_scalar(scalar, *column, reader, out),
                (false, OnNull::NoCell) => Ok(()),
                (false, OnNull::Fill) => {
                    out.copy(*column, null_filler(scalar));
                    Ok(())
                }
            },
            FlattenStep::Avro { column, union, node, cell } => match read_branch(*union, reader)? {
                true => self.avro(*column, *node, cell, reader, out),
                false => Ok(()),
            },
            FlattenStep::AvroUnion { column, null, node, branches, cell } => {
                let mut ahead = *reader;
                let branch = ahead.index(*branches, "a union index without a branch")?;
                match Some(branch) == *null {
                    true => self.skipper.skip(*node, reader),
                    false => self.avro(*column, *node, cell, reader, out),
                }
            }
            FlattenStep::Record { union, steps, marker } => {
                if !read_branch(*union, reader)? {
                    return Ok(());
                }
                let before = out.spans.len();
                self.steps(steps, reader, out)?;
                if let Some(marker) = marker
                    && out.spans.len() == before
                {
                    out.copy(*marker, &[0xff]);
                }
                Ok(())
            }
            FlattenStep::Text { column, union, node } => {
                if read_branch(*union, reader)? {
                    let start = out.buffer.len();
                    out.text.value(self.schema, *node, reader, &mut out.buffer)?;
                    out.spans.push(CellSpan { column: *column, start, end: out.buffer.len(), in_datum: false });
                }
                Ok(())
            }
            FlattenStep::List { union, item, fields } => match read_branch(*union, reader)? {
                true => self.list(*item, fields, reader, out),
                false => Ok(()),
            },
        }
    }

    fn avro(
        &self,
        column: usize,
        node: NodeId,
        cell: &AvroCell,
        reader: &mut Reader<'_>,
        out: &mut CellBuffer,
    ) -> Result<(), Malformed> {
        let from = reader.position();
        self.skipper.skip(node, reader)?;
        let datum = reader.since(from);
        let start = out.buffer.len();
        out.buffer.extend_from_slice(&cell.prefix);
        match &cell.resolution {
            None => out.buffer.extend_from_slice(datum),
            Some(resolution) => {
                let error = |error: Malformed| Malformed { at: from + error.at, ..error };
                resolution.resolve(datum, &mut out.buffer).map_err(error)?;
            }
        }
        out.spans.push(CellSpan { column, start, end: out.buffer.len(), in_datum: false });
        Ok(())
    }

    /// Reads an array of records, each field into the text of its own column.
    fn list(
        &self,
        item: Option<Nullable>,
        fields: &[(usize, NodeId)],
        reader: &mut Reader<'_>,
        out: &mut CellBuffer,
    ) -> Result<(), Malformed> {
        out.text.begin(fields.len());
        let empty = item.is_none() && fields.iter().all(|(_, node)| self.schema.is_zero_sized(*node));
        loop {
            let count = reader.block(empty)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let is_present = read_branch(item, reader)?;
                for (at, (_, node)) in fields.iter().enumerate() {
                    match is_present {
                        true => out.text.item(at, self.schema, *node, reader)?,
                        false => out.text.null_item(at),
                    }
                }
            }
        }
        for (at, (column, _)) in fields.iter().enumerate() {
            let start = out.buffer.len();
            out.text.end(at, &mut out.buffer);
            out.spans.push(CellSpan { column: *column, start, end: out.buffer.len(), in_datum: false });
        }
        Ok(())
    }
}

/// Reads the branch of a union with null. Returns whether a value follows.
fn read_branch(union: Option<Nullable>, reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match union {
        Some(union) => Ok(reader.index(union.branches, "a union index without a branch")? == union.value),
        None => Ok(true),
    }
}

fn write_scalar(
    scalar: &ScalarKind,
    column: usize,
    reader: &mut Reader<'_>,
    out: &mut CellBuffer,
) -> Result<(), Malformed> {
    match scalar {
        ScalarKind::Boolean => out.copy(column, &[if reader.boolean()? { 0xff } else { 0 }]),
        ScalarKind::Int => out.copy(column, &reader.int()?.to_be_bytes()),
        ScalarKind::Long => out.copy(column, &reader.long()?.to_be_bytes()),
        ScalarKind::Float => out.copy(column, &u32::from_le_bytes(reader.array()?).to_be_bytes()),
        ScalarKind::Double => out.copy(column, &u64::from_le_bytes(reader.array()?).to_be_bytes()),
        ScalarKind::Bytes => {
            let len = reader.bytes()?.len();
            out.borrow(column, reader, len);
        }
        ScalarKind::Text => {
            let len = reader.text()?.len();
            out.borrow(column, reader, len);
        }
        ScalarKind::Fixed(size) => {
            reader.take(*size)?;
            out.borrow(column, reader, *size);
        }
        ScalarKind::Enum(symbols) => {
            let symbol = reader.symbol(symbols)?;
            out.copy(column, symbol.as_bytes());
        }
    }
    Ok(())
}

/// The cell of a null in a record, in the layout of 2019.
fn null_filler(scalar: &ScalarKind) -> &'static [u8] {
    match scalar {
        ScalarKind::Boolean => &[0xff],
        ScalarKind::Int | ScalarKind::Float => &[0; 4],
        ScalarKind::Long | ScalarKind::Double => &[0; 8],
        ScalarKind::Bytes | ScalarKind::Text | ScalarKind::Fixed(_) | ScalarKind::Enum(_) => &[],
    }
}
