//! What has been published after the watermark.
//!
//! **Everything before the watermark is done; after it, exactly what the ledger lists is done.** An entry is 24 bytes: a 16-byte hash of
//! row key and trigger timestamp, and the timestamp. Entries are kept in *segments*, one for each transaction that added some, so that a
//! transaction writes only what is new and a whole segment is forgotten when the watermark has passed its newest entry.

use std::collections::{BTreeMap, HashSet};

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// One version of a row: its key and the timestamp of its trigger cell, hashed. Two of 10^9 alerts share an id with a chance of 10^-21.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertId(u128);

impl AlertId {
    /// The id of the row `key` as written at `timestamp` (ms since 1970).
    pub fn new(key: &[u8], timestamp: i64) -> Self {
        Self(xxh3_128_with_seed(key, timestamp as u64))
    }

    /// The hash itself.
    pub(crate) fn hash(self) -> u128 {
        self.0
    }
}

/// An alert that is done: its id and its trigger timestamp, ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// which alert
    pub id: AlertId,
    /// its trigger timestamp, ms since 1970
    pub timestamp: i64,
}

const ENTRY_BYTES: usize = 24;

/// The segment of a ledger that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("ledger segment {number} has {bytes} bytes, which is no multiple of {ENTRY_BYTES}")]
pub struct LedgerError {
    number: u64,
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Segment {
    entries: Vec<Entry>,
    newest: i64,
}

/// The alerts that are done although they lie after the watermark.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    segments: BTreeMap<u64, Segment>,
    ids: HashSet<AlertId>,
    next: u64,
}

impl Ledger {
    /// Whether the alert is listed.
    pub fn contains(&self, id: AlertId) -> bool {
        self.ids.contains(&id)
    }

    /// How many alerts are listed.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Lists `entries` as a new segment and returns its number, or `None` where there are none.
    pub fn add(&mut self, entries: Vec<Entry>) -> Option<u64> {
        let newest = entries.iter().map(|entry| entry.timestamp).max()?;
        let number = self.next;
        self.next += 1;
        self.ids.extend(entries.iter().map(|entry| entry.id));
        self.segments.insert(number, Segment { entries, newest });
        Some(number)
    }

    /// Forgets the segments that lie wholly before `watermark` and returns their numbers.
    pub fn expire(&mut self, watermark: i64) -> Vec<u64> {
        let gone: Vec<u64> =
            self.segments.iter().filter(|(_, segment)| segment.newest < watermark).map(|(number, _)| *number).collect();
        for number in &gone {
            for entry in self.segments.remove(number).into_iter().flat_map(|segment| segment.entries) {
                self.ids.remove(&entry.id);
            }
        }
        gone
    }

    /// The bytes of segment `number`: its entries one after the other, hash and timestamp big-endian.
    pub fn segment_bytes(&self, number: u64) -> Vec<u8> {
        let entries = self.segments.get(&number).map_or(&[][..], |segment| &segment.entries);
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for entry in entries {
            bytes.extend_from_slice(&entry.id.0.to_be_bytes());
            bytes.extend_from_slice(&entry.timestamp.to_be_bytes());
        }
        bytes
    }

    /// Takes up a segment as [`segment_bytes`](Self::segment_bytes) wrote it.
    ///
    /// # Errors
    /// The bytes are not whole entries.
    pub fn restore(&mut self, number: u64, bytes: &[u8]) -> Result<(), LedgerError> {
        let (entries, []) = bytes.as_chunks::<ENTRY_BYTES>() else {
            return Err(LedgerError { number, bytes: bytes.len() });
        };
        let entries: Vec<Entry> = entries
            .iter()
            .map(|entry| {
                let (mut id, mut timestamp) = ([0; 16], [0; 8]);
                id.copy_from_slice(&entry[..16]);
                timestamp.copy_from_slice(&entry[16..]);
                Entry { id: AlertId(u128::from_be_bytes(id)), timestamp: i64::from_be_bytes(timestamp) }
            })
            .collect();
        self.ids.extend(entries.iter().map(|entry| entry.id));
        let newest = entries.iter().map(|entry| entry.timestamp).max().unwrap_or(i64::MIN);
        self.segments.insert(number, Segment { entries, newest });
        self.next = self.next.max(number + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, timestamp: i64) -> Entry {
        Entry { id: AlertId::new(key.as_bytes(), timestamp), timestamp }
    }

    #[test]
    fn a_new_version_of_a_row_is_another_alert() {
        assert_ne!(AlertId::new(b"row", 1), AlertId::new(b"row", 2));
        assert_ne!(AlertId::new(b"row", 1), AlertId::new(b"rows", 1));
    }

    #[test]
    fn a_segment_survives_its_bytes() {
        let mut ledger = Ledger::default();
        let number = ledger.add(vec![entry("a", 5), entry("b", 7)]).unwrap();
        let mut read = Ledger::default();
        read.restore(number, &ledger.segment_bytes(number)).unwrap();
        assert!(read.contains(AlertId::new(b"a", 5)) && read.contains(AlertId::new(b"b", 7)));
        assert_eq!(read.segment_bytes(number), ledger.segment_bytes(number));
        assert_eq!(read.add(vec![entry("c", 8)]), Some(number + 1));
    }

    #[test]
    fn a_segment_expires_with_its_newest_entry() {
        let mut ledger = Ledger::default();
        ledger.add(vec![entry("a", 5), entry("b", 20)]);
        ledger.add(vec![entry("c", 6)]);
        assert_eq!(ledger.expire(10), [1]);
        assert!(ledger.contains(AlertId::new(b"a", 5)) && !ledger.contains(AlertId::new(b"c", 6)));
        assert_eq!(ledger.expire(21), [0]);
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_torn_segment_is_refused() {
        assert!(Ledger::default().restore(3, &[0; 25]).is_err());
    }
}
