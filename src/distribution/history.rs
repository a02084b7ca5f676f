//! The history lane: one long window of the past, in row order, its position in the checkpoint.

use std::time::Duration;

use super::publisher::TransactionLimits;
use super::readers::{ReadOutput, Task};
use super::{Distribution, DistributionError};
use crate::window::Window;

/// Nobody waits for the past: few commits, and what a crash lets be read again stays small.
const TRANSACTION_LIMITS: TransactionLimits =
    TransactionLimits { bytes: 512 << 20, alerts: 50_000, age: Duration::from_secs(3) };

impl Distribution<'_> {
    /// The history lane: every key range of one long window, in row order. `false`: given up on the way.
    pub(super) fn history(&mut self) -> Result<bool, DistributionError> {
        let Some(history) = self.progress.history() else { return Ok(true) };
        let window = history.window();
        // Up to the present the newest cells are read too: a row completed by a later write is then whole.
        let cells = match window.until() < self.now.wall - self.intervals.repair.saturating_mul(2) {
            true => window,
            false => Window::since(window.from()),
        };
        let (mut left, all) = (0, history.ranges().len());
        for (range, progress) in history.ranges().filter(|(_, range)| !range.is_done()) {
            let after = progress.after().map(<[u8]>::to_vec);
            self.readers.submit(Task::Scan { range, keys: progress.keys(), after, window, cells });
            left += 1;
        }
        self.stats.ranges = (all - left, all);
        while left > 0 && !(self.give_up)() {
            match self.readers.receive(Duration::from_millis(100)) {
                Some((ReadOutput::Page { range, batch, after, done, rows }, lease)) => {
                    self.publisher.saw(rows as u64);
                    for alert in batch.alerts() {
                        if self.progress.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
                            self.publisher.send(&batch, alert, false)?;
                        }
                    }
                    drop(lease);
                    self.progress.advance_history(range, after.as_deref(), done)?;
                    if done {
                        left -= 1;
                        self.stats.ranges.0 += 1;
                    }
                }
                Some((ReadOutput::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
            // The last commit, which ends the history lane, follows.
            if left > 0 && self.publisher.is_due(TRANSACTION_LIMITS) {
                self.commit_history()?;
            }
            (self.report)(&self.stats);
        }
        self.readers.cancel();
        self.commit_history()?;
        Ok(left == 0)
    }

    fn commit_history(&mut self) -> Result<(), DistributionError> {
        // The position in the checkpoint says that they are done; no ledger is needed.
        self.publisher.take_entries();
        let records = self.progress.history_records()?;
        self.stats.watermark = self.progress.watermark().as_millis();
        self.publisher.commit(records, &mut self.stats)
    }
}
