//! Where the live lane learns of new rows: from scans alone, or from what HBase pushes, with scans at a lower rate as the safety net.
//!
//! Scans decide what is done: the watermark follows the repair, and every pushed row is also found by a scan, unless the ledger lists it by
//! then. So a push can be late, doubled, incomplete or absent, which costs time only. It may therefore be acknowledged without being published
//! where a scan is due anyway: during the history lane and the catch-up.

mod poll_pace;
mod push_health;

use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;

use super::background_scan::BackgroundScan;
use super::checkpoint_state::{CheckpointState, Intervals};
use super::clock::ClockReading;
use super::error::DistributionError;
use super::live::publish_rows;
use super::publisher::Publisher;
use super::readers::Readers;
use crate::cancel::CancellationToken;
use crate::ledger::RowVersion;
use crate::science_db::{Delivery, ReplicationSink};
use crate::window::Window;
use poll_pace::PollPace;
use push_health::PushHealth;

/// The first pause before a pushed row that is not visible yet is fetched again; each further pause is twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(10);
/// A row that is not visible for so long was deleted, or is left to the next scan.
const VISIBLE_WITHIN: Duration = Duration::from_secs(2);

/// Where the live lane learns of new rows.
pub(super) enum LiveSource {
    /// scans, every `poll` or sooner
    Polling(PollPace),
    /// a replication sink, and scans
    Push(Box<Push>),
}

/// What HBase pushes.
pub(super) struct Push {
    sink: ReplicationSink,
    /// live scans: what is pushed does not wait for them
    scan: BackgroundScan,
    health: PushHealth,
    /// received, and not published yet
    arrived: Vec<Delivery>,
    /// published as far as they were visible; the others
    invisible: Vec<InvisibleRow>,
    /// time from the write of the last row to its arrival
    lag: Duration,
    lags: Histogram,
}

/// A pushed row that the table did not return: HBase sends an entry of its WAL as soon as it is synced, and a moment later readers see the row.
struct InvisibleRow {
    row: RowVersion,
    since: Instant,
    pause: Duration,
    /// when to fetch it again
    next: Instant,
}

impl InvisibleRow {
    fn new(row: RowVersion, now: Instant) -> Self {
        Self { row, since: now, pause: FIRST_RETRY, next: now + FIRST_RETRY }
    }

    /// This row after another attempt; `None` where it was the last one.
    fn retried(mut self, now: Instant) -> Option<Self> {
        self.pause *= 2;
        self.next = now + self.pause;
        (now.duration_since(self.since) < VISIBLE_WITHIN).then_some(self)
    }
}

impl LiveSource {
    /// Scans alone.
    pub fn polling() -> Self {
        Self::Polling(PollPace::default())
    }

    /// What a replication sink pushes, and `scan` for the live scans. `lags` takes the lag of each call.
    pub fn push(sink: ReplicationSink, scan: BackgroundScan, lags: Histogram) -> Self {
        let (health, arrived, invisible) = (PushHealth::default(), Vec::new(), Vec::new());
        Self::Push(Box::new(Push { sink, scan, health, arrived, invisible, lag: Duration::ZERO, lags }))
    }

    /// The intervals of the lanes: while HBase pushes rows in time, scans have less to find.
    pub fn intervals(&self, configured: Intervals, now: ClockReading) -> Intervals {
        match self {
            Self::Push(push) if push.health.is_good(now.steady) => configured.with_push(),
            Self::Push(_) => configured,
            Self::Polling(pace) => Intervals { poll: pace.interval(configured.poll), ..configured },
        }
    }

    /// Learns how long a live scan took, and how many new rows it found.
    pub fn note_scan(&mut self, took: Duration, new_rows: usize) {
        if let Self::Polling(pace) = self {
            pace.note_scan(took, new_rows);
        }
    }

    /// Says whether the live lane runs. Otherwise what HBase pushes is left to the scans of the other lanes.
    pub fn set_live(&mut self, is_live: bool) {
        if let Self::Push(push) = self {
            push.sink.take_rows(is_live);
            if !is_live {
                push.arrived.drain(..).for_each(Delivery::acknowledge);
                push.invisible.clear();
            }
        }
    }

    /// Waits for `duration`, or until rows were pushed, or `cancel` is cancelled.
    pub fn wait(&mut self, duration: Duration, cancel: &CancellationToken) {
        match self {
            Self::Polling(_) => {
                cancel.wait(duration);
            }
            Self::Push(push) => push.wait(duration),
        }
    }

    /// Starts a live scan of `window` in the background, and returns whether it has: while nothing is pushed, nothing would wait for it.
    pub fn begin_scan(&mut self, window: Window) -> bool {
        match self {
            Self::Polling(_) => false,
            Self::Push(push) => {
                push.scan.begin(window, false);
                true
            }
        }
    }

    /// Whether the rows of a live scan in the background are to be published.
    pub fn has_found(&self) -> bool {
        matches!(self, Self::Push(push) if push.scan.has_read_all())
    }

    /// Refuses what was pushed and is not published: HBase sends it again.
    pub fn cancel(&mut self) {
        if let Self::Push(push) = self {
            push.scan.cancel();
            push.arrived.clear();
            push.invisible.clear();
        }
    }
}

impl Push {
    fn wait(&mut self, mut duration: Duration) {
        let now = Instant::now();
        if let Some(next) = self.invisible.iter().map(|row| row.next).min() {
            duration = duration.min(next.saturating_duration_since(now));
        }
        if self.arrived.is_empty() {
            self.arrived.extend(self.sink.receive(duration));
        }
    }

    /// The rows to publish now: of all calls that wait, and those that were not visible before.
    fn rows_to_publish(
        &mut self,
        state: &CheckpointState,
        now: ClockReading,
        intervals: &Intervals,
    ) -> Vec<InvisibleRow> {
        while let Some(delivery) = self.sink.receive(Duration::ZERO) {
            self.arrived.push(delivery);
        }
        let at = Instant::now();
        let is_due = |row: &mut InvisibleRow| row.next <= at;
        let mut rows: Vec<InvisibleRow> = self.invisible.extract_if(.., is_due).collect();
        for delivery in &self.arrived {
            if let Some(written) = delivery.last_write() {
                self.lag = now.wall.since(written);
                self.health.note_lag(self.lag, now);
            }
            if let Some(lag) = delivery.first_lag() {
                self.lags.observe(lag.as_secs_f64());
            }
            // Rows with later timestamps are published when their time comes.
            let last = now.wall + intervals.overlap;
            let new = delivery.rows().iter().filter(|row| row.timestamp <= last);
            rows.extend(new.map(|row| InvisibleRow::new(row.clone(), at)));
        }
        rows.retain(|row| state.is_new(&row.row.key, row.row.timestamp));
        rows
    }
}

/// Publishes what HBase has pushed, and acknowledges it; then what a live scan in the background has found. Call this in the live lane only.
///
/// # Errors
/// A reader or the sink of the alerts failed; or `cancel` is cancelled. What was pushed is refused then.
pub(super) fn publish_pushed(
    source: &mut LiveSource,
    state: &mut CheckpointState,
    readers: &mut Readers,
    publisher: &mut Publisher<'_>,
    (now, intervals): (ClockReading, &Intervals),
    cancel: &CancellationToken,
) -> Result<(), DistributionError> {
    let LiveSource::Push(push) = source else { return Ok(()) };
    let taken = Instant::now();
    let rows = push.rows_to_publish(state, now, intervals);
    if !rows.is_empty() {
        let mut versions: Vec<RowVersion> = rows.iter().map(|row| row.row.clone()).collect();
        // The same row may have been sent twice, by a source that had no answer.
        versions.sort_unstable();
        versions.dedup();
        publish_rows(versions, false, state, readers, publisher, cancel, |_| ())?;
        let at = Instant::now();
        let count = rows.len();
        let invisible = rows.into_iter().filter(|row| state.is_new(&row.row.key, row.row.timestamp));
        let invisible: Vec<InvisibleRow> = invisible.collect();
        publisher.stats().pushed += (count - invisible.len()) as u64;
        publisher.stats().push_lag = push.lag.as_millis() as u64;
        push.invisible.extend(invisible.into_iter().filter_map(|row| row.retried(at)));
    }
    if let Some(arrived) = push.arrived.iter().map(Delivery::arrived).min() {
        log::debug!(
            "committed what was pushed with {} calls: {} ms from the first write to the arrival, {} ms waiting, {} ms in work",
            push.arrived.len(),
            push.arrived.iter().filter_map(Delivery::first_lag).max().unwrap_or_default().as_millis(),
            now.wall.since(arrived).as_millis(),
            taken.elapsed().as_millis()
        );
    }
    push.arrived.drain(..).for_each(Delivery::acknowledge);

    push.scan.poll_all(|row| state.is_new(&row.key, row.timestamp))?;
    // All at once, in the order of their timestamps.
    let Some(mut rows) = push.scan.take_all() else { return Ok(()) };
    // They may have been pushed meanwhile.
    rows.retain(|row| state.is_new(&row.key, row.timestamp));
    push.health.note_scanned(&rows, now);
    publish_rows(rows, false, state, readers, publisher, cancel, CheckpointState::finish_background_live_scan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn an_invisible_row_is_fetched_again_after_growing_pauses_for_a_while() {
        let mut now = Instant::now();
        let mut row = Some(InvisibleRow::new(RowVersion { timestamp: Timestamp::EPOCH, key: b"row".to_vec() }, now));
        let mut pauses = Vec::new();
        while let Some(waiting) = row {
            pauses.push(waiting.next.duration_since(now).as_millis());
            now = waiting.next;
            row = waiting.retried(now);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280]);
    }
}
