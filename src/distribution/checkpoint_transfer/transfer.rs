//! The transaction that writes checkpoints under another name or to another Kafka, and, for a move, deletes them where they were.

use std::collections::BTreeMap;

use super::error::TransferError;
use super::writer::{WriterCheckpoint, read_writers};
use crate::cancel::CancellationToken;
use crate::distribution::checkpoint_partition::choose_partition;
use crate::distribution::checkpoint_state::{Record, moved_record};
use crate::distribution::idempotent_sink::topic_state::topics_of;
use crate::distribution::owner::Owner;
use crate::distribution::request::transactional_id_of;
use crate::distribution::sink_error::ATTEMPT_TIMEOUT;
use crate::kafka::checkpoint::{self, Records};
use crate::kafka::topics::TopicSpec;
use crate::kafka::{
    Admin, CommitOutcome, Error as KafkaError, KafkaSettings, Producer, ProducerOptions, ProducerRecord,
};
use crate::timestamp::Timestamp;

/// Memory of a producer, bytes: a record has up to 256 KiB.
const PRODUCER_MEMORY: u64 = 16 << 20;

/// Where checkpoints are written.
pub(crate) struct Transfer<'a> {
    /// logs in as the user of the section `kafka`
    pub settings: &'a KafkaSettings,
    pub admin: &'a Admin,
    /// the `distribution.name` that the checkpoints get
    pub target: &'a str,
    /// how the target's checkpoint topic is created
    pub topic_spec: TopicSpec,
    /// whether a checkpoint that the target has is deleted
    pub replaces: bool,
    pub token: &'a CancellationToken,
}

/// What is written, and over what.
#[derive(Clone, Debug)]
pub(crate) struct TransferPlan {
    /// the checkpoints to be written
    pub writers: Vec<WriterCheckpoint>,
    /// the checkpoints of the same writers that the target has
    pub existing: Vec<WriterCheckpoint>,
}

impl Transfer<'_> {
    fn topic(&self) -> String {
        checkpoint::topic_of(self.target)
    }

    /// Plans to write checkpoints, without those that were moved away.
    ///
    /// # Errors
    /// A checkpoint is damaged; the target has one, and it is not to be replaced; or no response.
    pub fn plan(&self, writers: Vec<WriterCheckpoint>) -> Result<TransferPlan, TransferError> {
        let mut chosen = Vec::with_capacity(writers.len());
        for writer in writers {
            writer.check()?;
            if writer.state()?.is_some() {
                chosen.push(writer);
            }
        }
        let existing = existing(&chosen, &read_writers(self.admin, &self.topic(), self.token)?);
        let full: Vec<&str> =
            existing.iter().filter(|writer| writer.moved_to().is_none()).map(|writer| writer.name.as_str()).collect();
        if !full.is_empty() && !self.replaces {
            return Err(TransferError::Exists { topic: self.topic(), writers: format!("`{}`", full.join("`, `")) });
        }
        Ok(TransferPlan { writers: chosen, existing })
    }

    /// Writes the checkpoints of a file. What the target's topics without transactions hold now counts as accounted for.
    ///
    /// # Errors
    /// A checkpoint of the target has changed since the plan; not authorized, or no response. Nothing was changed then.
    pub fn import(&self, plan: &TransferPlan) -> Result<(), TransferError> {
        let topic = self.ensure_topic()?;
        let producer = self.fence(self.target, &plan.writers)?;
        let partitions = self.read_target(&topic, plan)?;
        let mut writers = plan.writers.clone();
        for writer in &mut writers {
            self.rebase_topics(writer)?;
        }
        let records = target_records(&topic, &writers, &plan.existing, partitions)?;
        self.commit(&producer, &records)
    }

    /// Moves checkpoints from the distribution `source` of the same Kafka. Those of the source are deleted, and a start of the source says so.
    ///
    /// # Errors
    /// A checkpoint has changed since the plan; not authorized, or no response. Nothing was changed then.
    pub fn move_from(&self, source: &str, plan: &TransferPlan) -> Result<(), TransferError> {
        let topic = self.ensure_topic()?;
        drop(self.fence(self.target, &plan.writers)?);
        let producer = self.fence(source, &plan.writers)?;
        let source_topic = checkpoint::topic_of(source);
        // A process that was killed has left a transaction, which ends with the fencing.
        let found = read_writers(self.admin, &source_topic, self.token)?;
        let is_moved = |writer: &&WriterCheckpoint| plan.writers.iter().any(|planned| planned.name == writer.name);
        let writers: Vec<WriterCheckpoint> = found.iter().filter(is_moved).cloned().collect();
        if writers.len() != plan.writers.len() {
            return Err(TransferError::Changed);
        }
        writers.iter().try_for_each(WriterCheckpoint::check)?;
        let partitions = self.read_target(&topic, plan)?;
        let mut records = target_records(&topic, &writers, &plan.existing, partitions)?;
        let now = Timestamp::now();
        for writer in &writers {
            let place = (source_topic.as_str(), writer.partition);
            let deletions = writer.movable_records().map(|(key, _)| (key.clone(), None));
            records.extend(deletions.map(|record| Placed::new(place, record)));
            records.push(Placed::new(place, moved_record(&writer.name, self.target, now)));
            // A process that was suspended meanwhile takes this for a successor, and ends.
            records.push(Placed::new(place, Owner::new(&writer.name, &writer.records).end_record()));
        }
        self.commit(&producer, &records)
    }

    fn ensure_topic(&self) -> Result<String, TransferError> {
        let topic = self.topic();
        checkpoint::ensure(self.admin, &topic, &self.topic_spec)?;
        Ok(topic)
    }

    /// Opens, and so fences, the producers of all unfinished writers of a distribution. Returns that of the first one.
    fn fence(&self, name: &str, writers: &[WriterCheckpoint]) -> Result<Producer, TransferError> {
        let first = writers.first().ok_or_else(|| TransferError::Empty { topic: checkpoint::topic_of(name) })?;
        for writer in writers.iter().skip(1).filter(|writer| !writer.is_finished_job()) {
            drop(self.open_producer(name, &writer.name)?);
        }
        self.open_producer(name, &first.name)
    }

    fn open_producer(&self, name: &str, writer: &str) -> Result<Producer, TransferError> {
        let options = ProducerOptions {
            transactional_id: transactional_id_of(name, writer),
            memory: PRODUCER_MEMORY,
            timeout: ATTEMPT_TIMEOUT,
        };
        Ok(Producer::open(self.settings, &options, self.token)?)
    }

    /// The target's records by partition, if its checkpoints are those of the plan.
    fn read_target(&self, topic: &str, plan: &TransferPlan) -> Result<BTreeMap<i32, Records>, TransferError> {
        let found = read_writers(self.admin, topic, self.token)?;
        if existing(&plan.writers, &found) != plan.existing {
            return Err(TransferError::Changed);
        }
        let count = self.admin.partitions(topic)?.unwrap_or(0);
        let mut partitions: BTreeMap<i32, Records> = (0..count).map(|partition| (partition, Records::new())).collect();
        for writer in found {
            partitions.entry(writer.partition).or_default().extend(writer.records);
        }
        Ok(partitions)
    }

    fn rebase_topics(&self, writer: &mut WriterCheckpoint) -> Result<(), TransferError> {
        for topic in topics_of(&writer.name, &writer.records)? {
            let ends = self.admin.watermarks(&[topic.topic()])?.into_iter().map(|partition| partition.high).collect();
            if let (key, Some(value)) = topic.rebased(ends).record() {
                writer.records.insert(key, value);
            }
        }
        Ok(())
    }

    fn commit(&self, producer: &Producer, records: &[Placed]) -> Result<(), TransferError> {
        producer.begin()?;
        for (id, Placed { topic, partition, record: (key, value) }) in records.iter().enumerate() {
            let sent = producer.send(&ProducerRecord {
                topic,
                partition: *partition,
                key: Some(key),
                value: value.as_deref(),
                headers: &[],
                id,
            });
            if let Err(error @ (KafkaError::TooLarge { .. } | KafkaError::MustAbort { .. })) = sent {
                let reason = producer.abort().map_or_else(|_| error.to_string(), |aborted| aborted.reason);
                return Err(TransferError::Aborted { reason });
            }
            sent?;
        }
        match producer.commit()? {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Aborted(aborted) => Err(TransferError::Aborted { reason: aborted.reason }),
        }
    }
}

/// A record and its partition.
struct Placed {
    topic: String,
    partition: i32,
    record: Record,
}

impl Placed {
    fn new((topic, partition): (&str, i32), record: Record) -> Self {
        Self { topic: topic.to_owned(), partition, record }
    }
}

/// The checkpoints among `found` of the same writers as `writers`.
fn existing(writers: &[WriterCheckpoint], found: &[WriterCheckpoint]) -> Vec<WriterCheckpoint> {
    found.iter().filter(|found| writers.iter().any(|writer| writer.name == found.name)).cloned().collect()
}

/// The records that write `writers` to the target, whose partitions hold `partitions`, and delete `existing`.
fn target_records(
    topic: &str,
    writers: &[WriterCheckpoint],
    existing: &[WriterCheckpoint],
    mut partitions: BTreeMap<i32, Records>,
) -> Result<Vec<Placed>, TransferError> {
    let mut records = Vec::new();
    for old in existing {
        let place = (topic, old.partition);
        records.extend(old.records.keys().map(|key| Placed::new(place, (key.clone(), None))));
        if let Some(held) = partitions.get_mut(&old.partition) {
            held.retain(|key, _| !old.records.contains_key(key));
        }
    }
    for writer in writers {
        let chosen = choose_partition(&writer.name, partitions.clone());
        let partition = chosen.map_err(|_| TransferError::Empty { topic: topic.to_owned() })?.partition;
        let moved: Vec<(Vec<u8>, Vec<u8>)> =
            writer.movable_records().map(|(key, value)| (key.clone(), value.clone())).collect();
        partitions.entry(partition).or_default().extend(moved.iter().cloned());
        records.extend(moved.into_iter().map(|(key, value)| Placed::new((topic, partition), (key, Some(value)))));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::checkpoint_state::CheckpointState;

    fn writer(name: &str, partition: i32, more: &[&str]) -> WriterCheckpoint {
        let state = CheckpointState::service(name, "latest", Timestamp::from_millis(5));
        let (key, value) = state.state_record().expect("a record");
        let mut records = Records::from([(key, value.expect("a value"))]);
        records.extend(more.iter().map(|key| (format!("{name}/{key}").into_bytes(), b"{}".to_vec())));
        WriterCheckpoint { name: name.to_owned(), partition, records }
    }

    #[test]
    fn each_writer_gets_a_partition_and_what_was_there_is_deleted_first() {
        let writers = [writer("live", 0, &["owner"]), writer("job-a", 9, &[]), writer("job-b", 9, &[])];
        let old = writer("live", 0, &["ledger/0", "owner"]);
        let other = writer("job-c", 1, &[]);
        let partitions =
            BTreeMap::from([(0, old.records.clone()), (1, other.records), (2, Records::new()), (3, Records::new())]);
        let records = target_records("t", &writers, &[old], partitions).expect("records");
        let shown: Vec<(String, i32, bool)> = records
            .iter()
            .map(|placed| {
                let (key, value) = &placed.record;
                (String::from_utf8_lossy(key).into_owned(), placed.partition, value.is_some())
            })
            .collect();
        let expected = [
            ("live/ledger/0", 0, false),
            ("live/owner", 0, false),
            ("live/state", 0, false),
            ("live/state", 0, true),
            ("job-a/state", 2, true),
            ("job-b/state", 3, true),
        ];
        assert_eq!(shown, expected.map(|(key, partition, is_written)| (key.to_owned(), partition, is_written)));
    }
}
