//! Who writes a checkpoint: a record that each process writes before anything else.
//!
//! A process that was stopped inside a transaction (by SIGSTOP, or because its machine slept) finds on waking that its producer is invalid.
//! Kafka answers the same whether the transaction timed out or another process took over. The owner's record tells which.

use std::time::SystemTime;

use serde::Deserialize;

use super::progress::Record;
use crate::kafka::checkpoint::Records;

/// The process that writes a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    key: Vec<u8>,
    process: Process,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Process {
    host: String,
    pid: u32,
    /// when it began, ns since 1970: with host and process id, no two processes have the same
    began: u64,
}

impl Owner {
    /// This process, for the checkpoint whose records begin with `prefix`.
    pub fn new(prefix: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Self { key: format!("{prefix}/owner").into_bytes(), process: Process { host, pid: std::process::id(), began } }
    }

    /// The record that says that this process writes the checkpoint from now on.
    pub fn record(&self) -> Record {
        let Process { host, pid, began } = &self.process;
        let value = serde_json::json!({ "host": host, "pid": pid, "began": began });
        (self.key.clone(), Some(value.to_string().into_bytes()))
    }

    /// Whether the checkpoint says that this process writes it.
    pub fn is_in(&self, records: &Records) -> bool {
        let process = records.get(&self.key).and_then(|value| serde_json::from_slice::<Process>(value).ok());
        process.as_ref() == Some(&self.process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_the_next_one() {
        let (first, second) = (Owner::new("live"), Owner::new("live"));
        let (key, value) = second.record();
        let records: Records = value.map(|value| (key, value)).into_iter().collect();
        assert!(second.is_in(&records) && !first.is_in(&records));
        assert!(!second.is_in(&Records::new()));
    }
}
