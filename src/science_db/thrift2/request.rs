//! The requests that carry many columns or cells, written straight from the caller's data.
//!
//! Field numbers are those of HBase's `hbase.thrift`.

use std::collections::BTreeSet;

use crate::row::Columns;
use crate::science_db::gateway::Request;
use crate::science_db::{Put, Scan};

/// The columns as field `id`, a list of `TColumn`: one by one, or the whole of their families.
fn columns(columns: &Columns, whole: bool, id: i16) -> Request {
    let mut list = Request::default();
    if whole {
        let families: BTreeSet<&str> = columns.names().map(|(family, _)| family).collect();
        list.list_field(id, families.len());
        for family in families {
            list.string_field(1, family.as_bytes());
            list.stop();
        }
        return list;
    }
    list.list_field(id, columns.len());
    for (family, qualifier) in columns.names() {
        list.string_field(1, family.as_bytes());
        list.string_field(2, qualifier.as_bytes());
        list.stop();
    }
    list
}

/// `getScannerResults`: at most `rows` rows from `start` on, of the columns or the `whole` of their families. The server's scanner is open
/// for this one call.
pub fn scan(table: &[u8], scan: &Scan<'_>, start: &[u8], rows: usize, whole: bool) -> Request {
    let rows = i32::try_from(rows).unwrap_or(i32::MAX);
    let mut request = Request::call(SCAN);
    request.string_field(1, table);
    request.struct_field(2);
    request.string_field(1, start);
    request.string_field(2, &scan.keys.end);
    request.append(&columns(scan.columns, whole, 3));
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

/// The method that [`scan`] calls.
pub const SCAN: &str = "getScannerResults";

/// `getMultiple`, of the columns or the `whole` of their families.
pub fn get(table: &[u8], keys: &[&[u8]], asked: &Columns, whole: bool) -> Request {
    let asked = columns(asked, whole, 2);
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

#[cfg(test)]
mod tests {
    use thrift::protocol::{TBinaryInputProtocol, TInputProtocol, TMessageType, TSerializable, TType};

    use super::super::idl;
    use super::*;
    use crate::science_db::{KeyRange, PutCell};
    use crate::window::Window;

    fn asked() -> Columns {
        Columns::new(vec![("i".into(), "a".into()), ("d".into(), String::new())])
    }

    fn idl_columns() -> Vec<idl::TColumn> {
        let column = |family: &[u8], qualifier: &[u8]| idl::TColumn::new(family.to_vec(), qualifier.to_vec(), None);
        vec![column(b"i", b"a"), column(b"d", b"")]
    }

    /// Opens a call of `method` and reads its first argument, the table.
    fn open<'a>(request: &'a Request, method: &str) -> TBinaryInputProtocol<&'a [u8]> {
        let mut input = TBinaryInputProtocol::new(request.bytes(), true);
        let head = input.read_message_begin().unwrap();
        assert_eq!((head.name.as_str(), head.message_type), (method, TMessageType::Call));
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
    fn scan_says_what_the_generated_code_would() {
        let columns = asked();
        let keys = KeyRange { start: b"a".to_vec(), end: b"z".to_vec() };
        let ask = Scan {
            keys,
            window: Window::new(
                crate::timestamp::Timestamp::from_millis(3),
                crate::timestamp::Timestamp::from_millis(9),
            )
            .unwrap(),
            columns: &columns,
            page: 50,
        };
        let request = scan(b"ns:t", &ask, b"m\0", 40, false);
        let mut input = open(&request, SCAN);
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
    fn gets_say_what_the_generated_code_would() {
        let request = get(b"ns:t", &[b"one", b"\0\xff"], &asked(), false);
        let read: Vec<idl::TGet> = list(&mut open(&request, GET));
        assert_eq!(read.iter().map(|get| get.row.as_slice()).collect::<Vec<_>>(), [b"one".as_slice(), b"\0\xff"]);
        assert!(read.iter().all(|get| get.columns == Some(idl_columns()) && get.time_range.is_none()));

        let request = get(b"ns:t", &[b"one"], &asked(), true);
        let read: Vec<idl::TGet> = list(&mut open(&request, GET));
        let family = |name: &[u8]| idl::TColumn::new(name.to_vec(), None, None);
        assert_eq!(read[0].columns, Some(vec![family(b"d"), family(b"i")]));
    }

    #[test]
    fn puts_say_what_the_generated_code_would() {
        let cell = |value: &[u8]| PutCell { family: "i".into(), qualifier: "a".into(), value: value.to_vec() };
        let puts = [
            Put { key: b"one".to_vec(), timestamp: Some(7), cells: vec![cell(b"x"), cell(b"")] },
            Put { key: b"two".to_vec(), timestamp: None, cells: Vec::new() },
        ];
        let request = put(b"ns:t", &puts);
        let read: Vec<idl::TPut> = list(&mut open(&request, PUT));
        let value =
            |value: &[u8]| idl::TColumnValue::new(b"i".to_vec(), b"a".to_vec(), value.to_vec(), None, None, None);
        let one = idl::TPut::new(b"one".to_vec(), vec![value(b"x"), value(b"")], 7, None, None, None);
        assert_eq!(read, [one, idl::TPut::new(b"two".to_vec(), vec![], None, None, None, None)]);
    }
}
