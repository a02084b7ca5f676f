//! One process of the user's interpreter.
//!
//! One thread writes requests to its stdin and reads the responses, another reads its stderr, so that waiting for a response can end at a
//! deadline or with a cancellation. The process has a process group of its own: a Ctrl-C at the terminal reaches `fink` alone, and
//! processes that a filter started are killed with the worker.

use std::collections::VecDeque;
use std::io::{BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::protocol::{self, Response};
use crate::cancel::CancellationToken;

/// The program that a worker runs, sent on its stdin before the first request.
const PROGRAM: &str = include_str!("worker.py");
/// Runs as many bytes of stdin as its argument says.
const BOOTSTRAP: &str = "import os,sys\nleft=int(sys.argv[1])\ncode=b''\nwhile len(code)<left:\n part=os.read(0,left-len(code))\n if not part: sys.exit(1)\n code+=part\nsys.path[:1]=[]\n__file__='<fink filter worker>'\nexec(compile(code,__file__,'exec'))";
/// The end of stderr that is kept for an error's reason.
const MAX_STDERR_BYTES: usize = 2048;
/// Between two checks whether to stop, while waiting for a response.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// For the current call after a cancellation: restarting the worker would take longer.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);
/// For a process to end by itself before it is killed.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Why there is no response. The worker cannot be used any more.
#[derive(Debug)]
pub(super) enum WorkerError {
    TimedOut,
    /// the process ended, or broke the protocol: its exit status, and the end of its stderr
    Ended(String),
    Cancelled,
}

/// A request: header and body.
pub(super) type Outgoing = (Vec<u8>, Arc<Vec<u8>>);

/// A worker process.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    requests: Option<Sender<Outgoing>>,
    responses: Receiver<std::io::Result<(Response, Vec<u8>)>>,
    stderr_end: Arc<Mutex<VecDeque<u8>>>,
    threads: Vec<JoinHandle<()>>,
    /// whether a response is due
    is_busy: bool,
}

impl Worker {
    /// Starts the interpreter.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(python: &str) -> std::io::Result<Self> {
        let mut command = Command::new(python);
        command.args(["-c", BOOTSTRAP, &PROGRAM.len().to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // There is a worker for each processor, so a worker uses one; and Arrow's own pool would reserve memory that counts for the limit.
        for (name, value) in
            [("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"), ("ARROW_DEFAULT_MEMORY_POOL", "system")]
        {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let mut child = command.spawn()?;
        let (requests, request_queue) = crossbeam_channel::unbounded();
        let (response_queue, responses) = crossbeam_channel::unbounded();
        let stderr_end = Arc::new(Mutex::new(VecDeque::new()));
        let mut threads = Vec::new();
        if let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) {
            threads.push(std::thread::spawn(move || exchange(stdin, stdout, &request_queue, &response_queue)));
        }
        if let Some(stderr) = child.stderr.take() {
            let stderr_end = Arc::clone(&stderr_end);
            threads.push(std::thread::spawn(move || read_stderr(stderr, &stderr_end)));
        }
        Ok(Self { child, requests: Some(requests), responses, stderr_end, threads, is_busy: false })
    }

    /// Sends a request. [`receive`](Self::receive) returns its responses, up to one that is [last](Response::is_last).
    pub fn send(&mut self, request: Outgoing) {
        self.is_busy = true;
        if let Some(requests) = &self.requests {
            // Where the process has ended, `receive` returns the error.
            let _gone = requests.send(request);
        }
    }

    /// The next response, with its body.
    ///
    /// # Errors
    /// There is none by the deadline, the process ended, or `cancel` was cancelled.
    pub fn receive(
        &mut self,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<(Response, Vec<u8>), WorkerError> {
        let cancel = cancel.child_with_grace(CANCEL_TIMEOUT);
        loop {
            if cancel.is_cancelled() {
                return Err(WorkerError::Cancelled);
            }
            let now = Instant::now();
            if deadline <= now {
                return Err(WorkerError::TimedOut);
            }
            match self.responses.recv_timeout(POLL_INTERVAL.min(deadline - now)) {
                Ok(Ok((response, body))) => {
                    self.is_busy &= !response.is_last();
                    return Ok((response, body));
                }
                Ok(Err(error)) => return Err(WorkerError::Ended(self.exit_reason(&error))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(WorkerError::Ended(self.exit_reason("its pipe is closed")));
                }
            }
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, or `otherwise` where the process still runs, and the end of its stderr.
    fn exit_reason(&mut self, otherwise: impl std::fmt::Display) -> String {
        let until = Instant::now() + EXIT_TIMEOUT;
        let status = loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(status)) => break status.to_string(),
                _ => break otherwise.to_string(),
            }
        };
        let stderr_end = self.stderr_end.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr_end: Vec<u8> = stderr_end.iter().copied().collect();
        match String::from_utf8_lossy(&stderr_end).trim() {
            "" => status,
            stderr_end => format!("{status}; the end of its stderr:\n{stderr_end}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // This ends the thread that writes to its stdin, which closes it: an idle worker then ends by itself.
        self.requests = None;
        let until = Instant::now() + EXIT_TIMEOUT;
        while !self.is_busy && Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = rustix::process::Pid::from_child(&self.child);
            let _has_ended = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _has_ended = self.child.kill();
        }
        let _reaped = self.child.wait();
        for thread in self.threads.drain(..) {
            // A process that a filter started in a group of its own may keep the pipes open: do not wait for it.
            if thread.is_finished() && thread.join().is_err() {
                log::error!("a thread of a filter worker panicked");
            }
        }
    }
}

/// Writes requests and passes on the responses, until a pipe breaks or the request channel is closed.
fn exchange(
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    requests: &Receiver<Outgoing>,
    responses: &Sender<std::io::Result<(Response, Vec<u8>)>>,
) {
    let mut stdout = BufReader::new(stdout);
    let mut program = Some(PROGRAM);
    for (header, body) in requests {
        let started = program.take().map_or(Ok(()), |program| stdin.write_all(program.as_bytes()));
        if let Err(error) = started.and_then(|()| protocol::write(&mut stdin, &header, &body)) {
            let _closed = responses.send(Err(error));
            return;
        }
        loop {
            let response = protocol::read(&mut stdout);
            let (is_broken, is_last) = match &response {
                Ok((response, _)) => (false, response.is_last()),
                Err(_) => (true, true),
            };
            if responses.send(response).is_err() || is_broken {
                return;
            }
            if is_last {
                break;
            }
        }
    }
}

/// Keeps the end of the worker's stderr, and logs all of it at debug level.
fn read_stderr(mut stderr: ChildStderr, end: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let new = &buffer[..count];
        log::debug!("filter worker: {}", String::from_utf8_lossy(new).trim_end());
        let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
        end.extend(new);
        let surplus = end.len().saturating_sub(MAX_STDERR_BYTES);
        end.drain(..surplus);
    }
}
