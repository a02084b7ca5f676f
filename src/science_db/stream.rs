//! A TCP stream, perhaps with TLS, whose reads and writes can be cancelled.

use std::cell::{Ref, RefCell, RefMut};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use openssl::ssl::{ErrorCode, HandshakeError, Ssl, SslStream};
use rustix::net::sockopt;

/// Longest time for which a thread blocks before it asks whether to go on.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// TCP keep-alive: idle time before the first probe, time between probes, number of unanswered probes that end the connection.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 3);

/// Longest attempt to connect. The kernel retries at growing intervals: a new attempt notices sooner that a host is back.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for a server: what ends a read or write that moves no bytes.
pub(crate) trait Wait {
    /// The server's address, `host:port`.
    fn address(&self) -> &str;

    /// Time without any byte after which the wait ends.
    fn timeout(&self) -> Duration;

    /// Records that bytes were received or sent.
    fn progress(&mut self);

    /// Fails if the session was cancelled.
    fn check_cancelled(&self) -> Result<()>;

    /// Fails if the read or write must end although no byte was moved: with [`ErrorKind::TimedOut`], or because the session was cancelled.
    /// Called every [`POLL_INTERVAL`].
    fn check(&mut self) -> Result<()>;
}

/// A connected stream. Reads and writes block for at most [`POLL_INTERVAL`] before they ask their [`Wait`] whether to go on.
#[derive(Debug)]
pub(crate) struct Stream<W> {
    transport: Transport,
    wait: RefCell<W>,
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<RefCell<SslStream<TcpStream>>>),
}

impl Transport {
    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(tcp) => { tcp }.read(buffer),
            Self::Tls(stream) => stream.borrow_mut().read(buffer).map_err(rejected),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(tcp) => { tcp }.write(bytes),
            Self::Tls(stream) => {
                let mut stream = stream.borrow_mut();
                stream
                    .write(bytes)
                    .map_err(|error| alert_of_closed(&mut stream, &error).unwrap_or_else(|| rejected(error)))
            }
        }
    }

    /// Whether a read that does not block finds nothing to read, and the connection open.
    fn is_idle(&self) -> Result<bool> {
        match self {
            Self::Plain(tcp) => {
                tcp.set_nonblocking(true)?;
                let is_idle = matches!(tcp.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
                tcp.set_nonblocking(false)?;
                Ok(is_idle)
            }
            Self::Tls(stream) => {
                // Servers also send messages that belong to TLS, such as session tickets, which the look takes in.
                let mut stream = stream.borrow_mut();
                stream.get_ref().set_nonblocking(true)?;
                let is_idle = matches!(stream.ssl_peek(&mut [0]), Err(error) if error.code() == ErrorCode::WANT_READ);
                stream.get_ref().set_nonblocking(false)?;
                Ok(is_idle)
            }
        }
    }
}

impl<W: Wait> Stream<W> {
    /// Connects to the address of `wait`.
    ///
    /// # Errors
    /// Those of `wait`; [`ErrorKind::Other`] where the connection cannot be made.
    pub(crate) fn connect(mut wait: W) -> Result<Self> {
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
        prepare().map_err(|error| failed(&error))?;
        Ok(Self { transport: Transport::Plain(tcp), wait: RefCell::new(wait) })
    }

    /// Begins TLS on a connection on which nothing was sent.
    ///
    /// # Errors
    /// Those of the wait; [`ErrorKind::PermissionDenied`] where the server refuses with a TLS alert.
    pub(crate) fn encrypt(self, ssl: Ssl) -> Result<Self> {
        let Self { transport, wait } = self;
        let tcp = match transport {
            Transport::Plain(tcp) => tcp,
            encrypted @ Transport::Tls(_) => return Ok(Self { transport: encrypted, wait }),
        };
        let mut handshake = ssl.connect(tcp);
        loop {
            handshake = match handshake {
                Ok(stream) => return Ok(Self { transport: Transport::Tls(Box::new(RefCell::new(stream))), wait }),
                Err(HandshakeError::WouldBlock(begun)) => {
                    wait.borrow_mut().check()?;
                    begun.handshake()
                }
                Err(HandshakeError::Failure(begun)) => {
                    return Err(begun
                        .into_error()
                        .into_io_error()
                        .map_or_else(|error| rejected(Error::other(error)), |error| failed(&error)));
                }
                Err(HandshakeError::SetupFailure(errors)) => return Err(Error::other(errors)),
            }
        }
    }

    /// The TLS of the connection.
    pub(crate) fn tls(&self) -> Option<Ref<'_, SslStream<TcpStream>>> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => Some(stream.borrow()),
        }
    }

    /// How long reads and writes wait.
    pub(crate) fn wait(&self) -> RefMut<'_, W> {
        self.wait.borrow_mut()
    }

    /// Whether the peer has neither closed the connection nor sent anything. Does not block.
    pub(crate) fn is_idle(&self) -> bool {
        self.transport.is_idle().unwrap_or(false)
    }

    /// Repeats `transfer` until it has moved some bytes or the wait ends.
    fn retry_until_progress(&self, mut transfer: impl FnMut(&Transport) -> Result<usize>) -> Result<usize> {
        let mut wait = self.wait.borrow_mut();
        wait.check_cancelled()?;
        loop {
            match transfer(&self.transport) {
                Err(error) if is_would_block(error.kind()) => wait.check()?,
                moved => {
                    wait.progress();
                    return moved;
                }
            }
        }
    }
}

impl<W: Wait> Read for &Stream<W> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.retry_until_progress(|transport| transport.read(buffer))
    }
}

impl<W: Wait> Write for &Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.retry_until_progress(|transport| transport.write(bytes))
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
fn connect(wait: &mut impl Wait) -> Result<TcpStream> {
    let (address, timeout) = (wait.address().to_owned(), wait.timeout().min(CONNECT_TIMEOUT));
    let (sender, receiver) = sync_channel(1);
    let connect = move || {
        // The receiver is gone if the caller was cancelled.
        let _cancelled = sender.send(connect_blocking(&address, timeout));
    };
    let thread = std::thread::Builder::new().name(String::from("connect")).spawn(connect);
    thread.map_err(|error| Error::other(format!("cannot start a thread: {error}")))?;
    loop {
        match receiver.recv_timeout(POLL_INTERVAL) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Timeout) => wait.check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Error::other("the connecting thread panicked")),
        }
    }
}

fn connect_blocking(address: &str, timeout: Duration) -> Result<TcpStream> {
    let resolved = address.to_socket_addrs();
    let resolved = resolved.map_err(|error| Error::other(format!("cannot resolve the host name: {error}")))?;
    let mut failure = Error::other("the host name has no address");
    for socket in resolved {
        match TcpStream::connect_timeout(&socket, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = failed(&error),
        }
    }
    Err(failure)
}

/// An attempt to connect that reached the kernel's time-out is not a time-out of the [`Wait`].
fn failed(error: &Error) -> Error {
    Error::other(error.to_string())
}

/// The alert with which the peer has closed the connection, after a write that failed: with TLS 1.3 it refuses the client's certificate after the
/// handshake of the client, which may have read nothing since.
fn alert_of_closed(stream: &mut SslStream<TcpStream>, written: &Error) -> Option<Error> {
    if !matches!(written.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) {
        return None;
    }
    let read = rejected(stream.read(&mut [0]).err()?);
    (read.kind() == ErrorKind::PermissionDenied).then_some(read)
}

/// Tells a TLS alert of the peer, by which it refuses the connection, from other errors: by [`ErrorKind::PermissionDenied`], and its name as text.
fn rejected(error: Error) -> Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<openssl::ssl::Error>());
    let reasons = cause.and_then(openssl::ssl::Error::ssl_error).map(|errors| errors.errors());
    let reason = reasons.into_iter().flatten().find_map(|error| error.reason());
    match reason {
        Some(alert) if alert.contains("alert") => Error::new(ErrorKind::PermissionDenied, alert),
        Some(reason) => Error::other(reason),
        None => error,
    }
}
