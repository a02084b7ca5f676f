//! `fink rejected`: lists rejected alerts, and publishes those that can be encoded now.

use std::collections::BTreeMap;
use std::sync::Mutex;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::audit::{audit_error, finish_progress, show_progress};
use super::context::Context;
use super::kafka::confirm::ConfirmArgs;
use super::outcome::UsageError;
use super::output::{OutputArgs, Table};
use crate::audit::{Audit, AuditProgress, AuditRequest, RejectedAlert};
use crate::config::RequiredLogin;
use crate::distribution::settings::{Settings, Start};
use crate::kafka::Login;
use crate::signals::Stop;
use crate::timestamp::Timestamp;
use crate::units::parse_timestamp;
use crate::window::Window;

/// `fink rejected …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the alerts on the rejected topic, with the reasons
    #[command(after_help = "\
Examples: fink rejected list
          fink rejected list --from -2h --stream bright --format ndjson
          fink rejected list --summary

The list contains every alert that was rejected since, whether or not it was sent later.")]
    List(List),
    /// Publish rejected alerts that can be encoded now and are not on their topic
    #[command(after_help = "\
Examples: fink rejected retry --dry-run
          fink rejected retry --from 2026-02-01 --stream bright

Correct the cause first: the catalog, the filter, or max.message.bytes of the topic. The rows are read again, judged by the rules and filters
of the stream, and published in transactions. Alerts that were sent meanwhile are left out, so a repetition sends nothing twice.")]
    Retry(Retry),
}

/// Which alerts.
#[derive(Debug, Args)]
struct Selection {
    /// Only alerts of this stream; repeatable [default: all]
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// Only alerts whose rows were written at this time or later: a time ago such as -2h, a date, milliseconds since 1970, or RFC 3339
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    from: Option<Start>,
    /// Only alerts whose rows were written before this time
    #[arg(long, value_name = "WHEN", value_parser = parse_timestamp, allow_hyphen_values = true)]
    until: Option<i64>,
    /// Read the topics as the administrator (kafka.admin), when the user (kafka.username) may only write to them
    #[arg(long)]
    as_admin: bool,
}

/// `fink rejected list`
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    selection: Selection,
    /// Print the number of alerts of each stream and reason instead
    #[arg(long)]
    summary: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// `fink rejected retry`
#[derive(Debug, Args)]
pub struct Retry {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    confirm: ConfirmArgs,
}

impl Selection {
    fn request(&self, reader: Option<Login>) -> Result<AuditRequest, UsageError> {
        let from = self.from.unwrap_or(Start::Earliest).time(Timestamp::now());
        let from = from.ok_or_else(|| UsageError("--from latest is not a time".to_owned()))?;
        let until = self.until.map_or(Timestamp::MAX, Timestamp::from_millis);
        let window = Window::new(from, until).ok_or_else(|| {
            UsageError(format!("--from {} is not before --until {}", from.rfc3339(), until.rfc3339()))
        })?;
        let (streams, temp_dir) = (self.streams.clone(), std::env::temp_dir());
        Ok(AuditRequest { window, streams, temp_dir, night_hour: 0, reader })
    }
}

pub(super) fn run(action: &Action, context: &Context) -> anyhow::Result<()> {
    let selection = match action {
        Action::List(args) => &args.selection,
        Action::Retry(args) => &args.selection,
    };
    let configuration = context.configuration()?;
    let settings: Settings = configuration.settings(RequiredLogin::User)?;
    let reader = match selection.as_admin {
        true => configuration.settings(RequiredLogin::Admin)?.kafka.admin,
        false => None,
    };
    let request = selection.request(reader)?;
    let stop = Stop::on_signals()?;
    let audit = Audit::new(&settings, &request, stop.token()).map_err(audit_error)?;
    let progress = Mutex::new(None);
    let step = |step: AuditProgress<'_>| show_progress(step, &progress, context);
    let result = match action {
        Action::List(args) => list(args, &audit, &step, context),
        Action::Retry(args) => retry(args, &audit, &step),
    };
    finish_progress(&progress);
    result
}

fn list(
    args: &List,
    audit: &Audit<'_>,
    step: &(dyn Fn(AuditProgress<'_>) + Sync),
    context: &Context,
) -> anyhow::Result<()> {
    let name = |stream: usize| Value::from(audit.streams()[stream].name.as_str());
    if args.summary {
        let mut counts: BTreeMap<(usize, String), (u64, Timestamp, Timestamp)> = BTreeMap::new();
        let mut each = |alert: RejectedAlert| {
            let count = counts.entry((alert.stream, reason_class(&alert.reason))).or_insert((
                0,
                alert.timestamp,
                alert.timestamp,
            ));
            *count = (count.0 + 1, count.1.min(alert.timestamp), count.2.max(alert.timestamp));
            Ok(())
        };
        audit.for_each_rejected(step, &mut each).map_err(audit_error)?;
        let mut table = Table::new(&["stream", "alerts", "first", "last", "reason"]);
        for ((stream, reason), (count, first, last)) in counts {
            table.row([name(stream), count.into(), first.rfc3339().into(), last.rfc3339().into(), reason.into()]);
        }
        return table.print(args.output.format, context);
    }
    let mut table = Table::new(&["stream", "row", "timestamp", "rejected_at", "partition", "offset", "reason"]);
    let mut each = |alert: RejectedAlert| {
        table.row([
            name(alert.stream),
            alert.row_key.escape_ascii().to_string().into(),
            alert.timestamp.rfc3339().into(),
            alert.rejected_at.map_or(Value::Null, |time| time.rfc3339().into()),
            alert.partition.into(),
            alert.offset.into(),
            alert.reason.into(),
        ]);
        Ok(())
    };
    audit.for_each_rejected(step, &mut each).map_err(audit_error)?;
    table.print(args.output.format, context)
}

/// A reason without what differs from alert to alert: digits, and what is quoted.
fn reason_class(reason: &str) -> String {
    let mut class = String::with_capacity(reason.len());
    let mut in_number = false;
    for character in reason.chars() {
        let is_digit = character.is_ascii_digit();
        match (is_digit, in_number) {
            (true, true) => {}
            (true, false) => class.push('N'),
            (false, _) => class.push(character),
        }
        in_number = is_digit;
    }
    class
}

fn retry(args: &Retry, audit: &Audit<'_>, step: &(dyn Fn(AuditProgress<'_>) + Sync)) -> anyhow::Result<()> {
    let mut rejected = Vec::new();
    let mut each = |alert| {
        rejected.push(alert);
        Ok(())
    };
    audit.for_each_rejected(step, &mut each).map_err(audit_error)?;
    let retry = audit.prepare_retry(&rejected, step).map_err(audit_error)?;
    let mut plan = Table::new(&["stream", "topic", "to_publish"]);
    for (stream, count) in audit.streams().iter().zip(retry.counts()).filter(|(_, count)| *count > 0) {
        plan.row([Value::from(stream.name.as_str()), stream.topic.as_str().into(), count.into()]);
    }
    if plan.is_empty() {
        log::info!("no rejected alert is missing on its topic");
        return Ok(());
    }
    if args.confirm.dry_run {
        plan.print_to_stderr();
        log::info!("dry run: nothing was published");
        return Ok(());
    }
    let total: u64 = retry.counts().iter().sum();
    args.confirm.ask(&plan, &format!("publish up to {total} alerts?"))?;
    let totals = audit.retry(retry, step).map_err(audit_error)?;
    log::info!("{} rejected alerts were published, {} were on their topic already", totals.published, totals.on_topic);
    if totals.left > 0 {
        bail!(
            "{} alerts were not published: they are rejected or refused again, or their rows were replaced or deleted; see `fink audit`",
            totals.left
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_numbers_are_one_class() {
        let one = reason_class("row row00007: column candidate_magpsf has 3 bytes");
        assert_eq!(one, reason_class("row row00011: column candidate_magpsf has 5 bytes"));
        assert_eq!(one, "row rowN: column candidate_magpsf has N bytes");
    }
}
