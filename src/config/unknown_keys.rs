//! Unknown keys: an error in the file and in flags, a warning in the environment.

use super::definition::SectionDefinition;
use super::environment::{Environment, FINK_2019_VARIABLES, variable_of};
use super::error::ConfigError;
use super::file::{ConfigFile, shell_hint};
use super::origin::{Entry, FileLine, Origin};
use super::reader::FlagValue;
use crate::suggest::suggestion;

/// The section of raw options, whose names librdkafka knows.
const RAW: &str = "kafka.librdkafka";

/// The unknown keys and sections of the file. An unknown section is reported by its header alone.
pub(super) fn unknown_in_file(file: Option<&ConfigFile>, sections: &[SectionDefinition]) -> Vec<ConfigError> {
    let Some(file) = file else { return Vec::new() };
    let known: Vec<String> = keys_of(sections).collect();
    let known_sections = sections.iter().map(|section| section.name);
    let is_raw = |key: &str| key == RAW || is_within(key, RAW);

    let unknown_sections: Vec<&(String, FileLine)> = file
        .sections
        .iter()
        .filter(|(name, _)| !is_raw(name) && !known.iter().any(|key| is_within(key, name)))
        .collect();
    let in_unknown_section = |key: &str| unknown_sections.iter().any(|(section, _)| is_within(key, section));

    let mut errors = Vec::new();
    for (name, place) in unknown_sections.iter().filter(|(name, _)| !in_unknown_section(name)) {
        errors.push(unknown(name, place, known_sections.clone()));
    }
    for value in file.values.iter().filter(|value| !is_raw(&value.key) && !in_unknown_section(&value.key)) {
        if !known.contains(&value.key) {
            errors.push(unknown(&value.key, &value.place, known.iter().map(String::as_str)));
        }
    }
    for value in file.streams.iter().flat_map(|stream| &stream.values) {
        let key = format!("stream.{}", value.key);
        if !known.contains(&key) {
            errors.push(unknown(&key, &value.place, known.iter().map(String::as_str)));
        }
    }
    errors
}

fn keys_of(sections: &[SectionDefinition]) -> impl Iterator<Item = String> {
    sections.iter().flat_map(|section| &section.keys).map(super::definition::KeyDefinition::full_key)
}

/// Whether `key` stands in `section`.
fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn unknown<'a>(key: &str, place: &FileLine, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let hint = match FINK_2019_VARIABLES.iter().any(|(name, _)| *name == key) {
        true => format!(": {}", shell_hint(&place.file)),
        false => suggestion(key, known),
    };
    ConfigError::UnknownKey { key: key.to_owned(), origin: Origin::File(place.clone()), hint }
}

/// The flags with unknown keys. A password is unknown here, since the process list would show it.
pub(super) fn unknown_in_flags(
    flags: &[FlagValue],
    entries: &[Entry],
    sections: &[SectionDefinition],
    has_only_stream: bool,
) -> Vec<ConfigError> {
    let settable =
        entries.iter().map(|entry| entry.key.clone()).filter(|key| !key.ends_with("password") && !is_within(key, RAW));
    let short = keys_of(sections).filter(|key| has_only_stream && is_within(key, "stream") && key != "stream.name");
    let known: Vec<String> = settable.chain(short).collect();
    let unknown = flags.iter().filter(|flag| !known.contains(&flag.key));
    unknown
        .map(|flag| ConfigError::UnknownKey {
            key: flag.key.clone(),
            origin: Origin::Flag(flag.flag.clone()),
            hint: suggestion(&flag.key, &known),
        })
        .collect()
}

/// Warnings for variables that begin like those of a section and stand for no key. They are no errors: Kubernetes, for one, sets
/// `FINK_KAFKA_PORT` for a service `fink-kafka`.
pub(super) fn unknown_in_environment(environment: &Environment, entries: &[Entry]) -> Vec<String> {
    let variables: Vec<String> = entries.iter().map(|entry| variable_of(&entry.key)).collect();
    let prefixes = ["SCIENCE_DB_", "KAFKA_", "DISTRIBUTION_", "STREAM_", "FILTERS_", "SLACK_"];
    let has_prefix = |name: &str| {
        name.strip_prefix("FINK_").is_some_and(|rest| prefixes.iter().any(|prefix| rest.starts_with(prefix)))
    };
    let unknown =
        environment.names().filter(|name| has_prefix(name) && !variables.iter().any(|variable| variable == name));
    unknown
        .map(|name| {
            format!("environment variable {name} is ignored: it matches no key{}", suggestion(name, &variables))
        })
        .collect()
}
