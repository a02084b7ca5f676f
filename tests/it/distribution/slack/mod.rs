//! Notices on Slack, with a local server in its place, which responds late, with errors, or not at all.

mod notifier;
pub mod server;
mod service;
