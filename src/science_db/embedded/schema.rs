//! The SQLite file of the embedded store: its tables, and how it is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

/// `fink` in ASCII, in the file's header.
const APPLICATION_ID: i32 = 0x6669_6e6b;
const VERSION: i32 = 1;
/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// A table has at most this many columns: their number is the low 16 bits of a cell's id.
pub const MAX_COLUMNS: i64 = 1 << 16;

/// A cell's id puts the cells of a row side by side, in the order of the columns' numbers. A row with no visible cell has `newest` -1;
/// `deleted` is the timestamp up to which its cells are hidden, -1 for none. `oldest` and `newest` are bounds, not always reached.
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

/// The first cell id of a row.
pub fn first_cell(row: i64) -> i64 {
    row * MAX_COLUMNS
}

/// Opens the file; `Ok(None)` where there is none and `create` is not asked for.
///
/// # Errors
/// What went wrong, in words.
pub fn open(path: &Path, create: bool) -> Result<Option<Connection>, rusqlite::Error> {
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
        let reason = String::from("the file is not a science database of this version: name another path");
        return Err(rusqlite::Error::SqliteFailure(code, Some(reason)));
    }
    connection.pragma_update(None, "synchronous", "normal")?;
    // KiB. Each session has its own and a distribution has half a dozen; what is read twice the system's cache has.
    connection.pragma_update(None, "cache_size", -4096)?;
    Ok(Some(connection))
}

fn is_empty(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}
