//! Low watermark, last stable offset and high watermark of partitions.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Resource, Result, is_transient};
use crate::kafka::ffi::offsets::{OffsetSpec, list_offsets};

/// The pause before partitions without a leader are asked again.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// Where the records of one partition lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// the offset of the oldest record that is left
    pub low: i64,
    /// where a reader of committed records stops: the first record of the oldest open transaction, or `high` where none is open
    pub last_stable: i64,
    /// the offset after the last replicated record
    pub high: i64,
}

impl Watermarks {
    /// Whether records are held back by an open transaction.
    pub fn has_open_transaction(&self) -> bool {
        self.last_stable < self.high
    }
}

impl Admin {
    /// The watermarks of all partitions of `topics`, by topic (in the order given) and partition. Topics that do not exist, or that the user
    /// may not see, have none. Takes the right to describe the topics, and a fixed number of requests to each broker, for any number of topics.
    ///
    /// The high watermark is asked for before the last stable offset: where the latter is below, the records between are undecided at the time
    /// of the second answer.
    ///
    /// # Errors
    /// No right, or a partition has no leader within the client's time.
    pub fn watermarks(&self, topics: &[&str]) -> Result<Vec<Watermarks>> {
        let known = self.list_topics()?;
        let mut seen = HashSet::new();
        let partitions: Vec<(String, i32)> = topics
            .iter()
            .filter(|topic| seen.insert(**topic))
            .filter_map(|topic| known.iter().find(|known| known.name == *topic))
            .flat_map(|topic| (0..).take(topic.partitions).map(|partition| (topic.name.clone(), partition)))
            .collect();
        let low = self.offsets_of(&partitions, OffsetSpec::Low)?;
        let high = self.offsets_of(&partitions, OffsetSpec::High)?;
        let last_stable = self.offsets_of(&partitions, OffsetSpec::LastStable)?;
        let offsets = low.into_iter().zip(high).zip(last_stable);
        let watermarks = partitions.into_iter().zip(offsets).map(|((topic, partition), ((low, high), last_stable))| {
            // Asked later, the last stable offset may have passed the high watermark.
            Watermarks { topic, partition, low, last_stable, high: high.max(last_stable) }
        });
        Ok(watermarks.collect())
    }

    /// The high watermark of each partition, in their order: every record that is replicated now, committed or not, lies below.
    ///
    /// # Errors
    /// A partition does not exist, no right to describe its topic, or no leader within the client's time.
    pub fn high_watermarks(&self, partitions: &[(String, i32)]) -> Result<Vec<i64>> {
        self.offsets_of(partitions, OffsetSpec::High)
    }

    /// The last stable offset of each partition, in their order: the records below are decided.
    ///
    /// # Errors
    /// As [`high_watermarks`](Self::high_watermarks).
    pub fn last_stable_offsets(&self, partitions: &[(String, i32)]) -> Result<Vec<i64>> {
        self.offsets_of(partitions, OffsetSpec::LastStable)
    }

    /// For each partition, in their order, the offset of its first record stamped at `time` (ms since 1970) or later, committed or not; `None`:
    /// there is no such record.
    ///
    /// # Errors
    /// As [`high_watermarks`](Self::high_watermarks).
    pub fn offsets_for_time(&self, partitions: &[(String, i32)], time: i64) -> Result<Vec<Option<i64>>> {
        let offsets = self.offsets_of(partitions, OffsetSpec::Since(time))?;
        Ok(offsets.into_iter().map(|offset| (offset >= 0).then_some(offset)).collect())
    }

    /// For each partition, in their order, the newest timestamp of its records (ms since 1970); `None`: it has no records.
    ///
    /// # Errors
    /// As [`high_watermarks`](Self::high_watermarks); brokers before Kafka 3.0 do not know the question.
    pub fn newest_timestamps(&self, partitions: &[(String, i32)]) -> Result<Vec<Option<i64>>> {
        let timestamps = self.offsets_of(partitions, OffsetSpec::NewestTimestamp)?;
        Ok(timestamps.into_iter().map(|timestamp| (timestamp >= 0).then_some(timestamp)).collect())
    }

    fn offsets_of(&self, partitions: &[(String, i32)], bound: OffsetSpec) -> Result<Vec<i64>> {
        const ACTION: &str = "list the offsets of";
        let deadline = Instant::now() + self.timeout();
        let mut known: HashMap<(String, i32), i64> = HashMap::with_capacity(partitions.len());
        let mut missing = partitions.to_vec();
        while !missing.is_empty() {
            match self.submit(ACTION, |call| list_offsets(call, &missing, bound)) {
                Ok(answers) => {
                    for (topic, partition, offset) in answers {
                        match offset {
                            Ok(offset) => {
                                known.insert((topic, partition), offset);
                            }
                            Err(code) if is_transient(code) => {}
                            Err(code) => return Err(self.refusal(code, "", ACTION, Resource::Topic(&topic))),
                        }
                    }
                }
                // librdkafka fails the whole request where no partition has a leader, and does not say whether the topics exist.
                Err(error @ Error::Other { .. }) if Instant::now() < deadline => {
                    log::debug!("{error}; asking again");
                    self.check_existence(&missing)?;
                }
                Err(error) => return Err(error),
            }
            missing.retain(|place| !known.contains_key(place));
            if !missing.is_empty() {
                self.check(ACTION, deadline)?;
                std::thread::sleep(RETRY_BACKOFF);
            }
        }
        let offset = |place: &(String, i32)| {
            known.get(place).copied().ok_or_else(|| Error::UnknownTopic { topic: place.0.clone(), hint: String::new() })
        };
        partitions.iter().map(offset).collect()
    }

    fn check_existence(&self, partitions: &[(String, i32)]) -> Result<()> {
        let known = self.list_topics()?;
        match partitions.iter().find(|(topic, _)| known.iter().all(|known| known.name != *topic)) {
            Some((topic, _)) => Err(Error::UnknownTopic { topic: topic.clone(), hint: String::new() }),
            None => Ok(()),
        }
    }
}
