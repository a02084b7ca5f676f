//! `fink start distribution`: the service and bounded jobs.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args as ClapArgs;

use super::context::Context;
use super::distribution_status::{StatusLine, place, summary};
use super::dry_run;
use super::kafka::confirm::is_yes;
use super::metrics::{self, Monitor};
use super::outcome::{Fenced, Interrupted, UsageError};
use super::output::OutputArgs;
use super::pause;
use super::reload::{Reload, refused};
use super::service_status::{LatestStats, ServiceStatus};
use super::systemd::ServiceManager;
use crate::config::{Configuration, RequiredLogin};
use crate::control_socket::ControlSocket;
use crate::distribution::instruments::Instruments;
use crate::distribution::settings::{Settings, Start, StreamSettings};
use crate::distribution::stats::{Lane, Stats};
use crate::distribution::{self, DistributionError, EndReason, Request, Resend, StreamControl};
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
    /// Where to start: earliest, latest, now, a time ago such as -2h, a date such as 2019-11-01, milliseconds since 1970, or RFC 3339
    /// [default: distribution.start; for a job: earliest]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    from: Option<Start>,
    /// Run a bounded job that ends with the rows before this time: now, a time ago, a date, milliseconds since 1970, or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = parse_timestamp, allow_hyphen_values = true)]
    until: Option<i64>,
    /// Publish only this stream; repeatable [default: all]
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// Exit after this time
    #[arg(long, alias = "exit_after", value_name = "DUR", value_parser = parse_duration)]
    exit_after: Option<Duration>,
    /// Send alerts again that the topics hold already, without confirmation
    #[arg(short, long)]
    yes: bool,
    /// Wait until no other process of this distribution is active, then start
    #[arg(long, conflicts_with_all = ["until", "streams", "dry_run"])]
    standby: bool,
    /// With --until: exit with 0 although alerts were rejected
    #[arg(long, requires = "until")]
    allow_rejected: bool,
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
        restart: None,
        stream_control: StreamControl::default(),
    };
    request.check(&settings, Timestamp::now()).map_err(command_error)?;
    let stop = Stop::on_signals()?;
    let name = &settings.distribution.name;
    if args.standby && !wait_for_turn(&settings, &configuration, &stop, args.exit_after)? {
        return stopped(&stop, &request);
    }
    // A job may run at the same time as the service, and a dry run at any time.
    let is_service = !request.is_job() && !request.dry_run && request.streams.is_empty();
    let run_file = match is_service {
        true => Some(RunFile::create("distribution", name, configuration.file.as_deref())?),
        false => None,
    };
    let latest = LatestStats::default();
    let _socket =
        run_file.as_ref().and_then(|file| listen(&file.socket(), name, &latest, &request.stream_control, context));
    let listen_at = settings.metrics.listen.filter(|_| is_service);
    let instruments = Instruments::default();
    let monitor = || Monitor::new(name, &latest, &instruments, context.problems());
    let _metrics = listen_at.map(|address| metrics::serve(address, monitor())).transpose()?;
    let mut line = StatusLine::new(context, args.dry_run, latest);
    let outcome = run_and_reload(settings.clone(), request.clone(), &stop, args.yes, &instruments, &mut line, context);
    line.finish();
    let (ended, stats, streams) = outcome?;
    match args.dry_run {
        true => log::info!("{}: dry run, nothing was sent", describe_end(ended)),
        false => log::info!("{}: {}", describe_end(ended), summary(&stats, false)),
    }
    dry_run::log_refusals(&stats, &streams);
    if args.dry_run {
        dry_run::print(&stats, &streams, args.output, context)?;
    }
    match (ended, stats.rejected()) {
        (EndReason::Stopped | EndReason::Restart, _) => stopped(&stop, &request),
        (EndReason::Finished | EndReason::TimeLimit, rejected)
            if rejected > 0 && request.is_job() && !args.allow_rejected =>
        {
            bail!("{rejected} alerts were rejected: see `fink rejected list`, or use --allow-rejected")
        }
        (EndReason::Finished | EndReason::TimeLimit, _) => Ok(()),
    }
}

/// Runs the distribution, and starts it again with new settings after each SIGHUP. Returns the statistics of the last run, and its streams.
fn run_and_reload(
    mut settings: Settings,
    mut request: Request,
    stop: &Stop,
    yes: bool,
    instruments: &Instruments,
    line: &mut StatusLine,
    context: &Context,
) -> anyhow::Result<(EndReason, Stats, Vec<StreamSettings>)> {
    let mut reload = Reload::on_signal(context)?;
    let mut manager = ServiceManager::from_environment();
    manager.ready();
    let deadline = request.exit_after.and_then(|duration| Instant::now().checked_add(duration));
    let confirm = |resend: &Resend| confirm(resend, yes, context);
    // The settings before the last reload, until the new ones have been at work.
    let mut former: Option<Settings> = None;
    loop {
        let restart = stop.token().child();
        request.restart = Some(restart.clone());
        request.exit_after = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let streams = request.select_streams(&settings.streams).map_err(command_error)?;
        let name = &settings.distribution.name;
        let mut has_begun = false;
        let outcome = distribution::run(&settings, &request, stop.token(), &confirm, instruments, &mut |stats| {
            if stats.lane != Lane::Start && !std::mem::replace(&mut has_begun, true) && former.is_some() {
                log::info!("the new configuration is in force");
            }
            line.show(stats);
            manager.report(|| place(stats));
            reload.poll(&request, name, &restart);
        });
        match outcome {
            Ok((EndReason::Restart, stats)) => {
                log::info!("before the new configuration: {}", summary(&stats, false));
                if let Some(new) = reload.take() {
                    former = Some(std::mem::replace(&mut settings, new));
                }
            }
            Err(error) if !has_begun && !error.is_fenced() && former.is_some() => {
                refused(&error.to_string());
                settings = former.take().unwrap_or(settings);
            }
            outcome => {
                manager.stopping();
                let (ended, stats) = outcome.map_err(command_error)?;
                return Ok((ended, stats, streams));
            }
        }
    }
}

/// The outcome of a distribution that a signal has stopped. A service that its supervisor stops has succeeded; a job that is stopped has not.
fn stopped(stop: &Stop, request: &Request) -> anyhow::Result<()> {
    match stop.signal() {
        Some(Signal::Terminate) if !request.is_job() => Ok(()),
        _ => Err(Interrupted.into()),
    }
}

/// Waits until no other process is active. Returns whether to start; not if a signal has stopped it.
fn wait_for_turn(
    settings: &Settings,
    configuration: &Configuration,
    stop: &Stop,
    exit_after: Option<Duration>,
) -> anyhow::Result<bool> {
    let _run_file = RunFile::create("standby", &settings.distribution.name, configuration.file.as_deref())?;
    let deadline = exit_after.and_then(|duration| Instant::now().checked_add(duration));
    match distribution::wait_for_turn(settings, &stop.token().child_with_deadline(deadline)) {
        Err(DistributionError::Cancelled) if !stop.requested() => {
            bail!("another process was active until the time of --exit-after was over")
        }
        Err(DistributionError::Cancelled) => Ok(false),
        result => result.map(|()| true).map_err(command_error),
    }
}

/// Answers requests about this service. Without a socket it runs all the same.
fn listen(
    path: &Path,
    name: &str,
    latest: &LatestStats,
    control: &StreamControl,
    context: &Context,
) -> Option<ControlSocket> {
    let (name, latest, problems) = (name.to_owned(), latest.clone(), context.problems().clone());
    let status = move || ServiceStatus::new(&name, &latest, &problems);
    let control = control.clone();
    let respond = move |request: &str| {
        pause::respond(request, &control).unwrap_or_else(|| ServiceStatus::respond(request, &status))
    };
    let socket = ControlSocket::listen(path, respond);
    socket
        .inspect_err(|error| log::warn!("`fink status` is not available: cannot listen on {}: {error}", path.display()))
        .ok()
}

/// Asks whether to send alerts again.
fn confirm(resend: &Resend, yes: bool, context: &Context) -> bool {
    if yes {
        log::warn!("{resend} (--yes)");
        return true;
    }
    io::stdin().is_terminal()
        && context.bars().suspend(|| is_yes(&format!("{resend}. Send them again?"))).unwrap_or(false)
}

fn describe_end(ended: EndReason) -> &'static str {
    match ended {
        EndReason::Finished => "finished",
        EndReason::TimeLimit => "exit time reached",
        EndReason::Stopped => "stopped",
        EndReason::Restart => "ended for a restart",
    }
}

/// Maps configuration errors to their exit code.
pub(super) fn command_error(error: DistributionError) -> anyhow::Error {
    match error.is_configuration() {
        true => UsageError(error.to_string()).into(),
        false if error.is_fenced() => Fenced(error.to_string()).into(),
        false => error.into(),
    }
}
