//! An HTTP server on 127.0.0.1 that records requests and sends scripted responses.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::fixture::wait_until;

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Response {
    /// the message is posted
    Posted,
    /// the message is posted where it has at most so many characters; else the error is `msg_too_long`
    UpTo(usize),
    /// `ok: false` with this error
    Error(&'static str),
    /// an HTTP status, with `Retry-After` in seconds
    Status(u16, Option<u64>),
    /// a text that is no answer of Slack's
    Text(&'static str),
    /// the connection stays open, and nothing comes
    Silence,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    /// when
    pub at: Instant,
    /// the request line and the headers
    pub head: String,
    /// the channel
    pub channel: String,
    /// the text
    pub text: String,
    /// whether it was posted
    pub is_posted: bool,
    /// the sender
    pub sender: String,
}

/// The server; it runs until the test ends.
pub struct Server {
    /// its URL
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// A server that gives these answers in turn; the last one is repeated.
    pub fn start(answers: &[Response]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/api/chat.postMessage", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let known = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, known) = (Arc::clone(&answers), Arc::clone(&known));
                std::thread::spawn(move || serve(stream, &answers, &known));
            }
        });
        Self { url, requests }
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }

    /// Waits until so many requests came.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        wait_until(
            || format!("fewer than {count} requests: {:?}", self.requests()),
            || Some(self.requests()).filter(|requests| requests.len() >= count),
        )
    }
}

fn serve(stream: TcpStream, answers: &Mutex<VecDeque<Response>>, known: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        reader.read_exact(&mut body).expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let text = |key: &str| body[key].as_str().expect("a text").to_owned();
        let request = Request {
            at: Instant::now(),
            head,
            channel: text("channel"),
            text: text("text"),
            is_posted: false,
            sender: text("username"),
        };
        let answer = {
            let mut answers = answers.lock().expect("no panic");
            if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() }
        };
        let answer = match answer.expect("an answer") {
            Response::UpTo(most) if request.text.chars().count() <= most => Response::Posted,
            Response::UpTo(_) => Response::Error("msg_too_long"),
            answer => answer,
        };
        let is_posted = matches!(answer, Response::Posted);
        known.lock().expect("no panic").push(Request { is_posted, ..request });
        let (status, header, body) = match answer {
            Response::UpTo(_) => unreachable!("it was replaced"),
            Response::Posted => (200, String::new(), r#"{"ok":true}"#.to_owned()),
            Response::Error(error) => (200, String::new(), format!(r#"{{"ok":false,"error":"{error}"}}"#)),
            Response::Status(status, None) => (status, String::new(), String::new()),
            Response::Status(status, Some(after)) => (status, format!("Retry-After: {after}\r\n"), String::new()),
            Response::Text(text) => (200, String::new(), text.to_owned()),
            Response::Silence => {
                // Until the client disconnects.
                let _gone = reader.read(&mut [0]);
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status} X\r\n{header}Content-Length: {}\r\n\r\n{body}", body.len());
        if (&stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
