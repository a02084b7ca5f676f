//! Pages of rows. The cells are slices of one buffer, so that a cell needs no allocation.

use std::io::{self, Read};

/// One cell of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// as stored
    pub value: &'a [u8],
    /// ms since 1970
    pub timestamp: i64,
}

const ABSENT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
    timestamp: i64,
}

const NO_SPAN: Span = Span { start: ABSENT, len: 0, timestamp: 0 };

/// The bytes of a page. The memory stays allocated and initialised from one page to the next.
#[derive(Clone, Debug, Default)]
pub struct PageBuffer {
    bytes: Vec<u8>,
    used: usize,
}

/// Minimum space for one read from the network, bytes.
const READ_BYTES: usize = 256 << 10;

impl PageBuffer {
    /// Maximum size of a page: spans have 32 bits.
    pub const MAX_BYTES: usize = u32::MAX as usize - 1;

    /// The bytes in use.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Bytes of allocated memory.
    #[cfg(test)]
    pub fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes the content and keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Shortens the content to `len` bytes, and keeps the memory.
    pub fn truncate(&mut self, len: usize) {
        self.used = self.used.min(len);
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        let until = self.used + bytes.len();
        if until > self.bytes.len() {
            self.bytes.truncate(self.used);
            self.bytes.extend_from_slice(bytes);
        } else {
            self.bytes[self.used..until].copy_from_slice(bytes);
        }
        self.used = until;
    }

    /// Appends the bytes of one `read`; returns 0 at the end of the stream. Memory grows with the bytes received, never with an announced
    /// length.
    ///
    /// # Errors
    /// See [`Read::read`].
    pub fn read_from(&mut self, source: &mut impl Read) -> io::Result<usize> {
        if self.bytes.len() - self.used < READ_BYTES {
            let grown = (self.used + READ_BYTES).max(self.bytes.len() + self.bytes.len() / 2);
            self.bytes.resize(grown, 0);
        }
        let count = source.read(&mut self.bytes[self.used..])?;
        self.used += count;
        Ok(count)
    }
}

/// The positions of keys and cells in the buffer of a page: for each row, its cells by slot (16 bytes each).
#[derive(Clone, Debug, Default)]
pub struct RowIndex {
    keys: Vec<(u32, u32)>,
    spans: Vec<Span>,
    width: usize,
}

impl RowIndex {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a row whose key is the `len` bytes of the buffer from `start`.
    pub fn push_row(&mut self, start: usize, len: usize) {
        self.keys.push((start as u32, len as u32));
        self.spans.resize(self.keys.len() * self.width, NO_SPAN);
    }

    /// Replaces the key of the last row.
    pub fn set_key(&mut self, start: usize, len: usize) {
        if let Some(key) = self.keys.last_mut() {
            *key = (start as u32, len as u32);
        }
    }

    /// Adds a cell to the last row: the `len` bytes of the buffer from `start`. If the slot has a cell already, the newer one is kept.
    pub fn push_cell(&mut self, slot: usize, start: usize, len: usize, timestamp: i64) {
        let at = self.spans.len() - self.width + slot;
        let span = &mut self.spans[at];
        if span.start == ABSENT || span.timestamp < timestamp {
            *span = Span { start: start as u32, len: len as u32, timestamp };
        }
    }

    /// Removes the last row.
    pub fn drop_row(&mut self) {
        self.truncate(self.keys.len().saturating_sub(1));
    }

    /// Removes all rows but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.keys.truncate(rows);
        self.spans.truncate(self.keys.len() * self.width);
    }

    /// The key of a row, which is in `buffer`.
    pub fn key<'a>(&self, buffer: &'a PageBuffer, row: usize) -> &'a [u8] {
        let (start, len) = self.keys[row];
        &buffer.filled()[start as usize..][..len as usize]
    }

    /// Where the key of a row is in the buffer.
    pub fn key_start(&self, row: usize) -> usize {
        self.keys[row].0 as usize
    }

    /// Whether the last row has no cell.
    pub fn row_is_empty(&self) -> bool {
        self.spans[self.spans.len() - self.width..].iter().all(|span| span.start == ABSENT)
    }

    fn clear(&mut self, width: usize) {
        self.keys.clear();
        self.spans.clear();
        self.width = width;
    }
}

/// A length of a page, to which it can be truncated.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    rows: usize,
}

/// A page of rows: one buffer and an index into it. Made to be reused.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    buffer: PageBuffer,
    index: RowIndex,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes of the buffer in use.
    pub(crate) fn bytes(&self) -> usize {
        self.buffer.used
    }

    /// The row at `index`.
    ///
    /// # Panics
    /// `index` is not below [`len`](Self::len).
    pub fn row(&self, index: usize) -> Row<'_> {
        let (start, len) = self.index.keys[index];
        let (start, width) = (start as usize, self.index.width);
        Row {
            key: &self.buffer.bytes[start..start + len as usize],
            buffer: &self.buffer.bytes,
            spans: &self.index.spans[index * width..(index + 1) * width],
        }
    }

    /// The last row, after which a scan resumes.
    pub fn last(&self) -> Option<Row<'_>> {
        self.len().checked_sub(1).map(|index| self.row(index))
    }

    /// The `len` bytes of the buffer from `start`.
    pub(crate) fn slice(&self, start: usize, len: usize) -> &[u8] {
        &self.buffer.filled()[start..start + len]
    }

    /// The rows, in the order read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// The current length.
    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.buffer.used, rows: self.index.len() }
    }

    /// Truncates the page to `mark`, and adds rows.
    pub(crate) fn refill_after(&mut self, mark: Mark) -> RowsBuilder<'_> {
        self.buffer.used = self.buffer.used.min(mark.bytes);
        self.index.keys.truncate(mark.rows);
        self.index.spans.truncate(mark.rows * self.index.width);
        RowsBuilder { buffer: &mut self.buffer, index: &mut self.index }
    }

    /// Empties the page, and adds rows of `width` slots.
    pub fn refill(&mut self, width: usize) -> RowsBuilder<'_> {
        self.buffer.clear();
        self.index.clear(width);
        RowsBuilder { buffer: &mut self.buffer, index: &mut self.index }
    }
}

/// Adds rows to a [`Rows`]: either cells are copied, or a reply is read into [`buffer`](Self::buffer) and [`index`](Self::index) points
/// into it.
pub struct RowsBuilder<'a> {
    /// the page's bytes
    pub(crate) buffer: &'a mut PageBuffer,
    /// where rows and cells lie in them
    pub(crate) index: &'a mut RowIndex,
}

impl RowsBuilder<'_> {
    /// Adds a row with a copy of this key.
    pub fn row(&mut self, key: &[u8]) {
        let start = self.buffer.used;
        self.buffer.extend(key);
        self.index.push_row(start, key.len());
    }

    /// Adds a copy of a cell to the last row. The page must have [room](Self::has_room) for it.
    pub fn cell(&mut self, slot: usize, value: &[u8], timestamp: i64) {
        let start = self.buffer.used;
        self.buffer.extend(value);
        self.index.push_cell(slot, start, value.len(), timestamp);
    }

    /// Removes the last row.
    pub fn drop_row(&mut self) {
        self.index.drop_row();
    }

    /// Whether `len` more bytes fit into the page.
    pub fn has_room(&self, len: usize) -> bool {
        self.buffer.used + len <= PageBuffer::MAX_BYTES
    }
}

/// One row of a page.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub key: &'a [u8],
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Row<'a> {
    /// The cell in `slot`; `None` if the row has none.
    ///
    /// # Panics
    /// `slot` is not below [`width`](Self::width).
    pub fn cell(&self, slot: usize) -> Option<Cell<'a>> {
        let span = self.spans[slot];
        (span.start != ABSENT).then(|| Cell {
            value: &self.buffer[span.start as usize..][..span.len as usize],
            timestamp: span.timestamp,
        })
    }

    /// The number of slots.
    pub fn width(&self) -> usize {
        self.spans.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_cell_of_a_slot_is_kept_and_rows_can_be_removed() {
        let mut rows = Rows::default();
        let mut page = rows.refill(2);
        page.row(b"one");
        page.cell(1, b"old", 1);
        page.cell(1, b"new", 2);
        page.cell(1, b"older", 0);
        let mark = rows.mark();
        let mut page = rows.refill_after(mark);
        page.row(b"two");
        page.cell(0, b"x", 1);
        page.drop_row();
        page.row(b"three");
        assert!(page.index.row_is_empty());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.row(0).cell(1), Some(Cell { value: b"new", timestamp: 2 }));
        assert_eq!(rows.row(0).cell(0), None);
        assert_eq!(rows.last().map(|row| row.key), Some(b"three".as_slice()));
        rows.refill_after(mark);
        assert_eq!(rows.last().map(|row| row.key), Some(b"one".as_slice()));
    }

    #[test]
    fn buffer_appends_what_is_read_and_copied() {
        let mut buffer = PageBuffer::default();
        buffer.extend(b"ab");
        assert_eq!(buffer.read_from(&mut b"cd".as_slice()).unwrap(), 2);
        buffer.extend(b"ef");
        buffer.extend(&vec![b'x'; 2 * READ_BYTES]);
        assert_eq!(&buffer.filled()[..7], b"abcdefx");
        assert_eq!(buffer.filled().len(), 6 + 2 * READ_BYTES);
        buffer.clear();
        buffer.extend(b"z");
        assert_eq!(buffer.filled(), b"z");
    }
}
