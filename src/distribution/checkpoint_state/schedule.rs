//! Which lane is due.

use std::time::Duration;

use super::{Action, CatchUp, CatchUpSlice, CheckpointState, HistoryWindow, Intervals};
use crate::distribution::clock::ClockReading;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// How often the caller looks whether a live scan in the background is done.
const BACKGROUND_POLL_INTERVAL: Duration = Duration::from_millis(10);

impl CheckpointState {
    /// What to do at `now`.
    pub(crate) fn next_action(&self, now: ClockReading, intervals: &Intervals) -> Action {
        if let Some(history) = &self.history {
            return match history.is_split() {
                true => Action::History,
                false => Action::StartHistory(history.window()),
            };
        }
        if let Some(until) = self.job_until {
            return Window::new(self.watermark, until)
                .map(HistoryWindow::of)
                .map_or(Action::Finished, Action::StartHistory);
        }
        if let Some(action) = self.advance_old_watermark(now, intervals) {
            return action;
        }
        if !self.is_live(now, intervals) {
            return self.next_slice(now, intervals);
        }
        // Rows after the last live scan belong to the live lane, which publishes them in the order of their timestamps.
        let scanned_until = self.live_scanned_at.unwrap_or(now.steady).min(now.steady) - intervals.settle;
        // A live scan comes between two repairs, however long they take.
        if self.repair.is_none()
            && self.live_scanned_at > self.last_repair
            && due(self.last_repair, intervals.repair_every, now) <= now.steady
            && let Some(window) = Window::new(self.watermark, scanned_until.min(now.wall - intervals.overlap))
        {
            return Action::Repair(window);
        }
        if !self.is_sweeping
            && intervals.live_lookback() < intervals.overlap
            && due(self.last_sweep, intervals.sweep_every, now) <= now.steady
            && let Some(window) = self.window_since(self.last_sweep, intervals.overlap, now, scanned_until)
        {
            return Action::Sweep(window);
        }
        if self.live_scan.is_some() {
            return Action::Wait(now.steady + BACKGROUND_POLL_INTERVAL);
        }
        let live_at = due(self.live_scanned_at, intervals.poll, now);
        match self.window_since(self.live_scanned_at, intervals.live_lookback(), now, now.wall - intervals.settle) {
            Some(window) if live_at <= now.steady => Action::Live(window),
            _ => Action::Wait(live_at.max(now.steady + Duration::from_millis(1))),
        }
    }

    /// What to do where the watermark is older than repairs leave it; `None`: it is not, or the other lanes may go on beside the repair.
    ///
    /// Up to where the catch-up continues, every row was scanned once, so only rows are missing that became visible late. A repair finds them by the
    /// trigger column and the ledger, and fetches them alone. The history lane, which reads every row whole, begins behind it: it must not read again what
    /// the ledger lists, or a service that cannot keep up would fall further and further behind.
    fn advance_old_watermark(&self, now: ClockReading, intervals: &Intervals) -> Option<Action> {
        if !is_old(self.watermark, now.steady, intervals) {
            return None;
        }
        let past = now.steady - intervals.repair;
        let scanned_until = self.catch_up_from(now, intervals);
        match self.repair {
            None => match Window::new(self.watermark, scanned_until.min(past)) {
                Some(window) => Some(Action::Repair(window)),
                None => {
                    let until = (now.steady - intervals.overlap).max(past);
                    Window::new(self.watermark, past).map(|done| Action::StartHistory(HistoryWindow { done, until }))
                }
            },
            // The history lane comes next.
            Some(_) if is_old(scanned_until, now.steady, intervals) => {
                Some(Action::Wait(now.steady + BACKGROUND_POLL_INTERVAL))
            }
            Some(_) => None,
        }
    }

    /// Whether everything written up to the last seconds was read, so that the live lane may publish what is new.
    pub(crate) fn is_live(&self, now: ClockReading, intervals: &Intervals) -> bool {
        // A pause of the running process leaves a gap just as a stop does.
        let is_paused =
            self.live_scanned_at.is_some_and(|scanned| now.steady.since(scanned) > intervals.catch_up_slice);
        self.history.is_none() && self.job_until.is_none() && self.catch_up == CatchUp::Done && !is_paused
    }

    /// The window from `lookback` before the `last` scan to `until`; it does not begin before the watermark.
    fn window_since(
        &self,
        last: Option<Timestamp>,
        lookback: Duration,
        now: ClockReading,
        until: Timestamp,
    ) -> Option<Window> {
        let from = last.unwrap_or(now.steady).min(now.steady) - lookback;
        Window::new(from.max(self.watermark), until)
    }

    /// Where the catch-up continues.
    fn catch_up_from(&self, now: ClockReading, intervals: &Intervals) -> Timestamp {
        let from = match (self.catch_up, self.live_scanned_at) {
            (CatchUp::At { from, .. }, _) => from,
            (CatchUp::Due, Some(scanned)) => scanned.min(now.steady) - intervals.overlap,
            (CatchUp::Done, Some(scanned)) => scanned.min(now.steady) - intervals.live_lookback(),
            (_, None) => self.watermark,
        };
        from.max(self.watermark)
    }

    fn next_slice(&self, now: ClockReading, intervals: &Intervals) -> Action {
        let from = self.catch_up_from(now, intervals);
        let until = now.wall - intervals.settle;
        // The system clock may be ahead: what is written after `now.steady` may not be there yet, and is left to the live lane.
        let is_last = |window: Window| window.until() >= until.min(now.steady);
        match Window::new(from, until.min(from + intervals.catch_up_slice)) {
            Some(window) => Action::CatchUp(CatchUpSlice { window, is_last: is_last(window) }),
            None => {
                let settled_in = (from + intervals.settle).since(now.wall);
                Action::Wait(now.steady + settled_in.min(intervals.poll) + Duration::from_millis(1))
            }
        }
    }
}

/// Whether a watermark at `time` is older than repairs leave it.
pub(super) fn is_old(time: Timestamp, now: Timestamp, intervals: &Intervals) -> bool {
    time < now - intervals.repair - intervals.repair_every.saturating_mul(2)
}

/// When what was last done at `last` is due again. It is due at once where the clock was set back since: it must not wait for the time that
/// the clock has lost.
fn due(last: Option<Timestamp>, interval: Duration, now: ClockReading) -> Timestamp {
    last.map_or(now.steady, |last| if last > now.steady { now.steady } else { last + interval })
}
