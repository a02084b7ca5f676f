//! One observation of an alert, as a record of fixed size: a row of the science database on one stream, or a message on a topic.

use std::fmt;

/// Where an observation comes from, and what it says. The order matters: within a group the science database's records come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RecordKind {
    /// the science database: the stream keeps the alert
    Expected,
    /// the science database: the stream keeps the alert, and it cannot be judged or encoded
    Unencodable,
    /// the science database: an alert that every stream refuses
    Refused,
    /// an alert of the science database whose message was found by its id
    Matched,
    /// the rejected topic
    Rejected,
    /// the stream's topic
    Message,
}

impl RecordKind {
    const ALL: [Self; 6] =
        [Self::Expected, Self::Unencodable, Self::Refused, Self::Matched, Self::Rejected, Self::Message];
}

/// One observation of an alert.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// the alert's id (a hash of row key and timestamp); zero for a message that has none
    pub id: u128,
    /// when the row's trigger was written, ms since 1970
    pub timestamp: i64,
    /// hash of the datum
    pub value: u64,
    /// hash of the fields that tell one alert from another; only used for messages without an id
    pub identity: u64,
    /// of a message its offset, of a row where its key stands in the [`KeyFile`](super::key_file::KeyFile)
    pub offset: i64,
    /// the topic's partition: where the message is, or where it would be sent
    pub partition: i32,
    /// index of the stream
    pub stream: u32,
    /// where it comes from
    pub kind: RecordKind,
}

/// Bytes of a record on disk.
pub(super) const RECORD_BYTES: usize = 57;

impl Record {
    /// The record's bytes on disk.
    pub fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.id.to_be_bytes());
        put(&self.timestamp.to_be_bytes());
        put(&self.value.to_be_bytes());
        put(&self.identity.to_be_bytes());
        put(&self.offset.to_be_bytes());
        put(&self.partition.to_be_bytes());
        put(&self.stream.to_be_bytes());
        put(&[self.kind as u8]);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` where the bytes are no record.
    pub fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let mut rest = bytes.as_slice();
        Some(Self {
            id: u128::from_be_bytes(take(&mut rest)?),
            timestamp: i64::from_be_bytes(take(&mut rest)?),
            value: u64::from_be_bytes(take(&mut rest)?),
            identity: u64::from_be_bytes(take(&mut rest)?),
            offset: i64::from_be_bytes(take(&mut rest)?),
            partition: i32::from_be_bytes(take(&mut rest)?),
            stream: u32::from_be_bytes(take(&mut rest)?),
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
        write!(f, "{kind:?} {stream}/{partition}/{offset} {id:032x} at {timestamp}, {value:016x}, {identity:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_bytes() {
        for kind in RecordKind::ALL {
            let record = Record {
                id: 0x1234_5678_9abc_def0_1122_3344_5566_7788,
                timestamp: -7,
                value: u64::MAX,
                identity: 3,
                offset: i64::MAX,
                partition: 11,
                stream: u32::MAX,
                kind,
            };
            assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }
        assert_eq!(Record::from_bytes(&[0xff; RECORD_BYTES]), None);
    }
}
