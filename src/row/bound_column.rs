//! Where a catalog column stands in a row.

use std::borrow::Cow;

use super::{Columns, Row, key};
use crate::catalog::{Column, ColumnLocation, ColumnType};

/// A catalog column whose cells are not among those that are read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` is needed but is not read from the science database")]
pub struct ColumnNotRead {
    /// name in the catalog
    pub column: String,
}

/// A row key that has no value for a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyPartError {
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
}

/// A catalog column in the rows of a read: answers where its bytes are.
#[derive(Clone, Debug)]
pub(crate) enum BoundColumn {
    /// a cell
    Cell {
        /// slot in the columns of the read
        slot: usize,
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
            ColumnLocation::Cell { family, qualifier } => columns
                .slot(family.as_bytes(), qualifier.as_bytes(), &mut 0)
                .map(|slot| Self::Cell { slot })
                .ok_or_else(|| ColumnNotRead { column: column.name.clone() }),
        }
    }

    /// The bytes of the column as they are stored in `row`; `None` if it is null. A part of the key is text, whatever the column's type.
    ///
    /// # Errors
    /// The key has no such part.
    #[inline]
    pub fn stored<'a>(&self, row: &Row<'a>) -> Result<Option<&'a [u8]>, KeyPartError> {
        match self {
            Self::Cell { slot } => Ok(row.cell(*slot).map(|cell| cell.value)),
            Self::RowKey => Ok(Some(row.key)),
            Self::KeyPart { part, parts, .. } => match key::part(row.key, *part, *parts) {
                Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                None => Err(KeyPartError::Missing { parts: *parts }),
            },
        }
    }

    /// The bytes of the column in the encoding of its type; `None` if it is null. A number from a part of the key is written to `scratch`.
    ///
    /// # Errors
    /// The key has no such part, or the part is not of the column's type.
    #[inline]
    pub fn bytes<'a>(&self, row: &Row<'a>, scratch: &'a mut [u8; 8]) -> Result<Option<&'a [u8]>, KeyPartError> {
        match self {
            // Not through `stored`: this is called for every cell, and should be two loads.
            Self::Cell { slot } => Ok(row.cell(*slot).map(|cell| cell.value)),
            Self::RowKey => Ok(Some(row.key)),
            Self::KeyPart { kind, .. } => {
                let Some(text) = self.stored(row)? else { return Ok(None) };
                let cell = key::cell_from_text(kind, text, scratch).ok_or_else(|| KeyPartError::WrongType {
                    part: text.escape_ascii().to_string(),
                    kind: kind.name(),
                })?;
                Ok(Some(cell))
            }
        }
    }

    /// As [`bytes`](Self::bytes), without a buffer of the caller: a part of the key is copied.
    ///
    /// # Errors
    /// See [`bytes`](Self::bytes).
    pub fn value<'a>(&self, row: &Row<'a>) -> Result<Option<Cow<'a, [u8]>>, KeyPartError> {
        match self {
            Self::KeyPart { .. } => Ok(self.bytes(row, &mut [0; 8])?.map(|bytes| bytes.to_vec().into())),
            _ => Ok(self.stored(row)?.map(Cow::Borrowed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Rows;

    fn bind(location: ColumnLocation, kind: ColumnType, key_parts: usize) -> Result<BoundColumn, ColumnNotRead> {
        let columns = Columns::new(vec![("i".into(), "a".into()), ("i".into(), "b".into())]);
        BoundColumn::new(&Column::new("c", location, kind), key_parts, &columns)
    }

    fn bytes(column: &BoundColumn, key: &[u8]) -> Result<Option<Vec<u8>>, KeyPartError> {
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
        assert_eq!(bytes(&second, b"a"), Err(KeyPartError::Missing { parts: 2 }));
        assert!(bytes(&second, b"a_x").unwrap_err().to_string().contains("`x`"));
    }
}
