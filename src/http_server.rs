//! A small HTTP/1.1 server for pages on this machine: GET and HEAD, one request a connection, a thread for each connection. A response may be a
//! stream of server-sent events.
//!
//! The crate `httparse` parses requests. A request has no body, and each size and time is bounded: a client that says nothing, or too much,
//! costs one thread for a few seconds.

mod request;
mod response;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use request::{Request, is_host};
use response::Events;
pub use response::Response;

/// Maximum size of a request, bytes.
const MAX_REQUEST_BYTES: usize = 16 << 10;
/// Maximum number of header fields of a request.
const MAX_HEADERS: usize = 64;
/// Maximum number of connections at a time; further ones are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// Maximum number of streams of events at a time: other requests are answered beside them.
const MAX_EVENT_STREAMS: usize = 16;
/// How long a client may take to send its request, and to take each part of the response.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many reads of what follows a refused request.
const MAX_DISCARDED_READS: usize = 16;
/// How long to wait before the next attempt to accept a connection after one has failed, for example for want of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A server that listens.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Listens on an address. Port 0 is any free port.
    ///
    /// # Errors
    /// The address is in use, or not one of this machine.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address, with its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests with what `handler` returns, in threads of their own, until the result is dropped.
    pub fn serve(self, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> RunningServer {
        let stopping = Arc::new(AtomicBool::new(false));
        let (is_stopping, listener) = (Arc::clone(&stopping), self.listener);
        let handler = Arc::new(handler);
        let acceptor = std::thread::spawn(move || accept(&listener, &is_stopping, &handler));
        RunningServer { address: self.address, stopping, acceptor: Some(acceptor) }
    }
}

/// A server that answers requests until it is dropped.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl RunningServer {
    /// The address, with its port.
    #[cfg(test)]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // A connection wakes the thread, which waits for one.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        if TcpStream::connect_timeout(&address, TIMEOUT).is_ok()
            && let Some(acceptor) = self.acceptor.take()
        {
            // A panic of the thread has been reported by it.
            let _ended = acceptor.join();
        }
    }
}

fn accept<H: Fn(&Request) -> Response + Send + Sync + 'static>(
    listener: &TcpListener,
    stopping: &Arc<AtomicBool>,
    handler: &Arc<H>,
) {
    let (open, event_streams) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    loop {
        let accepted = listener.accept();
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::debug!("a connection to the page cannot be accepted: {error}");
                std::thread::sleep(ACCEPT_BACKOFF);
                continue;
            }
        };
        let Some(connection) = Counted::below(MAX_CONNECTIONS, &open) else { continue };
        let (handler, event_streams, stopping) =
            (Arc::clone(handler), Arc::clone(&event_streams), Arc::clone(stopping));
        std::thread::spawn(move || {
            let _connection = connection;
            if let Err(error) = answer(stream, &*handler, &event_streams, &stopping) {
                log::trace!("a connection to the page has ended: {error}");
            }
        });
    }
}

/// Counted until it is dropped, also by a panic.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// One more, unless there are `limit`.
    fn below(limit: usize, count: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |count| (count < limit).then_some(count + 1);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok().map(|_| Self(Arc::clone(count)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn answer(
    mut stream: TcpStream,
    handler: &impl Fn(&Request) -> Response,
    event_streams: &Arc<AtomicUsize>,
    stopping: &AtomicBool,
) -> io::Result<()> {
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let deadline = Instant::now() + TIMEOUT;
    let mut buffer = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let refusal = match parsed.parse(&buffer) {
            Ok(httparse::Status::Complete(_)) => {
                let method = parsed.method.unwrap_or_default();
                let with_body = method != "HEAD";
                let response = match method {
                    "GET" | "HEAD" => handler(&Request::from_parsed(&parsed)),
                    _ => Response::error(405, "only GET and HEAD are answered"),
                };
                let Some(events) = response.events.clone().filter(|_| with_body) else {
                    return response.write(with_body, &mut stream);
                };
                let Some(_counted) = Counted::below(MAX_EVENT_STREAMS, event_streams) else {
                    return Response::error(503, "too many pages are open").write(true, &mut stream);
                };
                response.write(false, &mut stream)?;
                return send_events(&events, stopping, &mut stream);
            }
            Ok(httparse::Status::Partial) if buffer.len() < MAX_REQUEST_BYTES => None,
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                Some(Response::error(431, "the request is too large"))
            }
            Err(error) => Some(Response::error(400, &error.to_string())),
        };
        if let Some(refusal) = refusal {
            refusal.write(true, &mut stream)?;
            return discard(stream);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut part = [0; 4096];
        match stream.read(&mut part)? {
            // A browser opens connections in advance and may close them unused.
            0 => return Ok(()),
            count => buffer.extend_from_slice(&part[..count]),
        }
    }
}

fn send_events(events: &Events, stopping: &AtomicBool, stream: &mut TcpStream) -> io::Result<()> {
    // A write fails once the client has closed the connection.
    while !stopping.load(Ordering::SeqCst) {
        stream.write_all(format!("data: {}\n\n", events.next()).as_bytes())?;
        std::thread::sleep(events.interval());
    }
    Ok(())
}

/// Takes what the client still sends: a connection that is closed before that is reset, and the client may not see its answer.
fn discard(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut part = [0; 4096];
    for _ in 0..MAX_DISCARDED_READS {
        if stream.read(&mut part)? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    fn server() -> RunningServer {
        let server = HttpServer::bind(LOCAL).expect("a free port");
        server.serve(|request| match request.path.as_str() {
            "/echo" => Response::ok("text/plain", format!("{request:?}").into_bytes()),
            "/panic" => panic!("on purpose"),
            "/events" => Response::events(Duration::from_millis(1), || "{}".to_owned()),
            _ => Response::error(404, "no such page"),
        })
    }

    fn ask(server: &RunningServer, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(server.address()).expect("a server");
        stream.write_all(request).expect("a request");
        let mut response = Vec::new();
        stream.read_to_end(&mut response).expect("a response");
        String::from_utf8(response).expect("UTF-8")
    }

    #[test]
    fn a_request_is_answered_and_parsed() {
        let server = server();
        let response = ask(&server, b"GET /echo?where=a%20%3C+1&n=2 HTTP/1.1\r\nHost: localhost:1\r\n\r\n");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.contains("X-Content-Type-Options: nosniff\r\n"));
        assert!(response.ends_with(r#"Request { path: "/echo", query: "where=a%20%3C+1&n=2", host: "localhost:1" }"#));
    }

    #[test]
    fn a_head_request_has_no_body() {
        let response = ask(&server(), b"HEAD /echo HTTP/1.1\r\n\r\n");
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("\r\n\r\n"), "{response}");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let server = server();
        assert!(ask(&server, b"POST /echo HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask(&server, b"\x16\x03\x01\x02\x00\x01").starts_with("HTTP/1.1 400 "));
        assert!(ask(&server, b"GET /x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_REQUEST_BYTES - 14));
        assert!(ask(&server, long.as_bytes()).starts_with("HTTP/1.1 431 "));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
        assert!(ask(&server, many.as_bytes()).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn a_panic_of_the_handler_ends_one_connection_only() {
        let server = server();
        for _ in 0..=MAX_CONNECTIONS {
            assert_eq!(ask(&server, b"GET /panic HTTP/1.1\r\n\r\n"), "");
        }
        assert!(ask(&server, b"GET /echo HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn events_are_sent_until_the_client_leaves_and_other_requests_are_answered_beside_them() {
        let server = server();
        let read_two = || {
            let mut stream = TcpStream::connect(server.address()).expect("a server");
            stream.write_all(b"GET /events HTTP/1.1\r\n\r\n").expect("a request");
            let mut text = Vec::new();
            while !text.ends_with(b"data: {}\n\ndata: {}\n\n") && !text.starts_with(b"HTTP/1.1 503 ") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("an event");
                text.push(byte[0]);
            }
            (stream, String::from_utf8(text).expect("UTF-8"))
        };
        let open: Vec<_> = (0..MAX_EVENT_STREAMS).map(|_| read_two()).collect();
        let head = &open[0].1;
        assert!(head.contains("Content-Type: text/event-stream\r\n") && !head.contains("Content-Length"), "{head}");
        assert!(read_two().1.starts_with("HTTP/1.1 503 "));
        assert!(ask(&server, b"GET /echo HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
        drop(open);
        while read_two().1.starts_with("HTTP/1.1 503 ") {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_dropped_server_listens_no_longer() {
        let server = server();
        let address = server.address();
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }
}
