//! The calls of librdkafka that rdkafka does not offer, or not as they are needed. The only room with `unsafe`.
//!
//! Every native object is held by a guard that frees it once; what Kafka answers is copied into our own types before its event is freed.
#![allow(unsafe_code)] // librdkafka is a C library

pub(super) mod administration;
pub(super) mod authorized;
pub(super) mod consuming;
pub(super) mod offsets;

use std::ffi::{CStr, c_char};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka_sys as sys;

use crate::kafka::client::Context;
use crate::kafka::error::lower;

/// What librdkafka says when a step of a transaction fails.
#[derive(Clone, Debug)]
pub(super) struct TransactionError {
    pub code: Code,
    pub reason: String,
    /// the producer is of no use any more
    pub fatal: bool,
    /// the same call may be made again
    pub retriable: bool,
    /// the transaction has to be aborted
    pub requires_abort: bool,
}

/// Commits the running transaction after everything sent was delivered, waiting at most `timeout`; a retriable time-out is resumed by calling
/// again. Delivery reports must be served by another thread meanwhile.
///
/// rdkafka's own commit polls the reports itself, in turns of 100 ms that do not end early, and so takes 100 ms where 2 suffice.
pub(super) fn commit_transaction<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<(), TransactionError> {
    // SAFETY: the client outlives the call, and librdkafka's handles may be used from any thread.
    let error = unsafe { sys::rd_kafka_commit_transaction(client.native_ptr(), millis(timeout)) };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: `error` is a valid error object, which is ours to free, and is freed once.
    unsafe {
        let step = TransactionError {
            code: sys::rd_kafka_error_code(error).into(),
            reason: lower(&text(sys::rd_kafka_error_string(error))),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        sys::rd_kafka_error_destroy(error);
        Err(step)
    }
}

/// Sends at once what waits for company, and waits at most `timeout` until nothing is under way; says whether that is so. Delivery reports must
/// be served by another thread meanwhile.
pub(super) fn flush<C: ClientContext>(client: &Client<C>, timeout: Duration) -> bool {
    // SAFETY: as above.
    let code = unsafe { sys::rd_kafka_flush(client.native_ptr(), millis(timeout)) };
    Code::from(code) == Code::NoError
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// A C string that librdkafka owns, copied; empty for a null pointer.
///
/// # Safety
/// `words` is null or points to a string that ends with a zero.
unsafe fn text(words: *const c_char) -> String {
    if words.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
}

/// Hands librdkafka's log and error events, of a client whose main queue nobody else serves, to the client's context.
pub(super) fn serve_events(client: &Client<Context>) {
    // SAFETY: the reference to the main queue is freed by its guard, before the client.
    let queue = Queue(unsafe { sys::rd_kafka_queue_get_main(client.native_ptr()) });
    while let Some(event) = queue.poll(Duration::ZERO) {
        event.report(client.context());
    }
}

/// A reference to a queue.
struct Queue(*mut sys::rd_kafka_queue_t);

impl Queue {
    fn poll(&self, timeout: Duration) -> Option<Event> {
        // SAFETY: the queue is valid until the guard is dropped; the event is freed by its own guard.
        let event = unsafe { sys::rd_kafka_queue_poll(self.0, millis(timeout)) };
        (!event.is_null()).then_some(Event(event))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: ours, and freed once.
            unsafe { sys::rd_kafka_queue_destroy(self.0) }
        }
    }
}

/// An event, freed when dropped.
struct Event(*mut sys::rd_kafka_event_t);

impl Event {
    fn report(&self, context: &Context) {
        // SAFETY: the event is valid until the guard is dropped, and its strings live as long.
        unsafe {
            match sys::rd_kafka_event_type(self.0) {
                sys::RD_KAFKA_EVENT_ERROR => {
                    let code = Code::from(sys::rd_kafka_event_error(self.0));
                    context.error(KafkaError::Global(code), &text(sys::rd_kafka_event_error_string(self.0)));
                }
                sys::RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut words, mut level) = (std::ptr::null(), std::ptr::null(), 0);
                    if sys::rd_kafka_event_log(self.0, &raw mut facility, &raw mut words, &raw mut level) == 0 {
                        context.log(log_level(level), &text(facility), &text(words));
                    }
                }
                sys::RD_KAFKA_EVENT_STATS => {
                    context.stats_raw(text(sys::rd_kafka_event_stats(self.0)).as_bytes());
                }
                _ => {}
            }
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, and freed once.
        unsafe { sys::rd_kafka_event_destroy(self.0) }
    }
}

/// A level of syslog as rdkafka's.
fn log_level(level: i32) -> RDKafkaLogLevel {
    match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 | 6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}
