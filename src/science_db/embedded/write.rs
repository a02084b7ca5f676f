//! Puts and deletes of the embedded store.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction};

use super::schema::{MAX_COLUMNS, StoreError, check_families, first_cell};
use crate::science_db::Put;
use crate::timestamp::Timestamp;

/// Writes rows.
pub(crate) fn put(transaction: &Transaction<'_>, table: i64, puts: &[Put]) -> Result<(), StoreError> {
    let mut columns = ColumnNumbers { transaction, table, known: HashMap::new() };
    let mut find =
        transaction.prepare_cached("SELECT id, deleted FROM science_row WHERE table_id = ?1 AND key = ?2")?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO science_row (table_id, key, oldest, newest, deleted) VALUES (?1, ?2, ?3, ?3, -1)",
    )?;
    let mut widen = transaction.prepare_cached(
        "UPDATE science_row SET oldest = min(oldest, ?2), newest = max(newest, ?2) WHERE id = ?1 AND (oldest > ?2 OR newest < ?2)",
    )?;
    let mut write = transaction.prepare_cached(
        "INSERT INTO cell (id, timestamp, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET timestamp = excluded.timestamp, value = excluded.value
         WHERE excluded.timestamp >= cell.timestamp",
    )?;
    let now = Timestamp::now().as_millis();
    for put in puts {
        let found: Option<(i64, i64)> =
            find.query_row((table, &put.key), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let deleted = found.map_or(-1, |(_, deleted)| deleted);
        let timestamp = put.timestamp.unwrap_or_else(|| now.max(deleted + 1));
        if timestamp <= deleted {
            continue;
        }
        let row = match found {
            Some((row, _)) => {
                widen.execute((row, timestamp))?;
                row
            }
            None => insert.insert((table, &put.key, timestamp))?,
        };
        for cell in &put.cells {
            let id = first_cell(row) + columns.number(&cell.family, &cell.qualifier)?;
            write.execute((id, timestamp, &cell.value))?;
        }
    }
    Ok(())
}

/// Deletes whole rows: their cells with timestamps up to now, including those that are written later.
pub(crate) fn delete(transaction: &Transaction<'_>, table: i64, keys: &[&[u8]]) -> Result<(), StoreError> {
    let mut hide = transaction.prepare_cached(
        "INSERT INTO science_row (table_id, key, oldest, newest, deleted) VALUES (?1, ?2, ?3, -1, ?3)
         ON CONFLICT (table_id, key) DO UPDATE SET deleted = max(deleted, excluded.deleted) RETURNING id",
    )?;
    let mut remove = transaction.prepare_cached("DELETE FROM cell WHERE id >= ?1 AND id < ?2 AND timestamp <= ?3")?;
    let mut narrow = transaction.prepare_cached(
        "UPDATE science_row SET
         oldest = coalesce((SELECT min(timestamp) FROM cell WHERE cell.id >= ?2 AND cell.id < ?3), oldest),
         newest = coalesce((SELECT max(timestamp) FROM cell WHERE cell.id >= ?2 AND cell.id < ?3), -1) WHERE id = ?1",
    )?;
    let now = Timestamp::now().as_millis();
    for key in keys {
        let row: i64 = hide.query_row((table, key, now), |row| row.get(0))?;
        let (first, end) = (first_cell(row), first_cell(row) + MAX_COLUMNS);
        remove.execute((first, end, now))?;
        narrow.execute((row, first, end))?;
    }
    Ok(())
}

/// The numbers of the columns. A new column gets the next number.
struct ColumnNumbers<'a, 'p> {
    transaction: &'a Transaction<'a>,
    table: i64,
    known: HashMap<(&'p str, &'p str), i64>,
}

impl<'p> ColumnNumbers<'_, 'p> {
    fn number(&mut self, family: &'p str, qualifier: &'p str) -> Result<i64, StoreError> {
        if let Some(number) = self.known.get(&(family, qualifier)) {
            return Ok(*number);
        }
        let find = "SELECT number FROM column_name WHERE table_id = ?1 AND family = ?2 AND qualifier = ?3";
        let mut find = self.transaction.prepare_cached(find)?;
        let number = match find.query_row((self.table, family, qualifier), |row| row.get(0)).optional()? {
            Some(number) => number,
            None => self.add(family, qualifier)?,
        };
        self.known.insert((family, qualifier), number);
        Ok(number)
    }

    fn add(&self, family: &str, qualifier: &str) -> Result<i64, StoreError> {
        check_families(self.transaction, self.table, [family].into_iter())?;
        let next = "SELECT coalesce(max(number) + 1, 0) FROM column_name WHERE table_id = ?1";
        let number: i64 = self.transaction.query_row(next, [self.table], |row| row.get(0))?;
        if number >= MAX_COLUMNS {
            return Err(StoreError::Refused(format!(
                "no room for column `{family}:{qualifier}`: a table has at most {MAX_COLUMNS} columns"
            )));
        }
        let add = "INSERT INTO column_name (table_id, family, qualifier, number) VALUES (?1, ?2, ?3, ?4)";
        self.transaction.execute(add, (self.table, family, qualifier, number))?;
        Ok(number)
    }
}
