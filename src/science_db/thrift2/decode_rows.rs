//! Decodes the replies that carry rows in place: a cell is a span of the page's buffer, nothing is copied or allocated.
//!
//! The structs are those of HBase's hbase.thrift: `TResult` (1: row, 2: columnValues) and `TColumnValue` (1: family, 2: qualifier, 3: value,
//! 4: timestamp). Other fields are skipped.

use std::io::Read;

use thrift::protocol::{TInputProtocol, TMessageType, TType};
use thrift::{ApplicationErrorKind, ProtocolErrorKind};

use crate::row::{Columns, RowIndex};
use crate::science_db::gateway::{ByteSpan, CallError, ReplyReader};

/// What a reply with rows contained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadSummary {
    /// rows that the reply announced
    pub announced: usize,
    /// rows that were read, including those with none of the columns
    pub read: usize,
    /// the key of the last of them
    pub last_key: ByteSpan,
    /// bytes in the values of the columns that were asked for
    pub wanted_bytes: usize,
    /// bytes in the values of other columns
    pub unwanted_bytes: usize,
}

/// Reads the reply to `method`, a list of `TResult`, into `index`, whose slots are those of `columns`. Stops after the row that takes the
/// reply past `max_bytes`; the connection is then in the middle of the reply.
pub(crate) fn read_rows<S: Read>(
    reply: &mut ReplyReader<'_, S>,
    method: &str,
    columns: &Columns,
    index: &mut RowIndex,
    max_bytes: usize,
) -> Result<ReadSummary, CallError> {
    let start = reply.position();
    read_head(reply, method)?;
    let mut summary = ReadSummary::default();
    let mut has_rows = false;
    loop {
        match reply.field()? {
            (TType::Stop, _) => break,
            (TType::List, 0) => {
                let count = read_elements(reply, TType::Struct)?;
                summary.announced = count as usize;
                for _ in 0..count {
                    if reply.position() - start > max_bytes {
                        return Ok(summary);
                    }
                    read_row(reply, columns, index, &mut summary)?;
                    summary.read += 1;
                }
                has_rows = true;
            }
            (TType::Struct, 1) => return Err(read_io_error(reply)?),
            (kind, _) => reply.skip_value(kind)?,
        }
    }
    reply.read_message_end()?;
    if !has_rows {
        let message = format!("{method} without rows");
        return Err(thrift::new_application_error(ApplicationErrorKind::MissingResult, message).into());
    }
    Ok(summary)
}

/// Reads the head of the reply to `method`.
pub(crate) fn read_head<S: Read>(reply: &mut ReplyReader<'_, S>, method: &str) -> thrift::Result<()> {
    let message = reply.read_message_begin()?;
    if message.message_type == TMessageType::Exception {
        return Err(thrift::Error::Application(thrift::Error::read_application_error_from_in_protocol(reply)?));
    }
    if message.message_type != TMessageType::Reply || message.name != method {
        let reason = format!("a reply to {} instead of {method}", message.name);
        return Err(thrift::new_application_error(ApplicationErrorKind::WrongMethodName, reason));
    }
    Ok(())
}

/// Reads `TIOError` (1: message, 2: canRetry), the exception of all methods.
pub(crate) fn read_io_error<S: Read>(reply: &mut ReplyReader<'_, S>) -> thrift::Result<CallError> {
    let (mut message, mut can_retry) = (None, None);
    loop {
        match reply.field()? {
            (TType::Stop, _) => return Ok(CallError::from_hbase_io_error(message.as_deref(), can_retry)),
            (TType::String, 1) => message = Some(reply.read_string()?),
            (TType::Bool, 2) => can_retry = Some(reply.read_bool()?),
            (kind, _) => reply.skip_value(kind)?,
        }
    }
}

/// Reads the head of a list of `kind`: the number of its elements.
pub(crate) fn read_elements<S: Read>(reply: &mut ReplyReader<'_, S>, kind: TType) -> thrift::Result<i32> {
    match reply.elements()? {
        (found, count) if found == kind || count == 0 => Ok(count),
        (found, _) => Err(invalid(format!("a list of {found} instead of {kind}"))),
    }
}

/// Bytes that are Thrift, but not this reply.
pub(crate) fn invalid(message: String) -> thrift::Error {
    thrift::new_protocol_error(ProtocolErrorKind::InvalidData, message)
}

fn read_row<S: Read>(
    reply: &mut ReplyReader<'_, S>,
    columns: &Columns,
    index: &mut RowIndex,
    summary: &mut ReadSummary,
) -> thrift::Result<()> {
    index.push_row(0, 0);
    let mut has_key = false;
    loop {
        match reply.field()? {
            (TType::Stop, _) => break,
            (TType::String, 1) => {
                let key = reply.span()?;
                index.set_key(key.start, key.len);
                summary.last_key = key;
                has_key = true;
            }
            (TType::List, 2) => {
                let count = read_elements(reply, TType::Struct)?;
                let mut hint = 0;
                for _ in 0..count {
                    read_cell(reply, columns, &mut hint, index, summary)?;
                }
            }
            (kind, _) => reply.skip_value(kind)?,
        }
    }
    // `getMultiple` answers a key that has no row with a `TResult` without key.
    if !has_key || index.row_is_empty() {
        index.drop_row();
    }
    Ok(())
}

fn read_cell<S: Read>(
    reply: &mut ReplyReader<'_, S>,
    columns: &Columns,
    hint: &mut usize,
    index: &mut RowIndex,
    summary: &mut ReadSummary,
) -> thrift::Result<()> {
    let (mut family, mut qualifier, mut value, mut timestamp) = (None, None, None, None);
    loop {
        match reply.field()? {
            (TType::Stop, _) => break,
            (TType::String, 1) => family = Some(reply.span()?),
            (TType::String, 2) => qualifier = Some(reply.span()?),
            (TType::String, 3) => value = Some(reply.span()?),
            (TType::I64, 4) => timestamp = Some(reply.long()?),
            (kind, _) => reply.skip_value(kind)?,
        }
    }
    let (Some(family), Some(qualifier), Some(value), Some(timestamp)) = (family, qualifier, value, timestamp) else {
        return Err(invalid(String::from("a cell without family, qualifier, value or timestamp")));
    };
    match columns.slot(reply.get(family), reply.get(qualifier), hint) {
        Some(slot) => {
            index.push_cell(slot, value.start, value.len, timestamp);
            summary.wanted_bytes += value.len;
        }
        None => summary.unwanted_bytes += value.len,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use thrift::protocol::{
        TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TListIdentifier, TMessageIdentifier,
        TOutputProtocol, TSerializable,
    };

    use super::super::idl;
    use super::*;
    use crate::row::{Cell, Row, Rows};

    const METHOD: &str = "getScannerResults";

    /// Yields its bytes in portions, as a network does.
    struct Portions<'a>(&'a [u8], usize);

    impl Read for Portions<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(into.len()).min(self.0.len());
            let (now, later) = self.0.split_at(count);
            into[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn asked() -> Columns {
        Columns::new(
            [("i", "b"), ("i", "a"), ("d", ""), ("d", "long name")].map(|(f, q)| (f.into(), q.into())).to_vec(),
        )
    }

    fn reply(kind: TMessageType, name: &str, body: impl FnOnce(&mut dyn TOutputProtocol)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = TBinaryOutputProtocol::new(&mut bytes, true);
        out.write_message_begin(&TMessageIdentifier::new(name, kind, 1)).unwrap();
        body(&mut out);
        out.write_field_stop().unwrap();
        bytes
    }

    fn reply_of(results: &[idl::TResult]) -> Vec<u8> {
        reply(TMessageType::Reply, METHOD, |out| {
            out.write_field_begin(&TFieldIdentifier::new("success", TType::List, 0)).unwrap();
            out.write_list_begin(&TListIdentifier::new(TType::Struct, results.len() as i32)).unwrap();
            results.iter().for_each(|result| result.write_to_out_protocol(out).unwrap());
        })
    }

    fn decode(bytes: &[u8], portion: usize, max_bytes: usize, rows: &mut Rows) -> Result<ReadSummary, CallError> {
        let columns = asked();
        let page = rows.refill(columns.len());
        let mut reply = ReplyReader::new(Portions(bytes, portion), page.buffer, 1 << 24);
        read_rows(&mut reply, METHOD, &columns, page.index, max_bytes)
    }

    type Plain = Vec<(Vec<u8>, Vec<Option<(Vec<u8>, i64)>>)>;

    fn plain(rows: &Rows) -> Plain {
        let cell = |cell: Cell<'_>| (cell.value.to_vec(), cell.timestamp);
        let cells = |row: Row<'_>| (0..row.width()).map(|slot| row.cell(slot).map(cell)).collect();
        rows.iter().map(|row| (row.key.to_vec(), cells(row))).collect()
    }

    /// The same bytes through the generated code.
    fn oracle(bytes: &[u8]) -> Plain {
        let mut input = TBinaryInputProtocol::new(bytes, true);
        input.read_message_begin().unwrap();
        input.read_field_begin().unwrap();
        let count = input.read_list_begin().unwrap().size;
        let mut rows = Plain::new();
        for _ in 0..count {
            let result = idl::TResult::read_from_in_protocol(&mut input).unwrap();
            let Some(key) = result.row else { continue };
            let mut cells: Vec<Option<(Vec<u8>, i64)>> = vec![None; asked().len()];
            for cell in result.column_values {
                let named = |(f, q): (&str, &str)| f.as_bytes() == cell.family && q.as_bytes() == cell.qualifier;
                let Some(slot) = asked().names().position(named) else { continue };
                let timestamp = cell.timestamp.unwrap();
                if cells[slot].as_ref().is_none_or(|(_, newest)| *newest < timestamp) {
                    cells[slot] = Some((cell.value, timestamp));
                }
            }
            if cells.iter().any(Option::is_some) {
                rows.push((key, cells));
            }
        }
        rows
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..40)
    }

    fn cell() -> impl Strategy<Value = idl::TColumnValue> {
        let family = prop::sample::select(vec!["d", "i", "x"]);
        let qualifier = prop::sample::select(vec!["", "a", "b", "c", "long name"]);
        let rest = (prop::option::of(bytes()), prop::option::of(any::<i8>()));
        (family, qualifier, bytes(), any::<i64>(), rest).prop_map(
            |(family, qualifier, value, timestamp, (tags, kind))| {
                idl::TColumnValue::new(family.into(), qualifier.into(), value, timestamp, tags, kind)
            },
        )
    }

    fn result() -> impl Strategy<Value = idl::TResult> {
        let cells = prop::collection::vec(cell(), 0..8);
        let flags = (prop::option::of(any::<bool>()), prop::option::of(any::<bool>()));
        (prop::option::of(bytes()), cells, flags)
            .prop_map(|(row, cells, (stale, partial))| idl::TResult::new(row, cells, stale, partial))
    }

    proptest! {
        #[test]
        fn decodes_as_the_generated_code_does(
            results in prop::collection::vec(result(), 0..12),
            portion in prop::sample::select(vec![1, 7, 1000]),
        ) {
            let bytes = reply_of(&results);
            let mut rows = Rows::default();
            let summary = decode(&bytes, portion, usize::MAX, &mut rows).unwrap();
            prop_assert_eq!((summary.announced, summary.read), (results.len(), results.len()));
            let bytes_of = |cells: &[idl::TColumnValue]| cells.iter().map(|cell| cell.value.len()).sum::<usize>();
            let all: usize = results.iter().map(|result| bytes_of(&result.column_values)).sum();
            prop_assert_eq!(summary.wanted_bytes + summary.unwanted_bytes, all);
            prop_assert_eq!(plain(&rows), oracle(&bytes));
        }

        #[test]
        fn damaged_reply_is_an_error_or_rows_and_never_a_panic(
            results in prop::collection::vec(result(), 1..6),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = reply_of(&results);
            let whole = bytes.len();
            bytes.truncate(cut.index(whole + 1));
            let cut = bytes.len() < whole;
            for (at, value) in &damage {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *value;
                }
            }
            let mut rows = Rows::default();
            let done = decode(&bytes, 1000, usize::MAX, &mut rows);
            prop_assert!(!(cut && damage.is_empty()) || done.is_err());
            let _ = plain(&rows);
        }
    }

    #[test]
    fn unknown_fields_are_skipped_and_order_does_not_matter() {
        let mut bytes = vec![0x80, 1, 0, 2, 0, 0, 0, 17];
        bytes.extend(METHOD.as_bytes());
        bytes.extend([0, 0, 0, 1]);
        // An unknown map<i32, list<string>>, then the rows.
        bytes.extend([13, 0, 77, 8, 15, 0, 0, 0, 1, 0, 0, 0, 5, 11, 0, 0, 0, 1, 0, 0, 0, 1, b'?']);
        bytes.extend([15, 0, 0, 12, 0, 0, 0, 1]);
        // The cells before the row's key; within the cell an unknown double, timestamp first.
        bytes.extend([15, 0, 2, 12, 0, 0, 0, 1, 4, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([10, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 11, 0, 3, 0, 0, 0, 1, b'v']);
        bytes.extend([11, 0, 2, 0, 0, 0, 1, b'a', 11, 0, 1, 0, 0, 0, 1, b'i', 0]);
        bytes.extend([11, 0, 1, 0, 0, 0, 1, b'k', 0, 0]);
        let mut rows = Rows::default();
        decode(&bytes, 3, usize::MAX, &mut rows).unwrap();
        assert_eq!(plain(&rows), [(b"k".to_vec(), vec![None, Some((b"v".to_vec(), 9)), None, None])]);
    }

    #[test]
    fn page_ends_after_the_row_that_exceeds_the_limit() {
        let cell = idl::TColumnValue::new(b"i".to_vec(), b"a".to_vec(), vec![7; 1000], 5, None, None);
        let results: Vec<_> = (0..10u8).map(|n| idl::TResult::new(vec![n], vec![cell.clone()], false, false)).collect();
        let mut rows = Rows::default();
        let summary = decode(&reply_of(&results), 100, 2500, &mut rows).unwrap();
        assert_eq!((summary.announced, summary.read, summary.wanted_bytes, summary.unwanted_bytes), (10, 3, 3000, 0));
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn exceptions_are_errors() {
        let error = idl::TIOError::new(String::from("the reason"), false);
        let thrown = reply(TMessageType::Reply, METHOD, |out| {
            out.write_field_begin(&TFieldIdentifier::new("io", TType::Struct, 1)).unwrap();
            error.write_to_out_protocol(out).unwrap();
        });
        let mut rows = Rows::default();
        let thrown = decode(&thrown, 5, usize::MAX, &mut rows);
        assert_eq!(thrown, Err(CallError::Refused(String::from("the reason"))));

        let application = reply(TMessageType::Exception, METHOD, |out| {
            out.write_field_begin(&TFieldIdentifier::new("type", TType::I32, 2)).unwrap();
            out.write_i32(ApplicationErrorKind::UnknownMethod as i32).unwrap();
        });
        let application = decode(&application, 5, usize::MAX, &mut rows);
        assert!(matches!(application, Err(CallError::UnknownMethod(_))), "{application:?}");

        let other = reply(TMessageType::Reply, "somethingElse", |_| {});
        assert!(matches!(decode(&other, 5, usize::MAX, &mut rows), Err(CallError::Protocol(_))));
        let empty = reply(TMessageType::Reply, METHOD, |_| {});
        assert!(matches!(decode(&empty, 5, usize::MAX, &mut rows), Err(CallError::Protocol(_))));
        let mut longer = reply_of(&[]);
        longer.push(0);
        assert!(matches!(decode(&longer, 500, usize::MAX, &mut rows), Err(CallError::Protocol(_))));
    }
}
