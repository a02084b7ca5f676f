//! What is said between `fink` and a worker: frames over the worker's stdin and stdout.
//!
//! A frame is the length of a JSON header (4 bytes, big-endian), the length of a body (8 bytes), the header, the body. The first request
//! names the filters, the further ones ask for calls of some of them; their body is an Arrow IPC stream with the columns of all calls,
//! and columns of booleans that say which rows a call is about. A call is answered by two frames, `begin` and the outcome, whose body is a
//! byte, 0 or 1, for each of its rows.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// Longest header that is believed, bytes.
const MAX_HEADER_BYTES: u32 = 64 << 20;
/// Longest body of an answer that is believed, bytes: one for each row.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// What a worker is asked.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Request<'a> {
    /// import these filters
    Load {
        path: Vec<String>,
        /// bytes that may be taken beyond those of the start
        memory: u64,
        /// seconds for one call
        timeout: f64,
        functions: Vec<(&'a str, &'a str)>,
    },
    /// call some of them
    Judge { columns: &'a [ColumnSpec], calls: Vec<CallRequest<'a>> },
}

/// A column of the body.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ColumnSpec {
    /// the argument
    pub name: String,
    /// whether Python gets a DataFrame of its fields
    pub frame: bool,
    /// whether its values are, or hold, dicts
    pub dicts: bool,
}

/// A call.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CallRequest<'a> {
    /// the caller's number of the call
    pub call: usize,
    /// the index of the function among those loaded
    pub function: usize,
    /// for each parameter that is given a column, its name and the column's index
    pub arguments: &'a [(String, usize)],
    /// the index of the boolean column that says which rows it is about; none: all
    pub rows: Option<usize>,
}

/// What a worker answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Response {
    /// the filters are loaded, each or not
    Loaded(Vec<LoadResult>),
    /// no filter can be run at all
    Unfit(String),
    /// the call has begun
    Begin(usize),
    /// the call is over; the body says what is kept
    Kept(usize),
    /// the call failed
    Failed {
        /// which
        call: usize,
        /// what to tell the user
        reason: String,
    },
    /// all that was asked is answered
    Done,
}

impl Response {
    /// Whether nothing further follows it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Loaded(_) | Self::Unfit(_) | Self::Done)
    }
}

/// What became of one filter.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoadResult {
    /// its parameters: name, and whether it may be left out
    Parameters(Vec<(String, bool)>),
    /// it cannot be used
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

/// Reads an answer.
pub(super) fn read(from: &mut impl Read) -> io::Result<(Response, Vec<u8>)> {
    let strange = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut lengths = [0; 12];
    from.read_exact(&mut lengths)?;
    let [a, b, c, d, rest @ ..] = lengths;
    let (header_len, body_len) = (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(rest));
    if header_len > MAX_HEADER_BYTES || body_len > MAX_BODY_BYTES {
        return Err(strange(format!("an answer of {header_len} and {body_len} bytes")));
    }
    let mut header = vec![0; header_len as usize];
    from.read_exact(&mut header)?;
    let mut body = vec![0; body_len as usize];
    from.read_exact(&mut body)?;
    let answer =
        serde_json::from_slice(&header).map_err(|error| strange(format!("an answer that is none: {error}")))?;
    Ok((answer, body))
}
