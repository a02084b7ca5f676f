//! What a reader is asked to do, and what it answers.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::distribution::batch::Batch;
use crate::distribution::retry::RetryError;
use crate::filters::FilterError;
use crate::ledger::{LedgerEntry, RowVersion};
use crate::science_db::{KeyRange, ScienceDbError};
use crate::window::Window;

/// What a reader is asked to do.
#[derive(Debug)]
pub enum Task {
    /// Read all rows of a key range whose trigger lies in `window`, in row order.
    Scan {
        /// the caller's number of the range
        range: u32,
        /// the range
        keys: KeyRange,
        /// the last row that is done
        after: Option<Vec<u8>>,
        /// the alerts wanted
        window: Window,
        /// the cells read: at least `window`
        cells: Window,
    },
    /// Find the rows whose trigger lies in `window`.
    ScanTriggers {
        /// the range
        keys: KeyRange,
        /// the alerts wanted
        window: Window,
    },
    /// Read these rows whole.
    Fetch {
        /// the caller's number of this request
        sequence: usize,
        /// the rows
        rows: Vec<RowVersion>,
        /// the number of the request whose answer the caller takes next: that one never waits for memory
        turn: Arc<AtomicUsize>,
    },
}

/// What a reader found.
#[derive(Debug)]
pub enum ReadOutput {
    /// A page of a [`Task::Scan`].
    Page {
        /// the number of the range
        range: u32,
        /// the alerts
        batch: Batch,
        /// the last row that is done with this page
        after: Option<Vec<u8>>,
        /// whether this was the range's last page
        done: bool,
        /// rows looked at
        rows: usize,
    },
    /// Rows of a [`Task::ScanTriggers`].
    Triggers {
        /// the rows
        rows: Vec<RowVersion>,
        /// whether these were the last
        done: bool,
    },
    /// A part of the answer to a [`Task::Fetch`], in the order of its rows.
    Fetched {
        /// the number of the request
        sequence: usize,
        /// the alerts, without those rows that have been written again since they were found: these are found again
        batch: Batch,
        /// what was asked for: done now, whatever became of it
        asked: Vec<LedgerEntry>,
        /// whether this was the last part
        done: bool,
    },
    /// What ends the distribution.
    Failed(ReadError),
}

/// Why a reader cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// the science database refused for good
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    /// the filters end everything
    #[error(transparent)]
    Filter(FilterError),
    /// a thread panicked, which is a fault of the program
    #[error("a thread of the distribution panicked: {0}; please report this")]
    Panicked(String),
}

/// The words of a panic.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

/// Why a task is not done.
pub(super) enum TaskError {
    Cancelled,
    Failed(ReadError),
}

impl From<RetryError> for TaskError {
    fn from(halt: RetryError) -> Self {
        match halt {
            RetryError::Cancelled => Self::Cancelled,
            RetryError::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<FilterError> for TaskError {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Stopped => Self::Cancelled,
            error => Self::Failed(ReadError::Filter(error)),
        }
    }
}
