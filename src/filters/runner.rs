//! Runs filters on rows: shares the calls out among workers, and handles the alerts that a filter fails for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::argument::Argument;
use super::bisect::{AlertResult, bisect};
use super::error::{FilterError, ResolveError};
use super::filter_row::FilterRow;
use super::pool::{Attempt, CallResult, Failure, Function, Pool};
use super::settings::OnError;
use super::worker_request::{FilterCall, WorkerRequest};
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::row::{BoundColumn, ColumnNotRead, Columns, Row};

/// Last lines of a traceback that a reason keeps.
const MAX_REASON_LINES: usize = 6;
const MAX_REASON_CHARS: usize = 1000;

/// Filters, with the columns that their parameters are.
pub(crate) struct ResolvedFilters {
    pool: Arc<Pool>,
    /// of all filters, each once
    arguments: Vec<Argument>,
    /// by function: the indexes of its arguments
    uses: Vec<Vec<usize>>,
}

impl ResolvedFilters {
    /// Resolves the parameters of the pool's filters to columns.
    ///
    /// # Errors
    /// A parameter without a default is no column.
    pub fn new(pool: Arc<Pool>, catalog: &Catalog) -> Result<Self, FilterError> {
        let (mut arguments, mut uses): (Vec<Argument>, Vec<Vec<usize>>) = Default::default();
        for function in pool.functions() {
            let mut used = Vec::with_capacity(function.parameters.len());
            for parameter in &function.parameters {
                if let Some(known) = arguments.iter().position(|argument| argument.name == parameter.name) {
                    used.push(known);
                    continue;
                }
                match Argument::resolve(catalog, &parameter.name) {
                    Ok(argument) => {
                        used.push(arguments.len());
                        arguments.push(argument);
                    }
                    Err(ResolveError::Unknown { .. }) if parameter.is_optional => {}
                    Err(source) => return Err(FilterError::Argument { filter: function.name.clone(), source }),
                }
            }
            uses.push(used);
        }
        Ok(Self { pool, arguments, uses })
    }

    /// The columns to read, as indexes into the catalog's list, ascending.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.arguments.iter().for_each(|argument| argument.columns(&mut columns));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The filters, for rows read with `columns`.
    ///
    /// # Errors
    /// A column that a filter needs is not among `columns`.
    pub fn bind(self, catalog: &Catalog, columns: &Columns) -> Result<FilterRunner, ColumnNotRead> {
        let mut bound = vec![None; catalog.columns.len()];
        for index in self.columns() {
            bound[index] = Some(BoundColumn::new(&catalog.columns[index], catalog.row_key.len(), columns)?);
        }
        let Self { pool, arguments, uses } = self;
        let all_failed = uses.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(FilterRunner { pool, arguments, uses, columns: bound, all_failed })
    }
}

/// Filters, ready to be called with rows.
pub(crate) struct FilterRunner {
    pool: Arc<Pool>,
    /// of all filters, each once
    arguments: Vec<Argument>,
    /// by function: the indexes of its arguments
    uses: Vec<Vec<usize>>,
    /// by index in the catalog: the columns that filters need
    columns: Vec<Option<BoundColumn>>,
    /// by function: whether it failed for all alerts of a batch and has not succeeded since
    all_failed: Vec<AtomicBool>,
}

impl FilterRunner {
    /// The filters, in the order of [`FilterCall::function`].
    pub fn functions(&self) -> &[Function] {
        self.pool.functions()
    }

    /// Calls filters: by call, the result for each of its rows. A filter is called with `filters.batch` rows at most.
    ///
    /// # Errors
    /// A filter failed twice for the same rows and `on_error` is `stop`, workers end again and again, or `cancel` was cancelled.
    pub fn run(
        &self,
        rows: &[Row<'_>],
        calls: &[FilterCall<'_>],
        cancel: &CancellationToken,
    ) -> Result<Vec<Vec<AlertResult>>, FilterError> {
        let mut results: Vec<Vec<AlertResult>> = calls.iter().map(|call| Vec::with_capacity(call.rows.len())).collect();
        let rows: Vec<FilterRow<'_>> = rows.iter().map(|row| FilterRow { row: *row, columns: &self.columns }).collect();
        let batch = self.pool.settings().batch;
        for start in (0..rows.len()).step_by(batch) {
            let within = |call: &FilterCall<'_>| {
                let first = call.rows.partition_point(|row| *row < start);
                let end = call.rows.partition_point(|row| *row < start + batch);
                first..end
            };
            // Calls without rows in this part of the page are not made.
            let indexes: Vec<usize> = (0..calls.len()).filter(|index| !within(&calls[*index]).is_empty()).collect();
            let part = indexes.iter().map(|index| &calls[*index]);
            let part: Vec<FilterCall<'_>> =
                part.map(|call| FilterCall { function: call.function, rows: &call.rows[within(call)] }).collect();
            for (index, part) in indexes.iter().zip(self.run_in_parallel(&rows, &part, cancel)?) {
                results[*index].extend(part);
            }
        }
        Ok(results)
    }

    /// Shares calls out among the idle workers.
    fn run_in_parallel(
        &self,
        rows: &[FilterRow<'_>],
        calls: &[FilterCall<'_>],
        cancel: &CancellationToken,
    ) -> Result<Vec<Vec<AlertResult>>, FilterError> {
        let workers = self.pool.idle_workers().clamp(1, calls.len().max(1));
        let mut shares = calls.chunks(calls.len().div_ceil(workers).max(1));
        let Some(first) = shares.next() else { return Ok(Vec::new()) };
        std::thread::scope(|scope| {
            let others: Vec<_> =
                shares.map(|share| scope.spawn(|| self.run_in_one_worker(rows, share, cancel))).collect();
            let mut results = self.run_in_one_worker(rows, first, cancel)?;
            for other in others {
                results.extend(other.join().map_err(|_| FilterError::Panicked)??);
            }
            Ok(results)
        })
    }

    fn run_in_one_worker(
        &self,
        rows: &[FilterRow<'_>],
        calls: &[FilterCall<'_>],
        cancel: &CancellationToken,
    ) -> Result<Vec<Vec<AlertResult>>, FilterError> {
        let attempt = Attempt { timeout: self.pool.settings().timeout, counts: true };
        let (request, outcomes) = self.request(rows, calls, attempt, cancel)?;
        let mut results: Vec<Vec<AlertResult>> = Vec::with_capacity(outcomes.len());
        for ((call, rows_of_call), outcome) in request.calls.iter().zip(&request.rows).zip(outcomes) {
            let call = FilterCall { function: call.function, rows: rows_of_call };
            results.push(match outcome {
                Ok(kept) => {
                    self.all_failed[call.function].store(false, Ordering::Relaxed);
                    kept.into_iter().map(Ok).collect()
                }
                Err(failure) => self.apply_on_error(rows, call, failure, cancel)?,
            });
        }
        let results_of = |(call, index): (&FilterCall<'_>, &Option<usize>)| {
            let mut readable = index.map_or(&[][..], |index| &results[index]).iter();
            let uses = &self.uses[call.function];
            let result = |row: &usize| match request.error(uses, *row) {
                Some(reason) => Ok(Err(Arc::clone(reason))),
                None => match readable.next() {
                    Some(Ok(kept)) => Ok(Ok(*kept)),
                    Some(Err(reason)) => Ok(Err(self.short_reason(call.function, reason))),
                    None => Err(FilterError::MissingResult { filter: self.functions()[call.function].name.clone() }),
                },
            };
            call.rows.iter().map(result).collect()
        };
        calls.iter().zip(&request.call_of).map(results_of).collect()
    }

    /// Makes calls in one worker, each once.
    fn request(
        &self,
        rows: &[FilterRow<'_>],
        calls: &[FilterCall<'_>],
        attempt: Attempt,
        cancel: &CancellationToken,
    ) -> Result<(WorkerRequest, Vec<CallResult>), FilterError> {
        let mut request = WorkerRequest::new(rows, calls, &self.arguments, &self.uses)?;
        let body = std::mem::take(&mut request.body);
        let outcomes = match request.calls.is_empty() {
            true => Vec::new(),
            false => self.pool.run(body, &request.columns, &request.calls, attempt, cancel)?,
        };
        Ok((request, outcomes))
    }

    /// Calls a filter again after a call failed: with `on_error = "stop"` once, else with parts of the rows, to find those that it fails for.
    /// Returns the result for each row.
    ///
    /// # Errors
    /// The filter fails again and `on_error` is `stop`, workers end again and again, or `cancel` was cancelled.
    fn apply_on_error(
        &self,
        rows: &[FilterRow<'_>],
        failed: FilterCall<'_>,
        first: Failure,
        cancel: &CancellationToken,
    ) -> Result<Vec<AlertResult>, FilterError> {
        let timeout = self.pool.settings().timeout;
        let name = &self.functions()[failed.function].name;
        log::debug!(
            "filter `{name}` failed for a batch of {} alerts and is called again: {}",
            failed.rows.len(),
            first.reason
        );
        let call = |rows_of_call: &[usize], timeout: Duration| {
            let call = FilterCall { function: failed.function, rows: rows_of_call };
            let attempt = Attempt { timeout, counts: false };
            let (_, mut outcomes) = self.request(rows, &[call], attempt, cancel)?;
            outcomes.pop().ok_or_else(|| FilterError::MissingResult { filter: name.clone() })
        };
        if self.pool.settings().on_error == OnError::Stop {
            return match call(failed.rows, timeout)? {
                Ok(kept) => Ok(kept.into_iter().map(Ok).collect()),
                Err(failure) => Err(FilterError::CallFailed { filter: name.clone(), reason: failure.reason }),
            };
        }
        let all_failed = &self.all_failed[failed.function];
        let began = Instant::now();
        let found = bisect(failed.rows, first, timeout, all_failed.load(Ordering::Relaxed), || began.elapsed(), call)?;
        all_failed.store(!found.has_succeeded, Ordering::Relaxed);
        if found.has_succeeded && found.untried > 0 {
            log::warn!(
                "filter `{name}`: {} of {} alerts are rejected without a call of their own: finding the ones that the filter fails for takes too long",
                found.untried,
                failed.rows.len()
            );
        }
        Ok(found.results)
    }

    /// A failure's reason, short enough for a message header: the filter, and the end of the traceback.
    fn short_reason(&self, function: usize, reason: &str) -> Arc<str> {
        let lines: Vec<&str> = reason.lines().collect();
        let end = lines[lines.len().saturating_sub(MAX_REASON_LINES)..].join("\n");
        let start = end.char_indices().rev().nth(MAX_REASON_CHARS).map_or(0, |(at, letter)| at + letter.len_utf8());
        format!("filter `{}`: {}", self.functions()[function].name, end[start..].trim()).into()
    }
}
