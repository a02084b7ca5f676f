//! Topics that accept smaller batches than the producer makes.
//!
//! A broker rejects a batch as a whole, so the messages in the same batch as a too large one are rejected too. Batches stay below `batch.size`,
//! which every topic accepts unless its max.message.bytes was lowered; a larger message is a batch of its own, and its rejection concerns no
//! other. Where a topic rejects a batch nonetheless, its messages are sent one by one from then on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

/// The topics whose messages are sent one by one.
#[derive(Debug, Default)]
pub(crate) struct UnbatchedTopics {
    /// false: there are none, and no lock is needed
    any: AtomicBool,
    /// for each topic the smallest message that it has rejected, bytes
    topics: RwLock<BTreeMap<String, Option<usize>>>,
    /// held while a message to one of them is in flight
    pub in_flight: Mutex<()>,
}

impl UnbatchedTopics {
    /// The smallest size that the topic has rejected, if any; the outer `None`: the topic is not one of these.
    pub fn get(&self, topic: &str) -> Option<Option<usize>> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    /// Adds a topic. Returns whether it is new.
    pub fn add(&self, topic: &str) -> bool {
        self.any.store(true, Ordering::Relaxed);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.to_owned(), None).is_none()
    }

    /// The names of the topics.
    pub fn names(&self) -> Vec<String> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Records that the topic rejects messages of this size.
    pub fn record_rejected(&self, topic: &str, bytes: usize) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(least) = topics.get_mut(topic) {
            *least = Some(least.map_or(bytes, |known| known.min(bytes)));
        }
    }
}
