//! The schema of the alerts that are sent.
//!
//! Either it is derived from the catalog, in the shape of 2019: a root record `topLevelRecord`, each column `[T, "null"]`, the columns of
//! a record regrouped into it. Or it is a telescope's own (`.avsc`), whose nesting, nullability and lists come back as they were. Both
//! can be limited to a selection of columns, which is what rules do.
//!
//! Documentation is left out: the schema travels as the key of every message, and ZTF's is 22 kB with it and 9 kB without. Names, types,
//! defaults, aliases and logical types stay.

mod derive;
mod prune;

use std::path::Path;

use crate::avro::{Schema, SchemaError};
use crate::catalog::Catalog;

/// Why there is no schema to send.
#[derive(Debug, thiserror::Error)]
pub enum StreamSchemaError {
    /// the file
    #[error("schema {file}: {reason}")]
    File {
        /// the file
        file: String,
        /// what is wrong
        reason: String,
    },
    /// a name
    #[error("column `{column}`: `{name}` is no Avro name, so it cannot be a field: rename the column in the catalog")]
    Name {
        /// the column
        column: String,
        /// the part of its field
        name: String,
    },
    /// nothing left
    #[error("no column is selected, so there is nothing to send")]
    Empty,
    /// cannot happen by the columns alone
    #[error("the schema derived from the catalog is not sound: {0}")]
    Schema(#[from] SchemaError),
}

/// Reads a schema file (`.avsc`).
///
/// # Errors
/// The file cannot be read, or is no Avro schema: the file and the place in it are named.
pub fn load(path: &Path) -> Result<Schema, StreamSchemaError> {
    let fault = |reason| StreamSchemaError::File { file: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|e| fault(format!("cannot be read: {e}")))?;
    Schema::parse(&text).map_err(|e| fault(e.to_string()))
}

/// The schema of what is sent: the telescope's where there is one, else one derived from the catalog; of it only what the columns
/// `selected` (indexes into the catalog's) fill, where a selection is given. Without a selection a derived schema holds all columns but
/// the status.
///
/// # Errors
/// A column's name is no Avro name, or nothing is left.
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
