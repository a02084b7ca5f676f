//! Why alerts cannot be loaded.

use std::path::PathBuf;

use super::writer::WriteError;
use crate::alert::LayoutError;
use crate::catalog::CatalogError;
use crate::science_db::ScienceDbError;

/// Why alerts cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// no file was found
    #[error("there is no Avro file (*.avro) in {0}")]
    NoFiles(String),
    /// no sample could be read
    #[error("none of the sampled files can be loaded; the first is {file}: {reason}")]
    NoAlerts {
        /// the first file
        file: String,
        /// why it cannot be loaded
        reason: String,
    },
    /// a file or folder cannot be read
    #[error("cannot read {path}: {reason}")]
    Read {
        /// the file or folder
        path: PathBuf,
        /// the system's error
        reason: std::io::Error,
    },
    /// the catalog or the schema beside it cannot be written
    #[error("cannot write {path}: {reason}")]
    Write {
        /// the file
        path: PathBuf,
        /// the system's error
        reason: std::io::Error,
    },
    /// an existing catalog cannot be used
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// an existing catalog does not fit the alerts or the options
    #[error("catalog {path}: {reason}")]
    Mismatch {
        /// the catalog
        path: PathBuf,
        /// what does not fit
        reason: String,
    },
    /// the row key cannot be made of the alerts' fields
    #[error("row key: {0}")]
    RowKey(String),
    /// the alerts' schema cannot be laid out in columns
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// the store failed
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    /// Kafka
    #[error(transparent)]
    Kafka(#[from] crate::kafka::Error),
    /// a source of alerts other than files failed
    #[error("{0}")]
    Source(String),
}

impl From<WriteError> for IngestError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ScienceDb(error) => Self::ScienceDb(error),
            error => Self::Source(error.to_string()),
        }
    }
}
