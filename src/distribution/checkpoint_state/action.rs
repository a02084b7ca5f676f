//! What a distribution does next, and the intervals that decide it.

use std::time::Duration;

use crate::distribution::settings::DistributionSettings;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// The intervals that decide which lane is due: the keys of the same names under `[distribution]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intervals {
    /// time between two live scans
    pub poll: Duration,
    /// rows younger than this are left for a later scan
    pub settle: Duration,
    /// how far back a sweep reads; above `settle`
    pub overlap: Duration,
    /// how late a row may become visible and still be sent; at least `overlap`
    pub repair: Duration,
    /// time between two repairs
    pub repair_every: Duration,
    /// time between two sweeps
    pub sweep_every: Duration,
    /// the longest window that the catch-up reads at once
    pub catch_up_slice: Duration,
}

/// How far back a live scan reads beyond `settle`: the time that most writes take to become visible.
pub(super) const LIVE_LOOKBACK: Duration = Duration::from_secs(2);
/// Time between two sweeps: a row that became visible later than a [`LIVE_LOOKBACK`], but within `overlap`, waits no longer than this.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Times between two live scans and between two sweeps while HBase pushes new rows in time.
const POLL_INTERVAL_WITH_PUSH: Duration = Duration::from_secs(5);
const SWEEP_INTERVAL_WITH_PUSH: Duration = Duration::from_secs(30);
/// The longest window that the catch-up reads at once: the row keys that one scan finds have to fit into memory.
const CATCH_UP_SLICE: Duration = Duration::from_secs(60);

impl Intervals {
    /// The intervals of the configuration.
    pub fn new(settings: &DistributionSettings) -> Self {
        Self {
            poll: settings.poll,
            settle: settings.settle,
            overlap: settings.overlap,
            repair: settings.repair,
            repair_every: settings.repair_every,
            sweep_every: SWEEP_INTERVAL.max(settings.poll),
            catch_up_slice: CATCH_UP_SLICE,
        }
    }

    /// The same with rarer scans, for the time in which HBase pushes new rows.
    #[must_use]
    pub fn with_push(self) -> Self {
        Self {
            poll: self.poll.max(POLL_INTERVAL_WITH_PUSH),
            sweep_every: self.sweep_every.max(SWEEP_INTERVAL_WITH_PUSH),
            ..self
        }
    }

    /// How far back a live scan reads.
    pub(super) fn live_lookback(&self) -> Duration {
        self.overlap.min(self.settle.saturating_add(LIVE_LOOKBACK))
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the history lane, or continue it after a restart: [`start_history`](super::CheckpointState::start_history).
    StartHistory(HistoryWindow),
    /// Continue the history lane.
    History,
    /// Publish the rows of this slice of the gap since the last run, oldest first.
    CatchUp(CatchUpSlice),
    /// Start a repair.
    Repair(Window),
    /// Start a sweep.
    Sweep(Window),
    /// Scan for fresh rows.
    Live(Window),
    /// Nothing before this time, by the steady clock.
    Wait(Timestamp),
    /// A bounded job is done.
    Finished,
}

/// What the history lane reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryWindow {
    /// what is done in the end: the watermark moves to its end
    pub done: Window,
    /// Alerts are published up to this time, because the scan reads their rows anyway. Rows written since the end of `done` may become visible late, so
    /// the ledger lists these alerts.
    pub until: Timestamp,
}

impl HistoryWindow {
    /// A window in which all alerts are done in the end.
    pub fn of(done: Window) -> Self {
        Self { done, until: done.until() }
    }

    /// The alerts to publish.
    pub fn alerts(self) -> Window {
        Window::new(self.done.from(), self.until).unwrap_or(self.done)
    }
}

/// A part of the gap between the last live scan of the previous run and the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CatchUpSlice {
    /// the window to scan
    pub window: Window,
    /// whether it reaches the present
    pub is_last: bool,
}
