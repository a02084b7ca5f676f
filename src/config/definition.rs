//! Definitions of keys: the one place for name, type, default, example and description.
//!
//! Reading a key requires its definition, so no key can be read without one. `fink config init` and the reference in docs/configuration.md
//! are generated from the definitions; `fink config show` and the check for unknown keys use the same list.

use serde_json::Value;

use super::environment::variable_of;

/// The definition of a key, as given where it is read, except for its type and default, which the reader adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// without its section
    pub name: &'static str,
    /// for people, complete sentences
    pub description: &'static str,
    /// a value, as TOML; needed where the default is absent or an empty list
    pub example: Option<&'static str>,
}

/// A key named `name`.
pub(super) const fn key(name: &'static str, description: &'static str) -> Key {
    Key { name, description, example: None }
}

impl Key {
    /// With an example value, as TOML.
    pub const fn example(self, toml: &'static str) -> Self {
        Self { example: Some(toml), ..self }
    }
}

/// What applies if a key is not set.
#[derive(Clone, Debug, PartialEq)]
pub enum Default {
    /// this value
    Value(Value),
    /// nothing
    Unset,
    /// an error: the key is required
    Required,
}

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDefinition {
    /// its section, such as `kafka.admin`; `stream` for those of a stream
    pub section: &'static str,
    /// without the section
    pub name: &'static str,
    /// notation of its values, such as `duration` or `"reject" or "stop"`
    pub value_type: String,
    /// what applies if it is not set
    pub default: Default,
    /// an example value, as TOML
    pub example: Option<&'static str>,
    /// what it means
    pub description: &'static str,
}

impl KeyDefinition {
    /// The dotted key, such as `kafka.username` or `stream.topic`.
    pub fn full_key(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The environment variable, with `<NAME>` for the name of a stream. `None`: it can only be set in the file.
    pub fn variable(&self) -> Option<String> {
        match (self.section, self.name) {
            ("stream", "name") => None,
            ("stream", name) => Some(variable_of(&format!("stream.{name}")).replace("STREAM_", "STREAM_<NAME>_")),
            _ => Some(variable_of(&self.full_key())),
        }
    }

    /// A value as TOML: the example, else the default.
    pub fn shown_value(&self) -> String {
        match (&self.example, &self.default) {
            (Some(example), _) => (*example).to_owned(),
            // Strings, integers, booleans and arrays of strings are the same in JSON and TOML.
            (None, Default::Value(value)) => value.to_string(),
            (None, Default::Unset | Default::Required) => String::new(),
        }
    }
}

/// A section of the configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionDefinition {
    /// such as `kafka.admin`
    pub name: &'static str,
    /// for people; empty if its keys are enough
    pub description: &'static str,
    /// an example line, for a section whose keys another program defines
    pub example: Option<&'static str>,
    /// its keys, in the order of the file
    pub keys: Vec<KeyDefinition>,
}

/// The commented configuration file that `fink config init` writes. Uncommented keys are the required ones.
pub(super) fn example_toml(sections: &[SectionDefinition]) -> String {
    let mut text = String::from(HEADER);
    for section in sections {
        text.push('\n');
        push_comment(&mut text, section.description);
        let header = if section.name == "stream" { "[[stream]]".to_owned() } else { format!("[{}]", section.name) };
        text.push_str(&format!("{header}\n"));
        for key in &section.keys {
            push_comment(&mut text, key.description);
            let mark = if key.default == Default::Required { "" } else { "#" };
            text.push_str(&format!("{mark}{} = {}\n", key.name, key.shown_value()));
        }
        if let Some(example) = section.example {
            text.push_str(&format!("#{example}\n"));
        }
    }
    text
}

const HEADER: &str = "\
# Configuration of fink. A line with `#` directly before a key shows the default, or an example if there is no default.
#
# Precedence: flag (--set kafka.username=NAME), environment variable (FINK_KAFKA_USERNAME), this file, default.
# `fink config show` prints every value and its source. Relative paths in this file are relative to its directory,
# all others to the working directory.
#
# Durations: 500ms, 90s, 5m, 1h30m; a bare number is seconds. Sizes: 64KiB, 256MB; a bare number is bytes.
";

/// Columns after which comments are wrapped.
const COMMENT_WIDTH: usize = 118;

fn push_comment(text: &mut String, comment: &str) {
    let mut width = 0;
    for word in comment.split_whitespace() {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > COMMENT_WIDTH {
            let line_break = if width == 0 { "" } else { "\n" };
            text.push_str(line_break);
            text.push_str("# ");
            width = 2;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    if width > 0 {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_wrapped_between_words() {
        let mut text = String::new();
        push_comment(&mut text, &"word ".repeat(30));
        assert!(text.lines().all(|line| line.starts_with("# word") && line.len() <= COMMENT_WIDTH), "{text}");
        assert_eq!(text.matches("word").count(), 30);
        push_comment(&mut text, "");
        assert!(text.ends_with("word\n"));
    }
}
