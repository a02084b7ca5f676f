//! `fink filter`: tests a Python filter before it is used.

use std::borrow::Cow;
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
use crate::catalog::Catalog;
use crate::config::{FilterSettings, OnError, RequiredLogin};
use crate::filters::{FilterCall, FilterError, FilterName, FilterRow, FilterRunner, Judgement, Pool};
use crate::ingest::AlertFiles;
use crate::signals::Stop;

/// Maximum size of the alerts in a batch.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// `fink filter …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run a filter on alert files and print the alerts that it keeps
    #[command(after_help = "\
Examples: fink filter test userfilters.leveltwo:sigmapsf_and_sgscore alerts/
          fink --set filters.python=venv/bin/python filter test fink_filters.ztf.livestream.filter_vra.filter:vra night.avro
          fink filter test userfilters.leveltwo:sigmapsf_and_sgscore alerts/ --format ndjson

The filter runs with the settings of [filters]. If it fails, the command ends with exit code 1.")]
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
    let give_up = || stop.requested();
    let pool = Arc::new(Pool::start(&settings, std::slice::from_ref(&args.name), &give_up).map_err(command_error)?);
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
        test.file(file, &give_up)?;
        progress.add(1);
    }
    test.judge(&give_up)?;
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
        FilterError::Stopped => Interrupted.into(),
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
    catalog: Catalog,
    flattener: Flattener,
    runner: FilterRunner,
    waiting: Vec<Alert>,
    bytes: usize,
}

/// One alert, as cells for the filter and as a datum to print.
struct Alert {
    cells: Vec<Option<Vec<u8>>>,
    datum: Vec<u8>,
}

impl FilterRow for Alert {
    fn cell(&self, column: usize) -> Result<Option<Cow<'_, [u8]>>, String> {
        Ok(self.cells.get(column).and_then(Option::as_deref).map(Cow::from))
    }
}

impl FilterTest {
    fn new(container: &Container, pool: &Arc<Pool>) -> anyhow::Result<Self> {
        let layout = Layout::keyless(&container.schema)?;
        let catalog = layout.catalog().clone();
        let runner = FilterRunner::new(Arc::clone(pool), &catalog).map_err(command_error)?;
        let flattener = layout.flattener();
        let schema_json = container.schema_json.clone();
        Ok(Self { schema_json, catalog, flattener, runner, waiting: Vec::new(), bytes: 0 })
    }

    fn push(&mut self, datum: &[u8]) -> anyhow::Result<()> {
        let mut cells = vec![None; self.catalog.columns.len()];
        for (column, value) in self.flattener.flatten(datum)?.iter() {
            cells[column] = Some(value.to_vec());
        }
        self.bytes += datum.len();
        self.waiting.push(Alert { cells, datum: datum.to_vec() });
        Ok(())
    }
}

impl TestRun {
    fn file(&mut self, file: &Path, give_up: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<()> {
        let name = || file.display().to_string();
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", name()))?;
        let container = Container::read(&bytes).with_context(name)?;
        if self.pending.as_ref().is_none_or(|pending| pending.schema_json != container.schema_json) {
            self.judge(give_up)?;
            self.pending = Some(FilterTest::new(&container, &self.pool).with_context(name)?);
        }
        for datum in container.data() {
            let Some(pending) = &mut self.pending else { break };
            pending.push(datum).with_context(name)?;
            if pending.waiting.len() >= self.batch || pending.bytes >= MAX_BATCH_BYTES {
                self.judge(give_up)?;
            }
        }
        Ok(())
    }

    /// Runs the filter on the batch, and prints the alerts that it keeps or adds them to the table.
    fn judge(&mut self, give_up: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<()> {
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let call = FilterCall { function: 0, rows: (0..pending.waiting.len()).collect() };
        let judged = pending.runner.run(&pending.waiting, &[call], give_up).map_err(command_error)?;
        for (alert, judgement) in pending.waiting.iter().zip(judged.into_iter().flatten()) {
            self.alerts += 1;
            match judgement {
                Judgement::Keep => self.kept += 1,
                Judgement::Refuse => continue,
                Judgement::Fail(reason) => bail!("{reason}"),
            }
            let key = Some(pending.schema_json.as_bytes());
            match self.format {
                Format::Table | Format::Json => self.table.row::<6>(self.reader.cells(key, &alert.datum)?),
                Format::Ndjson => {
                    self.line.clear();
                    self.reader.json(key, &alert.datum, &mut self.line)?;
                    self.line.push(b'\n');
                    output::print(&self.line)?;
                }
            }
        }
        pending.waiting.clear();
        pending.bytes = 0;
        Ok(())
    }
}
