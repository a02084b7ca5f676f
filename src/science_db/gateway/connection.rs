//! One connection to a Thrift gateway.

use std::io::{BufWriter, Write};
use std::time::Duration;

use thrift::protocol::TBinaryOutputProtocol;

use super::Call;
use super::answer::Answer;
use super::failure::Failure;
use super::stream::Stream;
use super::wait::Wait;
use crate::science_db::row::PageBuffer;

/// Most bytes in the answer to a call that generated code decodes.
const MOST_BYTES: usize = 256 << 20;

/// A connection. After any failure it is of no more use.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    scratch: PageBuffer,
}

impl Connection {
    /// Connects to the gateway that `wait` is for, and asks which interface it has.
    pub fn greet(wait: Wait) -> Result<Self, Failure> {
        let greet = wait.health().interface().greet;
        let mut connection = Self { stream: Stream::connect(wait)?, scratch: PageBuffer::default() };
        let hint = |reason| {
            format!(
                "connected, but {reason}: is it a Thrift gateway, unframed, with a worker thread left (hbase.thrift.minWorkerThreads)?"
            )
        };
        match greet(&mut connection) {
            // Gateways older than the question: the first call will tell.
            Ok(()) | Err(Failure::UnknownMethod(_)) => Ok(connection),
            Err(Failure::Lost(reason)) => Err(Failure::Lost(hint(reason))),
            Err(Failure::TimedOut(reason)) => Err(Failure::TimedOut(hint(reason))),
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
    pub fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        (&self.stream).write_all(request).map_err(|error| Failure::of_io(&error).while_doing("while sending a request"))
    }

    /// The answer to the request sent last, read into `buffer` behind what is there.
    pub fn answer<'a>(&'a self, buffer: &'a mut PageBuffer) -> Answer<'a, &'a Stream> {
        Answer::new(&self.stream, buffer, PageBuffer::MOST)
    }

    /// The answer to the request sent last, where it is small.
    pub fn small_answer(&mut self) -> Answer<'_, &Stream> {
        self.scratch.clear();
        Answer::new(&self.stream, &mut self.scratch, MOST_BYTES)
    }

    /// The two directions for one call of a generated client.
    pub fn protocols(&mut self) -> (Answer<'_, &Stream>, Sender<'_>) {
        self.scratch.clear();
        let sender = TBinaryOutputProtocol::new(BufWriter::with_capacity(64 << 10, &self.stream), true);
        (Answer::new(&self.stream, &mut self.scratch, MOST_BYTES), sender)
    }
}

/// What a generated client writes its requests to.
pub type Sender<'a> = TBinaryOutputProtocol<BufWriter<&'a Stream>>;
