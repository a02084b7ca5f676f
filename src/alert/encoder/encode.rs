//! A plan bound to the columns of a scan: the encoder.

use super::plan::{OnMissing, Op, Plan, PlanColumn, PlanError};
use crate::catalog::{ColumnLocation, ColumnType};
use crate::science_db::{Columns, Row};

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

/// Where a source is found in a row.
#[derive(Clone, Copy, Debug)]
enum CellSource {
    Slot(usize),
    Key(usize),
}

/// Makes alerts of rows; each thread has its own.
#[derive(Clone, Debug)]
pub struct Encoder {
    plan: Plan,
    places: Vec<CellSource>,
    width: usize,
}

/// What is wrong with the source of this index.
pub(super) type CellFault = (usize, String);

impl Plan {
    /// The encoder for rows read with `columns`.
    ///
    /// # Errors
    /// A column that the plan needs is not among them.
    pub fn encoder(&self, columns: &Columns) -> Result<Encoder, PlanError> {
        let place = |source: &PlanColumn| match &source.location {
            ColumnLocation::RowKey { part } => Ok(CellSource::Key(*part)),
            ColumnLocation::Cell { family, qualifier } => columns
                .slot(family.as_bytes(), qualifier.as_bytes(), &mut 0)
                .map(CellSource::Slot)
                .ok_or_else(|| PlanError::NotRead(source.name.clone())),
        };
        let places = self.sources.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Encoder { plan: self.clone(), places, width: columns.len() })
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
            let column = self.plan.sources.get(source).map_or_else(String::new, |source| source.name.clone());
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
        let wanted = self.plan.sources.get(source).and_then(|source| source.kind.width());
        match wanted {
            Some(wanted) if wanted != cell.len() => {
                Err((source, format!("the cell has {} bytes, not {wanted}", cell.len())))
            }
            _ => Ok(()),
        }
    }

    /// A source's bytes in the encoding of its column.
    fn bytes<'a>(&self, source: usize, row: &Row<'a>, scratch: &'a mut [u8; 8]) -> Result<Option<&'a [u8]>, CellFault> {
        match self.places.get(source) {
            Some(CellSource::Slot(slot)) => Ok(row.cell(*slot).map(|cell| cell.value)),
            Some(CellSource::Key(_)) if self.plan.parts < 2 => Ok(Some(row.key)),
            Some(CellSource::Key(part)) => {
                let part = row.key.splitn(self.plan.parts, |byte| *byte == b'_').nth(*part);
                let part = part.ok_or_else(|| (source, "the row key has too few parts".to_owned()))?;
                let kind = self.plan.sources.get(source).map(|source| &source.kind);
                match (part.is_empty(), kind) {
                    (true, _) | (_, None) => Ok(None),
                    (false, Some(kind)) => number(kind, part, scratch).map(Some).ok_or_else(|| {
                        (source, format!("the part `{}` of the row key is no {}", part.escape_ascii(), kind.name()))
                    }),
                }
            }
            None => Ok(None),
        }
    }

    fn text<'a>(&self, source: usize, row: &Row<'a>) -> Result<Option<&'a str>, CellFault> {
        let Some(CellSource::Slot(slot)) = self.places.get(source) else { return Ok(None) };
        let Some(cell) = row.cell(*slot) else { return Ok(None) };
        std::str::from_utf8(cell.value).map(Some).map_err(|_| (source, "the text is not UTF-8".to_owned()))
    }
}

pub(super) const NO_CELL: &str = "the row has no cell there, and the schema wants a value";

/// A part of a key, which is text, in the encoding of its column.
fn number<'a>(kind: &ColumnType, part: &'a [u8], scratch: &'a mut [u8; 8]) -> Option<&'a [u8]> {
    let text = std::str::from_utf8(part).ok()?;
    let mut keep = |bytes: &[u8]| {
        scratch.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(bytes.len())
    };
    let len = match kind {
        ColumnType::Byte => keep(&text.parse::<i8>().ok()?.to_be_bytes()),
        ColumnType::Short => keep(&text.parse::<i16>().ok()?.to_be_bytes()),
        ColumnType::Int => keep(&text.parse::<i32>().ok()?.to_be_bytes()),
        ColumnType::Long => keep(&text.parse::<i64>().ok()?.to_be_bytes()),
        ColumnType::Float => keep(&text.parse::<f32>().ok()?.to_be_bytes()),
        ColumnType::Double => keep(&text.parse::<f64>().ok()?.to_be_bytes()),
        _ => return Some(part),
    }?;
    scratch.get(..len)
}
