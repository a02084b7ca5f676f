//! The source of a value.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A line of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// as it was named
    pub file: Arc<PathBuf>,
    /// counted from 1
    pub line: usize,
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The source of a value, in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// a flag, as written on the command line
    Flag(String),
    /// an environment variable
    Variable(String),
    /// a line of the configuration file
    File(FileLine),
    /// the default
    Default,
}

impl Origin {
    /// `flag`, `environment`, `file` or `default`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Variable(_) => "environment",
            Self::File(_) => "file",
            Self::Default => "default",
        }
    }

    /// The flag, the variable, or file and line; `None` for a default.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Flag(flag) => Some(flag.clone()),
            Self::Variable(variable) => Some(variable.clone()),
            Self::File(place) => Some(place.to_string()),
            Self::Default => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(variable) => write!(f, "environment variable {variable}"),
            Self::File(place) => place.fmt(f),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value, for `fink config show`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// dotted key, such as `kafka.bootstrap_servers` or `stream.full.topic`
    pub key: String,
    /// null if it is unset; `***` for a secret
    pub value: serde_json::Value,
    /// its source
    pub origin: Origin,
}
