//! The terminal: its width, and the bars that are drawn on it.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

/// Columns of the terminal that stdout, or else stderr, is.
pub(super) fn terminal_width() -> u16 {
    let columns = |size: rustix::termios::Winsize| (size.ws_col > 0).then_some(size.ws_col);
    let stdout = rustix::termios::tcgetwinsize(io::stdout());
    stdout.or_else(|_| rustix::termios::tcgetwinsize(io::stderr())).ok().and_then(columns).unwrap_or(80)
}

/// Columns that bars leave free: a bar ends with the cursor behind its last column, where the echo of Ctrl-C, `^C`, would wrap and leave the bar
/// on the terminal.
const RESERVED_COLUMNS: u16 = 3;

/// Where bars are drawn: stderr. Collects what is drawn until it is flushed.
#[derive(Debug, Default)]
pub(super) struct BarTerminal {
    drawn: Mutex<String>,
}

impl BarTerminal {
    fn draw(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    /// Moves the cursor; `direction`: the last letter of the sequence.
    fn move_cursor(&self, by: usize, direction: char) -> io::Result<()> {
        if by == 0 { Ok(()) } else { self.draw(&format!("\x1b[{by}{direction}")) }
    }
}

impl TermLike for BarTerminal {
    fn width(&self) -> u16 {
        terminal_width().saturating_sub(RESERVED_COLUMNS).max(1)
    }

    fn height(&self) -> u16 {
        rustix::termios::tcgetwinsize(io::stderr()).map_or(24, |size| size.ws_row)
    }

    fn move_cursor_up(&self, by: usize) -> io::Result<()> {
        self.move_cursor(by, 'A')
    }

    fn move_cursor_down(&self, by: usize) -> io::Result<()> {
        self.move_cursor(by, 'B')
    }

    fn move_cursor_right(&self, by: usize) -> io::Result<()> {
        self.move_cursor(by, 'C')
    }

    fn move_cursor_left(&self, by: usize) -> io::Result<()> {
        self.move_cursor(by, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(text)?;
        self.draw("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stderr = io::stderr().lock();
        stderr.write_all(drawn.as_bytes()).and_then(|()| stderr.flush())
    }
}
