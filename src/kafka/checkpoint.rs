//! A checkpoint: a map in a compacted topic, written in the same transactions as the messages that it describes.
//!
//! Kafka retains the last value of each key and deletes keys whose last value is null. The transactional producer writes the records (a `None`
//! value deletes a key); a start reads all of them.
//!
//! Each writer has its own partition: the service partition 0, jobs and `--stream` services the others. A `read_committed` consumer stops at the
//! last stable offset, so an open transaction of another writer in the same partition hides records that were committed after it. A restore
//! therefore reads up to the high watermark that it requested first, whatever ends of partition it meets before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cancel::CancellationToken;
use crate::kafka::admin::Admin;
use crate::kafka::client_config::Identity;
use crate::kafka::consumer::{Consumer, Event, StartAt};
use crate::kafka::error::{Error, Result};
use crate::kafka::message::Message;
use crate::kafka::topics::{CLEANUP_POLICY, TopicSpec};

/// The partition of the service of all streams.
pub const SERVICE_PARTITION: i32 = 0;

/// The number of partitions of a new checkpoint topic: one for the service, and one for each concurrent job or `--stream` service.
pub const PARTITIONS: i32 = 16;

/// The prefix of the names of checkpoint topics.
const PREFIX: &str = "fink_checkpoint_";

/// How often a restore logs its progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// How long a restore waits for a record before it checks the token.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The content of one partition: every key with its last committed value.
pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// The checkpoint topic of the distribution with this name.
pub fn topic_of(distribution: &str) -> String {
    format!("{PREFIX}{distribution}")
}

/// Whether a topic is a checkpoint, by its name.
pub fn is_checkpoint(topic: &str) -> bool {
    topic.starts_with(PREFIX)
}

/// The specification of a checkpoint topic. Small segments and a low dirty ratio keep it small, since each start reads all of it. The number of
/// replicas, and of those that must have a record (min.insync.replicas), is the cluster's default.
pub fn topic_spec() -> TopicSpec {
    let config = [
        (CLEANUP_POLICY, "compact"),
        ("min.cleanable.dirty.ratio", "0.1"),
        ("segment.bytes", "16777216"),
        ("segment.ms", "600000"),
        ("delete.retention.ms", "3600000"),
    ];
    TopicSpec {
        partitions: Some(PARTITIONS),
        replication: None,
        config: config.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    }
}

/// Ensures that a checkpoint topic exists and is compacted. Creates it as in `spec` where that is allowed, and adds partitions to one of an earlier
/// version, which had a single one. Returns the number of partitions.
///
/// # Errors
/// It does not exist and may not be created ([`Error::UnknownTopic`]), or it is not compacted ([`Error::TopicMismatch`]).
pub fn ensure(user: &Admin, topic: &str, spec: &TopicSpec) -> Result<i32> {
    let partitions = user.ensure_topic(topic, spec).map_err(|error| match error {
        Error::UnknownTopic { topic, hint } => Error::UnknownTopic {
            topic,
            hint: format!("{hint}; a checkpoint has {PARTITIONS} partitions and cleanup.policy=compact"),
        },
        other => other,
    })?;
    check_compaction(user, topic)?;
    match partitions {
        partitions if partitions < PARTITIONS => add_partitions(user, topic, partitions),
        partitions => Ok(partitions),
    }
}

fn add_partitions(user: &Admin, topic: &str, partitions: i32) -> Result<i32> {
    let added = match user.add_partitions(topic, PARTITIONS) {
        Err(Error::NotAuthorized { .. }) if user.settings().admin.is_some() => {
            Admin::open(user.settings(), Identity::Admin, user.timeout())?.add_partitions(topic, PARTITIONS)
        }
        other => other,
    };
    match added {
        Ok(()) => {
            log::info!(
                "added partitions to topic `{topic}`: it had {partitions}, and has {PARTITIONS}, one for each writer of a checkpoint"
            );
            Ok(PARTITIONS)
        }
        // Writers that share a partition may have to wait for each other at a start; all else works.
        Err(error) => {
            log::warn!(
                "cannot add partitions to topic `{topic}`, which has {partitions} ({error}): writers of checkpoints share them, and a start may \
                 have to wait for another writer's transaction; give it {PARTITIONS} partitions"
            );
            Ok(partitions)
        }
    }
}

fn check_compaction(user: &Admin, topic: &str) -> Result<()> {
    let Some(config) = user.describe_configs(&[topic])?.pop() else { return Ok(()) };
    match (config.value(CLEANUP_POLICY), &config.error) {
        (Some("compact"), _) => Ok(()),
        (Some(policy), _) => Err(Error::TopicMismatch {
            topic: topic.to_owned(),
            difference: format!(
                "{CLEANUP_POLICY} is {policy}, so that the checkpoint would be deleted in time; it has to be compact"
            ),
        }),
        // Some servers that implement Kafka's protocol retain records without a way to see how.
        (None, Some(Error::Unsupported { .. })) => {
            log::info!("the brokers do not tell the configuration of topic `{topic}`: it has to be compacted");
            Ok(())
        }
        // `UnknownTopic`: the broker does not know the new topic yet.
        (None, Some(error)) if error.is_transient() || matches!(error, Error::UnknownTopic { .. }) => {
            Err(error.clone())
        }
        (None, _) => {
            log::warn!(
                "cannot see whether topic `{topic}` is compacted (not authorized to describe-configs): it has to be"
            );
            Ok(())
        }
    }
}

/// Reads all records of partitions of a checkpoint.
///
/// Call this after [`Producer::open`](crate::kafka::Producer::open), which fences the former process and aborts its open transaction: its
/// committed records then have offsets below the high watermark, and all of those are read. While another writer has an open transaction, this
/// waits for its end and logs that: up to its `transaction.timeout.ms` and the brokers' interval of 10 s. The time of reading has no limit.
///
/// # Errors
/// The topic does not exist or may not be read, or [`Error::Cancelled`].
pub fn read(
    user: &Admin,
    topic: &str,
    partitions: &[i32],
    token: &CancellationToken,
) -> Result<BTreeMap<i32, Records>> {
    let keys: Vec<(String, i32)> = partitions.iter().map(|partition| (topic.to_owned(), *partition)).collect();
    let ends = user.high_watermarks(&keys)?;
    read_until(user, topic, partitions.iter().copied().zip(ends), token)
}

/// Reads the records of a partition up to its last stable offset, without those that another writer's open transaction hides.
///
/// # Errors
/// As [`read`].
pub fn read_stable(user: &Admin, topic: &str, partition: i32, token: &CancellationToken) -> Result<Records> {
    let ends = user.last_stable_offsets(&[(topic.to_owned(), partition)])?;
    let mut read = read_until(user, topic, std::iter::once(partition).zip(ends), token)?;
    Ok(read.remove(&partition).unwrap_or_default())
}

fn read_until(
    user: &Admin,
    topic: &str,
    ends: impl Iterator<Item = (i32, i64)>,
    token: &CancellationToken,
) -> Result<BTreeMap<i32, Records>> {
    let mut restore = Restore::new(ends);
    let partitions: Vec<_> = restore.unread().map(|partition| (topic.to_owned(), partition)).collect();
    if partitions.is_empty() {
        return Ok(restore.into_records());
    }
    let mut consumer = Consumer::open_partitions(user.settings(), partitions, StartAt::Earliest, user.timeout())?;
    let mut logged = Instant::now();
    while !restore.is_complete() {
        if token.is_cancelled() {
            return Err(Error::Cancelled(format!("reading topic `{topic}`")));
        }
        match consumer.next(POLL_INTERVAL)? {
            Some(Event::Message(message)) => restore.add(message)?,
            Some(Event::EndOfPartition { partition, offset, .. }) => restore.reach_end(partition, offset),
            Some(Event::Assigned(_) | Event::Revoked(_)) | None => {}
        }
        if logged.elapsed() >= PROGRESS_INTERVAL {
            logged = Instant::now();
            restore.log_progress(topic);
        }
    }
    Ok(restore.into_records())
}

/// The progress of reading a checkpoint. Fed with the consumer's events, without I/O.
#[derive(Debug)]
pub struct Restore {
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug)]
struct Partition {
    records: Records,
    /// the offset to read up to
    end: i64,
    /// the next offset
    at: i64,
    /// whether the consumer has reached a last stable offset below `end`
    is_held_back: bool,
}

impl Restore {
    /// Starts to read these partitions, each up to its offset.
    pub fn new(ends: impl IntoIterator<Item = (i32, i64)>) -> Self {
        let partition = |end| Partition { records: Records::new(), end, at: 0, is_held_back: false };
        Self { partitions: ends.into_iter().map(|(number, end)| (number, partition(end))).collect() }
    }

    /// The partitions that have not been read up to their offsets.
    pub fn unread(&self) -> impl Iterator<Item = i32> {
        self.partitions.iter().filter(|(_, partition)| partition.at < partition.end).map(|(number, _)| *number)
    }

    /// Adds a record.
    ///
    /// # Errors
    /// It has no key, so the topic is no checkpoint.
    pub fn add(&mut self, message: Message) -> Result<()> {
        let Message { topic, partition, offset, key, value, .. } = message;
        let Some(into) = self.partitions.get_mut(&partition) else { return Ok(()) };
        into.at = offset + 1;
        into.is_held_back = false;
        match (key, value) {
            (Some(key), Some(value)) => into.records.insert(key, value),
            (Some(key), None) => into.records.remove(&key),
            (None, _) => {
                let difference = format!(
                    "the record at offset {offset} of partition {partition} has no key, so it is no checkpoint"
                );
                return Err(Error::TopicMismatch { topic, difference });
            }
        };
        Ok(())
    }

    /// Records that the consumer has reached the last stable offset of a partition.
    pub fn reach_end(&mut self, partition: i32, offset: i64) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.at = partition.at.max(offset);
            partition.is_held_back = partition.at < partition.end;
        }
    }

    /// Whether all partitions have been read up to their offsets.
    pub fn is_complete(&self) -> bool {
        self.unread().next().is_none()
    }

    /// The records of each partition.
    pub fn into_records(self) -> BTreeMap<i32, Records> {
        self.partitions.into_iter().map(|(number, partition)| (number, partition.records)).collect()
    }

    fn log_progress(&self, topic: &str) {
        for (number, Partition { end, at, is_held_back, .. }) in
            self.partitions.iter().filter(|(_, partition)| partition.at < partition.end)
        {
            match is_held_back {
                true => log::warn!(
                    "topic `{topic}` partition {number}: a transaction of another producer is open at offset {at}, below the high watermark {end}; \
                     waiting until it ends or times out"
                ),
                false => log::info!("reading the checkpoint: topic `{topic}` partition {number}, offset {at} of {end}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: i32, offset: i64, key: &str, value: Option<&str>) -> Message {
        Message {
            topic: "t".to_owned(),
            partition,
            offset,
            timestamp: None,
            key: Some(key.into()),
            value: value.map(Into::into),
            headers: Vec::new(),
        }
    }

    #[test]
    fn an_end_of_partition_below_the_high_watermark_does_not_complete_the_restore() {
        let mut restore = Restore::new([(0, 5), (3, 0)]);
        restore.add(record(0, 0, "a", Some("1"))).expect("a record");
        restore.reach_end(0, 1);
        assert!(!restore.is_complete());
        restore.add(record(0, 3, "a", Some("2"))).expect("a record");
        restore.reach_end(0, 5);
        assert!(restore.is_complete());
        assert_eq!(restore.into_records()[&0][&b"a"[..]], b"2");
    }

    #[test]
    fn a_null_value_deletes_the_key_and_a_record_without_key_is_an_error() {
        let mut restore = Restore::new([(0, 2)]);
        restore.add(record(0, 0, "a", Some("1"))).expect("a record");
        restore.add(record(0, 1, "a", None)).expect("a record");
        assert!(restore.is_complete());
        let error = restore.add(Message { key: None, ..record(0, 2, "", None) }).expect_err("no key");
        assert!(error.to_string().contains("offset 2 of partition 0"), "{error}");
        assert!(restore.into_records()[&0].is_empty());
    }
}
