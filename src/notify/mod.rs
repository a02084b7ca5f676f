//! Notices of alerts on Slack, as Fink sends them since 2019: an alert goes to the channel that is called like its class, as a row of a
//! text table.
//!
//! Notices never hold up alerts: they are put into a bounded queue, and a thread of its own sends them at Slack's pace. What does not fit,
//! what Slack refuses and what grows too old is dropped, counted and told in the log.

mod channels;
mod message;
mod notifier;
mod queue;
mod slack;

use std::sync::Arc;

pub use channels::Channels;
pub use notifier::Notifier;
pub use queue::Totals;

/// The variable that holds Slack's token.
pub const TOKEN_VARIABLE: &str = "SLACK_API_TOKEN";

/// What is announced of an alert.
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

/// Why there can be no notices.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// the file of channels cannot be read
    #[error("cannot read the file of slack channels {path}: {reason}; correct slack.channels or the file's rights")]
    Channels {
        /// the file
        path: String,
        /// why
        reason: String,
    },
    /// no token
    #[error("slack.channels is set, but not the variable {TOKEN_VARIABLE}: set it, or leave the key out")]
    NoToken,
    /// the system gives no thread
    #[error("cannot start the thread that sends slack notices: {0}")]
    Thread(std::io::Error),
}
