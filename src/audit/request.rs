//! What an audit compares, and its progress.

use std::path::PathBuf;

use crate::kafka::Login;
use crate::window::Window;

/// What an audit compares.
#[derive(Clone, Debug)]
pub(crate) struct AuditRequest {
    /// the alerts, by the timestamp of their row's trigger
    pub window: Window,
    /// names of the streams; empty: all streams
    pub streams: Vec<String>,
    /// folder of the temporary files
    pub temp_dir: PathBuf,
    /// hour UTC at which observing nights begin
    pub night_hour: u8,
    /// the user that reads the topics; `None`: the user of `[kafka]`, which often may only write to them
    pub reader: Option<Login>,
}

/// The progress of an audit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AuditProgress<'a> {
    /// begins to read a topic, with its approximate number of messages
    Topic(&'a str, u64),
    /// has read this number of further messages
    Messages(u64),
    /// begins to read the science database
    Database,
    /// has read this number of further rows
    Rows(u64),
    /// begins to publish this number of alerts
    Publish(u64),
    /// has published this number of further alerts
    Published(u64),
}
