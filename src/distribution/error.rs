//! What ends a distribution before its time.

use super::checkpoint_state::CheckpointStateError;
use super::kafka_sink::SinkError;
use super::notice_builder::NoticeError;
use super::offset_file::OffsetFileError;
use super::pipeline::PipelineError;
use super::readers::ReadError;
use super::status_column::StatusError;
use crate::catalog::CatalogError;
use crate::filters::FilterError;
use crate::kafka::Error as KafkaError;
use crate::notify::NotifyError;
use crate::science_db::ScienceDbError;
use crate::timestamp::Timestamp;

/// Why a distribution does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// the catalog cannot be used
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// the streams do not fit the catalog
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// alerts cannot be announced
    #[error(transparent)]
    Notice(#[from] NoticeError),
    /// Python filters cannot be run, or one failed that is to end everything
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// no stream of that name
    #[error("there is no stream `{name}` among the {count} streams of the configuration{suggestion}")]
    NoStream {
        /// the name asked for
        name: String,
        /// how many there are
        count: usize,
        /// the end of the message: a question that names similar streams, or some of those there are
        suggestion: String,
    },
    /// a job over nothing
    #[error("--from {from} is not before --until {until} (ms since 1970): there is nothing between them")]
    EmptyWindow {
        /// where it would begin
        from: Timestamp,
        /// where it would end
        until: Timestamp,
    },
    /// a job over what is not written yet
    #[error("--until {until} {fault}; a job reads what is there: leave it out, or use --exit-after")]
    FutureUntil {
        /// where it would end
        until: Timestamp,
        /// when that is, and which unit was probably meant
        fault: String,
    },
    /// a start that would skip what is written until then
    #[error(
        "{place} {from} {fault}; what is written until then would be skipped (a number is milliseconds since 1970)"
    )]
    FutureFrom {
        /// who says so: a flag or a key
        place: &'static str,
        /// where it would begin
        from: Timestamp,
        /// when that is, and which unit was probably meant
        fault: String,
    },
    /// the science database refused
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    /// Kafka refused
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// a transaction failed
    #[error(transparent)]
    Send(#[from] SinkError),
    /// the checkpoint is damaged
    #[error(transparent)]
    CheckpointState(#[from] CheckpointStateError),
    /// a thread of the distribution panicked
    #[error(transparent)]
    Reader(ReadError),
    /// the status column cannot be written
    #[error(transparent)]
    Status(#[from] StatusError),
    /// a new checkpoint, and streams that were written to before
    #[error(
        "distribution `{name}` has no checkpoint, and topic `{topic}` holds alerts already, which could be sent again: say with --from where to begin (`--from now`, a time, `--from latest` for the offset file, `--from earliest` for the whole table)"
    )]
    NoCheckpoint {
        /// the distribution's name
        name: String,
        /// a topic that was written to
        topic: String,
    },
    /// the checkpoint's topic was deleted while the distribution was at work
    #[error("the checkpoint is lost: {reason}; the next start has to be told with --from where to begin")]
    CheckpointLost {
        /// which topic, and what became of it
        reason: String,
    },
    /// the watermark is ahead of the present
    #[error(
        "the watermark {watermark} is ahead of the system clock, {now} (ms since 1970): rows stamped between them would never be sent. If the clock is right now, start with --from {now}, and send what was stamped in [{now}, {watermark}) meanwhile with a job: --from {now} --until {watermark}"
    )]
    WatermarkAhead {
        /// the system clock
        now: Timestamp,
        /// the watermark
        watermark: Timestamp,
    },
    /// transactions are aborted for the same reason again and again
    #[error("the transaction is aborted again and again, and waiting does not help: {reason}")]
    RepeatedAborts {
        /// why
        reason: String,
    },
    /// the offset file cannot be used
    #[error(transparent)]
    OffsetFile(#[from] OffsetFileError),
}

impl From<ReadError> for DistributionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ScienceDb(error) => error.into(),
            ReadError::Filter(error) => error.into(),
            ReadError::Panicked(_) => Self::Reader(error),
        }
    }
}

impl DistributionError {
    /// Whether the user's settings are at fault, rather than a server.
    pub fn is_configuration(&self) -> bool {
        if let Self::Filter(error) = self {
            return error.is_configuration();
        }
        matches!(
            self,
            Self::Catalog(_)
                | Self::Pipeline(_)
                | Self::Notice(
                    NoticeError::Column { .. }
                        | NoticeError::Notify(NotifyError::Channels { .. } | NotifyError::NoToken)
                )
                | Self::NoStream { .. }
                | Self::EmptyWindow { .. }
                | Self::FutureUntil { .. }
                | Self::FutureFrom { .. }
                | Self::OffsetFile(_)
        )
    }
}
