//! Rows as slices of one buffer: no allocation for a cell.

/// The columns that a read asks for. A column's *slot* is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<(String, String)>,
    sorted: Vec<u32>,
}

impl Columns {
    /// Columns as (family, qualifier); slot numbers follow their order here.
    pub fn new(names: Vec<(String, String)>) -> Self {
        let mut sorted: Vec<u32> = (0..names.len() as u32).collect();
        sorted.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        Self { names, sorted }
    }

    /// How many columns.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// (family, qualifier) by slot.
    pub fn names(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.names.iter().map(|(family, qualifier)| (family.as_str(), qualifier.as_str()))
    }

    /// The slot of a column, or `None` where it was not asked for. Stores return the cells of a row in ascending order, so the caller
    /// keeps `hint` (start with 0 for each row), and the search is one comparison for all but the first cell after a gap.
    pub fn slot(&self, family: &[u8], qualifier: &[u8], hint: &mut usize) -> Option<usize> {
        let compare = |at: usize| {
            let (f, q) = &self.names[self.sorted[at] as usize];
            f.as_bytes().cmp(family).then_with(|| q.as_bytes().cmp(qualifier))
        };
        let at = match *hint < self.sorted.len() && compare(*hint).is_eq() {
            true => *hint,
            false => {
                let (mut low, mut high) = (0, self.sorted.len());
                loop {
                    if low == high {
                        return None;
                    }
                    let middle = (low + high) / 2;
                    match compare(middle) {
                        std::cmp::Ordering::Less => low = middle + 1,
                        std::cmp::Ordering::Greater => high = middle,
                        std::cmp::Ordering::Equal => break middle,
                    }
                }
            }
        };
        *hint = at + 1;
        Some(self.sorted[at] as usize)
    }
}

/// One cell of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// the bytes, as stored
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

/// A page of rows: one buffer and, for each row, a table of its cells by slot (16 bytes a cell). Made to be filled again and again.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    buffer: Vec<u8>,
    keys: Vec<(u32, u32)>,
    spans: Vec<Span>,
    width: usize,
}

impl Rows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes of the buffer in use.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The row at `index`, which must be below [`len`](Self::len).
    pub fn row(&self, index: usize) -> Row<'_> {
        let (start, len) = self.keys[index];
        Row {
            key: &self.buffer[start as usize..(start + len) as usize],
            buffer: &self.buffer,
            spans: &self.spans[index * self.width..(index + 1) * self.width],
        }
    }

    /// All rows, in the order read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// Empties the page and gives the means to fill it with rows of `width` slots.
    pub fn refill(&mut self, width: usize) -> RowsBuilder<'_> {
        self.buffer.clear();
        self.keys.clear();
        self.spans.clear();
        self.width = width;
        RowsBuilder { rows: self }
    }
}

/// Fills a [`Rows`]: either from an answer kept whole ([`buffer`](Self::buffer), then spans of it) or by copying cells in.
pub struct RowsBuilder<'a> {
    rows: &'a mut Rows,
}

impl RowsBuilder<'_> {
    /// The page's buffer, to read an answer into; spans given later point into it.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.rows.buffer
    }

    /// Begins a row whose key is `len` bytes of the buffer from `start`.
    pub fn row_at(&mut self, start: usize, len: usize) {
        self.rows.keys.push((start as u32, len as u32));
        let cells = self.rows.keys.len() * self.rows.width;
        self.rows.spans.resize(cells, NO_SPAN);
    }

    /// Adds a cell to the row begun last: `len` bytes of the buffer from `start`. The newest wins where a slot is given twice.
    pub fn cell_at(&mut self, slot: usize, start: usize, len: usize, timestamp: i64) {
        let at = self.rows.spans.len() - self.rows.width + slot;
        let span = &mut self.rows.spans[at];
        if span.start == ABSENT || span.timestamp < timestamp {
            *span = Span { start: start as u32, len: len as u32, timestamp };
        }
    }

    /// Begins a row with this key, copied.
    pub fn row(&mut self, key: &[u8]) {
        let start = self.rows.buffer.len();
        self.rows.buffer.extend_from_slice(key);
        self.row_at(start, key.len());
    }

    /// Adds a cell, copied, to the row begun last.
    pub fn cell(&mut self, slot: usize, value: &[u8], timestamp: i64) {
        let start = self.rows.buffer.len();
        self.rows.buffer.extend_from_slice(value);
        self.cell_at(slot, start, value.len(), timestamp);
    }

    /// Takes back the row begun last.
    pub fn drop_row(&mut self) {
        self.rows.keys.pop();
        self.rows.spans.truncate(self.rows.keys.len() * self.rows.width);
    }
}

/// One row of a page.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// row key
    pub key: &'a [u8],
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Row<'a> {
    /// The cell in `slot`, or `None` where the row has none.
    pub fn cell(&self, slot: usize) -> Option<Cell<'a>> {
        let span = self.spans[slot];
        (span.start != ABSENT).then(|| Cell {
            value: &self.buffer[span.start as usize..(span.start + span.len) as usize],
            timestamp: span.timestamp,
        })
    }

    /// How many slots the row has.
    pub fn width(&self) -> usize {
        self.spans.len()
    }
}
