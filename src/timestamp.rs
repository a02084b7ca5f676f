//! Points in time as HBase and Kafka count them.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970, UTC: the timestamp of a cell, of a message, or of a clock. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z: the earliest timestamp of a row.
    pub const EPOCH: Self = Self(0);
    /// Later than every row.
    pub const MAX: Self = Self(i64::MAX);

    /// The time `millis` ms after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The system clock.
    pub fn now() -> Self {
        // A clock before 1970 was never set: nothing was written then.
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(Self::EPOCH, |since| Self::EPOCH + since)
    }

    /// As RFC 3339 in UTC, for messages; the number after the year 9999.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| self.0.to_string(), |time| time.to_string())
    }

    /// As RFC 3339 in UTC and, in parentheses, milliseconds since 1970, for messages whose time is passed on to a command.
    pub fn with_millis(self) -> String {
        format!("{} ({} ms since 1970)", self.rfc3339(), self.0)
    }

    /// How long after `earlier` this is; zero where it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let time = Timestamp::from_millis(1_000);
        assert_eq!(time + Duration::from_millis(5), Timestamp::from_millis(1_005));
        assert_eq!(time - Duration::from_secs(2), Timestamp::from_millis(-1_000));
        assert_eq!(time + Duration::MAX, Timestamp::MAX);
        assert_eq!(time.since(Timestamp::from_millis(400)), Duration::from_millis(600));
        assert_eq!(time.since(Timestamp::from_millis(1_001)), Duration::ZERO);
    }

    #[test]
    fn a_timestamp_is_shown_as_a_date() {
        let time = Timestamp::from_millis(1_572_566_400_500);
        assert_eq!(time.rfc3339(), "2019-11-01T00:00:00.5Z");
        assert_eq!(time.with_millis(), "2019-11-01T00:00:00.5Z (1572566400500 ms since 1970)");
        assert_eq!(Timestamp::MAX.rfc3339(), i64::MAX.to_string());
    }

    #[test]
    fn the_system_clock_is_of_this_century() {
        assert!(Timestamp::now() > Timestamp::from_millis(1_700_000_000_000));
    }
}
