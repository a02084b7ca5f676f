//! The SQLite file: its schema, and how it is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

/// Why an operation on the file failed.
pub(crate) enum StoreError {
    /// SQLite reported an error
    Sql(rusqlite::Error),
    /// the table does not exist
    NoTable,
    /// the request cannot be fulfilled
    Refused(String),
    /// the table has no column family of this name
    NoFamily(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// `fink` in ASCII, in the file's header.
const APPLICATION_ID: i32 = 0x6669_6e6b;
const VERSION: i32 = 1;
/// How long to wait for a write of another session.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of columns of a table: the column's number is the low 16 bits of a cell's id.
pub(crate) const MAX_COLUMNS: i64 = 1 << 16;

/// The ids of the cells put a row's cells side by side, in the order of the columns' numbers. `oldest` and `newest` are bounds of the cells'
/// timestamps; a row without visible cells has `newest` -1. `deleted` is the timestamp up to which cells are hidden, -1 for none.
const SCHEMA: &str = "
CREATE TABLE science_table (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE family (table_id INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (table_id, name)) WITHOUT ROWID;
CREATE TABLE split (table_id INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (table_id, key)) WITHOUT ROWID;
CREATE TABLE column_name (table_id INTEGER NOT NULL, family TEXT NOT NULL, qualifier TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (table_id, family, qualifier)) WITHOUT ROWID;
CREATE TABLE science_row (id INTEGER PRIMARY KEY, table_id INTEGER NOT NULL, key BLOB NOT NULL, oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL, deleted INTEGER NOT NULL);
CREATE UNIQUE INDEX row_key ON science_row (table_id, key);
CREATE INDEX row_newest ON science_row (table_id, newest);
CREATE TABLE cell (id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, value BLOB NOT NULL);
";

/// The smallest cell id of a row.
pub(crate) fn first_cell(row: i64) -> i64 {
    row * MAX_COLUMNS
}

/// Opens the file. With `create`, creates it if necessary; else `None` if it does not exist.
pub(crate) fn open(path: &Path, create: bool) -> Result<Option<Connection>, rusqlite::Error> {
    if !create && !path.exists() {
        return Ok(None);
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    if create && is_empty(&connection)? {
        connection.pragma_update(None, "page_size", 16384)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if is_empty(&transaction)? {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()?;
    }
    let header = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if (header("application_id")?, header("user_version")?) != (APPLICATION_ID, VERSION) {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
        let reason =
            String::from("the file is not a science database of this version: set science_db.path to another file");
        return Err(rusqlite::Error::SqliteFailure(code, Some(reason)));
    }
    connection.pragma_update(None, "synchronous", "normal")?;
    // KiB. Each of the half dozen sessions of a service has its own cache, and the page cache of the system holds the file anyway.
    connection.pragma_update(None, "cache_size", -4096)?;
    Ok(Some(connection))
}

fn is_empty(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// The id of a table; `None` if it does not exist.
pub(crate) fn table_id(transaction: &Transaction<'_>, name: &str) -> Result<Option<i64>, rusqlite::Error> {
    let mut statement = transaction.prepare_cached("SELECT id FROM science_table WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// Refuses column families that the table does not have, as HBase does.
pub(crate) fn check_families<'a>(
    transaction: &Transaction<'_>,
    table: i64,
    families: impl Iterator<Item = &'a str>,
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached("SELECT name FROM family WHERE table_id = ?1")?;
    let known = statement.query_map([table], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for family in families {
        if !known.iter().any(|known| known == family) {
            return Err(StoreError::NoFamily(family.to_owned()));
        }
    }
    Ok(())
}
