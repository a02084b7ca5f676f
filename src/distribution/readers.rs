//! The threads that read the science database, and judge and encode what they read.
//!
//! Each has a session of its own. A server that is away is asked again, with growing pauses, until it answers: a page's position is in the
//! request, so nothing is lost or read twice. What cannot be mended by waiting ends the distribution, and so does a thread that panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::batch::Batch;
use super::budget::{Budget, Lease};
use super::patience::{Halt, Open, Session};
use super::selection::{Encoders, Selection};
use crate::filters::FilterError;
use crate::ledger::Entry;
use crate::science_db::{KeyRange, Row, Rows, Scan, ScienceDb, ScienceDbError};
use crate::window::Window;

/// A row that a look found: its key, and when its trigger was written (ms since 1970).
pub type Found = (Vec<u8>, i64);

/// What a reader is asked to do.
#[derive(Debug)]
pub enum Task {
    /// Read all rows of a key range whose trigger lies in `window`, in row order.
    Scan {
        /// the caller's number of the range
        range: u32,
        /// the range
        keys: KeyRange,
        /// the last row that is done
        after: Option<Vec<u8>>,
        /// the alerts wanted
        window: Window,
        /// the cells read: at least `window`
        cells: Window,
    },
    /// Find the rows whose trigger lies in `window`.
    Look {
        /// the range
        keys: KeyRange,
        /// the alerts wanted
        window: Window,
    },
    /// Read these rows whole.
    Fetch {
        /// the caller's number of this request
        sequence: usize,
        /// the rows
        rows: Vec<Found>,
        /// the number of the request whose answer the caller takes next: that one never waits for memory
        turn: Arc<AtomicUsize>,
    },
}

/// What a reader found.
#[derive(Debug)]
pub enum Answer {
    /// A page of a [`Task::Scan`].
    Page {
        /// the number of the range
        range: u32,
        /// the alerts
        batch: Batch,
        /// the last row that is done with this page
        after: Option<Vec<u8>>,
        /// whether this was the range's last page
        done: bool,
        /// rows looked at
        rows: usize,
    },
    /// Rows of a [`Task::Look`].
    Found {
        /// the rows
        rows: Vec<Found>,
        /// whether these were the last
        done: bool,
    },
    /// A part of the answer to a [`Task::Fetch`], in the order of its rows.
    Fetched {
        /// the number of the request
        sequence: usize,
        /// the alerts, without those rows that have been written again since they were found: these are found again
        batch: Batch,
        /// what was asked for: done now, whatever became of it
        asked: Vec<Entry>,
        /// whether this was the last part
        done: bool,
    },
    /// What ends the distribution.
    Failed(ReadError),
}

/// Why a reader cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// the science database refused for good
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
    /// the filters end everything
    #[error(transparent)]
    Filter(FilterError),
    /// a thread panicked, which is a fault of the program
    #[error("a thread of the distribution panicked: {0}; please report this")]
    Panicked(String),
}

/// The words of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

/// Why a task is not done.
enum Unfinished {
    Cancelled,
    Failed(ReadError),
}

impl From<Halt> for Unfinished {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Cancelled => Self::Cancelled,
            Halt::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<FilterError> for Unfinished {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Stopped => Self::Cancelled,
            error => Self::Failed(ReadError::Filter(error)),
        }
    }
}

/// Some reader threads, and the way to them.
pub struct Readers {
    tasks: Option<Sender<(u64, Task)>>,
    answers: Receiver<(u64, Answer, Option<Lease>)>,
    generation: Arc<AtomicU64>,
    panic: Arc<OnceLock<String>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts `count` readers. They open their sessions when the first task comes.
    pub fn start(count: usize, open: &Arc<Open>, selection: &Arc<Selection>, budget: &Arc<Budget>, page: Page) -> Self {
        let (tasks, todo) = crossbeam_channel::unbounded();
        let (done, answers) = crossbeam_channel::unbounded();
        let generation = Arc::new(AtomicU64::new(0));
        let panic = Arc::new(OnceLock::new());
        let threads = (0..count)
            .map(|_| {
                let reader = Reader {
                    session: Session::new(open),
                    selection: Arc::clone(selection),
                    encoders: selection.encoders(),
                    answers: done.clone(),
                    budget: Arc::clone(budget),
                    current: Arc::clone(&generation),
                    generation: 0,
                    rows: Rows::default(),
                    whole: Rows::default(),
                    partial: Vec::new(),
                    page,
                    fetch: FIRST_FETCH,
                };
                let todo: Receiver<(u64, Task)> = todo.clone();
                let panic = Arc::clone(&panic);
                std::thread::spawn(move || {
                    if let Err(words) = catch_unwind(AssertUnwindSafe(|| reader.run(&todo))) {
                        // Only the first one is told.
                        let _told = panic.set(panic_message(&*words));
                    }
                })
            })
            .collect();
        Self { tasks: Some(tasks), answers, generation, panic, threads }
    }

    /// Adds a task to the queue.
    pub fn ask(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // The queue is closed only when this value is dropped.
            let _open = tasks.send((self.generation.load(Ordering::Relaxed), task));
        }
    }

    /// The next answer, with the lease of its bytes, if one comes within `patience`.
    pub fn answer(&self, patience: Duration) -> Option<(Answer, Option<Lease>)> {
        let deadline = Instant::now() + patience;
        loop {
            // Whatever task it was at, also one that was cancelled: its thread is gone.
            if let Some(words) = self.panic.get() {
                return Some((Answer::Failed(ReadError::Panicked(words.clone())), None));
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
    session: Session,
    selection: Arc<Selection>,
    encoders: Encoders,
    answers: Sender<(u64, Answer, Option<Lease>)>,
    budget: Arc<Budget>,
    current: Arc<AtomicU64>,
    generation: u64,
    rows: Rows,
    /// the partial rows of the page, fetched whole
    whole: Rows,
    /// which rows of the page were partial, ascending
    partial: Vec<usize>,
    page: Page,
    /// rows that the next fetch asks for at once
    fetch: usize,
}

/// What a page aims at: large enough to make a request's own cost small, small enough to keep memory bounded.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// most rows
    pub rows: usize,
    /// bytes of rows
    pub bytes: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { rows: 500, bytes: 4 << 20 }
    }
}

const FIRST_PAGE: usize = 50;
const LOOK_PAGE: usize = 5_000;
/// Rows of the first fetch, which learns how large rows are, and of any fetch at the most.
const FIRST_FETCH: usize = 4;
const MAX_FETCH: usize = 100;

impl Reader {
    fn run(mut self, todo: &Receiver<(u64, Task)>) {
        for (generation, task) in todo {
            self.generation = generation;
            let outcome = match task {
                Task::Scan { range, keys, after, window, cells } => self.scan(range, keys, after, window, cells),
                Task::Look { keys, window } => self.look(keys, window),
                Task::Fetch { sequence, rows, turn } => self.fetch(sequence, &rows, &turn),
            };
            if let Err(Unfinished::Failed(error)) = outcome {
                self.send(Answer::Failed(error), None);
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.current.load(Ordering::Relaxed) != self.generation
    }

    fn send(&self, answer: Answer, lease: Option<Lease>) {
        // A coordinator that no longer listens needs no answer.
        let _gone = self.answers.send((self.generation, answer, lease));
    }

    fn scan(
        &mut self,
        range: u32,
        keys: KeyRange,
        mut after: Option<Vec<u8>>,
        window: Window,
        cells: Window,
    ) -> Result<(), Unfinished> {
        let selection = Arc::clone(&self.selection);
        let mut scan = Scan { keys, window: cells, columns: selection.columns(), page: FIRST_PAGE };
        let mut done_to = after.clone();
        let mut held = Batch::default();
        loop {
            let more = self.read(|db, rows| db.scan(&scan, after.as_deref(), rows))?;
            // A scan of all cells there are, however new, finds no row in part.
            self.complete(cells == Window::since(0))?;
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
            if rows > 0 {
                scan.page = (self.page.bytes * rows / self.rows.bytes().max(1)).clamp(1, self.page.rows);
            }
            let lease =
                self.budget.lease(batch.size(), || self.is_cancelled(), || false).ok_or(Unfinished::Cancelled)?;
            self.send(Answer::Page { range, batch, after: done_to.clone(), done: !more, rows }, Some(lease));
            if !more {
                return Ok(());
            }
        }
    }

    fn look(&mut self, keys: KeyRange, window: Window) -> Result<(), Unfinished> {
        let selection = Arc::clone(&self.selection);
        let scan = Scan { keys, window, columns: selection.trigger(), page: LOOK_PAGE };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let more = self.read(|db, rows| db.scan(&scan, after.as_deref(), rows))?;
            let found: Vec<Found> =
                self.rows.iter().filter_map(|row| Some((row.key.to_vec(), row.cell(0)?.timestamp))).collect();
            after = found.last().map(|(key, _)| key.clone()).or(after);
            self.send(Answer::Found { rows: found, done: !more }, None);
            if !more {
                return Ok(());
            }
        }
    }

    fn fetch(&mut self, sequence: usize, found: &[Found], turn: &AtomicUsize) -> Result<(), Unfinished> {
        let selection = Arc::clone(&self.selection);
        let mut rest = found;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(self.fetch.min(rest.len()));
            rest = later;
            let keys: Vec<&[u8]> = part.iter().map(|(key, _)| &key[..]).collect();
            self.read(|db, rows| db.get(&keys, selection.columns(), rows))?;
            // Fewer at once as soon as they are large; more, step by step, while they are small.
            let fit = self.page.bytes * part.len() / self.rows.bytes().max(1);
            self.fetch = fit.clamp(1, (2 * self.fetch).min(MAX_FETCH));
            let mut asked = part.iter();
            let unchanged = |row: &Row<'_>| {
                let at = asked.find(|(key, _)| key == row.key).map(|(_, at)| *at);
                at.is_some() && selection.trigger_time(row) == at
            };
            let rows: Vec<Row<'_>> = self.rows.iter().filter(unchanged).collect();
            let mut batch = Batch::default();
            let (current, generation) = (Arc::clone(&self.current), self.generation);
            let is_cancelled = || current.load(Ordering::Relaxed) != generation;
            encode(&selection, &rows, Window::since(0), &mut self.encoders, &is_cancelled, &mut batch)?;
            let is_next = || turn.load(Ordering::Relaxed) == sequence;
            let lease = self.budget.lease(batch.size(), is_cancelled, is_next).ok_or(Unfinished::Cancelled)?;
            let asked = part.iter().map(|(key, at)| Entry::new(key, *at)).collect();
            self.send(Answer::Fetched { sequence, batch, asked, done: rest.is_empty() }, Some(lease));
        }
        Ok(())
    }

    /// Puts a question whose answer fills the page.
    fn read<T>(
        &mut self,
        mut question: impl FnMut(&mut dyn ScienceDb, &mut Rows) -> Result<T, ScienceDbError>,
    ) -> Result<T, Halt> {
        let (current, generation) = (Arc::clone(&self.current), self.generation);
        let rows = &mut self.rows;
        self.session.ask(&|| current.load(Ordering::Relaxed) != generation, |db| question(db, rows))
    }

    /// Fetches whole those rows of the page that may be partial.
    fn complete(&mut self, sees_all: bool) -> Result<(), Halt> {
        let selection = Arc::clone(&self.selection);
        self.partial.clear();
        let rows = self.rows.iter().enumerate();
        self.partial.extend(rows.filter(|(_, row)| selection.may_be_partial(row, sees_all)).map(|(index, _)| index));
        if self.partial.is_empty() {
            return Ok(());
        }
        let keys: Vec<&[u8]> = self.partial.iter().map(|index| self.rows.row(*index).key).collect();
        let (current, generation) = (Arc::clone(&self.current), self.generation);
        let whole = &mut self.whole;
        let give_up = || current.load(Ordering::Relaxed) != generation;
        self.session.ask(&give_up, |db| db.get(&keys, selection.columns(), whole))
    }

    /// Encodes the page's rows: in place of a partial one the whole one, or nothing where it has been deleted since.
    fn encode(&mut self, window: Window, batch: &mut Batch) -> Result<(), Unfinished> {
        let mut partial = self.partial.iter().peekable();
        let mut whole = self.whole.iter().peekable();
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            rows.extend(match partial.next_if(|partial| **partial == index) {
                None => Some(row),
                Some(_) => whole.next_if(|whole| whole.key == row.key),
            });
        }
        let (current, generation) = (&self.current, self.generation);
        let is_cancelled = || current.load(Ordering::Relaxed) != generation;
        encode(&self.selection, &rows, window, &mut self.encoders, &is_cancelled, batch)
    }
}

/// Judges rows, and encodes those that are alerts of `window`.
fn encode(
    selection: &Selection,
    rows: &[Row<'_>],
    window: Window,
    encoders: &mut Encoders,
    is_cancelled: &(dyn Fn() -> bool + Sync),
    batch: &mut Batch,
) -> Result<(), Unfinished> {
    let sifted = selection.sift(rows, window, is_cancelled)?;
    for (index, row) in rows.iter().enumerate() {
        let sifted = sifted.get(index).map_or(&[][..], Vec::as_slice);
        selection.encode(row, window, sifted, encoders, batch);
    }
    Ok(())
}
