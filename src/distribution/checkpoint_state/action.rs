//! What a distribution does next, and the waiting times that decide it.

use crate::window::Window;

/// The waiting times that decide which lane is due, all in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// how often the live lane looks
    pub poll: i64,
    /// rows younger than this are left alone
    pub settle: i64,
    /// how far back a sweep goes; above `settle`
    pub overlap: i64,
    /// how late a row may become visible and still be sent; at least `overlap`
    pub repair: i64,
    /// time between two repairs
    pub repair_every: i64,
}

/// How far back a live look goes beyond `settle`, ms: the time that most writes take to become visible.
pub const LIVE_LOOKBACK_MS: i64 = 2_000;
/// Time between two sweeps, ms: a row that became visible later than a [`LIVE_LOOKBACK_MS`], but within `overlap`, waits no longer than this.
pub(super) const SWEEP_INTERVAL_MS: i64 = 5_000;
/// How long a stretch of time the catch-up reads at once, ms: what one look finds has to fit into memory.
pub(super) const CATCH_UP_SLICE_MS: i64 = 60_000;

impl Intervals {
    /// How far back a live look goes, ms.
    pub(super) fn live_lookback(&self) -> i64 {
        self.overlap.min(self.settle + LIVE_LOOKBACK_MS)
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin the history lane over this window, or take it up after a restart: [`start_history`](super::CheckpointState::start_history).
    BeginHistory(Window),
    /// Go on with the history lane.
    History,
    /// Publish what stands in this slice of the gap that a stop has left, oldest first.
    CatchUp(CatchUpSlice),
    /// Begin a repair.
    Repair(Window),
    /// Begin a sweep: look again for rows that became visible only now.
    Sweep(Window),
    /// Look for fresh rows.
    Live(Window),
    /// Nothing before this time, ms since 1970.
    Wait(i64),
    /// A bounded job has done all it was asked to.
    Finished,
}

/// A part of the gap between the last look of the former process and the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUpSlice {
    /// what to look through
    pub window: Window,
    /// whether it reaches the present
    pub is_last: bool,
}
