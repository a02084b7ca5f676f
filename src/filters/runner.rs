//! Filters bound to a catalog: rows in, judgements out.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::argument::Argument;
use super::arrow;
use super::bisect::{AlertResult, bisect};
use super::column_builder::ColumnBuilder;
use super::error::FilterError;
use super::pool::{Attempt, CallResult, Failure, Function, Pool, WorkerCall};
use super::protocol::ColumnSpec;
use super::value_type::ValueType;
use crate::catalog::Catalog;
use crate::config::OnError;

/// A row's cells.
pub trait FilterRow {
    /// The bytes of a column, in the encoding of its type; `None` where the row has none.
    ///
    /// # Errors
    /// The row cannot have such a column, in words.
    fn cell(&self, column: usize) -> Result<Option<Cow<'_, [u8]>>, String>;
}

/// What a filter says of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// true
    Keep,
    /// false
    Refuse,
    /// nothing: it failed, or the row cannot be given to it, for this reason
    Fail(Arc<str>),
}

/// A filter and the rows that it is to judge.
#[derive(Clone, Debug)]
pub struct FilterCall {
    /// the index of the filter
    pub function: usize,
    /// the indexes of the rows, ascending
    pub rows: Vec<usize>,
}

/// Lines of a traceback's end that a reason carries.
const MAX_REASON_LINES: usize = 6;
/// Most characters of a reason.
const MAX_REASON_CHARS: usize = 1000;

/// Filters whose arguments are columns of one catalog.
pub struct FilterRunner {
    pool: Arc<Pool>,
    arguments: Vec<Argument>,
    /// for each function, the indexes of its arguments
    uses: Vec<Vec<usize>>,
    /// for each function, whether it failed for all alerts of a batch and has not succeeded since
    all_failed: Vec<AtomicBool>,
}

impl FilterRunner {
    /// Finds the columns that the filters ask for.
    ///
    /// # Errors
    /// An argument that is no column.
    pub fn new(pool: Arc<Pool>, catalog: &Catalog) -> Result<Self, FilterError> {
        let (mut arguments, mut uses): (Vec<Argument>, Vec<Vec<usize>>) = Default::default();
        for function in pool.functions() {
            let mut of = Vec::with_capacity(function.parameters.len());
            for parameter in &function.parameters {
                if let Some(known) = arguments.iter().position(|argument| argument.name == parameter.name) {
                    of.push(known);
                    continue;
                }
                match Argument::resolve(catalog, &parameter.name) {
                    Ok(argument) => {
                        of.push(arguments.len());
                        arguments.push(argument);
                    }
                    Err(super::ResolveError::Unknown { .. }) if parameter.is_optional => {}
                    Err(source) => return Err(FilterError::Argument { filter: function.name.clone(), source }),
                }
            }
            uses.push(of);
        }
        let all_failed = uses.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { pool, arguments, uses, all_failed })
    }

    /// The filters.
    pub fn functions(&self) -> &[Function] {
        self.pool.functions()
    }

    /// The columns that some filter needs, as indexes into the catalog's list, ascending.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.arguments.iter().for_each(|argument| argument.columns(&mut columns));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// What filters say of rows: for each call a judgement of each of its rows.
    ///
    /// # Errors
    /// A filter failed twice for the same alerts and `on_error` is stop; workers fail again and again; or the caller gave up.
    pub fn run<C: FilterRow + Sync>(
        &self,
        rows: &[C],
        calls: &[FilterCall],
        give_up: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<Judgement>>, FilterError> {
        let mut judged: Vec<Vec<Judgement>> = calls.iter().map(|call| Vec::with_capacity(call.rows.len())).collect();
        let batch = self.pool.settings().batch;
        for start in (0..rows.len()).step_by(batch) {
            let part = start..rows.len().min(start + batch);
            let parts: Vec<(usize, Vec<usize>)> = calls
                .iter()
                .enumerate()
                .map(|(index, call)| (index, call.rows.iter().copied().filter(|row| part.contains(row)).collect()))
                .filter(|(_, rows): &(usize, Vec<usize>)| !rows.is_empty())
                .collect();
            if parts.is_empty() {
                continue;
            }
            let of =
                |(call, rows): &(usize, Vec<usize>)| FilterCall { function: calls[*call].function, rows: rows.clone() };
            let part: Vec<FilterCall> = parts.iter().map(of).collect();
            for ((call, _), judgements) in parts.iter().zip(self.run_batch(rows, &part, give_up)?) {
                judged[*call].extend(judgements);
            }
        }
        Ok(judged)
    }

    /// Shares the calls out among the workers that have nothing to do.
    fn run_batch<C: FilterRow + Sync>(
        &self,
        rows: &[C],
        calls: &[FilterCall],
        give_up: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<Judgement>>, FilterError> {
        let shares = self.pool.idle_workers().clamp(1, calls.len());
        let groups: Vec<&[FilterCall]> = calls.chunks(calls.len().div_ceil(shares)).collect();
        let [first, others @ ..] = groups.as_slice() else { return Ok(Vec::new()) };
        std::thread::scope(|scope| {
            let others: Vec<_> =
                others.iter().map(|group| scope.spawn(|| self.run_in_one_worker(rows, group, give_up))).collect();
            let mut judged = self.run_in_one_worker(rows, first, give_up)?;
            for other in others {
                let other = other.join().map_err(|_| FilterError::Arrow("a thread panicked".to_owned()))?;
                judged.extend(other?);
            }
            Ok(judged)
        })
    }

    fn run_in_one_worker<C: FilterRow>(
        &self,
        rows: &[C],
        calls: &[FilterCall],
        give_up: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<Judgement>>, FilterError> {
        let attempt = Attempt { timeout: self.pool.settings().timeout, counts: true };
        let RunOutput { asked, of_calls, unreadable } = self.run_once(rows, calls, attempt, give_up)?;
        let mut results: Vec<Vec<AlertResult>> = Vec::with_capacity(asked.len());
        for (call, outcome) in asked {
            results.push(match outcome {
                Ok(kept) => {
                    self.all_failed[call.function].store(false, Ordering::Relaxed);
                    kept.into_iter().map(Ok).collect()
                }
                Err(failure) => self.retry(rows, &call, failure, give_up)?,
            });
        }
        let judge = |(call, answer): (&FilterCall, &Option<usize>)| {
            let mut results = answer.and_then(|answer| results.get(answer)).into_iter().flatten();
            let of_row = |row: &usize| match self.error(&unreadable, call.function, *row) {
                Some(why) => Judgement::Fail(why),
                None => match results.next() {
                    Some(Ok(true)) => Judgement::Keep,
                    Some(Err(reason)) => Judgement::Fail(self.header_reason(call.function, reason).into()),
                    // A row without an answer, which there cannot be, is never kept.
                    Some(Ok(false)) | None => Judgement::Refuse,
                },
            };
            call.rows.iter().map(of_row).collect()
        };
        Ok(calls.iter().zip(&of_calls).map(judge).collect())
    }

    /// Calls a filter again that failed for a batch: the result for each of the call's rows.
    ///
    /// # Errors
    /// It fails once more and `on_error` is stop; workers fail again and again; or the caller gave up.
    fn retry<C: FilterRow>(
        &self,
        rows: &[C],
        failed: &FilterCall,
        first: Failure,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Vec<AlertResult>, FilterError> {
        let timeout = self.pool.settings().timeout;
        let name = &self.functions()[failed.function].name;
        log::debug!(
            "filter `{name}` failed for a batch of {} and is called again: {}",
            failed.rows.len(),
            first.reason
        );
        let call = |part: &[usize], timeout: Duration| {
            let call = FilterCall { function: failed.function, rows: part.to_vec() };
            let attempt = Attempt { timeout, counts: false };
            let mut answered = self.run_once(rows, std::slice::from_ref(&call), attempt, give_up)?;
            answered.asked.pop().map(|(_, outcome)| outcome).ok_or(FilterError::Stopped)
        };
        if self.pool.settings().on_error == OnError::Stop {
            return match call(&failed.rows, timeout)? {
                Ok(kept) => Ok(kept.into_iter().map(Ok).collect()),
                Err(failure) => Err(FilterError::Failed { filter: name.clone(), reason: failure.reason }),
            };
        }
        let all_failed = &self.all_failed[failed.function];
        let began = Instant::now();
        let found = bisect(&failed.rows, first, timeout, all_failed.load(Ordering::Relaxed), || began.elapsed(), call)?;
        all_failed.store(!found.has_succeeded, Ordering::Relaxed);
        if found.has_succeeded && found.untried > 0 {
            log::warn!(
                "filter `{name}`: {} of {} alerts are rejected without having been tried alone: it takes too long to find those that it fails for",
                found.untried,
                failed.rows.len()
            );
        }
        Ok(found.results)
    }

    /// Why a row cannot be given to a filter, if so.
    fn error(&self, unreadable: &[(usize, usize, Arc<str>)], function: usize, row: usize) -> Option<Arc<str>> {
        let arguments = &self.uses[function];
        let found = unreadable.iter().find(|(argument, at, _)| *at == row && arguments.contains(argument));
        found.map(|(.., why)| Arc::clone(why))
    }

    /// Makes calls in one worker, each once.
    fn run_once<C: FilterRow>(
        &self,
        rows: &[C],
        calls: &[FilterCall],
        attempt: Attempt,
        give_up: &dyn Fn() -> bool,
    ) -> Result<RunOutput, FilterError> {
        let mut all: Vec<usize> = calls.iter().flat_map(|call| call.rows.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let mut used: Vec<usize> = calls.iter().flat_map(|call| self.uses[call.function].iter().copied()).collect();
        used.sort_unstable();
        used.dedup();

        let mut unreadable: Vec<(usize, usize, Arc<str>)> = Vec::new();
        let (mut columns, mut sent) = (Vec::new(), Vec::new());
        for index in &used {
            let argument = &self.arguments[*index];
            let mut column = ColumnBuilder::new(&argument.value_type);
            for row in &all {
                if let Err(reason) = argument.push(&rows[*row], &mut column) {
                    unreadable.push((*index, *row, reason.into()));
                }
            }
            let (frame, dicts) = (argument.is_frame(), !argument.is_frame() && argument.value_type.holds_dicts());
            sent.push(ColumnSpec { name: argument.name.clone(), frame, dicts });
            columns.push((argument.name.clone(), column));
        }
        let mut masks: Vec<(Vec<usize>, usize)> = Vec::new();
        let mut requests: Vec<WorkerCall> = Vec::new();
        let mut readable_calls: Vec<FilterCall> = Vec::new();
        let mut of_calls: Vec<Option<usize>> = Vec::new();
        for call in calls {
            let readable: Vec<usize> = match unreadable.is_empty() {
                true => call.rows.clone(),
                false => {
                    let fault = |row: &usize| self.error(&unreadable, call.function, *row);
                    call.rows.iter().copied().filter(|row| fault(row).is_none()).collect()
                }
            };
            if readable.is_empty() {
                of_calls.push(None);
                continue;
            }
            let same = |other: &FilterCall| other.function == call.function && other.rows == readable;
            let known = readable_calls.iter().position(same);
            of_calls.push(Some(known.unwrap_or(requests.len())));
            if known.is_none() {
                let count = readable.len();
                let mask = match count == all.len() {
                    true => None,
                    false => Some(mask(readable.clone(), &all, &mut masks, &mut columns)),
                };
                let arguments = self.uses[call.function].iter().map(|argument| {
                    let column = used.binary_search(argument).unwrap_or_default();
                    (self.arguments[*argument].name.clone(), column)
                });
                requests.push(WorkerCall {
                    function: call.function,
                    arguments: arguments.collect(),
                    rows: mask,
                    count,
                });
                readable_calls.push(FilterCall { function: call.function, rows: readable });
            }
        }
        let outcomes = match requests.is_empty() {
            true => Vec::new(),
            false => self.pool.run(arrow::stream(columns, all.len())?, &sent, &requests, attempt, give_up)?,
        };
        Ok(RunOutput { asked: readable_calls.into_iter().zip(outcomes).collect(), of_calls, unreadable })
    }

    /// A failure's reason for the header of a message: the filter, and the end of the traceback.
    fn header_reason(&self, function: usize, reason: &str) -> String {
        let lines: Vec<&str> = reason.lines().collect();
        let end = lines[lines.len().saturating_sub(MAX_REASON_LINES)..].join("\n");
        let surplus = end.char_indices().rev().nth(MAX_REASON_CHARS).map_or(0, |(at, letter)| at + letter.len_utf8());
        format!("filter `{}`: {}", self.functions()[function].name, end[surplus..].trim())
    }
}

/// What became of some calls.
struct RunOutput {
    /// each different call, with the rows of it that can be read
    asked: Vec<(FilterCall, CallResult)>,
    /// for each call which of `asked` it is; none where no row of it can be read
    of_calls: Vec<Option<usize>>,
    /// (argument, row, why) of what cannot be read
    unreadable: Vec<(usize, usize, Arc<str>)>,
}

/// The column that says which of `all` are among `rows`; one is made where there is none.
fn mask(
    rows: Vec<usize>,
    all: &[usize],
    masks: &mut Vec<(Vec<usize>, usize)>,
    columns: &mut Vec<(String, ColumnBuilder)>,
) -> usize {
    if let Some((_, column)) = masks.iter().find(|(known, _)| *known == rows) {
        return *column;
    }
    let mut column = ColumnBuilder::new(&ValueType::Boolean);
    for row in all {
        // A boolean cell is one byte.
        let _one_byte = column.push_cell(&[u8::from(rows.binary_search(row).is_ok())]);
    }
    let at = columns.len();
    columns.push((format!("rows {at}"), column));
    masks.push((rows, at));
    at
}
