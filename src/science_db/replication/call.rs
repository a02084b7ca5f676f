//! The server's side of HBase's RPC protocol, as far as a replication source uses it: the beginning of a connection, calls of
//! `ReplicateWALEntry`, and their answers.
//!
//! A connection begins with `HBas`, a version, an authentication method and a `ConnectionHeader`; nothing is answered. A call is a `u32` length, a
//! `RequestHeader`, a message (both with a varint length) and a block of cells. An answer is a `u32` length, a `ResponseHeader`, and, unless that
//! holds an exception, a message.

use std::io::{self, BufRead, Read, Write};

use prost::Message;

use super::trigger_column::TriggerColumn;
use super::wal_cells::{damaged, read_cell, skip};
use crate::ledger::RowVersion;
use crate::science_db::hbase::frame::response;
use crate::science_db::hbase::proto::{
    ConnectionHeader, ExceptionResponse, ReplicateWalEntryRequest, ReplicateWalEntryResponse, RequestHeader,
    ResponseHeader,
};

/// The authentication method SIMPLE: the client says who it is.
const SIMPLE: u8 = 80;
/// The longest header of a connection or a call.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The longest message of a call: some 100 bytes for each entry, of which there are at most 25,000.
const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// The longest call: HBase's own limit (`hbase.ipc.max.request.size`). A source sends some 64 MB at most. The values of cells are not kept.
const MAX_CALL_BYTES: usize = 256 << 20;

/// A call of a region server.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub id: u32,
    pub request: Request,
}

#[derive(Debug, PartialEq)]
pub(super) enum Request {
    /// `ReplicateWALEntry`
    Entries(Entries),
    /// another method, by name
    Unknown(String),
}

/// What the WAL entries of a call say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Entries {
    /// the rows whose trigger cell was written, in the order of the WAL
    pub rows: Vec<RowVersion>,
    /// when the first and the last entry were written to the WAL, ms since 1970 by the region server's clock
    pub writes: Option<(u64, u64)>,
}

/// Reads the beginning of a connection. Returns who connects.
///
/// # Errors
/// It is not a replication source that can be served: the reason says what to change.
pub(super) fn read_connection_header(input: &mut impl BufRead) -> io::Result<String> {
    let mut preamble = [0; 6];
    input.read_exact(&mut preamble)?;
    match preamble {
        [b'H', b'B', b'a', b's', 0, SIMPLE] => {}
        [b'H', b'B', b'a', b's', 0, method] => {
            return Err(damaged(&format!(
                "it authenticates with method {method} (Kerberos is 81): only SIMPLE is supported"
            )));
        }
        // The record type of a TLS handshake, and the major version.
        [0x16, 3, ..] => {
            return Err(damaged(
                "it uses TLS, which a replication sink does not support: remove the peer with `fink hbase remove-peer`, then add it with \
                 `fink hbase add-peer`, which turns hbase.client.netty.tls.enabled off for the peer",
            ));
        }
        _ => return Err(damaged("it does not speak HBase's RPC protocol")),
    }
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let bytes = read_bytes(input, u32::from_be_bytes(length) as usize, MAX_HEADER_BYTES)?;
    let header: ConnectionHeader = decode(&bytes)?;
    let service = header.service_name();
    if service != "AdminService" {
        return Err(damaged(&format!(
            "it wants the service `{service}`, and a replication sink offers only AdminService"
        )));
    }
    let codec = header.cell_block_codec_class().rsplit('.').next().unwrap_or_default();
    if !matches!(codec, "KeyValueCodec" | "KeyValueCodecWithTags") {
        return Err(damaged(&format!(
            "it sends cells with the codec `{codec}`: remove hbase.replication.rpc.codec from the configuration of the region servers"
        )));
    }
    if !header.cell_block_compressor_class().is_empty() {
        return Err(damaged(
            "it compresses cells: remove hbase.client.rpc.compressor from the configuration of the region servers",
        ));
    }
    Ok(header.user_info.map(|user| user.effective_user).unwrap_or_default())
}

/// Reads the next call. Of its cells only those of `trigger` are kept. `key` is a buffer.
///
/// # Errors
/// The connection ends, or the call is damaged.
pub(super) fn read_call(input: &mut impl BufRead, trigger: &TriggerColumn, key: &mut Vec<u8>) -> io::Result<Call> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_CALL_BYTES {
        return Err(damaged(&format!("a call of {length} bytes")));
    }
    let mut input = input.take(length as u64);
    let header: RequestHeader = decode(&read_delimited(&mut input, MAX_HEADER_BYTES)?)?;
    let id = header.call_id();
    if header.method_name() != "ReplicateWALEntry" {
        let rest = input.limit() as usize;
        skip(&mut input, rest)?;
        return Ok(Call { id, request: Request::Unknown(header.method_name().to_owned()) });
    }
    let message: ReplicateWalEntryRequest = decode(&read_delimited(&mut input, MAX_MESSAGE_BYTES)?)?;
    let cells = header.cell_block_meta.map_or(0, |block| block.length());
    if u64::from(cells) != input.limit() {
        return Err(damaged("the length of the cells contradicts that of the call"));
    }
    let writes = message.entry.first().zip(message.entry.last());
    let writes = writes.map(|(first, last)| (first.key.write_time, last.key.write_time));
    let mut entries = Entries { rows: Vec::new(), writes };
    for entry in &message.entry {
        if !entry.key_value_bytes.is_empty() {
            return Err(damaged("an entry has its cells inside of the message, not after it"));
        }
        let trigger = Some(trigger).filter(|trigger| trigger.is_of_table(&entry.key.table_name));
        for _ in 0..entry.associated_cell_count() {
            read_cell(&mut input, trigger, key, &mut entries.rows)?;
        }
    }
    match input.limit() {
        0 => Ok(Call { id, request: Request::Entries(entries) }),
        _ => Err(damaged("a call has more cells than its entries announce")),
    }
}

/// Answers a call of `ReplicateWALEntry` with success: its entries are not sent again.
///
/// # Errors
/// The connection is broken.
pub(super) fn acknowledge(output: &mut impl Write, id: u32) -> io::Result<()> {
    let header = ResponseHeader { call_id: Some(id), ..Default::default() };
    output.write_all(&response(&header, Some(&ReplicateWalEntryResponse {}), 0))
}

/// Answers a call with an exception. `is_final`: whether the same call cannot succeed later; otherwise the source sends it again.
///
/// # Errors
/// The connection is broken.
pub(super) fn refuse(output: &mut impl Write, id: u32, reason: &str, is_final: bool) -> io::Result<()> {
    let class = if is_final { "org.apache.hadoop.hbase.DoNotRetryIOException" } else { "java.io.IOException" };
    let exception = ExceptionResponse {
        exception_class_name: Some(class.to_owned()),
        stack_trace: Some(format!("{class}: fink: {reason}")),
        do_not_retry: Some(is_final),
        ..Default::default()
    };
    let header = ResponseHeader { call_id: Some(id), exception: Some(exception), ..Default::default() };
    output.write_all(&response(&header, None::<&ReplicateWalEntryResponse>, 0))
}

fn decode<M: Message + Default>(bytes: &[u8]) -> io::Result<M> {
    M::decode(bytes).map_err(|error| damaged(&error.to_string()))
}

/// Reads a message with its varint length before it.
fn read_delimited(input: &mut impl Read, max: usize) -> io::Result<Vec<u8>> {
    let mut length: usize = 0;
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return read_bytes(input, length, max);
        }
    }
    Err(damaged("the length of a message is damaged"))
}

/// Reads `length` bytes. Memory is taken as they come, not as they are announced.
fn read_bytes(input: &mut impl Read, length: usize, max: usize) -> io::Result<Vec<u8>> {
    if length > max {
        return Err(damaged(&format!("a message of {length} bytes, more than the expected {max}")));
    }
    let mut bytes = Vec::new();
    input.take(length as u64).read_to_end(&mut bytes)?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
pub(super) mod tests;
