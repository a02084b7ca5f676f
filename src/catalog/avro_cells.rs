//! The Avro cells of a column, which may be written under several schemas.
//!
//! A cell begins with the marker and the fingerprint of Avro's single-object encoding, which name the schema that it is written under. A cell
//! without them, as older versions wrote, is written under the first schema of the column.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Column, ColumnType};
use crate::avro::{NodeId, Resolution, SINGLE_OBJECT, Schema};

/// The bytes before the datum in a cell.
pub(crate) type CellPrefix = [u8; 10];

/// The prefix of cells that are written under `schema`.
pub(crate) fn cell_prefix(schema: &Schema) -> CellPrefix {
    let mut prefix = [0; 10];
    prefix[..2].copy_from_slice(&SINGLE_OBJECT);
    prefix[2..].copy_from_slice(&schema.fingerprint().to_le_bytes());
    prefix
}

/// Cells that are written under one schema.
#[derive(Debug)]
struct Version {
    prefix: CellPrefix,
    /// why the cells cannot be read otherwise
    resolution: Result<Resolution, String>,
}

/// Reads the cells of a column as data of one type.
#[derive(Debug)]
pub(crate) struct AvroCells {
    /// in the order of the column's schemas
    versions: Vec<Version>,
}

impl AvroCells {
    /// The cells of a column as data of a node of a schema; `None` if the column has no Avro cells.
    ///
    /// # Errors
    /// The cells cannot be read under any of the column's schemas.
    pub fn new(column: &Column, read: (&Schema, NodeId)) -> Option<Result<Self, String>> {
        let schemas = column.written_schemas()?;
        let version = |schema: &Arc<Schema>| Version {
            prefix: cell_prefix(schema),
            resolution: Resolution::new((schema, schema.root()), read).map_err(|error| error.to_string()),
        };
        let versions: Vec<Version> = schemas.iter().map(version).collect();
        let readable = versions.iter().any(|version| version.resolution.is_ok());
        let last_error = versions.iter().rev().find_map(|version| version.resolution.as_ref().err().cloned());
        Some(match last_error.filter(|_| !readable) {
            Some(error) => Err(error),
            None => Ok(Self { versions }),
        })
    }

    /// The schemas, counted from 1, whose cells cannot be read, and why.
    pub fn refused(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.versions.iter().enumerate();
        numbered.filter_map(|(at, version)| Some((at + 1, version.resolution.as_ref().err()?.as_str())))
    }

    /// Appends the datum of a cell. On an error, `out` may hold a part of it.
    ///
    /// # Errors
    /// The cell is damaged, or is written under a schema that is not the column's or cannot be read.
    pub fn read(&self, cell: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let (resolution, datum) = self.version_of(cell)?;
        resolution.resolve(datum, out).map_err(|error| damaged(cell, datum, &error))
    }

    /// The datum of a cell. One that needs no conversion is borrowed, and is not checked.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub fn datum<'a>(&self, cell: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let (resolution, datum) = self.version_of(cell)?;
        if resolution.is_identity() {
            return Ok(Cow::Borrowed(datum));
        }
        let mut out = Vec::new();
        resolution.resolve(datum, &mut out).map_err(|error| damaged(cell, datum, &error))?;
        Ok(Cow::Owned(out))
    }

    #[inline]
    fn version_of<'a>(&self, cell: &'a [u8]) -> Result<(&Resolution, &'a [u8]), String> {
        // The newest schema is the last, and most cells are written under it.
        let prefixed = |version: &&Version| cell.starts_with(&version.prefix);
        let (version, datum) = match self.versions.iter().rev().find(prefixed) {
            Some(version) => (Some(version), &cell[version.prefix.len()..]),
            None => (self.versions.first(), cell),
        };
        match version.map(|version| &version.resolution) {
            Some(Ok(resolution)) => Ok((resolution, datum)),
            Some(Err(reason)) => Err(format!("the Avro datum in the cell is written under an older schema: {reason}")),
            None => Err("the column has no schema".to_owned()),
        }
    }
}

/// The error of a datum that is not one of its schema.
fn damaged(cell: &[u8], datum: &[u8], error: &dyn std::fmt::Display) -> String {
    match cell.strip_prefix(&SINGLE_OBJECT).and_then(|rest| rest.first_chunk()) {
        // A cell without prefix may begin in the same way, so it was tried.
        Some(fingerprint) if datum.len() == cell.len() => format!(
            "the Avro datum in the cell is written under a schema that the catalog does not have (fingerprint {:016x}): restart with the catalog of the `fink ingest` that wrote it",
            u64::from_le_bytes(*fingerprint)
        ),
        _ => format!("the Avro datum in the cell is damaged: {error}"),
    }
}

impl Column {
    /// The schemas that the column's Avro cells are written under, oldest first; `None` if it has no Avro cells.
    pub(crate) fn written_schemas(&self) -> Option<&[Arc<Schema>]> {
        match (&self.kind, self.written.as_slice()) {
            (ColumnType::Avro(only), []) => Some(std::slice::from_ref(only)),
            (ColumnType::Avro(_), several) => Some(several),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Arc<Schema> {
        Arc::new(Schema::parse(text).unwrap())
    }

    #[test]
    fn cells_say_which_schema_they_are_written_under() {
        let (old, new) =
            (schema(r#"{"type":"array","items":"int"}"#), schema(r#"{"type":"array","items":["null","long"]}"#));
        let mut column = Column::cell("i", "c", ColumnType::Avro(Arc::clone(&new)));
        column.written = vec![Arc::clone(&old), Arc::clone(&new)];
        let cells = AvroCells::new(&column, (&new, new.root())).unwrap().unwrap();
        let read = |cell: &[u8]| {
            let mut out = Vec::new();
            let datum = cells.read(cell, &mut out).map(|()| out);
            assert_eq!(cells.datum(cell).is_ok(), datum.is_ok());
            datum
        };
        let prefixed = |schema: &Schema, datum: &[u8]| [&cell_prefix(schema)[..], datum].concat();
        assert_eq!(read(&[2, 14, 0]), Ok(vec![2, 2, 14, 0]));
        assert_eq!(read(&prefixed(&old, &[2, 14, 0])), Ok(vec![2, 2, 14, 0]));
        assert_eq!(read(&prefixed(&new, &[2, 2, 14, 0])), Ok(vec![2, 2, 14, 0]));
        assert!(matches!(cells.datum(&prefixed(&new, &[0])), Ok(Cow::Borrowed([0]))));
        let other = schema(r#"{"type":"map","values":"int"}"#);
        let error = read(&prefixed(&other, &[2, 14, 0])).unwrap_err();
        assert!(error.contains("a schema that the catalog does not have") && error.contains("restart"), "{error}");
        assert!(read(&[2]).unwrap_err().contains("damaged"));
        assert!(read(&prefixed(&old, &[2, 14, 0, 0])).unwrap_err().contains("damaged"));
        // 98 items and their size in bytes: an array may begin like a prefix.
        let mut array = vec![0xc3, 0x01, 0xc4, 0x01];
        array.extend([14; 98]);
        array.push(0);
        assert!(read(&array).is_ok());
    }
}
