//! The history lane: one long window of the past, in row order, with its position in the checkpoint.

use std::time::Duration;

use super::checkpoint_state::{CheckpointState, Intervals};
use super::clock::ClockReading;
use super::error::DistributionError;
use super::publisher::{Publisher, TransactionLimits};
use super::readers::{ReadOutput, Readers, Task};
use super::row_count::RowCount;
use super::stats::HistoryStats;
use crate::cancel::CancellationToken;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Latency does not matter here, so commits are few; the limits also bound what a crash lets be read again.
const TRANSACTION_LIMITS: TransactionLimits =
    TransactionLimits { bytes: 512 << 20, alerts: 50_000, age: Duration::from_secs(3) };

/// How often the loop checks for cancellation and for a transaction that is due.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The timestamps of the cells that a scan of the rows of `window` reads: cells newer than the window complete or correct a row of it, unless the window
/// ended long ago. Rows that are written from `now` on are left out, so the scan has an end, however many there are. A scan from the beginning of the table
/// is not bounded, so that no row of it is partial.
pub(super) fn cells_of(window: Window, now: ClockReading, intervals: &Intervals) -> Window {
    match window.until() < now.wall - intervals.repair.saturating_mul(2) {
        true => window,
        false if window.from() == Timestamp::EPOCH => Window::ALL,
        false => Window::new(window.from(), now.wall).unwrap_or(window),
    }
}

/// Publishes the rows of the history lane's window, from every key range that is not done, until all are.
///
/// # Errors
/// A reader or the sink failed; or `cancel` is cancelled, after a last commit.
pub(super) fn publish_history(
    state: &mut CheckpointState,
    readers: &mut Readers,
    row_count: &mut Option<RowCount>,
    publisher: &mut Publisher<'_>,
    (now, intervals): (ClockReading, &Intervals),
    cancel: &CancellationToken,
) -> Result<(), DistributionError> {
    let Some(history) = state.history() else { return Ok(()) };
    let window = history.window().alerts();
    let cells = cells_of(window, now, intervals);
    let (mut left, all) = (0, history.ranges().len());
    if let Some(count) = row_count {
        let unread = history.ranges().filter(|(_, range)| !range.is_done()).map(|(_, range)| range.unread_keys());
        count.begin(unread, cells);
    }
    for (range, progress) in history.ranges().filter(|(_, range)| !range.is_done()) {
        let after = progress.after().map(<[u8]>::to_vec);
        readers.submit(Task::Scan { range, keys: progress.keys(), after, window, cells, stream: None });
        left += 1;
    }
    publisher.stats().history = HistoryStats { ranges: (all - left, all), rows: 0, total: None };
    while left > 0 && !cancel.is_cancelled() {
        match readers.receive(POLL_INTERVAL) {
            Some((ReadOutput::Page { range, batch, after, done, rows }, lease)) => {
                publisher.count_rows(rows);
                publisher.stats().history.rows += rows as u64;
                for alert in batch.alerts() {
                    if state.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
                        publisher.send(&batch, alert, false)?;
                    }
                }
                readers.recycle(batch);
                drop(lease);
                state.advance_history(range, after.as_deref(), done)?;
                if done {
                    left -= 1;
                    publisher.stats().history.ranges.0 += 1;
                }
            }
            Some((ReadOutput::Failed(error), _)) => return Err(error.into()),
            Some(_) | None => {}
        }
        // The commit after the loop ends the history lane.
        if left > 0 && publisher.is_due(TRANSACTION_LIMITS) {
            commit(state, publisher)?;
        }
        publisher.keep_alive(state)?;
        publisher.stats().history.total = row_count.as_mut().and_then(RowCount::poll);
        publisher.report();
    }
    readers.cancel();
    row_count.iter_mut().for_each(RowCount::cancel);
    commit(state, publisher)?;
    if left > 0 { Err(DistributionError::Cancelled) } else { Ok(()) }
}

fn commit(state: &mut CheckpointState, publisher: &mut Publisher<'_>) -> Result<(), DistributionError> {
    let entries = publisher.take_entries();
    let records = state.history_records(&entries)?;
    publisher.commit(records, state.watermark())
}
