//! The queue of a client into which librdkafka puts its events: delivery reports, errors and log lines.

use std::ffi::c_void;
use std::thread::Thread;

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka_sys as sys;

use super::Queue;

/// A reference to the main queue of a client. It is dropped before the client.
pub(in crate::kafka) struct MainQueue(Queue);

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for MainQueue {}
// SAFETY: as above.
unsafe impl Sync for MainQueue {}

impl MainQueue {
    pub fn new<C: ClientContext>(client: &Client<C>) -> Self {
        Self(Queue::main(client))
    }

    pub fn is_empty(&self) -> bool {
        // SAFETY: the queue is valid as long as the guard lives.
        unsafe { sys::rd_kafka_queue_length(self.0.0) == 0 }
    }

    /// Unparks `thread` now, and whenever an event comes into the empty queue until the result is dropped.
    pub fn unpark_on_event(self, thread: Thread) -> QueueWaker {
        let waker = QueueWaker { queue: self, thread: Box::new(thread) };
        let opaque = (&raw const *waker.thread).cast_mut().cast::<c_void>();
        // SAFETY: the box neither moves nor ends before the callback is taken away, when the waker is dropped.
        unsafe { sys::rd_kafka_queue_cb_event_enable(waker.queue.0.0, Some(unpark), opaque) };
        // An event that came before does not call it, nor does the one after that: the queue is not empty.
        waker.thread.unpark();
        waker
    }
}

/// Unparks a thread on events, until it is dropped.
pub(in crate::kafka) struct QueueWaker {
    queue: MainQueue,
    thread: Box<Thread>,
}

impl Drop for QueueWaker {
    fn drop(&mut self) {
        // SAFETY: the queue is valid. librdkafka holds the queue's lock during a callback and here, so none runs after this call.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue.0.0, None, std::ptr::null_mut()) };
    }
}

extern "C" fn unpark(_client: *mut sys::rd_kafka_t, thread: *mut c_void) {
    // SAFETY: `unpark_on_event` passes a `Thread` that outlives the callback.
    unsafe { &*thread.cast::<Thread>() }.unpark();
}
