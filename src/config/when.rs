//! Points in time as users write them: `earliest`, `latest`, `now`, milliseconds since 1970, or RFC 3339.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::settings::Start;

/// Reads an instant: `now`, milliseconds since 1970, or RFC 3339 (`2019-11-01T00:00:00Z`). Gives milliseconds since 1970.
///
/// # Errors
/// What is wrong with `text`, in words.
pub fn parse_instant(text: &str) -> Result<i64, String> {
    match text.trim() {
        "now" => Ok(Timestamp::now().as_millisecond()),
        text => written_instant(text).ok_or_else(|| {
            format!("`{text}` is not a point in time: write `now`, milliseconds since 1970, or RFC 3339 such as 2019-11-01T00:00:00Z")
        }),
    }
}

/// Milliseconds since 1970 of a number or an RFC 3339 text; `None` where it is neither, or before 1970.
fn written_instant(text: &str) -> Option<i64> {
    let ms = match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok()?,
        false => text.parse::<Timestamp>().ok()?.as_millisecond(),
    };
    (0..i64::MAX).contains(&ms).then_some(ms)
}

/// Writes milliseconds since 1970 as RFC 3339 in UTC; as the number where no calendar reaches.
pub fn show_instant(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |instant| instant.to_string())
}

impl FromStr for Start {
    type Err = String;

    /// `earliest`, `latest`, `now`, milliseconds since 1970, or RFC 3339.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "now" => Ok(Self::Now),
            text => written_instant(text).map(Self::At).ok_or_else(|| {
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
            assert!(parse_instant(text).is_err(), "{text}");
        }
        assert!(parse_instant("latest").is_err());
    }

    proptest! {
        #[test]
        fn a_shown_instant_is_read_back(ms in 0_i64..253_000_000_000_000) {
            prop_assert_eq!(parse_instant(&show_instant(ms)), Ok(ms));
        }
    }
}
