//! stderr where it is not a terminal: a full pipe without a reader must not block the program.

use std::io::{self, Stderr, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a line waits for the reader of a full pipe. Later lines are lost without a wait, until there is room again.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// A pipe that has room takes as many bytes without blocking (`PIPE_BUF`).
const ATOMIC_BYTES: usize = 4096;

/// A writer of lines to stderr that never blocks for longer than a few seconds: while the pipe is full,
/// lines are dropped. Their number is written as soon as there is room.
#[derive(Debug)]
pub struct PipedStderr<W = Stderr> {
    pipe: W,
    is_full: bool,
    lost: u64,
}

impl Default for PipedStderr {
    fn default() -> Self {
        Self { pipe: io::stderr(), is_full: false, lost: 0 }
    }
}

impl<W: Write + AsFd> PipedStderr<W> {
    /// Whether there is room for a part of a line.
    fn has_room(&mut self) -> bool {
        let deadline = Instant::now() + if self.is_full { Duration::ZERO } else { MAX_WAIT };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&self.pipe, PollFlags::OUT)], Some(&timeout)) {
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
            self.pipe.write_all(part)?;
        }
        Ok(true)
    }
}

impl<W: Write + AsFd> Write for PipedStderr<W> {
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn lines_that_a_full_pipe_does_not_take_are_counted_and_their_number_is_written() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut stderr = PipedStderr { pipe: writer, is_full: false, lost: 0 };
        let mut written = 0;
        while stderr.lost < 3 {
            // The first line that does not fit is lost without the wait as well.
            stderr.is_full = true;
            stderr.write_all(format!("{written:99}\n").as_bytes()).expect("a reader");
            written += 1;
        }
        let mut text = vec![0; 1 << 20];
        let count = reader.read(&mut text).expect("a pipe");
        stderr.write_all(b"the next line\n").expect("a reader");
        drop(stderr);
        let mut text = String::from_utf8(text[..count].to_vec()).expect("UTF-8");
        reader.read_to_string(&mut text).expect("a pipe");
        assert!(text.ends_with("\n3 lines are lost: nothing has read stderr\nthe next line\n"), "{text}");
        assert_eq!(text.lines().count(), written - 3 + 2);
    }
}
