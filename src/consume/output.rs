//! Where the alerts go.

use super::decode::Alert;
use super::error::ConsumeError;
use super::positions::Place;
use super::printer::Printer;
use super::save::{AlertFiles, BatchFiles};
use crate::kafka::Message;

/// Where the alerts go.
#[derive(Debug)]
pub enum Output {
    /// stdout
    Printer(Printer),
    /// a file for each alert
    Alerts(Box<AlertFiles>),
    /// files of many alerts
    Batches(Box<BatchFiles>),
}

/// What a flush has made safe.
#[derive(Debug, Default)]
pub struct Flushed {
    /// files that are new
    pub files: u64,
    /// their bytes
    pub bytes: u64,
    /// partitions of which nothing was kept, to be read again from these offsets: another process has saved them meanwhile
    pub rewind: Vec<(Place, i64)>,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// it is printed or saved with the next flush
    New,
    /// a file has it already
    Known,
}

/// What is to be flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// what was taken
    Flush,
    /// nothing, but files have their names whose offsets are to be committed
    Commit,
}

impl Output {
    /// Takes an alert.
    ///
    /// # Errors
    /// It cannot be printed or saved in the chosen format.
    pub fn add(&mut self, message: &Message, alert: &Alert<'_>) -> Result<Added, ConsumeError> {
        match self {
            Self::Printer(printer) => printer.add(message, alert).map(|()| Added::New),
            Self::Alerts(files) => files.add(message, alert).map(|()| Added::New),
            Self::Batches(files) => files.add(message, alert),
        }
    }

    /// What has to be flushed now.
    pub fn due(&self) -> Option<Due> {
        match self {
            Self::Printer(_) => Some(Due::Flush),
            Self::Alerts(files) => files.is_due().then_some(Due::Flush),
            Self::Batches(files) => files.due(),
        }
    }

    /// Makes what was taken safe: on stdout, or on the disk under its name.
    ///
    /// # Errors
    /// Stdout, the disk or a command fails.
    pub fn flush(&mut self, due: Due) -> Result<Flushed, ConsumeError> {
        match self {
            Self::Printer(printer) => printer.flush().map(|()| Flushed::default()),
            Self::Alerts(files) => files.flush(),
            Self::Batches(files) => files.flush(due),
        }
    }

    /// From which offset on alerts of a partition would be lost if the process ended now.
    pub fn unsaved(&self, place: &Place) -> Option<i64> {
        match self {
            Self::Batches(files) => files.unsaved(place),
            Self::Printer(_) | Self::Alerts(_) => None,
        }
    }

    /// Partitions are read from now on.
    pub fn assign(&mut self) {
        if let Self::Batches(files) = self {
            files.assign();
        }
    }

    /// These partitions went to another consumer: what was taken of them and not flushed is dropped.
    pub fn revoke(&mut self, places: &[Place]) {
        if let Self::Batches(files) = self {
            files.revoke(places);
        }
    }
}
