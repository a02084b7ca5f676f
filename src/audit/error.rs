//! Why an audit fails.

use std::path::PathBuf;

use crate::catalog::CatalogError;
use crate::distribution::DistributionError;
use crate::distribution::pipeline::PipelineError;
use crate::filters::FilterError;
use crate::kafka::Error as KafkaError;
use crate::science_db::ScienceDbError;

/// Why an audit fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// the catalog cannot be used
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// a stream does not fit the catalog
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// a stream is not configured, or the checkpoint cannot be read
    #[error(transparent)]
    Distribution(Box<DistributionError>),
    /// a Python filter failed
    #[error(transparent)]
    Filter(FilterError),
    /// the science database refused or cannot be reached
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    /// Kafka refused or cannot be reached
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// a temporary file cannot be used
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// an open transaction hides a part of a topic
    #[error(
        "topic `{topic}` partition {partition} has an open transaction from offset {offset} on, which may contain the missing alerts: wait until it ends, then try again"
    )]
    OpenTransaction {
        /// topic
        topic: String,
        /// partition
        partition: u32,
        /// first offset of the transaction
        offset: i64,
    },
    /// only the service may write to the topic
    #[error(
        "topic `{topic}` is written without transactions and may have one producer only: nothing was published; fill a new topic with a job, or leave the stream out"
    )]
    OneWriter {
        /// topic
        topic: String,
    },
    /// alerts could not be published
    #[error("{count} missing alerts were not published; the last one: {reason}")]
    NotPublished {
        /// number of alerts
        count: usize,
        /// reason of the last of them
        reason: String,
    },
    /// a reader thread panicked
    #[error("a thread that reads the science database panicked")]
    Panicked,
    /// the audit was cancelled
    #[error("stopped")]
    Stopped,
}

/// A temporary file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} a temporary file in {}: {source}", folder.display())]
pub(crate) struct SpillError {
    /// what failed: create, write, read
    pub(super) action: &'static str,
    /// the folder
    pub(super) folder: PathBuf,
    /// the system's error
    pub(super) source: std::io::Error,
}

impl From<DistributionError> for AuditError {
    fn from(error: DistributionError) -> Self {
        Self::Distribution(Box::new(error))
    }
}

impl From<FilterError> for AuditError {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Cancelled => Self::Stopped,
            error => Self::Filter(error),
        }
    }
}

impl AuditError {
    /// Whether the settings or arguments cause the error, not a server.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Catalog(_) | Self::Pipeline(_) => true,
            Self::Distribution(error) => error.is_configuration(),
            Self::Filter(error) => error.is_configuration(),
            _ => false,
        }
    }
}
