//! Where the alerts go.

use super::error::ConsumeError;
use super::outcome::{Added, Due, Flushed};
use super::printer::Printer;
use super::save::{AlertFiles, BatchFiles};
use crate::kafka::Message;
use crate::messages::Alert;
use crate::messages::Place;

/// Where the alerts go.
#[derive(Debug)]
pub enum Output {
    /// stdout
    Printer(Box<Printer>),
    /// a file for each alert
    Alerts(Box<AlertFiles>),
    /// files of many alerts
    Batches(Box<BatchFiles>),
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
