//! `fink audit`: compares the science database with the topics, alert by alert.

mod report;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::bail;
use clap::{Args as ClapArgs, ValueHint};
use serde_json::Value;

use self::report::Report;
use super::context::Context;
use super::kafka::confirm::ConfirmArgs;
use super::outcome::{Interrupted, UsageError};
use super::output::{Format, OutputArgs, Table};
use super::progress::Progress;
use crate::audit::{Audit, AuditError, AuditProgress, AuditRequest, AuditTotals, Category, Comparison};
use crate::config::RequiredLogin;
use crate::distribution::settings::Start;
use crate::kafka::Error as KafkaError;
use crate::signals::Stop;
use crate::timestamp::Timestamp;
use crate::units::parse_timestamp;
use crate::window::Window;

/// How many differences are listed by default, except in ndjson.
const DEFAULT_LIMIT: u64 = 20;

/// `fink audit`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink audit --from 2026-02-01T12:00:00Z --until 2026-02-02T12:00:00Z
          fink audit --from earliest --until now --stream full --by-night
          fink audit --from 2026-02-01T12:00:00Z --until 2026-02-02T12:00:00Z --format ndjson > differences.ndjson
          fink audit --from 2026-02-01T12:00:00Z --until 2026-02-02T12:00:00Z --repair --dry-run

The exit code is 1 if there are differences. Topics are read from beginning to end, since an alert can be sent long after its row was
written. A night is named by the date on which it begins. Its alerts are those whose rows were written in it.")]
pub struct Args {
    /// Start of the time range, inclusive: earliest, a time ago such as -2h, a date, milliseconds since 1970, or RFC 3339
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    from: Start,
    /// End of the time range, exclusive: now, a time ago, a date, milliseconds since 1970, or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = parse_timestamp, allow_hyphen_values = true)]
    until: i64,
    /// Audit only this stream; repeatable [default: all]
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// Read the topics as the administrator (kafka.admin), when the user (kafka.username) may only write to them
    #[arg(long)]
    as_admin: bool,
    /// Publish missing alerts, after confirmation
    #[arg(long)]
    repair: bool,
    /// With --repair: do not ask for confirmation
    #[arg(short, long, requires = "repair")]
    yes: bool,
    /// With --repair: print what would be published, and publish nothing
    #[arg(long, requires = "repair")]
    dry_run: bool,
    /// Also print the counts of each night
    #[arg(long)]
    by_night: bool,
    /// Hour (UTC) at which nights begin
    #[arg(long, value_name = "HOUR", default_value_t = 12, value_parser = clap::value_parser!(u8).range(0..24))]
    night_start: u8,
    /// Maximum number of differences to list [default: 20; with --format ndjson: all]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Directory for temporary files: about 60 bytes for each alert, stream and side [default: that of the system]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value_os_t = std::env::temp_dir(), hide_default_value = true)]
    temp_dir: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    fn window(&self) -> Result<Window, UsageError> {
        let now = Timestamp::now();
        let Some(from) = self.from.time(now) else {
            return Err(UsageError("--from latest is not a time: use `earliest` or a timestamp".to_owned()));
        };
        let until = Timestamp::from_millis(self.until);
        if until > now {
            return Err(UsageError(format!("--until {} is in the future: use `now`", until.with_millis())));
        }
        Window::new(from, until).ok_or_else(|| {
            UsageError(format!("--from {} is not before --until {}", from.with_millis(), until.with_millis()))
        })
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let window = args.window()?;
    let configuration = context.configuration()?;
    let settings = configuration.settings(RequiredLogin::User)?;
    let reader = match args.as_admin {
        true => configuration.settings(RequiredLogin::Admin)?.kafka.admin,
        false => None,
    };
    let request = AuditRequest {
        window,
        streams: args.streams.clone(),
        temp_dir: args.temp_dir.clone(),
        night_hour: args.night_start,
        reader,
    };
    let stop = Stop::on_signals()?;
    let audit = Audit::new(&settings, &request, stop.token()).map_err(audit_error)?;
    let limit = args.limit.unwrap_or(if args.output.format == Format::Ndjson { u64::MAX } else { DEFAULT_LIMIT });
    let mut report = Report::new(args.output.format, limit);
    let progress = Mutex::new(None);
    let step = |step: AuditProgress<'_>| show_progress(step, &progress, context);
    let found = audit.compare(&step, &mut |difference| report.add(difference));
    finish_progress(&progress);
    let mut comparison = found.map_err(compare_error)?;
    report.print(&audit, &comparison.totals, args.by_night, window, context)?;
    let published = match args.repair {
        true => repair(args, &audit, &mut comparison, &step, &progress)?,
        false => 0,
    };
    fail_on_differences(&comparison.totals, published)
}

/// Publishes missing alerts. Returns how many are no longer missing.
fn repair(
    args: &Args,
    audit: &Audit<'_>,
    comparison: &mut Comparison,
    step: &(dyn Fn(AuditProgress<'_>) + Sync),
    progress: &Mutex<Option<Progress>>,
) -> anyhow::Result<u64> {
    let mut plan = Table::new(&["stream", "topic", "to_publish"]);
    let repairable = comparison.repairable();
    for (stream, count) in audit.streams().iter().zip(&repairable).filter(|(_, count)| **count > 0) {
        plan.row([Value::from(stream.name.as_str()), stream.topic.as_str().into(), (*count).into()]);
    }
    let total: u64 = repairable.iter().sum();
    if plan.is_empty() {
        log::info!("there is nothing to publish");
        return Ok(0);
    }
    if args.dry_run {
        plan.print_to_stderr();
        log::info!("dry run: nothing was published");
        return Ok(0);
    }
    ConfirmArgs { yes: args.yes, dry_run: false }.ask(&plan, &format!("publish {total} alerts?"))?;
    let published = audit.publish(comparison, step);
    finish_progress(progress);
    let published = published.map_err(audit_error)?;
    match published == total {
        true => log::info!("{published} missing alerts were published"),
        false => log::info!(
            "{published} of {total} missing alerts were published; the others have reached their topic meanwhile, or their rows have changed"
        ),
    }
    // An alert that reached its topic meanwhile is not missing either.
    Ok(total)
}

/// Fails if differences remain.
fn fail_on_differences(totals: &AuditTotals, repaired: u64) -> anyhow::Result<()> {
    let total = |count| totals.streams().iter().map(|stream| stream.get(count)).sum::<u64>();
    let left = [
        (total(Category::Missing).saturating_sub(repaired), "missing"),
        (total(Category::Duplicated), "duplicated"),
        (total(Category::Altered), "altered"),
        (total(Category::Unwanted), "unwanted"),
    ];
    let left: Vec<String> =
        left.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !left.is_empty() {
        bail!("the science database and the topics differ: {}", left.join(", "));
    }
    log::info!("the science database and the topics agree");
    Ok(())
}

/// Shows the progress of a command that reads topics and the science database.
pub(super) fn show_progress(step: AuditProgress<'_>, progress: &Mutex<Option<Progress>>, context: &Context) {
    let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
    let mut begin = |what, total| {
        if let Some(before) = progress.replace(Progress::new(context, what, total)) {
            before.finish();
        }
    };
    match step {
        AuditProgress::Topic(topic, total) => {
            log::info!("reading topic `{topic}`: about {total} messages");
            begin("messages", Some(total));
        }
        AuditProgress::Database => {
            log::info!("reading the science database");
            begin("rows", None);
        }
        AuditProgress::Publish(total) => begin("alerts", Some(total)),
        AuditProgress::Messages(count) | AuditProgress::Rows(count) | AuditProgress::Published(count) => {
            if let Some(progress) = &*progress {
                progress.add(count);
            }
        }
    }
}

/// Removes the progress bar.
pub(super) fn finish_progress(progress: &Mutex<Option<Progress>>) {
    if let Some(progress) = progress.lock().unwrap_or_else(PoisonError::into_inner).take() {
        progress.finish();
    }
}

/// Maps configuration errors and signals to their exit codes.
pub(super) fn audit_error(error: AuditError) -> anyhow::Error {
    match error {
        AuditError::Stopped | AuditError::Kafka(KafkaError::Cancelled(_)) => Interrupted.into(),
        error if error.is_configuration() => UsageError(error.to_string()).into(),
        AuditError::Kafka(error @ KafkaError::NotAuthorized { .. }) => {
            anyhow::anyhow!("{error}; or use --as-admin to read the topics as the user of [kafka.admin]")
        }
        AuditError::Spill(error) => anyhow::anyhow!("{error}; choose another folder with --temp-dir"),
        error @ AuditError::OneWriter { .. } => anyhow::anyhow!("{error} (--stream)"),
        error => error.into(),
    }
}

fn compare_error(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<AuditError>() {
        Ok(error) => audit_error(error),
        Err(error) => error,
    }
}
