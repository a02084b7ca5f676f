//! Where a new checkpoint starts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::timestamp::Timestamp;
use crate::units::{format_duration, parse_absolute_timestamp, parse_ago};

/// Where a new checkpoint starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// the beginning of the table
    Earliest,
    /// the offset file, else the beginning of the table; an existing checkpoint stays
    Latest,
    /// the time of the start
    Now,
    /// this long before the time of the start
    Ago(Duration),
    /// ms since 1970
    At(i64),
}

impl Start {
    /// The time, where the command runs at `now`; `None`: the offset file has it.
    pub fn time(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Earliest => Some(Timestamp::EPOCH),
            Self::Latest => None,
            Self::Now => Some(now),
            Self::Ago(ago) => Some((now - ago).max(Timestamp::EPOCH)),
            Self::At(ms) => Some(Timestamp::from_millis(ms)),
        }
    }
}

impl FromStr for Start {
    type Err = String;

    /// Parses `earliest`, `latest`, `now`, a time ago such as `-2h`, a date, milliseconds since 1970, or RFC 3339.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "now" => Ok(Self::Now),
            text => {
                let start = parse_ago(text).map(Self::Ago);
                start.or_else(|| parse_absolute_timestamp(text).map(Self::At)).ok_or_else(|| {
                    format!(
                        "`{text}` is not a start: use `earliest`, `latest`, `now`, a time ago such as -2h, a date such as 2019-11-01, milliseconds since 1970, or RFC 3339 such as 2019-11-01T00:00:00Z"
                    )
                })
            }
        }
    }
}

/// As it is parsed, a time as milliseconds since 1970. A checkpoint records its start in this form, so the form must not change.
impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Now => f.write_str("now"),
            Self::Ago(ago) => write!(f, "-{}", format_duration(*ago)),
            Self::At(ms) => write!(f, "{ms}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_parsed() {
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("latest".parse(), Ok(Start::Latest));
        assert_eq!("now".parse(), Ok(Start::Now));
        assert_eq!("100".parse(), Ok(Start::At(100)));
        assert_eq!("2019-11-01T00:00:00Z".parse(), Ok(Start::At(1_572_566_400_000)));
        assert_eq!("2019-11-01T01:00:00.5+01:00".parse(), Ok(Start::At(1_572_566_400_500)));
        assert_eq!("2019-11-01".parse(), Ok(Start::At(1_572_566_400_000)));
        assert_eq!("-90m".parse(), Ok(Start::Ago(Duration::from_secs(5400))));
        assert_eq!(Start::Ago(Duration::from_secs(5400)).to_string(), "-1h30m");
        for text in ["", "yesterday", "-1x", "1e12", "2019-11-31", "1950-01-01T00:00:00Z"] {
            assert!(text.parse::<Start>().is_err(), "{text}");
        }
    }
}
