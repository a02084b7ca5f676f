//! `[filters]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

/// What happens to the alerts that a filter fails for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// they go to the rejected topic
    Reject,
    /// the service ends
    Stop,
}

/// `[filters]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSettings {
    /// the interpreter
    pub python: String,
    /// folders to prepend to its `sys.path`
    pub path: Vec<PathBuf>,
    /// number of worker processes
    pub workers: usize,
    /// most alerts of one call
    pub batch: usize,
    /// of one call
    pub timeout: Duration,
    /// bytes that a worker may allocate beyond what it has after the imports
    pub memory: u64,
    pub on_error: OnError,
}
