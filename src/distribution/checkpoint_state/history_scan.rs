//! How far the history lane has come, one record for each key range.
//!
//! A range gets a record when it advances for the first time, and a new one whenever it has advanced since: what a transaction writes about the
//! history lane grows with the ranges that advanced, not with the number of regions. A restart keeps the recorded ranges as they are, and splits
//! the keys that no record covers along the regions of that time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::records::{text, to_json};
use super::{CheckpointStateError, HistoryWindow, Record, hex};
use crate::science_db::KeyRange;

/// How far the history lane has come in one key range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RangeProgress {
    #[serde(with = "hex")]
    start: Vec<u8>,
    #[serde(with = "hex")]
    end: Vec<u8>,
    #[serde(with = "hex")]
    after: Vec<u8>,
    done: bool,
}

impl RangeProgress {
    fn new(keys: KeyRange) -> Self {
        Self { start: keys.start, end: keys.end, after: Vec::new(), done: false }
    }

    /// The keys of the range.
    pub fn keys(&self) -> KeyRange {
        KeyRange { start: self.start.clone(), end: self.end.clone() }
    }

    /// The last row that is done, or `None` at the start.
    pub fn after(&self) -> Option<&[u8]> {
        (!self.after.is_empty()).then_some(&self.after)
    }

    /// The keys that are not done.
    pub fn unread_keys(&self) -> KeyRange {
        let start = match self.after() {
            // The next possible key.
            Some(after) => [after, &[0]].concat(),
            None => self.start.clone(),
        };
        KeyRange { start, end: self.end.clone() }
    }

    /// Whether every row of the range is done.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

/// The history lane over one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryScan {
    window: HistoryWindow,
    ranges: BTreeMap<u32, RangeProgress>,
    /// whether `ranges` cover every key
    is_split: bool,
    /// the ranges that have advanced since their last record
    advanced: BTreeSet<u32>,
    /// the ranges that have a record
    recorded: BTreeSet<u32>,
}

impl HistoryScan {
    pub(super) fn new(window: HistoryWindow) -> Self {
        let (ranges, advanced, recorded) = Default::default();
        Self { window, ranges, is_split: false, advanced, recorded }
    }

    /// The history lane over `window` from version 1 of the checkpoint, which held all ranges in the state record.
    pub(super) fn of_version_1(window: HistoryWindow, ranges: Vec<RangeProgress>) -> Self {
        let ranges: BTreeMap<u32, RangeProgress> =
            (0..).zip(ranges).filter(|(_, range)| range.done || !range.after.is_empty()).collect();
        let advanced = ranges.keys().copied().collect();
        Self { ranges, advanced, ..Self::new(window) }
    }

    /// Adds range `number` from its record.
    pub(super) fn restore(&mut self, number: u32, range: RangeProgress) {
        self.ranges.insert(number, range);
        self.recorded.insert(number);
    }

    /// The window that it reads.
    pub fn window(&self) -> HistoryWindow {
        self.window
    }

    /// Whether the ranges cover all keys; otherwise they have to be [split](super::CheckpointState::start_history) along the regions.
    pub fn is_split(&self) -> bool {
        self.is_split
    }

    /// The ranges with their numbers.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = (u32, &RangeProgress)> {
        self.ranges.iter().map(|(number, range)| (*number, range))
    }

    /// Splits the keys that no range covers yet along `regions`, which cover all keys in ascending order.
    pub(super) fn split(&mut self, regions: &[KeyRange]) {
        let mut known: Vec<KeyRange> = self.ranges.values().map(RangeProgress::keys).collect();
        known.sort_by(|a, b| a.start.cmp(&b.start));
        let first = self.ranges.last_key_value().map_or(0, |(number, _)| number + 1);
        let new =
            gaps(&known).into_iter().flat_map(|gap| regions.iter().filter_map(move |region| overlap(region, &gap)));
        let new: Vec<RangeProgress> = new.map(RangeProgress::new).collect();
        self.ranges.extend((first..).zip(new));
        self.is_split = true;
    }

    /// Records that all rows of range `number` up to and including `after` are done, or (`done`) all of them.
    pub(super) fn advance(
        &mut self,
        number: u32,
        after: Option<&[u8]>,
        done: bool,
    ) -> Result<(), CheckpointStateError> {
        let range = self.ranges.get_mut(&number).ok_or(CheckpointStateError::NoRange { number })?;
        if let Some(after) = after {
            if *after < *range.after {
                return Err(CheckpointStateError::RangeBackwards { number, from: text(&range.after), to: text(after) });
            }
            range.after.clear();
            range.after.extend_from_slice(after);
        }
        range.done |= done;
        self.advanced.insert(number);
        Ok(())
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_split && self.ranges.values().all(RangeProgress::is_done)
    }

    /// The records of the ranges that have advanced since the last call.
    pub(super) fn take_records(&mut self, prefix: &str) -> Result<Vec<Record>, CheckpointStateError> {
        let mut records = Vec::with_capacity(self.advanced.len());
        for number in std::mem::take(&mut self.advanced) {
            let range = self.ranges.get(&number).ok_or(CheckpointStateError::NoRange { number })?;
            let key = record_key(prefix, number);
            let value = to_json(&key, range)?;
            records.push((key, Some(value)));
            self.recorded.insert(number);
        }
        Ok(records)
    }

    /// The records that delete all records of the ranges.
    pub(super) fn into_deletions(self, prefix: &str) -> Vec<Record> {
        self.recorded.iter().map(|number| (record_key(prefix, *number), None)).collect()
    }
}

fn record_key(prefix: &str, number: u32) -> Vec<u8> {
    format!("{}{number:08x}", records_prefix(prefix)).into_bytes()
}

/// The prefix of the keys of the ranges' records; the number of the range follows as 8 hexadecimal digits.
pub(super) fn records_prefix(prefix: &str) -> String {
    format!("{prefix}/history/")
}

/// The keys outside the `known` ranges, which ascend and do not overlap.
fn gaps(known: &[KeyRange]) -> Vec<KeyRange> {
    let mut gaps = Vec::new();
    let mut start = Some(Vec::new());
    for range in known {
        if let Some(start) = start.filter(|start| *start < range.start) {
            gaps.push(KeyRange { start, end: range.start.clone() });
        }
        start = Some(range.end.clone()).filter(|end| !end.is_empty());
    }
    gaps.extend(start.map(|start| KeyRange { start, end: Vec::new() }));
    gaps
}

fn overlap(a: &KeyRange, b: &KeyRange) -> Option<KeyRange> {
    let start = a.start.clone().max(b.start.clone());
    let end = match (a.end.is_empty(), b.end.is_empty()) {
        (true, _) => b.end.clone(),
        (_, true) => a.end.clone(),
        _ => a.end.clone().min(b.end.clone()),
    };
    (end.is_empty() || start < end).then_some(KeyRange { start, end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;
    use crate::window::Window;

    fn range(start: &str, end: &str) -> KeyRange {
        KeyRange { start: start.into(), end: end.into() }
    }

    fn history() -> HistoryScan {
        let window = Window::new(Timestamp::from_millis(1), Timestamp::from_millis(2)).expect("a window");
        HistoryScan::new(HistoryWindow::of(window))
    }

    #[test]
    fn keys_without_a_record_are_split_along_the_regions() {
        let mut history = history();
        history.restore(7, RangeProgress::new(range("c", "g")));
        history.restore(2, RangeProgress::new(range("m", "p")));
        history.split(&[range("", "e"), range("e", "n"), range("n", "")]);
        let keys: Vec<KeyRange> = history.ranges().map(|(_, range)| range.keys()).collect();
        assert_eq!(keys, [range("m", "p"), range("c", "g"), range("", "c"), range("g", "m"), range("p", "")]);
        assert_eq!(history.ranges().map(|(number, _)| number).collect::<Vec<_>>(), [2, 7, 8, 9, 10]);
    }

    #[test]
    fn a_range_is_recorded_only_when_it_has_advanced() {
        let mut history = history();
        history.split(&[range("", "e"), range("e", "")]);
        assert!(history.take_records("p").expect("records").is_empty());
        history.advance(1, Some(b"f"), false).expect("range 1");
        let records = history.take_records("p").expect("records");
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].0, b"p/history/00000001");
        assert!(history.take_records("p").expect("records").is_empty());
        let back = history.advance(1, Some(b"e"), false).expect_err("a step back");
        assert_eq!(back.to_string(), "key range 1 of the history lane would move back from row `f` to row `e`");
        history.advance(0, None, true).expect("range 0");
        assert!(!history.is_finished());
        history.advance(1, None, true).expect("range 1");
        assert!(history.is_finished());
        assert!(history.advance(2, None, true).is_err());
        history.take_records("p").expect("records");
        assert_eq!(history.into_deletions("p").len(), 2);
    }

    #[test]
    fn a_recorded_range_without_an_end_covers_all_keys_behind_its_start() {
        let mut history = history();
        history.restore(0, RangeProgress::new(range("c", "")));
        history.split(&[range("", "")]);
        assert_eq!(history.ranges().nth(1).map(|(_, range)| range.keys()), Some(range("", "c")));
        assert_eq!(history.ranges().len(), 2);
    }
}
