//! Which process wrote to a topic last: the next one does not have to wait for messages of a process that has ended.

use std::fs;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// A process. Another process of the same system can tell whether it still runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    /// identifies the last boot of the system
    boot: String,
    /// the namespace of process ids: containers of a system have their own
    namespace: String,
    pid: i32,
}

impl Process {
    /// This process; `None` where there is no `/proc`.
    pub fn current() -> Option<&'static Self> {
        static CURRENT: OnceLock<Option<Process>> = OnceLock::new();
        CURRENT.get_or_init(Self::read).as_ref()
    }

    fn read() -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?.to_str()?.to_owned();
        Some(Self { boot, namespace, pid: i32::try_from(std::process::id()).ok()? })
    }

    /// Whether it has certainly ended. Of a process on another machine or in another container that is not known.
    pub fn is_dead(&self) -> bool {
        let is_here = Self::current().is_some_and(|own| own.boot == self.boot && own.namespace == self.namespace);
        is_here && Pid::from_raw(self.pid).is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_system_is_known_to_be_dead() {
        let own = Process::current().expect("a system with /proc").clone();
        assert!(!own.is_dead());
        let mut child = std::process::Command::new("true").spawn().expect("a program");
        let ended = Process { pid: i32::try_from(child.id()).expect("a process id"), ..own.clone() };
        child.wait().expect("its end");
        assert!(ended.is_dead());
        assert!(!Process { boot: "another".to_owned(), ..ended.clone() }.is_dead());
        assert!(!Process { namespace: "pid:[1]".to_owned(), ..ended }.is_dead());
    }
}
