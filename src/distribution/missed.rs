//! Sends streams the alerts that they have missed while they were paused: a scan in row order like that of the history lane, beside the live lane, a few
//! alerts at a time.

use std::time::{Duration, Instant};

use super::checkpoint_state::{CheckpointState, Intervals};
use super::clock::ClockReading;
use super::error::DistributionError;
use super::history::cells_of;
use super::publisher::{Publisher, TransactionLimits};
use super::readers::{ReadOutput, Readers, Task};
use super::retry::RetryingSession;
use crate::cancel::CancellationToken;

/// Threads that read what streams have missed.
pub(super) const READER_THREADS: usize = 2;

/// What one step sends: the live lane waits for it.
const STEP_LIMITS: TransactionLimits =
    TransactionLimits { bytes: 32 << 20, alerts: 5_000, age: Duration::from_millis(100) };
/// Time between two steps.
const STEP_INTERVAL: Duration = Duration::from_millis(250);

/// Reads what streams have missed, one stream at a time.
pub(super) struct MissedReader {
    readers: Readers,
    /// the stream whose scan is under way
    stream: Option<String>,
    stepped: Instant,
}

impl MissedReader {
    /// Reads with `readers`, which have a memory budget of their own: the live lane must not wait for alerts that are left for the next step.
    pub fn new(readers: Readers) -> Self {
        Self { readers, stream: None, stepped: Instant::now() }
    }

    /// Cancels the scan.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        self.stream = None;
    }
}

/// Sends the next alerts that a stream has missed, if there are any.
///
/// # Errors
/// A reader or the sink failed; or `cancel` is cancelled.
pub(super) fn publish_missed(
    reader: &mut MissedReader,
    state: &mut CheckpointState,
    publisher: &mut Publisher<'_>,
    session: &mut RetryingSession,
    at: (ClockReading, &Intervals),
    cancel: &CancellationToken,
) -> Result<(), DistributionError> {
    if reader.stepped.elapsed() < STEP_INTERVAL {
        return Ok(());
    }
    reader.stepped = Instant::now();
    let name = match &reader.stream {
        Some(name) => name.clone(),
        None => {
            let Some(name) = begin_scan(reader, state, publisher, session, at, cancel)? else {
                return Ok(());
            };
            reader.stream.insert(name).clone()
        }
    };
    let mut has_advanced = false;
    while !publisher.is_due(STEP_LIMITS)
        && let Some((output, lease)) = reader.readers.receive(Duration::ZERO)
    {
        match output {
            ReadOutput::Page { range, batch, after, done, .. } => {
                for alert in batch.alerts() {
                    publisher.send_missed(&batch, alert)?;
                }
                reader.readers.recycle(batch);
                drop(lease);
                state.missed_mut().advance(&name, range, after.as_deref(), done)?;
                has_advanced = true;
            }
            ReadOutput::Failed(error) => return Err(error.into()),
            ReadOutput::Triggers { .. } | ReadOutput::Fetched { .. } => {}
        }
    }
    if !has_advanced {
        return Ok(());
    }
    let records = state.missed_records(&name)?;
    let is_done = state.missed().scan(&name).is_none();
    publisher.commit(records, state.watermark())?;
    if is_done {
        publisher.set_missed(state.missed());
        reader.stream = None;
        match state.missed().of(&name).and_then(|missed| missed.from()) {
            None => log::info!("stream `{name}` has received all alerts that it had missed"),
            Some(from) => log::info!(
                "stream `{name}` has received the alerts that it had missed and that were written before {}",
                from.rfc3339()
            ),
        }
    }
    reader.stepped = Instant::now();
    Ok(())
}

/// Starts to read what a stream has missed, and returns its name; `None`: there is nothing to read at present.
fn begin_scan(
    reader: &MissedReader,
    state: &mut CheckpointState,
    publisher: &mut Publisher<'_>,
    session: &mut RetryingSession,
    (now, intervals): (ClockReading, &Intervals),
    cancel: &CancellationToken,
) -> Result<Option<String>, DistributionError> {
    let streams = &publisher.stats().streams;
    let index = |name: &str| streams.iter().position(|stream| stream.name == name);
    let Some((name, window)) = state.next_missed(now, intervals, |name| index(name).is_some()) else { return Ok(None) };
    let (name, stream) = (name.to_owned(), index(name));
    let regions = session.ask(cancel, |db| db.key_ranges())?;
    state.missed_mut().start_scan(&name, window, &regions);
    let cells = cells_of(window, now, intervals);
    for (range, progress) in state.missed().scan(&name).into_iter().flat_map(|scan| scan.ranges()) {
        if !progress.is_done() {
            let after = progress.after().map(<[u8]>::to_vec);
            reader.readers.submit(Task::Scan { range, keys: progress.keys(), after, window, cells, stream });
        }
    }
    log::info!("sending stream `{name}` the alerts that it has missed, written from {window}");
    Ok(Some(name))
}
