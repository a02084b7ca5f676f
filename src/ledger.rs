//! What has been published after the watermark.
//!
//! **Everything before the watermark is done; after it, exactly what the ledger lists is done.** An entry is 24 bytes in the checkpoint: a
//! 16-byte hash of row key and trigger timestamp, and the timestamp. Each transaction writes its entries as *segments* of at most
//! [`SEGMENT_BYTES`]; a segment is deleted when the watermark has passed its newest entry.
//!
//! In memory the hashes are kept in one set for each minute of their timestamps. A lookup needs the set of one minute, and a minute that the
//! watermark has passed is dropped as a whole. A hash takes 19 to 39 bytes there (a hash table is between 7/16 and 7/8 full).

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::timestamp::Timestamp;

/// One version of a row, which is what an alert is: its key, and the timestamp of its trigger cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowVersion {
    /// the timestamp of the trigger cell
    pub timestamp: Timestamp,
    /// the row key
    pub key: Vec<u8>,
}

/// A hash of a [`RowVersion`]. Among 10^9 alerts two share an id with a probability of 10^-21.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertId(u128);

impl AlertId {
    /// The id of the row `key` as written at `timestamp`.
    pub fn new(key: &[u8], timestamp: Timestamp) -> Self {
        Self(xxh3_128_with_seed(key, timestamp.as_millis() as u64))
    }

    /// The hash itself.
    pub(crate) fn hash(self) -> u128 {
        self.0
    }

    /// The id as 32 lower-case hexadecimal digits, big-endian: the value of the header `fink-alert`.
    pub fn to_hex(self) -> [u8; 32] {
        let mut hex = [0; 32];
        for (index, digit) in hex.iter_mut().enumerate() {
            let nibble = (self.0 >> (124 - 4 * index)) as usize & 0xf;
            *digit = b"0123456789abcdef"[nibble];
        }
        hex
    }

    /// Reads [`to_hex`](Self::to_hex); `None` where the text is not 32 hexadecimal digits.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 32 && !text.starts_with('+'))?;
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

/// An alert that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// which alert
    pub id: AlertId,
    /// its trigger timestamp
    pub timestamp: Timestamp,
}

impl LedgerEntry {
    /// The entry of the row `key` as written at `timestamp`.
    pub fn new(key: &[u8], timestamp: Timestamp) -> Self {
        Self { id: AlertId::new(key, timestamp), timestamp }
    }
}

impl From<&RowVersion> for LedgerEntry {
    fn from(row: &RowVersion) -> Self {
        Self::new(&row.key, row.timestamp)
    }
}

const ENTRY_BYTES: usize = 24;

/// The largest segment, bytes: a whole number of entries, well below the 1 MiB that a topic takes by default.
pub const SEGMENT_BYTES: usize = (256 << 10) / ENTRY_BYTES * ENTRY_BYTES;

/// Entries of one minute share a set; ms.
const BUCKET_MS: i64 = 60_000;

/// A damaged segment of a ledger.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("ledger segment {number} has {bytes} bytes, which is no multiple of {ENTRY_BYTES}")]
pub struct LedgerError {
    number: u64,
    bytes: usize,
}

/// Uses the low 64 bits of an id as its hash: the id is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}

type Bucket = HashSet<AlertId, BuildHasherDefault<IdHasher>>;

/// The alerts that are done although they were written after the watermark.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// by timestamp / `BUCKET_MS`
    buckets: BTreeMap<i64, Bucket>,
    /// by number, the newest timestamp of each segment in the checkpoint
    segments: BTreeMap<u64, Timestamp>,
    next: u64,
}

/// A new segment: its number and its bytes, entries one after the other, hash and timestamp big-endian.
pub type Segment = (u64, Vec<u8>);

impl Ledger {
    /// Whether the alert is listed.
    pub fn contains(&self, entry: LedgerEntry) -> bool {
        self.buckets.get(&bucket_of(entry.timestamp)).is_some_and(|bucket| bucket.contains(&entry.id))
    }

    /// How many alerts are listed.
    pub fn len(&self) -> usize {
        self.buckets.values().map(HashSet::len).sum()
    }

    /// The newest timestamp of the alerts that are listed.
    pub fn newest(&self) -> Option<Timestamp> {
        self.segments.values().max().copied()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The memory that the ledger takes, bytes.
    pub fn memory(&self) -> usize {
        // Of a hash table's slots 7/8 can be used; each takes an id and a byte of control.
        let slots = |bucket: &Bucket| bucket.capacity() / 7 * 8;
        self.buckets.values().map(|bucket| slots(bucket) * (size_of::<AlertId>() + 1)).sum()
    }

    /// Lists `entries`, and returns them as segments for the checkpoint.
    pub fn add(&mut self, entries: &[LedgerEntry]) -> Vec<Segment> {
        let mut segments = Vec::new();
        for entries in entries.chunks(SEGMENT_BYTES / ENTRY_BYTES) {
            let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
            for entry in entries {
                bytes.extend_from_slice(&entry.id.0.to_be_bytes());
                bytes.extend_from_slice(&entry.timestamp.as_millis().to_be_bytes());
            }
            let number = self.next;
            self.list(number, entries);
            segments.push((number, bytes));
        }
        segments
    }

    /// Drops the entries before `watermark`, and returns the numbers of the segments that hold only such entries.
    pub fn expire(&mut self, watermark: Timestamp) -> Vec<u64> {
        self.buckets = self.buckets.split_off(&bucket_of(watermark));
        let gone: Vec<u64> =
            self.segments.iter().filter(|(_, newest)| **newest < watermark).map(|(number, _)| *number).collect();
        for number in &gone {
            self.segments.remove(number);
        }
        gone
    }

    /// Adds a segment that [`add`](Self::add) returned.
    ///
    /// # Errors
    /// The bytes are not a whole number of entries.
    pub fn restore(&mut self, number: u64, bytes: &[u8]) -> Result<(), LedgerError> {
        let (entries, []) = bytes.as_chunks::<ENTRY_BYTES>() else {
            return Err(LedgerError { number, bytes: bytes.len() });
        };
        let entries: Vec<LedgerEntry> = entries
            .iter()
            .map(|entry| {
                let (mut id, mut timestamp) = ([0; 16], [0; 8]);
                id.copy_from_slice(&entry[..16]);
                timestamp.copy_from_slice(&entry[16..]);
                LedgerEntry {
                    id: AlertId(u128::from_be_bytes(id)),
                    timestamp: Timestamp::from_millis(i64::from_be_bytes(timestamp)),
                }
            })
            .collect();
        self.list(number, &entries);
        Ok(())
    }

    fn list(&mut self, number: u64, entries: &[LedgerEntry]) {
        for entry in entries {
            self.buckets.entry(bucket_of(entry.timestamp)).or_default().insert(entry.id);
        }
        // A segment without entries expires with the next watermark.
        let newest = entries.iter().map(|entry| entry.timestamp).max().unwrap_or(Timestamp::EPOCH);
        self.segments.insert(number, newest);
        self.next = self.next.max(number + 1);
    }
}

fn bucket_of(timestamp: Timestamp) -> i64 {
    timestamp.as_millis().div_euclid(BUCKET_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn entry(key: &str, millis: i64) -> LedgerEntry {
        LedgerEntry::new(key.as_bytes(), at(millis))
    }

    #[test]
    fn a_new_version_of_a_row_is_another_alert() {
        assert_ne!(AlertId::new(b"row", at(1)), AlertId::new(b"row", at(2)));
        assert_ne!(AlertId::new(b"row", at(1)), AlertId::new(b"rows", at(1)));
    }

    #[test]
    fn an_id_is_read_back_from_its_digits() {
        let id = AlertId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(&id.to_hex(), b"0123456789abcdef0011223344556677");
        assert_eq!(AlertId::from_hex(&id.to_hex()), Some(id));
        for wrong in [&b"0123"[..], b"+123456789abcdef0011223344556677", b"x123456789abcdef0011223344556677"] {
            assert_eq!(AlertId::from_hex(wrong), None);
        }
    }

    #[test]
    fn a_segment_is_restored_from_its_bytes() {
        let mut ledger = Ledger::default();
        let segments = ledger.add(&[entry("a", 5), entry("b", 7)]);
        let mut restored = Ledger::default();
        for (number, bytes) in &segments {
            restored.restore(*number, bytes).unwrap();
        }
        assert!(restored.contains(entry("a", 5)) && restored.contains(entry("b", 7)));
        assert!(!restored.contains(entry("a", 7)));
        assert_eq!(restored.add(&[entry("c", 8)])[0].0, segments[0].0 + 1);
    }

    #[test]
    fn a_segment_expires_with_its_newest_entry() {
        let mut ledger = Ledger::default();
        ledger.add(&[entry("a", 5), entry("b", 2 * BUCKET_MS)]);
        ledger.add(&[entry("c", 6)]);
        assert_eq!(ledger.expire(at(BUCKET_MS)), [1]);
        assert!(ledger.contains(entry("b", 2 * BUCKET_MS)) && !ledger.contains(entry("c", 6)));
        assert_eq!(ledger.newest(), Some(at(2 * BUCKET_MS)));
        assert_eq!(ledger.expire(at(3 * BUCKET_MS)), [0]);
        assert!(ledger.is_empty() && ledger.newest().is_none());
    }

    #[test]
    fn many_entries_make_several_bounded_segments() {
        let entries: Vec<LedgerEntry> = (0..30_000).map(|number| entry(&number.to_string(), number)).collect();
        let mut ledger = Ledger::default();
        let segments = ledger.add(&entries);
        assert_eq!(segments.len(), 3);
        assert!(segments.iter().all(|(_, bytes)| bytes.len() <= 256 << 10));
        assert_eq!(ledger.len(), entries.len());
        assert!(ledger.add(&[]).is_empty());
    }

    #[test]
    fn an_alert_takes_at_most_40_bytes_of_memory() {
        let mut ledger = Ledger::default();
        for minute in 0..10 {
            for chunk in 0..60 {
                let entries: Vec<LedgerEntry> = (0..300)
                    .map(|number| entry(&format!("{chunk}-{number}"), minute * BUCKET_MS + i64::from(number)))
                    .collect();
                ledger.add(&entries);
            }
            let each = ledger.memory() / ledger.len();
            assert!(each <= 40, "{each} bytes an alert after {} alerts", ledger.len());
        }
    }

    #[test]
    fn a_segment_with_half_an_entry_is_refused() {
        assert!(Ledger::default().restore(3, &[0; 25]).is_err());
    }
}
