//! The time as the lanes see it.
//!
//! The system clock may be wrong for a while. A host whose clock runs two minutes ahead and is then corrected must not have moved the
//! watermark past rows that are not written yet. So there are two readings: `wall`, the system clock, bounds from above what is read, and
//! `steady`, which never runs faster than the monotonic clock, decides about everything that is kept.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::timestamp::Timestamp;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// the system clock
    pub wall: Timestamp,
    /// the system clock at the start, advanced by the monotonic clock; never later than `wall`
    pub steady: Timestamp,
}

/// Smaller steps of the system clock are not logged: NTP corrects such differences all the time.
const MIN_LOGGED_STEP: Duration = Duration::from_secs(1);

/// Turns readings of the system clock and the monotonic clock into a [`ClockReading`].
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    monotonic: Duration,
    is_ahead: bool,
}

impl Clock {
    /// A clock that trusts the system clock at this moment.
    pub fn start() -> Self {
        Self::new(Timestamp::now(), since_boot())
    }

    /// A clock that starts with these readings.
    pub fn new(wall: Timestamp, monotonic: Duration) -> Self {
        Self { wall, monotonic, is_ahead: false }
    }

    /// Reads both clocks.
    pub fn now(&mut self) -> ClockReading {
        self.read(Timestamp::now(), since_boot())
    }

    /// Combines these readings.
    pub fn read(&mut self, wall: Timestamp, monotonic: Duration) -> ClockReading {
        let expected = self.wall + monotonic.saturating_sub(self.monotonic);
        if wall < expected {
            let behind = expected.since(wall);
            if behind > MIN_LOGGED_STEP {
                log::warn!("the system clock was set back by {} ms", behind.as_millis());
            }
            // The clock was ahead until now, and `steady` with it: from here on it advances from the earlier reading.
            (self.wall, self.monotonic) = (wall, monotonic);
        }
        let ahead = wall.since(expected);
        let is_ahead = ahead > MIN_LOGGED_STEP;
        if is_ahead && !self.is_ahead {
            log::warn!(
                "the system clock jumped ahead by {} ms: the watermark follows the monotonic clock until the next start",
                ahead.as_millis()
            );
        }
        self.is_ahead = is_ahead;
        ClockReading { wall, steady: wall.min(expected) }
    }
}

/// The monotonic clock, which also counts the time in which the machine is suspended.
pub(crate) fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(wall: i64, monotonic: u64) -> Clock {
        Clock::new(Timestamp::from_millis(wall), Duration::from_millis(monotonic))
    }

    /// Wall clock and steady clock, ms since 1970.
    fn read(clock: &mut Clock, wall: i64, monotonic: u64) -> (i64, i64) {
        let ClockReading { wall, steady } = clock.read(Timestamp::from_millis(wall), Duration::from_millis(monotonic));
        (wall.as_millis(), steady.as_millis())
    }

    #[test]
    fn a_clock_that_is_ahead_for_a_while_moves_nothing() {
        let mut clock = clock(1_000_000, 50);
        assert_eq!(read(&mut clock, 1_000_100, 150), (1_000_100, 1_000_100));
        assert_eq!(read(&mut clock, 1_120_200, 250), (1_120_200, 1_000_200));
        assert_eq!(read(&mut clock, 1_140_200, 20_250), (1_140_200, 1_020_200));
        assert_eq!(read(&mut clock, 1_020_300, 20_350), (1_020_300, 1_020_300));
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_at_once() {
        let mut clock = clock(1_000_000, 0);
        assert_eq!(read(&mut clock, 880_100, 100), (880_100, 880_100));
        assert_eq!(read(&mut clock, 880_200, 200), (880_200, 880_200));
        assert_eq!(read(&mut clock, 1_000_300, 300), (1_000_300, 880_300));
    }

    #[test]
    fn the_steady_clock_of_this_machine_is_not_ahead_of_the_system_clock() {
        let now = Clock::start().now();
        assert!(now.steady <= now.wall, "{now:?}");
    }
}
