//! Filters bound to a catalog: rows in, judgements out.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::arrow;
use super::bisect::{AlertResult, bisect};
use super::column::Column;
use super::columns::Argument;
use super::error::FilterError;
use super::pool::{Attempt, Failure, Function, Outcome, Pool, PoolCall};
use super::protocol::Sent;
use super::shape::Shape;
use crate::catalog::Catalog;
use crate::config::OnError;

/// A row's cells.
pub trait Cells {
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
pub struct Call {
    /// the index of the filter
    pub function: usize,
    /// the indexes of the rows, ascending
    pub rows: Vec<usize>,
}

/// Lines of a traceback's end that a reason carries.
const LINES: usize = 6;
/// Most characters of a reason.
const LONGEST_REASON: usize = 1000;

/// Filters whose arguments are columns of one catalog.
pub struct Sifter {
    pool: Arc<Pool>,
    arguments: Vec<Argument>,
    /// for each function, the indexes of its arguments
    uses: Vec<Vec<usize>>,
    /// for each function, whether it failed for all alerts of a batch and has not succeeded since
    hopeless: Vec<AtomicBool>,
}

impl Sifter {
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
        let hopeless = uses.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { pool, arguments, uses, hopeless })
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
    pub fn sift<C: Cells + Sync>(
        &self,
        rows: &[C],
        calls: &[Call],
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
            let of = |(call, rows): &(usize, Vec<usize>)| Call { function: calls[*call].function, rows: rows.clone() };
            let part: Vec<Call> = parts.iter().map(of).collect();
            for ((call, _), judgements) in parts.iter().zip(self.sift_part(rows, &part, give_up)?) {
                judged[*call].extend(judgements);
            }
        }
        Ok(judged)
    }

    /// Shares the calls out among the workers that have nothing to do.
    fn sift_part<C: Cells + Sync>(
        &self,
        rows: &[C],
        calls: &[Call],
        give_up: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<Judgement>>, FilterError> {
        let shares = self.pool.idle().clamp(1, calls.len());
        let groups: Vec<&[Call]> = calls.chunks(calls.len().div_ceil(shares)).collect();
        let [first, others @ ..] = groups.as_slice() else { return Ok(Vec::new()) };
        std::thread::scope(|scope| {
            let others: Vec<_> =
                others.iter().map(|group| scope.spawn(|| self.sift_in_one(rows, group, give_up))).collect();
            let mut judged = self.sift_in_one(rows, first, give_up)?;
            for other in others {
                let other = other.join().map_err(|_| FilterError::Arrow("a thread panicked".to_owned()))?;
                judged.extend(other?);
            }
            Ok(judged)
        })
    }

    fn sift_in_one<C: Cells>(
        &self,
        rows: &[C],
        calls: &[Call],
        give_up: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<Judgement>>, FilterError> {
        let attempt = Attempt { timeout: self.pool.settings().timeout, counts: true };
        let Answered { asked, of_calls, unreadable } = self.ask(rows, calls, attempt, give_up)?;
        let mut results: Vec<Vec<AlertResult>> = Vec::with_capacity(asked.len());
        for (call, outcome) in asked {
            results.push(match outcome {
                Ok(kept) => {
                    self.hopeless[call.function].store(false, Ordering::Relaxed);
                    kept.into_iter().map(Ok).collect()
                }
                Err(failure) => self.retry(rows, &call, failure, give_up)?,
            });
        }
        let judge = |(call, answer): (&Call, &Option<usize>)| {
            let mut results = answer.and_then(|answer| results.get(answer)).into_iter().flatten();
            let of_row = |row: &usize| match self.fault(&unreadable, call.function, *row) {
                Some(why) => Judgement::Fail(why),
                None => match results.next() {
                    Some(Ok(true)) => Judgement::Keep,
                    Some(Err(reason)) => Judgement::Fail(self.short(call.function, reason).into()),
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
    fn retry<C: Cells>(
        &self,
        rows: &[C],
        failed: &Call,
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
            let call = Call { function: failed.function, rows: part.to_vec() };
            let attempt = Attempt { timeout, counts: false };
            let mut answered = self.ask(rows, std::slice::from_ref(&call), attempt, give_up)?;
            answered.asked.pop().map(|(_, outcome)| outcome).ok_or(FilterError::Stopped)
        };
        if self.pool.settings().on_error == OnError::Stop {
            return match call(&failed.rows, timeout)? {
                Ok(kept) => Ok(kept.into_iter().map(Ok).collect()),
                Err(failure) => Err(FilterError::Failed { filter: name.clone(), reason: failure.reason }),
            };
        }
        let hopeless = &self.hopeless[failed.function];
        let began = Instant::now();
        let found = bisect(&failed.rows, first, timeout, hopeless.load(Ordering::Relaxed), || began.elapsed(), call)?;
        hopeless.store(!found.has_succeeded, Ordering::Relaxed);
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
    fn fault(&self, unreadable: &[(usize, usize, Arc<str>)], function: usize, row: usize) -> Option<Arc<str>> {
        let arguments = &self.uses[function];
        let found = unreadable.iter().find(|(argument, at, _)| *at == row && arguments.contains(argument));
        found.map(|(.., why)| Arc::clone(why))
    }

    /// Makes calls in one worker, each once.
    fn ask<C: Cells>(
        &self,
        rows: &[C],
        calls: &[Call],
        attempt: Attempt,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Answered, FilterError> {
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
            let mut column = Column::new(&argument.shape);
            for row in &all {
                if let Err(reason) = argument.push(&rows[*row], &mut column) {
                    unreadable.push((*index, *row, reason.into()));
                }
            }
            let (frame, dicts) = (argument.is_frame(), !argument.is_frame() && argument.shape.holds_dicts());
            sent.push(Sent { name: argument.name.clone(), frame, dicts });
            columns.push((argument.name.clone(), column));
        }
        let mut masks: Vec<(Vec<usize>, usize)> = Vec::new();
        let mut requests: Vec<PoolCall> = Vec::new();
        let mut readable_calls: Vec<Call> = Vec::new();
        let mut of_calls: Vec<Option<usize>> = Vec::new();
        for call in calls {
            let readable: Vec<usize> = match unreadable.is_empty() {
                true => call.rows.clone(),
                false => {
                    let fault = |row: &usize| self.fault(&unreadable, call.function, *row);
                    call.rows.iter().copied().filter(|row| fault(row).is_none()).collect()
                }
            };
            if readable.is_empty() {
                of_calls.push(None);
                continue;
            }
            let same = |other: &Call| other.function == call.function && other.rows == readable;
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
                requests.push(PoolCall { function: call.function, arguments: arguments.collect(), rows: mask, count });
                readable_calls.push(Call { function: call.function, rows: readable });
            }
        }
        let outcomes = match requests.is_empty() {
            true => Vec::new(),
            false => self.pool.judge(arrow::stream(columns, all.len())?, &sent, &requests, attempt, give_up)?,
        };
        Ok(Answered { asked: readable_calls.into_iter().zip(outcomes).collect(), of_calls, unreadable })
    }

    /// A failure's reason for the header of a message: the filter, and the end of the traceback.
    fn short(&self, function: usize, reason: &str) -> String {
        let lines: Vec<&str> = reason.lines().collect();
        let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
        let surplus = end.char_indices().rev().nth(LONGEST_REASON).map_or(0, |(at, letter)| at + letter.len_utf8());
        format!("filter `{}`: {}", self.functions()[function].name, end[surplus..].trim())
    }
}

/// What became of some calls.
struct Answered {
    /// each different call, with the rows of it that can be read
    asked: Vec<(Call, Outcome)>,
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
    columns: &mut Vec<(String, Column)>,
) -> usize {
    if let Some((_, column)) = masks.iter().find(|(known, _)| *known == rows) {
        return *column;
    }
    let mut column = Column::new(&Shape::Boolean);
    for row in all {
        // A boolean cell is one byte.
        let _one_byte = column.push_cell(&[u8::from(rows.binary_search(row).is_ok())]);
    }
    let at = columns.len();
    columns.push((format!("rows {at}"), column));
    masks.push((rows, at));
    at
}
