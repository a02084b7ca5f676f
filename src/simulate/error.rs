//! Why alerts cannot be made.

use std::path::PathBuf;

use crate::avro::SchemaError;

/// Why alerts cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// the survey is unknown
    #[error("unknown survey `{0}`: use `ztf` or `lsst`")]
    Survey(String),
    /// the built-in schema, with the added fields, is not an Avro schema
    #[error("the built-in alert schema cannot be used: {0}")]
    Schema(#[from] SchemaError),
    /// the built-in schema is not JSON
    #[error("the built-in alert schema cannot be used: {0}")]
    Json(#[from] serde_json::Error),
    /// an image cannot be compressed
    #[error("cannot compress an image: {0}")]
    Compress(#[from] flate2::CompressError),
    /// a file cannot be written
    #[error("cannot write {path}: {reason}")]
    Write {
        /// the file or folder
        path: PathBuf,
        /// the system's error
        reason: std::io::Error,
    },
}
