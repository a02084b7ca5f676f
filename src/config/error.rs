//! What can be wrong with a configuration.

use std::path::PathBuf;

use super::origin::{FileLine, Origin};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// the file that was named cannot be read
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    Unreadable {
        /// the file
        path: PathBuf,
        /// the system's words
        reason: String,
    },
    /// the file is not TOML
    #[error("{place}: {reason}")]
    Syntax {
        /// where
        place: FileLine,
        /// what was expected
        reason: String,
    },
    /// a key that does not exist
    #[error("{origin}: unknown key `{key}`{hint}")]
    UnknownKey {
        /// the key as written, with its section
        key: String,
        /// where it stands
        origin: Origin,
        /// the end of the message: empty, or a suggestion
        hint: String,
    },
    /// a value that does not fit its key
    #[error("{origin}: `{key}`: {reason}")]
    Value {
        /// dotted key
        key: String,
        /// where the value stands
        origin: Origin,
        /// what is wrong with it
        reason: String,
    },
    /// a key that must be there
    #[error("{}`{key}` is missing: {reason}", place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
    Missing {
        /// dotted key
        key: String,
        /// the section it belongs to, where there is one
        place: Option<FileLine>,
        /// why it is needed, or how it is given
        reason: String,
    },
}

impl ConfigError {
    /// The line of the file that is meant; `None` where the file is not to blame.
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

/// Everything that is wrong with a configuration, one a line; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}
