//! The encoder: a plan bound to the columns of a read.

use super::cell::{CellError, OnNull};
use super::plan::{Op, Plan};
use crate::row::{BoundColumn, ColumnNotRead, Columns, Row};

/// Why a row cannot be encoded as an alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("row `{row_key}`, column `{column}`: {reason}")]
    Cell {
        /// bytes other than printable ASCII are escaped
        row_key: String,
        column: String,
        reason: String,
    },
    #[error("row `{row_key}` has {found} columns, but the encoder is bound to {expected}")]
    Width {
        /// bytes other than printable ASCII are escaped
        row_key: String,
        found: usize,
        expected: usize,
    },
}

/// Encodes rows as Avro data. Each thread has its own.
#[derive(Clone, Debug)]
pub struct Encoder {
    plan: Plan,
    /// the columns of the plan
    columns: Vec<BoundColumn>,
    /// number of slots in a row
    width: usize,
}

impl Plan {
    /// The encoder for rows that are read with `columns`.
    ///
    /// # Errors
    /// A column of the plan is not in `columns`.
    pub fn encoder(&self, columns: &Columns) -> Result<Encoder, ColumnNotRead> {
        let bound = self.columns.iter().map(|source| BoundColumn::new(&source.column, self.key_parts, columns));
        Ok(Encoder { columns: bound.collect::<Result<_, _>>()?, plan: self.clone(), width: columns.len() })
    }
}

impl Encoder {
    /// Appends the row as an Avro datum. On an error, `out` is unchanged.
    ///
    /// # Errors
    /// A cell has the wrong width, is not UTF-8, is a damaged Avro datum, or is missing although the schema requires a value.
    pub fn encode(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let row_key = || row.key.escape_ascii().to_string();
        if row.width() != self.width {
            return Err(EncodeError::Width { row_key: row_key(), found: row.width(), expected: self.width });
        }
        let start = out.len();
        self.run(&self.plan.ops, row, out).map_err(|CellError { source, reason }| {
            out.truncate(start);
            EncodeError::Cell { row_key: row_key(), column: self.plan.columns[source].column.name.clone(), reason }
        })
    }

    fn run(&self, ops: &[Op], row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), CellError> {
        ops.iter().try_for_each(|op| self.run_op(op, row, out))
    }

    fn run_op(&self, op: &Op, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), CellError> {
        match op {
            Op::Constant(bytes) => out.extend_from_slice(bytes),
            Op::Cell { source, branch, conversion, on_null } => {
                let mut scratch = [0; 8];
                match self.bytes(*source, row, &mut scratch)? {
                    Some(cell) => {
                        self.check_width(*source, cell)?;
                        out.extend_from_slice(branch);
                        conversion.encode(cell, out).map_err(|reason| CellError::new(*source, reason))?;
                    }
                    None => match on_null {
                        OnNull::Write(bytes) => out.extend_from_slice(bytes),
                        OnNull::Fail => return Err(CellError::missing(*source)),
                    },
                }
            }
            Op::Record { sources, branch, null, ops } => match null {
                Some(null) if !self.has_any(sources, row)? => out.extend_from_slice(null),
                _ => {
                    out.extend_from_slice(branch);
                    self.run(ops, row, out)?;
                }
            },
            Op::List(list) => list.encode(|source| self.text(source, row), out)?,
        }
        Ok(())
    }

    fn has_any(&self, sources: &[usize], row: &Row<'_>) -> Result<bool, CellError> {
        for source in sources {
            if self.bytes(*source, row, &mut [0; 8])?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn check_width(&self, source: usize, cell: &[u8]) -> Result<(), CellError> {
        match self.plan.columns[source].column.kind.width() {
            Some(width) if width != cell.len() => {
                Err(CellError::new(source, format!("the cell has {} bytes, not {width}", cell.len())))
            }
            _ => Ok(()),
        }
    }

    /// The bytes of a column in the encoding of its type.
    #[inline]
    fn bytes<'a>(&self, source: usize, row: &Row<'a>, scratch: &'a mut [u8; 8]) -> Result<Option<&'a [u8]>, CellError> {
        self.columns[source].bytes(row, scratch).map_err(|error| CellError::new(source, error.to_string()))
    }

    fn text<'a>(&self, source: usize, row: &Row<'a>) -> Result<Option<&'a str>, CellError> {
        let stored = self.columns[source].stored(row).map_err(|error| CellError::new(source, error.to_string()))?;
        let text = stored.map(std::str::from_utf8).transpose();
        text.map_err(|_| CellError::new(source, "the text is not UTF-8"))
    }
}
