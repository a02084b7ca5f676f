//! The threads that read the science database, and judge and encode what they read.
//!
//! Each has a session of its own. A server that is away is asked again, with growing pauses, until it answers: a page's position is in the
//! request, so nothing is lost or read twice. What cannot be mended by waiting ends the distribution, and so does a thread that panics.

mod row_size;
mod task;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::batch::Batch;
use super::memory_budget::{MemoryBudget, MemoryLease};
use super::pipeline::{Encoders, Pipeline};
use super::retry::{Connector, RetryError, RetryingSession};
use crate::ledger::{LedgerEntry, RowVersion};
use crate::row::{Row, Rows};
use crate::science_db::{Cancel, KeyRange, Scan, ScienceDb, ScienceDbError};
use crate::timestamp::Timestamp;
use crate::window::Window;
use row_size::RowSize;
use task::TaskError;
pub(super) use task::panic_message;
pub use task::{ReadError, ReadOutput, Task};

/// Some reader threads, and the way to them.
pub struct Readers {
    tasks: Option<Sender<(u64, Task)>>,
    answers: Receiver<(u64, ReadOutput, Option<MemoryLease>)>,
    generation: Arc<AtomicU64>,
    panic: Arc<OnceLock<String>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts `count` readers. They open their sessions when the first task comes.
    pub fn start(
        count: usize,
        open: &Arc<Connector>,
        pipeline: &Arc<Pipeline>,
        budget: &Arc<MemoryBudget>,
        page: PageLimits,
    ) -> Self {
        let (tasks, todo) = crossbeam_channel::unbounded();
        let (done, answers) = crossbeam_channel::unbounded();
        let generation = Arc::new(AtomicU64::new(0));
        let panic = Arc::new(OnceLock::new());
        let threads = (0..count)
            .map(|_| {
                let (current, task) = (Arc::clone(&generation), Arc::new(AtomicU64::new(0)));
                let is_cancelled: Cancel = Arc::new({
                    let task = Arc::clone(&task);
                    move || current.load(Ordering::Relaxed) != task.load(Ordering::Relaxed)
                });
                let reader = Reader {
                    session: RetryingSession::new(open, Arc::clone(&is_cancelled)),
                    pipeline: Arc::clone(pipeline),
                    encoders: pipeline.encoders(),
                    answers: done.clone(),
                    budget: Arc::clone(budget),
                    is_cancelled,
                    generation: task,
                    rows: Rows::default(),
                    whole: Rows::default(),
                    partial: Vec::new(),
                    page,
                    row_size: RowSize::default(),
                };
                let todo: Receiver<(u64, Task)> = todo.clone();
                let panic = Arc::clone(&panic);
                std::thread::spawn(move || record_panic(&panic, || reader.run(&todo)))
            })
            .collect();
        Self { tasks: Some(tasks), answers, generation, panic, threads }
    }

    /// Adds a task to the queue.
    pub fn submit(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // The queue is closed only when this value is dropped.
            let _open = tasks.send((self.generation.load(Ordering::Relaxed), task));
        }
    }

    /// The next answer, with the lease of its bytes, if one comes within `patience`.
    pub fn receive(&self, patience: Duration) -> Option<(ReadOutput, Option<MemoryLease>)> {
        let deadline = Instant::now() + patience;
        loop {
            // Whatever task it was at, also one that was cancelled: its thread is gone.
            if let Some(words) = self.panic.get() {
                return Some((ReadOutput::Failed(ReadError::Panicked(words.clone())), None));
            }
            let (generation, answer, lease) = self.answers.recv_deadline(deadline).ok()?;
            if generation == self.generation.load(Ordering::Relaxed) {
                return Some((answer, lease));
            }
        }
    }

    /// Lets every task and every answer under way be forgotten.
    pub fn cancel(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        while self.answers.try_recv().is_ok() {}
    }
}

/// Does `work` and keeps the message of its panic. Only the first panic of all threads is kept.
fn record_panic(panic: &OnceLock<String>, work: impl FnOnce()) {
    if let Err(words) = catch_unwind(AssertUnwindSafe(work)) {
        let _later = panic.set(panic_message(&*words));
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.cancel();
        self.tasks = None;
        for thread in self.threads.drain(..) {
            // A panic was caught within the thread, and told.
            let _ended = thread.join();
        }
    }
}

struct Reader {
    session: RetryingSession,
    pipeline: Arc<Pipeline>,
    encoders: Encoders,
    answers: Sender<(u64, ReadOutput, Option<MemoryLease>)>,
    budget: Arc<MemoryBudget>,
    is_cancelled: Cancel,
    /// of the task at work
    generation: Arc<AtomicU64>,
    rows: Rows,
    /// the partial rows of the page, fetched whole
    whole: Rows,
    /// which rows of the page were partial, ascending
    partial: Vec<usize>,
    page: PageLimits,
    row_size: RowSize,
}

/// What a page aims at: large enough to make a request's own cost small, small enough to keep memory bounded.
#[derive(Clone, Copy, Debug)]
pub struct PageLimits {
    /// most rows
    pub rows: usize,
    /// bytes of rows
    pub bytes: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { rows: 500, bytes: 4 << 20 }
    }
}

const FIRST_PAGE_ROWS: usize = 50;
const TRIGGER_PAGE_ROWS: usize = 5_000;
/// The most rows that are fetched at once.
const MAX_FETCH_ROWS: usize = 100;

impl Reader {
    fn run(mut self, todo: &Receiver<(u64, Task)>) {
        for (generation, task) in todo {
            self.generation.store(generation, Ordering::Relaxed);
            let outcome = match task {
                Task::Scan { range, keys, after, window, cells } => self.scan(range, keys, after, window, cells),
                Task::ScanTriggers { keys, window } => self.scan_triggers(keys, window),
                Task::Fetch { sequence, rows, turn } => self.fetch(sequence, &rows, &turn),
            };
            if let Err(TaskError::Failed(error)) = outcome {
                self.send(ReadOutput::Failed(error), None);
            }
        }
    }

    fn send(&self, answer: ReadOutput, lease: Option<MemoryLease>) {
        // A coordinator that no longer listens needs no answer.
        let _gone = self.answers.send((self.generation.load(Ordering::Relaxed), answer, lease));
    }

    fn scan(
        &mut self,
        range: u32,
        keys: KeyRange,
        mut after: Option<Vec<u8>>,
        window: Window,
        cells: Window,
    ) -> Result<(), TaskError> {
        let pipeline = Arc::clone(&self.pipeline);
        let mut scan = Scan {
            keys,
            window: cells,
            columns: pipeline.columns(),
            page: self.row_size.rows_in(self.page.bytes, FIRST_PAGE_ROWS),
        };
        let mut done_to = after.clone();
        let mut held = Batch::default();
        loop {
            let more = self.read(|db, rows| db.scan(&scan, after.as_deref(), rows))?;
            // A scan of all cells there are, however new, finds no row in part.
            self.complete(cells == Window::ALL)?;
            let mut batch = std::mem::take(&mut held);
            self.encode(window, &mut batch)?;
            batch.sort_objects();
            if more {
                held = batch.split_last_object();
                if batch.is_empty() && held.size() >= self.page.bytes {
                    batch = std::mem::take(&mut held);
                }
            }
            let waiting = held.alerts().iter().map(|alert| held.bytes(&alert.key)).min();
            let is_done = |index: &usize| waiting.is_none_or(|waiting| self.rows.row(*index).key < waiting);
            let last_done = (0..self.rows.len()).rfind(is_done);
            done_to = last_done.map(|index| self.rows.row(index).key.to_vec()).or(done_to);
            after = self.rows.last().map(|row| row.key.to_vec()).or(after);
            let rows = self.rows.len();
            self.row_size.update(rows, self.rows.bytes());
            scan.page = self.row_size.rows_in(self.page.bytes, self.page.rows);
            let lease =
                self.budget.acquire(batch.size(), || (self.is_cancelled)(), || false).ok_or(TaskError::Cancelled)?;
            self.send(ReadOutput::Page { range, batch, after: done_to.clone(), done: !more, rows }, Some(lease));
            if !more {
                return Ok(());
            }
        }
    }

    fn scan_triggers(&mut self, keys: KeyRange, window: Window) -> Result<(), TaskError> {
        let pipeline = Arc::clone(&self.pipeline);
        let scan = Scan { keys, window, columns: pipeline.trigger(), page: TRIGGER_PAGE_ROWS };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let more = self.read(|db, rows| db.scan(&scan, after.as_deref(), rows))?;
            let found: Vec<RowVersion> = self.rows.iter().filter_map(trigger_version).collect();
            after = found.last().map(|row| row.key.clone()).or(after);
            self.send(ReadOutput::Triggers { rows: found, done: !more }, None);
            if !more {
                return Ok(());
            }
        }
    }

    fn fetch(&mut self, sequence: usize, found: &[RowVersion], turn: &AtomicUsize) -> Result<(), TaskError> {
        let pipeline = Arc::clone(&self.pipeline);
        let mut rest = found;
        while !rest.is_empty() {
            let count = self.row_size.rows_in(self.page.bytes, MAX_FETCH_ROWS);
            let (part, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            let keys: Vec<&[u8]> = part.iter().map(|row| &row.key[..]).collect();
            self.read(|db, rows| db.get(&keys, pipeline.columns(), rows))?;
            self.row_size.update(self.rows.len(), self.rows.bytes());
            let mut asked = part.iter();
            let unchanged = |row: &Row<'_>| {
                let at = asked.find(|asked| asked.key == row.key).map(|asked| asked.timestamp);
                at.is_some() && pipeline.trigger_time(row) == at
            };
            let rows: Vec<Row<'_>> = self.rows.iter().filter(unchanged).collect();
            let mut batch = Batch::default();
            encode(&pipeline, &rows, Window::ALL, &mut self.encoders, &*self.is_cancelled, &mut batch)?;
            let is_next = || turn.load(Ordering::Relaxed) == sequence;
            let is_cancelled = || (self.is_cancelled)();
            let lease = self.budget.acquire(batch.size(), is_cancelled, is_next).ok_or(TaskError::Cancelled)?;
            let asked = part.iter().map(LedgerEntry::from).collect();
            self.send(ReadOutput::Fetched { sequence, batch, asked, done: rest.is_empty() }, Some(lease));
        }
        Ok(())
    }

    /// Puts a question whose answer fills the page.
    fn read<T>(
        &mut self,
        mut question: impl FnMut(&mut dyn ScienceDb, &mut Rows) -> Result<T, ScienceDbError>,
    ) -> Result<T, RetryError> {
        let rows = &mut self.rows;
        self.session.ask(|db| question(db, rows))
    }

    /// Fetches whole those rows of the page that may be partial.
    fn complete(&mut self, sees_all: bool) -> Result<(), RetryError> {
        let pipeline = Arc::clone(&self.pipeline);
        self.partial.clear();
        let rows = self.rows.iter().enumerate();
        self.partial.extend(rows.filter(|(_, row)| pipeline.may_be_partial(row, sees_all)).map(|(index, _)| index));
        if self.partial.is_empty() {
            return Ok(());
        }
        let keys: Vec<&[u8]> = self.partial.iter().map(|index| self.rows.row(*index).key).collect();
        let whole = &mut self.whole;
        self.session.ask(|db| db.get(&keys, pipeline.columns(), whole))
    }

    /// Encodes the page's rows: in place of a partial one the whole one, or nothing where it has been deleted since.
    fn encode(&mut self, window: Window, batch: &mut Batch) -> Result<(), TaskError> {
        let mut partial = self.partial.iter().peekable();
        let mut whole = self.whole.iter().peekable();
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            rows.extend(match partial.next_if(|partial| **partial == index) {
                None => Some(row),
                Some(_) => whole.next_if(|whole| whole.key == row.key),
            });
        }
        encode(&self.pipeline, &rows, window, &mut self.encoders, &*self.is_cancelled, batch)
    }
}

/// The version of a row that was read with its trigger column alone.
fn trigger_version(row: Row<'_>) -> Option<RowVersion> {
    let timestamp = Timestamp::from_millis(row.cell(0)?.timestamp);
    Some(RowVersion { timestamp, key: row.key.to_vec() })
}

/// Judges rows, and encodes those that are alerts of `window`.
fn encode(
    pipeline: &Pipeline,
    rows: &[Row<'_>],
    window: Window,
    encoders: &mut Encoders,
    is_cancelled: &(dyn Fn() -> bool + Sync),
    batch: &mut Batch,
) -> Result<(), TaskError> {
    let verdicts = pipeline.filter(rows, window, is_cancelled)?;
    for (index, row) in rows.iter().enumerate() {
        let verdicts = verdicts.get(index).map_or(&[][..], Vec::as_slice);
        pipeline.encode(row, window, verdicts, encoders, batch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_an_answer_even_where_its_task_was_cancelled() {
        let (panic, generation) = (Arc::new(OnceLock::new()), Arc::new(AtomicU64::new(0)));
        let (_done, answers) = crossbeam_channel::unbounded();
        let told = Arc::clone(&panic);
        let thread = std::thread::spawn(move || record_panic(&told, || panic!("row {} is broken", 7)));
        while !thread.is_finished() {
            std::thread::yield_now();
        }
        let readers = Readers { tasks: None, answers, generation, panic, threads: vec![thread] };
        readers.cancel();
        let answer = readers.receive(Duration::ZERO).map(|(answer, _)| answer);
        let Some(ReadOutput::Failed(error)) = answer else { panic!("{answer:?}") };
        assert!(error.to_string().contains("row 7 is broken"), "{error}");
    }
}
