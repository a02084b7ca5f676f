//! What is known about the topic of a stream.

use crate::timestamp::Timestamp;

/// What is known about the topic of a stream.
#[derive(Clone, Debug)]
pub(super) struct TopicScope {
    /// alerts with this timestamp or a later one may not have been sent yet
    pub due: Timestamp,
    /// number of partitions of the topic, or that it would be created with
    pub partitions: i32,
    /// what each partition still holds; empty: the topic does not exist
    pub retained: Vec<Retention>,
    /// for each partition the first offset that was not read
    pub ends: Vec<i64>,
    /// whether the topic has messages without an id in the window
    pub has_messages_without_id: bool,
}

/// Which messages of a partition have not been deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// all messages
    All,
    /// messages that were sent at this time or later
    Since(Timestamp),
    /// no message
    Nothing,
}

impl Retention {
    /// Whether a message that was sent for an alert of `timestamp` may have been deleted. It was sent at that time or later.
    pub fn may_be_deleted(self, timestamp: Timestamp) -> bool {
        match self {
            Self::All => false,
            Self::Since(oldest) => timestamp < oldest,
            Self::Nothing => true,
        }
    }
}
