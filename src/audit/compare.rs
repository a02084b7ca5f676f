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
use super::record::{Record, Side};
use super::spill::Spill;
use super::tally::{Count, Tally};

/// Most messages that are named of one duplicated alert.
const MOST_PLACES: usize = 16;

/// How an alert differs between science database and topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// it is not on the topic
    Missing,
    /// it is on the topic more than once
    Duplicated,
    /// its message differs from what the row gives now
    Altered,
    /// it is on the topic, and the stream's rules or filters refuse it now
    Unwanted,
}

impl Kind {
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
    fn count(self) -> Option<Count> {
        match self {
            Self::Missing => None,
            Self::Duplicated => Some(Count::Duplicated),
            Self::Altered => Some(Count::Altered),
            Self::Unwanted => Some(Count::Unwanted),
        }
    }
}

/// An alert that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub kind: Kind,
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
pub(super) struct Scope {
    /// ms since 1970; alerts from then on may not have been sent yet
    pub due: i64,
    /// for each partition: ms since 1970; what was sent before may have been deleted
    pub held_from: Vec<i64>,
    /// for each partition: the first offset that was not read
    pub ends: Vec<i64>,
    /// whether it has messages without an id in the window
    pub has_unnumbered: bool,
}

/// All records, to be compared.
pub(super) struct Records {
    by_id: Spill,
    unnumbered: Spill,
    /// of the third round
    left: Spill,
}

impl Records {
    /// No records yet; spilled to `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { by_id: Spill::new(folder), unnumbered: Spill::new(folder), left: Spill::new(folder) }
    }

    /// Adds a record. A message without an id has the id 0.
    ///
    /// # Errors
    /// The temporary folder takes no more.
    pub fn push(&mut self, record: Record) -> Result<(), AuditError> {
        match record.id {
            0 => push_by(&mut self.unnumbered, record, record.value),
            id => Ok(self.by_id.push(id as u64, record)?),
        }
    }

    /// Compares them: adds to `tally` what was found of each alert, and calls `found` with each that differs. Those that seem missing are not
    /// counted.
    ///
    /// # Errors
    /// The temporary folder cannot be used; what `found` fails with.
    pub fn compare<E: From<AuditError>>(
        mut self,
        scopes: &[Scope],
        tally: &mut Tally,
        found: &mut dyn FnMut(Difference) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut judge = Judge { scopes, tally, found };
        let (unnumbered, left) = (&mut self.unnumbered, &mut self.left);
        self.by_id.drain(|mut records| {
            records.sort_unstable_by(|a, b| a.id.cmp(&b.id).then_with(|| within(a, b)));
            records.chunk_by(|a, b| a.id == b.id).try_for_each(|alert| judge.by_id(alert, unnumbered))
        })?;
        let value = |record: &Record| (record.stream, record.timestamp, record.value);
        unnumbered.drain(|mut records| {
            records.sort_unstable_by(|a, b| value(a).cmp(&value(b)).then_with(|| within(a, b)));
            records.chunk_by(|a, b| value(a) == value(b)).try_for_each(|group| judge.by_value(group, left))
        })?;
        let identity = |record: &Record| (record.stream, record.timestamp, record.identity);
        left.drain(|mut records| {
            records.sort_unstable_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| within(a, b)));
            records.chunk_by(|a, b| identity(a) == identity(b)).try_for_each(|group| judge.by_identity(group))
        })
    }
}

/// The order of records within a group.
fn within(a: &Record, b: &Record) -> Ordering {
    (a.stream, a.side, a.partition, a.place).cmp(&(b.stream, b.side, b.partition, b.place))
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
fn of(records: &[Record], side: Side) -> &[Record] {
    let start = records.partition_point(|record| record.side < side);
    let end = records.partition_point(|record| record.side <= side);
    &records[start..end]
}

struct Judge<'a, E> {
    scopes: &'a [Scope],
    tally: &'a mut Tally,
    found: &'a mut dyn FnMut(Difference) -> Result<(), E>,
}

impl<E: From<AuditError>> Judge<'_, E> {
    /// The records of one alert, on all streams.
    fn by_id(&mut self, alert: &[Record], unnumbered: &mut Spill) -> Result<(), E> {
        let row = alert.iter().find(|record| record.side <= Side::Refused);
        for records in alert.chunk_by(|a, b| a.stream == b.stream) {
            let messages = of(records, Side::Message);
            let expected = of(records, Side::Expected).first().or(of(records, Side::Unencodable).first());
            let Some(expected) = expected else {
                for message in messages {
                    match row {
                        Some(row) => self.differs(Kind::Unwanted, message, Some(row), &[*message])?,
                        None => self.count(message, Count::Superseded),
                    }
                }
                continue;
            };
            let scope = &self.scopes[expected.stream as usize];
            match messages {
                [] if !of(records, Side::Rejected).is_empty() => self.count(expected, Count::Rejected),
                [] if scope.has_unnumbered => push_by(unnumbered, *expected, expected.value)?,
                [] => self.absent(expected)?,
                messages => {
                    let is_same =
                        |message: &Record| message.value == expected.value || expected.side == Side::Unencodable;
                    let has_same = messages.iter().any(is_same);
                    if messages.len() > 1 {
                        self.differs(Kind::Duplicated, expected, Some(expected), messages)?;
                    }
                    if !has_same {
                        self.differs(Kind::Altered, expected, Some(expected), messages)?;
                    }
                    if has_same && messages.len() == 1 {
                        self.count(expected, Count::Matched);
                    }
                    if scope.has_unnumbered {
                        push_by(unnumbered, Record { side: Side::Matched, ..*expected }, expected.value)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Records of one stream, timestamp and datum, the messages without an id.
    fn by_value(&mut self, group: &[Record], left: &mut Spill) -> Result<(), E> {
        let (expected, matched) = (of(group, Side::Expected), of(group, Side::Matched));
        let messages = of(group, Side::Message);
        let both = expected.len().min(messages.len());
        let surplus = &messages[both..];
        let known = expected.first().or(matched.first());
        // Of equal alerts, the first stands for the one that was sent again.
        for record in &expected[usize::from(!surplus.is_empty()).min(both)..both] {
            self.count(record, Count::Matched);
        }
        for record in expected[both..].iter().chain(of(group, Side::Unencodable)) {
            push_by(left, *record, record.identity)?;
        }
        match known {
            Some(known) if !surplus.is_empty() => self.differs(Kind::Duplicated, known, Some(known), messages),
            _ => surplus.iter().try_for_each(|message| Ok(push_by(left, *message, message.identity)?)),
        }
    }

    /// Records of one stream, timestamp and identity that did not match.
    fn by_identity(&mut self, group: &[Record]) -> Result<(), E> {
        let messages = of(group, Side::Message);
        let rows = of(group, Side::Expected).iter().chain(of(group, Side::Unencodable));
        let mut unpaired = messages.iter();
        for row in rows {
            match unpaired.next() {
                Some(message) => self.differs(Kind::Altered, row, Some(row), &[*message])?,
                None => self.absent(row)?,
            }
        }
        unpaired.for_each(|message| self.count(message, Count::Superseded));
        Ok(())
    }

    /// An alert that is on no topic.
    fn absent(&mut self, row: &Record) -> Result<(), E> {
        let scope = &self.scopes[row.stream as usize];
        let partition = usize::try_from(row.partition).unwrap_or_default();
        let held_from = scope.held_from.get(partition).copied().unwrap_or(i64::MIN);
        if row.timestamp >= scope.due {
            self.count(row, Count::NotDue);
        } else if row.timestamp < held_from {
            self.count(row, Count::Expired);
        } else {
            self.differs(Kind::Missing, row, Some(row), &[])?;
        }
        Ok(())
    }

    fn count(&mut self, record: &Record, count: Count) {
        self.tally.add(record.stream as usize, record.timestamp, count);
    }

    fn differs(&mut self, kind: Kind, alert: &Record, row: Option<&Record>, messages: &[Record]) -> Result<(), E> {
        if let Some(count) = kind.count() {
            self.count(alert, count);
        }
        (self.found)(Difference {
            kind,
            stream: alert.stream as usize,
            id: row.map_or(alert.id, |row| row.id),
            timestamp: alert.timestamp,
            key: row.map(|row| row.place),
            messages: messages.iter().take(MOST_PLACES).map(|message| (message.partition, message.place)).collect(),
            is_unencodable: alert.side == Side::Unencodable,
        })
    }
}

#[cfg(test)]
mod tests;
