//! Errors of the sinks, and retries of requests to Kafka.

use std::time::Duration;

use crate::cancel::CancellationToken;
use crate::distribution::idempotent_sink::topic_state::TopicStateError;
use crate::kafka::Error as KafkaError;

/// Time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Why messages or checkpoint records are not written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// the transaction was aborted: everything sent since the last commit has to be read again
    #[error("{0}")]
    Aborted(String),
    /// the caller's token is cancelled
    #[error("cancelled while waiting for kafka")]
    Cancelled,
    /// a permanent error of Kafka
    #[error(transparent)]
    Kafka(KafkaError),
    /// a topic without transactions does not match the checkpoint
    #[error(transparent)]
    TopicState(#[from] TopicStateError),
    /// the checkpoint topic lacks the partition of this writer
    #[error("topic `{topic}` has no partition {partition}, which holds the checkpoint")]
    NoCheckpointPartition {
        /// the checkpoint topic
        topic: String,
        /// the partition
        partition: i32,
    },
}

impl From<KafkaError> for SinkError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::Cancelled(_) => Self::Cancelled,
            KafkaError::MustAbort { .. } => Self::Aborted(error.to_string()),
            error if error.requires_reopening() => Self::Aborted(error.to_string()),
            error => Self::Kafka(error),
        }
    }
}

/// Makes a request to Kafka, and makes it again after each transient error, which is logged.
///
/// # Errors
/// A permanent error; or `cancel` is cancelled.
pub(crate) fn retry_transient<T>(
    cancel: &CancellationToken,
    mut request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    loop {
        match request() {
            Err(error) if error.is_transient() => log::warn!("{error}; trying again"),
            result => return Ok(result?),
        }
        if cancel.wait(RETRY_INTERVAL) {
            return Err(SinkError::Cancelled);
        }
    }
}
