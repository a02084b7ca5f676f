//! Asking before something is done.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use clap::Args;
use log::Level;

use crate::cli::context::Context;
use crate::cli::outcome::Usage;
use crate::cli::output::{Format, Table};

/// `--yes` and `--dry-run`, for commands that ask.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct ConsentArgs {
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl ConsentArgs {
    /// Shows what is about to be done, and asks whether to do it. Not to be called for a dry run.
    ///
    /// # Errors
    /// The answer is no, or there is nobody to ask.
    pub fn obtain(self, plan: &Table, question: &str) -> anyhow::Result<()> {
        let asks = !self.yes;
        if asks && !io::stdin().is_terminal() {
            let reason =
                "this is asked for on a terminal only: say --yes to do it without asking, or --dry-run to see it";
            return Err(Usage(reason.to_owned()).into());
        }
        if asks || log::log_enabled!(Level::Info) {
            plan.announce();
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
    pub fn obtain_or_print(
        self,
        plan: &Table,
        question: &str,
        format: Format,
        context: &Context,
    ) -> anyhow::Result<bool> {
        if self.dry_run || plan.is_empty() {
            plan.print(format, context)?;
            return Ok(false);
        }
        self.obtain(plan, question).map(|()| true)
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
