//! Passwords that are asked for on the terminal.

use std::fs::File;
use std::io;

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::outcome::Interrupted;
use crate::signals::Stop;

/// The terminal of the process, which does not show what is typed until the prompt is dropped.
pub(super) struct PasswordPrompt {
    terminal: File,
    before: Termios,
    /// Without a handler, a signal would end the process while the terminal does not echo.
    _signals: Stop,
}

impl PasswordPrompt {
    /// Turns the echo off.
    ///
    /// `rpassword` does so only after it has printed its prompt, and so shows what is typed or pasted in between.
    ///
    /// # Errors
    /// The process has no terminal.
    pub fn open() -> anyhow::Result<Self> {
        let _signals = Stop::on_signals()?;
        let open = || -> io::Result<(File, Termios)> {
            let terminal = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&terminal)?;
            let mut silent = before.clone();
            // Otherwise Ctrl-C in front of the first question would be a signal, which does not end the reading of a line.
            silent.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
            tcsetattr(&terminal, OptionalActions::Now, &silent)?;
            Ok((terminal, before))
        };
        let (terminal, before) = open().context("cannot prompt for the password")?;
        Ok(Self { terminal, before, _signals })
    }

    /// Prints `text` and reads a line.
    ///
    /// # Errors
    /// Ctrl-C is [`Interrupted`]; the terminal is closed.
    pub fn ask(&self, text: &str) -> anyhow::Result<String> {
        rpassword::prompt_password(text).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Interrupted.into(),
            io::ErrorKind::UnexpectedEof => anyhow::anyhow!("no password was entered"),
            _ => anyhow::Error::new(error).context("cannot prompt for the password"),
        })
    }
}

impl Drop for PasswordPrompt {
    fn drop(&mut self) {
        // A terminal that is gone has no echo to turn on.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
