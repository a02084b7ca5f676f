//! Why consuming ends.

use std::path::{Path, PathBuf};

use crate::kafka;
use crate::messages::SchemaSetError;

/// Why consuming ends before it is done.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// what was asked for makes no sense with these alerts or files
    #[error("{0}")]
    Usage(String),
    /// Kafka
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// a file or folder
    #[error("{action} {}: {source}", path.display())]
    File {
        /// as in `cannot write`
        action: &'static str,
        /// which
        path: PathBuf,
        /// the system's words
        source: std::io::Error,
    },
    /// stdout
    #[error("cannot write to stdout: {0}")]
    Stdout(std::io::Error),
    /// alerts that cannot be saved in the chosen format
    #[error("{0}")]
    Format(String),
    /// schemas that do not come with the messages
    #[error(transparent)]
    Schemas(#[from] SchemaSetError),
    /// a filter, a command or a notice that failed
    #[error("{0}")]
    Failed(String),
}

impl ConsumeError {
    /// An error about a file.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
