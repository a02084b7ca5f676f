//! Workers side by side, and what happens when one of them fails.
//!
//! A worker that ends, or is ended because a call took too long, is started anew for the next call; the call is blamed, and no other. That
//! has a limit, after which everything ends: a filter that fails again and again would hold up all streams. Restarts while a failing batch
//! is bisected do not count: their time is limited.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::error::FilterError;
use super::name::FilterName;
use super::protocol::{CallRequest, ColumnSpec, LoadResult, Request, Response};
use super::worker::{Worker, WorkerError};
use crate::config::{FilterSettings, format_duration};

/// How long the start of a worker, with all that its filters import, may take.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// So many restarts within [`RESTART_WINDOW`] are too many.
const MAX_RESTARTS: usize = 20;
const RESTART_WINDOW: Duration = Duration::from_secs(600);
/// How often a wait for an idle worker looks whether to give up.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// An argument of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// its name: a column
    pub name: String,
    /// whether it has a default, and so needs no column
    pub is_optional: bool,
}

/// A filter that was found and imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// which
    pub name: FilterName,
    /// its arguments
    pub parameters: Vec<Parameter>,
}

/// A call to be made: a function with columns of the request's body.
#[derive(Clone, Debug)]
pub(super) struct WorkerCall {
    /// the index of the function
    pub function: usize,
    /// for each parameter that is given a column, its name and the column's index
    pub arguments: Vec<(String, usize)>,
    /// the boolean column that says which rows it is about; none: all
    pub rows: Option<usize>,
    /// how many rows that is
    pub count: usize,
}

/// The result of a call: what is kept of its rows, or how it failed.
pub(super) type CallResult = Result<Vec<bool>, Failure>;

/// How a call failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub cause: Cause,
    /// what to tell the user
    pub reason: String,
}

/// What a failed call cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// the filter raised, or returned what it must not
    Raised,
    /// there was no answer in time, and the worker process was ended
    TimedOut,
    /// the worker process ended
    Ended,
}

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// the timeout of each call
    pub timeout: Duration,
    /// whether a restart that a call is to blame for counts towards the limit
    pub counts: bool,
}

/// Worker processes, of which each has loaded all filters.
pub struct Pool {
    settings: FilterSettings,
    names: Vec<FilterName>,
    functions: Vec<Function>,
    idle: (Sender<Option<Worker>>, Receiver<Option<Worker>>),
    restarts: Mutex<VecDeque<Instant>>,
}

impl Pool {
    /// Starts the first worker, which loads the filters; the others are started when there is work for them.
    ///
    /// # Errors
    /// The interpreter does not start or lacks something, or one of the filters is not there.
    pub fn start(
        settings: &FilterSettings,
        names: &[FilterName],
        give_up: &dyn Fn() -> bool,
    ) -> Result<Self, FilterError> {
        let mut pool = Self {
            settings: settings.clone(),
            names: names.to_vec(),
            functions: Vec::new(),
            idle: crossbeam_channel::unbounded(),
            restarts: Mutex::new(VecDeque::new()),
        };
        let (first, functions) = pool.new_worker(give_up)?;
        pool.functions = functions;
        let further = (1..settings.workers).map(|_| None);
        for worker in std::iter::once(Some(first)).chain(further) {
            pool.release(worker);
        }
        Ok(pool)
    }

    /// The filters, in the order of their names.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// How filters are to be run.
    pub fn settings(&self) -> &FilterSettings {
        &self.settings
    }

    fn release(&self, worker: Option<Worker>) {
        // The channel is closed only with the pool.
        let _open = self.idle.0.send(worker);
    }

    fn new_worker(&self, give_up: &dyn Fn() -> bool) -> Result<(Worker, Vec<Function>), FilterError> {
        let python = || self.settings.python.clone();
        let mut worker = Worker::start(&self.settings.python)
            .map_err(|reason| FilterError::NoPython { python: python(), reason })?;
        let request = Request::Load {
            path: self.settings.path.iter().map(|folder| absolute(folder)).collect(),
            memory: self.settings.memory,
            timeout: self.settings.timeout.as_secs_f64(),
            functions: self.names.iter().map(|name| (name.module(), name.function())).collect(),
        };
        worker.send((header(&request)?, Arc::default()));
        let unfit = |reason: String| FilterError::NoWorker { python: python(), reason };
        let loaded = match worker.receive(Instant::now() + START_TIMEOUT, give_up) {
            Ok((Response::Loaded(loaded), _)) => loaded,
            Ok((Response::Unfit(reason), _)) => return Err(unfit(reason)),
            Ok((answer, _)) => return Err(unfit(format!("it answered {answer:?}"))),
            Err(WorkerError::TimedOut) => {
                return Err(unfit(format!("the filters were not imported within {}", format_duration(START_TIMEOUT))));
            }
            Err(WorkerError::Ended(how)) => {
                return Err(unfit(format!("it ended while it imported the filters: {how}")));
            }
            Err(WorkerError::Cancelled) => return Err(FilterError::Stopped),
        };
        let mut functions = Vec::with_capacity(self.names.len());
        for (name, loaded) in self.names.iter().zip(loaded) {
            match loaded {
                LoadResult::Parameters(parameters) => {
                    let parameter = |(name, is_optional)| Parameter { name, is_optional };
                    let parameters = parameters.into_iter().map(parameter).collect();
                    functions.push(Function { name: name.clone(), parameters });
                }
                LoadResult::Error(reason) => return Err(FilterError::NoFilter { filter: name.clone(), reason }),
            }
        }
        log::debug!("filter worker {} is ready", worker.id());
        Ok((worker, functions))
    }

    /// How many workers have nothing to do at this timestamp.
    pub(super) fn idle_workers(&self) -> usize {
        self.idle.1.len()
    }

    /// Makes calls one after the other in one worker. `body` is the Arrow stream of `columns` and the boolean columns.
    ///
    /// # Errors
    /// No worker can be had, workers end again and again, or the caller gave up.
    pub(super) fn run(
        &self,
        body: Vec<u8>,
        columns: &[ColumnSpec],
        calls: &[WorkerCall],
        attempt: Attempt,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Vec<CallResult>, FilterError> {
        let mut worker = loop {
            match self.idle.1.recv_timeout(POLL_INTERVAL) {
                Ok(worker) => break worker,
                Err(RecvTimeoutError::Timeout) if give_up() => return Err(FilterError::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(FilterError::Stopped),
            }
        };
        let judged = self.run_in(&mut worker, &Arc::new(body), columns, calls, attempt, give_up);
        self.release(worker);
        judged
    }

    fn run_in(
        &self,
        slot: &mut Option<Worker>,
        body: &Arc<Vec<u8>>,
        columns: &[ColumnSpec],
        calls: &[WorkerCall],
        attempt: Attempt,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Vec<CallResult>, FilterError> {
        let mut outcomes: Vec<Option<CallResult>> = vec![None; calls.len()];
        while outcomes.iter().any(Option::is_none) {
            let mut worker = match slot.take() {
                Some(worker) => worker,
                None => self.new_worker(give_up)?.0,
            };
            let asked = calls.iter().enumerate().filter(|(call, _)| outcomes[*call].is_none());
            let asked = asked.map(|(call, of)| CallRequest {
                call,
                function: of.function,
                arguments: &of.arguments,
                rows: of.rows,
            });
            let request = Request::Judge { columns, calls: asked.collect() };
            worker.send((header(&request)?, Arc::clone(body)));
            match self.read_responses(&mut worker, calls, &mut outcomes, attempt.timeout, give_up) {
                Ok(()) => *slot = Some(worker),
                Err((WorkerError::Cancelled, _)) => return Err(FilterError::Stopped),
                Err((lost, begun)) => {
                    drop(worker);
                    let (cause, reason) = match lost {
                        WorkerError::Ended(how) => (Cause::Ended, format!("the worker process ended: {how}")),
                        _ => (Cause::TimedOut, self.no_answer(attempt.timeout)),
                    };
                    let blamed = begun.and_then(|call| Some((self.name_of(calls.get(call)?), call)));
                    let last = match &blamed {
                        Some((name, call)) => {
                            let last = format!("`{name}`: {reason}");
                            outcomes[*call] = Some(Err(Failure { cause, reason }));
                            last
                        }
                        None => reason,
                    };
                    // A restart that no call is to blame for always counts: the same request is made again, and that must end.
                    if attempt.counts || blamed.is_none() {
                        log::warn!("a filter worker is started anew: {last}");
                        self.count_restart(&last)?;
                    } else {
                        log::debug!("a filter worker is started anew: {last}");
                    }
                }
            }
        }
        let missing = || Err(Failure { cause: Cause::Ended, reason: "the worker did not answer".to_owned() });
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect())
    }

    /// Hears the answers of one request. An error comes with the call that was under way.
    fn read_responses(
        &self,
        worker: &mut Worker,
        calls: &[WorkerCall],
        outcomes: &mut [Option<CallResult>],
        timeout: Duration,
        give_up: &dyn Fn() -> bool,
    ) -> Result<(), (WorkerError, Option<usize>)> {
        let mut begun = None;
        let strange = |what: &str| (WorkerError::Ended(format!("it answered {what}")), None);
        loop {
            let deadline = Instant::now() + timeout;
            let (answer, body) = worker.receive(deadline, give_up).map_err(|lost| (lost, begun))?;
            match answer {
                Response::Begin(call) => begun = Some(call),
                Response::Kept(call) => {
                    let wanted = calls.get(call).map_or(usize::MAX, |call| call.count);
                    if body.len() != wanted {
                        return Err(strange("about another number of alerts"));
                    }
                    outcomes[call] = Some(Ok(body.iter().map(|byte| *byte != 0).collect()));
                    begun = None;
                }
                Response::Failed { call, reason } => {
                    let outcome = outcomes.get_mut(call).ok_or_else(|| strange("a call that was not asked"))?;
                    *outcome = Some(Err(Failure { cause: Cause::Raised, reason }));
                    begun = None;
                }
                Response::Done => return Ok(()),
                Response::Loaded(_) | Response::Unfit(_) => return Err(strange("out of turn")),
            }
        }
    }

    fn no_answer(&self, timeout: Duration) -> String {
        let setting = if timeout == self.settings.timeout { " (filters.timeout)" } else { "" };
        format!("no answer within {}{setting}", format_duration(timeout))
    }

    fn name_of(&self, call: &WorkerCall) -> String {
        self.names.get(call.function).map_or_else(String::new, FilterName::to_string)
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
    serde_json::to_vec(request).map_err(|error| FilterError::Arrow(error.to_string()))
}

/// A folder as an absolute path: a filter may change its working directory.
fn absolute(folder: &std::path::Path) -> String {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).to_string_lossy().into_owned()
}
