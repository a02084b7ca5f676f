//! The live lane and the catch-up before it: they find rows by their trigger cells, fetch them whole, publish them in timestamp order, and list
//! them in the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::batch::AlertBatch;
use super::checkpoint_state::CheckpointState;
use super::error::DistributionError;
use super::memory_budget::MemoryLease;
use super::publisher::{Publisher, TransactionLimits};
use super::readers::{READER_THREADS, ReadOutput, Readers, Task};
use crate::cancel::CancellationToken;
use crate::ledger::{LedgerEntry, RowVersion};
use crate::science_db::KeyRange;
use crate::window::Window;

/// Rows fetched by one task.
const ROWS_PER_FETCH: usize = 100;
/// Fetches in flight for each reader: one that it works on, and one that waits.
const FETCHES_PER_READER: usize = 2;

/// The first alerts of a burst do not wait for the last ones.
const TRANSACTION_LIMITS: TransactionLimits =
    TransactionLimits { bytes: 128 << 20, alerts: 20_000, age: Duration::from_secs(1) };

/// How often the loops check for cancellation and for a transaction that is due.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A part of a fetch.
struct FetchedPart {
    batch: AlertBatch,
    /// the rows that are done
    done: Vec<LedgerEntry>,
    is_last: bool,
    lease: Option<MemoryLease>,
}

/// The rows of `window` that are not published yet.
///
/// # Errors
/// A reader failed; or `cancel` is cancelled.
pub(super) fn find_new_rows(
    window: Window,
    state: &CheckpointState,
    readers: &Readers,
    publisher: &mut Publisher<'_>,
    cancel: &CancellationToken,
) -> Result<Vec<RowVersion>, DistributionError> {
    readers.submit(Task::ScanTriggers { keys: KeyRange::default(), window });
    let mut new = Vec::new();
    loop {
        if cancel.is_cancelled() {
            return Err(DistributionError::Cancelled);
        }
        publisher.keep_alive(state)?;
        publisher.report();
        match readers.receive(POLL_INTERVAL) {
            Some((ReadOutput::Triggers { rows, done }, _)) => {
                publisher.count_rows(rows.len());
                new.extend(rows.into_iter().filter(|row| state.is_new(&row.key, row.timestamp)));
                if done {
                    return Ok(new);
                }
            }
            Some((ReadOutput::Failed(error), _)) => return Err(error.into()),
            Some(_) | None => {}
        }
    }
}

/// Fetches rows whole and publishes them in timestamp order. `late`: whether they count as late. `finish` is applied to the state that the last
/// commit writes.
///
/// A row that was written again since it was found is not published here: the scan that finds its new version publishes it.
///
/// # Errors
/// A reader or the sink failed; or `cancel` is cancelled, after a last commit.
pub(super) fn publish_rows(
    mut rows: Vec<RowVersion>,
    late: bool,
    state: &mut CheckpointState,
    readers: &mut Readers,
    publisher: &mut Publisher<'_>,
    cancel: &CancellationToken,
    finish: impl FnOnce(&mut CheckpointState),
) -> Result<(), DistributionError> {
    rows.sort_unstable();
    let next_sequence = Arc::new(AtomicUsize::new(0));
    let mut chunks = rows.chunks(ROWS_PER_FETCH).enumerate();
    let count = chunks.len();
    let mut next_task = || {
        let (sequence, rows) = chunks.next()?;
        Some(Task::Fetch { sequence, rows: rows.to_vec(), next_sequence: Arc::clone(&next_sequence) })
    };
    for task in std::iter::repeat_with(&mut next_task).take(READER_THREADS * FETCHES_PER_READER).flatten() {
        readers.submit(task);
    }
    // Readers may finish later fetches first: their parts wait here.
    let mut waiting: BTreeMap<usize, Vec<FetchedPart>> = BTreeMap::new();
    let mut next = 0;
    while next < count {
        if cancel.is_cancelled() {
            readers.cancel();
            commit(state, publisher)?;
            return Err(DistributionError::Cancelled);
        }
        match readers.receive(POLL_INTERVAL) {
            Some((ReadOutput::Fetched { sequence, batch, done, is_last }, lease)) => {
                waiting.entry(sequence).or_default().push(FetchedPart { batch, done, is_last, lease });
            }
            Some((ReadOutput::Failed(error), _)) => return Err(error.into()),
            Some(_) | None => {}
        }
        while let Some(parts) = waiting.remove(&next) {
            let is_complete = parts.iter().any(|part| part.is_last);
            if is_complete {
                next += 1;
                next_sequence.store(next, Ordering::Relaxed);
                next_task().into_iter().for_each(|task| readers.submit(task));
            }
            for part in parts {
                publish_part(part, late, state, publisher)?;
            }
            if !is_complete {
                break;
            }
        }
        // Also while no part comes: a transaction that waits for an absent HBase would time out.
        if publisher.is_due(TRANSACTION_LIMITS) {
            commit(state, publisher)?;
        }
        publisher.keep_alive(state)?;
        publisher.report();
    }
    finish(state);
    commit(state, publisher)
}

fn publish_part(
    part: FetchedPart,
    late: bool,
    state: &CheckpointState,
    publisher: &mut Publisher<'_>,
) -> Result<(), DistributionError> {
    let FetchedPart { batch, done, lease, .. } = part;
    for alert in batch.alerts() {
        if state.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
            publisher.send(&batch, alert, late)?;
        }
    }
    // Rows that were written again or have the status already are done as well.
    publisher.add_done(done);
    drop(lease);
    Ok(())
}

fn commit(state: &mut CheckpointState, publisher: &mut Publisher<'_>) -> Result<(), DistributionError> {
    let entries = publisher.take_entries();
    let records = state.record_published(&entries)?;
    publisher.commit(records, state.watermark())?;
    publisher.report();
    Ok(())
}
