//! Why schemas are not available.

use std::path::{Path, PathBuf};

use super::registry_client::RegistryError;

/// Why schemas that do not come with the messages are not available.
#[derive(Debug, thiserror::Error)]
pub enum SchemaSetError {
    /// a file or a folder is not what it should be
    #[error("{0}")]
    Invalid(String),
    /// a file or folder cannot be read or written
    #[error("{action} {}: {source}", path.display())]
    File {
        /// as in `cannot write`
        action: &'static str,
        /// which
        path: PathBuf,
        /// the system's error
        source: std::io::Error,
    },
    /// the registry has not sent a schema
    #[error("{0}; or keep the schemas in a folder for --schema")]
    Registry(#[from] RegistryError),
}

impl SchemaSetError {
    /// An error about a file.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
