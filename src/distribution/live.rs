//! The live lane, the catch-up before it and the searches beside it: rows are found by their trigger, fetched whole, published in the order
//! of their timestamps, and listed in the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::batch::Batch;
use super::budget::Lease;
use super::progress::Slice;
use super::publisher::Limits;
use super::readers::{Answer, Found, Task};
use super::search::Turn;
use super::{Distribution, DistributionError, READERS};
use crate::ledger::Entry;
use crate::science_db::KeyRange;
use crate::window::Window;

/// Rows fetched whole by one task.
const FETCH: usize = 100;
/// Fetches under way at once, for each reader: one at work and one waiting.
const FETCHES_A_READER: usize = 2;

/// A burst's first alerts are not to wait for its last ones.
const LIMITS: Limits = Limits { bytes: 128 << 20, alerts: 20_000, age: Duration::from_secs(1) };

/// What is done when all rows of a look are published; times are of the steady clock.
#[derive(Clone, Copy, Debug)]
enum Look {
    /// a live look that began at this time
    Live(i64),
    /// a slice of the catch-up, and when its look began
    Slice(Slice, i64),
    /// a turn of a search
    Turn,
}

/// A part of a fetch that has come before its turn.
type Part = (Batch, Vec<Entry>, bool, Option<Lease>);

impl Distribution<'_> {
    /// The live lane: what is new in `window` is fetched whole and published. `false`: given up on the way.
    pub(super) fn live(&mut self, window: Window) -> Result<bool, DistributionError> {
        let began = self.now.steady;
        match self.look(window)? {
            Some(fresh) => self.publish(fresh, false, Look::Live(began)),
            None => Ok(false),
        }
    }

    /// The catch-up: what is new in one slice of the gap is fetched whole and published, oldest first. `false`: given up on the way.
    pub(super) fn catch_up(&mut self, slice: Slice) -> Result<bool, DistributionError> {
        let began = self.now.steady;
        match self.look(slice.window)? {
            Some(fresh) => self.publish(fresh, false, Look::Slice(slice, began)),
            None => Ok(false),
        }
    }

    /// The rows of `window` that are yet to be published; `None`: given up on the way.
    fn look(&mut self, window: Window) -> Result<Option<Vec<Found>>, DistributionError> {
        self.readers.ask(Task::Look { keys: KeyRange::default(), window });
        let mut fresh = Vec::new();
        loop {
            if (self.give_up)() {
                return Ok(None);
            }
            match self.readers.answer(Duration::from_millis(100)) {
                Some((Answer::Found { rows, done }, _)) => {
                    self.publisher.saw(rows.len() as u64);
                    fresh.extend(rows.into_iter().filter(|(key, at)| self.progress.is_new(key, *at)));
                    if done {
                        return Ok(Some(fresh));
                    }
                }
                Some((Answer::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
        }
    }

    /// Takes up what sweep and repair have found, and publishes some of it.
    pub(super) fn search_turns(&mut self) -> Result<(), DistributionError> {
        let is_new = |(key, at): &Found| self.progress.is_new(key, *at);
        self.sweep.hear(is_new)?;
        self.repair.hear(is_new)?;
        if let Some(Turn { rows, late, is_last, .. }) = self.sweep.turn()
            && self.take_turn(rows, late)?
            && is_last
        {
            self.progress.sweep_ended();
        }
        if let Some(Turn { rows, late, began, is_last }) = self.repair.turn()
            && self.take_turn(rows, late)?
            && is_last
        {
            let records = self.progress.repair_ended(began, &self.pace)?;
            self.counts.watermark = self.progress.watermark();
            self.publisher.commit(records, &mut self.counts)?;
        }
        Ok(())
    }

    fn take_turn(&mut self, mut rows: Vec<Found>, late: bool) -> Result<bool, DistributionError> {
        rows.retain(|(key, at)| self.progress.is_new(key, *at));
        self.publish(rows, late, Look::Turn)
    }

    /// Fetches rows whole and publishes them in the order of their timestamps. `false`: given up on the way.
    ///
    /// A row that was written again since it was found goes out in its new place: it is new to the look that finds it there.
    fn publish(&mut self, mut rows: Vec<Found>, late: bool, look: Look) -> Result<bool, DistributionError> {
        rows.sort_by(|(a, a_at), (b, b_at)| a_at.cmp(b_at).then_with(|| a.cmp(b)));
        let turn = Arc::new(AtomicUsize::new(0));
        let mut chunks = rows.chunks(FETCH).enumerate();
        let count = chunks.len();
        let mut ask = || {
            chunks.next().map(|(sequence, rows)| Task::Fetch { sequence, rows: rows.to_vec(), turn: Arc::clone(&turn) })
        };
        for task in std::iter::repeat_with(&mut ask).take(READERS * FETCHES_A_READER).flatten() {
            self.readers.ask(task);
        }
        let mut early: BTreeMap<usize, Vec<Part>> = BTreeMap::new();
        let mut next = 0;
        while next < count {
            if (self.give_up)() {
                self.readers.cancel();
                self.commit_published(None)?;
                return Ok(false);
            }
            match self.readers.answer(Duration::from_millis(100)) {
                Some((Answer::Fetched { sequence, batch, asked, done }, lease)) => {
                    early.entry(sequence).or_default().push((batch, asked, done, lease));
                }
                Some((Answer::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
            while let Some(parts) = early.remove(&next) {
                let is_done = parts.iter().any(|(_, _, done, _)| *done);
                if is_done {
                    next += 1;
                    turn.store(next, Ordering::Relaxed);
                    ask().into_iter().for_each(|task| self.readers.ask(task));
                }
                for part in parts {
                    self.publish_part(part, late)?;
                }
                if !is_done {
                    break;
                }
            }
            // Also while nothing comes: a transaction that waits for an absent HBase would time out.
            if self.publisher.is_due(LIMITS) {
                self.commit_published(None)?;
            }
        }
        self.commit_published(Some(look))?;
        Ok(true)
    }

    fn publish_part(&mut self, (batch, asked, _, lease): Part, late: bool) -> Result<(), DistributionError> {
        for alert in batch.alerts() {
            if self.progress.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
                self.publisher.send(&batch, alert, late)?;
            }
        }
        // Done too where the row has a newer version by now, is gone, or bears the status already.
        self.publisher.note(asked);
        drop(lease);
        Ok(())
    }

    /// Commits what was sent; `look`: what ends with it.
    fn commit_published(&mut self, look: Option<Look>) -> Result<(), DistributionError> {
        match look {
            Some(Look::Live(began)) => self.progress.looked(began),
            Some(Look::Slice(slice, began)) => self.progress.caught_up_to(slice, began),
            Some(Look::Turn) | None => {}
        }
        let entries = self.publisher.take_entries();
        let records = self.progress.published(&entries)?;
        self.publisher.commit(records, &mut self.counts)?;
        self.watch_ledger();
        (self.report)(&self.counts);
        Ok(())
    }
}
