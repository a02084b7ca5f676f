//! The transactional producer. `read_committed` consumers see all messages between [`begin`](Producer::begin) and [`commit`](Producer::commit),
//! or none.
//!
//! librdkafka sends from its own threads, and another thread serves the delivery reports. Calls that wait for the brokers wait without a
//! limit, and return [`Error::Cancelled`] when the producer's token is cancelled.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::cancel::CancellationToken;
use crate::kafka::client_config::{Identity, client_config};
use crate::kafka::connection::Connection;
use crate::kafka::delivery::{DeliveryTracker, queued_bytes};
use crate::kafka::delivery_thread::ServedProducer;
use crate::kafka::error::{Error, Resource, Result, is_authorization_failure, normalize_message, settings_error};
use crate::kafka::ffi::{self, TransactionError};
use crate::kafka::metadata::partition_count;
use crate::kafka::settings::KafkaSettings;
use crate::kafka::unbatched_topics::UnbatchedTopics;

/// How long one call of librdkafka waits before the token is checked.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long the first call of `init_transactions` waits. The next one waits twice as long, and so on up to [`POLL_INTERVAL`]. Each call makes
/// librdkafka look for a connected broker at once; by itself it looks every 500 ms.
const FIRST_INIT_INTERVAL: Duration = Duration::from_millis(20);
/// The pause before a full queue is checked again.
const QUEUE_FULL_BACKOFF: Duration = Duration::from_millis(1);
/// How many of these pauses pass between two checks of the token.
const BACKOFFS_PER_CHECK: u32 = 100;
/// librdkafka's limit for one message. The topic's own limit is max.message.bytes, after compression. A broker closes the connection on a
/// request above 100 MiB (its socket.request.max.bytes) without an error, so this stays below.
const MAX_MESSAGE_BYTES: u64 = 104_000_000;

/// Defaults for alerts of 50–230 kB. Raw options may change them.
const DEFAULTS: &[(&str, &str)] = &[
    ("linger.ms", "50"),
    // Below the default max.message.bytes of a topic, 1 048 588 bytes: see `unbatched_topics`.
    ("batch.size", "1000000"),
    // librdkafka sends no request for a partition while five of its messages are in flight, so in effect one batch; while all partitions of a
    // broker wait for that, its thread polls without a pause. With one request in flight for a connection the next batch waits in the output
    // queue, and the thread sleeps.
    ("max.in.flight.requests.per.connection", "1"),
    ("message.max.bytes", "104000000"),
    // A transaction that a killed producer leaves open holds back `read_committed` consumers until the brokers abort it: after this time and
    // up to 10 s (transaction.abort.timed.out.transaction.cleanup.interval.ms). Commits happen every few seconds.
    ("transaction.timeout.ms", "20000"),
    // Topics are created before the first message, so a missing one need not be awaited as long as a new one.
    ("topic.metadata.propagation.max.ms", "5000"),
];

/// What a producer is opened with.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// The producer's id. A new producer with the same id fences the old one and aborts its open transaction.
    pub transactional_id: String,
    /// Limit of the memory for messages in flight, bytes. A larger message is sent while no other is in flight.
    pub memory: u64,
    /// How long [`Producer::open`] waits for the brokers.
    pub timeout: Duration,
}

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct ProducerRecord<'a> {
    /// its topic
    pub topic: &'a str,
    /// its partition; see [`crate::kafka::partition`]
    pub partition: i32,
    /// the key
    pub key: Option<&'a [u8]>,
    /// the value; `None` deletes the key in a compacted topic
    pub value: Option<&'a [u8]>,
    /// names and values, in order
    pub headers: &'a [(&'a str, &'a [u8])],
    /// returned with the [failure](crate::kafka::DeliveryFailure) when the message cannot be delivered
    pub id: usize,
}

/// Returns a message's timestamp, ms since 1970; `None`: it must not be sent any more.
pub(super) type Stamp<'a> = &'a dyn Fn() -> Option<i64>;

/// A transactional producer. `send` may be called from several threads; `begin`, `commit` and `abort` only while none of them sends.
pub struct Producer {
    pub(super) inner: ServedProducer,
    pub(super) transactional_id: String,
    pub(super) transaction_timeout: Duration,
    memory: u64,
    pub(super) batch_size: usize,
    pub(super) compresses: bool,
    pub(super) unbatched: UnbatchedTopics,
    token: CancellationToken,
    pub(super) opened: Instant,
    /// ms from `opened` to the first message of the running transaction, plus one; zero: none was sent
    pub(super) first_sent: AtomicU64,
}

impl Producer {
    /// Opens a producer and initializes its transactions, which fences the former producer with the same transactional id and aborts its open
    /// transaction. So a checkpoint has to be read after this, not before.
    ///
    /// `token` ends waits for the brokers, here and later.
    ///
    /// # Errors
    /// Invalid settings, a refused login, not authorized to use the transactional id, or no response within `options.timeout`.
    pub fn open(settings: &KafkaSettings, options: &ProducerOptions, token: &CancellationToken) -> Result<Self> {
        let fixed = [("transactional.id", options.transactional_id.as_str())];
        let deliveries = DeliveryTracker::new(Connection::new(settings, Identity::User));
        let producer = Self::create(settings, options, &fixed, deliveries, token)?;
        producer.init(options.timeout)?;
        Ok(producer)
    }

    /// An idempotent producer with the `fixed` options, which may make it transactional.
    pub(super) fn create(
        settings: &KafkaSettings,
        options: &ProducerOptions,
        fixed: &[(&str, &str)],
        deliveries: DeliveryTracker,
        token: &CancellationToken,
    ) -> Result<Self> {
        // The real limit is that of `enqueue`, which counts keys and overhead; librdkafka's must not reject a large message.
        let kbytes = (options.memory.max(MAX_MESSAGE_BYTES) / 1024 + 1).min(2_147_483_647).to_string();
        let common = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("queue.buffering.max.kbytes", &kbytes),
            ("queue.buffering.max.messages", "0"),
        ];
        let config = client_config(settings, Identity::User, DEFAULTS, &[&common, fixed].concat())?;
        let number = |name: &str| config.get(name).and_then(|v| v.parse::<u64>().ok());
        let inner: BaseProducer<_> = config.create_with_context(deliveries).map_err(|e| settings_error(&e))?;
        let codec = config.get("compression.codec").or_else(|| config.get("compression.type"));
        Ok(Self {
            transactional_id: options.transactional_id.clone(),
            transaction_timeout: Duration::from_millis(number("transaction.timeout.ms").unwrap_or(20_000)),
            memory: options.memory,
            batch_size: number("batch.size").and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX),
            compresses: codec.is_some_and(|codec| codec != "none"),
            unbatched: UnbatchedTopics::default(),
            token: token.clone(),
            opened: Instant::now(),
            first_sent: AtomicU64::new(0),
            inner: ServedProducer::start(inner),
        })
    }

    fn init(&self, timeout: Duration) -> Result<()> {
        let doing = "opening the producer";
        let deadline = Instant::now() + timeout;
        let mut interval = FIRST_INIT_INTERVAL;
        loop {
            let Err(error) = self.inner.init_transactions(interval) else {
                self.connection().status().mark_connected();
                return Ok(());
            };
            let error = TransactionError::from(error);
            if error.fatal {
                return Err(self.fatal(&error));
            }
            self.connection().check()?;
            if is_authorization_failure(error.code) {
                return Err(self.denied(&error));
            }
            if !error.retriable {
                return Err(self.failed(&error));
            }
            if Instant::now() >= deadline {
                return Err(match error.code {
                    Code::OperationTimedOut => self.connection().diagnose_timeout(timeout, doing),
                    _ => self.denied(&error),
                });
            }
            self.back_off(&error, doing)?;
            interval = (2 * interval).min(POLL_INTERVAL);
        }
    }

    /// Sends a message in the running transaction. Returns when librdkafka has copied it; blocks only while the memory limit is reached.
    ///
    /// # Errors
    /// - [`Error::TooLarge`]: the message was not sent; the transaction continues.
    /// - [`Error::MustAbort`]: the transaction has failed; [`abort`](Self::abort) returns the reason.
    /// - [`Error::Fenced`], [`Error::Cancelled`], [`Error::NotAuthorized`]: the producer cannot be used any more.
    pub fn send(&self, message: &ProducerRecord<'_>) -> Result<()> {
        self.send_stamped(message, None)
    }

    /// As [`send`](Self::send), with the timestamp that `stamp` returns. It is called right before librdkafka takes the message; where it
    /// returns none, nothing is sent.
    pub(super) fn send_stamped(&self, message: &ProducerRecord<'_>, stamp: Option<Stamp<'_>>) -> Result<()> {
        let Some(rejected) = self.unbatched.get(message.topic) else { return self.enqueue(message, stamp) };
        let bytes = message.key.map_or(0, <[u8]>::len) + message.value.map_or(0, <[u8]>::len);
        if rejected.is_some_and(|least| bytes >= least) {
            return Err(Error::TooLarge { topic: message.topic.to_owned(), bytes });
        }
        let _alone = self.unbatched.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        self.enqueue(message, stamp)?;
        self.flush("sending messages one by one")
    }

    /// Waits until each message was delivered or has failed.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or the connection has a permanent fault.
    pub(super) fn flush(&self, doing: &str) -> Result<()> {
        while !ffi::flush(self.client(), POLL_INTERVAL) {
            self.check(doing)?;
        }
        Ok(())
    }

    fn enqueue(&self, message: &ProducerRecord<'_>, stamp: Option<Stamp<'_>>) -> Result<()> {
        let (key, value) = (message.key.map_or(0, <[u8]>::len), message.value.map_or(0, <[u8]>::len));
        let bytes = queued_bytes(key, value);
        let deliveries = self.deliveries();
        let doing = "waiting for messages in flight";
        let mut attempts = 0_u32;
        let mut back_off = || {
            attempts += 1;
            if attempts.is_multiple_of(BACKOFFS_PER_CHECK) {
                self.check(doing)?;
            }
            std::thread::sleep(QUEUE_FULL_BACKOFF);
            Ok(())
        };
        while deliveries.in_flight().saturating_add(bytes) > self.memory && deliveries.in_flight() > 0 {
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
        deliveries.add(bytes);
        loop {
            if let Some(stamp) = stamp {
                record.timestamp = stamp();
                if record.timestamp.is_none() {
                    deliveries.remove(bytes);
                    let reason = "another process may have taken over since the last commit".to_owned();
                    return Err(Error::MustAbort { reason });
                }
            }
            let Err((error, back)) = self.inner.send(record) else { return Ok(()) };
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            if code == Code::QueueFull {
                record = back;
                if let Err(error) = back_off() {
                    deliveries.remove(bytes);
                    return Err(error);
                }
                continue;
            }
            deliveries.remove(bytes);
            return Err(match code {
                Code::MessageSizeTooLarge => Error::TooLarge { topic: message.topic.to_owned(), bytes: key + value },
                Code::State => Error::MustAbort { reason: "a message before this one could not be sent".to_owned() },
                Code::Fatal => self.fatal(&TransactionError::new(code, normalize_message(&error.to_string()))),
                _ => self.connection().request_error(code, "", "write to", Resource::Topic(message.topic)),
            });
        }
    }

    /// The number of partitions of a topic; `None`: it does not exist.
    ///
    /// # Errors
    /// Not authorized to describe the topic, or no response within `timeout`.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<Option<i32>> {
        partition_count(self.client(), self.connection(), topic, timeout, || {})
    }

    /// The bytes of messages that were sent and not yet acknowledged.
    pub fn in_flight(&self) -> u64 {
        self.deliveries().in_flight()
    }

    /// The connection: its status and its user.
    pub fn connection(&self) -> &Connection {
        &self.deliveries().connection
    }

    pub(super) fn client(&self) -> &Client<DeliveryTracker> {
        self.inner.client()
    }

    pub(super) fn deliveries(&self) -> &DeliveryTracker {
        self.inner.client().context()
    }

    /// Fails where waiting has to end.
    pub(super) fn check(&self, doing: &str) -> Result<()> {
        if self.token.is_cancelled() {
            return Err(Error::Cancelled(doing.to_owned()));
        }
        self.connection().check_connected()
    }

    /// Pauses before a retriable step of a transaction is repeated.
    pub(super) fn back_off(&self, error: &TransactionError, doing: &str) -> Result<()> {
        self.check(doing)?;
        // A step that timed out has waited already.
        if error.code != Code::OperationTimedOut {
            log::debug!("{doing}: {}; retrying", error.reason);
            self.token.wait(POLL_INTERVAL / 4);
        }
        Ok(())
    }

    pub(super) fn denied(&self, error: &TransactionError) -> Error {
        let resource = Resource::TransactionalId(&self.transactional_id);
        self.connection().request_error(error.code, &error.reason, "use", resource)
    }

    /// The error of a producer that cannot go on. Brokers that were all away have aborted the transaction meanwhile, and so refuse to end it.
    pub(super) fn failed(&self, error: &TransactionError) -> Error {
        if error.code == Code::InvalidTransactionalState
            && let Some(expired) = self.expired()
        {
            return expired;
        }
        Error::ProducerFailed { transactional_id: self.transactional_id.clone(), reason: error.reason.clone() }
    }

    /// The meaning of a fatal error. librdkafka keeps the first one, and later errors only refer to it.
    pub(super) fn fatal(&self, error: &TransactionError) -> Error {
        let (code, reason) = self.client().fatal_error().unwrap_or((error.code, error.reason.clone()));
        let error = TransactionError::new(code, normalize_message(&reason));
        if is_authorization_failure(code) {
            return self.denied(&error);
        }
        if !matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) {
            return self.failed(&error);
        }
        // A broker that aborts an expired transaction fences its producer just as a new producer does: only the time tells them apart.
        self.expired().unwrap_or_else(|| Error::Fenced { transactional_id: self.transactional_id.clone() })
    }

    /// The error of a transaction that has been open for longer than its timeout.
    fn expired(&self) -> Option<Error> {
        let now = self.opened.elapsed().as_millis() as u64 + 1;
        let open = match self.first_sent.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            first => Duration::from_millis(now.saturating_sub(first)),
        };
        let transactional_id = self.transactional_id.clone();
        (open >= self.transaction_timeout).then_some(Error::TransactionExpired { transactional_id, open })
    }
}
