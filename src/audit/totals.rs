//! Counts of alerts and messages by stream and night.

use std::collections::BTreeMap;

use super::night::Night;
use crate::timestamp::Timestamp;

/// What is counted. Each alert that a stream keeps counts as one of `Matched`, `Rejected`, `Missing`, `Duplicated`, `Altered`, `NotDue`,
/// `Gone` and `Expired`, or as `Duplicated` and `Altered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    /// alerts in the science database
    InDatabase,
    /// alerts that the stream's rules or filters refuse
    Refused,
    /// alerts that the stream keeps
    Kept,
    /// messages on the topic
    OnTopic,
    /// alerts that are on the topic once, as they are in the science database
    Matched,
    /// alerts that are on the rejected topic
    Rejected,
    /// alerts that are neither on the topic nor on the rejected topic
    Missing,
    /// alerts that are on the topic more than once
    Duplicated,
    /// alerts whose message differs from what the row gives now
    Altered,
    /// messages of alerts that the stream refuses now
    Unwanted,
    /// messages of row versions that no longer exist: the row was written again or deleted
    Superseded,
    /// messages without fink's headers, of any time
    Foreign,
    /// alerts that are not on the topic, and that the service may still send
    NotDue,
    /// alerts that are not on the topic, whose row was written again or deleted
    Gone,
    /// alerts that are not on the topic, from which the messages of that time were deleted (retention)
    Expired,
}

impl Category {
    /// All categories in the order of output.
    pub const ALL: [Self; 15] = [
        Self::InDatabase,
        Self::Refused,
        Self::Kept,
        Self::OnTopic,
        Self::Matched,
        Self::Rejected,
        Self::Missing,
        Self::Duplicated,
        Self::Altered,
        Self::Unwanted,
        Self::Superseded,
        Self::Foreign,
        Self::NotDue,
        Self::Gone,
        Self::Expired,
    ];

    /// The name as a key of a JSON object.
    pub fn name(self) -> &'static str {
        match self {
            Self::InDatabase => "in_database",
            Self::Refused => "refused",
            Self::Kept => "kept",
            Self::OnTopic => "on_topic",
            Self::Matched => "matched",
            Self::Rejected => "rejected",
            Self::Missing => "missing",
            Self::Duplicated => "duplicated",
            Self::Altered => "altered",
            Self::Unwanted => "unwanted",
            Self::Superseded => "superseded",
            Self::Foreign => "foreign",
            Self::NotDue => "not_due",
            Self::Gone => "gone",
            Self::Expired => "expired",
        }
    }
}

/// Counts of one stream, or of one night of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamTotals([u64; Category::ALL.len()]);

impl StreamTotals {
    /// The count of a category.
    pub fn get(&self, category: Category) -> u64 {
        self.0[category as usize]
    }

    /// Adds `n` to the count of a category.
    pub(super) fn add(&mut self, category: Category, n: u64) {
        self.0[category as usize] += n;
    }
}

/// Counts of all streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditTotals {
    /// hour UTC at which nights begin
    hour: u8,
    streams: Vec<StreamTotals>,
    nights: BTreeMap<(usize, Night), StreamTotals>,
}

impl AuditTotals {
    /// Zero for `streams` streams. Nights begin at `hour`, UTC.
    pub(super) fn new(streams: usize, hour: u8) -> Self {
        Self { hour, streams: vec![StreamTotals::default(); streams], nights: BTreeMap::new() }
    }

    /// Counts an alert or message of `timestamp`.
    pub(super) fn add(&mut self, stream: usize, timestamp: Timestamp, category: Category) {
        self.streams[stream].add(category, 1);
        self.nights.entry((stream, Night::of(timestamp, self.hour))).or_default().add(category, 1);
    }

    /// Counts a message without a timestamp.
    pub(super) fn add_timeless(&mut self, stream: usize, category: Category) {
        self.streams[stream].add(category, 1);
    }

    /// Adds the counts of `other`, which has the same streams.
    pub(super) fn merge(&mut self, other: &Self) {
        let merge = |to: &mut StreamTotals, from: &StreamTotals| {
            for category in Category::ALL {
                to.add(category, from.get(category));
            }
        };
        for (to, from) in self.streams.iter_mut().zip(&other.streams) {
            merge(to, from);
        }
        for (night, from) in &other.nights {
            merge(self.nights.entry(*night).or_default(), from);
        }
    }

    /// The counts of each stream, in the order of the streams.
    pub fn streams(&self) -> &[StreamTotals] {
        &self.streams
    }

    /// The counts of each stream and night.
    pub fn nights(&self) -> impl Iterator<Item = (usize, Night, &StreamTotals)> {
        self.nights.iter().map(|((stream, night), counts)| (*stream, *night, counts))
    }
}
