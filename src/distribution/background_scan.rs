//! A look through the longer past, beside the live lane: what it finds is taken up in turns, so that fresh alerts never wait for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::readers::{ReadError, ReadOutput, Readers, Task};
use crate::ledger::RowVersion;
use crate::science_db::KeyRange;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Rows that are taken up before the live lane gets its turn.
const MAX_ROWS_PER_STEP: usize = 500;

struct UnderWay {
    late: bool,
    looking: bool,
    found: VecDeque<RowVersion>,
}

/// What is to be published now, of what a search has found.
#[derive(Debug, PartialEq, Eq)]
pub struct ScanOutput {
    /// the rows; some of them may have been published since they were found
    pub rows: Vec<RowVersion>,
    /// whether they count as late
    pub late: bool,
    /// whether nothing is left of this search
    pub is_last: bool,
}

/// Looks through windows, one at a time, in a thread of its own.
pub struct BackgroundScan {
    readers: Readers,
    under_way: Option<UnderWay>,
}

impl BackgroundScan {
    /// A search by the one reader of `readers`.
    pub fn new(readers: Readers) -> Self {
        Self { readers, under_way: None }
    }

    /// Begins to look through `window`, `late` says what its finds count as.
    pub fn begin(&mut self, window: Window, late: bool) {
        self.readers.submit(Task::ScanTriggers { keys: KeyRange::default(), window });
        self.under_way = Some(UnderWay { late, looking: true, found: VecDeque::new() });
    }

    /// Whether the last search is not over yet.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether there is something to take up at once.
    pub fn has_found(&self) -> bool {
        self.under_way.as_ref().is_some_and(|search| !search.looking || !search.found.is_empty())
    }

    /// Hears what has been found since, without waiting for it; keeps what `is_new`.
    ///
    /// # Errors
    /// The science database refused.
    pub fn poll(&mut self, is_new: impl Fn(&RowVersion) -> bool) -> Result<(), ReadError> {
        while let Some(search) = self.under_way.as_mut().filter(|search| search.looking)
            && let Some((answer, _)) = self.readers.receive(Duration::ZERO)
        {
            match answer {
                ReadOutput::Triggers { rows, done } => {
                    search.found.extend(rows.into_iter().filter(&is_new));
                    search.looking = !done;
                }
                ReadOutput::Failed(error) => return Err(error),
                ReadOutput::Page { .. } | ReadOutput::Fetched { .. } => {}
            }
        }
        Ok(())
    }

    /// The next rows to publish; `None` while nothing is under way.
    pub fn next(&mut self) -> Option<ScanOutput> {
        let search = self.under_way.as_mut()?;
        let count = search.found.len().min(MAX_ROWS_PER_STEP);
        let rows = search.found.drain(..count).collect();
        let turn = ScanOutput { rows, late: search.late, is_last: !search.looking && search.found.is_empty() };
        if turn.is_last {
            self.under_way = None;
        }
        Some(turn)
    }

    /// Forgets the search under way.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        self.under_way = None;
    }
}

/// How often rows that are stamped ahead of now are warned while their number stays the same.
const WARNING_INTERVAL: Duration = Duration::from_secs(600);

/// Counts the rows that are stamped ahead of now, and warns of them: they go out when their time comes, which may be never.
pub struct FutureRowScan {
    readers: Readers,
    looking: bool,
    /// of the look under way, or the last one
    rows: u64,
    farthest: Option<RowVersion>,
    /// how many there were when it was last warned, and when that was
    warned: Option<(u64, Instant)>,
    /// what the last look found
    count: u64,
}

impl FutureRowScan {
    /// A search by the one reader of `readers`.
    pub fn new(readers: Readers) -> Self {
        Self { readers, looking: false, rows: 0, farthest: None, warned: None, count: 0 }
    }

    /// Begins to look at everything stamped from `from` on, unless such a look is under way.
    pub fn begin(&mut self, from: Timestamp) {
        if !self.looking {
            self.readers.submit(Task::ScanTriggers { keys: KeyRange::default(), window: Window::since(from) });
            (self.looking, self.rows, self.farthest) = (true, 0, None);
        }
    }

    /// How many rows the last look found. Does not wait.
    ///
    /// # Errors
    /// The science database refused.
    pub fn poll(&mut self, now: Timestamp) -> Result<u64, ReadError> {
        while self.looking
            && let Some((answer, _)) = self.readers.receive(Duration::ZERO)
        {
            match answer {
                ReadOutput::Triggers { rows, done } => {
                    self.rows += rows.len() as u64;
                    self.farthest = rows.into_iter().chain(self.farthest.take()).max_by_key(|row| row.timestamp);
                    if done {
                        self.looking = false;
                        self.count = self.rows;
                        self.warn(now);
                    }
                }
                ReadOutput::Failed(error) => return Err(error),
                ReadOutput::Page { .. } | ReadOutput::Fetched { .. } => {}
            }
        }
        Ok(self.count)
    }

    /// Forgets the look under way.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        self.looking = false;
    }

    fn warn(&mut self, now: Timestamp) {
        let is_warned = self.warned.is_some_and(|(count, at)| count == self.count && at.elapsed() < WARNING_INTERVAL);
        let Some(RowVersion { timestamp, key }) = self.farthest.as_ref().filter(|_| !is_warned) else { return };
        self.warned = Some((self.count, Instant::now()));
        log::warn!(
            "{} rows are stamped ahead of now and are sent when their time comes; the farthest is row {}, stamped {timestamp}, which is {} s from \
             now: compare the clocks, and whether its writer means milliseconds",
            self.count,
            key.escape_ascii(),
            timestamp.since(now).as_secs()
        );
    }
}
