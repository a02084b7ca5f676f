//! Which process writes a checkpoint: each process writes a record about itself before anything else.
//!
//! When a process continues that was stopped inside a transaction (by SIGSTOP, or because its machine was suspended), its producer is invalid.
//! The brokers give the same error whether the transaction timed out or another process has taken over. The owner record tells which.

use std::time::SystemTime;

use super::checkpoint_state::Record;
use crate::kafka::checkpoint::Records;

/// The field of a process that has ended.
const ENDED: &str = "ended";

/// The owner of a checkpoint, as its record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnerState {
    /// no process has written the checkpoint
    None,
    /// its process and host; it may have been killed
    Active(String),
    Ended,
}

/// Whether a record with this key names the owner of a checkpoint.
pub(crate) fn is_owner_key(key: &[u8]) -> bool {
    key.ends_with(b"/owner")
}

/// The process that writes a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    key: Vec<u8>,
    /// JSON: host, process id, and start in ns since 1970; no two processes have the same
    value: Vec<u8>,
    /// the record of the process that wrote the checkpoint before
    previous: Option<Vec<u8>>,
}

impl Owner {
    /// This process, for the checkpoint with the name `prefix`, which holds `records`.
    pub fn new(prefix: &str, records: &Records) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let key = format!("{prefix}/owner").into_bytes();
        let value = serde_json::json!({ "host": host, "pid": std::process::id(), "began": began });
        let previous = records.get(&key).cloned();
        Self { key, value: value.to_string().into_bytes(), previous }
    }

    /// The record that makes this process the owner.
    pub fn record(&self) -> Record {
        (self.key.clone(), Some(self.value.clone()))
    }

    /// The record that says that this process has ended.
    pub fn end_record(&self) -> Record {
        let mut owner: serde_json::Value = serde_json::from_slice(&self.value).unwrap_or_default();
        owner[ENDED] = true.into();
        (self.key.clone(), Some(owner.to_string().into_bytes()))
    }

    /// The process that the checkpoint with the name `prefix`, which holds `records`, names as its owner.
    pub fn state_of(prefix: &str, records: &Records) -> OwnerState {
        let Some(owner) = records.get(format!("{prefix}/owner").as_bytes()) else { return OwnerState::None };
        let owner: serde_json::Value = serde_json::from_slice(owner).unwrap_or_default();
        match owner[ENDED].as_bool() {
            Some(true) => OwnerState::Ended,
            _ => OwnerState::Active(format!("process {} on {}", owner["pid"], owner["host"].as_str().unwrap_or("?"))),
        }
    }

    /// Whether no other process has taken over since this one started.
    pub fn is_current(&self, records: &Records) -> bool {
        let found = records.get(&self.key);
        found == Some(&self.value) || found == self.previous.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(owner: &Owner) -> Records {
        let (key, value) = owner.record();
        value.map(|value| (key, value)).into_iter().collect()
    }

    #[test]
    fn an_owner_is_active_until_it_says_that_it_has_ended() {
        let owner = Owner::new("live", &Records::new());
        assert_eq!(Owner::state_of("live", &Records::new()), OwnerState::None);
        let OwnerState::Active(process) = Owner::state_of("live", &records(&owner)) else { panic!("not active") };
        assert!(process.contains(&std::process::id().to_string()), "{process}");
        let (key, value) = owner.end_record();
        let ended: Records = value.map(|value| (key, value)).into_iter().collect();
        assert_eq!(Owner::state_of("live", &ended), OwnerState::Ended);
        let next = Owner::new("live", &ended);
        assert!(next.is_current(&ended) && !owner.is_current(&records(&next)));
    }

    #[test]
    fn a_process_is_current_until_another_one_writes_its_record() {
        let first = Owner::new("live", &Records::new());
        assert!(first.is_current(&Records::new()), "no process has taken over before its first commit");
        assert!(first.is_current(&records(&first)));
        let second = Owner::new("live", &records(&first));
        assert!(second.is_current(&records(&first)) && second.is_current(&records(&second)));
        assert!(!first.is_current(&records(&second)));
        let third = Owner::new("live", &records(&first));
        assert!(!second.is_current(&records(&third)), "also where it has not written its own record yet");
    }
}
