//! Which partition of the checkpoint topic a writer uses.
//!
//! Partition 0 belongs to the service for all streams. A job, or a service for certain streams, keeps the partition that holds its state; a new
//! one gets the partition with the fewest unfinished writers. Two that start at the same time may share a partition, and so do all where the
//! topic has fewer partitions than writers: a restore then waits for the other's open transaction, and stays complete.

use std::collections::BTreeMap;

use super::checkpoint_state::is_job_finished;
use crate::kafka::checkpoint::{Records, SERVICE_PARTITION};

/// The checkpoint name of the service for all streams.
pub(super) const SERVICE: &str = "live";

/// The partition of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriterPartition {
    pub partition: i32,
    /// what it holds, of this writer and of others
    pub records: Records,
    /// this writer's records in the service's partition, where earlier versions wrote all records: to be copied
    pub to_copy: Records,
}

/// The partition of the writer with the checkpoint name `prefix`. `partitions`: what each partition holds.
///
/// # Errors
/// The topic lacks this partition.
pub(crate) fn choose_partition(prefix: &str, mut partitions: BTreeMap<i32, Records>) -> Result<WriterPartition, i32> {
    let others = || partitions.iter().filter(|(number, _)| **number != SERVICE_PARTITION);
    let state = format!("{prefix}/state").into_bytes();
    let own = others().find(|(_, records)| records.contains_key(&state)).map(|(number, _)| *number);
    let least = || others().min_by_key(|(number, records)| (writers(records), **number)).map(|(number, _)| *number);
    let partition = match prefix {
        SERVICE => SERVICE_PARTITION,
        // Where there is a single partition, all writers share it.
        _ => own.or_else(least).unwrap_or(SERVICE_PARTITION),
    };
    let to_copy = match own {
        None if partition != SERVICE_PARTITION => {
            let start = format!("{prefix}/").into_bytes();
            let records = partitions.get(&SERVICE_PARTITION).into_iter().flatten();
            let found = records.filter(|(key, _)| key.starts_with(&start));
            found.map(|(key, value)| (key.clone(), value.clone())).collect()
        }
        _ => Records::new(),
    };
    let mut records = partitions.remove(&partition).ok_or(partition)?;
    records.extend(to_copy.clone());
    Ok(WriterPartition { partition, records, to_copy })
}

/// How many writers of these records are not finished.
fn writers(records: &Records) -> usize {
    records.iter().filter(|(key, state)| key.ends_with(b"/state") && !is_job_finished(state)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::checkpoint_state::CheckpointState;
    use crate::timestamp::Timestamp;
    use crate::window::Window;

    fn choose(prefix: &str, partitions: BTreeMap<i32, Records>) -> WriterPartition {
        choose_partition(prefix, partitions).expect("a partition")
    }

    fn state(progress: &CheckpointState) -> (Vec<u8>, Vec<u8>) {
        let (key, value) = progress.state_record().expect("a record");
        (key, value.expect("a value"))
    }

    fn job(prefix: &str) -> (Vec<u8>, Vec<u8>) {
        state(&CheckpointState::job(
            prefix,
            Window::new(Timestamp::from_millis(1), Timestamp::from_millis(9)).expect("a window"),
        ))
    }

    fn finished(prefix: &str) -> (Vec<u8>, Vec<u8>) {
        let (key, value) = job(prefix);
        let text = String::from_utf8(value).expect("JSON").replace("\"watermark\":1", "\"watermark\":9");
        (key, text.into_bytes())
    }

    fn partitions<const N: usize>(records: [Vec<(Vec<u8>, Vec<u8>)>; N]) -> BTreeMap<i32, Records> {
        (0..).zip(records.map(|records| records.into_iter().collect())).collect()
    }

    #[test]
    fn the_service_has_its_own_partition_and_a_job_stays_where_it_began() {
        let all = || {
            partitions([
                vec![state(&CheckpointState::service("live", "now", Timestamp::from_millis(1)))],
                vec![job("job-1")],
                vec![job("job-2")],
            ])
        };
        assert_eq!(choose("live", all()).partition, 0);
        assert_eq!(choose("job-2", all()).partition, 2);
        assert!(choose("job-2", all()).to_copy.is_empty());
    }

    #[test]
    fn a_new_job_takes_the_partition_with_the_fewest_writers_at_work() {
        let all =
            partitions([vec![], vec![job("job-1")], vec![finished("job-2"), finished("job-3")], vec![job("live:a")]]);
        assert_eq!(choose("job-9", all).partition, 2);
    }

    #[test]
    fn the_records_of_an_earlier_versions_job_move_out_of_the_services_partition() {
        let service = state(&CheckpointState::service("live", "now", Timestamp::from_millis(1)));
        let all = partitions([vec![service, job("job-1"), (b"job-1/ledger/0".to_vec(), vec![])], vec![], vec![]]);
        let place = choose("job-1", all);
        assert_eq!(place.partition, 1);
        assert_eq!(place.to_copy.len(), 2);
        assert_eq!(place.records, place.to_copy);
    }

    #[test]
    fn with_a_single_partition_all_share_it() {
        let all = partitions([vec![state(&CheckpointState::service("live", "now", Timestamp::from_millis(1)))]]);
        let place = choose("job-1", all);
        assert_eq!((place.partition, place.records.len(), place.to_copy.len()), (0, 1, 0));
    }

    #[test]
    fn a_topic_without_the_partition_is_an_error() {
        assert_eq!(choose_partition("live", BTreeMap::from([(1, Records::new())])), Err(SERVICE_PARTITION));
    }
}
