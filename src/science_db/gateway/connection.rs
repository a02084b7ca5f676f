//! One connection to a Thrift gateway.

use std::io::{BufWriter, Write};
use std::time::Duration;

use thrift::protocol::TBinaryOutputProtocol;

use super::Call;
use super::call_error::CallError;
use super::reply::ReplyReader;
use super::stream::Stream;
use super::wait::Wait;
use crate::row::PageBuffer;

/// Most bytes in the answer to a call that generated code decodes.
const MAX_REPLY_BYTES: usize = 256 << 20;

/// A connection. After any failure it is of no more use.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    scratch: PageBuffer,
}

impl Connection {
    /// Connects to the gateway that `wait` is for, and asks which interface it has.
    pub fn open(wait: Wait) -> Result<Self, CallError> {
        let handshake = wait.health().interface().handshake;
        let mut connection = Self { stream: Stream::connect(wait)?, scratch: PageBuffer::default() };
        let hint = |reason| {
            format!(
                "connected, but {reason}: is it a Thrift gateway, unframed, with a worker thread left (hbase.thrift.minWorkerThreads)?"
            )
        };
        match handshake(&mut connection) {
            // Gateways older than the question: the first call will tell.
            Ok(()) | Err(CallError::UnknownMethod(_)) => Ok(connection),
            Err(CallError::Disconnected(reason)) => Err(CallError::Disconnected(hint(reason))),
            Err(CallError::TimedOut(reason)) => Err(CallError::TimedOut(hint(reason))),
            Err(failure) => Err(failure),
        }
    }

    /// Begins a call, whose answer is awaited for `timeout`.
    pub fn begin(&self, call: Call, timeout: Duration) {
        self.stream.begin(call, timeout);
    }

    /// Whether the other side has not hung up since the last answer (by default HBase's gateways do so after a minute of silence).
    /// Asked before a call, so that one which must not be done twice is not sent into a dead connection.
    pub fn is_open(&self) -> bool {
        self.stream.is_silent()
    }

    /// Sends a request.
    pub fn send(&mut self, request: &[u8]) -> Result<(), CallError> {
        (&self.stream)
            .write_all(request)
            .map_err(|error| CallError::from_io(&error).with_context("while sending a request"))
    }

    /// The answer to the request sent last, read into `buffer` behind what is there.
    pub fn reply<'a>(&'a self, buffer: &'a mut PageBuffer) -> ReplyReader<'a, &'a Stream> {
        ReplyReader::new(&self.stream, buffer, PageBuffer::MAX_BYTES)
    }

    /// The answer to the request sent last, where it is small.
    pub fn small_reply(&mut self) -> ReplyReader<'_, &Stream> {
        self.scratch.clear();
        ReplyReader::new(&self.stream, &mut self.scratch, MAX_REPLY_BYTES)
    }

    /// The two directions for one call of a generated client.
    pub fn protocols(&mut self) -> (ReplyReader<'_, &Stream>, RequestWriter<'_>) {
        self.scratch.clear();
        let sender = TBinaryOutputProtocol::new(BufWriter::with_capacity(64 << 10, &self.stream), true);
        (ReplyReader::new(&self.stream, &mut self.scratch, MAX_REPLY_BYTES), sender)
    }
}

/// What a generated client writes its requests to.
pub type RequestWriter<'a> = TBinaryOutputProtocol<BufWriter<&'a Stream>>;
