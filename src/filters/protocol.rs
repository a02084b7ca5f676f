//! The protocol between `fink` and a worker: frames over the worker's stdin and stdout.
//!
//! A frame is the length of a JSON header (4 bytes, big-endian), the length of a body (8 bytes), the header, the body. The first request
//! loads the filters; the others call some of them, and their body is an Arrow IPC stream with the columns of all calls and boolean columns,
//! the masks, that select the rows of a call. The response to a call is two frames, `begin` and the result. The body of a result is one
//! byte, 0 or 1, for each of the call's rows.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// Longest header to accept.
const MAX_HEADER_BYTES: u32 = 64 << 20;
/// Longest body of a response to accept.
const MAX_BODY_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Request<'a> {
    /// import these filters
    Load {
        path: Vec<String>,
        /// bytes that may be allocated beyond what the process has after the imports
        memory: u64,
        /// seconds for one call
        timeout: f64,
        /// (module, function)
        functions: Vec<(&'a str, &'a str)>,
    },
    /// call some of them
    Run { columns: &'a [ColumnSpec], calls: Vec<CallRequest<'a>> },
}

/// A column of the body.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ColumnSpec {
    pub name: String,
    /// whether the filter gets a DataFrame of its fields
    pub frame: bool,
    /// whether its values are, or contain, dicts
    pub dicts: bool,
}

/// A call of a filter.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CallRequest<'a> {
    /// the number that responses refer to
    pub call: usize,
    /// index of the filter among those loaded
    pub function: usize,
    /// (parameter, index of its column)
    pub arguments: &'a [(String, usize)],
    /// index of the boolean column that selects the rows; `None`: all rows
    pub mask: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Response {
    /// to [`Request::Load`], by filter
    Loaded(Vec<LoadResult>),
    /// to [`Request::Load`]: no filter can run
    NotReady(String),
    /// the call begins
    Begin(usize),
    /// the call has succeeded; the body says which rows the filter keeps
    Kept(usize),
    /// the call has failed
    Failed { call: usize, reason: String },
    /// all calls of the request are done
    Done,
}

impl Response {
    /// Whether it is the last response to its request.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Loaded(_) | Self::NotReady(_) | Self::Done)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoadResult {
    /// (name, whether it has a default)
    Parameters(Vec<(String, bool)>),
    /// why the filter cannot be used
    Error(String),
}

/// Writes a request.
pub(super) fn write(out: &mut impl Write, header: &[u8], body: &[u8]) -> io::Result<()> {
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "the header is too long");
    out.write_all(&u32::try_from(header.len()).map_err(too_long)?.to_be_bytes())?;
    out.write_all(&(body.len() as u64).to_be_bytes())?;
    out.write_all(header)?;
    out.write_all(body)?;
    out.flush()
}

/// Reads a response with its body.
pub(super) fn read(from: &mut impl Read) -> io::Result<(Response, Vec<u8>)> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut lengths = [0; 12];
    from.read_exact(&mut lengths)?;
    let [a, b, c, d, rest @ ..] = lengths;
    let (header_len, body_len) = (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(rest));
    if header_len > MAX_HEADER_BYTES || body_len > MAX_BODY_BYTES {
        return Err(invalid(format!("a response with a header of {header_len} bytes and a body of {body_len} bytes")));
    }
    let mut header = vec![0; header_len as usize];
    from.read_exact(&mut header)?;
    let mut body = vec![0; body_len as usize];
    from.read_exact(&mut body)?;
    let response = serde_json::from_slice(&header).map_err(|error| invalid(format!("an invalid response: {error}")))?;
    Ok((response, body))
}
