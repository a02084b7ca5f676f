//! Counts the rows that the history lane will read, for its progress: a scan of the trigger column, beside the lane.

use std::time::Duration;

use super::readers::{ReadOutput, Readers, Task};
use crate::science_db::KeyRange;
use crate::window::Window;

/// Counts rows in a thread of its own.
pub(crate) struct RowCount {
    readers: Readers,
    /// scans that have not ended
    left: usize,
    rows: u64,
    /// whether something is counted at all
    is_begun: bool,
}

impl RowCount {
    /// A count by `readers`, of which there is one.
    pub fn new(readers: Readers) -> Self {
        Self { readers, left: 0, rows: 0, is_begun: false }
    }

    /// Starts to count the rows of these key ranges with a trigger cell in `window`, whose cells the lane reads.
    pub fn begin(&mut self, ranges: impl Iterator<Item = KeyRange>, window: Window) {
        self.cancel();
        for keys in ranges {
            self.readers.submit(Task::ScanTriggers { keys, window });
            self.left += 1;
        }
        self.is_begun = true;
    }

    /// The number of rows, once all are counted. Does not wait. A count that fails has no result: the lane reports the error.
    pub fn poll(&mut self) -> Option<u64> {
        while self.left > 0
            && let Some((output, _)) = self.readers.receive(Duration::ZERO)
        {
            match output {
                ReadOutput::Triggers { rows, done } => {
                    self.rows += rows.len() as u64;
                    self.left -= usize::from(done);
                }
                ReadOutput::Failed(_) => self.cancel(),
                ReadOutput::Page { .. } | ReadOutput::Fetched { .. } => {}
            }
        }
        (self.is_begun && self.left == 0).then_some(self.rows)
    }

    /// Cancels the count.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        (self.left, self.rows, self.is_begun) = (0, 0, false);
    }
}
