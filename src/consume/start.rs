//! Where a consumer begins.

use std::str::FromStr;

use crate::kafka::group_offsets::OffsetTarget;
use crate::units::parse_timestamp;

/// Where a consumer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// at the offsets that the group has committed; where it has none, at the oldest message
    Group,
    /// at the oldest message
    Earliest,
    /// after the newest message
    Latest,
    /// at the first message of this time or later, ms since 1970
    At(i64),
}

impl From<Start> for OffsetTarget {
    fn from(start: Start) -> Self {
        match start {
            Start::Group => Self::Committed,
            Start::Earliest => Self::Earliest,
            Start::Latest => Self::Latest,
            Start::At(time) => Self::Time(time),
        }
    }
}

impl FromStr for Start {
    type Err = String;

    /// `group`, `earliest`, `latest`, a time ago such as `-2h`, a date, milliseconds since 1970, or RFC 3339.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "group" => Ok(Self::Group),
            "earliest" => Ok(Self::Earliest),
            "latest" | "now" => Ok(Self::Latest),
            text => parse_timestamp(text).map(Self::At).map_err(|_| {
                format!(
                    "`{text}` is not a start: write `group`, `earliest`, `latest`, a time ago such as -2h, a date such as 2026-02-24, milliseconds since 1970, or RFC 3339 such as 2026-02-24T00:00:00Z"
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_start_is_read() {
        assert_eq!("group".parse(), Ok(Start::Group));
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("latest".parse(), Ok(Start::Latest));
        assert_eq!("2026-02-24T00:00:00Z".parse(), Ok(Start::At(1_771_891_200_000)));
        assert_eq!("1771891200000".parse(), Ok(Start::At(1_771_891_200_000)));
        let Ok(Start::At(ms)) = "-2h".parse::<Start>() else { panic!("no time") };
        let ago = jiff::Timestamp::now().as_millisecond() - ms;
        assert!((7_200_000..7_260_000).contains(&ago), "{ago}");
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        for wrong in ["", "yesterday", "-", "-2x", "2026-13-01T00:00:00Z"] {
            assert!(wrong.parse::<Start>().is_err(), "{wrong}");
        }
        assert!("yesterday".parse::<Start>().unwrap_err().contains("-2h"));
    }
}
