//! The science database: a table of rows that can be scanned by time window.
//!
//! Three stores speak [`ScienceDb`]: HBase through a Thrift 2 gateway, HBase through a Thrift 1 gateway, and an
//! embedded SQLite file. All follow HBase's meaning of rows, cells and timestamps.

mod embedded;
mod gateway;
mod open;
mod thrift1;
mod thrift2;

pub use embedded::Embedded;
pub use gateway::Timeouts;
pub use open::{Sessions, open, open_session};
pub use thrift1::Thrift1;
pub use thrift2::Thrift2;

use std::sync::Arc;

use crate::row::{Columns, Rows};
use crate::window::Window;

/// Says whether the caller of a session has given up. A session asks it several times a second while it waits for a server.
pub type Cancel = Arc<dyn Fn() -> bool + Send + Sync>;

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
    /// the caller gave up while the server was waited for
    #[error("gave up waiting for the science database at {address}")]
    Cancelled {
        /// `host:port`
        address: String,
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

/// One session with one table of the science database; each thread has its own. After an error it may be used again.
///
/// Every call may give [`ScienceDbError::Cancelled`] where the session was opened with a [`Cancel`] that says so.
///
/// Rows, cells and timestamps mean what they mean in HBase: of each cell the newest version counts, and one written with an older
/// timestamp than the present one is not seen; a delete hides everything in the row up to the server's clock, what is written with a later
/// timestamp is seen again. Keys are ordered as bytes. To read or write a column family that the table does not have is refused.
pub trait ScienceDb: Send {
    /// The regions of the table, ascending, together covering every key.
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError>;

    /// Reads one page of `scan` into `rows` (cleared first), beginning after the row `after`, or at the start.
    /// `false`: there are no further rows; `true`: there may be, and the page holds at least one, whose key is where to go on.
    /// Nothing of the scan's state is the caller's to keep but the last key. A page of very large rows ends before `scan.page` of them.
    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError>;

    /// Reads the newest cells of the rows `keys` into `rows` (cleared first). Rows that have none of the columns are left out;
    /// the others come in the order of `keys`. All must fit into 4 GB.
    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError>;

    /// Writes rows. Each of them is written as a whole or not at all; after an error, some may have been written and some not. A failed
    /// connection is not a reason to write rows without a timestamp a second time: the error says so, and the caller decides.
    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError>;

    /// Deletes whole rows.
    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError>;

    /// Creates the table; `false` where it is there already.
    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError>;
}

/// A page ends with the row that takes it past this many bytes.
const PAGE_BYTES: usize = 64 << 20;

/// The first key that a page may hold.
fn start_after(scan: &Scan<'_>, after: Option<&[u8]>) -> Vec<u8> {
    match after {
        Some(key) if key >= scan.keys.start.as_slice() => [key, &[0]].concat(),
        _ => scan.keys.start.clone(),
    }
}

/// The ranges between the first keys of regions, given in any order: whatever the regions do meanwhile, these cover every key once.
fn key_ranges_from(mut starts: Vec<Vec<u8>>) -> Vec<KeyRange> {
    starts.push(Vec::new());
    starts.sort();
    starts.dedup();
    let ends = starts.iter().skip(1).cloned().chain([Vec::new()]);
    starts.iter().cloned().zip(ends).map(|(start, end)| KeyRange { start, end }).collect()
}

/// Says what HBase would refuse, in clearer words than it has.
fn check_puts(puts: &[Put]) -> Result<(), String> {
    for put in puts {
        let key = put.key.escape_ascii();
        if put.key.is_empty() {
            return Err(String::from("a row to write has no key"));
        }
        if put.cells.is_empty() {
            return Err(format!("no cells to write to row \"{key}\""));
        }
        if let Some(timestamp) = put.timestamp.filter(|timestamp| *timestamp < 0) {
            return Err(format!("row \"{key}\" to be written at the negative timestamp {timestamp}"));
        }
    }
    Ok(())
}

/// Cuts `puts` into runs of about `most` bytes of values.
fn put_batches(puts: &[Put], most: usize) -> impl Iterator<Item = &[Put]> {
    let mut bytes = 0;
    puts.chunk_by(move |put, _| {
        bytes += put.cells.iter().map(|cell| cell.value.len()).sum::<usize>();
        let goes_on = bytes < most;
        if !goes_on {
            bytes = 0;
        }
        goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ranges_cover_everything_whatever_the_regions_say() {
        let range = |start: &[u8], end: &[u8]| KeyRange { start: start.to_vec(), end: end.to_vec() };
        assert_eq!(key_ranges_from(Vec::new()), [range(b"", b"")]);
        let starts = [b"m".as_slice(), b"", b"c", b"m"].map(<[u8]>::to_vec).to_vec();
        assert_eq!(key_ranges_from(starts), [range(b"", b"c"), range(b"c", b"m"), range(b"m", b"")]);
    }

    #[test]
    fn scan_resumes_behind_the_last_key_and_never_before_its_range() {
        let columns = Columns::new(Vec::new());
        let keys = KeyRange { start: b"m".to_vec(), end: Vec::new() };
        let scan = Scan { keys, window: Window::ALL, columns: &columns, page: 1 };
        assert_eq!(start_after(&scan, None), b"m");
        assert_eq!(start_after(&scan, Some(b"a")), b"m");
        assert_eq!(start_after(&scan, Some(b"m")), b"m\0");
    }

    #[test]
    fn puts_are_cut_by_size_and_none_is_lost() {
        let put = |len: usize| Put {
            key: vec![len as u8],
            timestamp: None,
            cells: vec![PutCell { family: String::from("i"), qualifier: String::from("a"), value: vec![0; len] }],
        };
        let puts = [10, 10, 10, 100, 1, 1].map(put);
        let sizes: Vec<usize> = put_batches(&puts, 20).map(<[Put]>::len).collect();
        assert_eq!(sizes, [2, 2, 2]);
        assert_eq!(put_batches(&[], 20).count(), 0);
    }
}
