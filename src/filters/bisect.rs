//! Finds the alerts of a batch that a filter fails for: calls it with the batch once more, then with parts of it, down to single alerts.
//!
//! With `k` failing alerts among `n` that takes O(`k` log `n`) calls. Two limits keep a filter that fails for every alert from needing a call
//! for each: a sample of single alerts is tried before the parts, and the total time of the calls is limited. Alerts that were not tried
//! alone by then are rejected with the reason of their batch.

use std::sync::Arc;
use std::time::Duration;

use super::pool::{CallResult, Cause, Failure};

/// Alerts that are tried alone before the batch is divided. If the filter fails for each of them, it is assumed to fail for all.
const SAMPLE_SIZE: usize = 32;
/// The same if failing calls are slow: they time out or end the worker process.
const SLOW_SAMPLE_SIZE: usize = 4;
/// The same if failing calls are slow, and the filter failed for all alerts of an earlier batch and has not succeeded since. The batch as a
/// whole is then not tried a second time.
const ALL_FAILED_SAMPLE_SIZE: usize = 1;
/// Parts that a failing part is divided into.
const PARTS: usize = 2;
/// The same if failing calls are slow: more calls of which fewer fail take less time.
const SLOW_PARTS: usize = 16;
/// After a call timed out, the timeout of further calls with its alerts is `filters.timeout` divided by this, but at least
/// [`MIN_CALL_TIMEOUT`].
const TIMEOUT_DIVISOR: u32 = 16;
const MIN_CALL_TIMEOUT: Duration = Duration::from_millis(500);
/// All calls for a failed batch together may take this many times `filters.timeout`, but at least [`MIN_TOTAL_TIMEOUT`]: the start of a
/// worker process alone may take seconds.
const TOTAL_TIMEOUTS: u32 = 2;
const MIN_TOTAL_TIMEOUT: Duration = Duration::from_secs(60);

/// The result for one alert: whether the filter keeps it, or why it failed.
pub(crate) type AlertResult = Result<bool, Arc<str>>;

/// The results for a batch whose call failed.
#[derive(Debug)]
pub(super) struct Bisection {
    /// by alert
    pub results: Vec<AlertResult>,
    /// how many alerts failed without a call of their own
    pub untried: usize,
    /// whether some call succeeded
    pub has_succeeded: bool,
}

/// Finds the alerts of `rows` that a filter fails for, after a call with all of them failed with `first`. `call` calls the filter with some
/// of the rows and a timeout; `elapsed` returns the time since the start. `all_failed_before`: the filter failed for all alerts of an
/// earlier batch, and has not succeeded since.
///
/// # Errors
/// Those of `call`, at once.
pub(super) fn bisect<E>(
    rows: &[usize],
    first: Failure,
    timeout: Duration,
    all_failed_before: bool,
    elapsed: impl Fn() -> Duration,
    call: impl FnMut(&[usize], Duration) -> Result<CallResult, E>,
) -> Result<Bisection, E> {
    let short_timeout = (timeout / TIMEOUT_DIVISOR).max(MIN_CALL_TIMEOUT).min(timeout.max(MIN_CALL_TIMEOUT));
    let mut bisector = Bisector {
        rows,
        all_failed_before: all_failed_before && first.cause != Cause::Raised,
        has_timed_out: first.cause == Cause::TimedOut,
        worker_ended: first.cause != Cause::Raised,
        first,
        timeout,
        short_timeout,
        results: vec![None; rows.len()],
        has_succeeded: false,
        elapsed,
        call,
    };
    let untried = bisector.run()?;
    let Bisector { first, results, has_succeeded, .. } = bisector;
    let rest: Arc<str> = untried.map(|why| format!("{}; {why}", first.reason)).unwrap_or_default().into();
    let untried = results.iter().filter(|result| result.is_none()).count();
    let results = results.into_iter().map(|result| result.unwrap_or_else(|| Err(Arc::clone(&rest)))).collect();
    Ok(Bisection { results, untried, has_succeeded })
}

struct Bisector<'a, Elapsed, Call> {
    rows: &'a [usize],
    first: Failure,
    timeout: Duration,
    /// for calls after one has timed out
    short_timeout: Duration,
    all_failed_before: bool,
    has_timed_out: bool,
    results: Vec<Option<AlertResult>>,
    /// whether a call ended a worker process
    worker_ended: bool,
    has_succeeded: bool,
    elapsed: Elapsed,
    call: Call,
}

impl<E, Elapsed, Call> Bisector<'_, Elapsed, Call>
where
    Elapsed: Fn() -> Duration,
    Call: FnMut(&[usize], Duration) -> Result<CallResult, E>,
{
    /// Fills in `results`. Where some remain unknown, returns why.
    fn run(&mut self) -> Result<Option<String>, E> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        if !self.all_failed_before && self.resolve(&all)? {
            return Ok(None);
        }
        let sample = spread(
            all.len(),
            match (self.all_failed_before, self.worker_ended) {
                (true, _) => ALL_FAILED_SAMPLE_SIZE,
                (false, true) => SLOW_SAMPLE_SIZE,
                (false, false) => SAMPLE_SIZE,
            },
        );
        for index in &sample {
            if self.is_out_of_time() {
                return Ok(Some(out_of_time()));
            }
            self.resolve(&[*index])?;
        }
        if !self.has_succeeded && sample.len() < all.len() {
            let tried = sample.len();
            return Ok(Some(format!(
                "every alert of this batch that was tried alone failed too ({tried} of {})",
                all.len()
            )));
        }
        let rest: Vec<usize> = all.into_iter().filter(|index| self.results[*index].is_none()).collect();
        let mut parts = vec![rest];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            if self.is_out_of_time() {
                return Ok(Some(out_of_time()));
            }
            if !self.resolve(&part)? {
                let count = if self.worker_ended { SLOW_PARTS } else { PARTS };
                parts.extend(part.chunks(part.len().div_ceil(count)).rev().map(<[usize]>::to_vec));
            }
        }
        Ok(None)
    }

    /// Calls the filter with the alerts of these indexes. Returns whether their results are known now.
    fn resolve(&mut self, indexes: &[usize]) -> Result<bool, E> {
        let rows: Vec<usize> = indexes.iter().map(|index| self.rows[*index]).collect();
        let limit = match self.has_timed_out {
            true => self.short_timeout,
            false => self.timeout.min(self.left()).max(MIN_CALL_TIMEOUT),
        };
        let failure = match (self.call)(&rows, limit)? {
            Ok(kept) => {
                self.has_succeeded = true;
                for (index, kept) in indexes.iter().zip(kept) {
                    self.results[*index] = Some(Ok(kept));
                }
                return Ok(true);
            }
            Err(failure) => failure,
        };
        self.worker_ended |= failure.cause != Cause::Raised;
        self.has_timed_out |= failure.cause == Cause::TimedOut;
        let [index] = indexes else { return Ok(false) };
        let reason = match failure.cause == Cause::TimedOut && limit < self.timeout {
            true => format!("{} for this alert alone; for its batch: {}", failure.reason, self.first.reason),
            false => failure.reason,
        };
        self.results[*index] = Some(Err(reason.into()));
        Ok(true)
    }

    fn left(&self) -> Duration {
        (self.timeout * TOTAL_TIMEOUTS).max(MIN_TOTAL_TIMEOUT).saturating_sub((self.elapsed)())
    }

    fn is_out_of_time(&self) -> bool {
        self.left().is_zero()
    }
}

fn out_of_time() -> String {
    "this alert was not tried alone: the time limit was used up (it follows from filters.timeout)".to_owned()
}

/// At most `max` of the numbers below `count`, evenly spaced.
fn spread(count: usize, max: usize) -> Vec<usize> {
    match count <= max {
        true => (0..count).collect(),
        false => (0..max).map(|number| number * count / max).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn failure(cause: Cause) -> Failure {
        Failure { cause, reason: "no".to_owned() }
    }

    /// A filter that fails for the rows that `bad` names and keeps even ones. Returns the bisection, the calls and the time they took.
    fn search(count: usize, cause: Cause, bad: impl Fn(usize) -> bool) -> (Bisection, usize, Duration) {
        let rows: Vec<usize> = (0..count).collect();
        let (calls, now) = (Cell::new(0), Cell::new(Duration::ZERO));
        let call = |rows: &[usize], limit: Duration| {
            calls.set(calls.get() + 1);
            let fails = rows.iter().any(|row| bad(*row));
            let time = match (fails, cause) {
                (true, Cause::TimedOut) => limit + Duration::from_secs(1),
                (true, Cause::Ended) => Duration::from_secs(1),
                _ => Duration::from_millis(2),
            };
            now.set(now.get() + time);
            Ok::<_, ()>(match fails {
                true => Err(failure(cause)),
                false => Ok(rows.iter().map(|row| row % 2 == 0).collect()),
            })
        };
        let found = bisect(&rows, failure(cause), TIMEOUT, false, || now.get(), call).expect("no error");
        (found, calls.get(), now.get())
    }

    fn failed(found: &Bisection) -> Vec<usize> {
        (0..found.results.len()).filter(|row| found.results[*row].is_err()).collect()
    }

    proptest! {
        #[test]
        fn exactly_the_failing_alerts_are_found_in_k_log_n_calls(
            count in 1_usize..2000,
            bad in prop::collection::btree_set(0_usize..2000, 0..6),
        ) {
            let (found, calls, _) = search(count, Cause::Raised, |row| bad.contains(&row));
            let bad: Vec<usize> = bad.into_iter().filter(|row| *row < count).collect();
            prop_assert_eq!(failed(&found), bad.clone());
            for (row, result) in found.results.iter().enumerate().filter(|(_, result)| result.is_ok()) {
                prop_assert_eq!(result, &Ok(row % 2 == 0));
            }
            let levels = count.ilog2() as usize + 2;
            prop_assert!(calls <= 2 + SAMPLE_SIZE + 2 * bad.len() * levels, "{calls} calls for {} of {count}", bad.len());
        }
    }

    #[test]
    fn a_second_try_that_succeeds_is_all() {
        let tries = Cell::new(0);
        let call = |rows: &[usize], _| {
            tries.set(tries.get() + 1);
            Ok::<_, ()>(Ok(vec![true; rows.len()]))
        };
        let found =
            bisect(&[3, 4, 5], failure(Cause::Raised), TIMEOUT, false, || Duration::ZERO, call).expect("no error");
        assert_eq!((tries.get(), found.results), (1, vec![Ok(true); 3]));
    }

    #[test]
    fn one_alert_that_hangs_or_ends_the_worker_is_found() {
        for cause in [Cause::TimedOut, Cause::Ended] {
            let (found, ..) = search(2000, cause, |row| row == 1234);
            assert_eq!((failed(&found), found.untried), (vec![1234], 0), "{cause:?}");
        }
    }

    #[test]
    fn a_filter_that_fails_for_every_alert_takes_few_calls() {
        for (cause, most) in
            [(Cause::Raised, SAMPLE_SIZE), (Cause::Ended, SLOW_SAMPLE_SIZE), (Cause::TimedOut, SLOW_SAMPLE_SIZE)]
        {
            let (found, calls, time) = search(2000, cause, |_| true);
            assert_eq!((failed(&found).len(), calls), (2000, 1 + most), "{cause:?}");
            assert!(time <= TIMEOUT, "{cause:?}: {time:?}");
            let last = found.results[1999].clone().expect_err("it fails");
            assert!(last.contains("tried alone failed too"), "{last}");
        }
    }

    #[test]
    fn a_filter_that_failed_for_all_before_gets_one_more_call_unless_that_succeeds() {
        for bad in [0..9, 4..5] {
            let tries = Cell::new(0);
            let call = |rows: &[usize], _| {
                tries.set(tries.get() + 1);
                Ok::<_, ()>(match rows.iter().any(|row| bad.contains(row)) {
                    true => Err(failure(Cause::Ended)),
                    false => Ok(vec![true; rows.len()]),
                })
            };
            let rows: Vec<usize> = (0..9).collect();
            let found = bisect(&rows, failure(Cause::Ended), TIMEOUT, true, || Duration::ZERO, call).expect("no error");
            assert_eq!(failed(&found), bad.clone().collect::<Vec<_>>());
            assert_eq!(tries.get() == 1, bad.len() == 9, "{} calls", tries.get());
        }
    }

    #[test]
    fn the_time_of_all_calls_is_limited_and_the_rest_is_rejected() {
        let (found, _, time) = search(2000, Cause::TimedOut, |row| row % 7 == 3);
        assert!(time < TIMEOUT * 2 + Duration::from_secs(5), "{time:?}");
        assert!(found.untried > 0 && found.has_succeeded);
        for row in 0..2000 {
            assert!(row % 7 != 3 || found.results[row].is_err(), "{row} fails");
        }
        let reasons: Vec<&str> =
            found.results.iter().filter_map(|result| result.as_ref().err()).map(|r| &**r).collect();
        assert!(reasons.iter().any(|reason| reason.contains("used up")), "{reasons:?}");
    }

    #[test]
    fn a_few_good_alerts_among_failing_ones_are_kept() {
        let (found, ..) = search(2000, Cause::Raised, |row| row % 10 != 0);
        assert_eq!(failed(&found), (0..2000).filter(|row| row % 10 != 0).collect::<Vec<_>>());
    }
}
