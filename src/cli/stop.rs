//! `fink stop`: ends a running service cleanly.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::outcome::UsageError;
use crate::config::{format_duration, parse_duration};
use crate::runfile::RunningService;

/// `fink stop …`
#[derive(Debug, Subcommand)]
pub enum Service {
    /// End the distribution: what it has begun is published and committed first
    #[command(after_help = "Example: fink stop distribution --timeout 2m")]
    Distribution(Distribution),
}

/// `fink stop distribution`
#[derive(Debug, Args)]
pub struct Distribution {
    /// Which one, where several run: its distribution.name
    #[arg(long)]
    name: Option<String>,
    /// How long to wait for its end
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
}

pub(super) fn run(service: &Service) -> anyhow::Result<()> {
    let Service::Distribution(args) = service;
    let mut running: Vec<RunningService> = RunningService::all()?;
    running.retain(|running| {
        running.run.service == "distribution" && args.name.as_ref().is_none_or(|name| *name == running.run.name)
    });
    let running = match (running.as_slice(), &args.name) {
        ([running], _) => running,
        ([], Some(name)) => bail!("no distribution `{name}` runs here: `fink show` lists what runs"),
        ([], None) => bail!("no distribution runs here"),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|running| running.run.name.as_str()).collect();
            return Err(UsageError(format!("several run, {}: say which with --name", names.join(", "))).into());
        }
    };
    running.terminate()?;
    if !running.wait(args.timeout) {
        bail!(
            "distribution `{}` (process {}) has not ended after {}: wait longer with --timeout, or look at its log",
            running.run.name,
            running.run.pid,
            format_duration(args.timeout)
        );
    }
    log::info!("distribution `{}` has ended", running.run.name);
    Ok(())
}
