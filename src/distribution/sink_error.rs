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
/// For how long a broker that has just started may know no topics.
const UNKNOWN_TOPICS: Duration = Duration::from_secs(5);
/// For how long the brokers of a new cluster may join it one after the other.
const MISSING_BROKERS: Duration = Duration::from_secs(120);
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
    retry_for(cancel, |_| Duration::ZERO, request)
}

/// As [`retry_transient`], for a request about topics that are known to exist. A broker may answer from metadata of before a topic was created:
/// its error is retried for up to [`STALE_METADATA`].
pub(crate) fn retry_existing<T>(
    cancel: &CancellationToken,
    request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    let grace = |error: &KafkaError| match error {
        KafkaError::UnknownTopic { .. } => STALE_METADATA,
        _ => Duration::ZERO,
    };
    retry_for(cancel, grace, request)
}

/// As [`retry_transient`], for a request that creates missing topics. A cluster that has just started may not know its topics or its brokers yet:
/// that a topic is missing, or that there are too few brokers, has to remain true for a while.
pub(crate) fn retry_creation<T>(
    cancel: &CancellationToken,
    request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    let grace = |error: &KafkaError| match error {
        KafkaError::UnknownTopic { .. } => UNKNOWN_TOPICS,
        KafkaError::TooFewBrokers { .. } => MISSING_BROKERS,
        _ => Duration::ZERO,
    };
    retry_for(cancel, grace, request)
}

/// Makes a request until it succeeds or a permanent error has been returned, without another answer between, for the time that `grace` gives it.
fn retry_for<T>(
    cancel: &CancellationToken,
    grace: impl Fn(&KafkaError) -> Duration,
    mut request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, SinkError> {
    let started = Instant::now();
    let mut logged: Option<Instant> = None;
    // since when the errors are permanent ones
    let mut refused: Option<Instant> = None;
    loop {
        let result = request();
        let left = match &result {
            Err(error) if error.is_transient() => {
                refused = None;
                Duration::MAX
            }
            Err(error) => grace(error).saturating_sub(refused.get_or_insert_with(Instant::now).elapsed()),
            Ok(_) => Duration::ZERO,
        };
        match result {
            Err(error @ KafkaError::Unreachable { .. }) => log::debug!("{error}; trying again"),
            Err(error) if left > Duration::ZERO => {
                let error = describe(&error);
                let is_due = logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL);
                match logged {
                    None if left < Duration::MAX => {
                        log::warn!("{error}; trying again for {} s", left.as_secs_f64().ceil())
                    }
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

/// The error for the log. That a topic is missing is not known yet, unless it has a reason.
fn describe(error: &KafkaError) -> String {
    match error {
        KafkaError::UnknownTopic { topic, hint } if hint.is_empty() => {
            format!("a broker of kafka does not know topic `{topic}`")
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown_topic() -> KafkaError {
        KafkaError::UnknownTopic { topic: "fink_checkpoint_t".to_owned(), hint: String::new() }
    }

    fn too_few_brokers(members: usize) -> KafkaError {
        let (topic, reason) = ("fink_a".to_owned(), "only 1 broker(s) are registered".to_owned());
        KafkaError::TooFewBrokers { topic, replication: Some(2), live: 1, members, reason }
    }

    #[test]
    fn only_a_topic_that_exists_is_waited_for_while_a_broker_does_not_know_it() {
        let cancel = CancellationToken::new();
        let mut answers = vec![Ok(7), Err(unknown_topic())];
        assert!(matches!(retry_existing(&cancel, || answers.pop().expect("two requests")), Ok(7)));
        let refused = retry_transient(&cancel, || Err::<(), _>(unknown_topic()));
        assert!(matches!(refused, Err(SinkError::Kafka(KafkaError::UnknownTopic { .. }))), "{refused:?}");
    }

    #[test]
    fn brokers_are_waited_for_without_end_if_the_cluster_has_them_and_else_for_a_while() {
        let cancel = CancellationToken::new();
        let mut answers = vec![Ok(7), Err(too_few_brokers(2)), Err(too_few_brokers(1))];
        assert!(matches!(retry_creation(&cancel, || answers.pop().expect("three requests")), Ok(7)));
        let mut attempts = 0;
        let grace = |_: &KafkaError| RETRY_INTERVAL / 2;
        let refused = retry_for(&cancel, grace, || {
            attempts += 1;
            Err::<(), _>(too_few_brokers(if attempts == 2 { 2 } else { 1 }))
        });
        assert!(matches!(refused, Err(SinkError::Kafka(KafkaError::TooFewBrokers { members: 1, .. }))), "{refused:?}");
        assert_eq!(attempts, 4, "the time begins again after a transient error");
    }
}
