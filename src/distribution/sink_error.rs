//! Errors of the sinks, and retries of requests to Kafka.

use std::time::{Duration, Instant};

use crate::cancel::CancellationToken;
use crate::distribution::idempotent_sink::topic_state::TopicStateError;
use crate::kafka::Error as KafkaError;

/// The timeout of one attempt to reach the brokers.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// For how long a broker may not know a topic that exists.
const STALE_METADATA: Duration = Duration::from_secs(20);
/// Time between two log lines about one request.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

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
    /// an alert would be rejected that the next start may be able to send
    #[error(
        "an alert cannot be sent ({reason}), and the catalog {catalog} has changed since the start: restart to read it again. The alert is not lost"
    )]
    CatalogChanged {
        /// the file
        catalog: String,
        /// why the alert cannot be sent
        reason: String,
    },
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

/// Makes a request to Kafka, and makes it again after each transient error, which is logged at once, then each minute. That no broker can be
/// reached is reported by the [`KafkaWatch`](super::kafka_watch::KafkaWatch).
///
/// # Errors
/// A permanent error; or `cancel` is cancelled.
pub(crate) fn retry_transient<T>(
    cancel: &CancellationToken,
    request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    retry_while(cancel, KafkaError::is_transient, request)
}

/// As [`retry_transient`], for a request about topics that are known to exist. A broker may answer from metadata of before a topic was created:
/// its error is retried for up to [`STALE_METADATA`].
pub(crate) fn retry_existing<T>(
    cancel: &CancellationToken,
    request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    let deadline = Instant::now() + STALE_METADATA;
    let is_stale = |error: &KafkaError| matches!(error, KafkaError::UnknownTopic { .. }) && Instant::now() < deadline;
    retry_while(cancel, |error| error.is_transient() || is_stale(error), request)
}

fn retry_while<T>(
    cancel: &CancellationToken,
    is_retryable: impl Fn(&KafkaError) -> bool,
    mut request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    let started = Instant::now();
    let mut logged: Option<Instant> = None;
    loop {
        match request() {
            Err(error @ KafkaError::Unreachable { .. }) => log::debug!("{error}; trying again"),
            Err(error) if is_retryable(&error) => {
                let is_due = logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL);
                match logged {
                    None => log::warn!("{error}; trying again until it succeeds"),
                    Some(_) if is_due => {
                        log::warn!("{error}; still trying again, after {} s", started.elapsed().as_secs());
                    }
                    Some(_) => log::debug!("{error}; trying again"),
                }
                logged = if is_due { Some(Instant::now()) } else { logged };
            }
            result => {
                if logged.is_some() && result.is_ok() {
                    log::info!("kafka has answered, after {} s", started.elapsed().as_secs());
                }
                return Ok(result?);
            }
        }
        if cancel.wait(RETRY_INTERVAL) {
            return Err(SinkError::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown_topic() -> KafkaError {
        KafkaError::UnknownTopic { topic: "fink_checkpoint_t".to_owned(), hint: String::new() }
    }

    #[test]
    fn only_a_topic_that_exists_is_waited_for_while_a_broker_does_not_know_it() {
        let cancel = CancellationToken::new();
        let mut answers = vec![Ok(7), Err(unknown_topic())];
        assert!(matches!(retry_existing(&cancel, || answers.pop().expect("two requests")), Ok(7)));
        let refused = retry_transient(&cancel, || Err::<(), _>(unknown_topic()));
        assert!(matches!(refused, Err(SinkError::Kafka(KafkaError::UnknownTopic { .. }))), "{refused:?}");
    }
}
