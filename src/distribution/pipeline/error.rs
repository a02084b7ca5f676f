//! Errors of binding streams to the catalog.

use crate::alert::PlanError;
use crate::alert::message::MessageError;
use crate::alert::schema::StreamSchemaError;
use crate::catalog::CatalogError;
use crate::row::ColumnNotRead;
use crate::rules::RulesError;

/// A stream that does not fit the catalog.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    #[error("stream `{stream}`: {source}")]
    Rules { stream: String, source: RulesError },
    #[error("stream `{stream}`: {source}")]
    Schema { stream: String, source: StreamSchemaError },
    /// the schema cannot be filled from the table
    #[error("stream `{stream}`: {source}")]
    Plan { stream: String, source: PlanError },
    /// the catalog or the settings lack what the message key or the encoding needs
    #[error("stream `{stream}`: {source}")]
    Message { stream: String, source: MessageError },
    /// trigger, object identifier or status column
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// the list of columns to read was put together wrongly
    #[error(transparent)]
    ColumnNotRead(#[from] ColumnNotRead),
}
