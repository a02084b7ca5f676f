//! stderr where it is not a terminal: a full pipe without a reader must not block the program.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a line waits for the reader of a full pipe. Later lines are lost without a wait, until there is room again.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// A pipe that has room takes as many bytes without blocking (`PIPE_BUF`).
const ATOMIC_BYTES: usize = 4096;

/// A writer of lines to stderr that never blocks for longer than a few seconds: while the pipe is full,
/// lines are dropped. Their number is written as soon as there is room.
#[derive(Debug, Default)]
pub struct PipedStderr {
    is_full: bool,
    lost: u64,
}

impl PipedStderr {
    /// Whether there is room for a part of a line.
    fn has_room(&mut self) -> bool {
        let deadline = Instant::now() + if self.is_full { Duration::ZERO } else { MAX_WAIT };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let stderr = io::stderr();
            match poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&timeout)) {
                Err(rustix::io::Errno::INTR) => {}
                // What cannot be asked is written to all the same.
                found => {
                    self.is_full = found == Ok(0);
                    return !self.is_full;
                }
            }
        }
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<bool> {
        for part in line.chunks(ATOMIC_BYTES) {
            if !self.has_room() {
                return Ok(false);
            }
            io::stderr().write_all(part)?;
        }
        Ok(true)
    }
}

impl Write for PipedStderr {
    /// Writes a whole line, or loses it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lost > 0
            && self.write_line(format!("{} lines are lost: nothing has read stderr\n", self.lost).as_bytes())?
        {
            self.lost = 0;
        }
        if !self.write_line(line)? {
            self.lost += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
