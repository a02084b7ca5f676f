//! A small ZooKeeper client: one session, one request at a time, no watches.

mod jute;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use jute::{ErrorCode, Lifetime, MAX_FRAME_BYTES, Request};

/// The session timeout that is asked for. The server may choose another one: between 2 and 20 of its ticks, by default 4 to 40 s.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a request to ZooKeeper failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZooKeeperError {
    /// no server accepts a session, or the connection broke
    #[error("cannot reach ZooKeeper at {address}: {reason}")]
    Unreachable { address: String, reason: String },
    /// the session no longer exists, and its ephemeral znodes neither
    #[error("the ZooKeeper session at {address} has expired")]
    Expired { address: String },
    /// the server refused the request
    #[error("ZooKeeper at {address} refused to {action} `{path}`: {code}{advice}")]
    Refused { address: String, action: &'static str, path: String, code: String, advice: &'static str },
}

/// A session. Its ephemeral znodes disappear when it is closed or dropped; after an error only a new session helps.
#[derive(Debug)]
pub(crate) struct ZooKeeperSession {
    stream: TcpStream,
    address: String,
    timeout: Duration,
    xid: i32,
}

impl ZooKeeperSession {
    /// Opens a session with the first of the servers `addresses` (`host:port`) that accepts one.
    ///
    /// # Errors
    /// No server accepts a session; the error names them all, with the reason of the last one.
    pub fn connect(addresses: &[String]) -> Result<Self, ZooKeeperError> {
        let mut reason = "no address is configured".to_owned();
        for address in addresses {
            match Self::connect_to(address) {
                Ok(session) => return Ok(session),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(ZooKeeperError::Unreachable { address: addresses.join(","), reason })
    }

    fn connect_to(address: &str) -> io::Result<Self> {
        let mut last = io::Error::other("the name has no address");
        for socket_address in address.to_socket_addrs()? {
            match Self::open(socket_address, address) {
                Ok(session) => return Ok(session),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn open(socket_address: SocketAddr, address: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&socket_address, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
        stream.write_all(&jute::connect_frame(SESSION_TIMEOUT.as_millis() as i32))?;
        let frame = read_frame(&mut stream, Instant::now() + CONNECT_TIMEOUT).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::other("the server closed the connection: is it a ZooKeeper?"),
            _ => error,
        })?;
        let damaged = |error: jute::Damaged| io::Error::other(format!("{error}: is it a ZooKeeper?"));
        let connected = jute::read_connected(&frame).map_err(damaged)?;
        let Some(timeout) = u64::try_from(connected.timeout_ms).ok().filter(|timeout| *timeout > 0) else {
            return Err(io::Error::other("the server refused the session"));
        };
        log::debug!("session {:#x} with ZooKeeper at {address}, timeout {timeout} ms", connected.session);
        Ok(Self { stream, address: address.to_owned(), timeout: Duration::from_millis(timeout), xid: 0 })
    }

    /// How often to [`ping`](Self::ping) at least.
    pub fn ping_interval(&self) -> Duration {
        self.timeout / 3
    }

    /// The address of this machine as the server sees it, without address translation in between.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn local_address(&self) -> Result<SocketAddr, ZooKeeperError> {
        self.stream.local_addr().map_err(|error| self.unreachable(&error))
    }

    /// Keeps the session alive.
    ///
    /// # Errors
    /// The session is lost.
    pub fn ping(&mut self) -> Result<(), ZooKeeperError> {
        self.call(Request::Ping, "ping", "/").map(drop)
    }

    /// Creates a persistent znode unless it exists.
    ///
    /// # Errors
    /// The session is lost, the parent does not exist, or the user has no right.
    pub fn ensure(&mut self, path: &str, data: &[u8]) -> Result<(), ZooKeeperError> {
        self.create(path, data, Lifetime::Persistent).map(drop)
    }

    /// Creates an ephemeral znode without data. Returns `false` if it exists already.
    ///
    /// # Errors
    /// As for [`ensure`](Self::ensure).
    pub fn create_ephemeral(&mut self, path: &str) -> Result<bool, ZooKeeperError> {
        self.create(path, &[], Lifetime::Ephemeral)
    }

    fn create(&mut self, path: &str, data: &[u8], lifetime: Lifetime) -> Result<bool, ZooKeeperError> {
        match self.send(Request::Create { path, data, lifetime })? {
            Ok(_) => Ok(true),
            Err(ErrorCode::NODE_EXISTS) => Ok(false),
            Err(code) => Err(self.refused("create", path, code)),
        }
    }

    /// The names of a znode's children; empty where the znode does not exist.
    ///
    /// # Errors
    /// The session is lost, or the user has no right.
    pub fn children(&mut self, path: &str) -> Result<Vec<String>, ZooKeeperError> {
        match self.send(Request::GetChildren { path })? {
            Ok(body) => jute::read_children(&body).map_err(|error| self.unreachable(&error)),
            Err(ErrorCode::NO_NODE) => Ok(Vec::new()),
            Err(code) => Err(self.refused("list", path, code)),
        }
    }

    /// Ends the session: its ephemeral znodes disappear at once, not only after the session timeout.
    pub fn close(mut self) {
        // Where this fails, the server ends the session after its timeout.
        let _lost = self.send(Request::CloseSession);
    }

    fn call(&mut self, request: Request<'_>, action: &'static str, path: &str) -> Result<Vec<u8>, ZooKeeperError> {
        self.send(request)?.map_err(|code| self.refused(action, path, code))
    }

    /// Sends a request and waits for its reply, for at most two thirds of the session timeout.
    fn send(&mut self, request: Request<'_>) -> Result<Result<Vec<u8>, ErrorCode>, ZooKeeperError> {
        let xid = if request == Request::Ping { jute::PING_XID } else { self.next_xid() };
        let deadline = Instant::now() + self.timeout * 2 / 3;
        let reply = self.stream.write_all(&request.frame(xid)).and_then(|()| self.receive(xid, deadline));
        match reply.map_err(|error| self.unreachable(&error))? {
            Err(ErrorCode::SESSION_EXPIRED | ErrorCode::SESSION_MOVED) => {
                Err(ZooKeeperError::Expired { address: self.address.clone() })
            }
            reply => Ok(reply),
        }
    }

    fn next_xid(&mut self) -> i32 {
        self.xid = self.xid.checked_add(1).unwrap_or(1);
        self.xid
    }

    fn receive(&mut self, wanted: i32, deadline: Instant) -> io::Result<Result<Vec<u8>, ErrorCode>> {
        loop {
            let frame = read_frame(&mut self.stream, deadline)?;
            let reply = jute::read_reply(&frame).map_err(io::Error::other)?;
            match reply.xid {
                xid if xid == wanted => return Ok(reply.body.map(<[u8]>::to_vec)),
                jute::EVENT_XID | jute::PING_XID => {}
                xid => return Err(io::Error::other(format!("reply {xid} came instead of {wanted}"))),
            }
        }
    }

    fn unreachable(&self, reason: &dyn std::fmt::Display) -> ZooKeeperError {
        ZooKeeperError::Unreachable { address: self.address.clone(), reason: reason.to_string() }
    }

    fn refused(&self, action: &'static str, path: &str, code: ErrorCode) -> ZooKeeperError {
        let advice = match code {
            ErrorCode::NO_AUTH => "; it has access control: let an administrator create it for everybody",
            ErrorCode::NO_NODE => "; its parent does not exist",
            _ => "",
        };
        ZooKeeperError::Refused {
            address: self.address.clone(),
            action,
            path: path.to_owned(),
            code: code.name(),
            advice,
        }
    }
}

/// Reads one frame, without its length.
fn read_frame(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    read_exact_until(stream, &mut length, deadline)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!(
            "a frame of {length} bytes: this is no ZooKeeper, or its data is too large"
        )));
    }
    let mut frame = vec![0; length];
    read_exact_until(stream, &mut frame, deadline)?;
    Ok(frame)
}

/// As `read_exact`, for at most the time until `deadline`, however few bytes come at once.
fn read_exact_until(stream: &mut TcpStream, mut buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    while !buffer.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => buffer = &mut buffer[count..],
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
