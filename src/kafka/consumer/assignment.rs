//! The partitions of a consumer and the offsets at which it starts in them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer as _, RebalanceProtocol};
use rdkafka::topic_partition_list::Offset;

use super::{Consumer, Event, StartAt, is_stale_metadata, list_of};
use crate::kafka::error::{Result, is_transient};

impl Consumer {
    pub(super) fn assign(&mut self, partitions: Vec<(String, i32)>) -> Result<()> {
        let mut list = list_of(&partitions);
        let committed = self.committed(list.clone())?;
        let mut by_time = HashMap::new();
        if let StartAt::Timestamp(time) = self.start {
            let mut times = list.clone();
            times.set_all_offsets(Offset::Offset(time)).map_err(|e| self.error(&e, "read", None))?;
            let found = self.inner.offsets_for_times(times, self.timeout);
            by_time = found.map_err(|e| self.error(&e, "find the offset of a timestamp in", None))?.to_topic_map();
        }
        for (topic, partition) in &partitions {
            let key = (topic.clone(), *partition);
            let offset = match (committed.get(&key), self.start) {
                (Some(Offset::Offset(offset)), _) => *offset,
                (_, StartAt::Earliest) => self.ends(topic, *partition)?.0,
                (_, StartAt::Latest) => self.ends(topic, *partition)?.1,
                (_, StartAt::Timestamp(_)) => match by_time.get(&key) {
                    Some(Offset::Offset(offset)) => *offset,
                    _ => self.ends(topic, *partition)?.1,
                },
            };
            let set = list.set_partition_offset(topic, *partition, Offset::Offset(offset));
            set.map_err(|e| self.error(&e, "read", Some(topic)))?;
        }
        let done = match self.inner.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.inner.incremental_assign(&list),
            _ => self.inner.assign(&list),
        };
        done.map_err(|e| self.error(&e, "read", None))?;
        self.positions.extend(partitions.iter().map(|partition| (partition.clone(), None)));
        self.events.push_back(Event::Assigned(partitions));
        Ok(())
    }

    pub(super) fn give_up_revoked(&mut self) -> Result<()> {
        if self.revoked.is_empty() {
            return Ok(());
        }
        let partitions = std::mem::take(&mut self.revoked);
        let done = match self.inner.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.inner.incremental_unassign(&list_of(&partitions)),
            _ => self.inner.unassign(),
        };
        done.map_err(|e| self.error(&e, "unassign partitions of", None))?;
        self.positions.retain(|partition, _| !partitions.contains(partition));
        Ok(())
    }

    /// The low watermark and the last stable offset of a partition.
    pub(super) fn ends(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let error = match self.inner.fetch_watermarks(topic, partition, self.timeout) {
                Ok(ends) => return Ok(ends),
                Err(error) => error,
            };
            // The partition was in the brokers' metadata, or the group has assigned it.
            let is_retried = |code| is_transient(code) || is_stale_metadata(code);
            if !error.rdkafka_error_code().is_some_and(is_retried) || Instant::now() >= deadline {
                return Err(self.error(&error, "read", Some(topic)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
