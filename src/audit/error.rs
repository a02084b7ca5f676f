//! Why an audit ends before it is done.

use super::spill::SpillError;
use crate::catalog::CatalogError;
use crate::distribution::DistributionError;
use crate::distribution::pipeline::PipelineError;
use crate::filters::FilterError;
use crate::kafka::Error as KafkaError;
use crate::science_db::ScienceDbError;

/// Why an audit ends before it is done.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// the catalog cannot be used
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// a stream does not fit the catalog
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// a stream that is not configured, or a checkpoint that cannot be read
    #[error(transparent)]
    Distribution(Box<DistributionError>),
    /// a Python filter cannot be run
    #[error(transparent)]
    Filter(FilterError),
    /// the science database refused or cannot be reached
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    /// Kafka refused or cannot be reached
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// the temporary folder cannot be used
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// a transaction hides a part of a topic
    #[error(
        "topic `{topic}` partition {partition} has an open transaction from offset {offset} on, which may hold what seems missing: wait until it ends, then run the command again"
    )]
    OpenTransaction {
        /// the topic
        topic: String,
        /// the partition
        partition: i32,
        /// its first unread offset
        offset: i64,
    },
    /// a topic that only its distribution may write to
    #[error(
        "topic `{topic}` is written without transactions, and has one writer: nothing was published; fill a new topic with a job instead, or leave the stream out with --stream"
    )]
    OneWriter {
        /// the topic
        topic: String,
    },
    /// alerts could not be published
    #[error("{count} missing alerts were not published: {reason}")]
    NotPublished {
        /// how many
        count: usize,
        /// why the last of them was not
        reason: String,
    },
    /// a thread panicked
    #[error("a thread that reads the science database panicked")]
    Panicked,
    /// the caller gave up
    #[error("stopped")]
    Stopped,
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
    /// Whether the user's settings or arguments are at fault, rather than a server.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Catalog(_) | Self::Pipeline(_) => true,
            Self::Distribution(error) => error.is_configuration(),
            Self::Filter(error) => error.is_configuration(),
            _ => false,
        }
    }
}
