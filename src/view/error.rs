//! Why alerts cannot be looked at.

use std::path::PathBuf;

use crate::kafka;

/// Why alerts cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// a file or folder
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// which
        path: PathBuf,
        /// the system's words
        source: std::io::Error,
    },
    /// files without alerts
    #[error("no alert can be read: {0}")]
    NoAlerts(String),
    /// an alert that cannot be shown
    #[error("the alert is damaged: {0}")]
    Damaged(#[from] crate::avro::Malformed),
    /// Kafka
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// a picture that cannot be drawn
    #[error("the picture cannot be drawn: {0}")]
    Picture(String),
}
