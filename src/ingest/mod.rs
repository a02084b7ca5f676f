//! Loads alerts into the science database.
//!
//! A [`Loader`] is opened with a few sample alerts, which determine the columns, the row key and the splits of a new table. It creates the
//! table, writes the catalog and, beside it, the alerts' schema. Then each thread writes alerts through an [`AlertWriter`]. Alerts may have
//! several schemas: what one has and the catalog does not is added to the catalog before the first of its alerts is written. Columns that an
//! alert does not have get no cell. An alert is refused if a column has a type that has no common one with that in the catalog.

mod catalog_files;
mod error;
mod files;
mod layout;
mod load;
mod loader;
mod options;
mod rate_limiter;
mod row_key;
mod row_mapper;
mod source;
mod store_session;
mod topic;
mod topic_writers;
mod writer;

pub use error::IngestError;
pub use files::AlertFiles;
pub use load::{IngestSummary, load_files};
pub use loader::{Loader, Sample};
pub use options::IngestOptions;
pub use rate_limiter::RateLimiter;
pub use row_mapper::RowMapper;
pub(crate) use topic::{TopicSource, TopicSummary, load_topics};
pub use writer::{AlertWriter, WriteError};
