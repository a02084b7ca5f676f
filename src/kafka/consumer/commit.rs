//! Positions that the caller commits itself, when what it read is safe.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;

use super::Consumer;
use crate::kafka::error::Result;

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetCommit {
    /// the brokers have the offsets
    Committed,
    /// The group has gone on without this consumer: its partitions are read by others, from the offsets committed before.
    Lost,
}

impl Consumer {
    /// Commits for each (topic, partition) the offset at which the group reads on, and waits for the answer. Without a group, or with
    /// nothing to commit, nothing is sent.
    ///
    /// # Errors
    /// No right to use the group, or no answer; the latter is transient, and the same offsets may be committed again.
    pub fn commit(&self, offsets: &[(String, i32, i64)]) -> Result<OffsetCommit> {
        if self.group.is_none() || offsets.is_empty() {
            return Ok(OffsetCommit::Committed);
        }
        let action = "commit offsets of";
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in offsets {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            added.map_err(|e| self.error(&e, action, Some(topic)))?;
        }
        match self.inner.commit(&list, CommitMode::Sync) {
            Ok(()) => Ok(OffsetCommit::Committed),
            Err(error) if is_lost(&error) => Ok(OffsetCommit::Lost),
            Err(error) => Err(self.error(&error, action, None)),
        }
    }

    /// Reads a partition again from `offset` on. Messages of it that are under way are dropped.
    ///
    /// # Errors
    /// The partition is not assigned to this consumer.
    pub fn seek(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let wait = Duration::from_secs(10);
        self.inner
            .seek(topic, partition, Offset::Offset(offset), wait)
            .map_err(|e| self.error(&e, "read again", Some(topic)))
    }
}

fn is_lost(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::FencedInstanceId
                | Code::AssignmentLost
        )
    )
}
