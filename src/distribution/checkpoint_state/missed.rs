//! The streams that are paused, and which alerts they miss: decisions only, no I/O.
//!
//! What a stream misses is a list of ranges of trigger timestamps. A pause begins a range, and its end ends it, at the first timestamp from which on
//! nothing is published yet. So the timestamp of an alert alone says who sends it to the stream: the lanes, or, within a range, the scan of missed
//! alerts. This scan reads what the watermark has passed, which is complete, so the stream needs no ledger of its own.
//!
//! | key | value |
//! | --- | --- |
//! | `<prefix>/stream/<name>/missed` | JSON: since when the stream is paused, the ranges, the window of the scan |
//! | `<prefix>/stream/<name>/history/<8 hexadecimal digits>` | JSON: how far the scan has come in one key range |
//!
//! A stream that misses nothing has no records.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::records::{CheckpointStateError, Record, to_json, unreadable};
use super::state_record::{HistoryScanRecord, load_history};
use super::{HistoryScan, HistoryWindow, state_record};
use crate::science_db::KeyRange;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Trigger timestamps of alerts that a stream misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MissedRange {
    from: Timestamp,
    /// `None`: the stream is paused
    until: Option<Timestamp>,
}

impl MissedRange {
    /// Whether an alert with this timestamp is among them.
    pub fn contains(&self, timestamp: Timestamp) -> bool {
        self.from <= timestamp && self.until.is_none_or(|until| timestamp < until)
    }
}

/// What one stream misses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MissedByStream {
    paused_at: Option<Timestamp>,
    /// oldest first, at least one; only the last one has no end, while the stream is paused
    ranges: Vec<MissedRange>,
    /// of the first range, or of its beginning
    scan: Option<HistoryScan>,
}

impl MissedByStream {
    /// When the stream was paused; `None`: it receives new alerts.
    pub fn paused_at(&self) -> Option<Timestamp> {
        self.paused_at
    }

    /// The ranges, oldest first.
    pub fn ranges(&self) -> &[MissedRange] {
        &self.ranges
    }

    /// The timestamp from which on the stream misses alerts.
    pub fn from(&self) -> Option<Timestamp> {
        self.ranges.first().map(|range| range.from)
    }

    /// The timestamp up to which the stream misses alerts; `None` while it is paused.
    pub fn until(&self) -> Option<Timestamp> {
        self.ranges.last().and_then(|range| range.until)
    }

    /// The window to read next; `None` while the stream is paused, or not enough of it is complete.
    fn next_window(&self, complete_until: Timestamp) -> Option<Window> {
        if self.paused_at.is_some() {
            return None;
        }
        if let Some(scan) = &self.scan {
            return Some(scan.window().done);
        }
        let MissedRange { from, until: Some(until) } = *self.ranges.first()? else { return None };
        // Each scan also reads the cells after its window. So few windows are read: all that is left, or more than half of it.
        match until.since(complete_until) <= complete_until.since(from) {
            true => Window::new(from, until.min(complete_until)),
            false => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct MissedRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_at: Option<Timestamp>,
    ranges: Vec<MissedRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scan: Option<HistoryScanRecord>,
}

/// What the streams miss, by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Missed {
    prefix: String,
    streams: BTreeMap<String, MissedByStream>,
}

impl Missed {
    /// That no stream misses anything. `prefix`: the checkpoint name.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), streams: BTreeMap::new() }
    }

    /// Reads it from the checkpoint's records under `prefix`.
    ///
    /// # Errors
    /// A record is damaged.
    pub(super) fn load(prefix: &str, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Self, CheckpointStateError> {
        let mut missed = Self::new(prefix);
        let start = format!("{prefix}/stream/");
        for (key, value) in records.range(start.clone().into_bytes()..) {
            let Some(rest) = key.strip_prefix(start.as_bytes()) else { break };
            let Some(name) = std::str::from_utf8(rest).ok().and_then(|rest| rest.strip_suffix("/missed")) else {
                continue;
            };
            let MissedRecord { paused_at, ranges, scan } =
                serde_json::from_slice(value).map_err(|error| unreadable(key, error.to_string()))?;
            let open = ranges.iter().filter(|range| range.until.is_none()).count();
            if ranges.is_empty() || open != usize::from(paused_at.is_some()) {
                return Err(unreadable(key, "its ranges do not fit the pause".to_owned()));
            }
            let scan = scan.map(|scan| load_history(&missed.scan_prefix(name), records, scan)).transpose()?;
            missed.streams.insert(name.to_owned(), MissedByStream { paused_at, ranges, scan });
        }
        Ok(missed)
    }

    /// Whether no stream misses anything.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// What the stream misses; `None`: nothing.
    pub fn of(&self, name: &str) -> Option<&MissedByStream> {
        self.streams.get(name)
    }

    /// The streams that miss alerts.
    pub fn streams(&self) -> impl Iterator<Item = (&str, &MissedByStream)> {
        self.streams.iter().map(|(name, missed)| (name.as_str(), missed))
    }

    /// The names of the paused streams, separated by commas; `None`: there are none.
    pub fn paused(&self) -> Option<String> {
        let paused = self.streams().filter(|(_, missed)| missed.paused_at.is_some());
        let names: Vec<&str> = paused.map(|(name, _)| name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The timestamp of the oldest alert that some stream may miss.
    pub fn from(&self) -> Option<Timestamp> {
        self.streams.values().filter_map(MissedByStream::from).min()
    }

    /// The stream whose missed alerts are to be read next, and in which window. Everything before `complete_until` is complete; only streams that
    /// `is_known` accepts.
    pub fn next(&self, complete_until: Timestamp, is_known: impl Fn(&str) -> bool) -> Option<(&str, Window)> {
        let known = self.streams().filter(|(name, _)| is_known(name));
        let windows =
            known.filter_map(|(name, missed)| Some((missed.scan.is_none(), name, missed.next_window(complete_until)?)));
        // A scan that has begun comes first.
        windows.min_by_key(|(is_new, ..)| *is_new).map(|(_, name, window)| (name, window))
    }

    /// The scan of what the stream has missed, if one has begun.
    pub fn scan(&self, name: &str) -> Option<&HistoryScan> {
        self.streams.get(name)?.scan.as_ref()
    }

    /// Pauses a stream at `now`: it misses the alerts from `from` on. Returns its record; `None`: it is paused already.
    pub(super) fn pause(
        &mut self,
        name: &str,
        now: Timestamp,
        from: Timestamp,
    ) -> Result<Option<Record>, CheckpointStateError> {
        let none = || MissedByStream { paused_at: None, ranges: Vec::new(), scan: None };
        let missed = self.streams.entry(name.to_owned()).or_insert_with(none);
        if missed.paused_at.is_some() {
            return Ok(None);
        }
        missed.paused_at = Some(now);
        match missed.ranges.last_mut() {
            Some(last) if last.until.is_some_and(|until| until >= from) => last.until = None,
            _ => missed.ranges.push(MissedRange { from, until: None }),
        }
        self.record(name).map(Some)
    }

    /// Ends the pause of a stream: it misses the alerts before `until`. Returns what has to be written; `None`: it is not paused.
    pub(super) fn resume(&mut self, name: &str, until: Timestamp) -> Result<Option<Vec<Record>>, CheckpointStateError> {
        let Some(missed) = self.streams.get_mut(name).filter(|missed| missed.paused_at.is_some()) else {
            return Ok(None);
        };
        missed.paused_at = None;
        if let Some(last) = missed.ranges.pop()
            && last.from < until
        {
            missed.ranges.push(MissedRange { until: Some(until), ..last });
        }
        self.record_or_deletion(name).map(|record| Some(vec![record]))
    }

    /// Begins, or after a restart continues, the scan of `window` in the key ranges of `regions`.
    pub fn start_scan(&mut self, name: &str, window: Window, regions: &[KeyRange]) {
        if let Some(missed) = self.streams.get_mut(name) {
            missed.scan.get_or_insert_with(|| HistoryScan::new(HistoryWindow::of(window))).split(regions);
        }
    }

    /// As [`advance_history`](super::CheckpointState::advance_history), for the scan of what the stream has missed.
    ///
    /// # Errors
    /// The same; or the stream has no scan.
    pub fn advance(
        &mut self,
        name: &str,
        number: u32,
        after: Option<&[u8]>,
        done: bool,
    ) -> Result<(), CheckpointStateError> {
        let scan = self.streams.get_mut(name).and_then(|missed| missed.scan.as_mut());
        scan.ok_or(CheckpointStateError::NoHistory)?.advance(number, after, done)
    }

    /// The records of how far the scan has come. Where it is finished, the stream has its window.
    pub(super) fn scan_records(&mut self, name: &str) -> Result<Vec<Record>, CheckpointStateError> {
        let prefix = self.scan_prefix(name);
        let missed = self.streams.get_mut(name).ok_or(CheckpointStateError::NoHistory)?;
        let mut records = match missed.scan.take_if(|scan| scan.is_finished()) {
            Some(scan) => {
                let until = scan.window().done.until();
                missed.ranges.retain(|range| range.until.is_none_or(|end| end > until));
                missed.ranges.iter_mut().take(1).for_each(|range| range.from = range.from.max(until));
                scan.into_deletions(&prefix)
            }
            None => missed.scan.as_mut().ok_or(CheckpointStateError::NoHistory)?.take_records(&prefix)?,
        };
        records.push(self.record_or_deletion(name)?);
        Ok(records)
    }

    fn scan_prefix(&self, name: &str) -> String {
        format!("{}/stream/{name}", self.prefix)
    }

    fn key(&self, name: &str) -> Vec<u8> {
        format!("{}/missed", self.scan_prefix(name)).into_bytes()
    }

    fn record(&self, name: &str) -> Result<Record, CheckpointStateError> {
        let key = self.key(name);
        let MissedByStream { paused_at, ranges, scan } =
            self.streams.get(name).ok_or(CheckpointStateError::NoHistory)?;
        let scan = scan.as_ref().map(|scan| state_record::HistoryScanRecord::new(scan.window()));
        let value = to_json(&key, &MissedRecord { paused_at: *paused_at, ranges: ranges.clone(), scan })?;
        Ok((key, Some(value)))
    }

    /// The record of a stream, or the deletion of it where it misses nothing.
    fn record_or_deletion(&mut self, name: &str) -> Result<Record, CheckpointStateError> {
        if self.streams.get(name).is_some_and(|missed| !missed.ranges.is_empty()) {
            return self.record(name);
        }
        self.streams.remove(name);
        Ok((self.key(name), None))
    }
}
