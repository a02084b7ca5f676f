//! A session with one table of the file.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::schema::{self, StoreError, table_id};
use super::{read, write};
use crate::row::{Columns, Rows};
use crate::science_db::{
    KeyRange, NewTable, Put, Scan, ScienceDb, ScienceDbError, check_puts, key_ranges_from, start_after,
};

/// A session with one table.
pub(crate) struct Embedded {
    path: PathBuf,
    table: String,
    connection: Option<Connection>,
}

impl Embedded {
    /// A session with `table` in the file at `path`, which is created with the first table.
    pub(crate) fn new(path: &Path, table: &str) -> Self {
        Self { path: path.to_owned(), table: table.to_owned(), connection: None }
    }

    /// Runs `work` in one transaction, with the id of the table.
    fn transact<T>(
        &mut self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, StoreError>,
    ) -> Result<T, ScienceDbError> {
        let run = || {
            if self.connection.is_none() {
                self.connection = schema::open(&self.path, false)?;
            }
            let connection = self.connection.as_mut().ok_or(StoreError::NoTable)?;
            let transaction = connection.transaction_with_behavior(behavior)?;
            let table = table_id(&transaction, &self.table)?.ok_or(StoreError::NoTable)?;
            let result = work(&transaction, table)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| self.error(error))
    }

    fn create(&mut self, table: &NewTable) -> Result<bool, StoreError> {
        if self.connection.is_none() {
            self.connection = schema::open(&self.path, true)?;
        }
        let connection = self.connection.as_mut().ok_or(StoreError::NoTable)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if table_id(&transaction, &self.table)?.is_some() {
            return Ok(false);
        }
        transaction.execute("INSERT INTO science_table (name) VALUES (?1)", [&self.table])?;
        let id = transaction.last_insert_rowid();
        for family in &table.families {
            transaction.execute("INSERT OR IGNORE INTO family (table_id, name) VALUES (?1, ?2)", (id, family))?;
        }
        for key in &table.splits {
            transaction.execute("INSERT OR IGNORE INTO split (table_id, key) VALUES (?1, ?2)", (id, key))?;
        }
        transaction.commit()?;
        Ok(true)
    }

    fn error(&self, error: StoreError) -> ScienceDbError {
        let address = self.path.display().to_string();
        match error {
            StoreError::NoTable => ScienceDbError::NoTable { address, table: self.table.clone() },
            StoreError::Refused(reason) => ScienceDbError::Refused { address, reason },
            StoreError::NoFamily(family) => ScienceDbError::NoFamily { address, family },
            StoreError::Sql(error) => {
                let reason = error.to_string();
                match error.sqlite_error_code() {
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                        ScienceDbError::Unreachable { address, reason }
                    }
                    _ => ScienceDbError::Refused { address, reason },
                }
            }
        }
    }
}

impl ScienceDb for Embedded {
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError> {
        self.transact(TransactionBehavior::Deferred, |transaction, table| {
            let mut statement = transaction.prepare_cached("SELECT key FROM split WHERE table_id = ?1")?;
            let splits = statement.query_map([table], |row| row.get(0))?.collect::<Result<Vec<Vec<u8>>, _>>()?;
            Ok(key_ranges_from(splits))
        })
    }

    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        let start = start_after(scan, after);
        let page = rows.refill(scan.columns.len());
        self.transact(TransactionBehavior::Deferred, |transaction, table| {
            read::scan(transaction, table, scan, &start, page)
        })
    }

    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        let page = rows.refill(columns.len());
        self.transact(TransactionBehavior::Deferred, |transaction, table| {
            read::get(transaction, table, keys, columns, page)
        })
    }

    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        check_puts(puts).map_err(|reason| self.error(StoreError::Refused(reason)))?;
        self.transact(TransactionBehavior::Immediate, |transaction, table| write::put(transaction, table, puts))
    }

    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError> {
        self.transact(TransactionBehavior::Immediate, |transaction, table| write::delete(transaction, table, keys))
    }

    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        self.create(table).map_err(|error| self.error(error))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
