//! The requests that carry many columns or cells, written straight from the caller's data.
//!
//! Field numbers are those of HBase's `hbase.thrift`.

use crate::science_db::gateway::Request;
use crate::science_db::row::Columns;
use crate::science_db::{Put, Scan};

/// `TReadType.STREAM`: read store files from front to back.
const STREAM: i32 = 2;

/// The columns as field `id`, a list of `TColumn`.
pub fn columns(columns: &Columns, id: i16) -> Request {
    let mut list = Request::default();
    list.list_field(id, columns.len());
    for (family, qualifier) in columns.names() {
        list.string_field(1, family.as_bytes());
        list.string_field(2, qualifier.as_bytes());
        list.stop();
    }
    list
}

/// `getScannerResults`: at most `rows` rows from `start` on. The server's scanner is open for this one call.
pub fn scan(table: &[u8], scan: &Scan<'_>, start: &[u8], rows: usize) -> Request {
    let rows = i32::try_from(rows).unwrap_or(i32::MAX);
    let mut request = Request::call(SCAN);
    request.string_field(1, table);
    request.struct_field(2);
    request.string_field(1, start);
    request.string_field(2, &scan.keys.end);
    request.append(&columns(scan.columns, 3));
    request.int_field(4, rows);
    request.struct_field(6);
    request.long_field(1, scan.window.from());
    request.long_field(2, scan.window.until());
    request.stop();
    request.bool_field(12, false);
    request.int_field(14, STREAM);
    request.int_field(15, rows);
    request.stop();
    request.int_field(3, rows);
    request.stop();
    request
}

/// The method that [`scan`] calls.
pub const SCAN: &str = "getScannerResults";

/// `getMultiple`.
pub fn get(table: &[u8], keys: &[&[u8]], asked: &Columns) -> Request {
    let asked = columns(asked, 2);
    let mut request = Request::call(GET);
    request.string_field(1, table);
    request.list_field(2, keys.len());
    for key in keys {
        request.string_field(1, key);
        request.append(&asked);
        request.stop();
    }
    request.stop();
    request
}

/// The method that [`get`] calls.
pub const GET: &str = "getMultiple";

/// `putMultiple`.
pub fn put(table: &[u8], puts: &[Put]) -> Request {
    let mut request = Request::call(PUT);
    request.string_field(1, table);
    request.list_field(2, puts.len());
    for put in puts {
        request.string_field(1, &put.key);
        request.list_field(2, put.cells.len());
        for cell in &put.cells {
            request.string_field(1, cell.family.as_bytes());
            request.string_field(2, cell.qualifier.as_bytes());
            request.string_field(3, &cell.value);
            request.stop();
        }
        if let Some(timestamp) = put.timestamp {
            request.long_field(3, timestamp);
        }
        request.stop();
    }
    request.stop();
    request
}

/// The method that [`put`] calls.
pub const PUT: &str = "putMultiple";
