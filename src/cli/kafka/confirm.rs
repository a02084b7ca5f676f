//! Confirmation of changes.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use clap::Args;
use log::Level;

use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::{Format, Table};

/// `--yes` and `--dry-run`, for commands that ask for confirmation.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ConfirmArgs {
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Show the changes without making them
    #[arg(long)]
    pub dry_run: bool,
}

impl ConfirmArgs {
    /// Shows the changes and asks for confirmation. Not for a dry run.
    ///
    /// # Errors
    /// The user declines, or stdin is not a terminal.
    pub fn ask(self, plan: &Table, question: &str) -> anyhow::Result<()> {
        let asks = !self.yes;
        if asks && !io::stdin().is_terminal() {
            let reason = "stdin is not a terminal, so the changes cannot be confirmed: use --yes to make them, or --dry-run to see them";
            return Err(UsageError(reason.to_owned()).into());
        }
        if asks || log::log_enabled!(Level::Info) {
            plan.print_to_stderr();
        }
        if asks && !is_yes(question)? {
            bail!("nothing was changed");
        }
        Ok(())
    }

    /// As [`ask`](Self::ask), for a plan that is also the output: that of a dry run, and one without changes, is printed. Returns whether to make
    /// the changes.
    ///
    /// # Errors
    /// The user declines, stdin is not a terminal, or the plan cannot be printed.
    pub fn ask_or_print(self, plan: &Table, question: &str, format: Format, context: &Context) -> anyhow::Result<bool> {
        if self.dry_run || plan.is_empty() {
            plan.print(format, context)?;
            return Ok(false);
        }
        self.ask(plan, question).map(|()| true)
    }
}

/// Asks a question on stderr. Returns whether the answer is yes.
pub(crate) fn is_yes(question: &str) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
