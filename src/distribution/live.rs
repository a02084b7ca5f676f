//! The live lane and the searches beside it: rows are found by their trigger, fetched whole, published, and listed in the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use super::publisher::Limits;
use super::readers::{Answer, Found, Task};
use super::search::Turn;
use super::{Distribution, DistributionError, READERS};
use crate::science_db::KeyRange;
use crate::window::Window;

/// Rows fetched whole by one request.
const FETCH: usize = 100;
/// Fetches under way at once, for each reader: one at work and one waiting.
const FETCHES_A_READER: usize = 2;

/// A burst's first alerts are not to wait for its last ones.
const LIMITS: Limits = Limits { bytes: 128 << 20, age: Duration::from_secs(1) };

impl Distribution<'_> {
    /// The live lane: what is new in `window` is fetched whole and published. `false`: given up on the way.
    pub(super) fn live(&mut self, window: Window) -> Result<bool, DistributionError> {
        self.readers.ask(Task::Look { keys: KeyRange::default(), window });
        let mut fresh = Vec::new();
        loop {
            if (self.give_up)() {
                return Ok(false);
            }
            match self.readers.answer(Duration::from_millis(100)) {
                Some((Answer::Found { rows, done }, _)) => {
                    self.publisher.saw(rows.len() as u64);
                    fresh.extend(rows.into_iter().filter(|(key, at)| self.progress.is_new(key, *at)));
                    if done {
                        break;
                    }
                }
                Some((Answer::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
        }
        self.publish(fresh, false)
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
            let records = self.progress.repair_ended(began, &self.pace);
            self.counts.watermark = self.progress.watermark();
            self.publisher.commit(records, &mut self.counts)?;
        }
        Ok(())
    }

    fn take_turn(&mut self, mut rows: Vec<Found>, late: bool) -> Result<bool, DistributionError> {
        rows.retain(|(key, at)| self.progress.is_new(key, *at));
        Ok(rows.is_empty() || self.publish(rows, late)?)
    }

    /// Fetches rows whole and publishes them in the order of their timestamps. `false`: given up on the way.
    fn publish(&mut self, mut rows: Vec<Found>, late: bool) -> Result<bool, DistributionError> {
        rows.sort_by(|(a, a_at), (b, b_at)| a_at.cmp(b_at).then_with(|| a.cmp(b)));
        let mut chunks = rows.chunks(FETCH).enumerate();
        let count = chunks.len();
        let mut ask = || {
            if let Some((sequence, rows)) = chunks.next() {
                self.readers.ask(Task::Fetch { sequence, rows: rows.to_vec() });
            }
        };
        (0..READERS * FETCHES_A_READER).for_each(|_| ask());
        let mut early = BTreeMap::new();
        let mut next = 0;
        while next < count {
            if (self.give_up)() {
                self.readers.cancel();
                self.commit_published()?;
                return Ok(false);
            }
            match self.readers.answer(Duration::from_millis(100)) {
                Some((Answer::Fetched { sequence, batch, asked }, _)) => {
                    early.insert(sequence, (batch, asked));
                }
                Some((Answer::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
            while let Some((batch, asked)) = early.remove(&next) {
                next += 1;
                if let Some((sequence, rows)) = chunks.next() {
                    self.readers.ask(Task::Fetch { sequence, rows: rows.to_vec() });
                }
                for alert in batch.alerts() {
                    if self.progress.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
                        self.publisher.send(&batch, alert, late)?;
                    }
                }
                // Done too where the row has a newer version by now, is gone, or bears the status already.
                self.publisher.note(asked);
            }
            // Also while nothing comes: a transaction that waits for an absent HBase would time out.
            if self.publisher.is_due(LIMITS) {
                self.commit_published()?;
            }
        }
        self.commit_published()?;
        Ok(true)
    }

    fn commit_published(&mut self) -> Result<(), DistributionError> {
        let records = self.progress.published(self.publisher.take_entries());
        self.publisher.commit(records, &mut self.counts)?;
        (self.report)(&self.counts);
        Ok(())
    }
}
