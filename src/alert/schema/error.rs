//! Why a stream has no schema.

use crate::avro::SchemaError;

/// Why a stream has no schema.
#[derive(Debug, thiserror::Error)]
pub enum StreamSchemaError {
    #[error("schema {file}: {reason}")]
    File { file: String, reason: String },
    #[error("column `{column}`: `{name}` is not an Avro name and cannot be a field: rename the column in the catalog")]
    Name {
        column: String,
        /// the part of its field
        name: String,
    },
    #[error("no column is selected")]
    Empty,
    #[error("the schema derived from the catalog is invalid: {0}")]
    Schema(#[from] SchemaError),
}
