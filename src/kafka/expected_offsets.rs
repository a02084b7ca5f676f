//! The offsets that the only writer of a topic expects for its messages: consecutive ones. Any other offset shows another writer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A message got another offset than the next one of its partition: another writer, or a late request of an earlier producer of this writer,
/// has added records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnexpectedOffset {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// the next offset of the partition
    pub expected: i64,
    /// the offset that it got
    pub found: i64,
}

impl std::fmt::Display for UnexpectedOffset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, partition, expected, found } = self;
        write!(f, "topic `{topic}` partition {partition}: a message got offset {found} where {expected} was expected")
    }
}

#[derive(Debug, Default)]
struct ExpectedOffset {
    next: AtomicI64,
    /// whether a message was sent to it since `next` was set
    has_begun: AtomicBool,
}

/// The next offset of each partition of some topics.
#[derive(Debug, Default)]
pub(crate) struct ExpectedOffsets {
    topics: HashMap<String, Box<[ExpectedOffset]>>,
    unexpected: Mutex<Option<UnexpectedOffset>>,
}

impl ExpectedOffsets {
    /// Offset 0 for each partition of topics with these numbers of partitions.
    pub fn new(topics: &[(String, i32)]) -> Self {
        let start = |partitions: i32| (0..partitions).map(|_| ExpectedOffset::default()).collect();
        let topics = topics.iter().map(|(topic, partitions)| (topic.clone(), start(*partitions))).collect();
        Self { topics, unexpected: Mutex::default() }
    }

    /// Records that a message was stored at `offset`. Negative: the broker had the message already and did not tell its offset.
    pub fn acknowledge(&self, topic: &str, partition: i32, offset: i64) {
        let Some(ExpectedOffset { next, .. }) = self.partition(topic, partition) else { return };
        // One thread serves the reports, so load and store need not be one step.
        let expected = next.load(Ordering::Relaxed);
        if offset >= 0 && offset != expected {
            let mut unexpected = self.unexpected.lock().unwrap_or_else(PoisonError::into_inner);
            let topic = topic.to_owned();
            unexpected.get_or_insert(UnexpectedOffset { topic, partition, expected, found: offset });
            next.store(offset + 1, Ordering::Release);
        } else {
            next.store(expected + 1, Ordering::Release);
        }
    }

    /// The next offset of each partition of a topic.
    pub fn offsets(&self, topic: &str) -> Vec<i64> {
        self.topics.get(topic).into_iter().flatten().map(|partition| partition.next.load(Ordering::Acquire)).collect()
    }

    /// Sets the next offset of each partition of a topic. No message may be in flight.
    pub fn set(&self, topic: &str, offsets: &[i64]) {
        for (partition, offset) in self.topics.get(topic).into_iter().flatten().zip(offsets) {
            partition.next.store(*offset, Ordering::Release);
            partition.has_begun.store(false, Ordering::Release);
        }
        self.take_unexpected();
    }

    /// The first unexpected offset since the last call.
    pub fn take_unexpected(&self) -> Option<UnexpectedOffset> {
        self.unexpected.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Records that a message is sent to a partition. Returns whether it is the first one since the offsets were set.
    pub fn begin(&self, topic: &str, partition: i32) -> bool {
        self.partition(topic, partition).is_some_and(|partition| !partition.has_begun.swap(true, Ordering::AcqRel))
    }

    fn partition(&self, topic: &str, partition: i32) -> Option<&ExpectedOffset> {
        self.topics.get(topic)?.get(usize::try_from(partition).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_offsets_are_counted_and_others_recorded() {
        let offsets = ExpectedOffsets::new(&[("t".to_owned(), 2)]);
        offsets.set("t", &[5, 0]);
        offsets.acknowledge("t", 0, 5);
        offsets.acknowledge("t", 0, -1001);
        offsets.acknowledge("t", 1, 0);
        assert_eq!((offsets.offsets("t"), offsets.take_unexpected()), (vec![7, 1], None));
        offsets.acknowledge("t", 0, 9);
        offsets.acknowledge("t", 0, 10);
        let expected = UnexpectedOffset { topic: "t".to_owned(), partition: 0, expected: 7, found: 9 };
        assert_eq!((offsets.offsets("t"), offsets.take_unexpected()), (vec![11, 1], Some(expected)));
        assert_eq!(offsets.take_unexpected(), None);
    }

    #[test]
    fn other_topics_are_ignored() {
        let offsets = ExpectedOffsets::new(&[("t".to_owned(), 1)]);
        offsets.acknowledge("u", 0, 3);
        offsets.acknowledge("t", 1, 3);
        assert_eq!((offsets.offsets("u"), offsets.take_unexpected()), (Vec::new(), None));
    }
}
