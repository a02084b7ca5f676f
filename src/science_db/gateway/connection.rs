//! One TCP connection to a Thrift gateway, with time-outs everywhere.

use std::io::{BufWriter, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use rustix::net::sockopt;
use thrift::protocol::TBinaryOutputProtocol;

use super::answer::Answer;
use super::failure::Failure;
use crate::science_db::row::PageBuffer;

/// How long to wait for a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// for the connection
    pub connect: Duration,
    /// for the first answer; a gateway whose worker threads are all taken accepts connections and never answers
    pub greeting: Duration,
    /// for the gateway to take in what is sent
    pub send: Duration,
    /// for any other answer. Generous: a scan answers only when it has found a whole page, or the end of its range, and a gateway tries
    /// again for minutes while a region moves. That the gateway's host is gone is noticed sooner, by keep-alive probes.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            greeting: Duration::from_secs(20),
            send: Duration::from_secs(60),
            answer: Duration::from_secs(300),
        }
    }
}

/// Most bytes in the answer to a call that generated code decodes.
const MOST_BYTES: usize = 256 << 20;
/// Silence before the first keep-alive probe, time between two, and how many may stay unanswered.
const PROBES: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

/// A connection. After any failure it is of no more use.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    scratch: PageBuffer,
}

impl Connection {
    /// Connects to `address`, `host:port`; answers are awaited for `patience.greeting` until [`settle`](Self::settle).
    pub fn open(address: &str, patience: Patience) -> Result<Self, Failure> {
        let stream = connect(address, patience.connect)?;
        let prepare = || -> std::io::Result<()> {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(patience.greeting))?;
            stream.set_write_timeout(Some(patience.send))?;
            let (idle, between, count) = PROBES;
            sockopt::set_socket_keepalive(&stream, true)?;
            sockopt::set_tcp_keepidle(&stream, idle)?;
            sockopt::set_tcp_keepintvl(&stream, between)?;
            sockopt::set_tcp_keepcnt(&stream, count)?;
            Ok(())
        };
        prepare().map_err(|error| Failure::Lost(error.to_string()))?;
        Ok(Self { stream, scratch: PageBuffer::default() })
    }

    /// Ends the greeting: from here on answers are awaited for `patience.answer`.
    pub fn settle(&self, patience: Patience) -> Result<(), Failure> {
        self.stream.set_read_timeout(Some(patience.answer)).map_err(|error| Failure::Lost(error.to_string()))
    }

    /// Whether the other side has not hung up since the last answer (by default HBase's gateways do so after a minute of silence).
    /// Asked before a call, so that one which must not be done twice is not sent into a dead connection.
    pub fn is_open(&self) -> bool {
        let silent = || -> std::io::Result<bool> {
            self.stream.set_nonblocking(true)?;
            let silent = matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            self.stream.set_nonblocking(false)?;
            Ok(silent)
        };
        silent().unwrap_or(false)
    }

    /// Sends a request.
    pub fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(request).map_err(|error| Failure::Lost(format!("while sending a request: {error}")))
    }

    /// The answer to the request sent last, read into `buffer` behind what is there.
    pub fn answer<'a>(&'a self, buffer: &'a mut PageBuffer) -> Answer<'a, &'a TcpStream> {
        Answer::new(&self.stream, buffer, PageBuffer::MOST)
    }

    /// The answer to the request sent last, where it is small.
    pub fn small_answer(&mut self) -> Answer<'_, &TcpStream> {
        self.scratch.clear();
        Answer::new(&self.stream, &mut self.scratch, MOST_BYTES)
    }

    /// The two directions for one call of a generated client.
    pub fn protocols(&mut self) -> (Answer<'_, &TcpStream>, Sender<'_>) {
        self.scratch.clear();
        let sender = TBinaryOutputProtocol::new(BufWriter::with_capacity(64 << 10, &self.stream), true);
        (Answer::new(&self.stream, &mut self.scratch, MOST_BYTES), sender)
    }
}

/// What a generated client writes its requests to.
pub type Sender<'a> = TBinaryOutputProtocol<BufWriter<&'a TcpStream>>;

fn connect(address: &str, patience: Duration) -> Result<TcpStream, Failure> {
    let found = address.to_socket_addrs().map_err(|error| Failure::Lost(format!("its name is not known: {error}")))?;
    let mut reason = String::from("its name has no address");
    for socket in found {
        match TcpStream::connect_timeout(&socket, patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(Failure::Lost(reason))
}
