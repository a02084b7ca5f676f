//! Observing nights: 24 hours from noon to noon UTC by default, named by the date on which they begin.

use crate::timestamp::Timestamp;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A night: the number of days from 1970-01-01 to the date on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Night(i64);

impl Night {
    /// The night of `timestamp`. Nights begin at `hour`, UTC.
    pub fn of(timestamp: Timestamp, hour: u8) -> Self {
        Self((timestamp.as_millis() - i64::from(hour) * HOUR_MS).div_euclid(DAY_MS))
    }

    /// The date, `YYYY-MM-DD`.
    pub fn date(self) -> String {
        let start = self.0.checked_mul(DAY_MS).and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        start.map_or_else(|| format!("day {}", self.0), |start| start.to_string().chars().take(10).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(time: &str, hour: u8) -> String {
        let time: jiff::Timestamp = time.parse().unwrap();
        Night::of(Timestamp::from_millis(time.as_millisecond()), hour).date()
    }

    #[test]
    fn night_lasts_from_noon_to_noon_and_has_the_date_of_its_evening() {
        assert_eq!(date("2026-02-01T11:59:59.999Z", 12), "2026-01-31");
        assert_eq!(date("2026-02-01T12:00:00Z", 12), "2026-02-01");
        assert_eq!(date("2026-02-02T03:00:00Z", 12), "2026-02-01");
        assert_eq!(date("1970-01-01T00:00:00Z", 12), "1969-12-31");
    }

    #[test]
    fn nights_may_begin_at_midnight() {
        assert_eq!(date("2026-02-01T11:59:59Z", 0), "2026-02-01");
        assert_eq!(date("2026-02-01T12:00:00Z", 0), "2026-02-01");
    }
}
