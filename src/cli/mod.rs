//! The command line: one file for each subcommand, with its arguments and its `run`.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 success, 1 failure, 2 invalid arguments or configuration, 3 another process has
//! taken over the distribution, 130 interrupted.

mod alert_table;
mod audit;
mod checkpoint;
mod completions;
mod config;
mod consume;
mod context;
mod demo;
mod distribution;
mod distribution_status;
mod distribution_test;
mod doctor;
mod dry_run;
mod filter;
mod hbase;
mod ingest;
mod kafka;
mod man;
mod metrics;
mod newest_rows;
mod outcome;
mod output;
mod password_prompt;
mod pause;
mod problems;
mod progress;
mod rate;
mod rejected;
mod reload;
mod rules;
mod service_status;
mod show;
mod simulate;
mod start;
mod status;
mod stderr;
mod stop;
mod systemd;
mod terminal;
mod view;

use clap::{CommandFactory, Parser, Subcommand};

pub use context::{Context, Global};
pub use outcome::{Interrupted, Outcome, UsageError};
pub use output::{Format, OutputArgs, Table};
pub use progress::Progress;
pub use stderr::PipedStderr;

const AFTER_HELP: &str = "\
Examples: fink demo
          fink config init, then edit fink.toml, then fink doctor, then fink start distribution

Environment variables: FINK_CONFIG, the configuration file; FINK_LOG, log filter such as `debug` or `warn,fink::kafka=trace`;
one for each configuration key (see `fink config --help`)

Exit codes: 0 success, 1 failure, 2 invalid arguments or configuration, 3 another process has taken over the distribution, 130 interrupted";

/// Distributes astronomical alerts from a science database to Kafka, each alert exactly once
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
    /// Run a demonstration: simulated alerts, embedded servers, a few seconds
    Demo(demo::Args),
    /// Start a service
    #[command(subcommand, arg_required_else_help = true)]
    Start(start::Service),
    /// Alias of `start distribution`
    #[command(hide = true)]
    Distribution(distribution::Args),
    /// Alias of `start distribution_test`
    #[command(name = "distribution_test", alias = "distribution-test", hide = true)]
    DistributionTest(distribution_test::Args),
    /// Stop a running service
    #[command(subcommand, arg_required_else_help = true)]
    Stop(stop::Service),
    /// List the services that run on this machine
    Show(show::Args),
    /// Show what a running distribution does: lag, rates, counts of each stream, problems
    Status(status::Args),
    /// Pause a stream of a running distribution
    Pause(pause::Pause),
    /// Resume a paused stream: it receives what it has missed
    Resume(pause::Resume),
    /// Read alerts: print them or save them
    Consume(Box<consume::Args>),
    /// Look at alerts: light curves and stamps on a page on this machine
    View(Box<view::Args>),
    /// Compare the science database with the topics, alert by alert
    Audit(audit::Args),
    /// List rejected alerts, or publish them once their cause is corrected
    #[command(subcommand, arg_required_else_help = true)]
    Rejected(rejected::Action),
    /// Show, export, import and move the checkpoint of a distribution
    #[command(subcommand, arg_required_else_help = true, after_help = checkpoint::AFTER_HELP)]
    Checkpoint(checkpoint::Action),
    /// Check a rules file
    #[command(subcommand, arg_required_else_help = true)]
    Rules(rules::Action),
    /// Test a Python filter
    #[command(subcommand, arg_required_else_help = true)]
    Filter(filter::Action),
    /// Show the settings, or create a commented configuration file
    #[command(subcommand, arg_required_else_help = true, after_help = config::AFTER_HELP)]
    Config(config::Action),
    /// Load alert files into the science database
    Ingest(ingest::Args),
    /// Create synthetic alerts
    Simulate(simulate::Args),
    /// Manage Kafka users, ACLs, topics and consumer groups
    #[command(subcommand, visible_alias = "kafka-admin", arg_required_else_help = true, after_help = kafka::AFTER_HELP)]
    Kafka(kafka::Action),
    /// Manage the replication peer through which HBase pushes new rows
    #[command(subcommand, arg_required_else_help = true, after_help = hbase::AFTER_HELP)]
    Hbase(hbase::Action),
    /// Check configuration, connections and permissions
    Doctor(doctor::Args),
    /// Print shell completions
    Completions(completions::Args),
    /// Print man pages
    Man(man::Args),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Any failure; [`Outcome::from_result`] maps it to an exit code.
    pub fn run(self) -> anyhow::Result<()> {
        let context = Context::new(self.global)?;
        match &self.command {
            Command::Demo(args) => demo::run(args, &context),
            Command::Start(service) => start::run(service, &context),
            Command::Distribution(args) => distribution::run(args, &context),
            Command::DistributionTest(args) => distribution_test::run(args, &context),
            Command::Stop(service) => stop::run(service),
            Command::Show(args) => show::run(args, &context),
            Command::Status(args) => status::run(args, &context),
            Command::Pause(args) => args.run(),
            Command::Resume(args) => args.run(),
            Command::Consume(args) => consume::run(args, &context),
            Command::View(args) => view::run(args, &context),
            Command::Audit(args) => audit::run(args, &context),
            Command::Rejected(action) => rejected::run(action, &context),
            Command::Checkpoint(action) => checkpoint::run(action, &context),
            Command::Rules(action) => rules::run(action, &context),
            Command::Filter(action) => filter::run(action, &context),
            Command::Config(action) => config::run(action, &context),
            Command::Ingest(args) => ingest::run(args, &context),
            Command::Simulate(args) => simulate::run(args, &context),
            Command::Kafka(action) => kafka::run(action, &context),
            Command::Hbase(action) => hbase::run(action, &context),
            Command::Doctor(args) => doctor::run(args, &context),
            Command::Completions(args) => completions::run(args, &mut command()),
            Command::Man(args) => man::run(args, command()),
        }
    }
}

/// The command line, for completions and man pages.
fn command() -> clap::Command {
    Cli::command()
}
