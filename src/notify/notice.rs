//! A notice, and why notices are impossible.

use std::sync::Arc;

/// The environment variable with Slack's token.
pub const TOKEN_VARIABLE: &str = "SLACK_API_TOKEN";

/// The notice of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// the channel, without `#`
    pub channel: Arc<str>,
    /// the object's identifier
    pub object: String,
    /// right ascension, degrees
    pub ra: Option<f64>,
    /// declination, degrees
    pub dec: Option<f64>,
    /// the object's class
    pub class: String,
}

/// Why notices cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// the file of channels cannot be read
    #[error("cannot read the slack channels {path}: {reason}; correct slack.channels or the permissions of the file")]
    Channels {
        /// the file
        path: String,
        /// the reason
        reason: String,
    },
    /// there is no token
    #[error("slack.channels is set, but the variable {TOKEN_VARIABLE} is not: set it, or remove slack.channels")]
    NoToken,
    /// the system cannot start a thread
    #[error("cannot start the thread that sends slack notices: {0}")]
    Thread(std::io::Error),
}
