//! The checkpoint's records of a [`CheckpointState`](super::CheckpointState): their keys, and their values as JSON or bytes.
//!
//! | key | value |
//! | --- | --- |
//! | `<prefix>/state` | JSON: watermark, where the user said to begin, the last look, the history lane's window |
//! | `<prefix>/history/<8 hexadecimal digits>` | JSON: how far the history lane has come in one key range |
//! | `<prefix>/ledger/<16 hexadecimal digits>` | entries of the ledger, 24 bytes each, at most 256 KiB |
//!
//! No record grows with the number of alerts or regions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::history_scan::{self, HistoryScan, RangeProgress};
use crate::ledger::{Ledger, LedgerError};
use crate::window::Window;

/// One change of the checkpoint: a key and its new value, or `None` where the key is deleted.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StateRecord {
    pub(super) version: u32,
    pub(super) origin: String,
    pub(super) watermark: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) job_until: Option<i64>,
    /// when the last look began of whose finds all are published, ms since 1970
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) looked: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) history: Option<HistoryScanRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HistoryScanRecord {
    pub(super) from: i64,
    pub(super) until: i64,
    /// in version 1 only; since then each range has a record of its own
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ranges: Vec<RangeProgress>,
}

/// What is written. Version 1, which held all key ranges in one record, is read as well.
pub(super) const VERSION: u32 = 2;

/// A checkpoint that cannot be used, or a change that would break it.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointStateError {
    /// not what this program writes
    #[error("checkpoint record `{key}` cannot be read: {reason}")]
    Unreadable {
        /// the record's key
        key: String,
        /// what is wrong
        reason: String,
    },
    /// a damaged ledger
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// there are records, but not the one that says where the distribution stands
    #[error(
        "the checkpoint holds records of `{prefix}`, but `{prefix}/state` is gone: its topic was deleted and made again, or lost records; say with --from where to begin"
    )]
    NoState {
        /// what the records' keys begin with
        prefix: String,
    },
    /// a record cannot be written as JSON
    #[error("a checkpoint record cannot be written: {0}")]
    Unwritable(serde_json::Error),
    /// a key range that the history lane does not have
    #[error("the history lane has no key range {number}")]
    NoRange {
        /// its number
        number: u32,
    },
    /// the history lane was told to go on and is not at work
    #[error("the history lane is not at work")]
    NoHistory,
    /// the watermark would move backwards
    #[error("the watermark {watermark} would move back to {to} (ms since 1970)")]
    Backwards {
        /// where it is, ms since 1970
        watermark: i64,
        /// where it would move, ms since 1970
        to: i64,
    },
}

/// Whether the record `<prefix>/state` is that of a job that has done all it was asked to.
pub fn is_job_finished(state: &[u8]) -> bool {
    let state: Option<StateRecord> = serde_json::from_slice(state).ok();
    state.is_some_and(|state| state.job_until.is_some_and(|until| state.watermark >= until))
}

pub(super) fn load_ledger(prefix: &str, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Ledger, CheckpointStateError> {
    let mut ledger = Ledger::default();
    for (number, key, value) in numbered(records, &ledger_prefix(prefix)) {
        let number = number.ok_or_else(|| unreadable(key, "its number is not hexadecimal".to_owned()))?;
        ledger.restore(number, value)?;
    }
    Ok(ledger)
}

pub(super) fn load_history(
    prefix: &str,
    records: &BTreeMap<Vec<u8>, Vec<u8>>,
    window: Window,
    ranges: Vec<RangeProgress>,
) -> Result<HistoryScan, CheckpointStateError> {
    if !ranges.is_empty() {
        return Ok(HistoryScan::of_version_1(window, ranges));
    }
    let mut history = HistoryScan::new(window);
    for (number, key, value) in numbered(records, &history_scan::records_prefix(prefix)) {
        let number = number.and_then(|number| u32::try_from(number).ok());
        let number = number.ok_or_else(|| unreadable(key, "its number is not hexadecimal".to_owned()))?;
        let range = serde_json::from_slice(value).map_err(|error| unreadable(key, error.to_string()))?;
        history.restore(number, range);
    }
    Ok(history)
}

/// The records whose key is `prefix` and a number in hexadecimal digits.
pub fn numbered<'a>(
    records: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    prefix: &str,
) -> impl Iterator<Item = (Option<u64>, &'a [u8], &'a [u8])> {
    let prefix = prefix.as_bytes().to_vec();
    let all = records.range(prefix.clone()..);
    all.map_while(move |(key, value)| {
        let digits = key.strip_prefix(&prefix[..])?;
        let number = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Some((number, &key[..], &value[..]))
    })
}

pub(super) fn unreadable(key: &[u8], reason: String) -> CheckpointStateError {
    CheckpointStateError::Unreadable { key: String::from_utf8_lossy(key).into_owned(), reason }
}

pub(super) fn state_key(prefix: &str) -> Vec<u8> {
    format!("{prefix}/state").into_bytes()
}

fn ledger_prefix(prefix: &str) -> String {
    format!("{prefix}/ledger/")
}

pub(super) fn ledger_key(prefix: &str, number: u64) -> Vec<u8> {
    format!("{}{number:016x}", ledger_prefix(prefix)).into_bytes()
}
