//! The result of comparing science database and topics.

use std::num::NonZeroU128;

use super::difference::DifferenceRecord;
use super::key_file::KeyFile;
use super::totals::AuditTotals;
use crate::timestamp::Timestamp;

/// The result of comparing science database and topics.
pub(crate) struct Comparison {
    /// the counts
    pub totals: AuditTotals,
    pub(super) missing: Vec<Missing>,
    pub(super) keys: KeyFile,
    /// for each stream and partition the first offset that was not read
    pub(super) ends: Vec<Vec<i64>>,
}

impl Comparison {
    /// The number of alerts of each stream that can be published: those that are missing and can be encoded.
    pub fn repairable(&self) -> Vec<u64> {
        let mut counts = vec![0; self.ends.len()];
        for missing in &self.missing {
            counts[missing.stream] += 1;
        }
        counts
    }
}

/// An alert that is missing on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub id: NonZeroU128,
    pub timestamp: Timestamp,
    /// offset of its row key in the key file
    pub key: i64,
    pub stream: usize,
}

impl Missing {
    /// The missing alert of a difference; `None` if it has no row.
    pub fn of(difference: &DifferenceRecord) -> Option<Self> {
        let DifferenceRecord { timestamp, stream, .. } = *difference;
        Some(Self { id: difference.id?, timestamp, key: difference.key?, stream })
    }
}
