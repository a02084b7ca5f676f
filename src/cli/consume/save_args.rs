//! The flags of saving.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::outcome::UsageError;
use crate::consume::ConsumeError;
use crate::consume::output::Output;
use crate::consume::save::{AlertFiles, BatchFiles, BatchFormat, Exec, PartitionBy, SaveOptions};
use crate::units::parse_duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SaveFormat {
    /// an Avro file for each alert: `{objectId}_{candid}.avro` for ZTF, `{diaSourceId}.avro` for Rubin
    Avro,
    /// an Avro file for many alerts
    AvroMany,
    /// a Parquet file for many alerts
    Parquet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// DIR/TOPIC/
    Topic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PartitionChoice {
    /// year=YYYY/month=MM/day=DD/, of the observation's UTC
    Time,
    /// finkclass=NAME/
    Class,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExecFailures {
    /// end before the offsets are committed
    Stop,
    /// go on
    Ignore,
}

/// How alerts are saved.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Saving")]
pub(super) struct SaveArgs {
    /// Save the alerts in this folder instead of printing them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    save: Option<PathBuf>,
    /// What the files are
    #[arg(id = "save_format", long = "as", value_enum, value_name = "FORMAT", default_value_t = SaveFormat::Avro, requires = "save")]
    format: SaveFormat,
    /// A folder for each topic
    #[arg(long, value_enum, value_name = "WHAT", requires = "save")]
    by: Option<By>,
    /// Folders within that, by the alert
    #[arg(long, value_enum, value_name = "WHAT", requires = "save")]
    partition_by: Option<PartitionChoice>,
    /// Most alerts in a file of many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000), requires = "save")]
    rows: u64,
    /// Longest time until an alert is in a file of many
    #[arg(long, value_name = "DUR", default_value = "30s", value_parser = parse_duration, requires = "save")]
    flush: Duration,
    /// Leave out the stamps
    #[arg(long, requires = "save")]
    no_stamps: bool,
    /// Run this command for each file, with {file} for its path, before its offsets are committed
    #[arg(long, value_name = "COMMAND", requires = "save")]
    exec: Option<String>,
    /// What follows when that command fails
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = ExecFailures::Stop, requires = "exec")]
    exec_failures: ExecFailures,
}

impl SaveArgs {
    /// Refuses what makes no sense.
    pub fn check(&self) -> Result<(), UsageError> {
        match self.format == SaveFormat::Avro && self.rows != 1000 {
            true => {
                Err(UsageError("--rows is for files of many alerts: say --as avro-many or --as parquet".to_owned()))
            }
            false => Ok(()),
        }
    }

    /// Opens the folder for alerts of `topics`; `None`: alerts are printed. `choice` says in words which alerts are wanted.
    pub fn open(&self, topics: &[String], choice: String) -> Result<Option<Output>, ConsumeError> {
        let Some(folder) = self.save.clone() else { return Ok(None) };
        let options = SaveOptions {
            folder,
            by_topic: self.by == Some(By::Topic),
            partition_by: self.partition_by.map(|by| match by {
                PartitionChoice::Time => PartitionBy::Time,
                PartitionChoice::Class => PartitionBy::Class,
            }),
            stamps: !self.no_stamps,
            rows: self.rows,
            flush: self.flush,
            exec: self.exec.as_ref().map(|command| Exec::new(command, self.exec_failures == ExecFailures::Ignore)),
            choice,
        };
        let format = match self.format {
            SaveFormat::Avro => return Ok(Some(Output::Alerts(Box::new(AlertFiles::open(options)?)))),
            SaveFormat::AvroMany => BatchFormat::Avro,
            SaveFormat::Parquet => BatchFormat::Parquet,
        };
        Ok(Some(Output::Batches(Box::new(BatchFiles::open(options, format, topics)?))))
    }
}
