//! Notices of alerts on Slack, in the format that Fink uses since 2019: the channel of an alert has the name of its class, and a message is a text
//! table with a row for each alert.
//!
//! Notices never delay alerts: they wait in a bounded queue, which a thread of its own empties at Slack's rate. Notices that the queue has no room
//! for, that Slack rejects, or that wait for too long are dropped, counted and logged.

mod channels;
mod endpoint;
mod message;
mod notice;
mod notifier;
mod queue;
mod settings;
mod slack;

pub use channels::Channels;
pub use endpoint::Endpoint;
pub use notice::{Notice, NotifyError, TOKEN_VARIABLE};
pub use notifier::Notifier;
pub use queue::Totals;
pub use settings::SlackSettings;
