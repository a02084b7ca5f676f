//! Reads the cells of WAL entries from a connection, without keeping their values in memory.
//!
//! A cell in the codec `KeyValueCodecWithTags`: the length of all that follows, of the key and of the value (`u32` each); the key: length of the
//! row (`u16`), row, length of the family (`u8`), family, qualifier, timestamp (`i64`), type (`u8`); the value; where bytes are left, tags.
//! `KeyValueCodec` is the same without tags. All integers are big-endian.

use std::io::{self, BufRead, Read};

use super::trigger_column::TriggerColumn;
use crate::ledger::RowVersion;
use crate::timestamp::Timestamp;

/// `KeyValue.Type.Put`
const PUT: u8 = 4;
/// The bytes of a key beside row, family and qualifier.
const KEY_OVERHEAD: usize = 2 + 1 + 8 + 1;
/// The longest key of a cell: HBase bounds a row key to 32 kB, and the qualifier by the size of a cell.
const MAX_KEY_BYTES: usize = 1 << 20;

/// Reads the next cell, and keeps its row version where it is a put of the trigger. `key` is a buffer.
///
/// # Errors
/// The input ends, or the lengths of the cell contradict each other.
pub(super) fn read_cell(
    input: &mut impl BufRead,
    trigger: Option<&TriggerColumn>,
    key: &mut Vec<u8>,
    rows: &mut Vec<RowVersion>,
) -> io::Result<()> {
    let length = read_u32(input)?;
    let (key_length, value_length) = (read_u32(input)?, read_u32(input)?);
    // The lengths themselves are part of the first one.
    let rest = length.checked_sub(8).and_then(|rest| rest.checked_sub(key_length)).filter(|rest| *rest >= value_length);
    let rest = rest.ok_or_else(|| damaged("the lengths of a cell exceed it"))?;
    if key_length > MAX_KEY_BYTES {
        return Err(damaged("the key of a cell is longer than 1 MiB"));
    }
    key.resize(key_length, 0);
    input.read_exact(key)?;
    let cell = Key::parse(key).ok_or_else(|| damaged("the key of a cell is damaged"))?;
    if cell.kind == PUT && trigger.is_some_and(|trigger| trigger.is(cell.family, cell.qualifier)) {
        let row = RowVersion { timestamp: Timestamp::from_millis(cell.timestamp), key: cell.row.to_vec() };
        rows.push(row);
    }
    skip(input, rest)
}

struct Key<'a> {
    row: &'a [u8],
    family: &'a [u8],
    qualifier: &'a [u8],
    timestamp: i64,
    kind: u8,
}

impl<'a> Key<'a> {
    fn parse(key: &'a [u8]) -> Option<Self> {
        let (row_length, rest) = key.split_first_chunk()?;
        let (row, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*row_length)))?;
        let (family_length, rest) = rest.split_first()?;
        let (family, rest) = rest.split_at_checked(usize::from(*family_length))?;
        let qualifier_length = rest.len().checked_sub(KEY_OVERHEAD - 3)?;
        let (qualifier, rest) = rest.split_at(qualifier_length);
        let (timestamp, kind) = rest.split_first_chunk()?;
        Some(Self { row, family, qualifier, timestamp: i64::from_be_bytes(*timestamp), kind: *kind.first()? })
    }
}

pub(super) fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn read_u32(input: &mut impl Read) -> io::Result<usize> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes) as usize)
}

/// Skips `count` bytes.
///
/// # Errors
/// The input ends before.
pub(super) fn skip(input: &mut impl BufRead, mut count: usize) -> io::Result<()> {
    while count > 0 {
        let available = input.fill_buf()?.len();
        if available == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let skipped = available.min(count);
        input.consume(skipped);
        count -= skipped;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A cell as HBase writes it; `tags`: with their length before them.
    pub fn cell(row: &[u8], column: (&[u8], &[u8]), timestamp: i64, kind: u8, value: &[u8], tags: &[u8]) -> Vec<u8> {
        let (family, qualifier) = column;
        let mut key = (row.len() as u16).to_be_bytes().to_vec();
        key.extend_from_slice(row);
        key.push(family.len() as u8);
        key.extend_from_slice(family);
        key.extend_from_slice(qualifier);
        key.extend_from_slice(&timestamp.to_be_bytes());
        key.push(kind);
        let length = |length: usize| (length as u32).to_be_bytes();
        let (all, key_length, value_length) =
            (length(8 + key.len() + value.len() + tags.len()), length(key.len()), length(value.len()));
        [&all[..], &key_length, &value_length, &key, value, tags].concat()
    }

    fn trigger() -> TriggerColumn {
        TriggerColumn::for_test("default:alerts")
    }

    fn read_all(mut input: &[u8]) -> io::Result<Vec<RowVersion>> {
        let (mut rows, mut key) = (Vec::new(), Vec::new());
        while !input.is_empty() {
            read_cell(&mut input, Some(&trigger()), &mut key, &mut rows)?;
        }
        Ok(rows)
    }

    #[test]
    fn only_puts_of_the_trigger_are_kept() {
        let cells = [
            cell(b"r1", (b"i", b"candid"), 5, PUT, b"other family", b""),
            cell(b"r1", (b"t", b"candid"), 5, PUT, b"12345678", b""),
            cell(b"r1", (b"t", b"candidate"), 5, PUT, b"", b""),
            cell(b"r2", (b"t", b"candid"), 6, 8, b"", b""),
            cell(b"r3", (b"t", b""), 7, 14, b"", b""),
            cell(b"r4", (b"t", b"candid"), i64::MAX, PUT, b"", b"\x00\x03tag"),
        ];
        let found = read_all(&cells.concat()).unwrap();
        let found: Vec<(&[u8], i64)> = found.iter().map(|row| (&row.key[..], row.timestamp.as_millis())).collect();
        assert_eq!(found, [(&b"r1"[..], 5), (b"r4", i64::MAX)]);
    }

    #[test]
    fn a_cell_whose_lengths_contradict_each_other_is_damaged() {
        let good = cell(b"row", (b"t", b"candid"), 5, PUT, b"value", b"");
        for (at, byte) in [(3, 0), (7, 255), (7, 3), (11, 200), (13, 255), (17, 255)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(read_all(&bad).is_err(), "byte {at} = {byte}");
        }
        assert!(read_all(&good[..good.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn any_cell_is_read_back(
            row in prop::collection::vec(any::<u8>(), 0..100),
            value: Vec<u8>,
            tags: Vec<u8>,
            timestamp: i64,
            next: Vec<u8>,
        ) {
            let input = [cell(&row, (b"t", b"candid"), timestamp, PUT, &value, &tags), next.clone()].concat();
            let (mut rows, mut key, mut left) = (Vec::new(), Vec::new(), &input[..]);
            read_cell(&mut left, Some(&trigger()), &mut key, &mut rows).unwrap();
            prop_assert_eq!(left, &next[..]);
            prop_assert_eq!(rows, vec![RowVersion { timestamp: Timestamp::from_millis(timestamp), key: row }]);
        }

        #[test]
        fn damaged_cells_are_errors_or_other_cells(at: prop::sample::Index, byte: u8) {
            let mut cells = [cell(b"r1", (b"t", b"candid"), 5, PUT, b"v", b""), cell(b"r2", (b"t", b"x"), 5, PUT, b"", b"")].concat();
            let at = at.index(cells.len());
            cells[at] = byte;
            prop_assert!(read_all(&cells).map_or(0, |rows| rows.len()) <= 2);
        }
    }
}
