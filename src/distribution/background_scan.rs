//! Scans of long windows that run beside the live lane, each in a thread of its own. Their rows are published a few at a time, so that new
//! alerts do not wait for them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::readers::{ReadError, ReadOutput, Readers, Task};
use crate::ledger::RowVersion;
use crate::science_db::KeyRange;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Most rows to publish before the live lane continues.
const MAX_ROWS_PER_STEP: usize = 500;
/// While so many rows wait to be published, no more are received. The reader waits then, so memory is bounded however many rows a window has.
const MAX_WAITING_ROWS: usize = 20_000;

/// Scans windows for rows to publish, one window at a time.
pub(crate) struct BackgroundScan {
    readers: Readers,
    current: Option<CurrentScan>,
}

struct CurrentScan {
    late: bool,
    is_reading: bool,
    rows: VecDeque<RowVersion>,
}

/// The next rows of a scan to publish.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScanOutput {
    /// some of them may have been published since they were found
    pub rows: Vec<RowVersion>,
    /// whether they count as late
    pub late: bool,
    /// whether the scan is done with these
    pub is_last: bool,
}

impl BackgroundScan {
    /// A scan by `readers`, of which there is one.
    pub fn new(readers: Readers) -> Self {
        Self { readers, current: None }
    }

    /// Starts to scan `window`. `late`: whether its rows count as late.
    pub fn begin(&mut self, window: Window, late: bool) {
        self.readers.submit(Task::ScanTriggers { keys: KeyRange::default(), window });
        self.current = Some(CurrentScan { late, is_reading: true, rows: VecDeque::new() });
    }

    /// Whether a scan has not ended yet.
    pub fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// The earliest timestamp of the rows that were found and not taken yet.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.current.as_ref()?.rows.iter().map(|row| row.timestamp).min()
    }

    /// Whether [`next`](Self::next) has something to do.
    pub fn has_found(&self) -> bool {
        self.current.as_ref().is_some_and(|scan| !scan.is_reading || !scan.rows.is_empty())
    }

    /// Receives the rows that were found since the last call, without waiting, and keeps those that `is_new` accepts.
    ///
    /// # Errors
    /// A permanent error of the science database.
    pub fn poll(&mut self, is_new: impl Fn(&RowVersion) -> bool) -> Result<(), ReadError> {
        self.receive(is_new, MAX_WAITING_ROWS)
    }

    /// As [`poll`](Self::poll), however many rows wait: for [`take_all`](Self::take_all).
    ///
    /// # Errors
    /// The same.
    pub fn poll_all(&mut self, is_new: impl Fn(&RowVersion) -> bool) -> Result<(), ReadError> {
        self.receive(is_new, usize::MAX)
    }

    fn receive(&mut self, is_new: impl Fn(&RowVersion) -> bool, max_waiting: usize) -> Result<(), ReadError> {
        while let Some(scan) = self.current.as_mut().filter(|scan| scan.is_reading && scan.rows.len() < max_waiting)
            && let Some((output, _)) = self.readers.receive(Duration::ZERO)
        {
            match output {
                ReadOutput::Triggers { rows, done } => {
                    scan.rows.extend(rows.into_iter().filter(&is_new));
                    scan.is_reading = !done;
                }
                ReadOutput::Failed(error) => return Err(error),
                ReadOutput::Page { .. } | ReadOutput::Fetched { .. } => {}
            }
        }
        Ok(())
    }

    /// Takes the next rows to publish; `None` while there is no scan.
    pub fn next(&mut self) -> Option<ScanOutput> {
        let scan = self.current.as_mut()?;
        let count = scan.rows.len().min(MAX_ROWS_PER_STEP);
        let rows = scan.rows.drain(..count).collect();
        let is_last = !scan.is_reading && scan.rows.is_empty();
        let output = ScanOutput { rows, late: scan.late, is_last };
        if is_last {
            self.current = None;
        }
        Some(output)
    }

    /// Whether a scan has read its window, so that [`take_all`](Self::take_all) has its rows.
    pub fn has_read_all(&self) -> bool {
        self.current.as_ref().is_some_and(|scan| !scan.is_reading)
    }

    /// Takes all rows of a scan that has read its window; `None` before, and while there is no scan.
    pub fn take_all(&mut self) -> Option<Vec<RowVersion>> {
        self.current.take_if(|scan| !scan.is_reading).map(|scan| scan.rows.into())
    }

    /// Cancels the current scan.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        self.current = None;
    }
}

/// Between two warnings while the number of future rows stays the same.
const WARNING_INTERVAL: Duration = Duration::from_secs(600);

/// Counts the rows with timestamps in the future, and warns of them: they are published when their time comes, which may be never.
pub(crate) struct FutureRowScan {
    readers: Readers,
    is_reading: bool,
    /// of the current or the last scan
    rows: u64,
    farthest: Option<RowVersion>,
    /// how many rows the last warning was about, and when it was
    warned: Option<(u64, Instant)>,
    /// result of the last complete scan
    count: u64,
}

impl FutureRowScan {
    /// A scan by `readers`, of which there is one.
    pub fn new(readers: Readers) -> Self {
        Self { readers, is_reading: false, rows: 0, farthest: None, warned: None, count: 0 }
    }

    /// Starts to scan the rows with timestamps of at least `from`, unless it already scans.
    pub fn begin(&mut self, from: Timestamp) {
        if !self.is_reading {
            self.readers.submit(Task::ScanTriggers { keys: KeyRange::default(), window: Window::since(from) });
            (self.is_reading, self.rows, self.farthest) = (true, 0, None);
        }
    }

    /// How many rows the last complete scan found. Does not wait.
    ///
    /// # Errors
    /// A permanent error of the science database.
    pub fn poll(&mut self, now: Timestamp) -> Result<u64, ReadError> {
        while self.is_reading
            && let Some((output, _)) = self.readers.receive(Duration::ZERO)
        {
            match output {
                ReadOutput::Triggers { rows, done } => {
                    self.rows += rows.len() as u64;
                    self.farthest = rows.into_iter().chain(self.farthest.take()).max_by_key(|row| row.timestamp);
                    if done {
                        self.is_reading = false;
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

    /// Cancels the current scan.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        self.is_reading = false;
    }

    fn warn(&mut self, now: Timestamp) {
        let has_warned = self.warned.is_some_and(|(count, at)| count == self.count && at.elapsed() < WARNING_INTERVAL);
        let Some(RowVersion { timestamp, key }) = self.farthest.as_ref().filter(|_| !has_warned) else { return };
        self.warned = Some((self.count, Instant::now()));
        log::warn!(
            "{} rows are stamped ahead of now and are sent when their time comes; the farthest is row {}, stamped {timestamp}, which is {} s \
             from now: compare the clocks, and check that its writer uses milliseconds",
            self.count,
            key.escape_ascii(),
            timestamp.since(now).as_secs()
        );
    }
}
