//! The steps of a transaction, and what their failures mean.
//!
//! librdkafka sorts them: *retriable*, the same call is made again; *requires abort*, the transaction is aborted and the caller reads again;
//! *fatal*, the producer is of no use any more. What it does not sort counts as fatal.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer as _;

use crate::kafka::delivery::{Cause, DeliveryFailure};
use crate::kafka::error::{Error, Resource, Result, is_authorization_failure, is_transient, lower};
use crate::kafka::ffi::{self, TransactionError};
use crate::kafka::producer::{POLL_INTERVAL, Producer};

/// A transaction that did not come about: nothing of it will be seen. Read again and send again.
///
/// After a message that failed, the next transaction may be aborted as well, without failures: the broker misses the failed message's number,
/// and librdkafka counts anew only when told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// why
    pub reason: String,
    /// whether brokers that are away, or too slow, were the reason: the same may work later
    pub is_outage: bool,
    /// the messages that are known to have caused it; those of whom it is [their own fault](DeliveryFailure::is_permanent) fail again
    pub failures: Vec<DeliveryFailure>,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum CommitOutcome {
    /// readers see all of it
    Committed,
    /// readers see nothing of it
    Aborted(Aborted),
}

impl Producer {
    /// Begins a transaction.
    ///
    /// # Errors
    /// The producer was fenced or is of no use any more.
    pub fn begin(&self) -> Result<()> {
        self.deliveries().take();
        self.context().status().clear_denied_topic();
        self.first_sent.store(0, Ordering::Relaxed);
        self.inner.begin_transaction().map_err(|error| {
            let error = transaction_error(error);
            if error.fatal { self.fatal(&error) } else { self.broken(&error) }
        })
    }

    /// Sends what is left, then commits. Waits for brokers that are away, at most until the transaction's time-out.
    ///
    /// # Errors
    /// - [`Error::Stopped`]: whether it was committed is unknown; a checkpoint that is part of the transaction knows.
    /// - [`Error::TransactionExpired`], [`Error::ProducerFailed`]: open the producer again, read the checkpoint and go on from there.
    /// - Others are final: fenced, a right is missing, a topic is missing.
    pub fn commit(&self) -> Result<CommitOutcome> {
        loop {
            let Err(error) = ffi::commit_transaction(self.client(), POLL_INTERVAL) else {
                self.context().status().mark_connected();
                return Ok(CommitOutcome::Committed);
            };
            if error.fatal {
                return Err(self.fatal(&error));
            }
            if error.requires_abort {
                self.abort_transaction()?;
                return self.classify_abort(&error).map(CommitOutcome::Aborted);
            }
            if !error.retriable {
                return Err(self.broken(&error));
            }
            self.back_off(&error, "committing")?;
        }
    }

    /// Aborts the running transaction and says why it had to be, if a message was the reason.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    pub fn abort(&self) -> Result<Aborted> {
        self.abort_transaction()?;
        self.classify_abort(&TransactionError {
            code: if self.context().status().denied_topic().is_some() {
                Code::TopicAuthorizationFailed
            } else {
                Code::NoError
            },
            reason: "aborted on request".to_owned(),
            fatal: false,
            retriable: false,
            requires_abort: true,
        })
    }

    fn abort_transaction(&self) -> Result<()> {
        loop {
            let Err(error) = self.inner.abort_transaction(POLL_INTERVAL) else { return Ok(()) };
            let error = transaction_error(error);
            if error.fatal {
                return Err(self.fatal(&error));
            }
            if !error.retriable && !error.requires_abort {
                return Err(self.broken(&error));
            }
            self.back_off(&error, "aborting")?;
        }
    }

    /// Sorts the reasons of an abort: a final error, or what to do better in the next try.
    pub(super) fn classify_abort(&self, error: &TransactionError) -> Result<Aborted> {
        let mut failures = self.deliveries().take();
        for failure in &failures {
            let missing =
                matches!(failure.code, Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition);
            if missing || is_authorization_failure(failure.code) {
                let topic = Resource::Topic(&failure.topic);
                return Err(self.context().refusal(failure.code, "", "write to", topic));
            }
        }
        if error.code == Code::TopicAuthorizationFailed {
            let topic = self.context().status().denied_topic();
            let resource = topic.as_deref().map_or(Resource::Cluster, Resource::Topic);
            return Err(self.context().refusal(error.code, "", "write to", resource));
        }
        let is_outage = match failures.is_empty() {
            true => is_transient(error.code),
            false => failures.iter().all(|failure| failure.cause == Cause::TimedOut || is_transient(failure.code)),
        };
        let reason = failures.first().map_or_else(|| error.reason.clone(), ToString::to_string);
        let unbatched_before = self.unbatched.topics();
        failures.retain(|failure| {
            if failure.cause != Cause::TooLarge || failure.bytes > self.batch_size {
                return true;
            }
            if unbatched_before.contains(&failure.topic) {
                if !self.compresses {
                    self.unbatched.refuses(&failure.topic, failure.bytes);
                }
                return true;
            }
            // Not known to have been alone in its batch: the topic's messages go one by one from now on.
            if self.unbatched.add(&failure.topic) {
                log::warn!(
                    "topic `{}` refuses batches of {} bytes: its messages are sent one by one from now on; \
                     set `batch.size` under [kafka.librdkafka] below its max.message.bytes",
                    failure.topic,
                    self.batch_size
                );
            }
            false
        });
        Ok(Aborted { reason, is_outage, failures })
    }

    pub(super) fn refusal(&self, error: &TransactionError) -> Error {
        let resource = Resource::TransactionalId(&self.transactional_id);
        self.context().refusal(error.code, &error.reason, "use", resource)
    }

    pub(super) fn broken(&self, error: &TransactionError) -> Error {
        Error::ProducerFailed { transactional_id: self.transactional_id.clone(), reason: error.reason.clone() }
    }

    /// What a fatal error means. The first one that the producer met tells; later ones only repeat that there was one.
    pub(super) fn fatal(&self, error: &TransactionError) -> Error {
        let (code, reason) = self.client().fatal_error().unwrap_or((error.code, error.reason.clone()));
        let error = TransactionError { code, reason: lower(&reason), ..error.clone() };
        if is_authorization_failure(code) {
            return self.refusal(&error);
        }
        if !matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) {
            return self.broken(&error);
        }
        // A broker that gives up an old transaction fences its producer just as a new producer does.
        let now = self.opened.elapsed().as_millis() as u64 + 1;
        let open = match self.first_sent.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            first => Duration::from_millis(now.saturating_sub(first)),
        };
        let transactional_id = self.transactional_id.clone();
        if open >= self.transaction_timeout {
            Error::TransactionExpired { transactional_id, open }
        } else {
            Error::Fenced { transactional_id }
        }
    }
}

pub(super) fn transaction_error(error: KafkaError) -> TransactionError {
    match error {
        KafkaError::Transaction(error) => TransactionError {
            code: error.code(),
            reason: lower(&error.string()),
            fatal: error.is_fatal(),
            retriable: error.is_retriable(),
            requires_abort: error.txn_requires_abort(),
        },
        other => TransactionError {
            code: other.rdkafka_error_code().unwrap_or(Code::Fail),
            reason: lower(&other.to_string()),
            fatal: false,
            retriable: false,
            requires_abort: false,
        },
    }
}
