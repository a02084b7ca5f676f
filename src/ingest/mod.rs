//! Loading alerts into the science database.
//!
//! A [`Loader`] is made from a few alerts: they tell the columns, the row key and where the table is to be split. It makes the table,
//! writes the catalog and, beside it, the alerts' schema. Then each thread takes a [`AlertWriter`] and loads alerts, of that schema or of
//! others: where an alert has columns that the catalog has not, the catalog grows before the alert is written. Columns that the alert
//! lacks get no cell. Where a column has another type than in the catalog, an Avro cell's schema included, the alert is refused: rows of
//! both kinds could not be read with one catalog.

mod files;
mod loader;
mod rate_limiter;
mod row_key;
mod writer;

use std::path::PathBuf;

use crate::alert::{LayoutError, ListEncoding};
use crate::catalog::CatalogError;
use crate::science_db::ScienceDbError;

pub use files::{AlertFiles, IngestSummary, load_files};
pub use loader::{Loader, Sample};
pub use rate_limiter::RateLimiter;
pub use writer::{AlertWriter, RowMapper};

/// How alerts are loaded.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// columns of the row key, as `candid`, `diaSource.diaSourceId` or `diaSource_diaSourceId`; a name that stands in one record only needs
    /// no record before it. `None`: the catalog's; for a new one `objectId,candid` (ZTF) or `diaObjectId,diaSourceId` (Rubin)
    pub row_key: Option<Vec<String>>,
    /// how arrays and maps are kept. `None`: as in the catalog; for a new one without loss
    pub history: Option<ListEncoding>,
    /// into how many regions a new table is split
    pub regions: usize,
    /// ms since 1970 to write all cells with; `None`: the store's clock, at the time of each write
    pub timestamp: Option<i64>,
    /// alerts a second, over all threads
    pub rate: Option<f64>,
}

/// Why alerts cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// nothing to load
    #[error("there is no Avro file (*.avro) in {0}")]
    NoFiles(String),
    /// only files that cannot be used
    #[error("none of the files looked into can be loaded; the first, {file}: {reason}")]
    NoAlerts {
        /// the first file
        file: String,
        /// what is wrong with it
        reason: String,
    },
    /// a folder that cannot be read
    #[error("cannot read {path}: {reason}")]
    Read {
        /// the path
        path: PathBuf,
        /// what the system says
        reason: std::io::Error,
    },
    /// the catalog or the schema beside it cannot be written
    #[error("cannot write {path}: {reason}")]
    Write {
        /// the file
        path: PathBuf,
        /// what the system says
        reason: std::io::Error,
    },
    /// an existing catalog that cannot be used
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// an existing catalog that does not fit
    #[error("catalog {path}: {reason}")]
    Mismatch {
        /// the catalog
        path: PathBuf,
        /// in what it does not fit
        reason: String,
    },
    /// a row key that cannot be
    #[error("row key: {0}")]
    RowKey(String),
    /// alerts that cannot be laid out
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// the store failed
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    /// a source of alerts other than files failed
    #[error("{0}")]
    Source(String),
}
