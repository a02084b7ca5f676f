//! Who writes a checkpoint: a record that each process writes before anything else.
//!
//! A process that was stopped inside a transaction (by SIGSTOP, or because its machine slept) finds on waking that its producer is invalid.
//! Kafka answers the same whether the transaction timed out or another process took over. The owner's record tells which.

use std::time::SystemTime;

use serde::Deserialize;

use super::checkpoint_state::Record;
use crate::kafka::checkpoint::Records;

/// The process that writes a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    key: Vec<u8>,
    process: OwnerProcess,
    /// who wrote the checkpoint when this process came
    former: Option<OwnerProcess>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct OwnerProcess {
    host: String,
    pid: u32,
    /// when it began, ns since 1970: with host and process id, no two processes have the same
    began: u64,
}

impl Owner {
    /// This process, for the checkpoint whose records begin with `prefix`, and which holds `records` so far.
    pub fn new(prefix: &str, records: &Records) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let key = format!("{prefix}/owner").into_bytes();
        let former = process_in(records, &key);
        Self { key, process: OwnerProcess { host, pid: std::process::id(), began }, former }
    }

    /// The record that says that this process writes the checkpoint from now on.
    pub fn record(&self) -> Record {
        let OwnerProcess { host, pid, began } = &self.process;
        let value = serde_json::json!({ "host": host, "pid": pid, "began": began });
        (self.key.clone(), Some(value.to_string().into_bytes()))
    }

    /// Whether no other process has taken the checkpoint over since this one came.
    pub fn is_current(&self, records: &Records) -> bool {
        let found = process_in(records, &self.key);
        found.as_ref() == Some(&self.process) || found == self.former
    }
}

fn process_in(records: &Records, key: &[u8]) -> Option<OwnerProcess> {
    records.get(key).and_then(|value| serde_json::from_slice(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(owner: &Owner) -> Records {
        let (key, value) = owner.record();
        value.map(|value| (key, value)).into_iter().collect()
    }

    #[test]
    fn a_process_is_current_until_another_one_writes_its_name() {
        let first = Owner::new("live", &Records::new());
        assert!(first.is_current(&Records::new()), "nobody has taken over before its first commit");
        assert!(first.is_current(&records(&first)));
        let second = Owner::new("live", &records(&first));
        assert!(second.is_current(&records(&first)) && second.is_current(&records(&second)));
        assert!(!first.is_current(&records(&second)));
        let third = Owner::new("live", &records(&first));
        assert!(!second.is_current(&records(&third)), "also where it has not written its own name yet");
    }
}
