//! `fink rules`: judges a rules file before it goes live.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};

use super::context::Context;
use super::newest::{Newest, newest};
use super::output::{self, Format, OutputArgs, Table};
use crate::catalog::Catalog;
use crate::config::{FlagValue, Logins, ScienceDbSettings, show_instant};
use crate::rules::{BadCell, Rules, Verdict};
use crate::science_db::{self, Columns, Rows};

/// Rows fetched at a time.
const CHUNK: usize = 100;

/// Kept rows that are shown in a table.
const SHOWN: usize = 10;

/// `fink rules …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Check a rules file against the catalog and say in words what it means
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
    /// Check against this catalog [default: science_db.catalog]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    catalog: Option<PathBuf>,
    /// Also say what it would send of the newest N rows of the science database
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
    let settings = configuration.settings(Logins::None)?.science_db;
    let catalog = Catalog::load(&settings.catalog)?;
    let rules = Rules::load(&args.file, &catalog)?;
    let trial = match args.sample {
        Some(count) => Some(try_on(&rules, &catalog, &settings, count as usize)?),
        None => None,
    };
    match args.output.format {
        Format::Table => {
            output::print(rules.explain(&catalog).to_string().as_bytes())?;
            if let Some(trial) = &trial {
                trial.print(&rules, context)?;
            }
        }
        Format::Json => output::print(format!("{:#}\n", document(args, &rules, &catalog, trial.as_ref())).as_bytes())?,
        Format::Ndjson => output::print(format!("{}\n", document(args, &rules, &catalog, trial.as_ref())).as_bytes())?,
    }
    match trial.map(|trial| trial.unreadable.len()) {
        None | Some(0) => Ok(()),
        Some(count) => bail!("{count} of these rows cannot be judged: is this the right catalog?"),
    }
}

/// What the rules say of rows that are there.
struct Trial {
    rows: usize,
    /// newest first
    kept: Vec<Newest>,
    /// by condition
    refused: Vec<u64>,
    unreadable: Vec<BadCell>,
}

fn try_on(rules: &Rules, catalog: &Catalog, settings: &ScienceDbSettings, count: usize) -> anyhow::Result<Trial> {
    let trigger = catalog.trigger_column(settings.trigger.as_deref())?;
    let asked = rules.filter_columns().iter().filter_map(|index| catalog.columns.get(*index));
    let mut names: Vec<(String, String)> = Vec::new();
    for (family, qualifier) in std::iter::once(trigger).chain(asked).filter_map(|column| column.family_and_qualifier())
    {
        let name = (family.to_owned(), qualifier.to_owned());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let trigger = Columns::new(names.first().cloned().into_iter().collect());
    let columns = Columns::new(names);
    let judge = rules.judge(&columns)?;
    let mut db = science_db::open(settings, &settings.table_of(catalog))?;
    let found = newest(db.as_mut(), &trigger, &settings.skip_rows, count)?;
    let mut trial =
        Trial { rows: 0, kept: Vec::new(), refused: vec![0; rules.conditions().len()], unreadable: Vec::new() };
    let mut rows = Rows::default();
    for chunk in found.chunks(CHUNK) {
        let keys: Vec<&[u8]> = chunk.iter().map(|row| row.key.as_slice()).collect();
        db.get(&keys, &columns, &mut rows)?;
        for row in rows.iter() {
            trial.rows += 1;
            match judge.verdict(&row) {
                Ok(Verdict::Kept) => trial.kept.extend(chunk.iter().find(|found| found.key == row.key).cloned()),
                Ok(Verdict::Refused(condition)) => {
                    trial.refused.get_mut(condition).into_iter().for_each(|count| *count += 1)
                }
                Err(error) => trial.unreadable.push(error),
            }
        }
    }
    Ok(trial)
}

impl Trial {
    fn print(&self, rules: &Rules, context: &Context) -> anyhow::Result<()> {
        let mut text = format!("\nOf the newest {} rows it would send {}.\n", self.rows, self.kept.len());
        self.unreadable.iter().try_for_each(|error| writeln!(text, "Cannot be judged: {error}"))?;
        if self.refused.iter().any(|count| *count > 0) {
            text.push_str("\nEach row that is refused counts for the first condition that does not hold:\n");
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
        output::print(b"\nThe newest of those it would send:\n")?;
        let mut table = Table::new(&["row key", "written"]);
        for row in self.kept.iter().take(SHOWN) {
            table.row([Value::from(row.key.escape_ascii().to_string()), Value::from(show_instant(row.timestamp))]);
        }
        table.print(Format::Table, context)
    }
}

fn document(args: &Check, rules: &Rules, catalog: &Catalog, trial: Option<&Trial>) -> Value {
    let columns = |indexes: &[usize]| -> Vec<Value> {
        let columns = indexes.iter().filter_map(|index| catalog.columns.get(*index));
        columns.map(|column| json!({"name": column.name, "type": column.kind.word()})).collect()
    };
    let conditions = rules.conditions().iter().enumerate().map(|(index, condition)| {
        let mut entry = json!({"line": condition.line, "text": condition.text});
        if let Some(refused) = trial.and_then(|trial| trial.refused.get(index)) {
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
    if let Some(trial) = trial {
        let kept = trial
            .kept
            .iter()
            .map(|row| json!({"row_key": row.key.escape_ascii().to_string(), "timestamp": row.timestamp}));
        document["sample"] = json!({
            "rows": trial.rows,
            "kept": kept.collect::<Vec<_>>(),
            "unreadable": trial.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
    }
    document
}
