//! The checkpoints of a checkpoint topic, one for each writer.

use std::collections::BTreeMap;

use super::error::TransferError;
use crate::cancel::CancellationToken;
use crate::distribution::checkpoint_state::{CheckpointState, is_job_finished, moved_to_name};
use crate::distribution::idempotent_sink::topic_state::topics_of;
use crate::distribution::owner::{Owner, OwnerState, is_owner_key};
use crate::kafka::checkpoint::{self, Records, SERVICE_PARTITION};
use crate::kafka::{Admin, Error as KafkaError};

/// The checkpoint of one writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriterCheckpoint {
    /// what the keys of its records begin with: `live` for the service of all streams
    pub name: String,
    pub partition: i32,
    pub records: Records,
}

impl WriterCheckpoint {
    /// The state; `None`: the checkpoint was moved, or was never written.
    ///
    /// # Errors
    /// A record is damaged, or a later version wrote it.
    pub fn state(&self) -> Result<Option<CheckpointState>, TransferError> {
        match self.moved_to() {
            Some(_) => Ok(None),
            None => Ok(CheckpointState::load(&self.name, &self.records)?),
        }
    }

    /// The distribution to which the checkpoint was moved.
    pub fn moved_to(&self) -> Option<String> {
        moved_to_name(&self.name, &self.records)
    }

    /// Whether it is that of a job that is finished.
    pub fn is_finished_job(&self) -> bool {
        self.records.get(format!("{}/state", self.name).as_bytes()).is_some_and(|state| is_job_finished(state))
    }

    /// The process that may still write to it, by its record.
    pub fn active_process(&self) -> Option<String> {
        match Owner::state_of(&self.name, &self.records) {
            OwnerState::Active(process) => Some(process),
            OwnerState::None | OwnerState::Ended => None,
        }
    }

    /// Checks that the records are complete and readable, and that every topic without transactions is accounted for.
    ///
    /// # Errors
    /// A record is damaged or missing; or a topic is not accounted for.
    pub fn check(&self) -> Result<(), TransferError> {
        self.state()?;
        for topic in topics_of(&self.name, &self.records)? {
            if topic.is_open() {
                let topic = topic.topic().to_owned();
                return Err(TransferError::OpenTopic { writer: self.name.clone(), topic });
            }
        }
        Ok(())
    }

    /// The records that another distribution needs: all but the one that names the process.
    pub fn movable_records(&self) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.records.iter().filter(|(key, _)| !is_owner_key(key))
    }
}

/// The checkpoints in a topic, with the records that are committed now. Empty if the topic does not exist.
///
/// # Errors
/// Not authorized, or no response.
pub(crate) fn read_writers_stable(
    admin: &Admin,
    topic: &str,
    token: &CancellationToken,
) -> Result<Vec<WriterCheckpoint>, KafkaError> {
    let mut partitions = BTreeMap::new();
    for partition in 0..admin.partitions(topic)?.unwrap_or(0) {
        partitions.insert(partition, checkpoint::read_stable(admin, topic, partition, token)?);
    }
    Ok(writers(partitions))
}

/// The checkpoints in a topic. Waits until transactions that are open now have ended.
///
/// # Errors
/// As [`read_writers_stable`].
pub(crate) fn read_writers(
    admin: &Admin,
    topic: &str,
    token: &CancellationToken,
) -> Result<Vec<WriterCheckpoint>, KafkaError> {
    let partitions: Vec<i32> = (0..admin.partitions(topic)?.unwrap_or(0)).collect();
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    Ok(writers(checkpoint::read(admin, topic, &partitions, token)?))
}

/// The records by writer, the service first.
fn writers(partitions: BTreeMap<i32, Records>) -> Vec<WriterCheckpoint> {
    let mut found: BTreeMap<String, WriterCheckpoint> = BTreeMap::new();
    for (partition, records) in partitions {
        let mut here: BTreeMap<String, Records> = BTreeMap::new();
        for (key, value) in records {
            let name = writer_name(&key).unwrap_or_else(|| key.escape_ascii().to_string());
            here.entry(name).or_default().insert(key, value);
        }
        for (name, records) in here {
            // Earlier versions wrote all records to the service's partition; a job then has a later copy in its own.
            let is_copied = found.get(&name).is_some_and(|known| known.partition == SERVICE_PARTITION);
            if is_copied || !found.contains_key(&name) {
                found.insert(name.clone(), WriterCheckpoint { name, partition, records });
            }
        }
    }
    let mut writers: Vec<WriterCheckpoint> = found.into_values().collect();
    writers.sort_by_key(|writer| writer.partition != SERVICE_PARTITION);
    writers
}

/// The writer of the record with this key.
pub(super) fn writer_name(key: &[u8]) -> Option<String> {
    std::str::from_utf8(key).ok()?.split_once('/').map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;
    use crate::window::Window;

    fn state(progress: &CheckpointState) -> (Vec<u8>, Vec<u8>) {
        let (key, value) = progress.state_record().expect("a record");
        (key, value.expect("a value"))
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn records_are_grouped_by_writer_and_a_copy_in_its_own_partition_counts() {
        let window = Window::new(at(1), at(9)).expect("a window");
        let job = state(&CheckpointState::job("job-1-9", window));
        let service = state(&CheckpointState::service("live", "latest", at(5)));
        let owner = Owner::new("live", &Records::new()).record();
        let owner = (owner.0, owner.1.expect("a value"));
        let partitions = BTreeMap::from([
            (0, [service, owner, job.clone()].into_iter().collect::<Records>()),
            (1, Records::new()),
            (7, [job].into_iter().collect::<Records>()),
        ]);
        let found = writers(partitions);
        let places: Vec<(&str, i32)> = found.iter().map(|writer| (writer.name.as_str(), writer.partition)).collect();
        assert_eq!(places, [("live", 0), ("job-1-9", 7)]);
        assert!(found[0].active_process().is_some() && found[1].active_process().is_none());
        assert_eq!(found[0].movable_records().count(), 1);
        assert_eq!(found[0].state().expect("a state").expect("a state").watermark(), at(5));
        assert!(found.iter().all(|writer| writer.check().is_ok() && !writer.is_finished_job()));
    }
}
