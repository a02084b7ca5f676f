//! Why a checkpoint is not moved.

use crate::distribution::checkpoint_state::CheckpointStateError;
use crate::distribution::idempotent_sink::topic_state::TopicStateError;
use crate::kafka;

/// Why a checkpoint is not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    State(#[from] CheckpointStateError),
    #[error(transparent)]
    TopicState(#[from] TopicStateError),
    /// `process`: which, and where
    #[error("{process} writes the checkpoint of distribution `{name}`: stop it first")]
    Running { name: String, process: String },
    #[error("topic `{topic}` holds no checkpoint")]
    Empty { topic: String },
    #[error(
        "topic `{topic}` holds a checkpoint of {writers} already: with --replace it is deleted, and alerts that only this checkpoint lists as sent are sent again"
    )]
    Exists { topic: String, writers: String },
    #[error(
        "the checkpoint of `{writer}` does not say how far topic `{topic}` is written, since its last process did not end normally: start and stop it once before its checkpoint is moved"
    )]
    OpenTopic { writer: String, topic: String },
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error("the checkpoint has changed since it was shown: repeat the command")]
    Changed,
    #[error("the transaction was aborted, and nothing was changed: {reason}")]
    Aborted { reason: String },
}
