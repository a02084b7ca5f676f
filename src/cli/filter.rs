//! `fink filter`: tests a Python filter before it is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueHint};

use super::alert_table::{AlertReader, COLUMNS};
use super::context::Context;
use super::outcome::{Interrupted, UsageError};
use super::output::{self, Format, OutputArgs, Table};
use super::progress::Progress;
use crate::alert::{Flattener, Layout};
use crate::avro::container::Container;
use crate::cancel::CancellationToken;
use crate::config::RequiredLogin;
use crate::filters::{
    FilterCall, FilterError, FilterName, FilterRunner, FilterSettings, OnError, Pool, ResolvedFilters,
};
use crate::ingest::AlertFiles;
use crate::row::{Columns, Row, Rows};
use crate::signals::Stop;

/// Maximum size of the alerts in a batch.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// `fink filter …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run a filter on alert files and print the alerts that it keeps
    #[command(after_help = "\
Examples: fink --set filters.path=conf filter test userfilters.leveltwo:sigmapsf_and_sgscore alerts/
          fink --set filters.python=venv/bin/python filter test fink_filters.ztf.livestream.filter_vra.filter:vra night.avro
          fink --set filters.path=conf filter test userfilters.leveltwo:sigmapsf_and_sgscore alerts/ --format ndjson

The filter runs with the settings of [filters]. `userfilters` is a directory of filters.path, which is conf in a
checkout of fink; that filter needs numpy. If a filter fails, the command ends with exit code 1.")]
    Test(Test),
}

/// `fink filter test`
#[derive(Debug, Args)]
pub struct Test {
    /// The filter, package.module:function
    name: FilterName,
    /// Avro files, or directories of *.avro
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(action: &Action, context: &Context) -> anyhow::Result<()> {
    let Action::Test(args) = action;
    test(args, context)
}

fn test(args: &Test, context: &Context) -> anyhow::Result<()> {
    let settings = context.configuration()?.settings(RequiredLogin::None)?.filters;
    let settings = FilterSettings { on_error: OnError::Stop, ..settings };
    let files = AlertFiles::find(&args.paths)?;
    let stop = Stop::on_signals()?;
    let pool = Arc::new(Pool::start(&settings, std::slice::from_ref(&args.name), stop.token()).map_err(command_error)?);
    let mut test = TestRun {
        pool,
        format: args.output.format,
        pending: None,
        batch: settings.batch,
        reader: AlertReader::default(),
        table: Table::new(&COLUMNS),
        line: Vec::new(),
        alerts: 0,
        kept: 0,
    };
    let progress = Progress::new(context, "files", Some(files.count() as u64));
    for file in files.paths() {
        test.file(file, stop.token())?;
        progress.add(1);
    }
    test.run_batch(stop.token())?;
    progress.finish();
    if args.output.format != Format::Ndjson {
        test.table.print(args.output.format, context)?;
    }
    log::info!("{} keeps {} of {} alerts", args.name, test.kept, test.alerts);
    Ok(())
}

/// Maps configuration errors to their exit code.
fn command_error(error: FilterError) -> anyhow::Error {
    match error {
        FilterError::Cancelled => Interrupted.into(),
        error if error.is_configuration() => UsageError(error.to_string()).into(),
        error => error.into(),
    }
}

/// A filter under test.
struct TestRun {
    pool: Arc<Pool>,
    format: Format,
    pending: Option<FilterTest>,
    batch: usize,
    reader: AlertReader,
    table: Table,
    line: Vec<u8>,
    alerts: u64,
    kept: u64,
}

/// A batch of alerts of one schema.
struct FilterTest {
    schema_json: String,
    flattener: Flattener,
    runner: FilterRunner,
    /// the alerts as rows: every column of the layout is a cell, and its index is its slot
    rows: Rows,
    /// number of slots
    width: usize,
    data: Vec<Vec<u8>>,
    bytes: usize,
}

impl FilterTest {
    fn new(container: &Container, pool: &Arc<Pool>) -> anyhow::Result<Self> {
        let layout = Layout::keyless(&container.schema)?;
        let catalog = layout.catalog();
        let columns: Columns = catalog.columns.iter().collect();
        let filters = ResolvedFilters::new(Arc::clone(pool), catalog).map_err(command_error)?;
        let runner = filters.bind(catalog, &columns)?;
        let mut rows = Rows::default();
        rows.refill(columns.len());
        let (width, schema_json) = (columns.len(), container.schema_json.clone());
        Ok(Self { schema_json, flattener: layout.flattener(), runner, rows, width, data: Vec::new(), bytes: 0 })
    }

    fn push(&mut self, datum: &[u8]) -> anyhow::Result<()> {
        let cells = self.flattener.flatten(datum)?;
        let mark = self.rows.mark();
        let mut page = self.rows.refill_after(mark);
        page.row(b"");
        for (slot, value) in cells.iter() {
            if !page.has_room(value.len()) {
                bail!("the alert is too large");
            }
            page.cell(slot, value, 0);
        }
        self.bytes += datum.len();
        self.data.push(datum.to_vec());
        Ok(())
    }
}

impl TestRun {
    fn file(&mut self, file: &Path, cancel: &CancellationToken) -> anyhow::Result<()> {
        let name = || file.display().to_string();
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", name()))?;
        let container = Container::read(&bytes).with_context(name)?;
        if self.pending.as_ref().is_none_or(|pending| pending.schema_json != container.schema_json) {
            self.run_batch(cancel)?;
            self.pending = Some(FilterTest::new(&container, &self.pool).with_context(name)?);
        }
        for datum in container.data() {
            let Some(pending) = &mut self.pending else { break };
            pending.push(datum).with_context(name)?;
            if pending.data.len() >= self.batch || pending.bytes >= MAX_BATCH_BYTES {
                self.run_batch(cancel)?;
            }
        }
        Ok(())
    }

    /// Runs the filter on the batch, and prints the alerts that it keeps or adds them to the table.
    fn run_batch(&mut self, cancel: &CancellationToken) -> anyhow::Result<()> {
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let rows: Vec<Row<'_>> = pending.rows.iter().collect();
        let all: Vec<usize> = (0..rows.len()).collect();
        let call = FilterCall { function: 0, rows: &all };
        let results = pending.runner.run(&rows, &[call], cancel).map_err(command_error)?;
        for (datum, result) in pending.data.iter().zip(results.into_iter().flatten()) {
            self.alerts += 1;
            match result {
                Ok(true) => self.kept += 1,
                Ok(false) => continue,
                Err(reason) => bail!("{reason}"),
            }
            let key = Some(pending.schema_json.as_bytes());
            match self.format {
                Format::Table | Format::Json => self.table.row::<6>(self.reader.cells(key, datum)?),
                Format::Ndjson => {
                    self.line.clear();
                    self.reader.json(key, datum, &mut self.line)?;
                    self.line.push(b'\n');
                    output::print(&self.line)?;
                }
            }
        }
        pending.rows.refill(pending.width);
        pending.data.clear();
        pending.bytes = 0;
        Ok(())
    }
}
