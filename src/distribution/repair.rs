//! Sweep and repair: background scans whose rows are published a few at a time, so that fresh alerts never wait for them.

use super::background_scan::{BackgroundScan, ScanOutput};
use super::checkpoint_state::{CheckpointState, Intervals};
use super::error::DistributionError;
use super::live::publish_rows;
use super::publisher::Publisher;
use super::readers::Readers;
use crate::cancel::CancellationToken;

/// Publishes the next rows of the sweep, if there are any.
///
/// # Errors
/// A reader or the sink failed; or `cancel` is cancelled.
pub(super) fn continue_sweep(
    sweep: &mut BackgroundScan,
    state: &mut CheckpointState,
    readers: &mut Readers,
    publisher: &mut Publisher<'_>,
    cancel: &CancellationToken,
) -> Result<(), DistributionError> {
    if publish_next_rows(sweep, state, readers, publisher, cancel)? {
        state.finish_sweep();
    }
    Ok(())
}

/// Publishes the next rows of the repair, if there are any. The watermark moves when all are published.
///
/// # Errors
/// As for [`continue_sweep`].
pub(super) fn continue_repair(
    repair: &mut BackgroundScan,
    state: &mut CheckpointState,
    readers: &mut Readers,
    publisher: &mut Publisher<'_>,
    intervals: &Intervals,
    cancel: &CancellationToken,
) -> Result<(), DistributionError> {
    if publish_next_rows(repair, state, readers, publisher, cancel)? {
        let records = state.finish_repair(intervals)?;
        publisher.commit(records, state.watermark())?;
    }
    Ok(())
}

/// Returns whether these were the last rows of the scan.
fn publish_next_rows(
    scan: &mut BackgroundScan,
    state: &mut CheckpointState,
    readers: &mut Readers,
    publisher: &mut Publisher<'_>,
    cancel: &CancellationToken,
) -> Result<bool, DistributionError> {
    scan.poll(|row| state.is_new(&row.key, row.timestamp))?;
    let Some(ScanOutput { mut rows, late, is_last }) = scan.next() else { return Ok(false) };
    // The live lane may have published some of them meanwhile.
    rows.retain(|row| state.is_new(&row.key, row.timestamp));
    publisher.stats().limit_published_until(rows.iter().map(|row| row.timestamp).min());
    publish_rows(rows, late, state, readers, publisher, cancel, |_| ())?;
    Ok(is_last)
}
