//! The checks, printed as they are made.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::outcome::stdout_error;
use crate::cli::output::Format;

#[derive(Clone, Copy, PartialEq, Eq)]
enum CheckState {
    Passed,
    Failed,
    Unknown,
}

/// The checks so far.
pub(super) struct Checklist {
    format: Format,
    colour: bool,
    checks: Vec<Value>,
    failed: usize,
}

impl Checklist {
    pub fn new(format: Format, colour: bool) -> Self {
        Self { format, colour, checks: Vec::new(), failed: 0 }
    }

    /// Records that `what` is good.
    pub fn pass(&mut self, what: &str, found: impl Display) -> anyhow::Result<()> {
        self.add(CheckState::Passed, what, found)
    }

    /// Records that `what` is bad: the problem, and what to do.
    pub fn fail(&mut self, what: &str, problem: impl Display) -> anyhow::Result<()> {
        self.failed += 1;
        self.add(CheckState::Failed, what, problem)
    }

    /// Records that `what` was not checked, or needs attention, and why.
    pub fn unknown(&mut self, what: &str, why: impl Display) -> anyhow::Result<()> {
        self.add(CheckState::Unknown, what, why)
    }

    fn add(&mut self, state: CheckState, what: &str, text: impl Display) -> anyhow::Result<()> {
        let text = text.to_string();
        let (word, mark, colour) = match state {
            CheckState::Passed => ("good", "✔", "32"),
            CheckState::Failed => ("bad", "✖", "31"),
            CheckState::Unknown => ("unknown", "?", "33"),
        };
        let check = json!({"check": what, "state": word, "text": text});
        let mut out = io::stdout().lock();
        let written = match self.format {
            Format::Table if self.colour => writeln!(out, "\u{1b}[{colour}m{mark}\u{1b}[0m {what}: {text}"),
            Format::Table => writeln!(out, "{mark} {what}: {text}"),
            Format::Ndjson => writeln!(out, "{check}"),
            Format::Json => Ok(()),
        };
        self.checks.push(check);
        written.and_then(|()| out.flush()).map_err(stdout_error)
    }

    /// Prints the rest of the output. Returns the number of failed checks, and of all checks.
    pub fn finish(self) -> anyhow::Result<(usize, usize)> {
        let all = self.checks.len();
        if self.format == Format::Json {
            let mut out = io::stdout().lock();
            let text = format!("{:#}", Value::Array(self.checks));
            writeln!(out, "{text}").and_then(|()| out.flush()).map_err(stdout_error)?;
        }
        Ok((self.failed, all))
    }
}
