//! A TCP stream whose reads and writes never block for longer than the caller wants to wait.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use rustix::net::sockopt;

use super::wait::{POLL_INTERVAL, Wait};
use super::{Call, CallError};

/// Silence before the first keep-alive probe, time between two, and how many may stay unanswered.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 3);

/// Longest wait for a connection. The system asks at growing intervals: a new attempt sees sooner that the host is back.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connected stream. A read or write is blocked for at most [`POLL_INTERVAL`] before its [`Wait`] is asked whether to go on.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
    wait: RefCell<Wait>,
}

impl Stream {
    /// Connects to the gateway that `wait` is for.
    pub fn connect(mut wait: Wait) -> std::result::Result<Self, CallError> {
        let tcp = connect(&mut wait)?;
        let prepare = || -> Result<()> {
            tcp.set_nodelay(true)?;
            tcp.set_read_timeout(Some(POLL_INTERVAL))?;
            tcp.set_write_timeout(Some(POLL_INTERVAL))?;
            let (idle, between, count) = KEEP_ALIVE;
            sockopt::set_socket_keepalive(&tcp, true)?;
            sockopt::set_tcp_keepidle(&tcp, idle)?;
            sockopt::set_tcp_keepintvl(&tcp, between)?;
            sockopt::set_tcp_keepcnt(&tcp, count)?;
            Ok(())
        };
        prepare().map_err(|error| CallError::Disconnected(error.to_string()))?;
        Ok(Self { tcp, wait: RefCell::new(wait) })
    }

    /// Begins a call.
    pub fn begin(&self, call: Call, timeout: Duration) {
        self.wait.borrow_mut().begin(call, timeout);
    }

    /// Whether the other side has neither hung up nor said anything. Does not block.
    pub fn is_silent(&self) -> bool {
        let silent = || -> Result<bool> {
            self.tcp.set_nonblocking(true)?;
            let silent = matches!(self.tcp.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            self.tcp.set_nonblocking(false)?;
            Ok(silent)
        };
        silent().unwrap_or(false)
    }

    /// Does `work` until it has moved some bytes, or the wait ends.
    fn retry_until_progress(&self, mut work: impl FnMut(&TcpStream) -> Result<usize>) -> Result<usize> {
        let mut wait = self.wait.borrow_mut();
        wait.check_cancelled()?;
        loop {
            match work(&self.tcp) {
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

/// What a socket gives after its time-out, which is `WouldBlock` on Linux, or when a signal comes.
fn is_would_block(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Neither the search for a host's address nor a connection can be ended early, so that a thread of its own waits for them.
fn connect(wait: &mut Wait) -> std::result::Result<TcpStream, CallError> {
    let (address, timeout) = (wait.address().to_owned(), wait.timeout().min(CONNECT_TIMEOUT));
    let (done, connected) = sync_channel(1);
    let connect_blocking = move || {
        // A caller that has given up needs no connection.
        let _gone = done.send(connect_blocking(&address, timeout));
    };
    let thread = std::thread::Builder::new().name(String::from("connect")).spawn(connect_blocking);
    thread.map_err(|error| CallError::Disconnected(format!("no thread to connect: {error}")))?;
    loop {
        match connected.recv_timeout(POLL_INTERVAL) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Timeout) => wait.check().map_err(|error| CallError::from_io(&error))?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(CallError::Disconnected(String::from("the thread that connects ended early")));
            }
        }
    }
}

fn connect_blocking(address: &str, timeout: Duration) -> std::result::Result<TcpStream, CallError> {
    let found = address
        .to_socket_addrs()
        .map_err(|error| CallError::Disconnected(format!("its name is not known: {error}")))?;
    let mut reason = String::from("its name has no address");
    for socket in found {
        match TcpStream::connect_timeout(&socket, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(CallError::Disconnected(reason))
}
