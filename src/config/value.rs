//! How a value of each type is parsed and printed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::address::parse_addresses;
use super::file::RawValue;
use crate::alert::{Encoding, MessageKey};
use crate::distribution::settings::Start;
use crate::filters::OnError;
use crate::kafka::scram::ScramMechanism;
use crate::kafka::{SaslMechanism, SecurityProtocol};
use crate::notify::Endpoint;
use crate::science_db::{CompleteRows, HBaseProtocol, StoreKind};
use crate::units::{format_duration, format_size, parse_duration, parse_size};

/// A type of values.
pub(super) trait Setting: Sized {
    /// Parses a value. A relative path is relative to `directory`. The error is a message.
    fn parse(given: &RawValue, directory: &Path) -> Result<Self, String>;

    /// The value as `fink config show` prints it.
    fn show(&self) -> Value;

    /// The notation of its values, for the reference.
    fn describe() -> String;
}

fn expected(what: &str, given: &RawValue) -> String {
    format!("expected {what}, found {}", given.kind())
}

/// The text of a string, which must not be blank.
fn text<'a>(what: &str, given: &'a RawValue) -> Result<&'a str, String> {
    match given {
        RawValue::Word(text) | RawValue::Text(text) if text.trim().is_empty() => {
            Err("it is empty: give a value or remove the key".to_owned())
        }
        RawValue::Word(text) | RawValue::Text(text) => Ok(text),
        _ => Err(expected(what, given)),
    }
}

impl Setting for String {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        text("a string", given).map(str::to_owned)
    }

    fn show(&self) -> Value {
        Value::from(self.as_str())
    }

    fn describe() -> String {
        "string".to_owned()
    }
}

impl Setting for bool {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        match given {
            RawValue::Boolean(boolean) => Ok(*boolean),
            RawValue::Word(word) => word.trim().parse().map_err(|_| format!("`{word}` is neither `true` nor `false`")),
            _ => Err(expected("true or false", given)),
        }
    }

    fn show(&self) -> Value {
        Value::from(*self)
    }

    fn describe() -> String {
        "boolean".to_owned()
    }
}

/// An integer from `MIN` to `MAX`.
pub(super) struct IntegerInRange<const MIN: u32, const MAX: u32>(pub u32);

impl<const MIN: u32, const MAX: u32> Setting for IntegerInRange<MIN, MAX> {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        let number = match given {
            RawValue::Integer(integer) => u32::try_from(*integer).ok(),
            RawValue::Word(word) => word.trim().parse().ok(),
            _ => return Err(expected("an integer", given)),
        };
        match number {
            Some(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(format!("expected an integer from {MIN} to {MAX}")),
        }
    }

    fn show(&self) -> Value {
        Value::from(self.0)
    }

    fn describe() -> String {
        format!("integer, {MIN} to {MAX}")
    }
}

impl Setting for SocketAddr {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        let text = text("an address such as \"127.0.0.1:9464\"", given)?.trim();
        text.parse().map_err(|_| format!("`{text}` is not an IP address and a port, such as 127.0.0.1:9464"))
    }

    fn show(&self) -> Value {
        Value::from(self.to_string())
    }

    fn describe() -> String {
        "IP address and port".to_owned()
    }
}

impl Setting for Duration {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        match given {
            RawValue::Integer(seconds) => parse_duration(&seconds.to_string()),
            RawValue::Float(seconds) => parse_duration(seconds),
            _ => parse_duration(text("a duration such as \"90s\"", given)?),
        }
    }

    fn show(&self) -> Value {
        Value::from(format_duration(*self))
    }

    fn describe() -> String {
        "duration".to_owned()
    }
}

/// An amount of memory, bytes.
pub(super) struct ByteSize(pub u64);

impl Setting for ByteSize {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        match given {
            RawValue::Integer(bytes) => parse_size(&bytes.to_string()).map(Self),
            _ => parse_size(text("a size such as \"256MB\"", given)?).map(Self),
        }
    }

    fn show(&self) -> Value {
        Value::from(format_size(self.0))
    }

    fn describe() -> String {
        "size".to_owned()
    }
}

impl Setting for Start {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        match given {
            RawValue::Integer(ms) => ms.to_string().parse(),
            RawValue::Date(date) => date.parse(),
            _ => text("a start such as \"latest\"", given)?.parse(),
        }
    }

    fn show(&self) -> Value {
        Value::from(self.to_string())
    }

    fn describe() -> String {
        "start".to_owned()
    }
}

/// `host:port,…`
pub(super) struct Addresses(pub Vec<String>);

impl Setting for Addresses {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        parse_addresses(text("a string of addresses, `host:port`, separated by commas", given)?).map(Self)
    }

    fn show(&self) -> Value {
        Value::from(self.0.join(","))
    }

    fn describe() -> String {
        "addresses".to_owned()
    }
}

impl Setting for PathBuf {
    fn parse(given: &RawValue, directory: &Path) -> Result<Self, String> {
        text("a path", given).map(|path| directory.join(path))
    }

    fn show(&self) -> Value {
        Value::from(self.display().to_string())
    }

    fn describe() -> String {
        "path".to_owned()
    }
}

impl Setting for Vec<String> {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        let items = match given {
            RawValue::List(items) => items.clone(),
            RawValue::Word(word) => word.split(',').map(|item| item.trim().to_owned()).collect(),
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

    fn describe() -> String {
        "array of strings".to_owned()
    }
}

impl Setting for Vec<PathBuf> {
    fn parse(given: &RawValue, directory: &Path) -> Result<Self, String> {
        Ok(Vec::<String>::parse(given, directory)?.into_iter().map(|path| directory.join(path)).collect())
    }

    fn show(&self) -> Value {
        self.iter().map(Setting::show).collect()
    }

    fn describe() -> String {
        "array of paths".to_owned()
    }
}

/// A type with a few named values.
pub(super) trait NamedValues: Copy + PartialEq + 'static {
    /// The values with their names.
    const NAMES: &'static [(&'static str, Self)];
}

impl<T: NamedValues> Setting for T {
    fn parse(given: &RawValue, _: &Path) -> Result<Self, String> {
        let word = text("a string", given)?.trim();
        match T::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            Some((_, value)) => Ok(*value),
            None => {
                let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
                Err(format!("`{word}` is not one of {}", names.join(", ")))
            }
        }
    }

    fn show(&self) -> Value {
        T::NAMES.iter().find(|(_, value)| value == self).map_or(Value::Null, |(name, _)| Value::from(*name))
    }

    fn describe() -> String {
        let names: Vec<String> = T::NAMES.iter().map(|(name, _)| format!("`{name}`")).collect();
        names.join(", ")
    }
}

impl NamedValues for StoreKind {
    const NAMES: &'static [(&'static str, Self)] =
        &[("hbase", Self::HBase), ("thrift2", Self::Thrift2), ("thrift1", Self::Thrift1), ("embedded", Self::Embedded)];
}

impl NamedValues for HBaseProtocol {
    const NAMES: &'static [(&'static str, Self)] = &[("plaintext", Self::Plaintext), ("ssl", Self::Ssl)];
}

impl NamedValues for CompleteRows {
    const NAMES: &'static [(&'static str, Self)] = &[("when-partial", Self::WhenPartial), ("always", Self::Always)];
}

impl NamedValues for SecurityProtocol {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("plaintext", Self::Plaintext),
        ("ssl", Self::Ssl),
        ("sasl_plaintext", Self::SaslPlaintext),
        ("sasl_ssl", Self::SaslSsl),
    ];
}

impl NamedValues for Encoding {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("datum", Self::Datum),
        ("confluent", Self::Confluent),
        ("single-object", Self::SingleObject),
        ("container", Self::Container),
    ];
}

impl NamedValues for MessageKey {
    const NAMES: &'static [(&'static str, Self)] =
        &[("schema", Self::Schema), ("object-id", Self::ObjectId), ("version", Self::Version), ("none", Self::None)];
}

impl NamedValues for OnError {
    const NAMES: &'static [(&'static str, Self)] = &[("reject", Self::Reject), ("stop", Self::Stop)];
}

impl NamedValues for SaslMechanism {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("SCRAM-SHA-512", Self::Scram(ScramMechanism::ScramSha512)),
        ("SCRAM-SHA-256", Self::Scram(ScramMechanism::ScramSha256)),
        ("PLAIN", Self::Plain),
    ];
}

impl Setting for Endpoint {
    fn parse(given: &RawValue, directory: &Path) -> Result<Self, String> {
        Self::parse(&String::parse(given, directory)?)
    }

    fn show(&self) -> Value {
        Value::from(self.as_str())
    }

    fn describe() -> String {
        "URL".to_owned()
    }
}
