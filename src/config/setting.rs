//! How a value of each type is read and shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::address::parse_addresses;
use super::duration::{parse_duration, show_duration};
use super::file::Given;
use super::settings::{CompleteRows, Encoding, MessageKey, OnError, SecurityProtocol, Start, StoreKind};
use super::size::{parse_size, show_size};

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// Reads a value. `folder` is the one that a relative path starts from. The error says what is wrong, in words.
    fn parse(given: &Given, folder: &Path) -> Result<Self, String>;

    /// The value as `fink config show` prints it.
    fn show(&self) -> Value;
}

fn expected(what: &str, given: &Given) -> String {
    format!("expected {what}, found {}", given.kind())
}

/// The text of a string; an empty one is refused.
fn text<'a>(what: &str, given: &'a Given) -> Result<&'a str, String> {
    match given {
        Given::Word(text) | Given::Text(text) if text.trim().is_empty() => {
            Err("it is empty: give a value or leave the key out".to_owned())
        }
        Given::Word(text) | Given::Text(text) => Ok(text),
        _ => Err(expected(what, given)),
    }
}

impl Setting for String {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        text("a string", given).map(str::to_owned)
    }

    fn show(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl Setting for bool {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        match given {
            Given::Boolean(boolean) => Ok(*boolean),
            Given::Word(word) => word.trim().parse().map_err(|_| format!("`{word}` is neither `true` nor `false`")),
            _ => Err(expected("true or false", given)),
        }
    }

    fn show(&self) -> Value {
        Value::from(*self)
    }
}

/// A whole number from `MIN` to `MAX`.
pub(super) struct Count<const MIN: u32, const MAX: u32>(pub u32);

impl<const MIN: u32, const MAX: u32> Setting for Count<MIN, MAX> {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        let number = match given {
            Given::Integer(integer) => u32::try_from(*integer).ok(),
            Given::Word(word) => word.trim().parse().ok(),
            _ => return Err(expected("an integer", given)),
        };
        match number {
            Some(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(format!("expected a whole number from {MIN} to {MAX}")),
        }
    }

    fn show(&self) -> Value {
        Value::from(self.0)
    }
}

impl Setting for Duration {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        match given {
            Given::Integer(seconds) => parse_duration(&seconds.to_string()),
            Given::Float(seconds) => parse_duration(seconds),
            _ => parse_duration(text("a duration such as \"90s\"", given)?),
        }
    }

    fn show(&self) -> Value {
        Value::from(show_duration(*self))
    }
}

/// An amount of memory, bytes.
pub(super) struct Size(pub u64);

impl Setting for Size {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        match given {
            Given::Integer(bytes) => parse_size(&bytes.to_string()).map(Self),
            _ => parse_size(text("an amount of memory such as \"256MB\"", given)?).map(Self),
        }
    }

    fn show(&self) -> Value {
        Value::from(show_size(self.0))
    }
}

impl Setting for Start {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        match given {
            Given::Integer(ms) => ms.to_string().parse(),
            Given::Date(date) => date.parse(),
            _ => text("a start such as \"latest\"", given)?.parse(),
        }
    }

    fn show(&self) -> Value {
        Value::from(self.to_string())
    }
}

/// `host:port,…`
pub(super) struct Addresses(pub Vec<String>);

impl Setting for Addresses {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        parse_addresses(text("a string of addresses, `host:port`, separated by commas", given)?).map(Self)
    }

    fn show(&self) -> Value {
        Value::from(self.0.join(","))
    }
}

impl Setting for PathBuf {
    fn parse(given: &Given, folder: &Path) -> Result<Self, String> {
        text("a path", given).map(|path| folder.join(path))
    }

    fn show(&self) -> Value {
        Value::from(self.display().to_string())
    }
}

impl Setting for Vec<String> {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        let items = match given {
            Given::List(items) => items.clone(),
            Given::Word(word) => word.split(',').map(|item| item.trim().to_owned()).collect(),
            _ => return Err(expected("an array of strings", given)),
        };
        match items.iter().any(|item| item.is_empty()) {
            true => Err("one of its strings is empty".to_owned()),
            false => Ok(items),
        }
    }

    fn show(&self) -> Value {
        Value::from(self.as_slice())
    }
}

impl Setting for Vec<PathBuf> {
    fn parse(given: &Given, folder: &Path) -> Result<Self, String> {
        Ok(Vec::<String>::parse(given, folder)?.into_iter().map(|path| folder.join(path)).collect())
    }

    fn show(&self) -> Value {
        self.iter().map(Setting::show).collect()
    }
}

/// A type with a few named values.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// The values with their names.
    const NAMES: &'static [(&'static str, Self)];
}

impl<T: Choice> Setting for T {
    fn parse(given: &Given, _: &Path) -> Result<Self, String> {
        let word = text("a string", given)?.trim();
        match T::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            Some((_, value)) => Ok(*value),
            None => {
                let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
                Err(format!("`{word}` is none of {}", names.join(", ")))
            }
        }
    }

    fn show(&self) -> Value {
        T::NAMES.iter().find(|(_, value)| value == self).map_or(Value::Null, |(name, _)| Value::from(*name))
    }
}

impl Choice for StoreKind {
    const NAMES: &'static [(&'static str, Self)] =
        &[("thrift2", Self::Thrift2), ("thrift1", Self::Thrift1), ("embedded", Self::Embedded)];
}

impl Choice for CompleteRows {
    const NAMES: &'static [(&'static str, Self)] = &[("when-partial", Self::WhenPartial), ("always", Self::Always)];
}

impl Choice for SecurityProtocol {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("plaintext", Self::Plaintext),
        ("ssl", Self::Ssl),
        ("sasl_plaintext", Self::SaslPlaintext),
        ("sasl_ssl", Self::SaslSsl),
    ];
}

impl Choice for Encoding {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("datum", Self::Datum),
        ("confluent", Self::Confluent),
        ("single-object", Self::SingleObject),
        ("container", Self::Container),
    ];
}

impl Choice for MessageKey {
    const NAMES: &'static [(&'static str, Self)] =
        &[("schema", Self::Schema), ("object-id", Self::ObjectId), ("version", Self::Version), ("none", Self::None)];
}

impl Choice for OnError {
    const NAMES: &'static [(&'static str, Self)] = &[("reject", Self::Reject), ("stop", Self::Stop)];
}

/// The way a user proves who he is to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SaslMechanism(pub &'static str);

impl Choice for SaslMechanism {
    const NAMES: &'static [(&'static str, Self)] =
        &[("SCRAM-SHA-512", Self("SCRAM-SHA-512")), ("SCRAM-SHA-256", Self("SCRAM-SHA-256")), ("PLAIN", Self("PLAIN"))];
}
