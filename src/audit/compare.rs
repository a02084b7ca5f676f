//! Which alerts of the science database are on their topics.
//!
//! Records meet in up to three rounds, each of which compares one part of a spill at a time:
//! 1. by the alert's id, which messages carry in a header;
//! 2. messages without an id, by timestamp and datum;
//! 3. what is left of these, by timestamp and the alert's own identifiers.

use std::cmp::Ordering;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::error::AuditError;
use super::record::{Record, RecordKind};
use super::spill::Spill;
use super::totals::{AuditTotals, Category};

/// Most messages that are named of one duplicated alert.
const MAX_REPORTED_MESSAGES: usize = 16;

/// How an alert differs between science database and topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
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
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Duplicated => "duplicated",
            Self::Altered => "altered",
            Self::Unwanted => "unwanted",
        }
    }

    /// What it counts as; `None`: that is for the caller to say, who looks at the row again.
    fn count(self) -> Option<Category> {
        match self {
            Self::Missing => None,
            Self::Duplicated => Some(Category::Duplicated),
            Self::Altered => Some(Category::Altered),
            Self::Unwanted => Some(Category::Unwanted),
        }
    }
}

/// An alert that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DifferenceRecord {
    pub kind: DifferenceKind,
    pub stream: usize,
    pub id: u128,
    pub timestamp: i64,
    /// where its row key stands in the key file
    pub key: Option<i64>,
    /// its messages on the topic, as partition and offset
    pub messages: Vec<(i32, i64)>,
    /// whether it is missing because it cannot be encoded
    pub is_unencodable: bool,
}

/// What is known of one stream's topic.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicScope {
    /// ms since 1970; alerts from then on may not have been sent yet
    pub due: i64,
    /// for each partition: ms since 1970; what was sent before may have been deleted
    pub retained_from: Vec<i64>,
    /// for each partition: the first offset that was not read
    pub ends: Vec<i64>,
    /// whether it has messages without an id in the window
    pub has_messages_without_id: bool,
}

/// All records, to be compared.
pub(super) struct Records {
    by_id: Spill,
    without_id: Spill,
    /// of the third round
    left: Spill,
}

impl Records {
    /// No records yet; spilled to `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { by_id: Spill::new(folder), without_id: Spill::new(folder), left: Spill::new(folder) }
    }

    /// Adds a record. A message without an id has the id 0.
    ///
    /// # Errors
    /// The temporary folder takes no more.
    pub fn push(&mut self, record: Record) -> Result<(), AuditError> {
        match record.id {
            0 => push_by(&mut self.without_id, record, record.value),
            id => Ok(self.by_id.push(id as u64, record)?),
        }
    }

    /// Compares them: adds to `totals` what was found of each alert, and calls `found` with each that differs. Those that seem missing are not
    /// counted.
    ///
    /// # Errors
    /// The temporary folder cannot be used; what `found` fails with.
    pub fn compare<E: From<AuditError>>(
        mut self,
        scopes: &[TopicScope],
        totals: &mut AuditTotals,
        found: &mut dyn FnMut(DifferenceRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut comparator = Comparator { scopes, totals, found };
        let (without_id, left) = (&mut self.without_id, &mut self.left);
        self.by_id.drain(|mut records| {
            records.sort_unstable_by(|a, b| a.id.cmp(&b.id).then_with(|| within(a, b)));
            records.chunk_by(|a, b| a.id == b.id).try_for_each(|alert| comparator.by_id(alert, without_id))
        })?;
        let value = |record: &Record| (record.stream, record.timestamp, record.value);
        without_id.drain(|mut records| {
            records.sort_unstable_by(|a, b| value(a).cmp(&value(b)).then_with(|| within(a, b)));
            records.chunk_by(|a, b| value(a) == value(b)).try_for_each(|group| comparator.by_value(group, left))
        })?;
        let identity = |record: &Record| (record.stream, record.timestamp, record.identity);
        left.drain(|mut records| {
            records.sort_unstable_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| within(a, b)));
            records.chunk_by(|a, b| identity(a) == identity(b)).try_for_each(|group| comparator.by_identity(group))
        })
    }
}

/// The order of records within a group.
fn within(a: &Record, b: &Record) -> Ordering {
    (a.stream, a.kind, a.partition, a.offset).cmp(&(b.stream, b.kind, b.partition, b.offset))
}

/// Pushes a record so that it meets those of the same stream, timestamp and `feature`.
fn push_by(spill: &mut Spill, record: Record, feature: u64) -> Result<(), AuditError> {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&record.stream.to_be_bytes());
    bytes[4..12].copy_from_slice(&record.timestamp.to_be_bytes());
    bytes[12..].copy_from_slice(&feature.to_be_bytes());
    Ok(spill.push(xxh3_64(&bytes), record)?)
}

/// The records of one side; they stand together.
fn of(records: &[Record], kind: RecordKind) -> &[Record] {
    let start = records.partition_point(|record| record.kind < kind);
    let end = records.partition_point(|record| record.kind <= kind);
    &records[start..end]
}

struct Comparator<'a, E> {
    scopes: &'a [TopicScope],
    totals: &'a mut AuditTotals,
    found: &'a mut dyn FnMut(DifferenceRecord) -> Result<(), E>,
}

impl<E: From<AuditError>> Comparator<'_, E> {
    /// The records of one alert, on all streams.
    fn by_id(&mut self, alert: &[Record], without_id: &mut Spill) -> Result<(), E> {
        let row = alert.iter().find(|record| record.kind <= RecordKind::Refused);
        for records in alert.chunk_by(|a, b| a.stream == b.stream) {
            let messages = of(records, RecordKind::Message);
            let expected = of(records, RecordKind::Expected).first().or(of(records, RecordKind::Unencodable).first());
            let Some(expected) = expected else {
                for message in messages {
                    match row {
                        Some(row) => self.differs(DifferenceKind::Unwanted, message, Some(row), &[*message])?,
                        None => self.count(message, Category::Superseded),
                    }
                }
                continue;
            };
            let scope = &self.scopes[expected.stream as usize];
            match messages {
                [] if !of(records, RecordKind::Rejected).is_empty() => self.count(expected, Category::Rejected),
                [] if scope.has_messages_without_id => push_by(without_id, *expected, expected.value)?,
                [] => self.absent(expected)?,
                messages => {
                    let is_same =
                        |message: &Record| message.value == expected.value || expected.kind == RecordKind::Unencodable;
                    let has_same = messages.iter().any(is_same);
                    if messages.len() > 1 {
                        self.differs(DifferenceKind::Duplicated, expected, Some(expected), messages)?;
                    }
                    if !has_same {
                        self.differs(DifferenceKind::Altered, expected, Some(expected), messages)?;
                    }
                    if has_same && messages.len() == 1 {
                        self.count(expected, Category::Matched);
                    }
                    if scope.has_messages_without_id {
                        push_by(without_id, Record { kind: RecordKind::Matched, ..*expected }, expected.value)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Records of one stream, timestamp and datum, the messages without an id.
    fn by_value(&mut self, group: &[Record], left: &mut Spill) -> Result<(), E> {
        let (expected, matched) = (of(group, RecordKind::Expected), of(group, RecordKind::Matched));
        let messages = of(group, RecordKind::Message);
        let both = expected.len().min(messages.len());
        let surplus = &messages[both..];
        let known = expected.first().or(matched.first());
        // Of equal alerts, the first stands for the one that was sent again.
        for record in &expected[usize::from(!surplus.is_empty()).min(both)..both] {
            self.count(record, Category::Matched);
        }
        for record in expected[both..].iter().chain(of(group, RecordKind::Unencodable)) {
            push_by(left, *record, record.identity)?;
        }
        match known {
            Some(known) if !surplus.is_empty() => {
                self.differs(DifferenceKind::Duplicated, known, Some(known), messages)
            }
            _ => surplus.iter().try_for_each(|message| Ok(push_by(left, *message, message.identity)?)),
        }
    }

    /// Records of one stream, timestamp and identity that did not match.
    fn by_identity(&mut self, group: &[Record]) -> Result<(), E> {
        let messages = of(group, RecordKind::Message);
        let rows = of(group, RecordKind::Expected).iter().chain(of(group, RecordKind::Unencodable));
        let mut unpaired = messages.iter();
        for row in rows {
            match unpaired.next() {
                Some(message) => self.differs(DifferenceKind::Altered, row, Some(row), &[*message])?,
                None => self.absent(row)?,
            }
        }
        unpaired.for_each(|message| self.count(message, Category::Superseded));
        Ok(())
    }

    /// An alert that is on no topic.
    fn absent(&mut self, row: &Record) -> Result<(), E> {
        let scope = &self.scopes[row.stream as usize];
        let partition = usize::try_from(row.partition).unwrap_or_default();
        let retained_from = scope.retained_from.get(partition).copied().unwrap_or(i64::MIN);
        if row.timestamp >= scope.due {
            self.count(row, Category::NotDue);
        } else if row.timestamp < retained_from {
            self.count(row, Category::Expired);
        } else {
            self.differs(DifferenceKind::Missing, row, Some(row), &[])?;
        }
        Ok(())
    }

    fn count(&mut self, record: &Record, count: Category) {
        self.totals.add(record.stream as usize, record.timestamp, count);
    }

    fn differs(
        &mut self,
        kind: DifferenceKind,
        alert: &Record,
        row: Option<&Record>,
        messages: &[Record],
    ) -> Result<(), E> {
        if let Some(count) = kind.count() {
            self.count(alert, count);
        }
        (self.found)(DifferenceRecord {
            kind,
            stream: alert.stream as usize,
            id: row.map_or(alert.id, |row| row.id),
            timestamp: alert.timestamp,
            key: row.map(|row| row.offset),
            messages: messages
                .iter()
                .take(MAX_REPORTED_MESSAGES)
                .map(|message| (message.partition, message.offset))
                .collect(),
            is_unencodable: alert.kind == RecordKind::Unencodable,
        })
    }
}

#[cfg(test)]
mod tests;
