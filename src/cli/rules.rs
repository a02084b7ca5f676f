//! `fink rules`: checks a rules file before it is used.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};

use super::context::Context;
use super::newest_rows::{NewestRow, newest_rows};
use super::output::{self, Format, OutputArgs, Table};
use crate::catalog::Catalog;
use crate::config::{FlagValue, RequiredLogin};
use crate::row::{Columns, Rows};
use crate::rules::{InvalidCell, Rules};
use crate::science_db;
use crate::science_db::ScienceDbSettings;
use crate::units::format_timestamp;

/// Rows in a request.
const GET_BATCH_ROWS: usize = 100;

/// How many kept rows the table shows.
const MAX_SHOWN_ROWS: usize = 10;

/// `fink rules …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Check a rules file against the catalog and explain it
    #[command(after_help = "\
Examples: fink rules check conf/distribution-rules.xml
          fink rules check conf/distribution-rules.xml --sample 1000")]
    Check(Check),
}

/// `fink rules check`
#[derive(Debug, Args)]
pub struct Check {
    /// The rules file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The catalog [default: science_db.catalog]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    catalog: Option<PathBuf>,
    /// Also apply the rules to the newest N rows of the science database
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sample: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(action: &Action, context: &Context) -> anyhow::Result<()> {
    let Action::Check(args) = action;
    check(args, context)
}

fn check(args: &Check, context: &Context) -> anyhow::Result<()> {
    let catalog = args.catalog.as_ref().map(|path| FlagValue {
        key: "science_db.catalog".to_owned(),
        value: path.display().to_string(),
        flag: "--catalog".to_owned(),
    });
    let configuration = context.configuration_with(catalog.into_iter().collect())?;
    let settings = configuration.settings(RequiredLogin::None)?.science_db;
    let catalog = Catalog::load(&settings.catalog)?;
    let rules = Rules::load(&args.file, &catalog)?;
    let sample = match args.sample {
        Some(count) => Some(evaluate_sample(&rules, &catalog, &settings, count as usize)?),
        None => None,
    };
    match args.output.format {
        Format::Table => {
            output::print(rules.explain(&catalog).to_string().as_bytes())?;
            if let Some(sample) = &sample {
                sample.print(&rules, context)?;
            }
        }
        Format::Json => output::print(format!("{:#}\n", document(args, &rules, &catalog, sample.as_ref())).as_bytes())?,
        Format::Ndjson => output::print(format!("{}\n", document(args, &rules, &catalog, sample.as_ref())).as_bytes())?,
    }
    match sample.map(|sample| sample.unreadable.len()) {
        None | Some(0) => Ok(()),
        Some(count) => bail!("{count} of these rows cannot be evaluated: check that the catalog belongs to the table"),
    }
}

/// The result of the rules on a sample of rows.
struct SampleResult {
    rows: usize,
    /// newest first
    kept: Vec<NewestRow>,
    /// by condition
    refused: Vec<u64>,
    unreadable: Vec<InvalidCell>,
}

fn evaluate_sample(
    rules: &Rules,
    catalog: &Catalog,
    settings: &ScienceDbSettings,
    count: usize,
) -> anyhow::Result<SampleResult> {
    let trigger = catalog.trigger_column(settings.trigger.as_deref())?;
    let in_conditions = rules.filter_columns().iter().filter_map(|index| catalog.columns.get(*index));
    let mut names: Vec<(String, String)> = Vec::new();
    for (family, qualifier) in
        std::iter::once(trigger).chain(in_conditions).filter_map(|column| column.family_and_qualifier())
    {
        let name = (family.to_owned(), qualifier.to_owned());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let trigger = Columns::new(names.first().cloned().into_iter().collect());
    let columns = Columns::new(names);
    let bound = rules.bind(&columns)?;
    let mut db = science_db::open(settings, &settings.table_of(catalog))?;
    let found = newest_rows(db.as_mut(), &trigger, &settings.skip_rows, count)?;
    let mut sample =
        SampleResult { rows: 0, kept: Vec::new(), refused: vec![0; rules.conditions().len()], unreadable: Vec::new() };
    let mut rows = Rows::default();
    for chunk in found.chunks(GET_BATCH_ROWS) {
        let keys: Vec<&[u8]> = chunk.iter().map(|row| row.key.as_slice()).collect();
        db.get(&keys, &columns, &mut rows)?;
        for row in rows.iter() {
            sample.rows += 1;
            match bound.refused_by(&row) {
                Ok(None) => sample.kept.extend(chunk.iter().find(|found| found.key == row.key).cloned()),
                Ok(Some(condition)) => sample.refused.get_mut(condition).into_iter().for_each(|count| *count += 1),
                Err(error) => sample.unreadable.push(error),
            }
        }
    }
    Ok(sample)
}

impl SampleResult {
    fn print(&self, rules: &Rules, context: &Context) -> anyhow::Result<()> {
        let mut text = format!("\nOf the newest {} rows {} would be sent.\n", self.rows, self.kept.len());
        self.unreadable.iter().try_for_each(|error| writeln!(text, "Cannot be evaluated: {error}"))?;
        if self.refused.iter().any(|count| *count > 0) {
            text.push_str("\nRefused rows, by the first condition that does not hold:\n");
        }
        output::print(text.as_bytes())?;
        if self.refused.iter().any(|count| *count > 0) {
            let mut table = Table::new(&["line", "condition", "refused"]);
            for (condition, refused) in rules.conditions().iter().zip(&self.refused) {
                table.row([Value::from(condition.line), Value::from(condition.text.as_str()), Value::from(*refused)]);
            }
            table.print(Format::Table, context)?;
        }
        if self.kept.is_empty() {
            return Ok(());
        }
        output::print(b"\nThe newest of the rows that would be sent:\n")?;
        let mut table = Table::new(&["row key", "written"]);
        for row in self.kept.iter().take(MAX_SHOWN_ROWS) {
            table.row([Value::from(row.key.escape_ascii().to_string()), Value::from(format_timestamp(row.timestamp))]);
        }
        table.print(Format::Table, context)
    }
}

fn document(args: &Check, rules: &Rules, catalog: &Catalog, sample: Option<&SampleResult>) -> Value {
    let columns = |indexes: &[usize]| -> Vec<Value> {
        let columns = indexes.iter().filter_map(|index| catalog.columns.get(*index));
        columns.map(|column| json!({"name": column.name, "type": column.kind.name()})).collect()
    };
    let conditions = rules.conditions().iter().enumerate().map(|(index, condition)| {
        let mut entry = json!({"line": condition.line, "text": condition.text});
        if let Some(refused) = sample.and_then(|sample| sample.refused.get(index)) {
            entry["refused"] = Value::from(*refused);
        }
        entry
    });
    let mut document = json!({
        "file": args.file.display().to_string(),
        "everything": rules.is_everything(),
        "columns": columns(rules.columns()),
        "dropped": columns(rules.dropped()),
        "conditions": conditions.collect::<Vec<_>>(),
    });
    if let Some(sample) = sample {
        let kept = sample
            .kept
            .iter()
            .map(|row| json!({"row_key": row.key.escape_ascii().to_string(), "timestamp": row.timestamp}));
        document["sample"] = json!({
            "rows": sample.rows,
            "kept": kept.collect::<Vec<_>>(),
            "unreadable": sample.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
    }
    document
}
