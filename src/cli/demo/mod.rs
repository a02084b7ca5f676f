//! `fink demo`: simulates, distributes and consumes alerts in one process, with embedded servers.

mod read_topics;
mod servers;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::ValueHint;
use serde_json::Value;

use super::alert_table::COLUMNS;
use super::context::Context;
use super::distribution::command_error;
use super::distribution_status::StatusLine;
use super::outcome::Interrupted;
use super::output::{self, Format, OutputArgs, Table};
use super::progress::Progress;
use super::service_status::LatestStats;
use super::simulate;
use crate::distribution::instruments::Instruments;
use crate::distribution::settings::Settings;
use crate::distribution::stats::Stats;
use crate::distribution::{self, EndReason, Request};
use crate::ingest::{IngestOptions, IngestSummary};
use crate::signals::Stop;
use crate::simulate::{Simulator, SimulatorOptions, Survey};
use crate::timestamp::Timestamp;
use read_topics::ReadAlert;
use servers::{DemoServers, SELECTED};

/// How long ago the alerts were written. Longer than `distribution.repair`, so that the job can be sure to have seen all.
const ALERT_AGE: Duration = Duration::from_secs(3600);
/// How many alerts the table shows.
const MAX_SHOWN_ALERTS: usize = 12;

/// `fink demo`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink demo
          fink demo --survey lsst --alerts 300 --rules conf/distribution-rules-lsst.xml
          fink demo --format ndjson

Reads no configuration, needs no server and leaves no files: the science database is an SQLite file in a temporary directory, Kafka is
the mock cluster of librdkafka in this process. There are two streams: `full` with all alerts, `selected` with those that the rules keep.")]
pub struct Args {
    /// Survey: ztf or lsst
    #[arg(long, value_name = "SURVEY", default_value = "ztf")]
    survey: Survey,
    /// Number of alerts
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=2000))]
    alerts: u64,
    /// Seed of the random numbers
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// XML rules of the stream `selected` [default: the example in conf/ for the survey]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    rules: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    context.mute_log();
    let print = |text: String| match args.output.format {
        Format::Table => output::print(text.as_bytes()),
        Format::Json | Format::Ndjson => Ok(()),
    };
    let written = (SystemTime::now().duration_since(UNIX_EPOCH)?.saturating_sub(ALERT_AGE)).as_millis() as i64;
    let servers = DemoServers::start(args.survey, args.alerts, args.rules.as_deref())?;
    let settings = servers.settings();

    let start = Instant::now();
    let loaded = load(args, written, settings, &stop, context)?;
    interrupted(&stop)?;
    print(format!(
        "1. Simulated {} {} alerts ({}) and loaded them into a science database (SQLite): {}.\n",
        loaded.alerts,
        survey_name(args.survey),
        megabytes(loaded.bytes),
        seconds(start)
    ))?;

    let start = Instant::now();
    let stats = distribute(written, settings, &stop, context)?;
    print(format!(
        "2. Distributed them to Kafka (embedded), in transactions with the checkpoint: {}.\n\n",
        seconds(start)
    ))?;
    if args.output.format == Format::Table {
        stream_table(settings, &stats).print(Format::Table, context)?;
    }

    let start = Instant::now();
    let alerts = read_topics::read_topics(settings, &stats, &stop)?;
    interrupted(&stop)?;
    if args.output.format != Format::Table {
        return full_table(&alerts).print(args.output.format, context);
    }
    let topic = settings.streams.iter().find(|stream| stream.name == SELECTED).map_or("", |stream| &stream.topic);
    let selected: Vec<&ReadAlert> = alerts.iter().filter(|alert| alert.topic == topic).collect();
    print(format!(
        "\n3. Consumed both topics and found each alert once: {}.\n   Alerts in {topic} ({}):\n\n",
        seconds(start),
        units(args.survey)
    ))?;
    summary_table(selected.iter().copied().take(MAX_SHOWN_ALERTS)).print(Format::Table, context)?;
    print(match selected.len().saturating_sub(MAX_SHOWN_ALERTS) {
        0 => NEXT_STEPS.to_owned(),
        left => format!("and {left} more.\n{NEXT_STEPS}"),
    })
}

const NEXT_STEPS: &str = "
Next steps
  fink demo --survey lsst --alerts 300       alerts of the Rubin Observatory
  fink demo --rules FILE                     your own rules: docs/rules.md
  scripts/cluster up                         HBase and Kafka on this machine: README.md, quick start
  fink config init                           a configuration for your own servers; check it with fink doctor
";

fn load(
    args: &Args,
    written: i64,
    settings: &Settings,
    stop: &Stop,
    context: &Context,
) -> anyhow::Result<IngestSummary> {
    let progress = Progress::new(context, "alerts", Some(args.alerts));
    let options =
        IngestOptions { regions: 1, timestamp: Some(Timestamp::from_millis(written)), ..IngestOptions::default() };
    let simulator = || Ok(Simulator::new(args.survey, args.seed, SimulatorOptions::default())?);
    let loaded = simulate::load(&settings.science_db, &options, &simulator, 0..args.alerts, stop, &progress);
    progress.finish();
    loaded
}

/// Runs a bounded job over all rows.
fn distribute(written: i64, settings: &Settings, stop: &Stop, context: &Context) -> anyhow::Result<Stats> {
    let request = Request { until: Some(Timestamp::from_millis(written + 1)), ..Request::default() };
    let mut line = StatusLine::new(context, false, LatestStats::default());
    let outcome =
        distribution::run(settings, &request, stop.token(), &|_| true, &Instruments::default(), &mut |stats| {
            line.show(stats)
        });
    line.finish();
    match outcome.map_err(command_error)? {
        (EndReason::Finished, stats) => Ok(stats),
        (EndReason::Stopped | EndReason::TimeLimit | EndReason::Restart, _) => Err(Interrupted.into()),
    }
}

fn interrupted(stop: &Stop) -> Result<(), Interrupted> {
    if stop.requested() { Err(Interrupted) } else { Ok(()) }
}

fn stream_table(settings: &Settings, stats: &Stats) -> Table {
    let mut table = Table::new(&["stream", "topic", "rules", "sent", "refused", "rejected", "size"]);
    for (stream, of) in settings.streams.iter().zip(&stats.streams) {
        let rules = stream.rules.as_ref().and_then(|rules| rules.file_name());
        table.row([
            Value::from(stream.name.as_str()),
            Value::from(stream.topic.as_str()),
            rules.map_or(Value::Null, |name| Value::from(name.to_string_lossy())),
            Value::from(of.sent),
            Value::from(of.refused.iter().sum::<u64>()),
            Value::from(of.rejected()),
            Value::from(megabytes(of.bytes)),
        ]);
    }
    table
}

/// All cells, for JSON.
fn full_table(alerts: &[ReadAlert]) -> Table {
    let mut table = Table::new(&["topic", "partition", "offset", "object", "alert", "time", "ra", "dec", "brightness"]);
    for alert in alerts {
        let [object, id, time, ra, dec, brightness] = alert.cells.clone();
        let (topic, partition, offset) = (alert.topic.as_str().into(), alert.partition.into(), alert.offset.into());
        table.row([topic, partition, offset, object, id, time, ra, dec, brightness]);
    }
    table
}

/// Rounded cells, which fit on a line.
fn summary_table<'a>(alerts: impl Iterator<Item = &'a ReadAlert>) -> Table {
    let mut table = Table::new(&COLUMNS);
    for alert in alerts {
        let [object, id, time, ra, dec, brightness] = alert.cells.clone();
        let round = |value: Value| value.as_f64().map_or(Value::Null, |number| format!("{number:.5}").into());
        table.row([object, id, round(time), round(ra), round(dec), brightness]);
    }
    table
}

fn units(survey: Survey) -> &'static str {
    match survey {
        Survey::Ztf => "time in Julian days, brightness in magnitudes",
        Survey::Lsst => "time in modified Julian days, brightness as flux in nJy",
    }
}

fn survey_name(survey: Survey) -> &'static str {
    match survey {
        Survey::Ztf => "ZTF",
        Survey::Lsst => "Rubin (LSST)",
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}
