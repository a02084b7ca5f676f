//! One observation of an alert as a record of fixed size: a row of the science database on one stream, or a message on a topic.

use std::fmt;
use std::num::NonZeroU128;

use crate::timestamp::Timestamp;

/// Where an observation comes from, and what it means. The order matters: within a group, records of the science database come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RecordKind {
    /// science database: the stream keeps the alert
    Expected,
    /// science database: the stream keeps the alert, which cannot be filtered or encoded
    Unencodable,
    /// science database: no stream keeps the alert
    Refused,
    /// science database: an alert whose message was found by its id
    Matched,
    /// rejected topic
    Rejected,
    /// topic of the stream
    Message,
}

impl RecordKind {
    const ALL: [Self; 6] =
        [Self::Expected, Self::Unencodable, Self::Refused, Self::Matched, Self::Rejected, Self::Message];
}

/// One observation of an alert.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// the alert's id; `None`: the message has none
    pub id: Option<NonZeroU128>,
    /// timestamp of the row's trigger
    pub timestamp: Timestamp,
    /// hash of the Avro datum
    pub value: u64,
    /// hash of the alert's own identifiers; only set for alerts that may have messages without an id
    pub identity: u64,
    /// of a message its offset, of a row the offset of its key in the [`KeyFile`](super::key_file::KeyFile)
    pub offset: i64,
    /// partition of the topic: of a message its own, of a row the one that it is sent to
    pub partition: u32,
    /// index of the stream; `None`: no stream keeps the alert
    pub stream: Option<u32>,
    /// where the observation comes from
    pub kind: RecordKind,
}

/// Bytes of a record on disk.
pub(super) const RECORD_BYTES: usize = 57;
/// Written for a record without a stream.
const NO_STREAM: u32 = u32::MAX;

impl Record {
    /// The bytes of the record on disk.
    pub fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.id.map_or(0, NonZeroU128::get).to_be_bytes());
        put(&self.timestamp.as_millis().to_be_bytes());
        put(&self.value.to_be_bytes());
        put(&self.identity.to_be_bytes());
        put(&self.offset.to_be_bytes());
        put(&self.partition.to_be_bytes());
        put(&self.stream.unwrap_or(NO_STREAM).to_be_bytes());
        put(&[self.kind as u8]);
        bytes
    }

    /// The record that [`to_bytes`](Self::to_bytes) wrote; `None` if the bytes are not a record.
    pub fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let mut rest = bytes.as_slice();
        Some(Self {
            id: NonZeroU128::new(u128::from_be_bytes(take(&mut rest)?)),
            timestamp: Timestamp::from_millis(i64::from_be_bytes(take(&mut rest)?)),
            value: u64::from_be_bytes(take(&mut rest)?),
            identity: u64::from_be_bytes(take(&mut rest)?),
            offset: i64::from_be_bytes(take(&mut rest)?),
            partition: u32::from_be_bytes(take(&mut rest)?),
            stream: Some(u32::from_be_bytes(take(&mut rest)?)).filter(|stream| *stream != NO_STREAM),
            kind: *RecordKind::ALL.get(usize::from(take::<1>(&mut rest)?[0]))?,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*field)
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, timestamp, value, identity, offset, partition, stream, kind } = self;
        write!(f, "{kind:?} {stream:?}/{partition}/{offset} {id:x?} at {timestamp}, {value:016x}, {identity:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_survives_its_bytes() {
        for kind in RecordKind::ALL {
            for (id, stream) in [(0x1234_5678_9abc_def0_1122_3344_5566_7788, Some(7)), (0, None)] {
                let record = Record {
                    id: NonZeroU128::new(id),
                    timestamp: Timestamp::from_millis(-7),
                    value: u64::MAX,
                    identity: 3,
                    offset: i64::MAX,
                    partition: 11,
                    stream,
                    kind,
                };
                assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
            }
        }
        assert_eq!(Record::from_bytes(&[0xff; RECORD_BYTES]), None);
    }
}
