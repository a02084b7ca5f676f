//! Where a catalog column stands in a row.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Columns, Row, key};
use crate::catalog::{AvroCells, Column, ColumnLocation, ColumnType};

/// A catalog column whose cells are not among those that are read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` is needed but is not read from the science database")]
pub struct ColumnNotRead {
    /// name in the catalog
    pub column: String,
}

/// A row that has no value for a column where there should be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// the key ends before the part
    #[error("the row key has too few parts: {parts} are expected")]
    Missing {
        /// number of parts in a key
        parts: usize,
    },
    /// the text is not of the column's type
    #[error("the part `{part}` of the row key is not of type {kind}")]
    WrongType {
        /// the part; bytes other than printable ASCII are escaped
        part: String,
        /// type of the column in the catalog
        kind: &'static str,
    },
    /// the Avro datum in the cell cannot be read
    #[error("{0}")]
    Avro(String),
}

/// A catalog column in the rows of a read: answers where its bytes are.
#[derive(Clone, Debug)]
pub(crate) enum BoundColumn {
    /// a cell
    Cell {
        /// slot in the columns of the read
        slot: usize,
    },
    /// a cell with a number, which may have a narrower type
    Number {
        /// slot in the columns of the read
        slot: usize,
        /// type of the column
        kind: ColumnType,
        narrower: Vec<ColumnType>,
    },
    /// a cell with an Avro datum
    Avro {
        /// slot in the columns of the read
        slot: usize,
        /// as data of the column's schema
        cells: Arc<AvroCells>,
    },
    /// the whole row key, in the encoding of the column's type
    RowKey,
    /// a part of a row key of several columns, as text
    KeyPart {
        /// index of the part
        part: usize,
        /// number of parts in a key
        parts: usize,
        /// type of the column
        kind: ColumnType,
    },
}

impl BoundColumn {
    /// Binds `column` to the rows of a read of `columns`. `key_parts` is the number of columns in the table's row key.
    ///
    /// # Errors
    /// The column is a cell and is not in `columns`.
    pub fn new(column: &Column, key_parts: usize, columns: &Columns) -> Result<Self, ColumnNotRead> {
        match &column.location {
            ColumnLocation::RowKey { .. } if key_parts < 2 => Ok(Self::RowKey),
            ColumnLocation::RowKey { part } => {
                Ok(Self::KeyPart { part: *part, parts: key_parts, kind: column.kind.clone() })
            }
            ColumnLocation::Cell { family, qualifier } => {
                let slot = columns
                    .slot(family.as_bytes(), qualifier.as_bytes(), &mut 0)
                    .ok_or_else(|| ColumnNotRead { column: column.name.clone() })?;
                let cells = match &column.kind {
                    ColumnType::Avro(schema) => AvroCells::new(column, (schema, schema.root())).and_then(Result::ok),
                    _ => None,
                };
                Ok(match cells {
                    Some(cells) => Self::Avro { slot, cells: Arc::new(cells) },
                    None if column.narrower.is_empty() => Self::Cell { slot },
                    None => Self::Number { slot, kind: column.kind.clone(), narrower: column.narrower.clone() },
                })
            }
        }
    }

    /// The bytes of the column as they are stored in `row`; `None` if it is null. A part of the key is text, whatever the column's type; a
    /// number may have a narrower type.
    ///
    /// # Errors
    /// The key has no such part.
    #[inline]
    pub fn stored<'a>(&self, row: &Row<'a>) -> Result<Option<&'a [u8]>, ValueError> {
        match self {
            Self::Cell { slot } | Self::Number { slot, .. } | Self::Avro { slot, .. } => {
                Ok(row.cell(*slot).map(|cell| cell.value))
            }
            Self::RowKey => Ok(Some(row.key)),
            Self::KeyPart { part, parts, .. } => match key::part(row.key, *part, *parts) {
                Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                None => Err(ValueError::Missing { parts: *parts }),
            },
        }
    }

    /// The bytes of the column in the encoding of its type; `None` if it is null. A number from a part of the key, or of a narrower type, is
    /// written to `scratch`. An Avro cell is as it is stored, under any of the column's schemas.
    ///
    /// # Errors
    /// The key has no such part, or the part is not of the column's type.
    #[inline]
    pub fn bytes<'a>(&self, row: &Row<'a>, scratch: &'a mut [u8; 8]) -> Result<Option<&'a [u8]>, ValueError> {
        match self {
            // Not through `stored`: this is called for every cell, and should be two loads.
            Self::Cell { slot } | Self::Avro { slot, .. } => Ok(row.cell(*slot).map(|cell| cell.value)),
            Self::RowKey => Ok(Some(row.key)),
            Self::Number { slot, kind, narrower } => {
                let cell = row.cell(*slot).map(|cell| cell.value);
                Ok(cell.map(|cell| widen(kind, narrower, cell, scratch)))
            }
            Self::KeyPart { kind, .. } => {
                let Some(text) = self.stored(row)? else { return Ok(None) };
                let cell = key::cell_from_text(kind, text, scratch).ok_or_else(|| ValueError::WrongType {
                    part: text.escape_ascii().to_string(),
                    kind: kind.name(),
                })?;
                Ok(Some(cell))
            }
        }
    }

    /// As [`bytes`](Self::bytes), without a buffer of the caller: a part of the key is copied. The value of an Avro cell is a datum of the
    /// column's schema.
    ///
    /// # Errors
    /// See [`bytes`](Self::bytes).
    pub fn value<'a>(&self, row: &Row<'a>) -> Result<Option<Cow<'a, [u8]>>, ValueError> {
        match self {
            Self::KeyPart { .. } | Self::Number { .. } => {
                Ok(self.bytes(row, &mut [0; 8])?.map(|bytes| bytes.to_vec().into()))
            }
            Self::Avro { slot, cells } => {
                row.cell(*slot).map(|cell| cells.datum(cell.value)).transpose().map_err(ValueError::Avro)
            }
            _ => Ok(self.stored(row)?.map(Cow::Borrowed)),
        }
    }
}

/// A number as one of type `kind`; a cell with the width of none of the types is returned as it is.
fn widen<'a>(kind: &ColumnType, narrower: &[ColumnType], cell: &'a [u8], scratch: &'a mut [u8; 8]) -> &'a [u8] {
    if kind.width() == Some(cell.len()) {
        return cell;
    }
    let Some(from) = narrower.iter().find(|kind| kind.width() == Some(cell.len())) else { return cell };
    let integer = match *cell {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_be_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => return cell,
    };
    let float = match (from, cell) {
        (ColumnType::Float, &[a, b, c, d]) => f64::from(f32::from_be_bytes([a, b, c, d])),
        _ => integer as f64,
    };
    let mut copy = |bytes: &[u8]| scratch[..bytes.len()].copy_from_slice(bytes);
    let width = match kind {
        ColumnType::Short => (copy(&(integer as i16).to_be_bytes()), 2).1,
        ColumnType::Int => (copy(&(integer as i32).to_be_bytes()), 4).1,
        ColumnType::Long => (copy(&integer.to_be_bytes()), 8).1,
        ColumnType::Float => (copy(&(integer as f32).to_be_bytes()), 4).1,
        ColumnType::Double => (copy(&float.to_be_bytes()), 8).1,
        _ => return cell,
    };
    &scratch[..width]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Rows;

    fn bind(location: ColumnLocation, kind: ColumnType, key_parts: usize) -> Result<BoundColumn, ColumnNotRead> {
        let columns = Columns::new(vec![("i".into(), "a".into()), ("i".into(), "b".into())]);
        BoundColumn::new(&Column::new("c", location, kind), key_parts, &columns)
    }

    fn bytes(column: &BoundColumn, key: &[u8]) -> Result<Option<Vec<u8>>, ValueError> {
        let mut rows = Rows::default();
        let mut page = rows.refill(2);
        page.row(key);
        page.cell(1, b"cell", 1);
        let mut scratch = [0; 8];
        let found = column.bytes(&rows.row(0), &mut scratch)?.map(<[u8]>::to_vec);
        assert_eq!(column.value(&rows.row(0))?.map(Cow::into_owned), found);
        Ok(found)
    }

    #[test]
    fn numbers_of_narrower_types_are_widened() {
        let location = || ColumnLocation::Cell { family: "i".into(), qualifier: "b".into() };
        let read = |kind: ColumnType, narrower: &[ColumnType], cell: &[u8]| {
            let mut column = Column::new("c", location(), kind);
            column.narrower = narrower.to_vec();
            let bound = BoundColumn::new(&column, 1, &Columns::new(vec![("i".into(), "b".into())])).unwrap();
            let mut rows = Rows::default();
            let mut page = rows.refill(1);
            page.row(b"k");
            page.cell(0, cell, 1);
            let mut scratch = [0; 8];
            let found = bound.bytes(&rows.row(0), &mut scratch).unwrap().map(<[u8]>::to_vec);
            assert_eq!(bound.value(&rows.row(0)).unwrap().map(Cow::into_owned), found);
            found.unwrap()
        };
        let narrower = [ColumnType::Int, ColumnType::Short];
        assert_eq!(read(ColumnType::Long, &narrower, &(-7i32).to_be_bytes()), (-7i64).to_be_bytes());
        assert_eq!(read(ColumnType::Long, &narrower, &(-7i16).to_be_bytes()), (-7i64).to_be_bytes());
        assert_eq!(read(ColumnType::Long, &narrower, &i64::MIN.to_be_bytes()), i64::MIN.to_be_bytes());
        assert_eq!(read(ColumnType::Double, &[ColumnType::Float], &1.5f32.to_be_bytes()), 1.5f64.to_be_bytes());
        assert_eq!(read(ColumnType::Double, &[ColumnType::Int], &3i32.to_be_bytes()), 3f64.to_be_bytes());
        assert_eq!(read(ColumnType::Float, &[ColumnType::Long], &3i64.to_be_bytes()), 3f32.to_be_bytes());
        assert_eq!(read(ColumnType::Long, &narrower, b"abc"), b"abc");
    }

    #[test]
    fn column_is_found_in_a_cell_the_key_or_a_part_of_it() {
        let cell = |qualifier: &str| ColumnLocation::Cell { family: "i".into(), qualifier: qualifier.into() };
        let part = |part| ColumnLocation::RowKey { part };
        assert_eq!(bytes(&bind(cell("b"), ColumnType::String, 1).unwrap(), b"k"), Ok(Some(b"cell".to_vec())));
        assert_eq!(bytes(&bind(cell("a"), ColumnType::String, 1).unwrap(), b"k"), Ok(None));
        assert_eq!(bind(cell("x"), ColumnType::String, 1).unwrap_err(), ColumnNotRead { column: "c".into() });
        assert_eq!(bytes(&bind(part(0), ColumnType::String, 1).unwrap(), b"a_b"), Ok(Some(b"a_b".to_vec())));
        let second = bind(part(1), ColumnType::Short, 2).unwrap();
        assert_eq!(bytes(&second, b"a_-2"), Ok(Some(vec![0xff, 0xfe])));
        assert_eq!(bytes(&second, b"a_"), Ok(None));
        assert_eq!(bytes(&second, b"a"), Err(ValueError::Missing { parts: 2 }));
        assert!(bytes(&second, b"a_x").unwrap_err().to_string().contains("`x`"));
    }
}
