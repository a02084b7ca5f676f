//! A plan bound to the columns of a scan: the encoder.

use super::plan::{OnMissing, Op, Plan};
use crate::row::{BoundColumn, ColumnNotRead, Columns, Row};

/// Why a row cannot be an alert of the schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row `{row_key}`, column `{column}`: {reason}")]
pub struct EncodeError {
    /// the row's key; bytes that are not printable as `\xNN`
    pub row_key: String,
    /// the column
    pub column: String,
    /// what is wrong
    pub reason: String,
}

/// Makes alerts of rows; each thread has its own.
#[derive(Clone, Debug)]
pub struct Encoder {
    plan: Plan,
    sources: Vec<BoundColumn>,
    width: usize,
}

/// What is wrong with the source of this index.
pub(super) type CellFault = (usize, String);

impl Plan {
    /// The encoder for rows read with `columns`.
    ///
    /// # Errors
    /// A column that the plan needs is not among them.
    pub fn encoder(&self, columns: &Columns) -> Result<Encoder, ColumnNotRead> {
        let sources = self.sources.iter().map(|source| BoundColumn::new(&source.column, self.key_parts, columns));
        Ok(Encoder { plan: self.clone(), sources: sources.collect::<Result<_, _>>()?, width: columns.len() })
    }
}

impl Encoder {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Appends the row as a datum; on an error `out` is left as it was.
    ///
    /// # Errors
    /// A cell of a wrong width, text that is not UTF-8, a damaged Avro datum, no cell where the schema wants a value: row key, column and
    /// what is wrong are named.
    pub fn encode(&mut self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let written = match row.width() == self.width {
            true => self.ops(&self.plan.ops, row, out),
            false => {
                Err((usize::MAX, format!("the row has {} columns, not the {} asked for", row.width(), self.width)))
            }
        };
        written.map_err(|(source, reason)| {
            out.truncate(start);
            let column = self.plan.sources.get(source).map_or_else(String::new, |source| source.column.name.clone());
            EncodeError { row_key: row.key.escape_ascii().to_string(), column, reason }
        })
    }

    fn ops(&self, ops: &[Op], row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), CellFault> {
        ops.iter().try_for_each(|op| self.op(op, row, out))
    }

    fn op(&self, op: &Op, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), CellFault> {
        match op {
            Op::Constant(bytes) => out.extend_from_slice(bytes),
            Op::Cell { source, before, write, absent } => {
                let mut scratch = [0; 8];
                match self.bytes(*source, row, &mut scratch)? {
                    Some(cell) => {
                        self.check_width(*source, cell)?;
                        out.extend_from_slice(before);
                        write.put(cell, out).map_err(|reason| (*source, reason))?;
                    }
                    None => match absent {
                        OnMissing::Write(bytes) => out.extend_from_slice(bytes),
                        OnMissing::Fail => return Err((*source, NO_CELL.into())),
                    },
                }
            }
            Op::Record { sources, before, null, ops } => match null {
                Some(null) if !self.any(sources, row)? => out.extend_from_slice(null),
                _ => {
                    out.extend_from_slice(before);
                    self.ops(ops, row, out)?;
                }
            },
            Op::List(list) => list.put(|source| self.text(source, row), out)?,
        }
        Ok(())
    }

    fn any(&self, sources: &[usize], row: &Row<'_>) -> Result<bool, CellFault> {
        for source in sources {
            if self.bytes(*source, row, &mut [0; 8])?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn check_width(&self, source: usize, cell: &[u8]) -> Result<(), CellFault> {
        let wanted = self.plan.sources.get(source).and_then(|source| source.column.kind.width());
        match wanted {
            Some(wanted) if wanted != cell.len() => {
                Err((source, format!("the cell has {} bytes, not {wanted}", cell.len())))
            }
            _ => Ok(()),
        }
    }

    /// The bytes of a source in the encoding of its column.
    #[inline]
    fn bytes<'a>(&self, source: usize, row: &Row<'a>, scratch: &'a mut [u8; 8]) -> Result<Option<&'a [u8]>, CellFault> {
        self.sources[source].bytes(row, scratch).map_err(|error| (source, error.to_string()))
    }

    fn text<'a>(&self, source: usize, row: &Row<'a>) -> Result<Option<&'a str>, CellFault> {
        let stored = self.sources[source].stored(row).map_err(|error| (source, error.to_string()))?;
        let text = stored.map(std::str::from_utf8).transpose();
        text.map_err(|_| (source, "the text is not UTF-8".to_owned()))
    }
}

pub(super) const NO_CELL: &str = "the row has no cell there, and the schema wants a value";
