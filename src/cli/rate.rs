//! A rate over the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate is averaged over this time.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples are at least this far apart.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// A count that grows, and how fast.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Adds the count at `now`. A count that became smaller, since something was taken back, starts again.
    pub fn add(&mut self, now: Instant, count: u64) {
        if self.samples.back().is_some_and(|(_, last)| count < *last) {
            self.samples.clear();
        }
        match self.samples.back() {
            Some((last, _)) if now - *last < SAMPLE_INTERVAL => return,
            _ => self.samples.push_back((now, count)),
        }
        // One sample older than the window stays, so that the rate covers all of it.
        while self.samples.get(1).is_some_and(|(at, _)| now - *at >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Per second.
    pub fn per_second(&self) -> f64 {
        match (self.samples.front(), self.samples.back()) {
            (Some((first, from)), Some((last, to))) if last > first => {
                (to - from) as f64 / (*last - *first).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// Per second, where `now` is later than the last sample: a rate of which nothing was heard for a while becomes 0.
    pub fn per_second_at(&self, now: Instant) -> f64 {
        match (self.samples.front(), self.samples.back()) {
            (Some((first, from)), Some((last, to))) if last > first && now - *last < WINDOW => {
                (to - from) as f64 / (now - *first).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rate.per_second(), 0.0);
        for second in 0..20 {
            rate.add(at(second), second * 100);
        }
        assert_eq!(rate.per_second(), 100.0);
        for second in 20..40 {
            rate.add(at(second), 1900);
        }
        assert_eq!(rate.per_second(), 0.0);
        rate.add(at(41), 5);
        assert_eq!(rate.per_second(), 0.0, "the count starts again");
        rate.add(at(42), 10);
        assert_eq!(rate.per_second(), 5.0);
    }

    #[test]
    fn a_rate_without_new_samples_falls_to_zero() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..=10 {
            rate.add(at(second), second * 100);
        }
        assert_eq!([10, 15, 19, 20].map(|second| rate.per_second_at(at(second)).round()), [100.0, 67.0, 53.0, 0.0]);
    }
}
