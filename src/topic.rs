//! Names of Kafka topics.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// The longest name that Kafka takes, bytes.
const MAX_LENGTH: usize = 249;

/// The name of a Kafka topic. A `Topic` is a legal name; whether the topic exists is another matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

/// A text that Kafka does not take as the name of a topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid topic name: Kafka takes 1 to {MAX_LENGTH} letters, digits, `.`, `_` and `-`")]
pub struct InvalidTopic(String);

impl Topic {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        let is_legal = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        match is_legal && (1..=MAX_LENGTH).contains(&text.len()) && text != "." && text != ".." {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidTopic(text.to_owned())),
        }
    }
}

impl Deref for Topic {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_kafka_takes_are_topics() {
        for legal in ["a", "fink_sso.ztf-2019", "...", &"x".repeat(249)] {
            assert_eq!(legal.parse::<Topic>().expect("a topic").as_str(), legal);
        }
        for illegal in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(250)] {
            assert!(illegal.parse::<Topic>().is_err(), "{illegal}");
        }
    }
}
