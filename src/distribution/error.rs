//! Errors of a distribution.

use std::time::Duration;

use super::checkpoint_state::CheckpointStateError;
use super::offset_file::OffsetFileError;
use super::pipeline::{NoticeError, PipelineError};
use super::readers::ReadError;
use super::retry::RetryError;
use super::sink_error::SinkError;
use super::status_column::StatusError;
use crate::catalog::CatalogError;
use crate::filters::FilterError;
use crate::kafka::Error as KafkaError;
use crate::notify::NotifyError;
use crate::science_db::{ReplicationSinkError, ScienceDbError};
use crate::timestamp::Timestamp;

/// Why a distribution does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DistributionError {
    /// the time of `--exit-after` was over before a server has answered
    #[error("{server} did not answer within the time of --exit-after: nothing was published")]
    NoAnswer { server: String },
    /// the time of `--exit-after` was over during an outage
    #[error("{server} had not answered for {} s when the time of --exit-after was over: alerts wait to be published", outage.as_secs())]
    EndedInOutage { server: String, outage: Duration },
    /// its token is cancelled: this is how the lanes end when the service is stopped
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Notice(#[from] NoticeError),
    #[error(transparent)]
    Filter(FilterError),
    /// `suggestion`: the end of the message, which names similar streams or lists some
    #[error("there is no stream `{name}` among the {count} streams of the configuration{suggestion}")]
    NoStream { name: String, count: usize, suggestion: String },
    #[error(
        "--from {} is not before --until {}: there is nothing between them", from.with_millis(), until.with_millis()
    )]
    EmptyWindow { from: Timestamp, until: Timestamp },
    /// `fault`: how far ahead of now that is, and which unit was probably meant
    #[error("--until {until} {fault}; a job reads what exists: omit it, or use --exit-after")]
    FutureUntil { until: Timestamp, fault: String },
    /// `place`: the flag or the key; `fault`: as for `FutureUntil`
    #[error("{place} {from} {fault}; rows written before that would be skipped (a number is milliseconds since 1970)")]
    FutureFrom { place: &'static str, from: Timestamp, fault: String },
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    #[error(transparent)]
    ReplicationSink(#[from] ReplicationSinkError),
    #[error(transparent)]
    Sink(SinkError),
    #[error(transparent)]
    CheckpointState(#[from] CheckpointStateError),
    /// a thread panicked
    #[error(transparent)]
    Reader(ReadError),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error(
        "distribution `{name}` has no checkpoint, and topic `{topic}` holds alerts already, which could be sent again: say with --from where to begin (`--from now`, a time, `--from latest` for the offset file, `--from earliest` for the whole table)"
    )]
    NoCheckpoint { name: String, topic: String },
    #[error(
        "distribution `{name}` has no checkpoint, although topic `{topic}` has held one: say with --from where to begin (`--from now`, a time, `--from latest` for the offset file, `--from earliest` for the whole table)"
    )]
    LostCheckpoint { name: String, topic: String },
    /// `resend`: which alerts, on which topics
    #[error("{resend}: use --yes to send them again, or another --from")]
    NotConfirmed { resend: String },
    #[error("the checkpoint is lost: {reason}; say with --from where the next start begins")]
    CheckpointLost { reason: String },
    #[error(
        "the watermark {} is ahead of the system clock, {}: rows with timestamps between them would never be sent. If the clock is right now, start with --from {now}, and send the rows written in [{now}, {watermark}) before that with a job: --from {now} --until {watermark}",
        watermark.with_millis(), now.with_millis()
    )]
    WatermarkAhead { now: Timestamp, watermark: Timestamp },
    #[error("transactions are aborted repeatedly: {reason}")]
    RepeatedAborts { reason: String },
    #[error(transparent)]
    OffsetFile(#[from] OffsetFileError),
}

impl From<SinkError> for DistributionError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Cancelled => Self::Cancelled,
            error => Self::Sink(error),
        }
    }
}

impl From<FilterError> for DistributionError {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Cancelled => Self::Cancelled,
            error => Self::Filter(error),
        }
    }
}

impl From<RetryError> for DistributionError {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::Cancelled => Self::Cancelled,
            RetryError::Failed(error) => error.into(),
        }
    }
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
    /// Whether another process has taken over.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Sink(SinkError::Kafka(KafkaError::Fenced { .. })))
    }

    /// Whether settings are wrong, rather than a server failed.
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
                | Self::NotConfirmed { .. }
                | Self::CheckpointState(CheckpointStateError::Moved { .. })
                | Self::OffsetFile(_)
                | Self::ReplicationSink(_)
        )
    }
}
