//! The frames of HBase's RPC: a length of four bytes, then length-delimited protobuf messages and a cell block.
//!
//! The format: `RPC.proto` of HBase. A connection begins with a preamble and a connection header, which the server does not answer.

use std::ops::Range;
use std::time::Duration;

use prost::Message;
use prost::encoding::encode_varint;

use super::proto::{
    CellBlockMeta, ConnectionHeader, RequestHeader, ResponseHeader, Service, UserInformation, VersionInfo,
};

/// `HBas`, version 0, authentication SIMPLE.
const PREAMBLE: [u8; 6] = *b"HBas\x00\x50";
/// Asks a server, in the place of the preamble, whom it authenticates as with Kerberos.
pub(crate) const SECURITY_PREAMBLE: [u8; 6] = *b"Securi";
/// Cells in a block, one after the other, without tags.
pub(crate) const CODEC: &str = "org.apache.hadoop.hbase.codec.KeyValueCodec";
/// The call id of an exception that belongs to the connection instead of a call.
pub(crate) const CONNECTION_CALL_ID: u32 = u32::MAX;
/// The longest frame that either side may announce: lengths are Java's `int`.
pub(crate) const MAX_FRAME_BYTES: usize = i32::MAX as usize;
/// Longest varint of a length.
const MAX_VARINT_BYTES: usize = 5;

/// Bytes that are not what the protocol says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damaged(pub String);

impl From<prost::DecodeError> for Damaged {
    fn from(error: prost::DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// The bytes with which a client begins a connection to `service` as `user`.
pub(crate) fn connection_start(service: Service, user: &str) -> Vec<u8> {
    let header = ConnectionHeader {
        user_info: Some(UserInformation { effective_user: user.to_owned() }),
        service_name: Some(service.name().to_owned()),
        cell_block_codec_class: Some(CODEC.to_owned()),
        cell_block_compressor_class: None,
        // Servers tell from the version how to report errors of scanners. The other fields are required, and may be empty.
        version_info: Some(VersionInfo { version_major: Some(2), version_minor: Some(6), ..VersionInfo::default() }),
    };
    let header = header.encode_to_vec();
    [&PREAMBLE[..], &(header.len() as u32).to_be_bytes(), &header].concat()
}

/// A request up to its cell block of `cells_len` bytes, which must follow. The server may drop the call after `timeout`.
pub(crate) fn request(
    call_id: u32,
    method: &str,
    message: &impl Message,
    cells_len: usize,
    timeout: Duration,
) -> Vec<u8> {
    let header = RequestHeader {
        call_id: Some(call_id),
        method_name: Some(method.to_owned()),
        request_param: Some(true),
        cell_block_meta: cell_block_meta(cells_len),
        priority: None,
        timeout: Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)),
    };
    frame(&header, Some(message), cells_len)
}

/// A response up to its cell block of `cells_len` bytes, which must follow.
pub(crate) fn response(header: &ResponseHeader, message: Option<&impl Message>, cells_len: usize) -> Vec<u8> {
    frame(header, message, cells_len)
}

/// The announcement of a cell block.
fn cell_block_meta(cells_len: usize) -> Option<CellBlockMeta> {
    (cells_len > 0).then_some(CellBlockMeta { length: Some(cells_len as u32) })
}

fn frame(header: &impl Message, message: Option<&impl Message>, cells_len: usize) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    put_delimited(header, &mut bytes);
    if let Some(message) = message {
        put_delimited(message, &mut bytes);
    }
    let len = bytes.len() - 4 + cells_len;
    bytes[..4].copy_from_slice(&(len as u32).to_be_bytes());
    bytes
}

fn put_delimited(message: &impl Message, bytes: &mut Vec<u8>) {
    encode_varint(message.encoded_len() as u64, bytes);
    message.encode_raw(bytes);
}

/// The position of the length-delimited message at `at`, which moves behind it.
pub(crate) fn take_delimited(bytes: &[u8], at: &mut usize) -> Result<Range<usize>, Damaged> {
    let mut len = 0u64;
    for step in 0..MAX_VARINT_BYTES {
        let byte = *bytes.get(*at).ok_or_else(|| Damaged(String::from("a frame that ends inside a length")))?;
        *at += 1;
        len |= u64::from(byte & 0x7f) << (7 * step);
        if byte & 0x80 == 0 {
            let left = bytes.len() - *at;
            let len = usize::try_from(len).ok().filter(|len| *len <= left);
            let len = len
                .ok_or_else(|| Damaged(format!("a message that is longer than the {left} bytes left of its frame")))?;
            let start = *at;
            *at += len;
            return Ok(start..*at);
        }
    }
    Err(Damaged(String::from("a message whose length has more than 32 bits")))
}

/// The parts of a frame, without its length: header, message, and cell block. The ranges are positions in the frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts<H> {
    /// the header
    pub header: H,
    /// the message; empty where there is none
    pub message: Range<usize>,
    /// the cell block; empty where there is none
    pub cells: Range<usize>,
}

/// Splits a response.
pub(crate) fn split_response(frame: &[u8]) -> Result<Parts<ResponseHeader>, Damaged> {
    let (header, at) = take_header::<ResponseHeader>(frame)?;
    let (has_message, meta) = (header.exception.is_none(), header.cell_block_meta);
    split(frame, at, header, has_message, meta)
}

/// Splits a request.
#[cfg(test)]
pub(crate) fn split_request(frame: &[u8]) -> Result<Parts<RequestHeader>, Damaged> {
    let (header, at) = take_header::<RequestHeader>(frame)?;
    let (has_message, meta) = (header.request_param == Some(true), header.cell_block_meta);
    split(frame, at, header, has_message, meta)
}

fn take_header<H: Message + Default>(frame: &[u8]) -> Result<(H, usize), Damaged> {
    let mut at = 0;
    let header = take_delimited(frame, &mut at)?;
    Ok((H::decode(&frame[header])?, at))
}

fn split<H>(
    frame: &[u8],
    mut at: usize,
    header: H,
    has_message: bool,
    meta: Option<CellBlockMeta>,
) -> Result<Parts<H>, Damaged> {
    let message = if has_message { take_delimited(frame, &mut at)? } else { at..at };
    let announced = meta.and_then(|meta| meta.length).unwrap_or(0) as usize;
    if announced != frame.len() - at {
        return Err(Damaged(format!("a cell block of {announced} bytes in the last {} of a frame", frame.len() - at)));
    }
    Ok(Parts { header, message, cells: at..frame.len() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::proto::{ExceptionResponse, ScanRequest, ScanResponse};
    use super::*;

    fn body(bytes: &[u8], cells: &[u8]) -> Vec<u8> {
        let len = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let frame = [&bytes[4..], cells].concat();
        assert_eq!(len, frame.len());
        frame
    }

    #[test]
    fn request_is_split_into_what_it_was_made_of() {
        let message = ScanRequest { scanner_id: Some(7), ..ScanRequest::default() };
        let frame = body(&request(5, "Scan", &message, 3, Duration::from_secs(60)), b"abc");
        let parts = split_request(&frame).unwrap();
        assert_eq!(parts.header.call_id, Some(5));
        assert_eq!(parts.header.method_name.as_deref(), Some("Scan"));
        assert_eq!(parts.header.timeout, Some(60_000));
        assert_eq!(ScanRequest::decode(&frame[parts.message]).unwrap(), message);
        assert_eq!(&frame[parts.cells], b"abc");
    }

    #[test]
    fn response_with_an_exception_has_no_message() {
        let exception = ExceptionResponse { exception_class_name: Some("a.B".into()), ..ExceptionResponse::default() };
        let header =
            ResponseHeader { call_id: Some(CONNECTION_CALL_ID), exception: Some(exception), cell_block_meta: None };
        let frame = body(&response(&header, None::<&ScanResponse>, 0), b"");
        let parts = split_response(&frame).unwrap();
        assert_eq!(parts, Parts { header, message: frame.len()..frame.len(), cells: frame.len()..frame.len() });
    }

    #[test]
    fn false_lengths_are_damage() {
        let header = ResponseHeader { call_id: Some(1), ..ResponseHeader::default() };
        let whole = body(&response(&header, Some(&ScanResponse::default()), 0), b"");
        assert!(split_response(&whole).is_ok());
        assert!(split_response(&[&whole[..], b"more"].concat()).is_err(), "a cell block that was not announced");
        assert!(split_response(&whole[..whole.len() - 1]).is_err());
        assert!(split_response(b"").is_err());
        assert!(split_response(b"\xff\xff\xff\xff\x7f").is_err());
        assert!(split_response(b"\xff\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn connection_starts_with_preamble_and_header() {
        let bytes = connection_start(Service::Client, "alice");
        assert_eq!(&bytes[..6], b"HBas\x00\x50");
        assert_eq!(u32::from_be_bytes(bytes[6..10].try_into().unwrap()) as usize, bytes.len() - 10);
        let header = ConnectionHeader::decode(&bytes[10..]).unwrap();
        assert_eq!(header.service_name.as_deref(), Some("ClientService"));
        assert_eq!(header.user_info.map(|user| user.effective_user).as_deref(), Some("alice"));
    }

    proptest! {
        #[test]
        fn no_frame_makes_it_panic(frame in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = split_response(&frame);
            let _ = split_request(&frame);
        }
    }
}
