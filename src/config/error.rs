//! Errors of a configuration.

use std::path::PathBuf;

use super::origin::{FileLine, Origin};

/// An error of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// the file cannot be read
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    Unreadable {
        /// the file
        path: PathBuf,
        /// of the system
        reason: String,
    },
    /// the file is not TOML
    #[error("{place}: {reason}")]
    Syntax {
        /// its line
        place: FileLine,
        /// message of the parser
        reason: String,
    },
    /// a key that does not exist
    #[error("{origin}: unknown key `{key}`{hint}")]
    UnknownKey {
        /// dotted key, as written
        key: String,
        /// its source
        origin: Origin,
        /// the end of the message: empty, or a suggestion
        hint: String,
    },
    /// an invalid value
    #[error("{origin}: `{key}`: {reason}")]
    Value {
        /// dotted key
        key: String,
        /// its source
        origin: Origin,
        /// message
        reason: String,
    },
    /// a required key is not set
    #[error("{}`{key}` is missing: {reason}", place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
    Missing {
        /// dotted key
        key: String,
        /// the header of its section, if there is one
        place: Option<FileLine>,
        /// why it is required, or how to set it
        reason: String,
    },
}

impl ConfigError {
    /// The line of the file; `None` if the error is not in the file.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Syntax { place, .. } => Some(place.line),
            Self::UnknownKey { origin, .. } | Self::Value { origin, .. } => match origin {
                Origin::File(place) => Some(place.line),
                _ => None,
            },
            Self::Missing { place, .. } => place.as_ref().map(|place| place.line),
        }
    }
}

/// All errors of a configuration, one per line; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}
