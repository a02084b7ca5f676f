//! A producer with a thread that serves its delivery reports.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer as _};

use crate::kafka::delivery::DeliveryTracker;
use crate::kafka::ffi::main_queue::{MainQueue, QueueWaker};

/// A producer and its thread, which ends when this value is dropped.
///
/// The thread sleeps until there are events. rdkafka's `ThreadedProducer` polls every 100 ms instead: it takes as long to end, and spins for the
/// last millisecond of each interval.
pub(super) struct ServedProducer {
    /// the first field: it is dropped before the producer
    _waker: QueueWaker,
    producer: Arc<BaseProducer<DeliveryTracker>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ServedProducer {
    pub fn start(producer: BaseProducer<DeliveryTracker>) -> Self {
        let (producer, stop) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let (served, stopped) = (Arc::clone(&producer), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let queue = MainQueue::new(served.client());
            while !stopped.load(Ordering::Acquire) {
                while !queue.is_empty() {
                    served.poll(Duration::ZERO);
                }
                std::thread::park();
            }
        });
        let _waker = MainQueue::new(producer.client()).unpark_on_event(thread.thread().clone());
        Self { _waker, producer, stop, thread: Some(thread) }
    }
}

impl Deref for ServedProducer {
    type Target = BaseProducer<DeliveryTracker>;

    fn deref(&self) -> &Self::Target {
        &self.producer
    }
}

impl Drop for ServedProducer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic was printed by the thread.
            let _panicked = thread.join();
        }
    }
}
