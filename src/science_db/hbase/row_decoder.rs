//! Makes rows of cell blocks. The cells stay where they are in the page's buffer.

use std::ops::Range;

use super::cell_block::{BEFORE_ROW, read_cell};
use super::frame::Damaged;
use crate::row::{Columns, PageBuffer, RowIndex, RowsBuilder};

/// Decodes the blocks of one page. A row may begin in one block and end in another.
pub(crate) struct RowDecoder<'a> {
    columns: &'a Columns,
    hint: usize,
    /// where the blocks are in the buffer
    blocks: Vec<Range<usize>>,
    /// the key of the row that the next cell may belong to
    key: Option<Range<usize>>,
    /// bytes in the values of the columns
    pub wanted_bytes: usize,
    /// bytes in the values of other columns
    pub unwanted_bytes: usize,
}

impl<'a> RowDecoder<'a> {
    /// A decoder for an empty page, whose slots are those of `columns`.
    pub(crate) fn new(columns: &'a Columns) -> Self {
        Self { columns, hint: 0, blocks: Vec::new(), key: None, wanted_bytes: 0, unwanted_bytes: 0 }
    }

    /// Adds the cells of the block at `block` in the buffer, and returns their number. Rows with none of the columns are left out.
    pub(crate) fn add(&mut self, page: &mut RowsBuilder<'_>, block: Range<usize>) -> Result<usize, Damaged> {
        let (bytes, index) = (page.buffer.filled(), &mut *page.index);
        let (mut at, mut count) = (block.start, 0);
        while at < block.end {
            let cell = read_cell(bytes, &mut at, block.end)?;
            let is_same_row = self.key.as_ref().is_some_and(|key| bytes[key.clone()] == bytes[cell.row.clone()]);
            if !is_same_row {
                self.end_row(index);
                index.push_row(cell.row.start, cell.row.len());
                self.key = Some(cell.row);
                self.hint = 0;
            }
            match self.columns.slot(&bytes[cell.family], &bytes[cell.qualifier], &mut self.hint) {
                Some(slot) => {
                    index.push_cell(slot, cell.value.start, cell.value.len(), cell.timestamp);
                    self.wanted_bytes += cell.value.len();
                }
                None => self.unwanted_bytes += cell.value.len(),
            }
            count += 1;
        }
        self.blocks.push(block);
        Ok(count)
    }

    /// Ends the last row: the next cell belongs to another one.
    pub(crate) fn end_row(&mut self, index: &mut RowIndex) {
        if self.key.take().is_some() && index.row_is_empty() {
            index.drop_row();
        }
    }

    /// Begins anew with an empty page.
    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.key = None;
    }

    /// The key of the row that has not ended.
    pub(crate) fn open_key(&self) -> Option<Range<usize>> {
        self.key.clone()
    }

    /// Removes the row `row` and those after it from the page, and returns their cells as a block.
    pub(crate) fn split_off(&self, buffer: &PageBuffer, index: &mut RowIndex, row: usize) -> Vec<u8> {
        let start = index.key_start(row) - BEFORE_ROW;
        index.truncate(row);
        let mut block = Vec::new();
        let mut parts = self.blocks.iter().skip_while(|block| !block.contains(&start));
        if let Some(first) = parts.next() {
            block.extend_from_slice(&buffer.filled()[start..first.end]);
        }
        parts.for_each(|part| block.extend_from_slice(&buffer.filled()[part.clone()]));
        block
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell_block::{NewCell, PUT, write_cell};
    use super::*;
    use crate::row::Rows;

    fn block(cells: &[(&str, &str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (row, qualifier, value) in cells {
            let (row, qualifier, value) = (row.as_bytes(), qualifier.as_bytes(), value.as_bytes());
            write_cell(&mut block, &NewCell { row, family: b"i", qualifier, timestamp: 7, kind: PUT, value });
        }
        block
    }

    fn columns() -> Columns {
        Columns::new(["b", "a"].map(|name| (String::from("i"), String::from(name))).to_vec())
    }

    /// Adds a block behind some bytes that are no cells, as a response has them.
    fn add(decoder: &mut RowDecoder<'_>, page: &mut RowsBuilder<'_>, cells: &[(&str, &str, &str)]) -> usize {
        page.buffer.extend(b"header");
        let start = page.buffer.filled().len();
        page.buffer.extend(&block(cells));
        decoder.add(page, start..page.buffer.filled().len()).unwrap()
    }

    fn plain(rows: &Rows) -> Vec<(String, Vec<Option<String>>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let cells = |row: crate::row::Row<'_>| (0..2).map(|slot| row.cell(slot).map(|cell| text(cell.value))).collect();
        rows.iter().map(|row| (text(row.key), cells(row))).collect()
    }

    #[test]
    fn row_goes_on_in_the_next_block_and_rows_without_the_columns_are_left_out() {
        let (columns, mut rows) = (columns(), Rows::default());
        let mut decoder = RowDecoder::new(&columns);
        let mut page = rows.refill(2);
        assert_eq!(add(&mut decoder, &mut page, &[("1", "other", "xx"), ("2", "a", "A")]), 2);
        assert_eq!(add(&mut decoder, &mut page, &[("2", "b", "B"), ("3", "b", "C"), ("4", "z", "y")]), 3);
        decoder.end_row(page.index);
        assert_eq!((decoder.wanted_bytes, decoder.unwanted_bytes), (3, 3));
        let text = |text: &str| Some(String::from(text));
        let expected = [("2".into(), vec![text("B"), text("A")]), ("3".into(), vec![text("C"), None])];
        assert_eq!(plain(&rows), expected);
    }

    #[test]
    fn rows_split_off_are_decoded_again_with_the_next_page() {
        let (columns, mut rows) = (columns(), Rows::default());
        let mut decoder = RowDecoder::new(&columns);
        let mut page = rows.refill(2);
        add(&mut decoder, &mut page, &[("1", "a", "1"), ("2", "a", "2")]);
        add(&mut decoder, &mut page, &[("2", "b", "2b"), ("3", "a", "3")]);
        let rest = decoder.split_off(page.buffer, page.index, 1);
        assert_eq!(rest, block(&[("2", "a", "2"), ("2", "b", "2b"), ("3", "a", "3")]));
        assert_eq!(rows.len(), 1);

        let mut decoder = RowDecoder::new(&columns);
        let mut page = rows.refill(2);
        page.buffer.extend(&rest);
        decoder.add(&mut page, 0..rest.len()).unwrap();
        assert_eq!(page.buffer.filled()[decoder.open_key().unwrap()], *b"3");
        assert_eq!(decoder.split_off(page.buffer, page.index, 1), block(&[("3", "a", "3")]));
        assert_eq!(plain(&rows).len(), 1);
    }
}
