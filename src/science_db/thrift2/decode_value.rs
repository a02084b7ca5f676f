//! Decodes the replies that carry no rows: one value, or nothing but an exception.

use std::io::Read;

use thrift::ApplicationErrorKind;
use thrift::protocol::{TInputProtocol, TType};

use super::decode_rows::{invalid, read_elements, read_head, read_io_error};
use crate::science_db::gateway::{CallError, ReplyReader};

/// Reads the reply to `method` for the exception in it.
pub(crate) fn read_done<S: Read>(reply: &mut ReplyReader<'_, S>, method: &str) -> Result<(), CallError> {
    read_head(reply, method)?;
    loop {
        match reply.field()? {
            (TType::Stop, _) => return Ok(reply.read_message_end()?),
            (TType::Struct, 1) => return Err(read_io_error(reply)?),
            (kind, _) => reply.skip_value(kind)?,
        }
    }
}

/// Reads a reply that is true or false.
pub(crate) fn read_bool<S: Read>(reply: &mut ReplyReader<'_, S>, method: &str) -> Result<bool, CallError> {
    read_head(reply, method)?;
    read_success(reply, method, TType::Bool, |reply| reply.read_bool())
}

/// Reads a reply that is a 32-bit number or an enum.
pub(crate) fn read_int<S: Read>(reply: &mut ReplyReader<'_, S>, method: &str) -> Result<i32, CallError> {
    read_head(reply, method)?;
    read_success(reply, method, TType::I32, |reply| reply.read_i32())
}

/// Reads a reply that is a list of strings.
pub(crate) fn read_strings<S: Read>(reply: &mut ReplyReader<'_, S>, method: &str) -> Result<Vec<Vec<u8>>, CallError> {
    read_head(reply, method)?;
    read_success(reply, method, TType::List, |reply| {
        let count = read_elements(reply, TType::String)?;
        (0..count).map(|_| reply.read_bytes()).collect()
    })
}

/// A region: its start key, and its server if it has one, `host:port`.
pub(crate) type RegionLocation = (Vec<u8>, Option<String>);

/// Reads the reply to `getAllRegionLocations`, a list of `THRegionLocation`.
pub(crate) fn read_regions<S: Read>(
    reply: &mut ReplyReader<'_, S>,
    method: &str,
) -> Result<Vec<RegionLocation>, CallError> {
    read_head(reply, method).map_err(|error| CallError::in_region_list(error, CallError::from))?;
    read_success(reply, method, TType::List, |reply| {
        let count = read_elements(reply, TType::Struct)?;
        (0..count).map(|_| read_region(reply)).collect()
    })
}

/// `THRegionLocation` (1: serverName, 2: regionInfo); `TServerName` (1: hostName, 2: port); `THRegionInfo` (3: startKey).
fn read_region<S: Read>(reply: &mut ReplyReader<'_, S>) -> thrift::Result<RegionLocation> {
    let (mut start, mut host, mut port) = (None, None, None);
    loop {
        match reply.field()? {
            (TType::Stop, _) => break,
            (TType::Struct, 1) => loop {
                match reply.field()? {
                    (TType::Stop, _) => break,
                    (TType::String, 1) => host = Some(reply.read_string()?),
                    (TType::I32, 2) => port = Some(reply.read_i32()?),
                    (kind, _) => reply.skip_value(kind)?,
                }
            },
            (TType::Struct, 2) => loop {
                match reply.field()? {
                    (TType::Stop, _) => break,
                    (TType::String, 3) => start = Some(reply.read_bytes()?),
                    (kind, _) => reply.skip_value(kind)?,
                }
            },
            (kind, _) => reply.skip_value(kind)?,
        }
    }
    let start = start.ok_or_else(|| invalid(String::from("a region without a start key")))?;
    Ok((start, host.zip(port).map(|(host, port)| format!("{host}:{port}"))))
}

/// Reads the rest of a reply, whose result has the type `kind`.
fn read_success<S: Read, T>(
    reply: &mut ReplyReader<'_, S>,
    method: &str,
    kind: TType,
    mut read: impl FnMut(&mut ReplyReader<'_, S>) -> thrift::Result<T>,
) -> Result<T, CallError> {
    let mut success = None;
    loop {
        match reply.field()? {
            (TType::Stop, _) => break,
            (found, 0) if found == kind => success = Some(read(reply)?),
            (TType::Struct, 1) => return Err(read_io_error(reply)?),
            (kind, _) => reply.skip_value(kind)?,
        }
    }
    reply.read_message_end()?;
    success.ok_or_else(|| {
        thrift::new_application_error(ApplicationErrorKind::MissingResult, format!("{method} without a result")).into()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::row::PageBuffer;

    fn read<T>(
        body: &[u8],
        read: impl FnOnce(&mut ReplyReader<'_, Cursor<Vec<u8>>>, &str) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut bytes = b"\x80\x01\x00\x02\x00\x00\x00\x01m\x00\x00\x00\x01".to_vec();
        bytes.extend(body);
        let mut buffer = PageBuffer::default();
        let mut reply = ReplyReader::new(Cursor::new(bytes), &mut buffer, 1 << 20);
        read(&mut reply, "m")
    }

    #[test]
    fn results_are_read_and_unknown_fields_skipped() {
        assert_eq!(read(b"\x02\0\0\x01\0", read_bool), Ok(true));
        assert_eq!(read(b"\x0a\0\x09\0\0\0\0\0\0\0\0\x08\0\0\0\0\0\x02\0", read_int), Ok(2));
        let strings = read(b"\x0f\0\0\x0b\0\0\0\x02\0\0\0\x01a\0\0\0\0\0", read_strings);
        assert_eq!(strings, Ok(vec![b"a".to_vec(), Vec::new()]));
        let region = b"\x0f\0\0\x0c\0\0\0\x01\x0c\0\x01\x08\0\x02\0\0\0\x07\0\x0c\0\x02\x0b\0\x03\0\0\0\x01k\x0b\0\x04\0\0\0\0\0\0\0";
        assert_eq!(read(region, read_regions), Ok(vec![(b"k".to_vec(), None)]));
        let region = b"\x0f\0\0\x0c\0\0\0\x01\x0c\0\x01\x0b\0\x01\0\0\0\x01h\x08\0\x02\0\0\0\x07\0\x0c\0\x02\x0b\0\x03\0\0\0\0\0\0\0";
        assert_eq!(read(region, read_regions), Ok(vec![(Vec::new(), Some(String::from("h:7")))]));
        assert_eq!(read(b"\x0f\0\0\x0c\0\0\0\0\0", read_done), Ok(()));
    }

    #[test]
    fn missing_result_and_wrong_type_are_protocol_errors() {
        for body in [b"\0".as_slice(), b"\x08\0\0\0\0\0\x01\0"] {
            let error = read(body, read_bool);
            assert_eq!(error, Err(CallError::Protocol(String::from("m without a result"))));
        }
        let wrong = read(b"\x0f\0\0\x0b\0\0\0\x01\0\0\0\x01a\0", read_regions);
        assert!(matches!(wrong, Err(CallError::Protocol(_))), "{wrong:?}");
        let keyless = read(b"\x0f\0\0\x0c\0\0\0\x01\0\0", read_regions);
        assert_eq!(keyless, Err(CallError::Protocol(String::from("a region without a start key"))));
    }

    #[test]
    fn exception_is_an_error_whatever_was_expected() {
        let body = b"\x0c\0\x01\x0b\0\x01\0\0\0\x03why\x02\0\x02\0\0\0";
        let refused = || CallError::Refused(String::from("why"));
        assert_eq!(read(body, read_done), Err(refused()));
        assert_eq!(read(body, read_strings), Err(refused()));
    }
}
