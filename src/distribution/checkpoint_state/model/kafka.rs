//! The topics of the model: those of alerts, and the checkpoint's partition.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Version;
use crate::distribution::checkpoint_state::{Missed, MissedByStream, Record};
use crate::kafka::Message;
use crate::kafka::checkpoint::Restore;
use crate::timestamp::Timestamp;

/// No record may be larger, however many alerts and key ranges there are.
pub const MAX_RECORD_BYTES: usize = 1 << 10;

/// One record of the checkpoint's partition.
struct WrittenRecord {
    record: Record,
    /// when the brokers abort the other producer's transaction that it is part of; `None`: it is committed
    open_until: Option<Timestamp>,
}

/// A stream that is paused at times.
pub const PAUSED: &str = "x";

/// The topics.
#[derive(Default)]
pub struct ModelKafka {
    /// what consumers read, and whether the history lane sent it
    pub alerts: Vec<(Version, bool)>,
    /// what consumers read of the stream [`PAUSED`]
    pub paused: Vec<Version>,
    checkpoint: Vec<WrittenRecord>,
}

impl ModelKafka {
    pub fn commit(&mut self, alerts: &[Version], records: Vec<Record>, by_history: bool, missed: &Missed) {
        self.alerts.extend(alerts.iter().map(|alert| (*alert, by_history)));
        let ranges = missed.of(PAUSED).map(MissedByStream::ranges).unwrap_or_default();
        let is_missed = |(_, timestamp): &Version| ranges.iter().any(|range| range.contains(*timestamp));
        self.paused.extend(alerts.iter().filter(|alert| !is_missed(alert)));
        self.commit_records(records);
    }

    pub fn commit_missed(&mut self, alerts: &[Version], records: Vec<Record>) {
        self.paused.extend(alerts);
        self.commit_records(records);
    }

    fn commit_records(&mut self, records: Vec<Record>) {
        for record in records {
            let size = record.0.len() + record.1.as_ref().map_or(0, Vec::len);
            assert!(size <= MAX_RECORD_BYTES, "a record of {size} bytes");
            self.checkpoint.push(WrittenRecord { record, open_until: None });
        }
    }

    /// Another producer begins a transaction here, and crashes: the brokers abort it at `until`.
    pub fn open_foreign_transaction(&mut self, until: Timestamp) {
        let record = (b"other/state".to_vec(), Some(Vec::new()));
        self.checkpoint.push(WrittenRecord { record, open_until: Some(until) });
    }

    fn last_stable_offset(&self, now: Timestamp) -> usize {
        let is_open = |written: &WrittenRecord| written.open_until.is_some_and(|until| until > now);
        self.checkpoint.iter().position(is_open).unwrap_or(self.checkpoint.len())
    }

    /// Reads the checkpoint at `now`, waiting where it has to. Returns the records, and when they are read.
    pub fn read(&self, mut now: Timestamp) -> (BTreeMap<Vec<u8>, Vec<u8>>, Timestamp) {
        let mut restore = Restore::new([(0, self.checkpoint.len() as i64)]);
        let mut next = 0;
        loop {
            let end = self.last_stable_offset(now);
            for (offset, written) in self.checkpoint.iter().enumerate().take(end).skip(next) {
                if written.open_until.is_none() {
                    restore.add(message(offset, &written.record)).expect("a record");
                }
            }
            next = end;
            restore.reach_end(0, end as i64);
            if restore.is_complete() {
                return (restore.into_records().remove(&0).unwrap_or_default(), now);
            }
            now = now + Duration::from_millis(10);
        }
    }
}

fn message(offset: usize, (key, value): &Record) -> Message {
    Message {
        topic: "checkpoint".to_owned(),
        partition: 0,
        offset: offset as i64,
        timestamp: None,
        key: Some(key.clone()),
        value: value.clone(),
        headers: Vec::new(),
    }
}
