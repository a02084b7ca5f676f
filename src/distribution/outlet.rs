//! The way out: topics, partitions and keys of the streams, the rejected topic, and the checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Alert, Batch, Message};
use super::progress::Record;
use super::selection::Selection;
use crate::config::{Settings, StreamSettings};
use crate::kafka::client::As;
use crate::kafka::producer::Outgoing;
use crate::kafka::topics::TopicShape;
use crate::kafka::transaction::Aborted;
use crate::kafka::{
    Admin, CommitOutcome, Error as KafkaError, Producer, ProducerOptions, checkpoint, partition, topics,
};
use crate::ledger::AlertId;

/// Says several times a second whether to give up waiting.
pub type GiveUp = Arc<dyn Fn() -> bool + Send + Sync>;

/// How long one try to reach the brokers takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// The header that says when the alert was written to the science database: its trigger's timestamp, ms since 1970, in digits.
const TIMESTAMP: &str = "fink-timestamp";

/// Why an alert's message is not on its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// in words
    pub reason: String,
}

impl Refusal {
    /// The broker does not take a value of so many bytes.
    pub fn too_large(bytes: usize) -> Self {
        Self { reason: format!("its {bytes} bytes are more than the topic takes (max.message.bytes)") }
    }
}

/// Why a transaction did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// everything sent since the last commit is to be read again
    #[error("{0}")]
    Aborted(String),
    /// the user's signal, or the end of the time, came first
    #[error("stopped while waiting for kafka")]
    Stopped,
    /// Kafka refused for good
    #[error(transparent)]
    Kafka(KafkaError),
}

impl From<KafkaError> for SendError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::Stopped(_) => Self::Stopped,
            KafkaError::MustAbort { .. } => Self::Aborted(error.to_string()),
            error if error.wants_reopening() => Self::Aborted(error.to_string()),
            error => Self::Kafka(error),
        }
    }
}

#[derive(Debug)]
struct Way {
    topic: String,
    partitions: i32,
    key: Option<Vec<u8>>,
    name: String,
}

/// The open way to Kafka of one distribution.
pub struct Outlet {
    producer: Producer,
    settings: Settings,
    options: ProducerOptions,
    give_up: GiveUp,
    streams: Vec<Way>,
    rejected: Way,
    checkpoint: String,
    /// the messages of the open transaction, by the number that Kafka's reports give back
    sent: Vec<(AlertId, usize)>,
    is_open: bool,
    /// the producer is of no use any more
    is_broken: bool,
    too_large: Vec<(AlertId, usize)>,
}

impl Outlet {
    /// Opens the producer, which fences a former one of the same id, and sees that every topic is there.
    ///
    /// # Errors
    /// A topic is missing and may not be created; wrong password, no right. Brokers that are away are waited for.
    pub fn open(
        settings: &Settings,
        streams: &[StreamSettings],
        selection: &Selection,
        transactional_id: &str,
        give_up: &GiveUp,
    ) -> Result<Self, SendError> {
        let options = ProducerOptions {
            transactional_id: transactional_id.to_owned(),
            memory: settings.distribution.memory / 4,
            within: PATIENCE,
        };
        let producer = open_producer(settings, &options, give_up)?;
        let user = Admin::open(&settings.kafka, As::User, PATIENCE)?;
        let rejected = &settings.distribution.rejected_topic;
        let wanted = streams.iter().map(|stream| (stream.topic.as_str(), TopicShape::stream(stream.partitions)));
        let wanted: Vec<_> = std::iter::once((rejected.as_str(), TopicShape::stream(1))).chain(wanted).collect();
        let mut partitions = again(give_up, || topics::ensure_all(&user, &wanted))?.into_iter();
        let names: Vec<&str> = wanted.iter().map(|(topic, _)| *topic).collect();
        again(give_up, || topics::check_policies(&user, &names))?;
        let rejected = Way {
            topic: rejected.clone(),
            partitions: partitions.next().unwrap_or(1),
            key: None,
            name: "rejected".to_owned(),
        };
        let ways = streams.iter().zip(partitions).enumerate().map(|(index, (stream, partitions))| Way {
            topic: stream.topic.clone(),
            partitions,
            key: selection.constant_key(index).map(<[u8]>::to_vec),
            name: stream.name.clone(),
        });
        let streams = ways.collect();
        let checkpoint = format!("fink_checkpoint_{}", settings.distribution.name);
        again(give_up, || checkpoint::ensure(&user, &checkpoint))?;
        Ok(Self {
            producer,
            settings: settings.clone(),
            options,
            give_up: Arc::clone(give_up),
            streams,
            rejected,
            checkpoint,
            sent: Vec::new(),
            is_open: false,
            is_broken: false,
            too_large: Vec::new(),
        })
    }

    /// What the checkpoint holds. To be asked when the producer is open and no transaction is.
    ///
    /// # Errors
    /// The topic is missing and may not be created, or may not be read.
    pub fn checkpoint(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, SendError> {
        again(&self.give_up, || checkpoint::read_all(&self.settings.kafka, &self.checkpoint, PATIENCE))
    }

    /// Sends one alert's value to its stream. The inner error is the message's own fault, and leaves the transaction as it was.
    ///
    /// # Errors
    /// The transaction failed, or Kafka refused for good.
    pub fn send(
        &mut self,
        batch: &Batch,
        alert: &Alert,
        message: &Message,
        value: &[u8],
    ) -> Result<Result<(), Refusal>, SendError> {
        self.begin()?;
        let way = &self.streams[message.stream];
        let timestamp = alert.entry.timestamp.to_string();
        let outgoing = Outgoing {
            topic: &way.topic,
            partition: partition::of_object(batch.bytes(&alert.object), way.partitions),
            key: message.key.as_ref().map(|key| batch.bytes(key)).or(way.key.as_deref()),
            value: Some(value),
            headers: &[(TIMESTAMP, timestamp.as_bytes())],
            id: self.sent.len(),
        };
        match self.producer.send(&outgoing) {
            Ok(()) => {
                self.sent.push((alert.entry.id, message.stream));
                Ok(Ok(()))
            }
            Err(KafkaError::TooLarge { bytes, .. }) => Ok(Err(Refusal::too_large(bytes))),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Sends what is known of an alert to the rejected topic: as a JSON value, and as headers.
    ///
    /// # Errors
    /// The transaction failed, or Kafka refused for good.
    pub fn reject(
        &mut self,
        batch: &Batch,
        alert: &Alert,
        message: &Message,
        refusal: &Refusal,
    ) -> Result<(), SendError> {
        self.begin()?;
        let way = &self.streams[message.stream];
        let key = batch.bytes(&alert.key);
        let timestamp = alert.entry.timestamp.to_string();
        let value = serde_json::json!({
            "rowKey": String::from_utf8_lossy(key),
            "timestamp": alert.entry.timestamp,
            "stream": way.name,
            "topic": way.topic,
            "reason": refusal.reason,
        })
        .to_string();
        let outgoing = Outgoing {
            topic: &self.rejected.topic,
            partition: partition::of_object(batch.bytes(&alert.object), self.rejected.partitions),
            key: Some(key),
            value: Some(value.as_bytes()),
            headers: &[
                ("fink-reason", refusal.reason.as_bytes()),
                ("fink-stream", way.name.as_bytes()),
                ("fink-topic", way.topic.as_bytes()),
                ("fink-row-key", key),
                (TIMESTAMP, timestamp.as_bytes()),
            ],
            id: usize::MAX,
        };
        self.producer.send(&outgoing).map_err(|error| self.failed(error))
    }

    /// Commits what was sent together with the checkpoint's `records`.
    ///
    /// # Errors
    /// The transaction failed, or Kafka refused for good.
    pub fn commit(&mut self, records: Vec<Record>) -> Result<(), SendError> {
        self.begin()?;
        for (key, value) in &records {
            let outgoing = Outgoing {
                topic: &self.checkpoint,
                partition: 0,
                key: Some(key),
                value: value.as_deref(),
                headers: &[],
                id: usize::MAX,
            };
            self.producer.send(&outgoing).map_err(|error| self.failed(error))?;
        }
        let outcome = self.producer.commit().map_err(|error| self.failed(error))?;
        self.is_open = false;
        let sent = std::mem::take(&mut self.sent);
        match outcome {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Aborted(aborted) => {
                self.learn(&aborted, &sent);
                Err(SendError::Aborted(aborted.reason))
            }
        }
    }

    /// Aborts the open transaction, if any, so that the next may begin; opens the producer anew where it was lost.
    ///
    /// # Errors
    /// Kafka refused for good.
    pub fn abort(&mut self) -> Result<(), SendError> {
        let sent = std::mem::take(&mut self.sent);
        if std::mem::take(&mut self.is_open) && !self.is_broken {
            match self.producer.abort() {
                Ok(aborted) => self.learn(&aborted, &sent),
                Err(error) if error.wants_reopening() => self.is_broken = true,
                Err(error) => return Err(error.into()),
            }
        }
        if self.is_broken {
            self.producer = open_producer(&self.settings, &self.options, &self.give_up)?;
            self.is_broken = false;
        }
        Ok(())
    }

    /// The messages that Kafka refused since the last call for what they are, as alert and stream: they would fail again.
    pub fn take_too_large(&mut self) -> Vec<(AlertId, usize)> {
        std::mem::take(&mut self.too_large)
    }

    fn begin(&mut self) -> Result<(), SendError> {
        if !self.is_open {
            self.producer.begin().map_err(|error| self.failed(error))?;
            self.is_open = true;
        }
        Ok(())
    }

    fn failed(&mut self, error: KafkaError) -> SendError {
        self.is_broken |= error.wants_reopening();
        error.into()
    }

    fn learn(&mut self, aborted: &Aborted, sent: &[(AlertId, usize)]) {
        let at_fault = aborted.failures.iter().filter(|failure| failure.is_its_own_fault());
        self.too_large.extend(at_fault.filter_map(|failure| sent.get(failure.id)));
    }
}

fn open_producer(settings: &Settings, options: &ProducerOptions, give_up: &GiveUp) -> Result<Producer, SendError> {
    again(give_up, || {
        let give_up = Arc::clone(give_up);
        Producer::open(&settings.kafka, options, move || give_up())
    })
}

/// Tries until Kafka answers, each absence told in the log.
fn again<T>(give_up: &GiveUp, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, SendError> {
    loop {
        match ask() {
            Err(error) if error.is_transient() => {
                log::warn!("{error}; trying again");
                super::patience::rest(PAUSE, &**give_up);
            }
            outcome => return outcome.map_err(SendError::from),
        }
        if give_up() {
            return Err(SendError::Stopped);
        }
    }
}
