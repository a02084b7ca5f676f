//! Requests for the offsets of partitions: ListOffsets.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Resource, Result, is_transient};
use crate::kafka::ffi::offsets::{OffsetSpec, list_offsets};
use crate::kafka::watermarks::Watermarks;

/// The pause before the request is repeated for partitions without a leader.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

impl Admin {
    /// The watermarks of all partitions of `topics`, by topic (in the given order) and partition. A topic that does not exist, or that the
    /// user may not see, has none. Requires describe on the topics. Costs a fixed number of requests to each broker.
    ///
    /// The high watermark is requested before the last stable offset. Where the latter is lower, the records between were undecided at the
    /// time of the second response.
    ///
    /// # Errors
    /// Not authorized, or a partition has no leader within the client's timeout.
    pub fn watermarks(&self, topics: &[&str]) -> Result<Vec<Watermarks>> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.present_watermarks(topics) {
                // It was deleted after the list of topics was made.
                Err(Error::UnknownTopic { .. }) if Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    fn present_watermarks(&self, topics: &[&str]) -> Result<Vec<Watermarks>> {
        let known = self.list_topics()?;
        let mut seen = HashSet::new();
        let partitions: Vec<(String, i32)> = topics
            .iter()
            .filter(|topic| seen.insert(**topic))
            .filter_map(|topic| known.iter().find(|known| known.name == *topic))
            .flat_map(|topic| (0..topic.partitions).map(|partition| (topic.name.clone(), partition)))
            .collect();
        let low = self.offsets_of(&partitions, OffsetSpec::Low)?;
        let high = self.offsets_of(&partitions, OffsetSpec::High)?;
        let last_stable = self.offsets_of(&partitions, OffsetSpec::LastStable)?;
        let offsets = low.into_iter().zip(high).zip(last_stable);
        let watermarks = partitions.into_iter().zip(offsets).map(|((topic, partition), ((low, high), last_stable))| {
            // Requested later, the last stable offset may have passed the high watermark.
            Watermarks { topic, partition, low, last_stable, high: high.max(last_stable) }
        });
        Ok(watermarks.collect())
    }

    /// The high watermark of each partition, in order. Every replicated record, committed or not, has a lower offset.
    ///
    /// # Errors
    /// A partition does not exist, not authorized to describe its topic, or no leader within the client's timeout.
    pub fn high_watermarks(&self, partitions: &[(String, i32)]) -> Result<Vec<i64>> {
        self.offsets_of(partitions, OffsetSpec::High)
    }

    /// The last stable offset of each partition, in order. Records with lower offsets are committed or aborted.
    ///
    /// # Errors
    /// As [`high_watermarks`](Self::high_watermarks).
    pub fn last_stable_offsets(&self, partitions: &[(String, i32)]) -> Result<Vec<i64>> {
        self.offsets_of(partitions, OffsetSpec::LastStable)
    }

    /// The offset of the first record of each partition, in order, with the timestamp `time` (ms since 1970) or a later one, committed or not;
    /// `None`: there is no such record.
    ///
    /// # Errors
    /// As [`high_watermarks`](Self::high_watermarks).
    pub fn offsets_for_time(&self, partitions: &[(String, i32)], time: i64) -> Result<Vec<Option<i64>>> {
        let offsets = self.offsets_of(partitions, OffsetSpec::Since(time))?;
        Ok(offsets.into_iter().map(|offset| (offset >= 0).then_some(offset)).collect())
    }

    /// The newest timestamp of each partition, in order, ms since 1970; `None`: it has no records.
    ///
    /// # Errors
    /// As [`high_watermarks`](Self::high_watermarks); brokers before Kafka 3.0 do not support the request.
    pub fn newest_timestamps(&self, partitions: &[(String, i32)]) -> Result<Vec<Option<i64>>> {
        let timestamps = self.offsets_of(partitions, OffsetSpec::NewestTimestamp)?;
        Ok(timestamps.into_iter().map(|timestamp| (timestamp >= 0).then_some(timestamp)).collect())
    }

    /// The low and the high watermark of one partition.
    ///
    /// # Errors
    /// Not authorized to describe the topic, no leader, or no response.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        self.client().fetch_watermarks(topic, partition, self.timeout).map_err(|error| {
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            self.request_error(code, "", "list the offsets of", Resource::Topic(topic))
        })
    }

    fn offsets_of(&self, partitions: &[(String, i32)], spec: OffsetSpec) -> Result<Vec<i64>> {
        const ACTION: &str = "list the offsets of";
        let deadline = Instant::now() + self.timeout;
        let mut known: HashMap<(String, i32), i64> = HashMap::with_capacity(partitions.len());
        let mut missing = partitions.to_vec();
        while !missing.is_empty() {
            match self.submit(ACTION, |call| list_offsets(call, &missing, spec)) {
                Ok(found) => {
                    for (topic, partition, offset) in found {
                        match offset {
                            Ok(offset) => {
                                known.insert((topic, partition), offset);
                            }
                            Err(code) if is_transient(code) => {}
                            Err(code) => return Err(self.request_error(code, "", ACTION, Resource::Topic(&topic))),
                        }
                    }
                }
                // librdkafka fails the whole request where no partition has a leader.
                Err(error @ Error::Other { .. }) if Instant::now() < deadline => log::debug!("{error}; retrying"),
                Err(error) => return Err(error),
            }
            missing.retain(|partition| !known.contains_key(partition));
            if !missing.is_empty() {
                self.check("listing offsets", deadline)?;
                // A partition without a leader may be one of a topic that was deleted.
                self.check_existence(&missing)?;
                std::thread::sleep(RETRY_BACKOFF);
            }
        }
        let offset = |partition: &(String, i32)| {
            let unknown = || Error::UnknownTopic { topic: partition.0.clone(), hint: String::new() };
            known.get(partition).copied().ok_or_else(unknown)
        };
        partitions.iter().map(offset).collect()
    }

    /// Fails for the first topic that does not exist.
    fn check_existence(&self, partitions: &[(String, i32)]) -> Result<()> {
        let known = self.list_topics()?;
        match partitions.iter().find(|(topic, _)| known.iter().all(|known| known.name != *topic)) {
            Some((topic, _)) => Err(Error::UnknownTopic { topic: topic.clone(), hint: String::new() }),
            None => Ok(()),
        }
    }
}
