//! What the system says about this process.

use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};

/// Resources of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub cpu: Duration,
    pub threads: u64,
    pub open_fds: u64,
    /// limit of the number of open file descriptors; `None`: unlimited
    pub max_fds: Option<u64>,
}

impl Process {
    /// Reads `/proc/self`, proc(5); `None` where there is none.
    pub fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let open_fds = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        let max_fds = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Self::parse(&stat, open_fds, max_fds)
    }

    fn parse(stat: &str, open_fds: u64, max_fds: Option<u64>) -> Option<Self> {
        // The name of the program is in parentheses and may contain any character; the third field follows it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)? + field(15)?;
        Some(Self {
            resident_bytes: field(24)? * page_size() as u64,
            virtual_bytes: field(23)?,
            cpu: Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64),
            threads: field(20)?,
            open_fds,
            max_fds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_stat_follow_the_name_of_the_program() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 300 2097152 512 18446744073709551615";
        let process = Process::parse(stat, 4, Some(1024)).unwrap();
        assert_eq!((process.threads, process.virtual_bytes, process.open_fds), (9, 2_097_152, 4));
        assert_eq!(process.resident_bytes, 512 * page_size() as u64);
        assert_eq!(process.cpu.as_millis() as u64, 200 * 1000 / clock_ticks_per_second());
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 1 << 20 && process.threads >= 1 && process.open_fds >= 3, "{process:?}");
    }
}
