//! What stands for no key: in the file and in flags a mistake, in the environment a warning.

use super::environment::{Environment, FINK_2019_VARIABLES, variable_of};
use super::error::ConfigError;
use super::file::{ConfigFile, shell_hint};
use super::origin::{Entry, FileLine, Origin};
use super::reader::{FlagValue, KnownKeys};

/// Where raw options stand, whose names librdkafka knows.
const RAW: &str = "kafka.librdkafka";

/// The keys and sections of the file that do not exist. Of a section that does not exist only its header is named.
pub(super) fn unknown_in_file(file: Option<&ConfigFile>, known_keys: &KnownKeys) -> Vec<ConfigError> {
    let Some(file) = file else { return Vec::new() };
    let stream_keys = || known_keys.stream.iter().map(|key| format!("stream.{key}"));
    let known: Vec<String> = known_keys.root.iter().cloned().chain(stream_keys()).collect();
    let sections: Vec<String> =
        known.iter().filter_map(|key| key.rsplit_once('.')).map(|(section, _)| section.to_owned()).collect();
    let raw = |key: &str| key == RAW || is_within(key, RAW);

    let strange = |(name, _): &&(String, FileLine)| !raw(name) && !known.iter().any(|key| is_within(key, name));
    let strange: Vec<&(String, FileLine)> = file.sections.iter().filter(strange).collect();
    let in_strange = |key: &str| strange.iter().any(|(section, _)| is_within(key, section));

    let mut errors = Vec::new();
    for (name, place) in strange.iter().filter(|(name, _)| !in_strange(name)) {
        errors.push(unknown(name, place, &sections));
    }
    for value in file.values.iter().filter(|value| !raw(&value.key) && !in_strange(&value.key)) {
        if !known_keys.root.contains(&value.key) {
            errors.push(unknown(&value.key, &value.place, &known));
        }
    }
    let stream_keys: Vec<String> = stream_keys().chain(["stream.name".to_owned()]).collect();
    for value in file.streams.iter().flat_map(|stream| &stream.values) {
        let key = format!("stream.{}", value.key);
        if !known_keys.stream.is_empty() && !stream_keys.contains(&key) {
            errors.push(unknown(&key, &value.place, &stream_keys));
        }
    }
    errors
}

/// Whether `key` stands in `section`.
fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn unknown(key: &str, place: &FileLine, known: &[String]) -> ConfigError {
    let hint = match FINK_2019_VARIABLES.iter().any(|(name, _)| *name == key) {
        true => shell_hint(&place.file),
        false => nearest(key, known),
    };
    ConfigError::UnknownKey { key: key.to_owned(), origin: Origin::File(place.clone()), hint }
}

/// The flags whose keys do not exist. A password is a setting, but no flag may hold one: the list of processes would show it.
pub(super) fn unknown_in_flags(flags: &[FlagValue], entries: &[Entry], known_keys: &KnownKeys) -> Vec<ConfigError> {
    let settable =
        entries.iter().map(|entry| entry.key.clone()).filter(|key| !key.ends_with("password") && !is_within(key, RAW));
    let short = known_keys.stream.iter().filter(|_| known_keys.only_stream).map(|key| format!("stream.{key}"));
    let known: Vec<String> = settable.chain(short).collect();
    let strange = flags.iter().filter(|flag| !known.contains(&flag.key));
    strange
        .map(|flag| ConfigError::UnknownKey {
            key: flag.key.clone(),
            origin: Origin::Flag(flag.flag.clone()),
            hint: nearest(&flag.key, &known),
        })
        .collect()
}

/// The variables that look like ours and stand for no key, each with a hint. They are not refused: Kubernetes, for one, sets
/// `FINK_KAFKA_PORT` where a service is called `fink-kafka`.
pub(super) fn unknown_in_environment(environment: &Environment, entries: &[Entry]) -> Vec<String> {
    let variables: Vec<String> = entries.iter().map(|entry| variable_of(&entry.key)).collect();
    let ours = ["SCIENCE_DB_", "KAFKA_", "DISTRIBUTION_", "STREAM_", "FILTERS_", "SLACK_"];
    let is_ours = |name: &str| {
        name.strip_prefix("FINK_").is_some_and(|rest| ours.iter().any(|section| rest.starts_with(section)))
    };
    let strange =
        environment.names().filter(|name| is_ours(name) && !variables.iter().any(|variable| variable == name));
    strange.map(|name| format!("the variable {name} stands for no key; {}", nearest(name, &variables))).collect()
}

/// Names the known word nearest to `word`, comparing whole keys and what follows their last dot.
fn nearest(word: &str, known: &[String]) -> String {
    fn last(key: &str) -> &str {
        key.rsplit('.').next().unwrap_or(key)
    }
    let distance = |key: &&String| {
        let whole = strsim::damerau_levenshtein(word, key);
        whole.min(strsim::damerau_levenshtein(last(word), last(key)) + 1)
    };
    known.iter().min_by_key(distance).map_or_else(String::new, |key| format!("the nearest known one is `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_may_stand_in_another_section() {
        let known = ["distribution.poll", "stream.topic", "kafka.username"].map(str::to_owned);
        assert_eq!(nearest("distribution.topic", &known), "the nearest known one is `stream.topic`");
        assert_eq!(nearest("kafak.username", &known), "the nearest known one is `kafka.username`");
    }
}
