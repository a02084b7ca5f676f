//! The tasks of readers, and their output.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::distribution::batch::AlertBatch;
use crate::distribution::retry::RetryError;
use crate::filters::FilterError;
use crate::ledger::{LedgerEntry, RowVersion};
use crate::science_db::{KeyRange, ScienceDbError};
use crate::window::Window;

/// A task of a reader.
#[derive(Debug)]
pub(crate) enum Task {
    /// Read the rows of a key range whose trigger cell lies in `window`, in row order.
    Scan {
        /// the caller's number of the range
        range: u32,
        keys: KeyRange,
        /// the last row that is done
        after: Option<Vec<u8>>,
        /// which alerts
        window: Window,
        /// which cells are read: at least those of `window`
        cells: Window,
        /// only for the stream of this index, which has missed alerts that the others have
        stream: Option<usize>,
    },
    /// Find the rows whose trigger cell lies in `window`.
    ScanTriggers { keys: KeyRange, window: Window },
    /// Read these rows by key.
    Fetch {
        /// the caller's number of this task
        sequence: usize,
        rows: Vec<RowVersion>,
        /// the number of the task whose output the caller takes next: that one never waits for memory
        next_sequence: Arc<AtomicUsize>,
    },
}

/// Output of a reader; a task has one or several.
#[derive(Debug)]
pub(crate) enum ReadOutput {
    /// A page of a [`Task::Scan`].
    Page {
        /// the number of the range
        range: u32,
        batch: AlertBatch,
        /// the last row that is done with this page
        after: Option<Vec<u8>>,
        /// whether this was the last page of the range
        done: bool,
        /// how many rows the scan returned
        rows: usize,
    },
    /// Rows of a [`Task::ScanTriggers`].
    Triggers {
        rows: Vec<RowVersion>,
        /// whether these were the last
        done: bool,
    },
    /// A part of a [`Task::Fetch`], in the order of its rows.
    Fetched {
        /// the number of the task
        sequence: usize,
        /// the alerts, without rows whose trigger was written again since they were found: another scan finds these
        batch: AlertBatch,
        /// the rows of this part that have the requested version or a later one: done now, alerts or not. The others were deleted, or are not
        /// visible yet.
        done: Vec<LedgerEntry>,
        /// whether this was the last part
        is_last: bool,
    },
    /// An error that ends the distribution.
    Failed(ReadError),
}

/// Why a reader cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    #[error(transparent)]
    Filter(FilterError),
    #[error("a thread of the distribution panicked: {0}; please report this")]
    Panicked(String),
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().map(|message| (*message).to_owned());
    message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Why a task ended early.
pub(super) enum TaskError {
    Cancelled,
    Failed(ReadError),
}

impl From<RetryError> for TaskError {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::Cancelled => Self::Cancelled,
            RetryError::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<FilterError> for TaskError {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Cancelled => Self::Cancelled,
            error => Self::Failed(ReadError::Filter(error)),
        }
    }
}
