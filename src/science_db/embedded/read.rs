//! Scans and gets of the embedded store.

use rusqlite::{CachedStatement, OptionalExtension, Params, Row, Transaction};

use super::schema::{MAX_COLUMNS, StoreError, check_families, first_cell};
use crate::row::{Columns, RowsBuilder};
use crate::science_db::{MAX_PAGE_BYTES, Scan, TOO_LARGE};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Up to this number of rows with cells since the start of the window, a page looks the rows up by time and sorts them by key. With more
/// rows, it reads them in the order of their keys.
const MAX_SORTED_ROWS: i64 = 10_000;

/// Reads one page of `scan` from the key `start` on. Returns whether there may be more rows.
pub(crate) fn scan(
    transaction: &Transaction<'_>,
    table: i64,
    scan: &Scan<'_>,
    start: &[u8],
    mut page: RowsBuilder<'_>,
) -> Result<bool, StoreError> {
    let mut cells = RowReader::new(transaction, table, scan.columns, scan.window)?;
    let count = "SELECT count(*) FROM (SELECT 1 FROM science_row INDEXED BY row_newest
        WHERE table_id = ?1 AND newest >= ?2 LIMIT ?3)";
    let (from, until) = (scan.window.from().as_millis(), scan.window.until().as_millis());
    let recent: i64 =
        transaction.prepare_cached(count)?.query_row((table, from, MAX_SORTED_ROWS + 1), |row| row.get(0))?;
    let index = if recent <= MAX_SORTED_ROWS { "row_newest" } else { "row_key" };
    let end = if scan.keys.end.is_empty() { "" } else { "AND key < ?5" };
    let rows = format!(
        "SELECT id, key FROM science_row INDEXED BY {index}
         WHERE table_id = ?1 AND newest >= ?2 AND oldest < ?3 AND key >= ?4 {end} ORDER BY key"
    );
    let mut rows = transaction.prepare_cached(&rows)?;
    let mut rows = match scan.keys.end.as_slice() {
        [] => rows.query((table, from, until, start))?,
        end => rows.query((table, from, until, start, end))?,
    };
    while let Some(row) = rows.next()? {
        let key = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        cells.read(row.get(0)?, key, &mut page)?;
        if page.index.len() >= scan.page.max(1) || page.buffer.filled().len() > MAX_PAGE_BYTES {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads the rows `keys`.
pub(crate) fn get(
    transaction: &Transaction<'_>,
    table: i64,
    keys: &[&[u8]],
    columns: &Columns,
    mut page: RowsBuilder<'_>,
) -> Result<(), StoreError> {
    let mut cells = RowReader::new(transaction, table, columns, Window::ALL)?;
    let mut row = transaction.prepare_cached("SELECT id FROM science_row WHERE table_id = ?1 AND key = ?2")?;
    for key in keys {
        if let Some(id) = row.query_row((table, key), |row| row.get(0)).optional()? {
            cells.read(id, key, &mut page)?;
        }
    }
    Ok(())
}

/// Reads the cells of rows.
struct RowReader<'a> {
    window: Window,
    /// by column number; `None`: not asked for
    slots: Vec<Option<usize>>,
    lookup: Lookup<'a>,
}

/// How to find the cells of a row.
enum Lookup<'a> {
    /// by the numbers of the columns, where few of the table's columns are asked for
    ByColumn(CachedStatement<'a>, Vec<i64>),
    /// all cells of the row, of which some are skipped
    WholeRow(CachedStatement<'a>),
}

impl<'a> RowReader<'a> {
    fn new(
        transaction: &'a Transaction<'_>,
        table: i64,
        columns: &Columns,
        window: Window,
    ) -> Result<Self, StoreError> {
        check_families(transaction, table, columns.requested().map(|(family, _)| family))?;
        let all = "SELECT family, qualifier, number FROM column_name WHERE table_id = ?1 ORDER BY family, qualifier";
        let mut all = transaction.prepare_cached(all)?;
        let mut all = all.query([table])?;
        let (mut slots, mut numbers, mut hint) = (Vec::new(), Vec::new(), 0);
        while let Some(column) = all.next()? {
            let number: i64 = column.get(2)?;
            let at = usize::try_from(number).ok().filter(|_| number < MAX_COLUMNS);
            let at = at.ok_or_else(|| StoreError::Refused(format!("the file is damaged: column number {number}")))?;
            let [family, qualifier] = [text(column, 0)?, text(column, 1)?];
            if slots.len() <= at {
                slots.resize(at + 1, None);
            }
            slots[at] = columns.slot(family, qualifier, &mut hint);
            if slots[at].is_some() {
                numbers.push(number);
            }
        }
        let lookup = match numbers.len() * 4 < slots.len() {
            true => {
                let sql = "SELECT id, timestamp, value FROM cell WHERE id = ?1";
                Lookup::ByColumn(transaction.prepare_cached(sql)?, numbers)
            }
            false => {
                let sql = "SELECT id, timestamp, value FROM cell WHERE id >= ?1 AND id < ?2";
                Lookup::WholeRow(transaction.prepare_cached(sql)?)
            }
        };
        Ok(Self { window, slots, lookup })
    }

    /// Adds the row to the page if it has one of the cells.
    fn read(&mut self, row: i64, key: &[u8], page: &mut RowsBuilder<'_>) -> Result<(), StoreError> {
        let mut appender = RowAppender { key, has_begun: false, window: self.window, slots: &self.slots, page };
        let first = first_cell(row);
        match &mut self.lookup {
            Lookup::ByColumn(statement, numbers) => {
                numbers.iter().try_for_each(|number| appender.add_all(statement, [first + number]))
            }
            Lookup::WholeRow(statement) => appender.add_all(statement, [first, first + MAX_COLUMNS]),
        }
    }
}

fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<&'r [u8], rusqlite::Error> {
    Ok(row.get_ref(at)?.as_bytes()?)
}

/// Adds one row to a page, beginning with its first cell.
struct RowAppender<'a, 'p, 'b> {
    key: &'a [u8],
    has_begun: bool,
    window: Window,
    slots: &'a [Option<usize>],
    page: &'p mut RowsBuilder<'b>,
}

impl RowAppender<'_, '_, '_> {
    fn add_all(&mut self, statement: &mut CachedStatement<'_>, ids: impl Params) -> Result<(), StoreError> {
        let mut cells = statement.query(ids)?;
        while let Some(cell) = cells.next()? {
            let (id, timestamp): (i64, i64) = (cell.get(0)?, cell.get(1)?);
            let slot =
                usize::try_from(id % MAX_COLUMNS).ok().and_then(|number| self.slots.get(number).copied().flatten());
            let (Some(slot), true) = (slot, self.window.contains(Timestamp::from_millis(timestamp))) else { continue };
            let value = cell.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            if !self.page.has_room(self.key.len() + value.len()) {
                return Err(StoreError::Refused(String::from(TOO_LARGE)));
            }
            if !self.has_begun {
                self.page.row(self.key);
                self.has_begun = true;
            }
            self.page.cell(slot, value, timestamp);
        }
        Ok(())
    }
}
