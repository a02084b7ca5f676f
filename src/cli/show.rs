//! `fink show`: the services that run on this machine.

use clap::Args as ClapArgs;
use serde_json::Value;

use super::context::Context;
use super::output::{OutputArgs, Table};
use crate::runfile::RunningService;
use crate::units::format_timestamp;

/// `fink show`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example: fink show --format json")]
pub struct Args {
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(&["service", "name", "pid", "started", "host", "config"]);
    for RunningService { run, .. } in RunningService::all()? {
        table.row([
            Value::from(run.service),
            Value::from(run.name),
            Value::from(run.pid),
            Value::from(format_timestamp(run.started)),
            Value::from(run.host),
            run.config.map_or(Value::Null, |config| Value::from(config.display().to_string())),
        ]);
    }
    table.print(args.output.format, context)
}
