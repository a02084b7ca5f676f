//! `fink ingest`: loads alerts of files or topics into the science database.

mod load_args;
mod topics;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::ValueHint;
use serde_json::Value;

pub(super) use self::load_args::{LoadArgs, with_hint};
use self::topics::TopicArgs;
use super::context::Context;
use super::outcome::Interrupted;
use super::output::{OutputArgs, Table};
use super::progress::Progress;
use crate::config::RequiredLogin;
use crate::ingest::{AlertFiles, IngestError, IngestOptions, IngestSummary, load_files};
use crate::signals::Stop;

/// `fink ingest`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink ingest alerts/
          fink ingest ztf_public_20261125.tar.gz --skip-existing
          fink ingest night.avro --row-key objectId,candid --history text --regions 16
          fink ingest alerts/ --rate 300
          fink ingest --from-topic lsst-alerts-v11 --group my_site --schemas schemas/
          fink ingest --from-topic lsst-alerts-v11 --group my_site --registry https://registry.example.org

Creates the table, the catalog (science_db.catalog) and next to it the schema of the alerts (catalog.json -> catalog.avsc), or adds to
them. Files may have different versions of a survey's schema: fields are added, removed, widened and reordered by the rules of Avro's schema
resolution. If a file or a message cannot be loaded, the others still are, and the exit code is 1.

With --from-topic it is a service: it reads alerts as they come, waits for servers that are away, and ends upon SIGTERM. The next start
resumes at the committed offsets; alerts whose rows exist by then are left as they are.")]
pub struct Args {
    /// Avro files and archives (.avro, .avro.gz, .tar, .tar.gz, .tgz), or directories to search for them, recursively
    #[arg(
        required_unless_present = "from_topic",
        conflicts_with = "from_topic",
        value_name = "PATH",
        value_hint = ValueHint::AnyPath
    )]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    load: LoadArgs,
    /// Leave out alerts whose rows exist: a second run writes what is missing, and a science database that goes away is waited for. With
    /// --from-topic that is always so
    #[arg(long)]
    skip_existing: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    topics: TopicArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if !args.topics.from_topic.is_empty() {
        return args.topics.run(&args.load, args.output, context);
    }
    args.topics.check_unused()?;
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
    let loaded = match loaded {
        // While it waited for the science database.
        Err(IngestError::ScienceDb(error)) if error.is_transient() && stop.requested() => {
            log::error!("{error}");
            return Err(Interrupted.into());
        }
        Err(IngestError::ScienceDb(error)) if error.is_transient() && !args.skip_existing => {
            bail!("{error}; to write what is missing, start again with --skip-existing")
        }
        loaded => loaded.map_err(with_hint)?,
    };
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
