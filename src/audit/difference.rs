//! How an alert differs between science database and topic.

use std::num::NonZeroU128;

use super::totals::Category;
use crate::distribution::settings::StreamSettings;
use crate::timestamp::Timestamp;

/// How an alert differs between science database and topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DifferenceKind {
    /// it is not on the topic
    Missing,
    /// it is on the topic more than once
    Duplicated,
    /// its message differs from what the row gives now
    Altered,
    /// it is on the topic, and the stream's rules or filters refuse it now
    Unwanted,
}

impl DifferenceKind {
    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Duplicated => "duplicated",
            Self::Altered => "altered",
            Self::Unwanted => "unwanted",
        }
    }

    /// The category that it counts in. `None`: it counts only once it is confirmed.
    pub(super) fn category(self) -> Option<Category> {
        match self {
            Self::Missing => None,
            Self::Duplicated => Some(Category::Duplicated),
            Self::Altered => Some(Category::Altered),
            Self::Unwanted => Some(Category::Unwanted),
        }
    }
}

/// A difference that the comparison of records found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DifferenceRecord {
    pub kind: DifferenceKind,
    /// index of the stream
    pub stream: usize,
    /// the alert's id; `None`: its messages have none, and it has no row
    pub id: Option<NonZeroU128>,
    pub timestamp: Timestamp,
    /// offset of its row key in the key file; `None`: it has no row
    pub key: Option<i64>,
    /// its messages on the topic: partition and offset
    pub messages: Vec<(u32, i64)>,
    /// whether it is missing because it cannot be encoded
    pub is_unencodable: bool,
}

/// A confirmed difference, for the caller of the audit.
#[derive(Clone, Debug)]
pub(crate) struct Difference<'a> {
    /// how it differs
    pub kind: DifferenceKind,
    /// the stream
    pub stream: &'a StreamSettings,
    /// the row key; `None`: the alert has no row
    pub row_key: Option<Vec<u8>>,
    /// timestamp of the row's trigger
    pub timestamp: Timestamp,
    /// its messages on the topic, as partition and offset; the first ones if there are many
    pub messages: Vec<(u32, i64)>,
    /// whether it is missing because it cannot be encoded; it should be on the rejected topic
    pub is_unencodable: bool,
}
