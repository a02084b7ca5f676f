//! The requests, written straight from the caller's data.
//!
//! Methods, argument numbers and field numbers are those of HBase's hbase.thrift; those of the rows are in the hbase.thrift beside this file.

use std::collections::BTreeSet;

use crate::row::Columns;
use crate::science_db::gateway::Request;
use crate::science_db::{FAMILY_CONFIGURATION, Put, Scan, TABLE_ATTRIBUTES};

/// The columns as field `id`, a list of `TColumn`: each column, or the families of the columns.
fn columns(columns: &Columns, families: bool, id: i16) -> Request {
    let mut list = Request::default();
    if families {
        let families: BTreeSet<&str> = columns.requested().map(|(family, _)| family).collect();
        list.struct_list_field(id, families.len());
        for family in families {
            list.string_field(1, family.as_bytes());
            list.stop();
        }
        return list;
    }
    list.struct_list_field(id, columns.requested().count());
    for (family, qualifier) in columns.requested() {
        list.string_field(1, family.as_bytes());
        list.string_field(2, qualifier.as_bytes());
        list.stop();
    }
    list
}

/// `getScannerResults`: at most `rows` rows from the key `start` on, with the columns or their whole families. The server opens, reads and
/// closes its scanner within this call.
pub(crate) fn scan(table: &str, scan: &Scan<'_>, start: &[u8], rows: usize, families: bool) -> Request {
    let rows = i32::try_from(rows).unwrap_or(i32::MAX);
    let mut request = Request::call("getScannerResults");
    request.string_field(1, table.as_bytes());
    request.struct_field(2);
    request.string_field(1, start);
    request.string_field(2, &scan.keys.end);
    request.append(&columns(scan.columns, families, 3));
    request.int_field(4, rows);
    request.struct_field(6);
    request.long_field(1, scan.window.from().as_millis());
    request.long_field(2, scan.window.until().as_millis());
    request.stop();
    request.bool_field(12, false);
    request.int_field(15, rows);
    request.stop();
    request.int_field(3, rows);
    request.stop();
    request
}

/// `getMultiple`, with the columns or their whole families.
pub(crate) fn get(table: &str, keys: &[&[u8]], asked: &Columns, families: bool) -> Request {
    let asked = columns(asked, families, 2);
    let mut request = Request::call("getMultiple");
    request.string_field(1, table.as_bytes());
    request.struct_list_field(2, keys.len());
    for key in keys {
        request.string_field(1, key);
        request.append(&asked);
        request.stop();
    }
    request.stop();
    request
}

/// `putMultiple`.
pub(crate) fn put(table: &str, puts: &[Put]) -> Request {
    let mut request = Request::call("putMultiple");
    request.string_field(1, table.as_bytes());
    request.struct_list_field(2, puts.len());
    for put in puts {
        request.string_field(1, &put.key);
        request.struct_list_field(2, put.cells.len());
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

/// `deleteMultiple`: whole rows.
pub(crate) fn delete(table: &str, keys: &[&[u8]]) -> Request {
    let mut request = Request::call("deleteMultiple");
    request.string_field(1, table.as_bytes());
    request.struct_list_field(2, keys.len());
    for key in keys {
        request.string_field(1, key);
        request.stop();
    }
    request.stop();
    request
}

/// `getAllRegionLocations`.
pub(crate) fn regions(table: &str) -> Request {
    let mut request = Request::call("getAllRegionLocations");
    request.string_field(1, table.as_bytes());
    request.stop();
    request
}

/// `tableExists`.
pub(crate) fn table_exists(table: &str) -> Request {
    let mut request = Request::call("tableExists");
    table_name(&mut request, table);
    request.stop();
    request
}

/// `listNamespaces`.
pub(crate) fn list_namespaces() -> Request {
    let mut request = Request::call("listNamespaces");
    request.stop();
    request
}

/// `createNamespace`.
pub(crate) fn create_namespace(name: &str) -> Request {
    let mut request = Request::call("createNamespace");
    request.struct_field(1);
    request.string_field(1, name.as_bytes());
    request.stop();
    request.stop();
    request
}

/// `createTable`: each family keeps one version of a cell.
pub(crate) fn create_table(table: &str, families: &[String], splits: &[Vec<u8>]) -> Request {
    let mut request = Request::call("createTable");
    request.struct_field(1);
    table_name(&mut request, table);
    request.struct_list_field(2, families.len());
    for family in families {
        request.string_field(1, family.as_bytes());
        request.string_map_field(3, &FAMILY_CONFIGURATION);
        request.int_field(10, 1);
        request.stop();
    }
    request.string_map_field(3, &TABLE_ATTRIBUTES);
    request.stop();
    request.string_list_field(2, splits.len());
    for split in splits {
        request.string(split);
    }
    request.stop();
    request
}

/// `getThriftServerType`.
pub(crate) fn server_type() -> Request {
    let mut request = Request::call("getThriftServerType");
    request.stop();
    request
}

/// A `TTableName` as field 1.
fn table_name(request: &mut Request, table: &str) {
    request.struct_field(1);
    let name = match table.split_once(':') {
        Some((namespace, name)) => {
            request.string_field(1, namespace.as_bytes());
            name
        }
        None => table,
    };
    request.string_field(2, name.as_bytes());
    request.stop();
}

#[cfg(test)]
mod tests {
    use thrift::protocol::{TBinaryInputProtocol, TInputProtocol, TMessageType, TSerializable, TType};

    use super::super::idl;
    use super::*;
    use crate::science_db::{KeyRange, PutCell};
    use crate::timestamp::Timestamp;
    use crate::window::Window;

    fn asked() -> Columns {
        Columns::new(vec![("i".into(), "a".into()), ("d".into(), String::new())])
    }

    fn idl_columns() -> Vec<idl::TColumn> {
        let column = |family: &[u8], qualifier: &[u8]| idl::TColumn::new(family.to_vec(), qualifier.to_vec());
        vec![column(b"i", b"a"), column(b"d", b"")]
    }

    /// Opens a request and reads its first argument, the table.
    fn open<'a>(request: &'a Request, method: &str) -> TBinaryInputProtocol<&'a [u8]> {
        let mut input = TBinaryInputProtocol::new(request.bytes(), true);
        let head = input.read_message_begin().unwrap();
        assert_eq!((head.name.as_str(), head.message_type), (method, TMessageType::Call));
        assert_eq!(request.method(), method);
        argument(&mut input, TType::String, 1);
        assert_eq!(input.read_bytes().unwrap(), b"ns:t");
        input
    }

    fn argument(input: &mut TBinaryInputProtocol<&[u8]>, kind: TType, id: i16) {
        let field = input.read_field_begin().unwrap();
        assert_eq!((field.field_type, field.id), (kind, Some(id)));
    }

    fn list<T: TSerializable>(input: &mut TBinaryInputProtocol<&[u8]>) -> Vec<T> {
        argument(input, TType::List, 2);
        let count = input.read_list_begin().unwrap().size;
        let all = (0..count).map(|_| T::read_from_in_protocol(input).unwrap()).collect();
        close(input);
        all
    }

    fn close(input: &mut TBinaryInputProtocol<&[u8]>) {
        assert_eq!(input.read_field_begin().unwrap().field_type, TType::Stop);
        assert!(input.transport.is_empty());
    }

    #[test]
    fn generated_code_reads_scan() {
        let columns = asked();
        let keys = KeyRange { start: b"a".to_vec(), end: b"z".to_vec() };
        let window = Window::new(Timestamp::from_millis(3), Timestamp::from_millis(9)).unwrap();
        let ask = Scan { keys, window, columns: &columns, page: 50 };
        let request = scan("ns:t", &ask, b"m\0", 40, false);
        let mut input = open(&request, "getScannerResults");
        argument(&mut input, TType::Struct, 2);
        let read = idl::TScan::read_from_in_protocol(&mut input).unwrap();
        assert_eq!(read.start_row.as_deref(), Some(b"m\0".as_slice()));
        assert_eq!(read.stop_row.as_deref(), Some(b"z".as_slice()));
        assert_eq!(read.columns, Some(idl_columns()));
        assert_eq!(read.time_range, Some(idl::TTimeRange::new(3, 9)));
        assert_eq!((read.caching, read.limit, read.cache_blocks), (Some(40), Some(40), Some(false)));
        argument(&mut input, TType::I32, 3);
        assert_eq!(input.read_i32().unwrap(), 40);
        close(&mut input);
    }

    #[test]
    fn generated_code_reads_gets() {
        let request = get("ns:t", &[b"one", b"\0\xff"], &asked(), false);
        let read: Vec<idl::TGet> = list(&mut open(&request, "getMultiple"));
        assert_eq!(read.iter().map(|get| get.row.as_slice()).collect::<Vec<_>>(), [b"one".as_slice(), b"\0\xff"]);
        assert!(read.iter().all(|get| get.columns == Some(idl_columns()) && get.time_range.is_none()));

        let request = get("ns:t", &[b"one"], &asked(), true);
        let read: Vec<idl::TGet> = list(&mut open(&request, "getMultiple"));
        let family = |name: &[u8]| idl::TColumn::new(name.to_vec(), None);
        assert_eq!(read[0].columns, Some(vec![family(b"d"), family(b"i")]));
    }

    #[test]
    fn generated_code_reads_puts() {
        let cell = |value: &[u8]| PutCell { family: "i".into(), qualifier: "a".into(), value: value.to_vec() };
        let puts = [
            Put { key: b"one".to_vec(), timestamp: Some(7), cells: vec![cell(b"x"), cell(b"")] },
            Put { key: b"two".to_vec(), timestamp: None, cells: Vec::new() },
        ];
        let request = put("ns:t", &puts);
        let read: Vec<idl::TPut> = list(&mut open(&request, "putMultiple"));
        let value =
            |value: &[u8]| idl::TColumnValue::new(b"i".to_vec(), b"a".to_vec(), value.to_vec(), None, None, None);
        let one = idl::TPut::new(b"one".to_vec(), vec![value(b"x"), value(b"")], 7);
        assert_eq!(read, [one, idl::TPut::new(b"two".to_vec(), vec![], None)]);
    }
}
