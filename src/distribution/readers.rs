//! The threads that read the science database and run the pipeline.
//!
//! Each has a session of its own, which retries while the server is away. A permanent error of the server or of a filter ends the
//! distribution, and so does a panic of a thread.

mod task;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use prometheus_client::metrics::histogram::Histogram;

use super::batch::AlertBatch;
use super::instruments::Instruments;
use super::memory_budget::{MemoryBudget, MemoryLease};
use super::page_reader::{AlertScan, PageLimits, PageReader, PageRequest};
use super::pipeline::{PageDurations, Pipeline};
use super::retry::{Connector, RetryingSession};
use crate::cancel::CancellationToken;
use crate::ledger::{LedgerEntry, RowVersion};
use crate::science_db::KeyRange;
use crate::timestamp::Timestamp;
use crate::window::Window;
use task::TaskError;
pub(crate) use task::{ReadError, ReadOutput, Task, panic_message};

/// Threads that read for the history and the live lane; the gateways share them out. Two sessions read an HBase on two cores as fast as four do,
/// and a third reads while another encodes.
pub(crate) const READER_THREADS: usize = 3;

/// Most outputs that wait for the coordinator: a reader waits while there are more.
const MAX_WAITING_OUTPUTS: usize = 16;

/// Most empty batches that wait for readers. Growing a new one costs a copy of its content, and fresh pages of memory.
const MAX_SPARE_BATCHES: usize = 8;
/// A batch that has grown larger is not kept.
const MAX_SPARE_BYTES: usize = 16 << 20;

/// Some reader threads, and the channels to and from them.
pub(crate) struct Readers {
    tasks: Option<Sender<(CancellationToken, Task)>>,
    outputs: Receiver<(CancellationToken, ReadOutput, Option<MemoryLease>)>,
    /// empty batches for readers, whose memory is kept
    spares: (Sender<AlertBatch>, Receiver<AlertBatch>),
    /// of the tasks submitted since the last cancellation
    cancel: CancellationToken,
    /// the message of the first panic
    panic: Arc<OnceLock<String>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts `count` threads. Each opens its session with its first task.
    pub fn start(
        count: usize,
        connector: &Arc<Connector>,
        pipeline: &Arc<Pipeline>,
        budget: &Arc<MemoryBudget>,
        limits: PageLimits,
        instruments: &Instruments,
    ) -> Self {
        let (tasks, task_queue) = crossbeam_channel::unbounded();
        let (output_queue, outputs) = crossbeam_channel::bounded(MAX_WAITING_OUTPUTS);
        let spares = crossbeam_channel::bounded(MAX_SPARE_BATCHES);
        let cancel = CancellationToken::new();
        let panic = Arc::new(OnceLock::new());
        let threads = (0..count)
            .map(|_| {
                let reader = Reader {
                    session: RetryingSession::new(connector),
                    pages: PageReader::new(pipeline, limits),
                    outputs: output_queue.clone(),
                    spares: spares.1.clone(),
                    budget: Arc::clone(budget),
                    instruments: instruments.clone(),
                    cancel: cancel.clone(),
                };
                let task_queue: Receiver<(CancellationToken, Task)> = task_queue.clone();
                let panic = Arc::clone(&panic);
                std::thread::spawn(move || record_panic(&panic, || reader.run(&task_queue)))
            })
            .collect();
        Self { tasks: Some(tasks), outputs, spares, cancel, panic, threads }
    }

    /// Adds a task to the queue.
    pub fn submit(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // The channel is open as long as this value lives.
            let _open = tasks.send((self.cancel.clone(), task));
        }
    }

    /// The next output, with the lease of its memory, if there is one within `timeout`.
    pub fn receive(&self, timeout: Duration) -> Option<(ReadOutput, Option<MemoryLease>)> {
        let deadline = Instant::now() + timeout;
        loop {
            // Also where the panic was in a cancelled task: its thread has ended.
            if let Some(message) = self.panic.get() {
                return Some((ReadOutput::Failed(ReadError::Panicked(message.clone())), None));
            }
            let (cancel, output, lease) = self.outputs.recv_deadline(deadline).ok()?;
            if cancel == self.cancel {
                return Some((output, lease));
            }
        }
    }

    /// Gives the memory of a batch back to the readers.
    pub fn recycle(&self, mut batch: AlertBatch) {
        if batch.capacity() <= MAX_SPARE_BYTES {
            batch.clear();
            // Where enough are waiting, it is dropped.
            let _spare = self.spares.0.try_send(batch);
        }
    }

    /// Cancels every task, discards their outputs, and frees the memory of spare batches.
    pub fn cancel(&mut self) {
        self.cancel.cancel();
        self.cancel = CancellationToken::new();
        while self.outputs.try_recv().is_ok() {}
        while self.spares.1.try_recv().is_ok() {}
    }
}

/// Runs `work`, and keeps the message of its panic unless another thread panicked before.
fn record_panic(panic: &OnceLock<String>, work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        let _not_first = panic.set(panic_message(&*payload));
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.cancel();
        self.tasks = None;
        for thread in self.threads.drain(..) {
            // A panic was caught in the thread, and recorded.
            let _ended = thread.join();
        }
    }
}

/// What one thread owns.
struct Reader {
    session: RetryingSession,
    pages: PageReader,
    outputs: Sender<(CancellationToken, ReadOutput, Option<MemoryLease>)>,
    spares: Receiver<AlertBatch>,
    budget: Arc<MemoryBudget>,
    instruments: Instruments,
    /// of the current task
    cancel: CancellationToken,
}

impl Reader {
    fn run(mut self, tasks: &Receiver<(CancellationToken, Task)>) {
        for (cancel, task) in tasks {
            self.cancel = cancel;
            let outcome = match task {
                Task::Scan { range, keys, after, window, cells, stream } => {
                    let scan = AlertScan::new(keys, window, cells, after.clone()).for_stream(stream);
                    self.scan(range, scan, after)
                }
                Task::ScanTriggers { keys, window } => self.scan_triggers(&keys, window),
                Task::Fetch { sequence, rows, next_sequence } => self.fetch(sequence, &rows, &next_sequence),
            };
            if let Err(TaskError::Failed(error)) = outcome {
                self.send(ReadOutput::Failed(error), None);
            }
        }
    }

    fn observe_durations(&self) {
        let PageDurations { filters, encoding } = self.pages.durations();
        filters.iter().for_each(|duration| self.instruments.filters.observe(duration.as_secs_f64()));
        encoding.iter().for_each(|duration| self.instruments.encodings.observe(duration.as_secs_f64()));
    }

    fn send(&self, output: ReadOutput, lease: Option<MemoryLease>) {
        // The channel is closed only when the coordinator has ended.
        let _closed = self.outputs.send((self.cancel.clone(), output, lease));
    }

    fn scan(&mut self, range: u32, mut scan: AlertScan, mut done_to: Option<Vec<u8>>) -> Result<(), TaskError> {
        let mut held = self.spares.try_recv().unwrap_or_default();
        loop {
            let mut batch = std::mem::take(&mut held);
            let Self { session, pages, cancel, instruments, .. } = self;
            let query = |request: PageRequest<'_>| ask(session, cancel, &instruments.scans, request);
            let more = pages.scan(&mut scan, query, cancel, &mut batch)?;
            batch.sort_objects();
            // An object's alerts go out in timestamp order, and the next page may have more of the last object. One that alone fills a page
            // is not held: memory is bounded.
            if more {
                held = self.spares.try_recv().unwrap_or_default();
                batch.split_last_object(&mut held);
                if batch.is_empty() && held.size() >= pages.page_bytes() {
                    batch = std::mem::take(&mut held);
                }
            }
            let first_held = held.alerts().iter().map(|alert| held.bytes(&alert.key)).min();
            let rows = pages.rows();
            let is_done = |index: &usize| first_held.is_none_or(|first| rows.row(*index).key < first);
            let last_done = (0..rows.len()).rfind(is_done);
            done_to = last_done.map(|index| rows.row(index).key.to_vec()).or(done_to);
            let rows = rows.len();
            self.observe_durations();
            let lease = self.budget.acquire(batch.size(), &self.cancel, || false).ok_or(TaskError::Cancelled)?;
            self.send(ReadOutput::Page { range, batch, after: done_to.clone(), done: !more, rows }, Some(lease));
            if !more {
                return Ok(());
            }
        }
    }

    fn scan_triggers(&mut self, keys: &KeyRange, window: Window) -> Result<(), TaskError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let Self { session, pages, cancel, instruments, .. } = self;
            let query = |request: PageRequest<'_>| ask(session, cancel, &instruments.trigger_scans, request);
            let (rows, more) = pages.scan_triggers(keys, window, after.as_deref(), query)?;
            after = rows.last().map(|row| row.key.clone()).or(after);
            self.send(ReadOutput::Triggers { rows, done: !more }, None);
            if !more {
                return Ok(());
            }
        }
    }

    fn fetch(
        &mut self,
        sequence: usize,
        mut rows: &[RowVersion],
        next_sequence: &AtomicUsize,
    ) -> Result<(), TaskError> {
        while !rows.is_empty() {
            let Self { session, pages, cancel, instruments, .. } = self;
            let (part, rest) = rows.split_at(pages.rows_to_get(rows.len()));
            rows = rest;
            let keys: Vec<&[u8]> = part.iter().map(|row| &row.key[..]).collect();
            // Rows come back in the order of the request, without those that were deleted.
            let mut requested = part.iter();
            let mut done = Vec::with_capacity(part.len());
            let is_unchanged = |key: &[u8], timestamp: Timestamp| {
                let Some(found) = requested.find(|requested| requested.key == key) else { return false };
                if found.timestamp <= timestamp {
                    done.push(LedgerEntry::from(found));
                }
                found.timestamp == timestamp
            };
            let query = |request: PageRequest<'_>| ask(session, cancel, &instruments.gets, request);
            let mut batch = AlertBatch::default();
            pages.get(&keys, is_unchanged, query, cancel, &mut batch)?;
            self.observe_durations();
            let is_next = || next_sequence.load(Ordering::Relaxed) == sequence;
            let lease = self.budget.acquire(batch.size(), &self.cancel, is_next).ok_or(TaskError::Cancelled)?;
            self.send(ReadOutput::Fetched { sequence, batch, done, is_last: rows.is_empty() }, Some(lease));
        }
        Ok(())
    }
}

/// Makes a request in a session, and adds the duration of the attempt that succeeded to `durations`.
fn ask(
    session: &mut RetryingSession,
    cancel: &CancellationToken,
    durations: &Histogram,
    request: PageRequest<'_>,
) -> Result<bool, TaskError> {
    Ok(session.ask(cancel, |db| {
        let started = Instant::now();
        request(db).inspect(|_| durations.observe(started.elapsed().as_secs_f64()))
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_even_where_its_task_was_cancelled() {
        let (panic, cancel) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let (_sender, outputs) = crossbeam_channel::unbounded();
        let recorded = Arc::clone(&panic);
        let thread = std::thread::spawn(move || record_panic(&recorded, || panic!("row {} is broken", 7)));
        while !thread.is_finished() {
            std::thread::yield_now();
        }
        let spares = crossbeam_channel::bounded(0);
        let mut readers = Readers { tasks: None, outputs, spares, cancel, panic, threads: vec![thread] };
        readers.cancel();
        let output = readers.receive(Duration::ZERO).map(|(output, _)| output);
        let Some(ReadOutput::Failed(error)) = output else { panic!("{output:?}") };
        assert!(error.to_string().contains("row 7 is broken"), "{error}");
    }
}
