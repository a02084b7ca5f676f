//! The time as the lanes see it.
//!
//! The system clock may be wrong for a while: a host whose clock runs two minutes ahead and is then set right must not have moved the
//! watermark over rows that are yet to be written. So there are two readings: `wall`, the system clock, for the upper end of what is read,
//! and `steady`, which never runs faster than the monotonic clock, for all that is kept.

use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};

/// One reading, ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// the system clock
    pub wall: i64,
    /// the system clock at the start, advanced by the monotonic clock; never later than `wall`
    pub steady: i64,
}

/// How far the wall clock may step before it is told, ms. NTP corrects smaller differences all the time.
const MIN_REPORTED_STEP_MS: i64 = 1_000;

/// Turns readings of both clocks into [`ClockReading`].
#[derive(Clone, Debug)]
pub struct Clock {
    wall: i64,
    monotonic: i64,
    is_ahead: bool,
}

impl Clock {
    /// A clock that trusts the system clock at this moment.
    pub fn start() -> Self {
        Self::new(wall(), monotonic())
    }

    /// A clock for these readings, ms.
    pub(super) fn new(wall: i64, monotonic: i64) -> Self {
        Self { wall, monotonic, is_ahead: false }
    }

    /// The time now.
    pub fn now(&mut self) -> ClockReading {
        self.read(wall(), monotonic())
    }

    /// The time of these readings, ms.
    pub(super) fn read(&mut self, wall: i64, monotonic: i64) -> ClockReading {
        let expected = self.wall + (monotonic - self.monotonic);
        if wall < expected {
            if expected - wall > MIN_REPORTED_STEP_MS {
                log::warn!(
                    "the system clock is {} ms behind where it was: it was set back, or is set right again",
                    expected - wall
                );
            }
            // What was said to be steady was ahead: from here on it advances from the earlier reading.
            (self.wall, self.monotonic) = (wall, monotonic);
        }
        let is_ahead = wall - expected > MIN_REPORTED_STEP_MS;
        if is_ahead && !self.is_ahead {
            log::warn!(
                "the system clock has jumped {} ms ahead: the watermark follows the monotonic clock until the next start",
                wall - expected
            );
        }
        self.is_ahead = is_ahead;
        ClockReading { wall, steady: wall.min(expected) }
    }
}

fn wall() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Counts the time that a suspended machine sleeps, too.
fn monotonic() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_ahead_for_a_while_moves_nothing() {
        let mut clock = Clock::new(1_000_000, 50);
        assert_eq!(clock.read(1_000_100, 150), ClockReading { wall: 1_000_100, steady: 1_000_100 });
        assert_eq!(clock.read(1_120_200, 250), ClockReading { wall: 1_120_200, steady: 1_000_200 });
        assert_eq!(clock.read(1_140_200, 20_250), ClockReading { wall: 1_140_200, steady: 1_020_200 });
        assert_eq!(clock.read(1_020_300, 20_350), ClockReading { wall: 1_020_300, steady: 1_020_300 });
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_at_once() {
        let mut clock = Clock::new(1_000_000, 0);
        assert_eq!(clock.read(880_100, 100), ClockReading { wall: 880_100, steady: 880_100 });
        assert_eq!(clock.read(880_200, 200), ClockReading { wall: 880_200, steady: 880_200 });
        assert_eq!(clock.read(1_000_300, 300).steady, 880_300);
    }

    #[test]
    fn a_reading_of_this_machine_is_of_this_century() {
        let now = Clock::start().now();
        assert!(now.wall > 1_700_000_000_000 && now.steady <= now.wall, "{now:?}");
    }
}
