//! Reads each key from the first source that has it: flag, environment, file, default. Records definitions, values and errors on the way.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::definition::{Default, Key, KeyDefinition, SectionDefinition};
use super::environment::{Environment, FINK_2019_VARIABLES, variable_of};
use super::error::ConfigError;
use super::file::{ConfigFile, FileValue, RawValue};
use super::origin::{Entry, FileLine, Origin};
use super::value::Setting;
use crate::secret::Secret;

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

/// The stream whose keys are being read.
struct StreamScope {
    name: String,
    /// index among the streams of the file; `None` if the file has no stream
    index: Option<usize>,
    /// Without a second stream, the variables of 2019 mean this one and flags may omit its name.
    is_only: bool,
}

pub(super) struct Reader<'a> {
    flags: &'a [FlagValue],
    environment: &'a Environment,
    file: Option<&'a ConfigFile>,
    section: &'static str,
    stream: Option<StreamScope>,
    /// the sections and keys that exist
    pub sections: Vec<SectionDefinition>,
    /// values read, in order
    pub entries: Vec<Entry>,
    pub errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub fn new(flags: &'a [FlagValue], environment: &'a Environment, file: Option<&'a ConfigFile>) -> Self {
        Self {
            flags,
            environment,
            file,
            section: "",
            stream: None,
            sections: Vec::new(),
            entries: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Starts a section: keys are read from there on.
    pub fn section(&mut self, name: &'static str, description: &'static str) {
        self.stream = None;
        self.section = name;
        if self.sections.iter().all(|section| section.name != name) {
            self.sections.push(SectionDefinition { name, description, example: None, keys: Vec::new() });
        }
    }

    /// Starts the stream `name` within the section `stream`.
    pub fn stream(&mut self, name: &str, index: Option<usize>, is_only: bool) {
        self.stream = Some(StreamScope { name: name.to_owned(), index, is_only });
    }

    /// The dotted key that errors and `fink config show` use.
    pub fn full_key(&self, name: &str) -> String {
        match &self.stream {
            None => format!("{}.{name}", self.section),
            Some(stream) => format!("{}.{}.{name}", self.section, stream.name),
        }
    }

    /// Reads a key. Returns `default` if it is not set or invalid.
    pub fn read<T: Setting>(&mut self, key: Key, default: T) -> T {
        self.define::<T>(key, Default::Value(default.show()));
        match self.given(key.name) {
            Some((value, origin)) => {
                self.record(key.name, T::show(&value), origin);
                value
            }
            None => {
                self.record(key.name, default.show(), Origin::Default);
                default
            }
        }
    }

    /// Reads a key that may be absent.
    pub fn optional<T: Setting>(&mut self, key: Key) -> Option<T> {
        self.optional_with_origin(key).map(|(value, _)| value)
    }

    /// Reads a key that may be absent, with the source of its value.
    pub fn optional_with_origin<T: Setting>(&mut self, key: Key) -> Option<(T, Origin)> {
        self.define::<T>(key, Default::Unset);
        self.given_or_null(key.name)
    }

    /// Reads a key that must be set if `place`, the section's header, is given; without one `fallback` applies. Returns `None` after an
    /// error.
    pub fn required<T: Setting>(&mut self, key: Key, place: Option<&FileLine>, fallback: T) -> Option<T> {
        self.define::<T>(key, Default::Required);
        let errors = self.errors.len();
        if place.is_none() {
            return Some(self.read(key, fallback));
        }
        let value = self.given_or_null(key.name).map(|(value, _)| value);
        if value.is_none() && self.errors.len() == errors {
            let key = self.full_key(key.name);
            self.errors.push(ConfigError::Missing { key, place: place.cloned(), reason: "it is required".to_owned() });
        }
        value
    }

    /// Records the definition of a key without reading it.
    pub fn define<T: Setting>(&mut self, key: Key, default: Default) {
        let Some(section) = self.sections.iter_mut().find(|section| section.name == self.section) else { return };
        if section.keys.iter().all(|known| known.name != key.name) {
            section.keys.push(KeyDefinition {
                section: self.section,
                name: key.name,
                value_type: T::describe(),
                default,
                example: key.example,
                description: key.description,
            });
        }
    }

    /// Sets the example line of the present section, whose keys are not defined here.
    pub fn example(&mut self, toml: &'static str) {
        if let Some(section) = self.sections.iter_mut().find(|section| section.name == self.section) {
            section.example = Some(toml);
        }
    }

    /// The secret in an environment variable; `None` if the variable is not set.
    pub fn secret(&self, variable: &str) -> Option<Result<Secret, String>> {
        let text = self.environment.get(variable)?;
        Some(text.map(|text| Secret::new(text.to_owned())).map_err(|_| NOT_UTF8.to_owned()))
    }

    /// Adds a value to those that `fink config show` prints.
    pub fn record(&mut self, name: &str, value: Value, origin: Origin) {
        let key = self.full_key(name);
        self.entries.push(Entry { key, value, origin });
    }

    /// Rejects the value that was read for `name`.
    pub fn add_error(&mut self, name: &str, reason: impl Into<String>) {
        let key = self.full_key(name);
        let origin =
            self.entries.iter().find(|entry| entry.key == key).map_or(Origin::Default, |entry| entry.origin.clone());
        self.errors.push(ConfigError::Value { key, origin, reason: reason.into() });
    }

    /// Rejects a client certificate, the value read for `ssl_certificate`, without its private key, that for `ssl_key`, and a key without one.
    pub fn require_certificate_with_key(&mut self, certificate: Option<&Path>, key: Option<&Path>) {
        match (certificate, key) {
            (Some(_), None) => self.add_error("ssl_certificate", "it requires `ssl_key`, the file of its private key"),
            (None, Some(_)) => self.add_error("ssl_key", "it requires `ssl_certificate`, the file of its certificate"),
            _ => {}
        }
    }

    fn given_or_null<T: Setting>(&mut self, name: &str) -> Option<(T, Origin)> {
        let found = self.given::<T>(name);
        match &found {
            Some((value, origin)) => self.record(name, value.show(), origin.clone()),
            None => self.record(name, Value::Null, Origin::Default),
        }
        found
    }

    /// The value of a key and its source; `None` if it is not set, or invalid.
    fn given<T: Setting>(&mut self, name: &str) -> Option<(T, Origin)> {
        let (given, origin) = self.find(name)?;
        let directory = match &origin {
            Origin::File(place) => place.file.parent().map(Path::to_owned).unwrap_or_default(),
            _ => PathBuf::new(),
        };
        match given.and_then(|given| T::parse(&given, &directory)) {
            Ok(value) => Some((value, origin)),
            Err(reason) => {
                self.errors.push(ConfigError::Value { key: self.full_key(name), origin, reason });
                None
            }
        }
    }

    fn find(&self, name: &str) -> Option<(Result<RawValue, String>, Origin)> {
        let full = self.full_key(name);
        // The key without the name of the stream, if that can mean one stream only.
        let short =
            self.stream.as_ref().is_none_or(|stream| stream.is_only).then(|| format!("{}.{name}", self.section));
        let flag = self.flags.iter().rev().find(|flag| flag.key == full || Some(&flag.key) == short.as_ref());
        if let Some(flag) = flag {
            return Some((Ok(RawValue::Word(flag.value.clone())), Origin::Flag(flag.flag.clone())));
        }
        let old = FINK_2019_VARIABLES.iter().filter(|(_, key)| Some(*key) == short.as_deref());
        for variable in std::iter::once(variable_of(&full)).chain(old.map(|(variable, _)| (*variable).to_owned())) {
            if let Some(text) = self.environment.get(&variable) {
                let given = text.map(|text| RawValue::Word(text.to_owned())).map_err(|_| NOT_UTF8.to_owned());
                return Some((given, Origin::Variable(variable)));
            }
        }
        let value = self.file_value(name)?;
        Some((Ok(value.given.clone()), Origin::File(value.place.clone())))
    }

    fn file_value(&self, name: &str) -> Option<&'a FileValue> {
        let file = self.file?;
        match &self.stream {
            None => {
                let full = self.full_key(name);
                file.values.iter().find(|value| value.key == full)
            }
            Some(stream) => file.streams.get(stream.index?)?.values.iter().find(|value| value.key == name),
        }
    }

    /// Rejects variables of 2019 that set a key of the only stream: with several streams they are ambiguous.
    pub fn reject_ambiguous_variables(&mut self) {
        let ambiguous = FINK_2019_VARIABLES.iter().filter(|(_, key)| key.starts_with("stream."));
        for (variable, key) in ambiguous.filter(|(variable, _)| self.environment.get(variable).is_some()) {
            self.errors.push(ConfigError::Value {
                key: (*key).to_owned(),
                origin: Origin::Variable((*variable).to_owned()),
                reason: "the configuration has several streams: unset this variable".to_owned(),
            });
        }
    }
}

const NOT_UTF8: &str = "it is not UTF-8 text";
