//! The offsets that a topic's only writer expects for its messages: consecutive ones. Another offset means that somebody else wrote there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A message got another offset than the one after its predecessor's: the records between them were written by somebody else, or by an
/// earlier producer of the same writer whose request arrived late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnexpectedOffset {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// the offset that the message should have got
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
    /// whether a message was sent there since `next` was set
    begun: AtomicBool,
}

/// The next offset of each partition of some topics.
#[derive(Debug, Default)]
pub(crate) struct ExpectedOffsets {
    topics: HashMap<String, Box<[ExpectedOffset]>>,
    unexpected: Mutex<Option<UnexpectedOffset>>,
}

impl ExpectedOffsets {
    /// Expected offsets at the start of topics with these numbers of partitions.
    pub fn new(topics: &[(String, i32)]) -> Self {
        let start = |partitions: i32| (0..partitions).map(|_| ExpectedOffset::default()).collect();
        let topics = topics.iter().map(|(topic, partitions)| (topic.clone(), start(*partitions))).collect();
        Self { topics, unexpected: Mutex::default() }
    }

    /// Takes note that a message was stored at `offset`. Negative: the broker did not say where, since it had the message already.
    pub fn acknowledge(&self, topic: &str, partition: i32, offset: i64) {
        let Some(ExpectedOffset { next, .. }) = self.position(topic, partition) else { return };
        // Reports come one at a time, from one thread.
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
        self.topics.get(topic).into_iter().flatten().map(|position| position.next.load(Ordering::Acquire)).collect()
    }

    /// Sets the next offset of each partition of a topic. To be called while nothing is under way.
    pub fn set(&self, topic: &str, offsets: &[i64]) {
        for (position, offset) in self.topics.get(topic).into_iter().flatten().zip(offsets) {
            position.next.store(*offset, Ordering::Release);
            position.begun.store(false, Ordering::Release);
        }
        self.take_unexpected();
    }

    /// The first message since the last call that did not follow its predecessor.
    pub fn take_unexpected(&self) -> Option<UnexpectedOffset> {
        self.unexpected.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes that a message is sent to a partition; says whether it is the first one there since the offsets were set.
    pub fn begin(&self, topic: &str, partition: i32) -> bool {
        self.position(topic, partition).is_some_and(|position| !position.begun.swap(true, Ordering::AcqRel))
    }

    fn position(&self, topic: &str, partition: i32) -> Option<&ExpectedOffset> {
        self.topics.get(topic)?.get(usize::try_from(partition).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_offsets_are_counted_and_others_noticed() {
        let positions = ExpectedOffsets::new(&[("t".to_owned(), 2)]);
        positions.set("t", &[5, 0]);
        positions.acknowledge("t", 0, 5);
        positions.acknowledge("t", 0, -1001);
        positions.acknowledge("t", 1, 0);
        assert_eq!((positions.offsets("t"), positions.take_unexpected()), (vec![7, 1], None));
        positions.acknowledge("t", 0, 9);
        positions.acknowledge("t", 0, 10);
        let expected = UnexpectedOffset { topic: "t".to_owned(), partition: 0, expected: 7, found: 9 };
        assert_eq!((positions.offsets("t"), positions.take_unexpected()), (vec![11, 1], Some(expected)));
        assert_eq!(positions.take_unexpected(), None);
    }

    #[test]
    fn other_topics_are_passed_over() {
        let positions = ExpectedOffsets::new(&[("t".to_owned(), 1)]);
        positions.acknowledge("u", 0, 3);
        positions.acknowledge("t", 1, 3);
        assert_eq!((positions.offsets("u"), positions.take_unexpected()), (Vec::new(), None));
    }
}
