//! Calls of librdkafka that rdkafka does not offer, or not as needed here. The only module with `unsafe`.
//!
//! A guard owns each native object and frees it once. Responses are copied into types of this crate before their event is freed.
#![allow(unsafe_code)] // librdkafka is a C library

pub(super) mod acls;
pub(super) mod admin_call;
pub(super) mod configs;
pub(super) mod consuming;
pub(super) mod groups;
pub(super) mod main_queue;
pub(super) mod offsets;
pub(super) mod topic_changes;
pub(super) mod topics;
pub(super) mod users;

use std::ffi::{CStr, c_char};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka_sys as sys;

use crate::kafka::connection::Connection;
use crate::kafka::error::normalize_message;

/// The failure of a step of a transaction. By default it is not fatal, not retriable and does not require an abort.
#[derive(Clone, Debug)]
pub(super) struct TransactionError {
    pub code: Code,
    pub reason: String,
    /// the producer cannot be used any more
    pub fatal: bool,
    /// the same call may be repeated
    pub retriable: bool,
    /// the transaction has to be aborted
    pub requires_abort: bool,
}

impl TransactionError {
    /// An error that neither ends the producer nor the transaction.
    pub fn new(code: Code, reason: String) -> Self {
        Self { code, reason, fatal: false, retriable: false, requires_abort: false }
    }
}

impl From<KafkaError> for TransactionError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::Transaction(error) => Self {
                code: error.code(),
                reason: normalize_message(&error.string()),
                fatal: error.is_fatal(),
                retriable: error.is_retriable(),
                requires_abort: error.txn_requires_abort(),
            },
            other => Self::new(other.rdkafka_error_code().unwrap_or(Code::Fail), normalize_message(&other.to_string())),
        }
    }
}

/// Commits the transaction after all its messages were delivered. Waits for at most `timeout`; after a retriable time-out the next call
/// resumes the commit. Another thread must serve the delivery reports.
///
/// rdkafka's own commit polls for the reports for 100 ms, and takes that long even where the commit takes 2 ms.
pub(super) fn commit_transaction<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<(), TransactionError> {
    // SAFETY: the client outlives the call, and librdkafka's handles may be used from any thread.
    let error = unsafe { sys::rd_kafka_commit_transaction(client.native_ptr(), millis(timeout)) };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: `error` is a valid error object, which the caller owns, and is freed once.
    unsafe {
        let step = TransactionError {
            code: sys::rd_kafka_error_code(error).into(),
            reason: normalize_message(&text(sys::rd_kafka_error_string(error))),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        sys::rd_kafka_error_destroy(error);
        Err(step)
    }
}

/// Sends batches without waiting for `linger.ms`, and waits for at most `timeout` until no message is in flight. Returns whether that is so.
/// Another thread must serve the delivery reports.
pub(super) fn flush<C: ClientContext>(client: &Client<C>, timeout: Duration) -> bool {
    // SAFETY: as above.
    let code = unsafe { sys::rd_kafka_flush(client.native_ptr(), millis(timeout)) };
    Code::from(code) == Code::NoError
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// Copies a C string; a null pointer stands for an empty one.
///
/// # Safety
/// `string` is null or points to a NUL-terminated string.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

/// Passes librdkafka's log and error events to the connection, for a client whose main queue no other thread serves.
pub(super) fn serve_events(client: &Client<Connection>) {
    let queue = Queue::main(client);
    while let Some(event) = queue.poll(Duration::ZERO) {
        event.report(client.context());
    }
}

/// A reference to a queue.
struct Queue(*mut sys::rd_kafka_queue_t);

impl Queue {
    /// The main queue of a client. It is dropped before the client.
    fn main<C: ClientContext>(client: &Client<C>) -> Self {
        // SAFETY: the client is valid, and the reference is freed once, by its guard.
        Self(unsafe { sys::rd_kafka_queue_get_main(client.native_ptr()) })
    }

    fn poll(&self, timeout: Duration) -> Option<Event> {
        // SAFETY: the queue is valid until the guard is dropped; the event is freed by its own guard.
        let event = unsafe { sys::rd_kafka_queue_poll(self.0, millis(timeout)) };
        (!event.is_null()).then_some(Event(event))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: owned by this guard, and freed once.
            unsafe { sys::rd_kafka_queue_destroy(self.0) }
        }
    }
}

/// An event, freed when dropped.
struct Event(*mut sys::rd_kafka_event_t);

impl Event {
    fn report(&self, connection: &Connection) {
        // SAFETY: the event is valid until the guard is dropped, and its strings live as long.
        unsafe {
            match sys::rd_kafka_event_type(self.0) {
                sys::RD_KAFKA_EVENT_ERROR => {
                    let code = Code::from(sys::rd_kafka_event_error(self.0));
                    connection.error(KafkaError::Global(code), &text(sys::rd_kafka_event_error_string(self.0)));
                }
                sys::RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut message, mut level) = (std::ptr::null(), std::ptr::null(), 0);
                    if sys::rd_kafka_event_log(self.0, &raw mut facility, &raw mut message, &raw mut level) == 0 {
                        connection.log(log_level(level), &text(facility), &text(message));
                    }
                }
                sys::RD_KAFKA_EVENT_STATS => {
                    connection.stats_raw(text(sys::rd_kafka_event_stats(self.0)).as_bytes());
                }
                _ => {}
            }
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_event_destroy(self.0) }
    }
}

/// rdkafka's level for a syslog level.
fn log_level(level: i32) -> RDKafkaLogLevel {
    match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 | 6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}
