//! The state of a topic without transactions: which of its messages are known. Decisions only, no I/O.
//!
//! **Of every message below the recorded offsets it is known which alert it is: one that the checkpoint covers, or one that is listed as
//! sent.** The offsets move in the transactions of the checkpoint, after all messages were delivered. The messages that a crash or an abort leaves
//! behind them, the *tail*, are read back and listed, and a listed alert is not sent again. The list is a [`Ledger`]: the watermark expires its
//! entries, since nothing before the watermark is ever sent again.
//!
//! | key of the record | value |
//! | --- | --- |
//! | `<prefix>/topic/<topic>` | JSON: the recorded offset of each partition, the process that wrote it, and whether that may still send |
//! | `<prefix>/topic/<topic>/sent/<16 hexadecimal digits>` | alerts of a tail, 24 bytes each, at most 256 KiB |

use std::collections::BTreeMap;

use serde::Deserialize;

use super::process::Process;
use crate::distribution::checkpoint_state::Record;
use crate::kafka::tail::OffsetRange;
use crate::ledger::{Ledger, LedgerEntry, LedgerError};
use crate::timestamp::Timestamp;

const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct TopicStateRecord {
    version: u32,
    offsets: Vec<i64>,
    /// whether its writer may send more messages before its next transaction
    open: bool,
    /// the writer
    process: Option<Process>,
}

/// The checkpoint does not match the topic.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicStateError {
    /// a record has unknown or damaged contents
    #[error("cannot read checkpoint record `{key}`: {reason}")]
    Unreadable {
        /// the record's key
        key: String,
        /// what is wrong
        reason: String,
    },
    /// the sent alerts are damaged
    #[error("topic `{topic}`: {source}")]
    Sent {
        /// the topic
        topic: String,
        /// what is wrong
        source: LedgerError,
    },
    /// fewer partitions or records than before
    #[error(
        "topic `{topic}` was deleted and created again, or has lost records: {difference}; its previous content is unknown, so send the stream to a new topic"
    )]
    Shrunk {
        /// the topic
        topic: String,
        /// what it has, and what it had
        difference: String,
    },
    /// a message of another writer
    #[error(
        "topic `{topic}` partition {partition} offset {offset} was written by {writer}: a topic of a stream with transactions = false has one writer; \
         give each service and job that runs beside others a topic of its own"
    )]
    Foreign {
        /// the topic
        topic: String,
        /// its partition
        partition: i32,
        /// where
        offset: i64,
        /// who, as the header `fink-writer` says
        writer: String,
    },
}

/// The state of one topic.
#[derive(Clone, Debug)]
pub(crate) struct TopicState {
    topic: String,
    key: String,
    state: TopicStateRecord,
    sent: Ledger,
    /// whether the checkpoint has `state`, or the next transaction writes it
    is_written: bool,
    /// records that the next transaction has to hold
    pending: Vec<Record>,
}

impl TopicState {
    /// Reads the state of a topic from the checkpoint's records under `prefix`; `None` where there is none yet.
    ///
    /// # Errors
    /// The records are damaged, or a later version wrote them.
    pub fn load(
        prefix: &str,
        topic: &str,
        records: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Option<Self>, TopicStateError> {
        let key = key_of(prefix, topic);
        let Some(value) = records.get(key.as_bytes()) else { return Ok(None) };
        let unreadable = |key: &str, reason: String| TopicStateError::Unreadable { key: key.to_owned(), reason };
        let state: TopicStateRecord =
            serde_json::from_slice(value).map_err(|error| unreadable(&key, error.to_string()))?;
        if state.version != VERSION {
            let reason = format!("it is of version {}, this program writes version {VERSION}", state.version);
            return Err(unreadable(&key, reason));
        }
        let mut sent = Ledger::default();
        let segments = format!("{key}/sent/");
        for (key, value) in records.range(segments.clone().into_bytes()..) {
            let Some(digits) = key.strip_prefix(segments.as_bytes()) else { break };
            let digits = String::from_utf8_lossy(digits);
            let number = u64::from_str_radix(&digits, 16)
                .map_err(|error| unreadable(&format!("{segments}{digits}"), error.to_string()))?;
            let damaged = |source| TopicStateError::Sent { topic: topic.to_owned(), source };
            sent.restore(number, value).map_err(damaged)?;
        }
        Ok(Some(Self { topic: topic.to_owned(), key, state, sent, is_written: true, pending: Vec::new() }))
    }

    /// The state of a topic that this distribution has not written to yet: the messages up to `ends` do not concern it.
    pub fn new(prefix: &str, topic: &str, ends: &[OffsetRange]) -> Self {
        let offsets = ends.iter().map(|ends| ends.end).collect();
        let state = TopicStateRecord { version: VERSION, offsets, open: false, process: None };
        let (key, sent) = (key_of(prefix, topic), Ledger::default());
        Self { topic: topic.to_owned(), key, state, sent, is_written: false, pending: Vec::new() }
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The recorded offset of each partition.
    pub fn offsets(&self) -> &[i64] {
        &self.state.offsets
    }

    /// This state for a topic that ends at `offsets`, all of whose messages are accounted for, on another Kafka for example.
    #[must_use]
    pub fn rebased(self, offsets: Vec<i64>) -> Self {
        let state = TopicStateRecord { offsets, process: None, ..self.state };
        Self { state, ..self }
    }

    /// Whether the last writer did not close the topic: some of its messages may be behind the recorded offsets.
    pub fn is_open(&self) -> bool {
        self.state.open
    }

    /// Whether the last writer may still send messages.
    pub fn may_be_written(&self) -> bool {
        self.state.open && !self.state.process.as_ref().is_some_and(Process::is_dead)
    }

    /// Compares the state with the topic as it is. Of partitions that were added since, all messages count as the tail.
    ///
    /// # Errors
    /// The topic has fewer partitions or records than the state.
    pub fn compare(&mut self, ends: &[OffsetRange]) -> Result<(), TopicStateError> {
        let shrunk = |difference: String| TopicStateError::Shrunk { topic: self.topic.clone(), difference };
        let known = self.state.offsets.len();
        if ends.len() < known {
            return Err(shrunk(format!("it has {} partitions, the checkpoint knows {known}", ends.len())));
        }
        for (partition, (offset, ends)) in self.state.offsets.iter().zip(ends).enumerate() {
            if ends.end < *offset {
                let end = ends.end;
                return Err(shrunk(format!("partition {partition} ends at {end}, the checkpoint knows {offset}")));
            }
            if ends.begin > *offset && self.state.open {
                log::warn!(
                    "topic `{}` partition {partition}: retention has removed the records from offset {offset} to {}; alerts among them that \
                     the checkpoint does not cover are sent again",
                    self.topic,
                    ends.begin
                );
            }
        }
        self.is_written &= ends.len() == known;
        self.state.offsets.resize(ends.len(), 0);
        Ok(())
    }

    /// Adds the tail: the alerts between the recorded offsets and `ends`. Returns how many of them are on the topic more than once.
    pub fn add_tail(&mut self, tail: Vec<LedgerEntry>, ends: &[i64]) -> usize {
        let mut entries = tail;
        let all = entries.len();
        entries.sort_unstable_by_key(|entry| (entry.id, entry.timestamp));
        entries.dedup_by_key(|entry| entry.id);
        let unique = entries.len();
        entries.retain(|entry| !self.sent.contains(*entry));
        let duplicates = all - unique + (unique - entries.len());
        for (number, bytes) in self.sent.add(&entries) {
            self.pending.push((self.segment_key(number), Some(bytes)));
        }
        self.is_written &= self.state.offsets == ends;
        self.state.offsets = ends.to_vec();
        duplicates
    }

    /// Whether the alert is listed as sent.
    pub fn is_sent(&self, entry: LedgerEntry) -> bool {
        self.sent.contains(entry)
    }

    /// The records for a transaction before which all messages were delivered, up to `offsets`; none where nothing has changed. `open`: whether
    /// more may be sent after it and before the next transaction.
    pub fn records(&mut self, offsets: &[i64], open: bool) -> Vec<Record> {
        let own = Process::current();
        let is_same = self.state.offsets == offsets && self.state.open == open && self.state.process.as_ref() == own;
        let is_same = is_same && self.is_written;
        let mut records = std::mem::take(&mut self.pending);
        if !is_same {
            self.state.offsets = offsets.to_vec();
            self.state.open = open;
            self.state.process = own.cloned();
            self.is_written = true;
            records.push(self.record());
        }
        records
    }

    /// The record of the offsets.
    pub fn record(&self) -> Record {
        let TopicStateRecord { version, offsets, open, process } = &self.state;
        let value = serde_json::json!({ "version": version, "offsets": offsets, "open": open, "process": process });
        (self.key.clone().into_bytes(), Some(value.to_string().into_bytes()))
    }

    /// Forgets the sent alerts before the watermark. The next transaction deletes their records.
    pub fn expire(&mut self, watermark: Timestamp) {
        for number in self.sent.expire(watermark) {
            self.pending.push((self.segment_key(number), None));
        }
    }

    fn segment_key(&self, number: u64) -> Vec<u8> {
        format!("{}/sent/{number:016x}", self.key).into_bytes()
    }
}

/// The states of all topics without transactions that the records under `prefix` name.
///
/// # Errors
/// As [`TopicState::load`].
pub(crate) fn topics_of(
    prefix: &str,
    records: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<Vec<TopicState>, TopicStateError> {
    let start = key_of(prefix, "");
    let keys = records.range(start.clone().into_bytes()..).map(|(key, _)| String::from_utf8_lossy(key));
    let topics = keys.map_while(|key| key.strip_prefix(start.as_str()).map(str::to_owned));
    let topics: Vec<String> = topics.filter(|topic| !topic.contains('/')).collect();
    topics.iter().filter_map(|topic| TopicState::load(prefix, topic, records).transpose()).collect()
}

fn key_of(prefix: &str, topic: &str) -> String {
    format!("{prefix}/topic/{topic}")
}
