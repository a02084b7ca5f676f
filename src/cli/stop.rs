//! `fink stop`: stops a running service.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::outcome::UsageError;
use crate::runfile::RunningService;
use crate::units::{format_duration, parse_duration};

/// `fink stop …`
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Stop the distribution after it has committed the open transaction
    #[command(after_help = "Example: fink stop distribution --timeout 2m")]
    Distribution(Distribution),
}

/// `fink stop distribution`
#[derive(Debug, Args)]
pub struct Distribution {
    /// Its distribution.name, if several are running
    #[arg(long)]
    name: Option<String>,
    /// How long to wait until it has stopped
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
}

/// The running distribution with this name, or the only one.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn select(name: Option<&str>) -> anyhow::Result<RunningService> {
    let mut running: Vec<RunningService> = RunningService::all()?;
    running
        .retain(|running| running.run.service == "distribution" && name.is_none_or(|name| *name == running.run.name));
    match (running.len(), running.pop(), name) {
        (1, Some(running), _) => Ok(running),
        (_, None, Some(name)) => {
            bail!("no distribution `{name}` is running on this machine: `fink show` lists the services")
        }
        (_, None, None) => bail!("no distribution is running on this machine"),
        (_, Some(last), _) => {
            running.push(last);
            let names: Vec<&str> = running.iter().map(|running| running.run.name.as_str()).collect();
            let names = names.join(", ");
            Err(UsageError(format!("several distributions are running ({names}): select one with --name")).into())
        }
    }
}

pub(super) fn run(service: &Service) -> anyhow::Result<()> {
    let Service::Distribution(args) = service;
    let running = select(args.name.as_deref())?;
    running.terminate()?;
    if !running.wait(args.timeout) {
        bail!(
            "distribution `{}` (process {}) has not stopped after {}: see its log, or use a longer --timeout",
            running.run.name,
            running.run.pid,
            format_duration(args.timeout)
        );
    }
    log::info!("distribution `{}` has stopped", running.run.name);
    Ok(())
}
