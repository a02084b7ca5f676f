//! One connection to one server: requests, and the responses to them in any order.

use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::cluster::Cluster;
use super::exception::{CallError, ServerException};
use super::frame::{self, CONNECTION_CALL_ID, MAX_FRAME_BYTES, Parts};
use super::proto::{Method, ResponseHeader, Service};
use super::wait::Wait;
use crate::cancel::CancellationToken;
use crate::row::PageBuffer;
use crate::science_db::stream::Stream;

/// A call that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId(u32);

/// The response to a call. The ranges are positions in the buffer that it was read into.
#[derive(Debug)]
pub(crate) struct Response<R> {
    /// the message
    pub message: R,
    /// the cell block; empty if there is none
    pub cells: Range<usize>,
}

/// A connection. After an error that [breaks](CallError::breaks_connection) it, it must not be used again.
#[derive(Debug)]
pub(crate) struct Connection {
    cluster: Arc<Cluster>,
    stream: Stream<Wait>,
    last_call: u32,
    /// calls whose responses were not read yet
    open_calls: Vec<CallId>,
    /// calls whose responses are not wanted
    ignored: Vec<CallId>,
    /// frames that came before the one that was waited for
    early: Vec<(CallId, Vec<u8>)>,
    has_answered: bool,
}

impl Connection {
    /// Connects to `server`, the address that the cluster gives it. The server does not answer before the first call.
    pub(crate) fn open(
        cluster: &Arc<Cluster>,
        server: &str,
        service: Service,
        cancel: &CancellationToken,
        timeout: Duration,
    ) -> Result<Self, CallError> {
        let stream = Stream::connect(Wait::new(cluster, cluster.reach(server), cancel, timeout));
        let stream = stream.map_err(|error| CallError::from_io(&error))?;
        let stream = match cluster.tls() {
            Some(tls) => tls.encrypt(stream, server, cluster.addresses().iter().any(|address| address == server))?,
            None => stream,
        };
        let connection = Self {
            cluster: Arc::clone(cluster),
            stream,
            last_call: 0,
            open_calls: Vec::new(),
            ignored: Vec::new(),
            early: Vec::new(),
            has_answered: false,
        };
        connection.write(&frame::connection_start(service, cluster.user()))?;
        Ok(connection)
    }

    /// Whether the server has kept the connection open, as far as can be seen without blocking: with calls in flight it may have sent their
    /// responses.
    pub(crate) fn is_open(&self) -> bool {
        !self.open_calls.is_empty() || self.stream.is_idle()
    }

    /// Whether no response is unread, and the server has kept the connection open.
    pub(crate) fn is_idle(&self) -> bool {
        self.open_calls.is_empty() && self.stream.is_idle()
    }

    /// Sends a request and the cell block of its message. The response is waited for until no byte has arrived for `timeout`.
    pub(crate) fn send<M: Method>(
        &mut self,
        request: &M,
        cells: &[u8],
        timeout: Duration,
    ) -> Result<CallId, CallError> {
        // Java's call ids are not negative.
        self.last_call = (self.last_call + 1) & 0x7fff_ffff;
        let call = CallId(self.last_call);
        self.stream.wait().begin(timeout);
        let head = frame::request(call.0, M::NAME, request, cells.len(), timeout);
        self.write(&head)?;
        self.write(cells)?;
        self.open_calls.push(call);
        Ok(call)
    }

    /// Reads the response to `call` and appends it to `buffer`, in which the cells stay. The responses to other calls are kept for them.
    pub(crate) fn receive<M: Method>(
        &mut self,
        call: CallId,
        buffer: &mut PageBuffer,
        timeout: Duration,
    ) -> Result<Response<M::Response>, CallError> {
        let start = buffer.filled().len();
        let parts = match self.early.iter().position(|(early, _)| *early == call) {
            Some(index) => {
                buffer.extend(&self.early.swap_remove(index).1);
                frame::split_response(&buffer.filled()[start..])?
            }
            None => self.wait_for(call, buffer, timeout)?,
        };
        self.open_calls.retain(|open| *open != call);
        if let Some(exception) = &parts.header.exception {
            buffer.truncate(start);
            return Err(CallError::Exception(exception.into()));
        }
        let shift = |range: Range<usize>| start + range.start..start + range.end;
        let message = M::Response::decode(&buffer.filled()[shift(parts.message)])?;
        Ok(Response { message, cells: shift(parts.cells) })
    }

    /// The response to `call` will not be read.
    pub(crate) fn ignore(&mut self, call: CallId) {
        match self.early.iter().position(|(early, _)| *early == call) {
            Some(index) => {
                self.early.swap_remove(index);
                self.open_calls.retain(|open| *open != call);
            }
            None => self.ignored.push(call),
        }
    }

    /// Reads frames until the response to `call`, which is appended to `buffer`.
    fn wait_for(
        &mut self,
        call: CallId,
        buffer: &mut PageBuffer,
        timeout: Duration,
    ) -> Result<Parts<ResponseHeader>, CallError> {
        self.stream.wait().begin(timeout);
        let start = buffer.filled().len();
        loop {
            read_frame(&self.stream, buffer, self.has_answered).map_err(|error| self.explain(error))?;
            let parts = frame::split_response(&buffer.filled()[start..])?;
            let id = parts.header.call_id.unwrap_or(CONNECTION_CALL_ID);
            self.has_answered = true;
            match (CallId(id), &parts.header.exception) {
                (other, _) if other == call => return Ok(parts),
                (CallId(CONNECTION_CALL_ID), Some(exception)) => {
                    return Err(CallError::Rejected(ServerException::from(exception)));
                }
                (other, _) if self.ignored.contains(&other) => {
                    self.ignored.retain(|ignored| *ignored != other);
                    self.open_calls.retain(|open| *open != other);
                }
                (other, _) if self.open_calls.contains(&other) => {
                    self.early.push((other, buffer.filled()[start..].to_vec()));
                }
                _ => return Err(CallError::Protocol(format!("a response to call {id}, which was not made"))),
            }
            buffer.truncate(start);
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), CallError> {
        (&self.stream).write_all(bytes).map_err(|error| self.explain(CallError::from_io(&error)))
    }

    fn explain(&self, error: CallError) -> CallError {
        match self.cluster.tls() {
            Some(tls) => tls.explain(error),
            None => error,
        }
    }
}

/// Appends the next frame, without its length, to `buffer`. Memory grows with the bytes that arrive, not with the announced length.
/// `has_answered`: the server has sent a frame before.
pub(crate) fn read_frame(mut source: impl Read, buffer: &mut PageBuffer, has_answered: bool) -> Result<(), CallError> {
    let mut length = [0; 4];
    source.read_exact(&mut length).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            CallError::Disconnected(String::from("the server closed the connection instead of answering"))
        }
        _ => CallError::from_io(&error),
    })?;
    // No server sends so long a frame before another; a server of another protocol answers with text.
    if !has_answered && length.iter().all(u8::is_ascii_graphic) {
        let text = String::from_utf8_lossy(&length).into_owned();
        return Err(CallError::Protocol(format!("the answer begins with \"{text}\"")));
    }
    let len = u32::from_be_bytes(length) as usize;
    if len > MAX_FRAME_BYTES.min(PageBuffer::MAX_BYTES - buffer.filled().len()) {
        return Err(CallError::Protocol(format!("a response of {len} bytes")));
    }
    let end = buffer.filled().len() + len;
    while buffer.filled().len() < end {
        let mut rest = source.by_ref().take((end - buffer.filled().len()) as u64);
        match buffer.read_from(&mut rest) {
            Ok(0) => {
                let reason = "the connection was closed in the middle of a response";
                return Err(CallError::Disconnected(String::from(reason)));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(CallError::from_io(&error)),
        }
    }
    Ok(())
}
