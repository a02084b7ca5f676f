//! An even pace.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::signals::Stop;

/// How far behind its pace work may catch up: what comes later than that is not made good by a burst.
const MAX_CATCH_UP: Duration = Duration::from_millis(200);

/// Points in time at equal distances, handed out to whoever asks.
#[derive(Debug)]
pub struct RateLimiter {
    step: Duration,
    /// `None`: nobody has asked yet
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// So many a second, the first of them when it is asked for. `None` where that is no positive number.
    pub fn new(rate: f64) -> Option<Self> {
        let step = Duration::try_from_secs_f64(1.0 / rate).ok().filter(|step| !step.is_zero())?;
        Some(Self { step, next: Mutex::new(None) })
    }

    /// The next point in time; where it has passed already, there is nothing to wait for.
    pub fn next(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earliest = now.checked_sub(MAX_CATCH_UP).unwrap_or(now);
        let due = next.map_or(now, |next| next.max(earliest));
        *next = Some(due + self.step);
        due
    }

    /// Waits for the next point in time; `true`: it is time to stop instead.
    pub fn wait(&self, stop: &Stop) -> bool {
        stop.wait(self.next().saturating_duration_since(Instant::now()))
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
    fn after_a_long_pause_there_is_no_long_burst() {
        let limiter = RateLimiter::new(100.0).unwrap();
        limiter.next();
        *limiter.next.lock().unwrap() = Some(Instant::now() - Duration::from_secs(60));
        let passed = std::iter::repeat_with(|| limiter.next()).take_while(|due| *due <= Instant::now()).count();
        assert!((15..=25).contains(&passed), "{passed}");
    }

    #[test]
    fn only_positive_rates_are_paces() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(RateLimiter::new(rate).is_none(), "{rate}");
        }
    }
}
