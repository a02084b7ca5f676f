//! The TOML file as a flat list of dotted keys with their lines.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::origin::FileLine;

/// A value before it is parsed as the type of its key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RawValue {
    /// of a flag or an environment variable, which are text
    Word(String),
    /// a TOML string
    Text(String),
    /// a TOML integer
    Integer(i64),
    /// a TOML float, as written
    Float(String),
    /// a TOML boolean
    Boolean(bool),
    /// a TOML date, as written
    Date(String),
    /// a TOML array of strings
    List(Vec<String>),
    /// a value that no key accepts: the name of its type
    Other(&'static str),
}

impl RawValue {
    /// The type, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Word(_) | Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::List(_) => "an array",
            Self::Other(kind) => kind,
        }
    }
}

/// One `key = value`.
#[derive(Clone, Debug)]
pub(super) struct FileValue {
    /// the dotted key; in a stream the name alone
    pub key: String,
    /// the value
    pub given: RawValue,
    /// its line
    pub place: FileLine,
}

/// One `[[stream]]`.
#[derive(Clone, Debug)]
pub(super) struct StreamTable {
    /// its header
    pub place: FileLine,
    /// its keys
    pub values: Vec<FileValue>,
}

/// A parsed configuration file.
#[derive(Clone, Debug)]
pub(super) struct ConfigFile {
    /// as it was named
    pub path: Arc<PathBuf>,
    /// the keys outside of streams
    pub values: Vec<FileValue>,
    /// the section headers, except of streams
    pub sections: Vec<(String, FileLine)>,
    /// the streams, in order
    pub streams: Vec<StreamTable>,
}

impl ConfigFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
        Self::parse(path, &text)
    }

    /// Parses the text of the file `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let path = Arc::new(path.to_owned());
        let lines = Lines { file: path.clone(), text };
        let table = DeTable::parse(text).map_err(|error| {
            let place = lines.place(error.span().unwrap_or(0..0));
            let reason = match lines.is_shell(place.line) {
                true => shell_hint(&path),
                false => error.message().to_owned(),
            };
            ConfigError::Syntax { place, reason }
        })?;
        let mut file = Self { path, values: Vec::new(), sections: Vec::new(), streams: Vec::new() };
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("stream", DeValue::Array(streams)) if streams.iter().all(|stream| stream.get_ref().is_table()) => {
                    for stream in streams.iter() {
                        let mut values = Vec::new();
                        if let DeValue::Table(table) = stream.get_ref() {
                            flatten(&lines, "", table, &mut values, &mut Vec::new());
                        }
                        file.streams.push(StreamTable { place: lines.place(stream.span()), values });
                    }
                }
                ("stream", _) => {
                    let reason = "a stream needs two brackets, [[stream]], and has its own block".to_owned();
                    return Err(ConfigError::Syntax { place: lines.place(key.span()), reason });
                }
                _ => add(&lines, "", key, value, &mut file.values, &mut file.sections),
            }
        }
        Ok(file)
    }
}

/// The hint for a file of shell variables that was given as the configuration file.
pub(super) fn shell_hint(path: &Path) -> String {
    format!(
        "this looks like a file of shell variables: load it into the environment with `set -a; . {}; set +a`, and omit -c",
        path.display()
    )
}

fn flatten(
    lines: &Lines<'_>,
    prefix: &str,
    table: &DeTable<'_>,
    values: &mut Vec<FileValue>,
    sections: &mut Vec<(String, FileLine)>,
) {
    for (key, value) in table {
        add(lines, prefix, key, value, values, sections);
    }
}

fn add(
    lines: &Lines<'_>,
    prefix: &str,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    values: &mut Vec<FileValue>,
    sections: &mut Vec<(String, FileLine)>,
) {
    let place = lines.place(key.span());
    let key = format!("{prefix}{}", key.get_ref());
    let given = match value.get_ref() {
        DeValue::Table(table) => {
            sections.push((key.clone(), place));
            return flatten(lines, &format!("{key}."), table, values, sections);
        }
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or(RawValue::Other("an integer beyond 64 bits"), RawValue::Integer),
        DeValue::Float(float) => RawValue::Float(float.as_str().to_owned()),
        DeValue::Boolean(boolean) => RawValue::Boolean(*boolean),
        DeValue::Datetime(date) => RawValue::Date(date.to_string()),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or(RawValue::Other("an array of values that are not strings"), RawValue::List)
        }
    };
    values.push(FileValue { key, given, place });
}

/// The text of a file, to find the line of a byte range.
struct Lines<'a> {
    file: Arc<PathBuf>,
    text: &'a str,
}

impl Lines<'_> {
    fn place(&self, span: Range<usize>) -> FileLine {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        FileLine { file: self.file.clone(), line: 1 + before.iter().filter(|b| **b == b'\n').count() }
    }

    /// Whether a line sets a shell variable: `NAME=…`, in capitals.
    fn is_shell(&self, line: usize) -> bool {
        let line = self.text.lines().nth(line - 1).unwrap_or("").trim_start();
        let name = line.strip_prefix("export ").unwrap_or(line).split('=').next().unwrap_or("");
        line.contains('=')
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
        ConfigFile::parse(Path::new("fink.toml"), text)
    }

    #[test]
    fn keys_are_flat_and_know_their_line() {
        let file = parse("# first\n[kafka]\nusername = \"u\"\n[kafka.librdkafka]\n\"linger.ms\" = 5\nbatch.size = 6\n")
            .unwrap();
        let found: Vec<(&str, usize, &RawValue)> =
            file.values.iter().map(|v| (v.key.as_str(), v.place.line, &v.given)).collect();
        assert!(found.contains(&("kafka.username", 3, &RawValue::Text("u".to_owned()))));
        assert!(found.contains(&("kafka.librdkafka.linger.ms", 5, &RawValue::Integer(5))));
        assert!(found.contains(&("kafka.librdkafka.batch.size", 6, &RawValue::Integer(6))));
    }

    #[test]
    fn streams_keep_their_order_and_place() {
        let file = parse("[[stream]]\nname = \"b\"\n\n[[stream]]\nname = \"a\"\n").unwrap();
        let lines: Vec<usize> = file.streams.iter().map(|stream| stream.place.line).collect();
        assert_eq!(lines, [1, 4]);
        assert_eq!(file.streams[1].values[0].given, RawValue::Text("a".to_owned()));
    }

    #[test]
    fn one_bracket_for_a_stream_is_explained() {
        assert!(
            parse("\n[stream]\nname = \"a\"\n")
                .unwrap_err()
                .to_string()
                .contains("fink.toml:2: a stream needs two brackets")
        );
    }

    #[test]
    fn an_error_does_not_repeat_the_line() {
        let error = parse("[kafka]\npassword = \"hunter2\n").unwrap_err().to_string();
        assert!(error.starts_with("fink.toml:2: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_shell_file_is_recognised() {
        let error = parse("# Kafka\nDISTRIBUTION_SCHEMA=${FINK_HOME}/schema.avsc\n").unwrap_err().to_string();
        assert!(error.contains("set -a; . fink.toml; set +a"), "{error}");
    }
}
