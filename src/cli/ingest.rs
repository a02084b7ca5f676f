//! `fink ingest`: loads alert files into the science database.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::{ValueEnum, ValueHint};
use serde_json::Value;

use super::context::Context;
use super::outcome::Interrupted;
use super::output::{OutputArgs, Table};
use super::progress::Progress;
use crate::alert::ListEncoding;
use crate::config::RequiredLogin;
use crate::ingest::{AlertFiles, IngestError, IngestOptions, IngestSummary, load_files};
use crate::signals::Stop;
use crate::units::{MAX_CLOCK_SKEW_MS, future_timestamp_error, parse_timestamp};

/// `fink ingest`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink ingest alerts/
          fink ingest ztf_public_20261125.tar.gz --skip-existing
          fink ingest night.avro --row-key objectId,candid --history text --regions 16
          fink ingest alerts/ --rate 300

Creates the table, the catalog (science_db.catalog) and next to it the schema of the alerts (catalog.json -> catalog.avsc), or adds to
them. Files may have different versions of a survey's schema: fields are added, removed, widened and reordered by the rules of Avro's schema
resolution. If a file cannot be loaded, the others still are, and the exit code is 1.")]
pub struct Args {
    /// Avro files and archives (.avro, .avro.gz, .tar, .tar.gz, .tgz), or directories to search for them, recursively
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    load: LoadArgs,
    /// Leave out alerts whose rows exist: a second run writes what is missing
    #[arg(long)]
    skip_existing: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// How alerts are written to the science database.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// Columns of the row key, which joins them by `_` [default: objectId,candid for ZTF; diaObjectId,diaSourceId for Rubin]
    #[arg(long, value_name = "COL,COL", value_delimiter = ',')]
    row_key: Option<Vec<String>>,
    /// Storage of arrays of records [default: as in the catalog, else avro]
    #[arg(long, value_enum)]
    history: Option<HistoryArg>,
    /// Number of regions of a new table
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    regions: u16,
    /// Timestamp of the rows: now (clock of the store), milliseconds since 1970, or RFC 3339
    #[arg(long, value_name = "WHEN", default_value = "now", value_parser = timestamp)]
    timestamp: Timestamp,
    /// Maximum alerts per second
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HistoryArg {
    /// as in 2019: a text column for each field; nulls in records replaced; a column `status`
    Text,
    /// lossless: arrays and maps as Avro cells, no cell for null
    Avro,
}

#[derive(Clone, Copy, Debug)]
enum Timestamp {
    Now,
    At(i64),
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    match text.trim() {
        "now" => Ok(Timestamp::Now),
        text => {
            let ms = parse_timestamp(text)?;
            match future_timestamp_error(ms, jiff::Timestamp::now().as_millisecond(), MAX_CLOCK_SKEW_MS) {
                Some(fault) => Err(format!("{ms} {fault}; such rows would not be distributed before that time")),
                None => Ok(Timestamp::At(ms)),
            }
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (1e-3..=1e6).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is not a rate: use a number of alerts per second from 0.001 to 1000000"))
}

impl LoadArgs {
    /// Alerts per second.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Whether a flag was given that has no effect without the science database.
    pub(super) fn is_for_database(&self) -> bool {
        self.row_key.is_some() || self.history.is_some() || matches!(self.timestamp, Timestamp::At(_))
    }

    /// The options for the loader.
    pub(super) fn options(&self) -> IngestOptions {
        IngestOptions {
            row_key: self.row_key.clone(),
            history: self.history.map(|history| match history {
                HistoryArg::Text => ListEncoding::Text,
                HistoryArg::Avro => ListEncoding::Avro,
            }),
            regions: self.regions.into(),
            timestamp: match self.timestamp {
                Timestamp::Now => None,
                Timestamp::At(ms) => Some(crate::timestamp::Timestamp::from_millis(ms)),
            },
            skip_existing: false,
            rate: self.rate,
        }
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let settings = context.settings(RequiredLogin::None)?.science_db;
    let stop = Stop::on_signals()?;
    let files = AlertFiles::find(&args.paths)?;
    let start = Instant::now();
    let progress = Progress::bytes(context, files.size());
    let options = IngestOptions { skip_existing: args.skip_existing, ..args.load.options() };
    let loaded =
        load_files(&settings, &options, &files, stop.token(), &|bytes| progress.set(bytes), &|file, reason| {
            log::error!("{file}: {reason}");
        });
    progress.finish();
    let loaded = loaded.map_err(with_hint)?;
    print(&loaded, Some((loaded.files, loaded.broken)), start, args.output, context)?;
    if loaded.table.is_none() {
        log::warn!("there is no alert in the files: nothing was loaded");
    }
    if loaded.stopped {
        return Err(Interrupted.into());
    }
    if loaded.broken > 0 {
        bail!("{} of {} files could not be loaded completely", loaded.broken, loaded.files);
    }
    Ok(())
}

/// The error, with the option that corrects it.
pub(super) fn with_hint(error: IngestError) -> anyhow::Error {
    match error {
        IngestError::RowKey(_) => anyhow::anyhow!("{error} (--row-key COL,COL)"),
        error => error.into(),
    }
}

/// Prints the result; `files`: how many were read, and how many of them could not be loaded.
pub(super) fn print(
    loaded: &IngestSummary,
    files: Option<(u64, u64)>,
    start: Instant,
    output: OutputArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    let mut table = Table::new(&["table", "alerts", "existing", "bytes", "files", "broken_files", "seconds"]);
    table.row([
        Value::from(loaded.table.as_deref()),
        loaded.alerts.into(),
        loaded.existing.into(),
        loaded.bytes.into(),
        files.map(|(read, _)| read).into(),
        files.map(|(_, broken)| broken).into(),
        seconds.into(),
    ]);
    table.print(output.format, context)
}
