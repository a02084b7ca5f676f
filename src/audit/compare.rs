//! Finds the alerts of the science database that are not on their topics as they should be.
//!
//! Records meet in up to three rounds. Each round compares one part of a spill at a time:
//! 1. by the alert's id, which messages carry in a header;
//! 2. messages without an id, by timestamp and Avro datum;
//! 3. the rest of these, by timestamp and the alert's own identifiers.

use std::cmp::Ordering;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::difference::{DifferenceKind, DifferenceRecord};
use super::error::{AuditError, SpillError};
use super::record::{Record, RecordKind};
use super::spill::Spill;
use super::topic_scope::{Retention, TopicScope};
use super::totals::{AuditTotals, Category};

/// Maximum number of messages that are reported of one alert.
const MAX_REPORTED_MESSAGES: usize = 16;

/// All records, to be compared.
pub(super) struct Records {
    by_id: Spill,
    without_id: Spill,
    /// of the third round
    unmatched: Spill,
}

impl Records {
    /// No records yet; their temporary files are in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { by_id: Spill::new(folder), without_id: Spill::new(folder), unmatched: Spill::new(folder) }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn push(&mut self, record: Record) -> Result<(), SpillError> {
        match record.id {
            None => push_by(&mut self.without_id, record, record.value),
            Some(id) => self.by_id.push(id.get() as u64, record),
        }
    }

    /// Compares the records: counts in `totals` what was found of each alert, and calls `found` with each difference. Missing alerts are not
    /// counted, since they have to be confirmed.
    ///
    /// # Errors
    /// A temporary file cannot be read or written, or `found` failed.
    pub fn compare<E: From<AuditError>>(
        mut self,
        scopes: &[TopicScope],
        totals: &mut AuditTotals,
        found: &mut dyn FnMut(DifferenceRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut comparator = Comparator { scopes, totals, found };
        let (without_id, unmatched) = (&mut self.without_id, &mut self.unmatched);
        self.by_id.drain(|mut records| {
            records.sort_unstable_by(|a, b| a.id.cmp(&b.id).then_with(|| order_in_group(a, b)));
            records.chunk_by(|a, b| a.id == b.id).try_for_each(|alert| comparator.by_id(alert, without_id))
        })?;
        let value = |record: &Record| (record.stream, record.timestamp, record.value);
        without_id.drain(|mut records| {
            records.sort_unstable_by(|a, b| value(a).cmp(&value(b)).then_with(|| order_in_group(a, b)));
            records.chunk_by(|a, b| value(a) == value(b)).try_for_each(|group| comparator.by_value(group, unmatched))
        })?;
        let identity = |record: &Record| (record.stream, record.timestamp, record.identity);
        unmatched.drain(|mut records| {
            records.sort_unstable_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| order_in_group(a, b)));
            records.chunk_by(|a, b| identity(a) == identity(b)).try_for_each(|group| comparator.by_identity(group))
        })
    }
}

fn order_in_group(a: &Record, b: &Record) -> Ordering {
    (a.stream, a.kind, a.partition, a.offset).cmp(&(b.stream, b.kind, b.partition, b.offset))
}

/// Pushes a record so that it meets those of the same stream, timestamp and `feature`.
fn push_by(spill: &mut Spill, record: Record, feature: u64) -> Result<(), SpillError> {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&record.stream.unwrap_or(u32::MAX).to_be_bytes());
    bytes[4..12].copy_from_slice(&record.timestamp.as_millis().to_be_bytes());
    bytes[12..].copy_from_slice(&feature.to_be_bytes());
    spill.push(xxh3_64(&bytes), record)
}

/// The records of one kind, which are adjacent.
fn of_kind(records: &[Record], kind: RecordKind) -> &[Record] {
    let start = records.partition_point(|record| record.kind < kind);
    let end = records.partition_point(|record| record.kind <= kind);
    &records[start..end]
}

/// The stream of a group of records; `None` for the record of an alert that no stream keeps.
fn stream_of(group: &[Record]) -> Option<usize> {
    Some(group.first()?.stream? as usize)
}

struct Comparator<'a, E> {
    scopes: &'a [TopicScope],
    totals: &'a mut AuditTotals,
    found: &'a mut dyn FnMut(DifferenceRecord) -> Result<(), E>,
}

impl<E: From<AuditError>> Comparator<'_, E> {
    /// Compares the records of one alert, on all streams.
    fn by_id(&mut self, alert: &[Record], without_id: &mut Spill) -> Result<(), E> {
        let row = alert.iter().find(|record| record.kind <= RecordKind::Refused);
        for records in alert.chunk_by(|a, b| a.stream == b.stream) {
            let Some(stream) = stream_of(records) else { continue };
            let messages = of_kind(records, RecordKind::Message);
            let unencodable = of_kind(records, RecordKind::Unencodable).first();
            let Some(expected) = of_kind(records, RecordKind::Expected).first().or(unencodable) else {
                for message in messages {
                    match row {
                        Some(row) => self.report(DifferenceKind::Unwanted, stream, message, Some(row), &[*message])?,
                        None => self.count(stream, message, Category::Superseded),
                    }
                }
                continue;
            };
            let may_lack_id = self.scopes[stream].has_messages_without_id;
            match messages {
                [] if !of_kind(records, RecordKind::Rejected).is_empty() => {
                    self.count(stream, expected, Category::Rejected);
                }
                [] if may_lack_id => push_by(without_id, *expected, expected.value).map_err(AuditError::from)?,
                [] => self.absent(stream, expected)?,
                messages => {
                    let is_same =
                        |message: &Record| message.value == expected.value || expected.kind == RecordKind::Unencodable;
                    let has_same = messages.iter().any(is_same);
                    if messages.len() > 1 {
                        self.report(DifferenceKind::Duplicated, stream, expected, Some(expected), messages)?;
                    }
                    if !has_same {
                        self.report(DifferenceKind::Altered, stream, expected, Some(expected), messages)?;
                    }
                    if has_same && messages.len() == 1 {
                        self.count(stream, expected, Category::Matched);
                    }
                    if may_lack_id {
                        let matched = Record { kind: RecordKind::Matched, ..*expected };
                        push_by(without_id, matched, expected.value).map_err(AuditError::from)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Compares records of one stream, timestamp and Avro datum, with messages without an id.
    fn by_value(&mut self, group: &[Record], unmatched: &mut Spill) -> Result<(), E> {
        let Some(stream) = stream_of(group) else { return Ok(()) };
        let (expected, matched) = (of_kind(group, RecordKind::Expected), of_kind(group, RecordKind::Matched));
        let messages = of_kind(group, RecordKind::Message);
        let pairs = expected.len().min(messages.len());
        let surplus = &messages[pairs..];
        let known = expected.first().or(matched.first());
        // Among alerts with equal data, the first one stands for the one that was sent again.
        for record in &expected[usize::from(!surplus.is_empty()).min(pairs)..pairs] {
            self.count(stream, record, Category::Matched);
        }
        for record in expected[pairs..].iter().chain(of_kind(group, RecordKind::Unencodable)) {
            push_by(unmatched, *record, record.identity).map_err(AuditError::from)?;
        }
        match known {
            Some(known) if !surplus.is_empty() => {
                self.report(DifferenceKind::Duplicated, stream, known, Some(known), messages)
            }
            _ => {
                let pushed = surplus.iter().try_for_each(|message| push_by(unmatched, *message, message.identity));
                Ok(pushed.map_err(AuditError::from)?)
            }
        }
    }

    /// Compares unmatched records of one stream, timestamp and identity.
    fn by_identity(&mut self, group: &[Record]) -> Result<(), E> {
        let Some(stream) = stream_of(group) else { return Ok(()) };
        let rows = of_kind(group, RecordKind::Expected).iter().chain(of_kind(group, RecordKind::Unencodable));
        let mut messages = of_kind(group, RecordKind::Message).iter();
        for row in rows {
            match messages.next() {
                Some(message) => self.report(DifferenceKind::Altered, stream, row, Some(row), &[*message])?,
                None => self.absent(stream, row)?,
            }
        }
        messages.for_each(|message| self.count(stream, message, Category::Superseded));
        Ok(())
    }

    /// An alert that has no message.
    fn absent(&mut self, stream: usize, row: &Record) -> Result<(), E> {
        let scope = &self.scopes[stream];
        // A topic that does not exist has lost no messages.
        let retained = scope.retained.get(row.partition as usize).copied().unwrap_or(Retention::All);
        if row.timestamp >= scope.due {
            self.count(stream, row, Category::NotDue);
        } else if retained.may_be_deleted(row.timestamp) {
            self.count(stream, row, Category::Expired);
        } else {
            self.report(DifferenceKind::Missing, stream, row, Some(row), &[])?;
        }
        Ok(())
    }

    fn count(&mut self, stream: usize, record: &Record, category: Category) {
        self.totals.add(stream, record.timestamp, category);
    }

    fn report(
        &mut self,
        kind: DifferenceKind,
        stream: usize,
        alert: &Record,
        row: Option<&Record>,
        messages: &[Record],
    ) -> Result<(), E> {
        if let Some(category) = kind.category() {
            self.count(stream, alert, category);
        }
        let messages = messages.iter().take(MAX_REPORTED_MESSAGES);
        (self.found)(DifferenceRecord {
            kind,
            stream,
            id: row.map_or(alert.id, |row| row.id),
            timestamp: alert.timestamp,
            key: row.map(|row| row.offset),
            messages: messages.map(|message| (message.partition, message.offset)).collect(),
            is_unencodable: alert.kind == RecordKind::Unencodable,
        })
    }
}

#[cfg(test)]
mod tests;
