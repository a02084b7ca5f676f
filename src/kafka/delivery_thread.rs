//! A producer with a thread that serves its delivery reports.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::producer::BaseProducer;

use crate::kafka::delivery::DeliveryTracker;

/// The longest time from the end of a producer to the end of its thread. rdkafka's `ThreadedProducer` takes up to 100 ms.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A producer and its thread, which ends when this value is dropped.
pub(super) struct ServedProducer {
    producer: Arc<BaseProducer<DeliveryTracker>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ServedProducer {
    pub fn start(producer: BaseProducer<DeliveryTracker>) -> Self {
        let (producer, stop) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let (served, stopped) = (Arc::clone(&producer), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                served.poll(POLL_INTERVAL);
            }
        });
        Self { producer, stop, thread: Some(thread) }
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
        self.stop.store(true, Ordering::Relaxed);
        // A panic was printed by the thread.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}
