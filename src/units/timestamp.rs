//! Timestamps in milliseconds since 1970: `now`, a time ago, a date, a number, or RFC 3339.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::duration::{format_duration, parse_duration};

/// Clock skew between two machines that is tolerated before a timestamp counts as one in the future, ms.
pub const MAX_CLOCK_SKEW_MS: i64 = 60_000;

/// 2000-01-01. An earlier result means that the unit was guessed wrong.
const EARLIEST_PLAUSIBLE_MS: i64 = 946_684_800_000;

const DAY_MS: i64 = 86_400_000;

/// Parses `now`, a time ago (`-2h`), a date (`2019-11-01`, its beginning in UTC), milliseconds since 1970, or RFC 3339
/// (`2019-11-01T00:00:00Z`). Returns milliseconds since 1970.
///
/// # Errors
/// A message that quotes `text`.
pub fn parse_timestamp(text: &str) -> Result<i64, String> {
    let now = || Timestamp::now().as_millisecond();
    match text.trim() {
        "now" => Ok(now()),
        text => parse_ago(text).map(|ago| before(now(), ago)).or_else(|| parse_absolute_timestamp(text)).ok_or_else(|| {
            format!(
                "`{text}` is not a timestamp: use `now`, a time ago such as -2h, a date such as 2019-11-01, milliseconds since 1970, or RFC 3339 such as 2019-11-01T00:00:00Z"
            )
        }),
    }
}

/// The duration of a time ago, such as `-2h`; `None` if the text is not one.
pub fn parse_ago(text: &str) -> Option<Duration> {
    text.strip_prefix('-').and_then(|ago| parse_duration(ago).ok())
}

fn before(now: i64, ago: Duration) -> i64 {
    now.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)).max(0)
}

/// Milliseconds since 1970 of a number, a date (its beginning in UTC) or an RFC 3339 text; `None` if it is none of them, or before 1970.
pub fn parse_absolute_timestamp(text: &str) -> Option<i64> {
    const DATE_LENGTH: usize = "2019-11-01".len();
    let ms = match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok()?,
        // jiff also takes the date of a longer text.
        false if text.len() == DATE_LENGTH => {
            text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()
        }
        false => text.parse::<Timestamp>().ok()?.as_millisecond(),
    };
    (0..i64::MAX).contains(&ms).then_some(ms)
}

/// Formats milliseconds since 1970 as RFC 3339 in UTC, or as the number after the year 9999.
pub fn format_timestamp(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |timestamp| timestamp.to_string())
}

/// The error for a timestamp (ms since 1970) that is more than `tolerance` ms later than `now`; `None` if it is not. The message follows
/// the number: it begins with the timestamp as RFC 3339 in parentheses, and names the unit that was probably meant.
pub fn future_timestamp_error(ms: i64, now: i64, tolerance: i64) -> Option<String> {
    let ahead = ms.saturating_sub(now);
    if ahead <= tolerance {
        return None;
    }
    let mut error = match Timestamp::from_millisecond(ms) {
        Ok(timestamp) => {
            let ahead = Duration::from_secs((ahead as u64).div_ceil(1000));
            format!("({timestamp}) is {} ahead of now", format_duration(ahead))
        }
        Err(_) => "(after the year 9999) is ahead of now".to_owned(),
    };
    for (unit, factor) in [("microseconds", 1_000), ("nanoseconds", 1_000_000)] {
        let in_milliseconds = ms / factor;
        if (EARLIEST_PLAUSIBLE_MS..now.saturating_add(DAY_MS)).contains(&in_milliseconds) {
            let formatted = format_timestamp(in_milliseconds);
            error.push_str(&format!(", and looks like {unit}: write {in_milliseconds} for {formatted}"));
        }
    }
    Some(error)
}

/// The timestamp in ms since 1970 that was meant if `ms` is probably a number of seconds.
pub fn timestamp_meant_in_seconds(ms: i64, now: i64) -> Option<i64> {
    let meant = ms.checked_mul(1_000)?;
    (EARLIEST_PLAUSIBLE_MS..now.saturating_add(DAY_MS)).contains(&meant).then_some(meant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "",
            "yesterday",
            "latest",
            "-",
            "-2x",
            "--2h",
            "1e12",
            "2019-11-31",
            "2019-11-1",
            "2019-11-01T00:00:00",
            "1950-01-01T00:00:00Z",
            "9223372036854775807",
        ] {
            assert!(parse_timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_is_its_beginning_and_a_time_ago_is_before_now() {
        assert_eq!(parse_timestamp("2019-11-01"), Ok(1_572_566_400_000));
        let time = parse_timestamp("-2h").unwrap();
        let ago = Timestamp::now().as_millisecond() - time;
        assert!((7_200_000..7_260_000).contains(&ago), "{ago}");
        assert_eq!(parse_timestamp("-36500d"), Ok(0));
    }

    #[test]
    fn a_future_timestamp_is_reported_with_the_unit_that_was_meant() {
        let now = 1_574_942_400_000;
        assert_eq!(future_timestamp_error(now, now, 0), None);
        assert_eq!(future_timestamp_error(now + 60_000, now, 60_000), None);
        let error = |ms| future_timestamp_error(ms, now, 60_000).unwrap();
        assert_eq!(error(now + 90_000), "(2019-11-28T12:01:30Z) is 1m30s ahead of now");
        assert_eq!(
            error(now * 1000),
            "(after the year 9999) is ahead of now, and looks like microseconds: write 1574942400000 for 2019-11-28T12:00:00Z"
        );
        assert!(error(now * 1_000_000).contains("nanoseconds: write 1574942400000"));
        assert_eq!(error(i64::MAX - 1), "(after the year 9999) is ahead of now");
        assert_eq!(timestamp_meant_in_seconds(now / 1000, now), Some(now));
        assert_eq!(timestamp_meant_in_seconds(now, now), None);
        assert_eq!(timestamp_meant_in_seconds(100, now), None);
    }

    proptest! {
        #[test]
        fn a_formatted_timestamp_parses_to_itself(ms in 0_i64..253_000_000_000_000) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(ms)), Ok(ms));
        }
    }
}
