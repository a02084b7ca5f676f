//! Asking before something is done.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use clap::Args;
use log::Level;

use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::{Format, Table};

/// `--yes` and `--dry-run`, for commands that ask.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct ConfirmArgs {
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl ConfirmArgs {
    /// Shows what is about to be done, and asks whether to do it. Not to be called for a dry run.
    ///
    /// # Errors
    /// The answer is no, or there is nobody to ask.
    pub fn ask(self, plan: &Table, question: &str) -> anyhow::Result<()> {
        let asks = !self.yes;
        if asks && !io::stdin().is_terminal() {
            let reason =
                "this is asked for on a terminal only: say --yes to do it without asking, or --dry-run to see it";
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

    /// The same for a plan that is data as well: a dry run, and a plan with nothing in it, is printed. Whether to go on.
    ///
    /// # Errors
    /// The answer is no, there is nobody to ask, or the plan cannot be printed.
    pub fn ask_or_print(self, plan: &Table, question: &str, format: Format, context: &Context) -> anyhow::Result<bool> {
        if self.dry_run || plan.is_empty() {
            plan.print(format, context)?;
            return Ok(false);
        }
        self.ask(plan, question).map(|()| true)
    }
}

fn is_yes(question: &str) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
