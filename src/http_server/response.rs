//! What a client receives: one body, or a stream of server-sent events.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// the status code
    pub status: u16,
    /// such as `text/html; charset=utf-8`
    pub content_type: &'static str,
    /// further header fields; the values are ASCII without control characters
    pub headers: Vec<(&'static str, String)>,
    /// the body
    pub body: Vec<u8>,
    /// events that follow the head instead of a body
    pub events: Option<Events>,
}

/// Server-sent events, as the HTML standard defines them: one at once, then one after each interval, until the client closes the connection or the
/// server ends.
#[derive(Clone)]
pub struct Events {
    interval: Duration,
    next: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Events {
    /// The time between two events.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The data of the next event.
    pub(super) fn next(&self) -> String {
        (self.next)()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl Response {
    /// A response with status 200.
    pub fn ok(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body, events: None }
    }

    /// A short text with another status.
    pub fn error(status: u16, reason: &str) -> Self {
        let body = format!("{reason}\n").into_bytes();
        Self { status, content_type: "text/plain; charset=utf-8", headers: Vec::new(), body, events: None }
    }

    /// A stream of events. `next` returns the data of the next event, which is one line.
    pub fn events(interval: Duration, next: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { events: Some(Events { interval, next: Arc::new(next) }), ..Self::ok("text/event-stream", Vec::new()) }
    }

    /// Writes the head, and the body where `with_body`.
    pub(super) fn write(&self, with_body: bool, out: &mut impl Write) -> io::Result<()> {
        let reason = match self.status {
            200 => "OK",
            303 => "See Other",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Error",
        };
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n",
            self.status, self.content_type,
        );
        if self.events.is_none() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        out.write_all(head.as_bytes())?;
        if with_body {
            out.write_all(&self.body)?;
        }
        out.flush()
    }
}
