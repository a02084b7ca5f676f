//! The steps of a transaction.
//!
//! librdkafka classifies their errors: after a *retriable* one the call is repeated; one that *requires an abort* aborts the transaction, and the
//! caller reads its checkpoint again; a *fatal* one ends the producer, and so does one without a class.

use std::sync::atomic::Ordering;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::Producer as _;

use crate::kafka::delivery::{Cause, DeliveryFailure};
use crate::kafka::error::{Resource, Result, is_authorization_failure, is_transient};
use crate::kafka::ffi::{self, TransactionError};
use crate::kafka::producer::{POLL_INTERVAL, Producer};

/// An aborted transaction: consumers see none of its messages. Read the checkpoint and send again.
///
/// After a failed message, or an abort with messages in flight, the next transaction may be aborted too, without failures: the broker misses the
/// sequence numbers of these messages, and librdkafka resets the sequence only after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// why
    pub reason: String,
    /// whether the reason is that brokers are down or too slow, so that a retry may succeed
    pub is_outage: bool,
    /// the messages that caused it; [permanent](DeliveryFailure::is_permanent) failures would occur again
    pub failures: Vec<DeliveryFailure>,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum CommitOutcome {
    /// consumers see all of it
    Committed,
    /// consumers see none of it
    Aborted(Aborted),
}

impl Producer {
    /// Begins a transaction.
    ///
    /// # Errors
    /// The producer was fenced or has failed.
    pub fn begin(&self) -> Result<()> {
        self.deliveries().take_failures();
        self.connection().status().clear_denied_topic();
        self.first_sent.store(0, Ordering::Relaxed);
        self.inner.begin_transaction().map_err(|error| {
            let error = TransactionError::from(error);
            if error.fatal { self.fatal(&error) } else { self.failed(&error) }
        })
    }

    /// Sends the remaining messages and commits. While brokers are down it waits, up to the transaction's time-out.
    ///
    /// # Errors
    /// - [`Error::Cancelled`](crate::kafka::Error::Cancelled): whether the transaction is committed is unknown; a checkpoint in the transaction
    ///   tells.
    /// - Errors that [require reopening](crate::kafka::Error::requires_reopening): reopen the producer and continue from the checkpoint.
    /// - Others are permanent: fenced, not authorized, a topic is missing.
    pub fn commit(&self) -> Result<CommitOutcome> {
        loop {
            let Err(error) = ffi::commit_transaction(self.client(), POLL_INTERVAL) else {
                self.connection().status().mark_connected();
                return Ok(CommitOutcome::Committed);
            };
            if error.fatal {
                return Err(self.fatal(&error));
            }
            if error.requires_abort {
                return self.abort_after(|| error).map(CommitOutcome::Aborted);
            }
            if !error.retriable {
                return Err(self.failed(&error));
            }
            self.back_off(&error, "committing")?;
        }
    }

    /// Aborts the running transaction. Returns the failures of its messages.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    pub fn abort(&self) -> Result<Aborted> {
        self.abort_after(|| {
            let code = match self.connection().status().denied_topic() {
                Some(_) => Code::TopicAuthorizationFailed,
                None => Code::NoError,
            };
            TransactionError::new(code, "aborted on request".to_owned())
        })
    }

    /// Aborts the running transaction, and classifies the error that made it necessary.
    fn abort_after(&self, error: impl FnOnce() -> TransactionError) -> Result<Aborted> {
        let aborted = self.abort_transaction();
        let classified = self.classify_abort(&error());
        match aborted {
            // Where a denied topic was to be the first of the transaction, some brokers know of no transaction to abort: the denial is the reason.
            Err(failed) if failed.requires_reopening() && classified.is_err() => classified,
            Err(failed) => Err(failed),
            Ok(()) => classified,
        }
    }

    fn abort_transaction(&self) -> Result<()> {
        loop {
            let Err(error) = self.inner.abort_transaction(POLL_INTERVAL) else { return Ok(()) };
            let error = TransactionError::from(error);
            if error.fatal {
                return Err(self.fatal(&error));
            }
            if !error.retriable && !error.requires_abort {
                return Err(self.failed(&error));
            }
            self.back_off(&error, "aborting")?;
        }
    }

    /// The reason of an abort.
    ///
    /// # Errors
    /// The reason is permanent: not authorized, or a topic is missing.
    pub(super) fn classify_abort(&self, error: &TransactionError) -> Result<Aborted> {
        let mut failures = self.deliveries().take_failures();
        for failure in &failures {
            let missing =
                matches!(failure.code, Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition);
            if missing || is_authorization_failure(failure.code) {
                let topic = Resource::Topic(&failure.topic);
                return Err(self.connection().request_error(failure.code, "", "write to", topic));
            }
        }
        if error.code == Code::TopicAuthorizationFailed {
            let topic = self.connection().status().denied_topic();
            let resource = topic.as_deref().map_or(Resource::Cluster, Resource::Topic);
            return Err(self.connection().request_error(error.code, "", "write to", resource));
        }
        let is_outage = match failures.is_empty() {
            true => is_transient(error.code),
            false => failures.iter().all(|failure| failure.cause == Cause::TimedOut || is_transient(failure.code)),
        };
        let reason = failures.first().map_or_else(|| error.reason.clone(), ToString::to_string);
        let unbatched_before = self.unbatched.names();
        failures.retain(|failure| {
            if failure.cause != Cause::TooLarge || failure.bytes > self.batch_size {
                return true;
            }
            if unbatched_before.contains(&failure.topic) {
                if !self.compresses {
                    self.unbatched.record_rejected(&failure.topic, failure.bytes);
                }
                return true;
            }
            // Another message of its batch may be the too large one: from now on the topic's messages are sent one by one.
            if self.unbatched.add(&failure.topic) {
                log::warn!(
                    "topic `{}` rejects batches of {} bytes, so its messages are sent one by one; \
                     set `batch.size` under [kafka.librdkafka] below its max.message.bytes",
                    failure.topic,
                    self.batch_size
                );
            }
            false
        });
        Ok(Aborted { reason, is_outage, failures })
    }
}
