//! One alert's datum into cells, in one pass.

use std::sync::Arc;

use super::row_key::RowKey;
use super::spark_text::TextWriter;
use super::steps::{FlattenStep, Nullable, OnNull, ScalarKind};
use super::{Layout, NEW_STATUS};
use crate::avro::{Malformed, NodeId, Reader, Schema, Skipper};

/// Why an alert cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlattenError {
    /// the bytes are no datum of the schema
    #[error("the alert is damaged: {0}")]
    Malformed(#[from] Malformed),
    /// a key cannot be made
    #[error("{0}")]
    RowKey(String),
}

#[derive(Clone, Copy, Debug)]
struct Span {
    column: usize,
    start: usize,
    end: usize,
    in_datum: bool,
}

/// Turns alerts into cells; its buffers are used again for each.
#[derive(Clone, Debug)]
pub struct Flattener {
    schema: Arc<Schema>,
    steps: Arc<[FlattenStep]>,
    skipper: Skipper,
    row_key: RowKey,
    status: Option<usize>,
    out: Output,
    key: Vec<u8>,
}

/// An alert's cells: slices of the alert or of the flattener's buffer.
#[derive(Clone, Copy, Debug)]
pub struct FlatAlert<'a> {
    key: &'a [u8],
    in_key: Option<usize>,
    datum: &'a [u8],
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> FlatAlert<'a> {
    /// The row key.
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The cells as (index in the catalog's columns, bytes); a column that the key holds has none.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
        let cells = *self;
        self.spans
            .iter()
            .filter(move |span| Some(span.column) != cells.in_key)
            .map(move |span| (span.column, cells.bytes(span)))
    }

    fn bytes(&self, span: &Span) -> &'a [u8] {
        let from = if span.in_datum { self.datum } else { self.buffer };
        from.get(span.start..span.end).unwrap_or_default()
    }
}

impl Flattener {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            schema: Arc::clone(&layout.schema),
            steps: Arc::clone(&layout.steps),
            skipper: Skipper::new(&layout.schema),
            row_key: layout.row_key.clone(),
            status: layout.status,
            out: Output::default(),
            key: Vec::new(),
        }
    }

    /// The cells of one alert, a datum in the layout's schema.
    ///
    /// # Errors
    /// The datum is damaged, or its row key is null.
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
        let look = cells(&[]);
        let cell = |column| look.spans.iter().find(|span| span.column == column).map(|span| look.bytes(span));
        self.row_key.write(cell, &mut self.key).map_err(FlattenError::RowKey)?;
        Ok(cells(&self.key))
    }
}

#[derive(Clone, Debug, Default)]
struct Output {
    spans: Vec<Span>,
    buffer: Vec<u8>,
    text: TextWriter,
}

impl Output {
    fn copy(&mut self, column: usize, bytes: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        self.spans.push(Span { column, start, end: self.buffer.len(), in_datum: false });
    }

    /// A cell that is the `len` bytes before the reader's position.
    fn borrow(&mut self, column: usize, reader: &Reader<'_>, len: usize) {
        let end = reader.position();
        self.spans.push(Span { column, start: end - len, end, in_datum: true });
    }
}

struct Walk<'a> {
    schema: &'a Schema,
    skipper: &'a Skipper,
}

impl Walk<'_> {
    fn steps(&self, steps: &[FlattenStep], reader: &mut Reader<'_>, out: &mut Output) -> Result<(), Malformed> {
        steps.iter().try_for_each(|step| self.step(step, reader, out))
    }

    fn step(&self, step: &FlattenStep, reader: &mut Reader<'_>, out: &mut Output) -> Result<(), Malformed> {
        match step {
            FlattenStep::Nothing(node) => self.skipper.skip(*node, reader),
            FlattenStep::Scalar { column, union, scalar, on_null } => match (present(*union, reader)?, on_null) {
                (true, _) => put_scalar(scalar, *column, reader, out),
                (false, OnNull::NoCell) => Ok(()),
                (false, OnNull::Fill) => {
                    out.copy(*column, filling(scalar));
                    Ok(())
                }
            },
            FlattenStep::Avro { column, union, node } => match present(*union, reader)? {
                true => self.avro(*column, *node, reader, out),
                false => Ok(()),
            },
            FlattenStep::AvroUnion { column, null, node, branches } => {
                let mut ahead = *reader;
                let branch = ahead.index(*branches, "a union index without a branch")?;
                match Some(branch) == *null {
                    true => self.skipper.skip(*node, reader),
                    false => self.avro(*column, *node, reader, out),
                }
            }
            FlattenStep::Record { union, steps, marker } => {
                if !present(*union, reader)? {
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
                if present(*union, reader)? {
                    let start = out.buffer.len();
                    out.text.value(self.schema, *node, reader, &mut out.buffer)?;
                    out.spans.push(Span { column: *column, start, end: out.buffer.len(), in_datum: false });
                }
                Ok(())
            }
            FlattenStep::List { union, item, fields } => match present(*union, reader)? {
                true => self.list(*item, fields, reader, out),
                false => Ok(()),
            },
        }
    }

    fn avro(&self, column: usize, node: NodeId, reader: &mut Reader<'_>, out: &mut Output) -> Result<(), Malformed> {
        let start = reader.position();
        self.skipper.skip(node, reader)?;
        out.borrow(column, reader, reader.position() - start);
        Ok(())
    }

    /// Reads an array of records item by item, each field into the text of its own column.
    fn list(
        &self,
        item: Option<Nullable>,
        fields: &[(usize, NodeId)],
        reader: &mut Reader<'_>,
        out: &mut Output,
    ) -> Result<(), Malformed> {
        out.text.begin(fields.len());
        let empty = item.is_none() && fields.iter().all(|(_, node)| self.schema.is_zero_sized(*node));
        loop {
            let count = reader.block(empty)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let there = present(item, reader)?;
                for (at, (_, node)) in fields.iter().enumerate() {
                    match there {
                        true => out.text.item(at, self.schema, *node, reader)?,
                        false => out.text.null_item(at),
                    }
                }
            }
        }
        for (at, (column, _)) in fields.iter().enumerate() {
            let start = out.buffer.len();
            out.text.end(at, &mut out.buffer);
            out.spans.push(Span { column: *column, start, end: out.buffer.len(), in_datum: false });
        }
        Ok(())
    }
}

/// Reads the branch of a union with null, and says whether a value follows.
pub(super) fn present(union: Option<Nullable>, reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match union {
        Some(union) => Ok(reader.index(union.branches, "a union index without a branch")? == union.value),
        None => Ok(true),
    }
}

fn put_scalar(scalar: &ScalarKind, column: usize, reader: &mut Reader<'_>, out: &mut Output) -> Result<(), Malformed> {
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
            let at = reader.index(symbols.len(), "an enum index without a symbol")?;
            out.copy(column, symbols.get(at).map_or(&[], |symbol| symbol.as_bytes()));
        }
    }
    Ok(())
}

/// What 2019's writer put in place of a null within a record.
fn filling(scalar: &ScalarKind) -> &'static [u8] {
    match scalar {
        ScalarKind::Boolean => &[0xff],
        ScalarKind::Int | ScalarKind::Float => &[0; 4],
        ScalarKind::Long | ScalarKind::Double => &[0; 8],
        ScalarKind::Bytes | ScalarKind::Text | ScalarKind::Fixed(_) | ScalarKind::Enum(_) => &[],
    }
}
