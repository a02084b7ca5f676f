//! A durable map in a compacted topic: what has been done, written in the same transactions as what was done.
//!
//! The topic is compacted: Kafka keeps the last value of each key and forgets keys whose last value is null. It is written through the
//! transactional producer (a `None` value deletes a key) and read whole at the start.
//!
//! Each writer has a partition of its own: partition 0 belongs to the service, the others to jobs and to services of certain streams. A
//! reader of committed records stops at the last stable offset, so an undecided transaction of another writer in the same partition would
//! hide what was committed after it. A restore therefore never believes an end of partition below the high watermark that it took first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::kafka::admin::Admin;
use crate::kafka::client::Identity;
use crate::kafka::consumer::{Consumer, Event, Message, StartAt};
use crate::kafka::error::{Error, Result};
use crate::kafka::topics::{self, TopicSpec};

/// The partition of the service of all streams.
pub const SERVICE_PARTITION: i32 = 0;

/// The partitions of a new checkpoint topic: one for the service, and one each for so many jobs and services of certain streams at a time.
pub const PARTITIONS: i32 = 16;

/// How the names of checkpoint topics begin.
const PREFIX: &str = "fink_checkpoint_";

/// How often a restore that waits says so.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// How long a restore waits for a record before it asks whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What one partition holds: every key with its last committed value.
pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// The topic in which the distribution of this name keeps its checkpoint.
pub fn topic_of(distribution: &str) -> String {
    format!("{PREFIX}{distribution}")
}

/// Whether a topic of this name is a distribution's checkpoint.
pub fn is_checkpoint(topic: &str) -> bool {
    topic.starts_with(PREFIX)
}

/// What a checkpoint topic is made with. Small segments and an eager cleaner keep it small, since all of it is read at each start; how many
/// replicas must have a record (min.insync.replicas) is the cluster's to say.
pub fn topic_spec() -> TopicSpec {
    let config = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.1"),
        ("segment.bytes", "16777216"),
        ("segment.ms", "600000"),
        ("delete.retention.ms", "3600000"),
    ];
    TopicSpec {
        partitions: PARTITIONS,
        replication: None,
        config: config.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    }
}

/// Makes sure that a checkpoint topic exists and is compacted; says how many partitions it has. Creates it where that is allowed, and adds
/// partitions to one that was made by an earlier version, which had a single one.
///
/// # Errors
/// It may not be created ([`Error::UnknownTopic`]), or it is not compacted ([`Error::TopicMismatch`]).
pub fn ensure(user: &Admin, topic: &str) -> Result<i32> {
    let partitions = topics::ensure(user, topic, &topic_spec()).map_err(|error| match error {
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
                "topic `{topic}` has {PARTITIONS} partitions now, one for each writer of a checkpoint; it had {partitions}"
            );
            Ok(PARTITIONS)
        }
        // Writers that share a partition wait for each other at a start, and nothing else changes.
        Err(error) => {
            log::warn!(
                "topic `{topic}` has {partitions} partitions and gets no more ({error}): writers of checkpoints share them, and a start may \
                 have to wait for another writer's transaction; give it {PARTITIONS} partitions"
            );
            Ok(partitions)
        }
    }
}

fn check_compaction(user: &Admin, topic: &str) -> Result<()> {
    let wrong = |difference: String| Error::TopicMismatch { topic: topic.to_owned(), difference };
    let options = match user.try_topic_config(topic)? {
        Ok(options) => options,
        // Some servers that speak Kafka's protocol keep records without letting anybody see how.
        Err(Code::UnsupportedFeature) => {
            log::info!("the brokers do not tell how topic `{topic}` is configured: it has to be compacted");
            return Ok(());
        }
        Err(_) => Vec::new(),
    };
    match options.iter().find(|option| option.name == "cleanup.policy") {
        Some(policy) if policy.value != "compact" => Err(wrong(format!(
            "cleanup.policy is {}, so that the checkpoint would be forgotten in time; it has to be compact",
            policy.value
        ))),
        Some(_) => Ok(()),
        None => {
            log::warn!("cannot see whether topic `{topic}` is compacted (no right to its configuration): it has to be");
            Ok(())
        }
    }
}

/// Reads partitions of a checkpoint, whole: what each holds.
///
/// Call this after [`Producer::open`](crate::kafka::Producer::open), which fences the process that wrote before and aborts what it left open:
/// what it committed is then below the high watermark, and all of that is read. Where the transaction of another writer is undecided, this
/// waits for its end, and says so: at most its `transaction.timeout.ms` and the brokers' interval of 10 s. There is no bound on the time
/// that the reading itself takes.
///
/// # Errors
/// The topic does not exist or may not be read; [`Error::Stopped`] where `give_up` says so.
pub fn read(
    user: &Admin,
    topic: &str,
    partitions: &[i32],
    give_up: &dyn Fn() -> bool,
) -> Result<BTreeMap<i32, Records>> {
    let places: Vec<(String, i32)> = partitions.iter().map(|partition| (topic.to_owned(), *partition)).collect();
    let ends = user.high_watermarks(&places)?;
    read_until(user, topic, partitions.iter().copied().zip(ends), give_up)
}

/// Reads what a partition holds up to its last stable offset: what another writer's undecided transaction hides is left out.
///
/// # Errors
/// As [`read`].
pub fn read_stable(user: &Admin, topic: &str, partition: i32, give_up: &dyn Fn() -> bool) -> Result<Records> {
    let ends = user.last_stable_offsets(&[(topic.to_owned(), partition)])?;
    let mut read = read_until(user, topic, std::iter::once(partition).zip(ends), give_up)?;
    Ok(read.remove(&partition).unwrap_or_default())
}

fn read_until(
    user: &Admin,
    topic: &str,
    ends: impl Iterator<Item = (i32, i64)>,
    give_up: &dyn Fn() -> bool,
) -> Result<BTreeMap<i32, Records>> {
    let mut restore = Restore::new(ends);
    let places = restore.partitions().map(|partition| (topic.to_owned(), partition)).collect();
    let mut consumer = Consumer::open_partitions(user.settings(), places, StartAt::Earliest, user.timeout())?;
    let mut told = Instant::now();
    while !restore.is_complete() {
        if give_up() {
            return Err(Error::Stopped(format!("reading topic `{topic}`")));
        }
        match consumer.next(POLL_INTERVAL)? {
            Some(Event::Message(message)) => restore.add(message)?,
            Some(Event::EndOfPartition { partition, offset, .. }) => restore.reached(partition, offset),
            Some(Event::Assigned(_) | Event::Revoked(_)) | None => {}
        }
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            restore.tell(topic);
        }
    }
    Ok(restore.into_records())
}

/// How far the reading of a checkpoint has come. Pure: the consumer's events go in.
#[derive(Debug)]
pub struct Restore {
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug)]
struct Partition {
    records: Records,
    /// the offset that has to be reached
    end: i64,
    /// the next offset
    at: i64,
    /// whether the consumer met the last stable offset below `end`
    waits: bool,
}

impl Restore {
    /// A restore of these partitions, each of which has to be read up to its offset.
    pub fn new(ends: impl IntoIterator<Item = (i32, i64)>) -> Self {
        let partition = |end| Partition { records: Records::new(), end, at: 0, waits: false };
        Self { partitions: ends.into_iter().map(|(number, end)| (number, partition(end))).collect() }
    }

    /// The partitions.
    pub fn partitions(&self) -> impl Iterator<Item = i32> {
        self.partitions.keys().copied()
    }

    /// Takes up a record.
    ///
    /// # Errors
    /// It has no key, so it is none of a checkpoint.
    pub fn add(&mut self, message: Message) -> Result<()> {
        let Message { topic, partition, offset, key, value, .. } = message;
        let Some(into) = self.partitions.get_mut(&partition) else { return Ok(()) };
        into.at = offset + 1;
        into.waits = false;
        match (key, value) {
            (Some(key), Some(value)) => into.records.insert(key, value),
            (Some(key), None) => into.records.remove(&key),
            (None, _) => {
                let difference =
                    format!("the record at offset {offset} of partition {partition} has no key: no checkpoint");
                return Err(Error::TopicMismatch { topic, difference });
            }
        };
        Ok(())
    }

    /// Notes that the consumer has met the end of what it may read of a partition; `offset` is the next one.
    pub fn reached(&mut self, partition: i32, offset: i64) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.at = partition.at.max(offset);
            partition.waits = partition.at < partition.end;
        }
    }

    /// Whether every partition has been read up to its end.
    pub fn is_complete(&self) -> bool {
        self.partitions.values().all(|partition| partition.at >= partition.end)
    }

    /// What each partition holds.
    pub fn into_records(self) -> BTreeMap<i32, Records> {
        self.partitions.into_iter().map(|(number, partition)| (number, partition.records)).collect()
    }

    fn tell(&self, topic: &str) {
        for (number, Partition { end, at, waits, .. }) in
            self.partitions.iter().filter(|(_, partition)| partition.at < partition.end)
        {
            match waits {
                true => log::warn!(
                    "topic `{topic}` partition {number}: another producer's transaction is open at offset {at}, below the high watermark {end}; \
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
    fn an_end_below_the_high_watermark_is_not_believed() {
        let mut restore = Restore::new([(0, 5), (3, 0)]);
        restore.add(record(0, 0, "a", Some("1"))).expect("a record");
        restore.reached(0, 1);
        assert!(!restore.is_complete());
        restore.add(record(0, 3, "a", Some("2"))).expect("a record");
        restore.reached(0, 5);
        assert!(restore.is_complete());
        assert_eq!(restore.into_records()[&0][&b"a"[..]], b"2");
    }

    #[test]
    fn a_deleted_key_is_gone_and_a_record_without_one_is_refused() {
        let mut restore = Restore::new([(0, 2)]);
        restore.add(record(0, 0, "a", Some("1"))).expect("a record");
        restore.add(record(0, 1, "a", None)).expect("a record");
        assert!(restore.is_complete());
        let error = restore.add(Message { key: None, ..record(0, 2, "", None) }).expect_err("no key");
        assert!(error.to_string().contains("offset 2 of partition 0"), "{error}");
        assert!(restore.into_records()[&0].is_empty());
    }
}
