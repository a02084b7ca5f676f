//! Finds the value of each key where it was said most urgently, and remembers what was asked for, found and wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::{Environment, FINK_2019_VARIABLES, variable_of};
use super::error::ConfigError;
use super::file::{ConfigFile, FileValue, RawValue};
use super::origin::{Entry, Origin};
use super::settings::Secret;
use super::value::Setting;

/// A value given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagValue {
    /// dotted key
    pub key: String,
    /// its value
    pub value: String,
    /// the flag, as the user wrote it
    pub flag: String,
}

/// Which keys are read: those outside of streams, or those of one stream.
#[derive(Clone, Debug)]
pub(super) enum KeyScope {
    /// keys are dotted, with their section
    Root,
    /// keys are those of a stream
    Stream {
        /// its name
        name: String,
        /// its place among the streams of the file; `None`: it stands in no file
        index: Option<usize>,
        /// whether there is no other: then the old variables speak of it, and flags may leave its name out
        only: bool,
    },
}

/// The keys that exist.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    /// those outside of streams, with their sections
    pub root: BTreeSet<String>,
    /// those of a stream
    pub stream: BTreeSet<String>,
    /// whether there is one stream only
    pub only_stream: bool,
}

pub(super) struct Reader<'a> {
    flags: &'a [FlagValue],
    environment: &'a Environment,
    file: Option<&'a ConfigFile>,
    scope: KeyScope,
    /// what was asked for
    pub known_keys: KnownKeys,
    /// what was read, in order
    pub entries: Vec<Entry>,
    /// what is wrong so far
    pub errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub fn new(flags: &'a [FlagValue], environment: &'a Environment, file: Option<&'a ConfigFile>) -> Self {
        Self {
            flags,
            environment,
            file,
            scope: KeyScope::Root,
            known_keys: KnownKeys::default(),
            entries: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The keys read from here on.
    pub fn set_scope(&mut self, scope: KeyScope) {
        self.known_keys.only_stream = matches!(scope, KeyScope::Stream { only: true, .. });
        self.scope = scope;
    }

    /// The dotted key, as errors and `fink config show` name it.
    pub fn full_key(&self, key: &str) -> String {
        match &self.scope {
            KeyScope::Root => key.to_owned(),
            KeyScope::Stream { name, .. } => format!("stream.{name}.{key}"),
        }
    }

    /// Reads a key; `default` where nobody gave a value, and where the value is wrong.
    pub fn read<T: Setting>(&mut self, key: &str, default: T) -> T {
        match self.given(key) {
            Some((value, origin)) => {
                self.record(key, T::show(&value), origin);
                value
            }
            None => {
                self.record(key, default.show(), Origin::Default);
                default
            }
        }
    }

    /// Reads a key that may be absent.
    pub fn optional<T: Setting>(&mut self, key: &str) -> Option<T> {
        self.optional_with_origin(key).map(|(value, _)| value)
    }

    /// Reads a key that may be absent, and where its value came from.
    pub fn optional_with_origin<T: Setting>(&mut self, key: &str) -> Option<(T, Origin)> {
        let found = self.given::<T>(key);
        match &found {
            Some((value, origin)) => self.record(key, value.show(), origin.clone()),
            None => self.record(key, Value::Null, Origin::Default),
        }
        found
    }

    /// The secret in a variable, where that is set; an error in words where it is not text.
    pub fn secret(&self, variable: &str) -> Option<Result<Secret, String>> {
        let text = self.environment.get(variable)?;
        Some(text.map(|text| Secret::new(text.to_owned())).map_err(|_| "it is not UTF-8 text".to_owned()))
    }

    /// Adds a setting to what is shown.
    pub fn record(&mut self, key: &str, value: Value, origin: Origin) {
        let key = self.full_key(key);
        self.entries.push(Entry { key, value, origin });
    }

    /// Refuses the value that was read for `key`.
    pub fn add_error(&mut self, key: &str, reason: impl Into<String>) {
        let key = self.full_key(key);
        let origin =
            self.entries.iter().find(|entry| entry.key == key).map_or(Origin::Default, |entry| entry.origin.clone());
        self.errors.push(ConfigError::Value { key, origin, reason: reason.into() });
    }

    /// The value of a key and where it came from; `None` where there is none, or a wrong one.
    fn given<T: Setting>(&mut self, key: &str) -> Option<(T, Origin)> {
        let keys = match self.scope {
            KeyScope::Root => &mut self.known_keys.root,
            KeyScope::Stream { .. } => &mut self.known_keys.stream,
        };
        keys.insert(key.to_owned());
        let (given, origin) = self.find(key)?;
        let folder = match &origin {
            Origin::File(place) => place.file.parent().map(Path::to_owned).unwrap_or_default(),
            _ => PathBuf::new(),
        };
        let read = given.and_then(|given| T::parse(&given, &folder));
        read.map_err(|reason| {
            self.errors.push(ConfigError::Value { key: self.full_key(key), origin: origin.clone(), reason })
        })
        .ok()
        .map(|value| (value, origin))
    }

    fn find(&self, key: &str) -> Option<(Result<RawValue, String>, Origin)> {
        let full_key = self.full_key(key);
        let short = matches!(self.scope, KeyScope::Stream { only: true, .. }).then(|| format!("stream.{key}"));
        let flag = self.flags.iter().rev().find(|flag| flag.key == full_key || Some(&flag.key) == short.as_ref());
        if let Some(flag) = flag {
            return Some((Ok(RawValue::Word(flag.value.clone())), Origin::Flag(flag.flag.clone())));
        }
        let root = matches!(self.scope, KeyScope::Root).then_some(key);
        let old = FINK_2019_VARIABLES.iter().filter(|(_, old)| Some(*old) == short.as_deref() || Some(*old) == root);
        for name in std::iter::once(variable_of(&full_key)).chain(old.map(|(name, _)| (*name).to_owned())) {
            if let Some(text) = self.environment.get(&name) {
                let given =
                    text.map(|text| RawValue::Word(text.to_owned())).map_err(|_| "it is not UTF-8 text".to_owned());
                return Some((given, Origin::Variable(name)));
            }
        }
        let value = self.file_values().iter().find(|value| value.key == key)?;
        Some((Ok(value.given.clone()), Origin::File(value.place.clone())))
    }

    fn file_values(&self) -> &'a [FileValue] {
        match (self.file, &self.scope) {
            (Some(file), KeyScope::Root) => &file.values,
            (Some(file), KeyScope::Stream { index: Some(index), .. }) => {
                file.streams.get(*index).map_or(&[], |stream| stream.values.as_slice())
            }
            _ => &[],
        }
    }

    /// Refuses the old variables of streams: with several streams none of them is meant.
    pub fn reject_ambiguous_variables(&mut self) {
        for (name, key) in FINK_2019_VARIABLES
            .iter()
            .filter(|(name, key)| key.starts_with("stream.") && self.environment.get(name).is_some())
        {
            let reason = "it cannot be known which of the streams is meant: unset the variable".to_owned();
            self.errors.push(ConfigError::Value {
                key: (*key).to_owned(),
                origin: Origin::Variable((*name).to_owned()),
                reason,
            });
        }
    }
}
