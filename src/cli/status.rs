//! `fink status`: what a running distribution does.

use std::time::Duration;

use anyhow::bail;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::context::Context;
use super::distribution_status::{format_rate, short_duration};
use super::output::{self, Format, OutputArgs, Table};
use super::service_status::{ServiceStatus, StreamStatus};
use super::stop::select;
use crate::signals::Stop;
use crate::units::parse_duration;

/// Problems that the table lists.
const MAX_PROBLEMS: usize = 5;

/// `fink status`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink status
          fink status --watch
          fink status --format json

The exit code is 1 if no distribution runs on this machine. `lag` is now minus the time before which everything that was visible in the
science database is published. A stream that was paused is complete again once it has received what it has missed meanwhile.")]
pub struct Args {
    /// Its distribution.name, if several are running
    #[arg(long)]
    name: Option<String>,
    /// Repeat until interrupted
    #[arg(long)]
    watch: bool,
    /// With --watch: time between two reports
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = parse_duration, requires = "watch")]
    every: Duration,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    loop {
        let service = select(args.name.as_deref())?;
        let Some(status) = ServiceStatus::of(&service) else {
            bail!("distribution `{}` (process {}) does not answer", service.run.name, service.run.pid);
        };
        if args.watch && args.output.format == Format::Table && context.is_terminal() {
            // Clears the screen.
            output::print(b"\x1b[H\x1b[2J")?;
        }
        print(&status, args.output.format, context)?;
        if !args.watch || stop.wait(args.every) {
            return Ok(());
        }
    }
}

fn state(stream: &StreamStatus) -> String {
    match (&stream.paused_since, &stream.missed_from) {
        (Some(since), _) => format!("paused since {since}"),
        (None, Some(from)) => format!("has missed alerts since {from}"),
        (None, None) => "complete".to_owned(),
    }
}

fn print(status: &ServiceStatus, format: Format, context: &Context) -> anyhow::Result<()> {
    match format {
        Format::Json => return output::print(format!("{}\n", serde_json::to_string_pretty(status)?).as_bytes()),
        Format::Ndjson => return output::print(format!("{}\n", serde_json::to_string(status)?).as_bytes()),
        Format::Table => {}
    }
    let lag = status.lag().map_or("-".to_owned(), short_duration);
    let progress = status.progress.map_or(String::new(), |progress| format!(" {:.0} %", (progress * 100.0).floor()));
    output::print(
        format!(
            "distribution {}, process {}, fink {}\n{}{progress}, lag {lag}, {} alerts/s: {} alerts, {} messages sent, {} late, {} rejected\n\
             published until {}, watermark {}\n\n",
            status.name,
            status.pid,
            status.version,
            status.lane,
            format_rate(status.alerts_per_second),
            status.alerts,
            status.messages,
            status.late,
            status.rejected,
            status.published_until.as_deref().unwrap_or("-"),
            status.watermark,
        )
        .as_bytes(),
    )?;
    let mut streams = Table::new(&["stream", "topic", "sent", "refused", "rejected", "state"]);
    for stream in &status.streams {
        streams.row([
            Value::from(stream.name.as_str()),
            Value::from(stream.topic.as_str()),
            Value::from(stream.sent),
            Value::from(stream.refused),
            Value::from(stream.rejected),
            Value::from(state(stream)),
        ]);
    }
    streams.print(format, context)?;
    if status.problems.is_empty() {
        return Ok(());
    }
    output::print(b"\nLast problems\n")?;
    let mut problems = Table::new(&["time", "level", "message"]);
    for problem in status.problems.iter().rev().take(MAX_PROBLEMS).rev() {
        problems.row([
            Value::from(problem.time.as_str()),
            Value::from(problem.level.as_str()),
            Value::from(problem.message.as_str()),
        ]);
    }
    problems.print(format, context)
}
