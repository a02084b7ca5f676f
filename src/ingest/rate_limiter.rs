//! A limit of the number of alerts per second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::CancellationToken;

/// How far behind schedule the work may be and still catch up. A longer delay is not made up by a burst.
const MAX_CATCH_UP: Duration = Duration::from_millis(200);

/// Hands out points in time at equal intervals, to all threads together.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    /// `None` before the first call
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// `rate` points in time per second, the first one at the first call. `None` if the rate is not a positive number.
    pub fn new(rate: f64) -> Option<Self> {
        let interval = Duration::try_from_secs_f64(1.0 / rate).ok().filter(|interval| !interval.is_zero())?;
        Some(Self { interval, next: Mutex::new(None) })
    }

    /// The next point in time. If it has passed, there is nothing to wait for.
    pub fn next(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earliest = now.checked_sub(MAX_CATCH_UP).unwrap_or(now);
        let due = next.map_or(now, |next| next.max(earliest));
        *next = Some(due + self.interval);
        due
    }

    /// Waits for the next point in time. Returns whether `cancel` was cancelled.
    pub fn wait(&self, cancel: &CancellationToken) -> bool {
        cancel.wait(self.next().saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_evenly_spaced() {
        let limiter = RateLimiter::new(1000.0).unwrap();
        let first = limiter.next();
        for number in 1..50 {
            assert_eq!(limiter.next() - first, number * Duration::from_millis(1));
        }
    }

    #[test]
    fn a_long_pause_is_not_followed_by_a_long_burst() {
        let limiter = RateLimiter::new(100.0).unwrap();
        limiter.next();
        let paused_until = Instant::now();
        *limiter.next.lock().unwrap() = Some(paused_until - Duration::from_secs(60));
        let first = limiter.next();
        assert!(first >= paused_until - MAX_CATCH_UP);
        assert_eq!(limiter.next() - first, Duration::from_millis(10));
    }

    #[test]
    fn only_positive_rates_are_accepted() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(RateLimiter::new(rate).is_none(), "{rate}");
        }
    }
}
