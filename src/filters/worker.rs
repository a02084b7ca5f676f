//! One process of the user's interpreter.
//!
//! A thread writes requests to it and reads its answers, another keeps the end of what it says on stderr, so that waiting can always end:
//! at a deadline, or when the caller gives up. The process leads a group of its own: a Ctrl-C at the terminal is `fink`'s to act on, and
//! what a filter has started ends with it.

use std::collections::VecDeque;
use std::io::{BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::protocol::{self, Response};

/// The program that a worker runs, sent to it on stdin.
const PROGRAM: &str = include_str!("worker.py");
/// Reads so many bytes of stdin and runs them.
const BOOTSTRAP: &str = "import os,sys\nleft=int(sys.argv[1])\ncode=b''\nwhile len(code)<left:\n part=os.read(0,left-len(code))\n if not part: sys.exit(1)\n code+=part\nsys.path[:1]=[]\n__file__='<fink filter worker>'\nexec(compile(code,__file__,'exec'))";
/// Bytes of stderr that are kept.
const MAX_STDERR_BYTES: usize = 2048;
/// How often a wait looks whether to give up.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// What a call under way is given when the caller has given up: starting a worker anew takes longer.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a worker may take to end by itself.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Why no answer came.
#[derive(Debug)]
pub(super) enum WorkerError {
    /// the deadline passed
    TimedOut,
    /// the process ended: how, and its last words
    Ended(String),
    /// the caller gave up
    Cancelled,
}

/// What is written to a worker: a header and a body.
pub(super) type Outgoing = (Vec<u8>, Arc<Vec<u8>>);

/// A worker at work.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    requests: Option<Sender<Outgoing>>,
    answers: Receiver<std::io::Result<(Response, Vec<u8>)>>,
    words: Arc<Mutex<VecDeque<u8>>>,
    threads: Vec<JoinHandle<()>>,
    /// whether an answer is owed
    is_busy: bool,
}

impl Worker {
    /// Starts the interpreter.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(python: &str) -> std::io::Result<Self> {
        let mut command = Command::new(python);
        command.args(["-c", BOOTSTRAP, &PROGRAM.len().to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // Workers share out the processors; and Arrow is not to reserve memory that the bound would count.
        for (name, value) in
            [("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"), ("ARROW_DEFAULT_MEMORY_POOL", "system")]
        {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let mut child = command.spawn()?;
        let (requests, todo) = crossbeam_channel::unbounded();
        let (done, answers) = crossbeam_channel::unbounded();
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let mut threads = Vec::new();
        if let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) {
            threads.push(std::thread::spawn(move || exchange(stdin, stdout, &todo, &done)));
        }
        if let Some(stderr) = child.stderr.take() {
            let words = Arc::clone(&words);
            threads.push(std::thread::spawn(move || read_stderr(stderr, &words)));
        }
        Ok(Self { child, requests: Some(requests), answers, words, threads, is_busy: false })
    }

    /// Asks something; [`receive`](Self::receive) gives the answers, up to one that is [last](Response::is_last).
    pub fn send(&mut self, request: Outgoing) {
        self.is_busy = true;
        if let Some(requests) = &self.requests {
            // Where the process is gone, the answer says so.
            let _gone = requests.send(request);
        }
    }

    /// The next answer. After an error the worker is of no use any more.
    ///
    /// # Errors
    /// None came by the deadline, the process ended, or the caller gave up.
    pub fn receive(
        &mut self,
        deadline: Instant,
        give_up: &dyn Fn() -> bool,
    ) -> Result<(Response, Vec<u8>), WorkerError> {
        let mut given_up: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if given_up.is_none() && give_up() {
                given_up = Some(now + CANCEL_TIMEOUT);
            }
            if given_up.is_some_and(|until| until <= now) {
                return Err(WorkerError::Cancelled);
            }
            if deadline <= now {
                return Err(WorkerError::TimedOut);
            }
            match self.answers.recv_timeout(POLL_INTERVAL.min(deadline - now)) {
                Ok(Ok(answer)) => {
                    self.is_busy &= !answer.0.is_last();
                    return Ok(answer);
                }
                Ok(Err(error)) => return Err(WorkerError::Ended(self.exit_reason(&error))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(WorkerError::Ended(self.exit_reason("its pipe was closed")));
                }
            }
        }
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn exit_reason(&mut self, otherwise: impl std::fmt::Display) -> String {
        let until = Instant::now() + EXIT_TIMEOUT;
        let status = loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(status)) => break status.to_string(),
                _ => break otherwise.to_string(),
            }
        };
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<u8> = words.iter().copied().collect();
        match String::from_utf8_lossy(&words).trim() {
            "" => status,
            words => format!("{status}; its last words:\n{words}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its stdin is closed with the thread that writes to it: an idle worker then ends by itself.
        self.requests = None;
        let until = Instant::now() + EXIT_TIMEOUT;
        while !self.is_busy && Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = rustix::process::Pid::from_child(&self.child);
            let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _gone = self.child.kill();
        }
        let _reaped = self.child.wait();
        for thread in self.threads.drain(..) {
            // What a filter has started, in a group of its own, may hold the pipes open: it is not waited for.
            if thread.is_finished() && thread.join().is_err() {
                log::error!("a thread of a filter worker panicked");
            }
        }
    }
}

/// Writes requests and passes on the answers, until either pipe breaks or nobody asks any more.
fn exchange(
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    todo: &Receiver<Outgoing>,
    done: &Sender<std::io::Result<(Response, Vec<u8>)>>,
) {
    let mut stdout = BufReader::new(stdout);
    let mut program = Some(PROGRAM);
    for (header, body) in todo {
        let begun = program.take().map_or(Ok(()), |program| stdin.write_all(program.as_bytes()));
        if let Err(error) = begun.and_then(|()| protocol::write(&mut stdin, &header, &body)) {
            let _gone = done.send(Err(error));
            return;
        }
        loop {
            let answer = protocol::read(&mut stdout);
            let is_over = answer.as_ref().map_or(true, |(answer, _)| answer.is_last());
            let is_broken = answer.is_err();
            if done.send(answer).is_err() || is_broken {
                return;
            }
            if is_over {
                break;
            }
        }
    }
}

/// Keeps the last of what the worker says on stderr, and shows all of it to who wants every detail.
fn read_stderr(mut stderr: ChildStderr, words: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let new = &buffer[..count];
        log::debug!("a filter says: {}", String::from_utf8_lossy(new).trim_end());
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend(new);
        let surplus = words.len().saturating_sub(MAX_STDERR_BYTES);
        words.drain(..surplus);
    }
}
