//! Cell blocks in HBase's `KeyValueCodec`: cells one after the other.
//!
//! A cell: length of the rest; key length; value length; key; value. A key: row length (2 bytes), row, family length (1 byte), family,
//! qualifier, timestamp (8 bytes), type (1 byte). Lengths have 4 bytes unless noted, numbers are big-endian. `KeyValueCodecWithTags` adds tags
//! behind the value, which are skipped.

use std::ops::Range;

use super::frame::Damaged;

/// Type of a cell that was written.
pub(crate) const PUT: u8 = 4;
/// `HConstants.LATEST_TIMESTAMP`: the server's clock.
pub(crate) const LATEST_TIMESTAMP: i64 = i64::MAX;

/// Length of the three leading lengths.
const LENGTHS: usize = 12;
/// Length of a key without row, family and qualifier.
const KEY_OVERHEAD: usize = 2 + 1 + 8 + 1;
/// Bytes of a cell before its row.
pub(crate) const BEFORE_ROW: usize = LENGTHS + 2;

/// One cell: where its parts are in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CellSpans {
    /// row key
    pub row: Range<usize>,
    /// column family
    pub family: Range<usize>,
    /// column qualifier
    pub qualifier: Range<usize>,
    /// value
    pub value: Range<usize>,
    /// ms since 1970
    pub timestamp: i64,
    /// [`PUT`] and others
    pub kind: u8,
}

/// The cell at `at` in a block that ends at `end`; `at` moves behind it.
#[inline]
pub(crate) fn read_cell(bytes: &[u8], at: &mut usize, end: usize) -> Result<CellSpans, Damaged> {
    let start = *at;
    let lengths = bytes.get(start..end).and_then(<[u8]>::first_chunk::<LENGTHS>).ok_or_else(cut)?;
    let number = |from: usize| {
        u32::from_be_bytes([lengths[from], lengths[from + 1], lengths[from + 2], lengths[from + 3]]) as usize
    };
    let (cell_len, key_len, value_len) = (number(0), number(4), number(8));
    let next = start + 4 + cell_len;
    let key_start = start + LENGTHS;
    let value_start = key_start + key_len;
    if next > end || value_start + value_len > next || key_len < KEY_OVERHEAD {
        return Err(inconsistent(cell_len, key_len, value_len));
    }
    let row_len = usize::from(u16::from_be_bytes([bytes[key_start], bytes[key_start + 1]]));
    let row = key_start + 2..key_start + 2 + row_len;
    if row_len + KEY_OVERHEAD > key_len {
        return Err(inconsistent(cell_len, key_len, value_len));
    }
    let family_len = usize::from(bytes[row.end]);
    if row_len + family_len + KEY_OVERHEAD > key_len {
        return Err(inconsistent(cell_len, key_len, value_len));
    }
    let family = row.end + 1..row.end + 1 + family_len;
    let qualifier = family.end..value_start - 9;
    let mut timestamp = [0; 8];
    timestamp.copy_from_slice(&bytes[qualifier.end..value_start - 1]);
    *at = next;
    Ok(CellSpans {
        row,
        family,
        qualifier,
        value: value_start..value_start + value_len,
        timestamp: i64::from_be_bytes(timestamp),
        kind: bytes[value_start - 1],
    })
}

/// Moves `at` behind the next `count` cells of a block that ends at `end`.
pub(crate) fn skip_cells(bytes: &[u8], at: &mut usize, end: usize, count: usize) -> Result<(), Damaged> {
    for _ in 0..count {
        let length = bytes.get(*at..end).and_then(<[u8]>::first_chunk::<4>).ok_or_else(cut)?;
        let next = *at + 4 + u32::from_be_bytes(*length) as usize;
        if next > end {
            return Err(cut());
        }
        *at = next;
    }
    Ok(())
}

/// A cell to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewCell<'a> {
    /// row key, at most 32,767 bytes
    pub row: &'a [u8],
    /// column family, at most 255 bytes
    pub family: &'a [u8],
    /// column qualifier
    pub qualifier: &'a [u8],
    /// ms since 1970, or [`LATEST_TIMESTAMP`]
    pub timestamp: i64,
    /// [`PUT`] or another type
    pub kind: u8,
    /// value, smaller than 2 GB
    pub value: &'a [u8],
}

/// Appends a cell to a block.
pub(crate) fn write_cell(block: &mut Vec<u8>, cell: &NewCell<'_>) {
    let key_len = KEY_OVERHEAD + cell.row.len() + cell.family.len() + cell.qualifier.len();
    let value_len = cell.value.len();
    for length in [8 + key_len + value_len, key_len, value_len] {
        block.extend_from_slice(&(length as u32).to_be_bytes());
    }
    block.extend_from_slice(&(cell.row.len() as u16).to_be_bytes());
    block.extend_from_slice(cell.row);
    block.push(cell.family.len() as u8);
    block.extend_from_slice(cell.family);
    block.extend_from_slice(cell.qualifier);
    block.extend_from_slice(&cell.timestamp.to_be_bytes());
    block.push(cell.kind);
    block.extend_from_slice(cell.value);
}

#[cold]
fn cut() -> Damaged {
    Damaged(String::from("a cell block that ends inside a cell"))
}

#[cold]
fn inconsistent(cell_len: usize, key_len: usize, value_len: usize) -> Damaged {
    Damaged(format!("a cell of {cell_len} bytes with a key of {key_len} and a value of {value_len}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Row, family, qualifier, timestamp, value.
    type Parts = (Vec<u8>, Vec<u8>, Vec<u8>, i64, Vec<u8>);

    fn block(cells: &[Parts]) -> Vec<u8> {
        let mut block = Vec::new();
        for (row, family, qualifier, timestamp, value) in cells {
            let (timestamp, kind) = (*timestamp, PUT);
            write_cell(&mut block, &NewCell { row, family, qualifier, timestamp, kind, value });
        }
        block
    }

    /// What `KeyValueCodec` of HBase 2.6.1 writes for row `r`, column `f:q`, timestamp 1, value `v`.
    const FROM_HBASE: &[u8] = b"\0\0\0\x18\0\0\0\x0f\0\0\0\x01\0\x01r\x01fq\0\0\0\0\0\0\0\x01\x04v";

    #[test]
    fn cell_of_hbase_is_read_and_written() {
        let cell = (b"r".to_vec(), b"f".to_vec(), b"q".to_vec(), 1, b"v".to_vec());
        assert_eq!(block(&[cell]), FROM_HBASE);
        let mut at = 0;
        let cell = read_cell(FROM_HBASE, &mut at, FROM_HBASE.len()).unwrap();
        assert_eq!((at, cell.timestamp, cell.kind), (FROM_HBASE.len(), 1, PUT));
        let parts = [cell.row.clone(), cell.family, cell.qualifier, cell.value].map(|range| &FROM_HBASE[range]);
        assert_eq!(parts, [b"r", b"f", b"q", b"v"]);
        assert_eq!(cell.row.start, BEFORE_ROW);
    }

    #[test]
    fn tags_behind_the_value_are_skipped() {
        let mut tagged = FROM_HBASE.to_vec();
        tagged.extend_from_slice(b"\0\x03tag");
        tagged[3] += 5;
        let mut at = 0;
        let cell = read_cell(&tagged, &mut at, tagged.len()).unwrap();
        assert_eq!((&tagged[cell.value], at), (b"v".as_slice(), tagged.len()));
    }

    fn cells() -> impl Strategy<Value = Vec<Parts>> {
        let bytes = |max: usize| prop::collection::vec(any::<u8>(), 0..max);
        prop::collection::vec((bytes(40), bytes(10), bytes(20), any::<i64>(), bytes(100)), 0..6)
    }

    proptest! {
        #[test]
        fn cells_are_read_as_written(cells in cells()) {
            let block = block(&cells);
            let mut at = 0;
            for (row, family, qualifier, timestamp, value) in &cells {
                let cell = read_cell(&block, &mut at, block.len()).unwrap();
                prop_assert_eq!(&block[cell.row], &row[..]);
                prop_assert_eq!(&block[cell.family], &family[..]);
                prop_assert_eq!(&block[cell.qualifier], &qualifier[..]);
                prop_assert_eq!(&block[cell.value], &value[..]);
                prop_assert_eq!(cell.timestamp, *timestamp);
            }
            prop_assert_eq!(at, block.len());
            let mut at = 0;
            skip_cells(&block, &mut at, block.len(), cells.len()).unwrap();
            prop_assert_eq!(at, block.len());
            prop_assert!(skip_cells(&block, &mut 0, block.len(), cells.len() + 1).is_err());
        }

        #[test]
        fn damaged_block_is_an_error_or_other_cells(cells in cells(), damage in any::<(u16, u8)>(), cut in any::<u16>()) {
            let mut block = block(&cells);
            block.truncate(block.len() - usize::from(cut) % (block.len() + 1));
            if !block.is_empty() {
                let position = usize::from(damage.0) % block.len();
                block[position] = damage.1;
            }
            let mut at = 0;
            while at < block.len() {
                let start = at;
                let Ok(cell) = read_cell(&block, &mut at, block.len()) else { break };
                prop_assert!(at > start && at <= block.len());
                prop_assert!(cell.value.end <= at && cell.row.end <= cell.family.start && cell.qualifier.end <= cell.value.start);
            }
        }
    }
}
