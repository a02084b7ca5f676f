//! `fink simulate`: creates synthetic alerts as files or in the science database.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::ValueHint;
use serde_json::Value;

use super::context::Context;
use super::ingest::{LoadArgs, print, with_hint};
use super::outcome::{Interrupted, UsageError};
use super::output::{OutputArgs, Table};
use super::progress::Progress;
use crate::config::RequiredLogin;
use crate::ingest::{IngestError, IngestOptions, IngestSummary, Loader, RateLimiter, Sample};
use crate::science_db::ScienceDbSettings;
use crate::signals::Stop;
use crate::simulate::{Simulator, SimulatorOptions, Survey, write_files};

/// Sample from which the columns and the region splits are derived before loading.
const MAX_SAMPLES: u64 = 256;

/// `fink simulate`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink simulate --survey ztf --alerts 1000 --seed 1 --out alerts/
          fink simulate --survey lsst --alerts 100000 --seed 2 --into-db --rate 300

Alert N of a seed is always the same, so --first continues an earlier run.")]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub struct Args {
    /// Survey: ztf (schema 3.3) or lsst (schema 10.0)
    #[arg(long, value_name = "SURVEY")]
    survey: Survey,
    /// Number of alerts
    #[arg(long, value_name = "N")]
    alerts: u64,
    /// Seed of the random numbers
    #[arg(long, value_name = "S")]
    seed: u64,
    /// Number of the first alert
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// Write each alert to a file in this directory
    #[arg(long, value_name = "DIR", group = "target", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Load the alerts into the science database, like `fink ingest`
    #[arg(long, group = "target")]
    into_db: bool,
    /// Size of an alert in bytes, reached by a longer history [default: as real alerts]
    #[arg(long, value_name = "BYTES")]
    bytes: Option<usize>,
    /// Add the column cross_match_alerts_per_batch, the classification that Fink adds
    #[arg(long)]
    cross_match: bool,
    /// Add the columns of Fink's science modules, as in the alerts that Fink distributes
    #[arg(long)]
    enriched: bool,
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    fn simulator(&self) -> anyhow::Result<Simulator> {
        let options = SimulatorOptions { target_bytes: self.bytes, fink: self.cross_match, enriched: self.enriched };
        Ok(Simulator::new(self.survey, self.seed, options)?)
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let end = args
        .first
        .checked_add(args.alerts)
        .ok_or_else(|| UsageError("--first and --alerts are too large".to_owned()))?;
    if args.out.is_some() && args.load.is_for_database() {
        return Err(UsageError("--row-key, --history and --timestamp require --into-db".to_owned()).into());
    }
    let stop = Stop::on_signals()?;
    let progress = Progress::new(context, "alerts", Some(args.alerts));
    let done = match &args.out {
        Some(dir) => to_files(args, dir, args.first..end, &progress, &stop, context),
        None => into_db(args, args.first..end, &progress, &stop, context),
    };
    progress.finish();
    done?;
    if stop.requested() {
        return Err(Interrupted.into());
    }
    Ok(())
}

fn to_files(
    args: &Args,
    dir: &Path,
    range: Range<u64>,
    progress: &Progress,
    stop: &Stop,
    context: &Context,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let limiter = args.load.rate().and_then(RateLimiter::new);
    let mut bytes = 0;
    write_files(&mut args.simulator()?, dir, range, |written| {
        bytes += written as u64;
        progress.add(1);
        match &limiter {
            Some(limiter) => !limiter.wait(stop.token()),
            None => !stop.requested(),
        }
    })?;
    let mut table = Table::new(&["folder", "files", "bytes", "seconds"]);
    let seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    table.row([dir.display().to_string().into(), progress.count().into(), bytes.into(), Value::from(seconds)]);
    table.print(args.output.format, context)
}

fn into_db(args: &Args, range: Range<u64>, progress: &Progress, stop: &Stop, context: &Context) -> anyhow::Result<()> {
    let start = Instant::now();
    let settings = context.settings(RequiredLogin::None)?.science_db;
    let loaded = load(&settings, &args.load.options(), &|| args.simulator(), range, stop, progress)?;
    print(&loaded, None, start, args.output, context)
}

/// Loads simulated alerts into the science database.
pub(super) fn load(
    settings: &ScienceDbSettings,
    options: &IngestOptions,
    simulator: &(impl Fn() -> anyhow::Result<Simulator> + Sync),
    range: Range<u64>,
    stop: &Stop,
    progress: &Progress,
) -> anyhow::Result<IngestSummary> {
    let samples = [sample(&mut simulator()?, &range)?];
    let loader = Loader::open(settings, options, &samples, stop.token()).map_err(with_hint)?;
    let (next, bytes) = (AtomicU64::new(range.start), AtomicU64::new(0));
    loader.run_writers(|writer| {
        let failed = |error: &dyn std::fmt::Display| IngestError::Source(error.to_string());
        let mut simulator = simulator().map_err(|error| failed(&error))?;
        let mut mapper = loader.row_mapper(simulator.schema_text(), simulator.schema())?;
        let mut datum = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if !range.contains(&index) || loader.is_cancelled() {
                return Ok(());
            }
            simulator.alert(index, &mut datum).map_err(|error| failed(&error))?;
            writer.add(&mut mapper, &datum)?;
            bytes.fetch_add(datum.len() as u64, Ordering::Relaxed);
            progress.add(1);
        }
    })?;
    Ok(IngestSummary {
        table: Some(loader.table().to_owned()),
        alerts: progress.count(),
        bytes: bytes.into_inner(),
        ..IngestSummary::default()
    })
}

/// Alerts spread over the range.
fn sample(simulator: &mut Simulator, range: &Range<u64>) -> anyhow::Result<Sample> {
    let step = (range.end - range.start).div_ceil(MAX_SAMPLES).max(1);
    let mut data = Vec::new();
    for index in range.clone().step_by(usize::try_from(step)?) {
        let mut datum = Vec::new();
        simulator.alert(index, &mut datum)?;
        data.push(datum);
    }
    Ok(Sample { schema_json: simulator.schema_text().to_owned(), schema: simulator.schema().clone(), data })
}
