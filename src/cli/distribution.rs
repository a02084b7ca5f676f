//! `fink start distribution`: the service and bounded jobs.

use std::time::Duration;

use clap::Args as ClapArgs;

use super::context::Context;
use super::distribution_status::StatusLine;
use super::dry_run;
use super::outcome::{Interrupted, UsageError};
use super::output::OutputArgs;
use crate::config::RequiredLogin;
use crate::distribution::settings::Start;
use crate::distribution::{self, DistributionError, EndReason, Request};
use crate::runfile::RunFile;
use crate::signals::{Signal, Stop};
use crate::timestamp::Timestamp;
use crate::units::{parse_duration, parse_timestamp};

/// `fink start distribution`, `fink distribution`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink start distribution
          fink start distribution --from 2019-11-01T00:00:00Z --until 2019-11-02T00:00:00Z --stream full
          set -a; . conf/fink.conf.distribution; fink start distribution --exit-after 1h")]
pub struct Args {
    /// Where to start: earliest, latest, now, milliseconds since 1970, or RFC 3339 [default: distribution.start; for a job: earliest]
    #[arg(long, value_name = "WHEN")]
    from: Option<Start>,
    /// Run a bounded job that ends with the rows before this time: now, milliseconds since 1970, or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = parse_timestamp)]
    until: Option<i64>,
    /// Publish only this stream; repeatable [default: all]
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// Exit after this time
    #[arg(long, alias = "exit_after", value_name = "DUR", value_parser = parse_duration)]
    exit_after: Option<Duration>,
    /// Read, filter and encode, but send nothing; print the counts of each stream
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let configuration = context.configuration()?;
    let settings = configuration.settings(if args.dry_run { RequiredLogin::None } else { RequiredLogin::User })?;
    let request = Request {
        from: args.from,
        until: args.until.map(Timestamp::from_millis),
        streams: args.streams.clone(),
        exit_after: args.exit_after,
        dry_run: args.dry_run,
    };
    let streams = request.check(&settings, Timestamp::now()).map_err(command_error)?;
    let stop = Stop::on_signals()?;
    // A job may run at the same time as the service, and a dry run at any time.
    let is_service = !request.is_job() && !request.dry_run && request.streams.is_empty();
    let _run_file = match is_service {
        true => Some(RunFile::create("distribution", &settings.distribution.name, configuration.file.as_deref())?),
        false => None,
    };
    let mut line = StatusLine::new(context, request.is_job());
    let outcome = distribution::run(&settings, &request, stop.token(), &mut |stats| line.show(stats));
    line.finish();
    let (ended, stats) = outcome.map_err(command_error)?;
    match args.dry_run {
        true => log::info!("{}: dry run, nothing was sent", describe_end(ended)),
        false => log::info!("{}: {}", describe_end(ended), super::distribution_status::summary(&stats)),
    }
    dry_run::log_refusals(&stats, &streams);
    if args.dry_run {
        dry_run::print(&stats, &streams, args.output, context)?;
    }
    match (ended, stop.signal()) {
        // A service that its supervisor stops has succeeded; a job that is stopped has not.
        (EndReason::Stopped, Some(Signal::Terminate)) if !request.is_job() => Ok(()),
        (EndReason::Stopped, _) => Err(Interrupted.into()),
        (EndReason::Finished | EndReason::TimeLimit, _) => Ok(()),
    }
}

fn describe_end(ended: EndReason) -> &'static str {
    match ended {
        EndReason::Finished => "finished",
        EndReason::TimeLimit => "exit time reached",
        EndReason::Stopped => "stopped",
    }
}

/// Maps configuration errors to their exit code.
pub(super) fn command_error(error: DistributionError) -> anyhow::Error {
    match error.is_configuration() {
        true => UsageError(error.to_string()).into(),
        false => error.into(),
    }
}
