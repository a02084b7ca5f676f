//! Points in time as users write them: `earliest`, `latest`, `now`, milliseconds since 1970, or RFC 3339.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use super::duration::format_duration;
use super::settings::Start;

/// Reads an instant: `now`, milliseconds since 1970, or RFC 3339 (`2019-11-01T00:00:00Z`). Gives milliseconds since 1970.
///
/// # Errors
/// What is wrong with `text`, in words.
pub fn parse_timestamp(text: &str) -> Result<i64, String> {
    match text.trim() {
        "now" => Ok(Timestamp::now().as_millisecond()),
        text => parse_written_timestamp(text).ok_or_else(|| {
            format!("`{text}` is not a point in time: write `now`, milliseconds since 1970, or RFC 3339 such as 2019-11-01T00:00:00Z")
        }),
    }
}

/// Milliseconds since 1970 of a number or an RFC 3339 text; `None` where it is neither, or before 1970.
fn parse_written_timestamp(text: &str) -> Option<i64> {
    let ms = match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok()?,
        false => text.parse::<Timestamp>().ok()?.as_millisecond(),
    };
    (0..i64::MAX).contains(&ms).then_some(ms)
}

/// Writes milliseconds since 1970 as RFC 3339 in UTC; as the number where no calendar reaches.
pub fn format_timestamp(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |instant| instant.to_string())
}

/// How far the clocks of two machines may differ before an instant counts as one of the future, ms.
pub const MAX_CLOCK_SKEW_MS: i64 = 60_000;

/// The earliest instant that is taken for a plausible one when a unit is guessed: 2000-01-01, ms since 1970.
const EARLIEST_PLAUSIBLE_MS: i64 = 946_684_800_000;

/// A day, ms.
const DAY_MS: i64 = 86_400_000;

/// What is wrong with an instant (ms since 1970) that must not lie more than `tolerance` ms after `now`; begins with the instant as RFC 3339,
/// and names the unit that was probably meant. `None`: nothing.
pub fn future_timestamp_error(ms: i64, now: i64, tolerance: i64) -> Option<String> {
    let ahead = ms.saturating_sub(now);
    if ahead <= tolerance {
        return None;
    }
    let mut fault = match Timestamp::from_millisecond(ms) {
        Ok(instant) => {
            let ahead = Duration::from_secs((ahead as u64).div_ceil(1000));
            format!("({instant}) is {} ahead of now", format_duration(ahead))
        }
        Err(_) => "(after the year 9999) is ahead of now".to_owned(),
    };
    for (unit, factor) in [("microseconds", 1_000), ("nanoseconds", 1_000_000)] {
        if (EARLIEST_PLAUSIBLE_MS..now.saturating_add(DAY_MS)).contains(&(ms / factor)) {
            fault.push_str(&format!(
                ", and looks like {unit}: write {} for {}",
                ms / factor,
                format_timestamp(ms / factor)
            ));
        }
    }
    Some(fault)
}

/// The instant that was meant where `ms` is probably a number of seconds: ms since 1970.
pub fn timestamp_meant_in_seconds(ms: i64, now: i64) -> Option<i64> {
    let meant = ms.checked_mul(1_000)?;
    (EARLIEST_PLAUSIBLE_MS..now.saturating_add(DAY_MS)).contains(&meant).then_some(meant)
}

impl FromStr for Start {
    type Err = String;

    /// `earliest`, `latest`, `now`, milliseconds since 1970, or RFC 3339.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "now" => Ok(Self::Now),
            text => parse_written_timestamp(text).map(Self::At).ok_or_else(|| {
                format!(
                    "`{text}` is not a start: write `earliest`, `latest`, `now`, milliseconds since 1970, or RFC 3339 such as 2019-11-01T00:00:00Z"
                )
            }),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Now => f.write_str("now"),
            Self::At(ms) => write!(f, "{ms}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_start_is_read() {
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("latest".parse(), Ok(Start::Latest));
        assert_eq!("now".parse(), Ok(Start::Now));
        assert_eq!("100".parse(), Ok(Start::At(100)));
        assert_eq!("2019-11-01T00:00:00Z".parse(), Ok(Start::At(1_572_566_400_000)));
        assert_eq!("2019-11-01T01:00:00.5+01:00".parse(), Ok(Start::At(1_572_566_400_500)));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "yesterday",
            "-1",
            "1e12",
            "2019-11-01",
            "2019-11-01T00:00:00",
            "1950-01-01T00:00:00Z",
            "9223372036854775807",
        ] {
            assert!(text.parse::<Start>().is_err(), "{text}");
            assert!(parse_timestamp(text).is_err(), "{text}");
        }
        assert!(parse_timestamp("latest").is_err());
    }

    #[test]
    fn an_instant_in_the_future_is_told_with_the_unit_that_was_meant() {
        let now = 1_574_942_400_000;
        assert_eq!(future_timestamp_error(now, now, 0), None);
        assert_eq!(future_timestamp_error(now + 60_000, now, 60_000), None);
        let fault = |ms| future_timestamp_error(ms, now, 60_000).unwrap();
        assert_eq!(fault(now + 90_000), "(2019-11-28T12:01:30Z) is 1m30s ahead of now");
        assert_eq!(
            fault(now * 1000),
            "(after the year 9999) is ahead of now, and looks like microseconds: write 1574942400000 for 2019-11-28T12:00:00Z"
        );
        assert!(fault(now * 1_000_000).contains("nanoseconds: write 1574942400000"));
        assert_eq!(fault(i64::MAX - 1), "(after the year 9999) is ahead of now");
        assert_eq!(timestamp_meant_in_seconds(now / 1000, now), Some(now));
        assert_eq!(timestamp_meant_in_seconds(now, now), None);
        assert_eq!(timestamp_meant_in_seconds(100, now), None);
    }

    proptest! {
        #[test]
        fn a_shown_instant_is_read_back(ms in 0_i64..253_000_000_000_000) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(ms)), Ok(ms));
        }
    }
}
