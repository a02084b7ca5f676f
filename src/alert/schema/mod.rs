//! The schema of a stream's alerts.
//!
//! It is either derived from the catalog, as in 2019: a root record `topLevelRecord`, each column `[T, "null"]`, the columns of a record
//! regrouped into it. Or it is the telescope's own (`.avsc`), with its nesting, nullability and lists. Both can be limited to a selection of
//! columns, as rules do.
//!
//! Documentation is dropped: the schema is the key of every message, and ZTF's has 22 kB with it and 9 kB without. Names, types, defaults,
//! aliases and logical types are kept.

mod derive;
mod error;
mod prune;
mod unsent;

use std::path::Path;

pub use error::StreamSchemaError;
pub(crate) use unsent::unsent_fields;

use crate::avro::Schema;
use crate::catalog::Catalog;

/// Reads a schema file (`.avsc`).
///
/// # Errors
/// The file cannot be read or is not an Avro schema. The error names the file and the position in it.
pub fn load(path: &Path) -> Result<Schema, StreamSchemaError> {
    let error = |reason| StreamSchemaError::File { file: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|e| error(format!("cannot read it: {e}")))?;
    Schema::parse(&text).map_err(|e| error(e.to_string()))
}

/// The schema of a stream: the telescope's if given, else one derived from the catalog, limited to the fields that the columns `selected`
/// (indexes in the catalog's columns) fill. Without a selection, a derived schema has all columns except the status.
///
/// # Errors
/// The name of a column is not an Avro name, or no field remains.
pub fn stream_schema(
    catalog: &Catalog,
    telescope: Option<&Schema>,
    selected: Option<&[usize]>,
) -> Result<Schema, StreamSchemaError> {
    match (telescope, selected) {
        (Some(schema), None) => Ok(schema.clone()),
        (Some(schema), Some(selected)) => prune::prune(schema, catalog, selected),
        (None, selected) => derive::derive(catalog, selected),
    }
}

#[cfg(test)]
mod tests;
