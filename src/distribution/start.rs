//! Where a new checkpoint starts.

use std::fmt;
use std::str::FromStr;

use crate::units::parse_absolute_timestamp;

/// Where a new checkpoint starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// the beginning of the table
    Earliest,
    /// the offset file, else the beginning of the table; an existing checkpoint stays
    Latest,
    /// the time of the start
    Now,
    /// ms since 1970
    At(i64),
}

impl FromStr for Start {
    type Err = String;

    /// Parses `earliest`, `latest`, `now`, milliseconds since 1970, or RFC 3339.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "now" => Ok(Self::Now),
            text => parse_absolute_timestamp(text).map(Self::At).ok_or_else(|| {
                format!(
                    "`{text}` is not a start: use `earliest`, `latest`, `now`, milliseconds since 1970, or RFC 3339 such as 2019-11-01T00:00:00Z"
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

    #[test]
    fn every_notation_is_parsed() {
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("latest".parse(), Ok(Start::Latest));
        assert_eq!("now".parse(), Ok(Start::Now));
        assert_eq!("100".parse(), Ok(Start::At(100)));
        assert_eq!("2019-11-01T00:00:00Z".parse(), Ok(Start::At(1_572_566_400_000)));
        assert_eq!("2019-11-01T01:00:00.5+01:00".parse(), Ok(Start::At(1_572_566_400_500)));
        for text in ["", "yesterday", "-1", "1e12", "2019-11-01", "1950-01-01T00:00:00Z"] {
            assert!(text.parse::<Start>().is_err(), "{text}");
        }
    }
}
