//! Requests of librdkafka's admin API. Responses are read element by element: some may fail while others succeed. rdkafka offers a part of them, with a
//! thread that takes up to 100 ms to end, and waits for the whole timeout where a login is refused.

use std::ffi::{CString, c_char};
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::{Event, Queue, millis, text};
use crate::kafka::connection::Connection;
use crate::kafka::error::{Error, normalize_message};

/// Why Kafka refused a request, or one element of it.
#[derive(Clone, Debug)]
pub(in crate::kafka) struct ResponseError {
    pub code: Code,
    pub reason: String,
}

/// Why a request has no result.
pub(in crate::kafka) enum CallError {
    /// it was not sent, or got no response
    NoResponse(Error),
    /// Kafka refused it as a whole
    Response(ResponseError),
}

pub(in crate::kafka) type CallResult<T> = Result<T, CallError>;

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::NoResponse(error)
    }
}

/// What a request is sent with.
pub(in crate::kafka) struct AdminCall<'a> {
    pub client: &'a Client<Connection>,
    pub timeout: Duration,
    /// called several times a second; an error ends the wait for the response
    pub check: &'a dyn Fn() -> Result<(), Error>,
}

/// How long one poll of the response queue takes.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

impl AdminCall<'_> {
    /// Submits a request to the broker that librdkafka chooses, and waits for its response.
    pub(super) fn submit(
        &self,
        operation: AdminOp,
        send: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Event, CallError> {
        self.submit_to(None, operation, send)
    }

    /// Submits a request to `broker`, or to the one that librdkafka chooses, and waits for its response.
    pub(super) fn submit_to(
        &self,
        broker: Option<i32>,
        operation: AdminOp,
        send: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Event, CallError> {
        let client = self.client.native_ptr();
        // SAFETY: options and queue are freed by their guards, before the client; the message is cut at the buffer's end.
        let (options, queue) = unsafe {
            let options = Options(sys::rd_kafka_AdminOptions_new(client, operation));
            let mut message: [c_char; 256] = [0; 256];
            let time = millis(self.timeout);
            sys::rd_kafka_AdminOptions_set_request_timeout(options.0, time, message.as_mut_ptr(), message.len());
            match operation {
                AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS => {
                    sys::rd_kafka_AdminOptions_set_include_authorized_operations(options.0, 1);
                }
                AdminOp::RD_KAFKA_ADMIN_OP_CREATETOPICS
                | AdminOp::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS
                | AdminOp::RD_KAFKA_ADMIN_OP_DELETETOPICS => {
                    // How long the controller waits until the change is done.
                    sys::rd_kafka_AdminOptions_set_operation_timeout(
                        options.0,
                        time,
                        message.as_mut_ptr(),
                        message.len(),
                    );
                }
                _ => {}
            }
            if let Some(broker) = broker {
                sys::rd_kafka_AdminOptions_set_broker(options.0, broker, message.as_mut_ptr(), message.len());
            }
            (options, Queue(sys::rd_kafka_queue_new(client)))
        };
        send(client, options.0, queue.0);
        loop {
            if let Some(event) = queue.poll(POLL_INTERVAL) {
                // SAFETY: the event is valid.
                let code = Code::from(unsafe { sys::rd_kafka_event_error(event.0) });
                if code == Code::NoError {
                    return Ok(event);
                }
                if operation == AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS {
                    // librdkafka 2.12 stores a pointer to its stack as the message of this error, and would free it with the event.
                    std::mem::forget(event);
                    return Err(CallError::Response(ResponseError { code, reason: String::new() }));
                }
                // SAFETY: the event is valid, and its message lives as long as it.
                let message = unsafe { text(sys::rd_kafka_event_error_string(event.0)) };
                return Err(CallError::Response(ResponseError { code, reason: normalize_message(&message) }));
            }
            (self.check)()?;
        }
    }
}

/// The elements of an array that an event holds.
///
/// # Safety
/// `first` points to `count` pointers that live as long as the event.
pub(super) unsafe fn elements<T>(first: *mut *const T, count: usize) -> impl Iterator<Item = *const T> {
    // SAFETY: the caller's promise.
    (0..if first.is_null() { 0 } else { count }).map(move |i| unsafe { *first.add(i) })
}

/// # Safety
/// `error` is null or belongs to an event that is not freed yet.
pub(super) unsafe fn response_error(error: *const sys::rd_kafka_error_t) -> Option<ResponseError> {
    if error.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let (code, message) =
        unsafe { (Code::from(sys::rd_kafka_error_code(error)), text(sys::rd_kafka_error_string(error))) };
    (code != Code::NoError).then(|| ResponseError { code, reason: normalize_message(&message) })
}

/// The error of a code, which has a message or a null pointer.
///
/// # Safety
/// `message` is null or belongs to an event that is not freed yet.
pub(super) unsafe fn error_of_code(code: sys::rd_kafka_resp_err_t, message: *const c_char) -> Option<ResponseError> {
    let code = Code::from(code);
    // SAFETY: the caller's promise.
    (code != Code::NoError).then(|| ResponseError { code, reason: normalize_message(&unsafe { text(message) }) })
}

pub(super) fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Settings(format!("`{}` contains a NUL byte", text.escape_default())))
}

/// Options of a request, freed when dropped.
struct Options(*mut sys::rd_kafka_AdminOptions_t);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) }
    }
}
