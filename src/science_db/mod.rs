//! The science database: a table of rows that can be scanned by time window.
//!
//! [`ScienceDb`] has four implementations: HBase, called directly or through Thrift 2 or Thrift 1 gateways, and an embedded SQLite file.
//! Rows, cells and timestamps mean in all of them what they mean in HBase.

mod embedded;
mod family_scan;
mod gateway;
pub(crate) mod hbase;
mod java_exception;
mod open;
mod placeholders;
mod replication;
mod settings;
mod stream;
mod thrift1;
mod thrift2;
mod timeouts;

pub use hbase::HBaseTableAdmin;
pub use open::{Sessions, open};
pub use replication::ReplicationSettings;
pub(crate) use replication::{
    Delivery, Peer, PeerAdmin, ReplicationSink, ReplicationSinkError, SourceStatus, TriggerColumn, ZooKeeperSession,
    registered_sinks,
};
pub use settings::{CompleteRows, HBaseProtocol, HBaseTlsSettings, RowPrefixes, ScienceDbSettings, StoreKind};
pub use timeouts::Timeouts;

use crate::row::{Columns, Rows};
use crate::window::Window;

/// The row keys `[start, end)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// first key
    pub start: Vec<u8>,
    /// first key after the range; empty: no upper bound
    pub end: Vec<u8>,
}

/// What a scan reads.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    /// the row keys
    pub keys: KeyRange,
    /// the cell timestamps; cells outside the window are not returned
    pub window: Window,
    /// the columns; rows with none of them in the window are not returned
    pub columns: &'a Columns,
    /// maximum number of rows in a page
    pub page: usize,
}

/// One cell to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutCell {
    /// column family
    pub family: String,
    /// column qualifier
    pub qualifier: String,
    /// the bytes of the cell
    pub value: Vec<u8>,
}

/// Cells of one row to write, all with the same timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// row key
    pub key: Vec<u8>,
    /// ms since 1970; `None`: by the server's clock
    pub timestamp: Option<i64>,
    /// the cells
    pub cells: Vec<PutCell>,
}

/// A table to create.
#[derive(Clone, Debug)]
pub struct NewTable {
    /// column families
    pub families: Vec<String>,
    /// start keys of all regions but the first, ascending
    pub splits: Vec<Vec<u8>>,
}

/// An error of the science database.
#[derive(Debug, thiserror::Error)]
pub enum ScienceDbError {
    /// no server answers, or HBase is not available now; a later call may succeed
    #[error("cannot reach the science database at {address}: {reason}")]
    Unreachable {
        /// `host:port` or path
        address: String,
        /// what failed
        reason: String,
    },
    /// the table does not exist
    #[error(
        "the science database at {address} has no table `{table}`: create it with `fink ingest`, or correct science_db.table or the catalog"
    )]
    NoTable {
        /// `host:port` or path
        address: String,
        /// namespace:name
        table: String,
    },
    /// the server has the other Thrift interface
    #[error(
        "{address} is a Thrift {found} gateway, but science_db.kind is \"{wanted}\": set kind = \"thrift{found}\" or start the other gateway"
    )]
    WrongServer {
        /// `host:port`
        address: String,
        /// the configured kind, `thrift1` or `thrift2`
        wanted: &'static str,
        /// version of the server's interface: 1 or 2
        found: u8,
    },
    /// the table does not have a column family that was asked for
    #[error(
        "the science database at {address} refused the request: the table has no column family `{family}`: use the catalog of this table, or another table"
    )]
    NoFamily {
        /// `host:port`
        address: String,
        /// its name
        family: String,
    },
    /// the session was cancelled while it waited for the server
    #[error("cancelled while waiting for the science database at {address}")]
    Cancelled {
        /// `host:port`
        address: String,
    },
    /// the server refused the request, or its reply cannot be decoded
    #[error("the science database at {address} refused the request: {reason}")]
    Refused {
        /// `host:port` or path
        address: String,
        /// what the server answered
        reason: String,
    },
}

impl ScienceDbError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// A session with one table of the science database, for one thread. It can be used again after an error.
///
/// Each call fails with [`ScienceDbError::Cancelled`] once the session's token is cancelled.
///
/// A read returns the newest version of each cell; a cell written with an older timestamp than the present one is never returned. A delete
/// hides the cells of a row with timestamps up to the server's clock; cells written with a later timestamp are returned again. Keys are
/// ordered as bytes. Reads and writes of a column family that the table does not have are refused, but for reads of a column without a
/// qualifier that is the only one of its family, which is null then: Fink's writer adds one to each catalog.
pub trait ScienceDb: Send {
    /// The regions of the table, in ascending order. Together they cover all keys.
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError>;

    /// The servers of the regions, `host:port`, as HBase names them; one may appear more than once. Empty where the store has none.
    fn servers(&mut self) -> Result<Vec<String>, ScienceDbError> {
        Ok(Vec::new())
    }

    /// Reads one page of `scan` into `rows` (cleared first): the rows after the key `after`, or from the start of the scan. Returns whether
    /// there may be more rows. If so, the page has at least one row; pass the key of its last row as `after` to read the next page. A page
    /// of large rows has fewer than `scan.page`.
    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError>;

    /// Reads the newest cells of the rows `keys` into `rows` (cleared first), in the order of `keys`. Rows with none of the columns are left
    /// out. All rows together must be smaller than 4 GB.
    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError>;

    /// Writes rows. Each row is written as a whole or not at all; after an error, some rows may have been written. Writes without a
    /// timestamp are not idempotent: they are not repeated when the connection fails, and the error says that they may have been done.
    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError>;

    /// Deletes whole rows.
    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError>;

    /// Creates the table. Returns `false` if it exists already.
    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError>;
}

/// Settings of a new column family. Date-tiered compaction keeps the cells of one time span in one file, so a scan of a time window does not
/// read the others (<https://hbase.apache.org/book.html>, "Date Tiered Compaction"). It needs more files than HBase's limit of 16 allows.
const FAMILY_CONFIGURATION: [(&str, &str); 2] = [
    ("hbase.hstore.engine.class", "org.apache.hadoop.hbase.regionserver.DateTieredStoreEngine"),
    ("hbase.hstore.blockingStoreFiles", "60"),
];

/// Attributes of a new table. By default HBase flushes only the large families of a full region, so that the small cells of the trigger stay in
/// memory for hundreds of thousands of rows, all of which each look reads (docs/benchmarks.md).
const TABLE_ATTRIBUTES: [(&str, &str); 1] =
    [("FLUSH_POLICY", "org.apache.hadoop.hbase.regionserver.FlushAllStoresPolicy")];

/// A page ends with the row that takes it past this number of bytes.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// What a read fails with whose rows do not fit into one page.
const TOO_LARGE: &str = "more than 4 GB in one read: ask for fewer rows";

/// The first key of the page after the row `after`.
fn start_after(scan: &Scan<'_>, after: Option<&[u8]>) -> Vec<u8> {
    match after {
        Some(key) if key >= scan.keys.start.as_slice() => [key, &[0]].concat(),
        _ => scan.keys.start.clone(),
    }
}

/// The ranges between the start keys of regions, which may be in any order. They cover each key once, even if a region was split or merged
/// while its start keys were listed.
fn key_ranges_from(mut starts: Vec<Vec<u8>>) -> Vec<KeyRange> {
    starts.push(Vec::new());
    starts.sort();
    starts.dedup();
    let ends = starts.iter().skip(1).cloned().chain([Vec::new()]);
    starts.iter().cloned().zip(ends).map(|(start, end)| KeyRange { start, end }).collect()
}

/// Refuses what HBase would refuse with a less clear error.
fn check_puts(puts: &[Put]) -> Result<(), String> {
    for put in puts {
        let key = put.key.escape_ascii();
        if put.key.is_empty() {
            return Err(String::from("a row to write has an empty key"));
        }
        if put.cells.is_empty() {
            return Err(format!("row \"{key}\" has no cells to write"));
        }
        // The longest that Thrift can announce.
        if let Some(cell) = put.cells.iter().find(|cell| i32::try_from(cell.value.len()).is_err()) {
            let (family, qualifier) = (&cell.family, &cell.qualifier);
            return Err(format!("cell `{family}:{qualifier}` of row \"{key}\" is larger than 2 GB"));
        }
        if let Some(timestamp) = put.timestamp.filter(|timestamp| *timestamp < 0) {
            return Err(format!("row \"{key}\" has the negative timestamp {timestamp}"));
        }
    }
    Ok(())
}

/// Splits `puts` into batches that end with the row that takes them to `max_bytes` of values.
fn put_batches(puts: &[Put], max_bytes: usize) -> impl Iterator<Item = &[Put]> {
    let mut bytes = 0;
    puts.chunk_by(move |put, _| {
        bytes += put.cells.iter().map(|cell| cell.value.len()).sum::<usize>();
        let has_room = bytes < max_bytes;
        if !has_room {
            bytes = 0;
        }
        has_room
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ranges_cover_all_keys_for_any_regions() {
        let range = |start: &[u8], end: &[u8]| KeyRange { start: start.to_vec(), end: end.to_vec() };
        assert_eq!(key_ranges_from(Vec::new()), [range(b"", b"")]);
        let starts = [b"m".as_slice(), b"", b"c", b"m"].map(<[u8]>::to_vec).to_vec();
        assert_eq!(key_ranges_from(starts), [range(b"", b"c"), range(b"c", b"m"), range(b"m", b"")]);
    }

    #[test]
    fn scan_resumes_after_the_last_key_and_never_before_its_range() {
        let columns = Columns::new(Vec::new());
        let keys = KeyRange { start: b"m".to_vec(), end: Vec::new() };
        let scan = Scan { keys, window: Window::ALL, columns: &columns, page: 1 };
        assert_eq!(start_after(&scan, None), b"m");
        assert_eq!(start_after(&scan, Some(b"a")), b"m");
        assert_eq!(start_after(&scan, Some(b"m")), b"m\0");
    }

    #[test]
    fn puts_are_split_by_size_and_none_is_lost() {
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
