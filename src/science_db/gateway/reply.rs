//! A reply in Thrift's strict binary protocol. Memory grows with the bytes that arrive, never with a length that the reply announces.
//!
//! The format: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md>.

use std::io::Read;

use thrift::protocol::{
    TFieldIdentifier, TInputProtocol, TListIdentifier, TMapIdentifier, TMessageIdentifier, TMessageType,
    TSetIdentifier, TStructIdentifier, TType,
};
use thrift::{Error, ProtocolErrorKind, TransportErrorKind};

use crate::row::PageBuffer;

const VERSION_1: u32 = 0x8001_0000;
const VERSION_MASK: u32 = 0xffff_0000;
/// Longest list that generated code may decode: it allocates room for all elements at once.
const MAX_LIST_ELEMENTS: i32 = 1 << 16;
/// Deepest nesting of structs, lists and maps. HBase's replies nest five deep.
const MAX_NESTING: i8 = 32;

/// The position of a string or an array of bytes in the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteSpan {
    /// index of the first byte
    pub start: usize,
    /// number of bytes
    pub len: usize,
}

/// Decodes a reply while it arrives. The bytes stay in `buffer`, so that cells are kept as spans of it.
pub(crate) struct ReplyReader<'a, S> {
    source: S,
    buffer: &'a mut PageBuffer,
    at: usize,
    max_bytes: usize,
}

impl<'a, S: Read> ReplyReader<'a, S> {
    /// A reply that is read from `source` and appended to `buffer`, which may grow to `max_bytes`.
    pub(crate) fn new(source: S, buffer: &'a mut PageBuffer, max_bytes: usize) -> Self {
        let at = buffer.filled().len();
        Self { source, buffer, at, max_bytes: max_bytes.min(PageBuffer::MAX_BYTES) }
    }

    /// The bytes of `span`, which this reader returned.
    pub(crate) fn get(&self, span: ByteSpan) -> &[u8] {
        &self.buffer.filled()[span.start..][..span.len]
    }

    /// Index in the buffer of the next byte to decode.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn take(&mut self, len: usize) -> thrift::Result<usize> {
        if self.buffer.filled().len() - self.at < len {
            self.receive(len)?;
        }
        let start = self.at;
        self.at += len;
        Ok(start)
    }

    #[cold]
    fn receive(&mut self, len: usize) -> thrift::Result<()> {
        if len > self.max_bytes.saturating_sub(self.at) {
            let message = format!("a reply of more than {} bytes", self.max_bytes);
            return Err(thrift::new_protocol_error(ProtocolErrorKind::SizeLimit, message));
        }
        while self.buffer.filled().len() - self.at < len {
            match self.buffer.read_from(&mut self.source) {
                Ok(0) => {
                    let message = "the connection was closed in the middle of a reply";
                    return Err(thrift::new_transport_error(TransportErrorKind::EndOfFile, message));
                }
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> thrift::Result<[u8; N]> {
        let start = self.take(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer.filled()[start..start + N]);
        Ok(bytes)
    }

    /// Reads a string or array of bytes, which stays in the buffer.
    #[inline]
    pub(crate) fn span(&mut self) -> thrift::Result<ByteSpan> {
        let len = i32::from_be_bytes(self.array()?);
        let len = usize::try_from(len).map_err(|_| {
            thrift::new_protocol_error(ProtocolErrorKind::NegativeSize, format!("a length of {len} bytes"))
        })?;
        Ok(ByteSpan { start: self.take(len)?, len })
    }

    /// Reads the head of a field: type and id. The id of the stop field is 0.
    #[inline]
    pub(crate) fn field(&mut self) -> thrift::Result<(TType, i16)> {
        let kind = self.kind()?;
        let id = match kind {
            TType::Stop => 0,
            _ => i16::from_be_bytes(self.array()?),
        };
        Ok((kind, id))
    }

    /// Reads the head of a list or set: type and number of the elements.
    pub(crate) fn elements(&mut self) -> thrift::Result<(TType, i32)> {
        let kind = self.kind()?;
        Ok((kind, not_negative(i32::from_be_bytes(self.array()?))?))
    }

    /// Reads a 64-bit number.
    #[inline]
    pub(crate) fn long(&mut self) -> thrift::Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// Skips a value of type `kind`.
    pub(crate) fn skip_value(&mut self, kind: TType) -> thrift::Result<()> {
        self.skip_nested(kind, MAX_NESTING)
    }

    fn skip_nested(&mut self, kind: TType, depth: i8) -> thrift::Result<()> {
        if depth == 0 {
            let message = format!("values nested more than {MAX_NESTING} deep");
            return Err(thrift::new_protocol_error(ProtocolErrorKind::DepthLimit, message));
        }
        match kind {
            TType::Bool | TType::I08 => self.take(1).map(drop),
            TType::I16 => self.take(2).map(drop),
            TType::I32 => self.take(4).map(drop),
            TType::I64 | TType::Double => self.take(8).map(drop),
            TType::String => self.span().map(drop),
            TType::Struct => loop {
                match self.field()? {
                    (TType::Stop, _) => return Ok(()),
                    (kind, _) => self.skip_nested(kind, depth - 1)?,
                }
            },
            TType::List | TType::Set => {
                let (kind, count) = self.elements()?;
                (0..count).try_for_each(|_| self.skip_nested(kind, depth - 1))
            }
            TType::Map => {
                let (key, value) = (self.kind()?, self.kind()?);
                let count = not_negative(i32::from_be_bytes(self.array()?))?;
                (0..count).try_for_each(|_| {
                    self.skip_nested(key, depth - 1)?;
                    self.skip_nested(value, depth - 1)
                })
            }
            other => {
                let message = format!("a value of type {other}");
                Err(thrift::new_protocol_error(ProtocolErrorKind::InvalidData, message))
            }
        }
    }

    /// Reads the type of a field or element. Another byte than a type means that the server does not speak Thrift.
    #[inline]
    fn kind(&mut self) -> thrift::Result<TType> {
        let [byte] = self.array()?;
        Ok(match byte {
            0 => TType::Stop,
            2 => TType::Bool,
            3 => TType::I08,
            4 => TType::Double,
            6 => TType::I16,
            8 => TType::I32,
            10 => TType::I64,
            11 => TType::String,
            12 => TType::Struct,
            13 => TType::Map,
            14 => TType::Set,
            15 => TType::List,
            other => {
                let message = format!("a value of unknown type {other}");
                return Err(thrift::new_protocol_error(ProtocolErrorKind::InvalidData, message));
            }
        })
    }

    fn bounded(count: i32) -> thrift::Result<i32> {
        match not_negative(count)? {
            0..=MAX_LIST_ELEMENTS => Ok(count),
            _ => {
                let message = format!("a list of {count} elements");
                Err(thrift::new_protocol_error(ProtocolErrorKind::SizeLimit, message))
            }
        }
    }
}

fn not_negative(count: i32) -> thrift::Result<i32> {
    if count < 0 {
        let message = format!("a list of {count} elements");
        return Err(thrift::new_protocol_error(ProtocolErrorKind::NegativeSize, message));
    }
    Ok(count)
}

/// For calls whose reply generated code decodes.
impl<S: Read> TInputProtocol for ReplyReader<'_, S> {
    fn read_message_begin(&mut self) -> thrift::Result<TMessageIdentifier> {
        let head = u32::from_be_bytes(self.array()?);
        if head & VERSION_MASK != VERSION_1 {
            let bytes = head.to_be_bytes().escape_ascii().to_string();
            let message = format!("the reply begins with \"{bytes}\"");
            return Err(Error::Protocol(thrift::ProtocolError::new(ProtocolErrorKind::BadVersion, message)));
        }
        let kind = TMessageType::try_from((head & 0xff) as u8)?;
        Ok(TMessageIdentifier::new(self.read_string()?, kind, self.read_i32()?))
    }

    fn read_message_end(&mut self) -> thrift::Result<()> {
        // A server sends nothing but replies: more bytes mean that this was not one.
        let rest = self.buffer.filled().len() - self.at;
        if rest > 0 {
            let message = format!("{rest} bytes after the end of a reply");
            return Err(thrift::new_protocol_error(ProtocolErrorKind::InvalidData, message));
        }
        Ok(())
    }

    fn read_struct_begin(&mut self) -> thrift::Result<Option<TStructIdentifier>> {
        Ok(None)
    }

    fn read_struct_end(&mut self) -> thrift::Result<()> {
        Ok(())
    }

    fn read_field_begin(&mut self) -> thrift::Result<TFieldIdentifier> {
        let (kind, id) = self.field()?;
        Ok(TFieldIdentifier::new::<Option<String>, String, i16>(None, kind, id))
    }

    fn read_field_end(&mut self) -> thrift::Result<()> {
        Ok(())
    }

    fn read_bool(&mut self) -> thrift::Result<bool> {
        self.array().map(|[byte]| byte != 0)
    }

    fn read_bytes(&mut self) -> thrift::Result<Vec<u8>> {
        let span = self.span()?;
        Ok(self.get(span).to_vec())
    }

    fn read_i8(&mut self) -> thrift::Result<i8> {
        self.array().map(i8::from_be_bytes)
    }

    fn read_i16(&mut self) -> thrift::Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn read_i32(&mut self) -> thrift::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn read_i64(&mut self) -> thrift::Result<i64> {
        self.long()
    }

    fn read_double(&mut self) -> thrift::Result<f64> {
        self.array().map(f64::from_be_bytes)
    }

    fn read_string(&mut self) -> thrift::Result<String> {
        let span = self.span()?;
        Ok(String::from_utf8_lossy(self.get(span)).into_owned())
    }

    fn read_list_begin(&mut self) -> thrift::Result<TListIdentifier> {
        let (kind, count) = self.elements()?;
        Ok(TListIdentifier::new(kind, Self::bounded(count)?))
    }

    fn read_list_end(&mut self) -> thrift::Result<()> {
        Ok(())
    }

    fn read_set_begin(&mut self) -> thrift::Result<TSetIdentifier> {
        let (kind, count) = self.elements()?;
        Ok(TSetIdentifier::new(kind, Self::bounded(count)?))
    }

    fn read_set_end(&mut self) -> thrift::Result<()> {
        Ok(())
    }

    fn read_map_begin(&mut self) -> thrift::Result<TMapIdentifier> {
        let (key, value) = (self.kind()?, self.kind()?);
        Ok(TMapIdentifier::new(key, value, Self::bounded(self.read_i32()?)?))
    }

    fn read_map_end(&mut self) -> thrift::Result<()> {
        Ok(())
    }

    fn skip(&mut self, kind: TType) -> thrift::Result<()> {
        self.skip_value(kind)
    }

    fn read_byte(&mut self) -> thrift::Result<u8> {
        self.array().map(|[byte]| byte)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<T>(
        bytes: &[u8],
        max_bytes: usize,
        ask: impl FnOnce(&mut ReplyReader<'_, &[u8]>) -> thrift::Result<T>,
    ) -> thrift::Result<T> {
        let mut buffer = PageBuffer::default();
        let done = ask(&mut ReplyReader::new(bytes, &mut buffer, max_bytes));
        assert!(buffer.allocated() < 1 << 20, "{} bytes allocated for {}", buffer.allocated(), bytes.len());
        done
    }

    fn kind(error: thrift::Error) -> ProtocolErrorKind {
        match error {
            Error::Protocol(error) => error.kind,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn false_length_is_not_allocated() {
        let result = read(b"\x7f\xff\xff\xff....", PageBuffer::MAX_BYTES, |reply| reply.span());
        assert!(matches!(result, Err(Error::Transport(error)) if error.kind == TransportErrorKind::EndOfFile));
        assert_eq!(
            kind(read(b"\xff\xff\xff\xff", 100, |reply| reply.span()).unwrap_err()),
            ProtocolErrorKind::NegativeSize
        );
        assert_eq!(kind(read(b"\0\0\0\x7f", 100, |reply| reply.span()).unwrap_err()), ProtocolErrorKind::SizeLimit);
    }

    #[test]
    fn long_list_is_not_decoded_by_generated_code() {
        let result = read(b"\x0c\x7f\xff\xff\xff", 100, |reply| reply.read_list_begin().map(drop));
        assert_eq!(kind(result.unwrap_err()), ProtocolErrorKind::SizeLimit);
        let result = read(b"\x0b\x0b\xff\xff\xff\xff", 100, |reply| reply.read_map_begin().map(drop));
        assert_eq!(kind(result.unwrap_err()), ProtocolErrorKind::NegativeSize);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let bytes = b"\x0c\x00\x01".repeat(100_000);
        let result = read(&bytes, 1 << 20, |reply| reply.skip_value(TType::Struct));
        assert_eq!(kind(result.unwrap_err()), ProtocolErrorKind::DepthLimit);
    }

    #[test]
    fn error_shows_bytes_that_are_not_thrift() {
        let result = read(b"HTTP/1.1 400 Bad Request", 100, |reply| reply.read_message_begin().map(drop));
        assert!(matches!(result, Err(Error::Protocol(error)) if error.message.contains("HTTP")));
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), first in 2u8..16) {
            let Ok(kind) = read(&[first], 1, |reply| reply.kind()) else { return Ok(()) };
            let _ = read(&bytes, 1 << 20, |reply| reply.skip_value(kind));
            let _ = read(&bytes, 1 << 20, |reply| reply.read_message_begin().map(drop));
        }
    }
}
