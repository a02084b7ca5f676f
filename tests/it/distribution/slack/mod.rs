//! Notices on Slack, with a local server in Slack's place that does what it is told: answers late, wrongly, or not at all.

mod notifier;
mod server;
mod service;
