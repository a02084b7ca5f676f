//! What was counted, for each stream and night.

use std::collections::BTreeMap;

use super::night::Night;

/// What is counted. Each alert that a stream keeps is one of `Matched`, `Rejected`, `Missing`, `Duplicated`, `Altered`, `NotDue`, `Gone` and `Expired`;
/// one that is duplicated and altered counts as both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// alerts in the science database
    InDatabase,
    /// of these, refused by the stream's rules or filters
    Refused,
    /// of these, kept by the stream
    Kept,
    /// messages on the topic
    OnTopic,
    /// alerts that are on the topic once, as they are in the science database
    Matched,
    /// alerts that are on the rejected topic
    Rejected,
    /// alerts that are on neither topic
    Missing,
    /// alerts that are on the topic more than once
    Duplicated,
    /// alerts whose message differs from what the row would give now
    Altered,
    /// messages of alerts that the stream refuses now
    Unwanted,
    /// messages of row versions that are gone: rewritten since, or deleted
    Superseded,
    /// messages without the headers of fink, of any time
    Foreign,
    /// alerts that are not on the topic, and that the service may still send
    NotDue,
    /// alerts that are not on the topic, whose row was written again or deleted since
    Gone,
    /// alerts that are not on the topic, which no longer holds what was sent when they were written
    Expired,
}

impl Category {
    /// All, in the order in which they are shown.
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

    /// As a key of a JSON object.
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
pub struct StreamTotals([u64; Category::ALL.len()]);

impl StreamTotals {
    /// How many.
    pub fn get(&self, count: Category) -> u64 {
        self.0[count as usize]
    }

    /// Adds `n`.
    pub(super) fn add(&mut self, count: Category, n: u64) {
        self.0[count as usize] += n;
    }
}

/// Counts of all streams.
#[derive(Clone, Debug, Default)]
pub struct AuditTotals {
    /// o'clock UTC at which nights begin
    hour: u8,
    streams: Vec<StreamTotals>,
    nights: BTreeMap<(usize, Night), StreamTotals>,
}

impl AuditTotals {
    /// No counts yet, for `streams` streams; nights begin at `hour` o'clock UTC.
    pub(super) fn new(streams: usize, hour: u8) -> Self {
        Self { hour, streams: vec![StreamTotals::default(); streams], nights: BTreeMap::new() }
    }

    /// Counts something of a time (ms since 1970).
    pub(super) fn add(&mut self, stream: usize, timestamp: i64, count: Category) {
        self.streams[stream].add(count, 1);
        self.nights.entry((stream, Night::of(timestamp, self.hour))).or_default().add(count, 1);
    }

    /// Counts something without a time.
    pub(super) fn add_timeless(&mut self, stream: usize, count: Category) {
        self.streams[stream].add(count, 1);
    }

    /// Adds what `other`, of as many streams, counted.
    pub(super) fn merge(&mut self, other: &Self) {
        let merge = |to: &mut StreamTotals, from: &StreamTotals| {
            for count in Category::ALL {
                to.add(count, from.get(count));
            }
        };
        for (to, from) in self.streams.iter_mut().zip(&other.streams) {
            merge(to, from);
        }
        for (night, from) in &other.nights {
            merge(self.nights.entry(*night).or_default(), from);
        }
    }

    /// The counts of each stream, in their order.
    pub fn streams(&self) -> &[StreamTotals] {
        &self.streams
    }

    /// The counts of each night, by stream.
    pub fn nights(&self) -> impl Iterator<Item = (usize, Night, &StreamTotals)> {
        self.nights.iter().map(|((stream, night), counts)| (*stream, *night, counts))
    }
}
