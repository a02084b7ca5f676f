//! The way out: topics, partitions and keys of the streams, the rejected topic, and the checkpoint.

mod rejected;

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Alert, Batch, Message};
use super::checkpoint_partition::{Place, choose};
use super::owner::Owner;
use super::plain::{AccountError, Moment, PlainOutlet, PlainTopic, Undelivered, WRITER};
use super::progress::Record;
use super::selection::Selection;
use crate::config::{KafkaSettings, Settings, StreamSettings};
use crate::kafka::acls::Operation;
use crate::kafka::checkpoint::Records;
use crate::kafka::client::As;
use crate::kafka::producer::Outgoing;
use crate::kafka::topics::TopicShape;
use crate::kafka::transaction::Aborted;
use crate::kafka::{
    Admin, CommitOutcome, Error as KafkaError, Producer, ProducerOptions, checkpoint, partition, plain_producer,
    schema_topic, topics,
};
use crate::ledger::AlertId;

/// Says several times a second whether to give up waiting.
pub type GiveUp = Arc<dyn Fn() -> bool + Send + Sync>;

/// How long one try to reach the brokers takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// The header that says when the alert was written to the science database: its trigger's timestamp, ms since 1970, in digits.
pub const TIMESTAMP: &str = "fink-timestamp";
/// The header that says which alert it is: [`AlertId::to_hex`].
pub const ALERT: &str = "fink-alert";

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

/// Why a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// everything sent since the last commit is to be read again; [`Outlet::abort`] tells more
    #[error("{0}")]
    Aborted(String),
    /// the user's signal, or the end of the time, came first
    #[error("stopped while waiting for kafka")]
    Stopped,
    /// Kafka refused for good
    #[error(transparent)]
    Kafka(KafkaError),
    /// a topic without transactions is not as the checkpoint says
    #[error(transparent)]
    Account(#[from] AccountError),
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

/// What is known of an aborted transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AbortReport {
    /// whether brokers that are away, or too slow, were the reason: the same may work later
    pub is_outage: bool,
    /// how many messages were refused for what they are, and are not sent again
    pub refused: usize,
}

/// The place of one message in the open transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Alert(AlertId, usize),
    Rejected(AlertId, usize),
    Checkpoint,
}

#[derive(Debug)]
struct Way {
    topic: String,
    partitions: i32,
    key: Option<Vec<u8>>,
    name: String,
    /// its number among the topics without transactions
    plain: Option<usize>,
}

/// The open way to Kafka of one distribution.
pub struct Outlet {
    producer: Producer,
    /// the way out of the streams without transactions
    plain: Option<PlainOutlet>,
    kafka: KafkaSettings,
    options: ProducerOptions,
    /// whether to stop at once
    give_up: GiveUp,
    /// whether to stop waiting for a commit that is under way
    give_up_commit: GiveUp,
    user: Admin,
    streams: Vec<Way>,
    rejected: Way,
    checkpoint: String,
    partition: i32,
    owner: Owner,
    /// records that the first commit has to write
    unwritten: Vec<Record>,
    /// the messages of the open transaction, by the number that Kafka's reports give back
    sent: Vec<Sent>,
    is_open: bool,
    /// the producer is of no use any more
    is_broken: bool,
    report: AbortReport,
    too_large: Vec<(AlertId, usize)>,
    rejected_too_large: Vec<(AlertId, usize)>,
    /// a checkpoint record that the topic does not take, bytes
    record_too_large: Option<usize>,
}

impl Outlet {
    /// Opens the producer, which fences a former one of the same id, sees that every topic is there, and reads the checkpoint. `prefix`:
    /// what this writer's records begin with. `give_up_commit` ends the wait for a commit that is under way.
    ///
    /// # Errors
    /// A topic is missing and may not be created; wrong password, no right. Brokers that are away are waited for.
    pub fn open(
        settings: &Settings,
        streams: &[StreamSettings],
        selection: &Selection,
        (transactional_id, prefix): (&str, &str),
        (give_up, give_up_commit): (&GiveUp, &GiveUp),
    ) -> Result<(Self, Records), SendError> {
        // A quarter of the memory, shared by both producers where there are two.
        let share = if streams.iter().any(|stream| !stream.transactions) { 8 } else { 4 };
        let options = ProducerOptions {
            transactional_id: transactional_id.to_owned(),
            memory: settings.distribution.memory / share,
            within: PATIENCE,
        };
        let producer = open_producer(&settings.kafka, &options, (give_up, give_up_commit))?;
        let user = Admin::open(&settings.kafka, As::User, PATIENCE)?;
        let rejected = &settings.distribution.rejected_topic;
        let wanted = streams.iter().map(|stream| (stream.topic.as_str(), plain_producer::topic_shape(stream)));
        let schema_topics: Vec<(usize, String)> =
            streams.iter().enumerate().filter_map(|(index, stream)| Some((index, stream.schema_topic()?))).collect();
        let of_schemas = schema_topics.iter().map(|(_, topic)| (topic.as_str(), schema_topic::shape()));
        let wanted: Vec<_> =
            std::iter::once((rejected.as_str(), TopicShape::stream(1))).chain(wanted).chain(of_schemas).collect();
        let mut partitions = again(give_up, || topics::ensure_all(&user, &wanted))?.into_iter();
        let names: Vec<&str> = wanted.iter().map(|(topic, _)| *topic).collect();
        again(give_up, || topics::check_policies(&user, &names))?;
        let rejected = Way {
            topic: rejected.clone(),
            partitions: partitions.next().unwrap_or(1),
            key: None,
            name: "rejected".to_owned(),
            plain: None,
        };
        check_readable(&user, streams, give_up)?;
        for stream in streams.iter().filter(|stream| !stream.transactions) {
            again(give_up, || plain_producer::check_topic(&user, &stream.topic))?;
        }
        let mut plain_topics = Vec::new();
        let mut ways = Vec::with_capacity(streams.len());
        for (index, (stream, partitions)) in streams.iter().zip(partitions.by_ref()).enumerate() {
            let topic = stream.topic.clone();
            let plain = (!stream.transactions).then_some(plain_topics.len());
            plain_topics.extend(plain.map(|_| PlainTopic { topic: topic.clone(), partitions }));
            let key = selection.constant_key(index).map(<[u8]>::to_vec);
            ways.push(Way { topic, partitions, key, name: stream.name.clone(), plain });
        }
        let plain = match plain_topics.is_empty() && schema_topics.is_empty() {
            true => None,
            false => {
                Some(PlainOutlet::open(&settings.kafka, &options, prefix, plain_topics, (give_up, give_up_commit))?)
            }
        };
        for ((index, topic), partitions) in schema_topics.into_iter().zip(partitions) {
            if let (Some(plain), Some(schema)) = (&plain, selection.schema(index)) {
                plain.write_schema(&PlainTopic { topic, partitions }, &ways[index].topic, schema.as_bytes())?;
            }
        }
        let streams = ways;
        let checkpoint = checkpoint::topic_of(&settings.distribution.name);
        let count = again(give_up, || checkpoint::ensure(&user, &checkpoint))?;
        let all: Vec<i32> = (0..count).collect();
        let found = again(give_up, || checkpoint::read(&user, &checkpoint, &all, &**give_up))?;
        let Place { partition, records, to_copy } = choose(prefix, found);
        log::debug!("the checkpoint is topic `{checkpoint}` partition {partition}");
        let owner = Owner::new(prefix, &records);
        let mut unwritten: Vec<Record> = to_copy.into_iter().map(|(key, value)| (key, Some(value))).collect();
        unwritten.push(owner.record());
        let outlet = Self {
            producer,
            plain,
            kafka: settings.kafka.clone(),
            options,
            give_up: Arc::clone(give_up),
            give_up_commit: Arc::clone(give_up_commit),
            user,
            streams,
            rejected,
            checkpoint,
            partition,
            owner,
            unwritten,
            sent: Vec::new(),
            is_open: false,
            is_broken: false,
            report: AbortReport::default(),
            too_large: Vec::new(),
            rejected_too_large: Vec::new(),
            record_too_large: None,
        };
        Ok((outlet, records))
    }

    /// The topic and the partition of the checkpoint.
    pub fn checkpoint_place(&self) -> (&str, i32) {
        (&self.checkpoint, self.partition)
    }

    /// The topics of the streams, and whether some message was ever written to each.
    ///
    /// # Errors
    /// They may not be seen.
    pub fn written_topics(&self) -> Result<Vec<(&str, bool)>, SendError> {
        let topics: Vec<&str> = self.streams.iter().map(|stream| stream.topic.as_str()).collect();
        let found = again(&self.give_up, || self.user.watermarks(&topics))?;
        let is_written = |topic: &str| found.iter().any(|place| place.topic == topic && place.high > 0);
        Ok(topics.into_iter().map(|topic| (topic, is_written(topic))).collect())
    }

    /// What the checkpoint holds. To be asked when the producer is open and no transaction is.
    ///
    /// # Errors
    /// The topic is missing, or may not be read.
    pub fn checkpoint(&self) -> Result<Records, SendError> {
        let read = || checkpoint::read(&self.user, &self.checkpoint, &[self.partition], &*self.give_up);
        let mut records = again(&self.give_up, read)?.remove(&self.partition).unwrap_or_default();
        for (key, value) in &self.unwritten {
            records.extend(value.iter().map(|value| (key.clone(), value.clone())));
        }
        Ok(records)
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
        let is_plain = self.streams[message.stream].plain.is_some();
        if !is_plain {
            self.begin()?;
        }
        let way = &self.streams[message.stream];
        let timestamp = alert.entry.timestamp.to_string();
        let id = alert.entry.id.to_hex();
        let headers =
            [(TIMESTAMP, timestamp.as_bytes()), (ALERT, &id), (WRITER, self.options.transactional_id.as_bytes())];
        let outgoing = Outgoing {
            topic: &way.topic,
            partition: partition::of_object(batch.bytes(&alert.object), way.partitions),
            key: message.key.as_ref().map(|key| batch.bytes(key)).or(way.key.as_deref()),
            value: Some(value),
            headers: if is_plain { &headers } else { &headers[..2] },
            id: self.sent.len(),
        };
        let sent = match (way.plain, &mut self.plain) {
            (Some(topic), Some(plain)) if plain.is_sent(topic, alert.entry) => Ok(()),
            (Some(_), Some(plain)) => plain.send(&outgoing, alert.entry.id, message.stream),
            _ => self.producer.send(&outgoing),
        };
        match sent {
            Ok(()) if is_plain => Ok(Ok(())),
            Ok(()) => {
                self.sent.push(Sent::Alert(alert.entry.id, message.stream));
                Ok(Ok(()))
            }
            Err(KafkaError::TooLarge { bytes, .. }) => Ok(Err(Refusal::too_large(bytes))),
            // The transactional producer has no part in this failure.
            Err(error) if is_plain => Err(error.into()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Reads what the checkpoint accounts for on the topics without transactions, and what stands there behind it. To be called before the
    /// first alert and after each abort. `watermark`: ms since 1970.
    ///
    /// # Errors
    /// Such a topic may not be read, was made again, or has another writer.
    pub fn take_up_plain(&mut self, records: &Records, watermark: i64) -> Result<(), SendError> {
        self.plain.as_mut().map_or(Ok(()), |plain| plain.take_up(records, watermark))
    }

    /// Prepares for a chunk, before its first alert: commits a record where that is needed to know that no other process has taken over.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn prepare(&mut self) -> Result<(), SendError> {
        match self.plain.as_ref().is_some_and(PlainOutlet::needs_commit) {
            true => self.commit_and_renew(&[], true),
            false => Ok(()),
        }
    }

    /// Forgets which alerts before the watermark, ms since 1970, were found on topics without transactions.
    pub fn expire(&mut self, watermark: i64) {
        self.plain.iter_mut().for_each(|plain| plain.expire(watermark));
    }

    /// Writes to the checkpoint that nothing more is sent without transactions, unless something is uncommitted.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn close(&mut self) -> Result<(), SendError> {
        let Some(plain) = self.plain.as_mut().filter(|plain| !self.is_open && !plain.has_uncommitted()) else {
            return Ok(());
        };
        let records = plain.account(false, false)?;
        if records.is_empty() { Ok(()) } else { self.commit_with(&[], &records) }
    }

    /// Sends what is known of an alert to the rejected topic: as a JSON value, and as headers, both cut to a size that fits.
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
        let copy = rejected::Copy::new(batch.bytes(&alert.key), alert.entry, (&way.name, &way.topic), &refusal.reason);
        let outgoing = Outgoing {
            topic: &self.rejected.topic,
            partition: partition::of_object(batch.bytes(&alert.object), self.rejected.partitions),
            key: Some(copy.row_key()),
            value: Some(copy.value()),
            headers: &copy.headers(),
            id: self.sent.len(),
        };
        match self.producer.send(&outgoing) {
            Ok(()) => self.sent.push(Sent::Rejected(alert.entry.id, message.stream)),
            Err(error) => return Err(self.failed(error)),
        }
        Ok(())
    }

    /// Commits what was sent together with the checkpoint's `records`.
    ///
    /// # Errors
    /// The transaction failed, or Kafka refused for good.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), SendError> {
        self.commit_and_renew(records, false)
    }

    fn commit_and_renew(&mut self, records: &[Record], renews: bool) -> Result<(), SendError> {
        let began = Moment::now();
        let accounts = self.plain.as_mut().map_or_else(|| Ok(Vec::new()), |plain| plain.account(true, renews))?;
        let mut first = std::mem::take(&mut self.unwritten);
        let unwritten = first.len();
        first.extend(accounts);
        let outcome = self.commit_with(&first, records);
        match (&outcome, &mut self.plain) {
            (Ok(()), Some(plain)) => plain.committed(began),
            (Ok(()), None) => {}
            (Err(_), _) => {
                first.truncate(unwritten);
                self.unwritten = first;
            }
        }
        outcome
    }

    fn commit_with(&mut self, first: &[Record], records: &[Record]) -> Result<(), SendError> {
        self.begin()?;
        for (key, value) in first.iter().chain(records) {
            let outgoing = Outgoing {
                topic: &self.checkpoint,
                partition: self.partition,
                key: Some(key),
                value: value.as_deref(),
                headers: &[],
                id: self.sent.len(),
            };
            self.producer.send(&outgoing).map_err(|error| self.failed(error))?;
            self.sent.push(Sent::Checkpoint);
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

    /// Aborts the open transaction, if any, so that the next may begin; opens the producer anew where it was lost. Tells what was the
    /// matter with the transaction that was aborted last.
    ///
    /// # Errors
    /// Kafka refused for good; another process has taken over; the checkpoint's topic does not take a record.
    pub fn abort(&mut self) -> Result<AbortReport, SendError> {
        if let Some(plain) = &mut self.plain {
            let Undelivered { failed, sent } = plain.abort()?;
            let sent: Vec<Sent> = sent.into_iter().map(|(alert, stream)| Sent::Alert(alert, stream)).collect();
            failed.iter().for_each(|aborted| self.learn(aborted, &sent));
        }
        let sent = std::mem::take(&mut self.sent);
        if std::mem::take(&mut self.is_open) && !self.is_broken {
            match self.producer.abort() {
                Ok(aborted) => self.learn(&aborted, &sent),
                Err(error) if error.wants_reopening() => self.is_broken = true,
                Err(error) => return Err(error.into()),
            }
        }
        if self.is_broken {
            self.report.is_outage = true;
            // A producer whose transaction timed out cannot be told from one that was fenced. To open it again would fence the process
            // that has taken over, if one has.
            self.check_owner()?;
            self.producer = open_producer(&self.kafka, &self.options, (&self.give_up, &self.give_up_commit))?;
            self.is_broken = false;
        }
        match self.record_too_large {
            Some(bytes) => Err(SendError::Kafka(KafkaError::TooLarge { topic: self.checkpoint.clone(), bytes })),
            None => Ok(std::mem::take(&mut self.report)),
        }
    }

    /// The messages that Kafka refused since the last call for what they are, as alert and stream: they would fail again.
    pub fn take_too_large(&mut self) -> Vec<(AlertId, usize)> {
        std::mem::take(&mut self.too_large)
    }

    /// The same of rejected alerts, whose copy on the rejected topic would fail again.
    pub fn take_rejected_too_large(&mut self) -> Vec<(AlertId, usize)> {
        std::mem::take(&mut self.rejected_too_large)
    }

    fn check_owner(&self) -> Result<(), SendError> {
        let read = || checkpoint::read_stable(&self.user, &self.checkpoint, self.partition, &*self.give_up);
        let records = again(&self.give_up, read)?;
        match self.owner.is_current(&records) {
            true => Ok(()),
            false => {
                Err(SendError::Kafka(KafkaError::Fenced { transactional_id: self.options.transactional_id.clone() }))
            }
        }
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

    fn learn(&mut self, aborted: &Aborted, sent: &[Sent]) {
        self.report.is_outage |= aborted.is_outage;
        for failure in aborted.failures.iter().filter(|failure| failure.is_its_own_fault()) {
            match sent.get(failure.id) {
                Some(Sent::Alert(alert, stream)) => self.too_large.push((*alert, *stream)),
                Some(Sent::Rejected(alert, stream)) => self.rejected_too_large.push((*alert, *stream)),
                Some(Sent::Checkpoint) => self.record_too_large = Some(failure.bytes),
                None => continue,
            }
            self.report.refused += 1;
        }
    }
}

/// Checks that the user may read back the topics without transactions and those of schemas: else this would come out after a crash only.
fn check_readable(user: &Admin, streams: &[StreamSettings], give_up: &GiveUp) -> Result<(), SendError> {
    let topics: Vec<String> = streams.iter().flat_map(StreamSettings::read_back_topics).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let rights = again(give_up, || user.own_rights(&names))?;
    for (topic, operations) in topics.iter().zip(rights) {
        let operations = operations?;
        // Brokers before 2.3 do not tell.
        if !operations.is_empty() && !operations.iter().any(|o| matches!(o, Operation::Read | Operation::All)) {
            return Err(SendError::Kafka(KafkaError::NotAuthorized {
                user: user.context().user().to_owned(),
                action: "read".to_owned(),
                resource: format!("topic `{topic}`"),
            }));
        }
    }
    Ok(())
}

fn open_producer(
    settings: &KafkaSettings,
    options: &ProducerOptions,
    (give_up, give_up_commit): (&GiveUp, &GiveUp),
) -> Result<Producer, SendError> {
    again(give_up, || {
        let give_up = Arc::clone(give_up_commit);
        Producer::open(settings, options, move || give_up())
    })
}

/// Tries until Kafka answers, each absence told in the log.
pub(super) fn again<T>(give_up: &GiveUp, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, SendError> {
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
