//! The checkpoint's records of a [`CheckpointState`](super::CheckpointState): their keys, and their values as JSON or bytes.
//!
//! | key | value |
//! | --- | --- |
//! | `<prefix>/state` | JSON: the watermark, the start that the user asked for, the last live scan, the window of the history lane |
//! | `<prefix>/history/<8 hexadecimal digits>` | JSON: how far the history lane has come in one key range |
//! | `<prefix>/moved` | JSON: the distribution to which the checkpoint was moved, and when; then there are no other records but the owner's |
//! | `<prefix>/ledger/<16 hexadecimal digits>` | entries of the ledger, 24 bytes each, at most 256 KiB |
//! | `<prefix>/stream/<name>/…` | what a stream misses that is paused, or was: see [`missed`](super::missed) |
//!
//! No record grows with the number of alerts or regions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HistoryWindow;
use super::history_scan::{self, HistoryScan, RangeProgress};
use super::records::{CheckpointStateError, Record, numbered, unreadable};
use crate::ledger::Ledger;
use crate::timestamp::Timestamp;
use crate::window::Window;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StateRecord {
    pub version: u32,
    pub origin: String,
    pub watermark: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_until: Option<Timestamp>,
    #[serde(rename = "looked", default, skip_serializing_if = "Option::is_none")]
    pub live_scanned_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryScanRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HistoryScanRecord {
    from: Timestamp,
    until: Timestamp,
    /// the end of what is published; `None`: `until`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alerts_until: Option<Timestamp>,
    /// in version 1 only; since then each range has a record of its own
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<RangeProgress>,
}

impl HistoryScanRecord {
    pub fn new(HistoryWindow { done, until }: HistoryWindow) -> Self {
        let alerts_until = (until > done.until()).then_some(until);
        Self { from: done.from(), until: done.until(), alerts_until, ranges: Vec::new() }
    }
}

/// The version that is written. Version 1, which held all key ranges in one record, is read as well.
const VERSION: u32 = 2;
/// The version that is written while a stream misses alerts: a program that does not know of that would send them to others, and not to it.
const VERSION_WITH_MISSED: u32 = 3;

/// The version of the record. `misses`: whether a stream misses alerts.
pub(super) fn version(misses: bool) -> u32 {
    if misses { VERSION_WITH_MISSED } else { VERSION }
}

/// Whether the record `<prefix>/state` is that of a finished job. A record that cannot be read is not: its writer may still use the checkpoint.
pub(crate) fn is_job_finished(state: &[u8]) -> bool {
    let state: Option<StateRecord> = serde_json::from_slice(state).ok();
    state.is_some_and(|state| state.job_until.is_some_and(|until| state.watermark >= until))
}

#[derive(Clone, Debug, Deserialize)]
struct MovedRecord {
    to: String,
}

/// The record that says that the checkpoint was moved to another distribution.
pub(crate) fn moved_record(prefix: &str, to: &str, at: Timestamp) -> Record {
    let value = serde_json::json!({ "to": to, "at": at });
    (moved_key(prefix), Some(value.to_string().into_bytes()))
}

/// The distribution to which the checkpoint was moved.
pub(crate) fn moved_to_name(prefix: &str, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<String> {
    let value = records.get(&moved_key(prefix))?;
    let moved: Option<MovedRecord> = serde_json::from_slice(value).ok();
    Some(moved.map_or_else(|| "?".to_owned(), |moved| moved.to))
}

fn moved_key(prefix: &str) -> Vec<u8> {
    format!("{prefix}/moved").into_bytes()
}

pub(super) fn load_state(
    prefix: &str,
    records: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<Option<StateRecord>, CheckpointStateError> {
    let key = state_key(prefix);
    let Some(value) = records.get(&key) else { return Ok(None) };
    let state: StateRecord = serde_json::from_slice(value).map_err(|error| unreadable(&key, error.to_string()))?;
    if !(1..=VERSION_WITH_MISSED).contains(&state.version) {
        let reason =
            format!("it has version {}, this program reads versions 1 to {VERSION_WITH_MISSED}", state.version);
        return Err(unreadable(&key, reason));
    }
    Ok(Some(state))
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
    HistoryScanRecord { from, until, alerts_until, ranges }: HistoryScanRecord,
) -> Result<HistoryScan, CheckpointStateError> {
    let empty = || unreadable(&state_key(prefix), format!("its history lane reads from {from} until {until}"));
    let done = Window::new(from, until).ok_or_else(empty)?;
    let window = HistoryWindow { done, until: alerts_until.unwrap_or(until) };
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

pub(super) fn state_key(prefix: &str) -> Vec<u8> {
    format!("{prefix}/state").into_bytes()
}

fn ledger_prefix(prefix: &str) -> String {
    format!("{prefix}/ledger/")
}

pub(super) fn ledger_key(prefix: &str, number: u64) -> Vec<u8> {
    format!("{}{number:016x}", ledger_prefix(prefix)).into_bytes()
}
