//! The science database: a table of rows that can be scanned by time window.
//!
//! Three stores speak [`ScienceDb`]: HBase through a Thrift 2 gateway, HBase through a Thrift 1 gateway, and an
//! embedded SQLite file. All follow HBase's meaning of rows, cells and timestamps.

mod row;

pub use row::{Cell, Columns, Row, Rows, RowsBuilder};

use crate::window::Window;

/// A stretch of row keys, `[start, end)`; an empty `end` has no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// first key
    pub start: Vec<u8>,
    /// first key after the range; empty: no bound
    pub end: Vec<u8>,
}

/// What a scan reads.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    /// row keys
    pub keys: KeyRange,
    /// cell timestamps, ms since 1970; only cells inside the window are returned
    pub window: Window,
    /// the columns; rows that have none of them in the window are left out
    pub columns: &'a Columns,
    /// most rows in one page
    pub page: usize,
}

/// One cell to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutCell {
    /// column family
    pub family: String,
    /// qualifier within the family
    pub qualifier: String,
    /// the cell's bytes
    pub value: Vec<u8>,
}

/// Cells of one row to write, all at one timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// row key
    pub key: Vec<u8>,
    /// ms since 1970; `None`: the server's clock
    pub timestamp: Option<i64>,
    /// the cells
    pub cells: Vec<PutCell>,
}

/// A table to create.
#[derive(Clone, Debug)]
pub struct NewTable {
    /// column families
    pub families: Vec<String>,
    /// keys at which the table is split from the start, ascending
    pub splits: Vec<Vec<u8>>,
}

/// What can go wrong between `fink` and the science database.
#[derive(Debug, thiserror::Error)]
pub enum ScienceDbError {
    /// no answer; worth another try later
    #[error("cannot reach the science database at {address}: {reason}")]
    Unreachable {
        /// `host:port` or path
        address: String,
        /// what happened
        reason: String,
    },
    /// the table is not there
    #[error(
        "the science database at {address} has no table `{table}`: create it with `fink ingest`, or name the right one in the catalog"
    )]
    NoTable {
        /// `host:port` or path
        address: String,
        /// namespace:name
        table: String,
    },
    /// something else answers at this address
    #[error(
        "{address} is a Thrift {found} server, but science_db.kind = \"{wanted}\" was asked for: set kind = \"thrift{found}\" or start the other gateway"
    )]
    WrongServer {
        /// `host:port`
        address: String,
        /// thrift1 or thrift2
        wanted: &'static str,
        /// the version that answers: 1 or 2
        found: u8,
    },
    /// the server refused the request, or answered what cannot be understood
    #[error("the science database at {address} refused: {reason}")]
    Refused {
        /// `host:port` or path
        address: String,
        /// the server's words
        reason: String,
    },
}

impl ScienceDbError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// One session with one table of the science database; each thread has its own.
pub trait ScienceDb: Send {
    /// The regions of the table, ascending, together covering every key.
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError>;

    /// Reads one page of `scan` into `rows` (cleared first), beginning after the row `after`, or at the start.
    /// `false`: there are no further rows. Nothing of the scan's state is the caller's to keep but the last key.
    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError>;

    /// Reads the newest cells of the rows `keys` into `rows` (cleared first). Rows that have none of the columns are left out;
    /// the others come in the order of `keys`.
    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError>;

    /// Writes rows.
    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError>;

    /// Deletes whole rows.
    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError>;

    /// Creates the table; `false` where it is there already.
    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError>;
}
