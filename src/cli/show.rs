//! `fink show`: the services that run on this machine.

use clap::Args as ClapArgs;
use serde_json::Value;

use super::context::Context;
use super::distribution_status::short_duration;
use super::output::{Format, OutputArgs, Table};
use super::service_status::ServiceStatus;
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
    let columns = &["service", "name", "pid", "started", "lane", "lag", "alerts_per_second", "host", "config"];
    let mut table = Table::new(columns);
    for service in RunningService::all()? {
        let status = ServiceStatus::of(&service);
        let lag = status.as_ref().and_then(ServiceStatus::lag);
        let lag = match (lag, args.output.format) {
            (None, _) => Value::Null,
            (Some(lag), Format::Table) => Value::from(short_duration(lag)),
            (Some(lag), Format::Json | Format::Ndjson) => Value::from(lag.as_secs_f64()),
        };
        let rate = status.as_ref().map_or(Value::Null, |status| Value::from(status.alerts_per_second));
        let RunningService { run, .. } = service;
        table.row([
            Value::from(run.service),
            Value::from(run.name),
            Value::from(run.pid),
            Value::from(format_timestamp(run.started)),
            status.map_or(Value::Null, |status| Value::from(status.lane)),
            lag,
            rate,
            Value::from(run.host),
            run.config.map_or(Value::Null, |config| Value::from(config.display().to_string())),
        ]);
    }
    table.print(args.output.format, context)
}
