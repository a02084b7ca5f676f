//! Worker processes side by side, and what happens when one of them fails.
//!
//! A worker process that ends, or is killed because a call took too long, is restarted for the next call. The call that it was running
//! fails, and no other. Restarts are limited: a filter that ends its process again and again would delay all streams, and ends everything
//! instead. Restarts while a failed batch is bisected do not count, since bisection has a time limit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::error::FilterError;
use super::name::FilterName;
use super::protocol::{CallRequest, ColumnSpec, LoadResult, Request, Response};
use super::settings::FilterSettings;
use super::worker::{Worker, WorkerError};
use crate::cancel::CancellationToken;
use crate::units::format_duration;

/// For the start of a worker, with all that its filters import.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// Most restarts within [`RESTART_WINDOW`].
const MAX_RESTARTS: usize = 20;
const RESTART_WINDOW: Duration = Duration::from_secs(600);
/// Between two checks whether to stop, while waiting for an idle worker.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A parameter of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub name: String,
    /// whether it has a default, so that no column is needed
    pub is_optional: bool,
}

/// A filter that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub name: FilterName,
    pub parameters: Vec<Parameter>,
}

/// A call of a filter with columns of the request's body.
#[derive(Clone, Debug)]
pub(super) struct WorkerCall {
    /// index of the filter
    pub function: usize,
    /// (parameter, index of its column)
    pub arguments: Vec<(String, usize)>,
    /// index of the boolean column that selects the rows; `None`: all rows
    pub mask: Option<usize>,
    /// how many rows that are
    pub count: usize,
}

/// The result of a call: for each of its rows whether the filter keeps it, or why the call failed.
pub(super) type CallResult = Result<Vec<bool>, Failure>;

/// A failed call.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub cause: Cause,
    pub reason: String,
}

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// the filter raised an exception, or returned no booleans
    Raised,
    /// no response in time: the worker process was killed
    TimedOut,
    /// the worker process ended
    Ended,
}

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// of each call
    pub timeout: Duration,
    /// whether a restart that a call caused counts towards the limit
    pub counts: bool,
}

/// Worker processes, each with all filters imported.
pub(crate) struct Pool {
    settings: FilterSettings,
    names: Vec<FilterName>,
    functions: Vec<Function>,
    /// the workers that are idle; `None`: one to be started
    idle: (Sender<Option<Worker>>, Receiver<Option<Worker>>),
    /// when workers were restarted, within [`RESTART_WINDOW`]
    restarts: Mutex<VecDeque<Instant>>,
}

impl Pool {
    /// Starts the first worker, which imports the filters. The others are started when they are needed.
    ///
    /// # Errors
    /// The interpreter does not start or lacks a package, or a filter cannot be imported.
    pub fn start(
        settings: &FilterSettings,
        names: &[FilterName],
        cancel: &CancellationToken,
    ) -> Result<Self, FilterError> {
        let mut pool = Self {
            settings: settings.clone(),
            names: names.to_vec(),
            functions: Vec::new(),
            idle: crossbeam_channel::unbounded(),
            restarts: Mutex::new(VecDeque::new()),
        };
        let (first, functions) = pool.start_worker(cancel)?;
        pool.functions = functions;
        let others = (1..settings.workers).map(|_| None);
        for worker in std::iter::once(Some(first)).chain(others) {
            pool.release(worker);
        }
        Ok(pool)
    }

    /// The filters, in the order of the names given to [`start`](Self::start).
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    pub fn settings(&self) -> &FilterSettings {
        &self.settings
    }

    /// How many workers are idle now.
    pub(super) fn idle_workers(&self) -> usize {
        self.idle.1.len()
    }

    fn release(&self, worker: Option<Worker>) {
        // The channel lives as long as the pool.
        let _open = self.idle.0.send(worker);
    }

    fn start_worker(&self, cancel: &CancellationToken) -> Result<(Worker, Vec<Function>), FilterError> {
        let python = || self.settings.python.clone();
        let mut worker = Worker::start(&self.settings.python)
            .map_err(|reason| FilterError::PythonNotStarted { python: python(), reason })?;
        let request = Request::Load {
            path: self.settings.path.iter().map(|folder| absolute(folder)).collect(),
            memory: self.settings.memory,
            timeout: self.settings.timeout.as_secs_f64(),
            functions: self.names.iter().map(|name| (name.module(), name.function())).collect(),
        };
        worker.send((header(&request)?, Arc::default()));
        let not_ready = |reason: String| FilterError::WorkerNotReady { python: python(), reason };
        let loaded = match worker.receive(Instant::now() + START_TIMEOUT, cancel) {
            Ok((Response::Loaded(loaded), _)) => loaded,
            Ok((Response::NotReady(reason), _)) => return Err(not_ready(reason)),
            Ok((response, _)) => return Err(not_ready(format!("unexpected response {response:?}"))),
            Err(WorkerError::TimedOut) => {
                let timeout = format_duration(START_TIMEOUT);
                return Err(not_ready(format!("the filters were not imported within {timeout}")));
            }
            Err(WorkerError::Ended(how)) => {
                return Err(not_ready(format!("the process ended while it imported the filters: {how}")));
            }
            Err(WorkerError::Cancelled) => return Err(FilterError::Cancelled),
        };
        if loaded.len() != self.names.len() {
            return Err(not_ready(format!("it imported {} filters, not {}", loaded.len(), self.names.len())));
        }
        let function = |(name, loaded): (&FilterName, LoadResult)| match loaded {
            LoadResult::Parameters(parameters) => {
                let parameter = |(name, is_optional)| Parameter { name, is_optional };
                Ok(Function { name: name.clone(), parameters: parameters.into_iter().map(parameter).collect() })
            }
            LoadResult::Error(reason) => Err(FilterError::ImportFailed { filter: name.clone(), reason }),
        };
        let functions = self.names.iter().zip(loaded).map(function).collect::<Result<_, _>>()?;
        log::debug!("filter worker {} is ready", worker.id());
        Ok((worker, functions))
    }

    /// Makes calls one after the other in one worker. `body` is the Arrow stream of `columns` and the masks.
    ///
    /// # Errors
    /// A worker cannot be started, workers end again and again, or `cancel` was cancelled.
    pub(super) fn run(
        &self,
        body: Vec<u8>,
        columns: &[ColumnSpec],
        calls: &[WorkerCall],
        attempt: Attempt,
        cancel: &CancellationToken,
    ) -> Result<Vec<CallResult>, FilterError> {
        let mut worker = loop {
            match self.idle.1.recv_timeout(POLL_INTERVAL) {
                Ok(worker) => break worker,
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(FilterError::Cancelled),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(FilterError::Cancelled),
            }
        };
        let results = self.run_in(&mut worker, &Arc::new(body), columns, calls, attempt, cancel);
        self.release(worker);
        results
    }

    fn run_in(
        &self,
        slot: &mut Option<Worker>,
        body: &Arc<Vec<u8>>,
        columns: &[ColumnSpec],
        calls: &[WorkerCall],
        attempt: Attempt,
        cancel: &CancellationToken,
    ) -> Result<Vec<CallResult>, FilterError> {
        let mut results: Vec<Option<CallResult>> = vec![None; calls.len()];
        while results.iter().any(Option::is_none) {
            let mut worker = match slot.take() {
                Some(worker) => worker,
                None => self.start_worker(cancel)?.0,
            };
            // After a restart, the calls that have no result yet.
            let left = calls.iter().enumerate().filter(|(call, _)| results[*call].is_none());
            let left = left.map(|(index, call)| CallRequest {
                call: index,
                function: call.function,
                arguments: &call.arguments,
                mask: call.mask,
            });
            let request = Request::Run { columns, calls: left.collect() };
            worker.send((header(&request)?, Arc::clone(body)));
            match self.read_responses(&mut worker, calls, &mut results, attempt.timeout, cancel) {
                Ok(()) => *slot = Some(worker),
                Err((WorkerError::Cancelled, _)) => return Err(FilterError::Cancelled),
                Err((error, current)) => {
                    drop(worker);
                    let (cause, reason) = match error {
                        WorkerError::Ended(how) => (Cause::Ended, format!("the worker process ended: {how}")),
                        _ => (Cause::TimedOut, self.timeout_reason(attempt.timeout)),
                    };
                    let last = match current {
                        Some(call) => format!("`{}`: {reason}", self.names[calls[call].function]),
                        None => reason.clone(),
                    };
                    // A restart that no call caused always counts: the same request is made again, and that must end.
                    if attempt.counts || current.is_none() {
                        log::warn!("restarting a filter worker: {last}");
                        self.count_restart(&last)?;
                    } else {
                        log::debug!("restarting a filter worker: {last}");
                    }
                    if let Some(call) = current {
                        results[call] = Some(Err(Failure { cause, reason }));
                    }
                }
            }
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// Reads the responses to one request into `results`. An error comes with the call that was running.
    fn read_responses(
        &self,
        worker: &mut Worker,
        calls: &[WorkerCall],
        results: &mut [Option<CallResult>],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), (WorkerError, Option<usize>)> {
        let mut current = None;
        let unexpected = |what: &str| (WorkerError::Ended(format!("unexpected response: {what}")), None);
        loop {
            let deadline = Instant::now() + timeout;
            let (response, body) = worker.receive(deadline, cancel).map_err(|error| (error, current))?;
            match response {
                Response::Begin(call) if call < calls.len() => current = Some(call),
                Response::Kept(call) if calls.get(call).is_some_and(|call| call.count == body.len()) => {
                    results[call] = Some(Ok(body.iter().map(|byte| *byte != 0).collect()));
                    current = None;
                }
                Response::Failed { call, reason } if call < calls.len() => {
                    results[call] = Some(Err(Failure { cause: Cause::Raised, reason }));
                    current = None;
                }
                Response::Begin(_) | Response::Failed { .. } => {
                    return Err(unexpected("a call that was not requested"));
                }
                Response::Kept(_) => return Err(unexpected("another number of alerts")),
                Response::Loaded(_) | Response::NotReady(_) => return Err(unexpected("out of order")),
                Response::Done => return Ok(()),
            }
        }
    }

    fn timeout_reason(&self, timeout: Duration) -> String {
        let setting = if timeout == self.settings.timeout { " (filters.timeout)" } else { "" };
        format!("no answer within {}{setting}", format_duration(timeout))
    }

    fn count_restart(&self, last: &str) -> Result<(), FilterError> {
        let now = Instant::now();
        let mut restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        restarts.push_back(now);
        while restarts.front().is_some_and(|at| now.duration_since(*at) > RESTART_WINDOW) {
            restarts.pop_front();
        }
        match restarts.len() > MAX_RESTARTS {
            true => Err(FilterError::TooManyRestarts {
                restarts: restarts.len(),
                within: RESTART_WINDOW,
                last: last.to_owned(),
            }),
            false => Ok(()),
        }
    }
}

fn header(request: &Request<'_>) -> Result<Vec<u8>, FilterError> {
    serde_json::to_vec(request).map_err(|error| FilterError::Encode(error.to_string()))
}

/// A folder as an absolute path: a filter may change its working directory.
fn absolute(folder: &std::path::Path) -> String {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).to_string_lossy().into_owned()
}
