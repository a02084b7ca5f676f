//! The transactional producer: what is sent between [`begin`](Producer::begin) and [`commit`](Producer::commit) is seen by readers whole, or not at all.
//!
//! librdkafka works in its own threads and one of rdkafka's serves delivery reports; so every call here is short, but those that wait for
//! Kafka. These wait as long as it takes, through brokers that go and come back, and ask `give_up` several times a second whether to go on.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use crate::config::KafkaSettings;
use crate::kafka::client::{self, Context, Identity};
use crate::kafka::delivery::{DeliveryTracker, UnbatchedTopics, queued_bytes};
use crate::kafka::error::{Error, Resource, Result, is_authorization_failure, lower};
use crate::kafka::ffi::{self, TransactionError};
use crate::kafka::topics;
use crate::kafka::transaction::transaction_error;

/// How long one call into librdkafka waits before `give_up` is asked.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long a full queue is left alone before it is looked at again.
const QUEUE_FULL_BACKOFF: Duration = Duration::from_millis(1);
/// The largest message librdkafka lets pass. Whether a topic takes it is the broker's to say (max.message.bytes, after compression); beyond a
/// request of 100 MiB a broker closes the connection without a word (its socket.request.max.bytes), so this stays below.
const MAX_MESSAGE_BYTES: u64 = 104_000_000;

/// Defaults for alerts of 50–230 kB. Raw options may change them.
const DEFAULTS: &[(&str, &str)] = &[
    ("linger.ms", "50"),
    // Below the 1 048 588 bytes that a topic takes by default: see `UnbatchedTopics`.
    ("batch.size", "1000000"),
    ("message.max.bytes", "104000000"),
    // A transaction that its producer leaves undecided, as when the process is killed, stops all readers of its topics until the brokers
    // give it up: after this time and at most their 10 s (transaction.abort.timed.out.transaction.cleanup.interval.ms). Commits are due
    // after a few seconds, and transactions become smaller where the brokers are slow.
    ("transaction.timeout.ms", "20000"),
    // Topics are made before they are written to: a missing one need not be waited for as long as for one that is being made.
    ("topic.metadata.propagation.max.ms", "5000"),
];

/// What a producer is opened with.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Names the producer. A new one with the same id fences the old one and aborts what it left open.
    pub transactional_id: String,
    /// Bound of the memory for messages under way, bytes. A message larger than this goes alone.
    pub memory: u64,
    /// How long to wait for the brokers at the start.
    pub timeout: Duration,
}

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct ProducerRecord<'a> {
    /// where to
    pub topic: &'a str,
    /// where in the topic; see [`crate::kafka::partition`]
    pub partition: i32,
    /// the key
    pub key: Option<&'a [u8]>,
    /// the value; `None` deletes the key in a compacted topic
    pub value: Option<&'a [u8]>,
    /// names and values, in order
    pub headers: &'a [(&'a str, &'a [u8])],
    /// a number of the caller's, given back when the message cannot be delivered
    pub id: usize,
}

/// Gives a message's timestamp, ms since 1970; `None` where it must not be sent any more.
pub(super) type Stamp<'a> = &'a dyn Fn() -> Option<i64>;

/// A transactional producer. `send` may be called from several threads; `begin`, `commit` and `abort` only while none of them sends.
pub struct Producer {
    pub(super) inner: ThreadedProducer<DeliveryTracker>,
    pub(super) transactional_id: String,
    pub(super) transaction_timeout: Duration,
    memory: u64,
    pub(super) batch_size: usize,
    pub(super) compresses: bool,
    pub(super) unbatched: UnbatchedTopics,
    give_up: Box<dyn Fn() -> bool + Send + Sync>,
    pub(super) opened: Instant,
    /// ms from `opened` to the first message of the running transaction, plus one; zero: none sent
    pub(super) first_sent: AtomicU64,
}

impl Producer {
    /// Opens a producer and waits until Kafka knows it. From then on the transactional id's former producer is fenced and what it left open is
    /// aborted; so what a checkpoint holds has to be read after this, not before.
    ///
    /// `give_up` is asked while waiting for Kafka, here and later; when it says yes, the wait ends with [`Error::Stopped`].
    ///
    /// # Errors
    /// Refused settings or login, no right to the transactional id, no broker within `options.timeout`.
    pub fn open(
        settings: &KafkaSettings,
        options: &ProducerOptions,
        give_up: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let fixed = [("transactional.id", options.transactional_id.as_str())];
        let deliveries = DeliveryTracker::new(Context::new(settings, Identity::User));
        let producer = Self::create(settings, options, &fixed, deliveries, give_up)?;
        producer.init(options.timeout)?;
        Ok(producer)
    }

    /// An idempotent producer with the options in `fixed`. Whether it is transactional is theirs to say.
    pub(super) fn create(
        settings: &KafkaSettings,
        options: &ProducerOptions,
        fixed: &[(&str, &str)],
        deliveries: DeliveryTracker,
        give_up: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        // The key and librdkafka's own structures count too, so the real bound is `queued_bytes`'s; this one only has to let a large message pass.
        let kbytes = (options.memory.max(MAX_MESSAGE_BYTES) / 1024 + 1).min(2_147_483_647).to_string();
        let common = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("queue.buffering.max.kbytes", &kbytes),
            ("queue.buffering.max.messages", "0"),
        ];
        let config = client::config(settings, Identity::User, DEFAULTS, &[&common, fixed].concat())?;
        let number = |name: &str| config.get(name).and_then(|v| v.parse::<u64>().ok());
        let codec = config.get("compression.codec").or_else(|| config.get("compression.type"));
        Ok(Self {
            transactional_id: options.transactional_id.clone(),
            transaction_timeout: Duration::from_millis(number("transaction.timeout.ms").unwrap_or(20_000)),
            memory: options.memory,
            batch_size: number("batch.size").and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX),
            compresses: codec.is_some_and(|codec| codec != "none"),
            unbatched: UnbatchedTopics::default(),
            give_up: Box::new(give_up),
            opened: Instant::now(),
            first_sent: AtomicU64::new(0),
            inner: config.create_with_context(deliveries).map_err(|e| client::settings_error(&e))?,
        })
    }

    fn init(&self, timeout: Duration) -> Result<()> {
        let doing = "opening the producer";
        let deadline = Instant::now() + timeout;
        loop {
            let Err(error) = self.inner.init_transactions(POLL_INTERVAL) else {
                self.context().status().mark_connected();
                return Ok(());
            };
            let error = transaction_error(error);
            if error.fatal {
                return Err(self.fatal(&error));
            }
            if let Some(error) = self.context().refused() {
                return Err(error);
            }
            if is_authorization_failure(error.code) {
                return Err(self.refusal(&error));
            }
            if !error.retriable {
                return Err(self.broken(&error));
            }
            if Instant::now() >= deadline {
                return Err(match error.code {
                    Code::OperationTimedOut => self.context().timed_out(timeout, doing),
                    _ => self.refusal(&error),
                });
            }
            self.back_off(&error, doing)?;
        }
    }

    /// Sends a message as part of the running transaction. Returns as soon as librdkafka has a copy of it; waits only while the memory is full.
    ///
    /// # Errors
    /// - [`Error::TooLarge`]: the message was not sent; the transaction goes on.
    /// - [`Error::MustAbort`]: the transaction failed meanwhile; [`abort`](Self::abort) says why.
    /// - Fenced, stopped, or without the right: the producer is of no use any more.
    pub fn send(&self, message: &ProducerRecord<'_>) -> Result<()> {
        self.send_stamped(message, None)
    }

    /// As [`send`](Self::send), with the timestamp that `stamp` gives, which is asked last of all; where it gives none, nothing is sent.
    pub(super) fn send_stamped(&self, message: &ProducerRecord<'_>, stamp: Option<Stamp<'_>>) -> Result<()> {
        let Some(refused) = self.unbatched.get(message.topic) else { return self.enqueue(message, stamp) };
        let bytes = message.key.map_or(0, <[u8]>::len) + message.value.map_or(0, <[u8]>::len);
        if refused.is_some_and(|least| bytes >= least) {
            return Err(Error::TooLarge { topic: message.topic.to_owned(), bytes });
        }
        let _alone = self.unbatched.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.enqueue(message, stamp)?;
        self.flush("sending messages one by one")
    }

    /// Waits until each message sent has been delivered or has failed.
    ///
    /// # Errors
    /// The caller gave up, or the connection is refused.
    pub(super) fn flush(&self, doing: &str) -> Result<()> {
        while !ffi::flush(self.client(), POLL_INTERVAL) {
            self.check_running(doing)?;
        }
        Ok(())
    }

    fn enqueue(&self, message: &ProducerRecord<'_>, stamp: Option<Stamp<'_>>) -> Result<()> {
        let (key, value) = (message.key.map_or(0, <[u8]>::len), message.value.map_or(0, <[u8]>::len));
        let room = queued_bytes(key, value);
        let deliveries = self.deliveries();
        let doing = "waiting for room among the messages under way";
        let mut attempts = 0_u32;
        let mut back_off = || {
            attempts += 1;
            if attempts.is_multiple_of(100) {
                self.check_running(doing)?;
            }
            std::thread::sleep(QUEUE_FULL_BACKOFF);
            Ok(())
        };
        while deliveries.in_flight().saturating_add(room) > self.memory && deliveries.in_flight() > 0 {
            back_off()?;
        }
        if self.first_sent.load(Ordering::Relaxed) == 0 {
            self.first_sent.store(self.opened.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
        }
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(message.topic, message.id);
        record.partition = Some(message.partition);
        record.key = message.key;
        record.payload = message.value;
        if !message.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(message.headers.len());
            let add = |all: OwnedHeaders, &(key, value): &(&str, &[u8])| all.insert(Header { key, value: Some(value) });
            record.headers = Some(message.headers.iter().fold(headers, add));
        }
        deliveries.add(room);
        loop {
            if let Some(stamp) = stamp {
                record.timestamp = stamp();
                if record.timestamp.is_none() {
                    deliveries.remove(room);
                    let reason = "another process may have taken over since the last commit".to_owned();
                    return Err(Error::MustAbort { reason });
                }
            }
            let Err((error, back)) = self.inner.send(record) else { return Ok(()) };
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            if code == Code::QueueFull {
                record = back;
                if let Err(error) = back_off() {
                    deliveries.remove(room);
                    return Err(error);
                }
                continue;
            }
            deliveries.remove(room);
            return Err(match code {
                Code::MessageSizeTooLarge => Error::TooLarge { topic: message.topic.to_owned(), bytes: key + value },
                Code::State => Error::MustAbort { reason: "a message before this one could not be sent".to_owned() },
                Code::Fatal => self.fatal(&TransactionError {
                    code,
                    reason: lower(&error.to_string()),
                    fatal: true,
                    retriable: false,
                    requires_abort: false,
                }),
                _ => self.context().refusal(code, "", "write to", Resource::Topic(message.topic)),
            });
        }
    }

    /// How many partitions a topic has; `None`: it does not exist.
    ///
    /// # Errors
    /// No right to see the topic, or no answer within the time.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<Option<i32>> {
        topics::partitions_of(self.client(), self.context(), topic, timeout, || {})
    }

    /// Bytes of messages that were sent and not yet confirmed.
    pub fn in_flight(&self) -> u64 {
        self.deliveries().in_flight()
    }

    /// The connection: its status and whose it is.
    pub fn context(&self) -> &Context {
        &self.deliveries().context
    }

    pub(super) fn client(&self) -> &Client<DeliveryTracker> {
        self.inner.client()
    }

    pub(super) fn deliveries(&self) -> &DeliveryTracker {
        self.inner.client().context()
    }

    pub(super) fn check_running(&self, doing: &str) -> Result<()> {
        if (self.give_up)() {
            return Err(Error::Stopped(doing.to_owned()));
        }
        match self.context().status().persistent_fault() {
            Some(fault) => Err(self.context().error_of(&fault)),
            None => Ok(()),
        }
    }

    pub(super) fn back_off(&self, error: &TransactionError, doing: &str) -> Result<()> {
        self.check_running(doing)?;
        if error.code != Code::OperationTimedOut {
            log::debug!("{doing}: {}; again", error.reason);
            std::thread::sleep(POLL_INTERVAL / 4);
        }
        Ok(())
    }
}
