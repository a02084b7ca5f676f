//! One connection to a Thrift gateway.

use std::io::{BufWriter, Write};
use std::time::Duration;

use thrift::protocol::TBinaryOutputProtocol;

use super::Stream;
use super::call_error::CallError;
use super::reply::ReplyReader;
use super::request::Request;
use super::wait::Wait;
use crate::row::PageBuffer;
use crate::science_db::timeouts::Call;

/// Largest reply to a call that returns no rows, and to one that generated code decodes.
const MAX_SMALL_REPLY_BYTES: usize = 256 << 20;

/// Asks a new connection which of HBase's Thrift interfaces it serves; [`CallError::WrongVersion`] if it is not the configured one.
pub(crate) type Handshake = fn(&mut Connection) -> Result<(), CallError>;

/// A connection. After an error that [breaks](CallError::breaks_connection) it, it must not be used again.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    scratch: PageBuffer,
}

impl Connection {
    /// Connects to the gateway of `wait` and makes the handshake.
    pub(crate) fn open(wait: Wait, handshake: Handshake) -> Result<Self, CallError> {
        let mut connection = Self {
            stream: Stream::connect(wait).map_err(|error| CallError::from_io(&error))?,
            scratch: PageBuffer::default(),
        };
        let hint = |reason| {
            format!(
                "connected, but {reason}: is it a Thrift gateway, unframed, with a free worker thread (hbase.thrift.minWorkerThreads)?"
            )
        };
        match handshake(&mut connection) {
            // Old gateways do not know this method; the first call shows whether they have the right interface.
            Ok(()) | Err(CallError::UnknownMethod(_)) => Ok(connection),
            Err(CallError::Disconnected(reason)) => Err(CallError::Disconnected(hint(reason))),
            Err(CallError::TimedOut(reason)) => Err(CallError::TimedOut(hint(reason))),
            Err(error) => Err(error),
        }
    }

    /// Begins a call: its reply is waited for until no byte has arrived for `timeout`.
    pub(crate) fn begin(&self, call: Call, timeout: Duration) {
        self.stream.wait().begin(call, timeout);
    }

    /// Whether the gateway has kept the connection open (by default HBase closes it after a minute without a call). Checked before each
    /// call: a write that is not idempotent must not be sent on a closed connection.
    pub(crate) fn is_open(&self) -> bool {
        self.stream.is_idle()
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), CallError> {
        let sent = (&self.stream).write_all(request.bytes());
        sent.map_err(|error| CallError::from_io(&error).with_context("while sending a request"))
    }

    /// The reply to the last request, appended to `buffer`.
    pub(crate) fn reply<'a>(&'a self, buffer: &'a mut PageBuffer) -> ReplyReader<'a, &'a Stream> {
        ReplyReader::new(&self.stream, buffer, PageBuffer::MAX_BYTES)
    }

    /// Sends a request that returns no rows, and gives its reply.
    pub(crate) fn exchange(&mut self, request: &Request) -> Result<ReplyReader<'_, &Stream>, CallError> {
        self.send(request)?;
        self.scratch.clear();
        Ok(ReplyReader::new(&self.stream, &mut self.scratch, MAX_SMALL_REPLY_BYTES))
    }

    /// Both directions, for one call of a generated client.
    pub(crate) fn protocols(&mut self) -> (ReplyReader<'_, &Stream>, RequestWriter<'_>) {
        self.scratch.clear();
        let writer = TBinaryOutputProtocol::new(BufWriter::with_capacity(64 << 10, &self.stream), true);
        (ReplyReader::new(&self.stream, &mut self.scratch, MAX_SMALL_REPLY_BYTES), writer)
    }
}

/// Where a generated client writes its requests.
pub(crate) type RequestWriter<'a> = TBinaryOutputProtocol<BufWriter<&'a Stream>>;
