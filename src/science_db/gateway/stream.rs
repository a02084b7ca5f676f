//! A TCP stream whose reads and writes can be cancelled.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use rustix::net::sockopt;

use super::call_error::CallError;
use super::timeouts::Call;
use super::wait::{POLL_INTERVAL, Wait};

/// TCP keep-alive: idle time before the first probe, time between probes, number of unanswered probes that end the connection.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 3);

/// Longest attempt to connect. The kernel retries at growing intervals: a new attempt notices sooner that a host is back.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connected stream. Reads and writes block for at most [`POLL_INTERVAL`] before they ask their [`Wait`] whether to go on.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TcpStream,
    wait: RefCell<Wait>,
}

impl Stream {
    /// Connects to the gateway of `wait`.
    pub(crate) fn connect(mut wait: Wait) -> std::result::Result<Self, CallError> {
        let tcp = connect(&mut wait)?;
        let prepare = || -> Result<()> {
            tcp.set_nodelay(true)?;
            tcp.set_read_timeout(Some(POLL_INTERVAL))?;
            tcp.set_write_timeout(Some(POLL_INTERVAL))?;
            let (idle, interval, count) = KEEP_ALIVE;
            sockopt::set_socket_keepalive(&tcp, true)?;
            sockopt::set_tcp_keepidle(&tcp, idle)?;
            sockopt::set_tcp_keepintvl(&tcp, interval)?;
            sockopt::set_tcp_keepcnt(&tcp, count)?;
            Ok(())
        };
        prepare().map_err(|error| CallError::Disconnected(error.to_string()))?;
        Ok(Self { tcp, wait: RefCell::new(wait) })
    }

    /// Begins a call.
    pub(crate) fn begin(&self, call: Call, timeout: Duration) {
        self.wait.borrow_mut().begin(call, timeout);
    }

    /// Whether the peer has neither closed the connection nor sent anything. Does not block.
    pub(crate) fn is_idle(&self) -> bool {
        let is_idle = || -> Result<bool> {
            self.tcp.set_nonblocking(true)?;
            let is_idle = matches!(self.tcp.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            self.tcp.set_nonblocking(false)?;
            Ok(is_idle)
        };
        is_idle().unwrap_or(false)
    }

    /// Repeats `transfer` until it has moved some bytes or the wait ends.
    fn retry_until_progress(&self, mut transfer: impl FnMut(&TcpStream) -> Result<usize>) -> Result<usize> {
        let mut wait = self.wait.borrow_mut();
        wait.check_cancelled()?;
        loop {
            match transfer(&self.tcp) {
                Err(error) if is_would_block(error.kind()) => wait.check()?,
                moved => {
                    wait.progress();
                    return moved;
                }
            }
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.retry_until_progress(|mut tcp| tcp.read(buffer))
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.retry_until_progress(|mut tcp| tcp.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Whether a read or write reached its time-out (`WouldBlock` on Linux) or was interrupted by a signal.
fn is_would_block(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Connects in a thread of its own: neither the resolution of a host name nor a connection attempt can be cancelled.
fn connect(wait: &mut Wait) -> std::result::Result<TcpStream, CallError> {
    let (address, timeout) = (wait.address().to_owned(), wait.timeout().min(CONNECT_TIMEOUT));
    let (sender, receiver) = sync_channel(1);
    let connect = move || {
        // The receiver is gone if the caller was cancelled.
        let _cancelled = sender.send(connect_blocking(&address, timeout));
    };
    let thread = std::thread::Builder::new().name(String::from("connect")).spawn(connect);
    thread.map_err(|error| CallError::Disconnected(format!("cannot start a thread: {error}")))?;
    loop {
        match receiver.recv_timeout(POLL_INTERVAL) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Timeout) => wait.check().map_err(|error| CallError::from_io(&error))?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(CallError::Disconnected(String::from("the connecting thread panicked")));
            }
        }
    }
}

fn connect_blocking(address: &str, timeout: Duration) -> std::result::Result<TcpStream, CallError> {
    let resolved = address.to_socket_addrs();
    let resolved =
        resolved.map_err(|error| CallError::Disconnected(format!("cannot resolve the host name: {error}")))?;
    let mut reason = String::from("the host name has no address");
    for socket in resolved {
        match TcpStream::connect_timeout(&socket, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(CallError::Disconnected(reason))
}
