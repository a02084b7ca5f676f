//! The threads that write the alerts of topics. The alerts of one partition go to one of them, so that they are written in their order.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::error::IngestError;
use super::loader::Loader;
use super::row_mapper::RowMapper;
use super::writer::{AlertWriter, WriteError};
use crate::alert::Decoder;
use crate::avro::Schema;
use crate::messages::Place;

/// The most schemas whose mappers a writer keeps; a topic has a handful.
const MAX_MAPPERS: usize = 64;
/// Time between two looks at whether loading was cancelled.
const WAIT: Duration = Duration::from_millis(50);

/// An alert of a message.
#[derive(Debug)]
pub(super) struct TopicAlert {
    pub place: Arc<Place>,
    pub offset: i64,
    pub decoder: Arc<Decoder>,
    /// a whole datum of the decoder's schema
    pub datum: Vec<u8>,
}

/// A message that cannot be loaded.
#[derive(Debug)]
pub(super) struct BrokenMessage {
    pub place: Arc<Place>,
    pub offset: i64,
    pub reason: String,
}

/// Alerts that go to the writers together, and the offsets that are dealt with once all are written.
#[derive(Debug, Default)]
pub(super) struct TopicBatch {
    pub alerts: Vec<TopicAlert>,
    pub offsets: Vec<(Arc<Place>, i64)>,
}

/// What became of the alerts of a batch that one writer had.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub alerts: u64,
    /// bytes of Avro data of the alerts written
    pub bytes: u64,
    /// alerts not written because their rows exist
    pub existing: u64,
    pub broken: Vec<BrokenMessage>,
    /// the offsets that are dealt with now: those of the batch, if this was its last part
    pub offsets: Vec<(Arc<Place>, i64)>,
    batch: u64,
}

/// The alerts of a batch that one writer gets.
struct Part {
    batch: u64,
    alerts: Vec<TopicAlert>,
}

/// A batch that is under way.
struct PendingBatch {
    number: u64,
    /// parts that are not written yet
    parts: usize,
    offsets: Vec<(Arc<Place>, i64)>,
}

/// The writers, and the batches that are under way.
pub(super) struct TopicWriters<'scope> {
    parts: Vec<Sender<Part>>,
    written: Receiver<Written>,
    /// oldest first. Each writer gets a part of each batch and writes its parts in order, so that batches are completed in order.
    pending: VecDeque<PendingBatch>,
    sent: u64,
    thread: ScopedJoinHandle<'scope, Result<(), IngestError>>,
}

impl<'scope> TopicWriters<'scope> {
    /// Starts the writers of `loader`.
    pub fn start(scope: &'scope Scope<'scope, '_>, loader: &'scope Loader<'scope>) -> Self {
        let (parts, receivers): (Vec<_>, Vec<_>) = (0..loader.writer_count()).map(|_| unbounded()).unzip();
        let (sender, written) = unbounded();
        let next = AtomicUsize::new(0);
        let thread = scope.spawn(move || {
            loader.run_writers(|writer| match receivers.get(next.fetch_add(1, Ordering::Relaxed)) {
                Some(parts) => write_parts(loader, writer, parts, &sender),
                None => Ok(()),
            })
        });
        Self { parts, written, pending: VecDeque::new(), sent: 0, thread }
    }

    /// How many batches are under way.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Passes a batch to the writers.
    pub fn send(&mut self, batch: TopicBatch) {
        let mut parts: Vec<Vec<TopicAlert>> = self.parts.iter().map(|_| Vec::new()).collect();
        for alert in batch.alerts {
            let at = (hash(&alert.place) % parts.len() as u64) as usize;
            parts[at].push(alert);
        }
        self.sent += 1;
        self.pending.push_back(PendingBatch { number: self.sent, parts: parts.len(), offsets: batch.offsets });
        for (sender, alerts) in self.parts.iter().zip(parts) {
            // A writer that has failed has ended: `join` returns why.
            let _gone = sender.send(Part { batch: self.sent, alerts });
        }
    }

    /// Waits for a writer to complete a part; `None`: none did until `deadline`, or they have ended.
    pub fn wait(&mut self, deadline: Instant) -> Option<Written> {
        let mut written = self.written.recv_deadline(deadline).ok()?;
        let at = self.pending.iter().position(|batch| batch.number == written.batch)?;
        self.pending[at].parts -= 1;
        if self.pending[at].parts == 0
            && let Some(batch) = self.pending.remove(at)
        {
            written.offsets = batch.offsets;
        }
        Some(written)
    }

    /// Whether the writers have ended, as they do after the error of one.
    pub fn have_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the writers once they have written what they were sent.
    ///
    /// # Errors
    /// That of a writer.
    pub fn join(self) -> Result<(), IngestError> {
        drop(self.parts);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Neighbouring partitions of a topic have different writers.
fn hash((topic, partition): &Place) -> u64 {
    let mut hasher = DefaultHasher::new();
    topic.hash(&mut hasher);
    hasher.finish().wrapping_add(u64::from(partition.unsigned_abs()))
}

/// The work of one thread: writes parts until there are no more.
fn write_parts(
    loader: &Loader<'_>,
    writer: &mut AlertWriter<'_>,
    parts: &Receiver<Part>,
    sender: &Sender<Written>,
) -> Result<(), IngestError> {
    let mut mappers = Mappers(Vec::new());
    while !loader.is_cancelled() {
        let part = match parts.recv_timeout(WAIT) {
            Ok(part) => part,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut written = Written { batch: part.batch, ..Written::default() };
        let existing = writer.existing();
        for alert in part.alerts {
            let reason = match mappers.of(loader, &alert.decoder)? {
                Ok(mapper) => match writer.add(mapper, &alert.datum) {
                    Ok(()) => {
                        written.alerts += 1;
                        written.bytes += alert.datum.len() as u64;
                        continue;
                    }
                    Err(WriteError::ScienceDb(error)) => return Err(error.into()),
                    Err(error) => error.to_string(),
                },
                Err(reason) => reason.clone(),
            };
            written.broken.push(BrokenMessage { place: alert.place, offset: alert.offset, reason });
        }
        writer.flush()?;
        written.existing = writer.existing() - existing;
        written.alerts = written.alerts.saturating_sub(written.existing);
        if sender.send(written).is_err() {
            break;
        }
    }
    Ok(())
}

/// The mappers of the schemas so far; or why alerts of a schema cannot be loaded.
struct Mappers(Vec<(Arc<Schema>, Result<RowMapper, String>)>);

impl Mappers {
    fn of(&mut self, loader: &Loader<'_>, decoder: &Decoder) -> Result<&mut Result<RowMapper, String>, IngestError> {
        let schema = decoder.schema();
        let at = match self.0.iter().position(|(known, _)| Arc::ptr_eq(known, schema)) {
            Some(at) => at,
            None => {
                let mapper = match loader.row_mapper(&schema.to_string(), schema) {
                    Ok(mapper) => Ok(mapper),
                    Err(error @ (IngestError::Layout(_) | IngestError::Mismatch { .. })) => Err(error.to_string()),
                    Err(error) => return Err(error),
                };
                if self.0.len() >= MAX_MAPPERS {
                    self.0.clear();
                }
                self.0.push((Arc::clone(schema), mapper));
                self.0.len() - 1
            }
        };
        Ok(&mut self.0[at].1)
    }
}
