//! The command line: one file a subcommand, with its arguments and its `run`.
//!
//! Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.

mod completions;
mod config;
mod context;
mod distribution;
mod distribution_test;
mod man;
mod outcome;
mod output;
mod progress;
mod show;
mod stop;

use clap::{CommandFactory, Parser, Subcommand};

pub use context::{Context, Global};
pub use distribution::{Distribution, Job};
pub use distribution_test::DistributionTest;
pub use outcome::{Interrupted, Outcome, Usage};
pub use output::{Format, OutputArgs, Table};
pub use progress::Progress;

const AFTER_HELP: &str = "\
Example: fink config init, then edit fink.toml, then fink start distribution

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted";

/// Redistributes astronomical alerts: from a science database to Kafka, each alert exactly once
#[derive(Debug, Parser)]
#[command(name = "fink", version, after_help = AFTER_HELP, arg_required_else_help = true, max_term_width = 110, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// End a running service cleanly
    #[command(subcommand, arg_required_else_help = true)]
    Stop(stop::Service),
    /// List the services that run on this machine
    Show(show::Args),
    /// Show the settings, or write a commented configuration file
    #[command(subcommand, arg_required_else_help = true)]
    Config(config::Action),
    /// Print the completions of a shell
    Completions(completions::Args),
    /// Print the manual as man pages
    Man(man::Args),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever made it fail; [`Outcome::of`] gives the exit code.
    pub fn run(self) -> anyhow::Result<()> {
        let context = Context::new(self.global)?;
        match &self.command {
            Command::Stop(service) => stop::run(service),
            Command::Show(args) => show::run(args, &context),
            Command::Config(action) => config::run(action, &context),
            Command::Completions(args) => completions::run(args),
            Command::Man(args) => man::run(args),
        }
    }
}

/// The whole command line, as clap sees it.
fn command() -> clap::Command {
    Cli::command()
}
