//! Alerts as files, each of which appears under its name as a whole or not at all.
//!
//! A file is written in a folder of its own (`.fink/tmp-…`), synced, renamed, and its folder synced; only then are the offsets of its alerts
//! committed. A process that ends before that leaves no file, or files whose alerts are read once more. An alert has one place: files of
//! single alerts are named by the alert, so the same file is written again; files of many are named by partition and offsets, so what such a
//! file holds is known and not written again. Several processes may save into one folder: files of many alerts appear under a lock, and
//! never with offsets that another has.

mod alert_files;
mod batch_files;
mod commands;
mod exec;
mod folder;
mod names;
mod parquet_file;
mod ranges;
mod required;
mod stamps;

pub use alert_files::AlertFiles;
pub use batch_files::BatchFiles;
pub use exec::Exec;

use std::path::PathBuf;
use std::time::Duration;

/// What files of many alerts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFormat {
    /// Avro object container files
    Avro,
    /// Parquet, with the types of the Avro schema
    Parquet,
}

impl BatchFormat {
    fn ending(self) -> &'static str {
        match self {
            Self::Avro => "avro",
            Self::Parquet => "parquet",
        }
    }
}

/// Folders within the folder, by the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionBy {
    /// `year=2026/month=02/day=24`, of the observation's UTC
    Time,
    /// `finkclass=NAME`
    Class,
}

/// How alerts are saved.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    /// the folder
    pub folder: PathBuf,
    /// whether each topic has a folder of its own within
    pub by_topic: bool,
    /// folders within that
    pub partition_by: Option<PartitionBy>,
    /// whether the stamps are saved too
    pub stamps: bool,
    /// most alerts in a file of many
    pub rows: u64,
    /// longest time until an alert is in a file
    pub flush: Duration,
    /// a command for each file
    pub exec: Option<Exec>,
    /// what makes the choice of alerts, in words: files of many alerts of another choice are not added to
    pub choice: String,
}
