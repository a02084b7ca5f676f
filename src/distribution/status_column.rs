//! The status column: `distributed`, written after the commit at the alert's own trigger timestamp, so that it makes no new alert.
//!
//! A thread of its own writes it, and delivery never waits for it. The rows whose status is to be written stand in the checkpoint, in
//! segments of at most [`SEGMENT_BYTES`], until they are written: what a crash kept from being written is written after the next start.
//! Where the science database takes so long that the segments exceed a bound, further rows stay without a status, and that is told.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::checkpoint_state::{Record, numbered};
use super::readers::{ReadError, panic_message};
use super::retry::{Connector, RetryError, RetryingSession};
use crate::kafka::checkpoint::Records;
use crate::ledger::RowVersion;
use crate::science_db::{Put, PutCell};
use crate::timestamp::Timestamp;

/// What the column says of an alert that was sent.
pub const DISTRIBUTED: &[u8] = b"distributed";

/// The most bytes of a segment, well below the 1 MiB that a topic takes by default.
pub const SEGMENT_BYTES: usize = 256 << 10;

/// Rows written by one request.
const ROWS_PER_REQUEST: usize = 500;
/// How often rows that stay without a status are told.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What cannot be done with the status column.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// a segment in the checkpoint is damaged
    #[error("checkpoint record `{key}`, a list of rows whose status is to be written, is damaged")]
    Damaged {
        /// the record's key
        key: String,
    },
    /// the science database refused, or the writer died
    #[error("the status column: {0}")]
    Write(#[from] ReadError),
}

struct StatusSegment {
    number: u64,
    bytes: usize,
    rows: Vec<RowVersion>,
}

/// What the writer's thread says of a segment.
type Outcome = Result<u64, ReadError>;

/// Writes the status of rows in the background, and keeps the checkpoint's list of those that are not written yet.
pub struct StatusWriter {
    prefix: String,
    segments: Option<Sender<Arc<StatusSegment>>>,
    outcomes: Receiver<Outcome>,
    /// segments that stand in the checkpoint and are not written yet, oldest first
    pending: VecDeque<Arc<StatusSegment>>,
    /// keys of segments that are written and still stand in the checkpoint
    written: Vec<Vec<u8>>,
    next: u64,
    /// the number of the first segment that the thread does not have yet
    next_to_hand_over: u64,
    /// bytes of `pending`
    bytes: usize,
    max_bytes: usize,
    skipped: u64,
    told: Option<Instant>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StatusWriter {
    /// Starts the writer for the column `family:qualifier`. `prefix`: what the checkpoint's records begin with. `max_bytes` bounds the rows
    /// that wait to be written, in memory and in the checkpoint.
    pub fn start(open: &Arc<Connector>, (family, qualifier): (&str, &str), prefix: &str, max_bytes: usize) -> Self {
        let (segments, to_write) = crossbeam_channel::unbounded::<Arc<StatusSegment>>();
        let (done, outcomes) = crossbeam_channel::unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let cell = PutCell { family: family.into(), qualifier: qualifier.into(), value: DISTRIBUTED.to_vec() };
        let stopped = Arc::clone(&stop);
        let mut session = RetryingSession::new(open, Arc::new(move || stopped.load(Ordering::Relaxed)));
        let thread = std::thread::spawn(move || {
            for segment in to_write {
                let written = catch_unwind(AssertUnwindSafe(|| write(&mut session, &segment.rows, &cell)));
                let outcome = match written {
                    Ok(Ok(())) => Ok(segment.number),
                    Ok(Err(RetryError::Cancelled)) => return,
                    Ok(Err(RetryError::Failed(error))) => Err(error.into()),
                    Err(panic) => Err(ReadError::Panicked(panic_message(&*panic))),
                };
                if done.send(outcome).is_err() {
                    return;
                }
            }
        });
        Self {
            prefix: prefix.to_owned(),
            segments: Some(segments),
            outcomes,
            pending: VecDeque::new(),
            written: Vec::new(),
            next: 0,
            next_to_hand_over: 0,
            bytes: 0,
            max_bytes,
            skipped: 0,
            told: None,
            stop,
            thread: Some(thread),
        }
    }

    /// Takes up what the checkpoint lists as not written yet.
    ///
    /// # Errors
    /// A segment is damaged.
    pub fn restore(&mut self, records: &Records) -> Result<(), StatusError> {
        // What is queued already is written once more, which changes nothing.
        (self.pending, self.bytes, self.next_to_hand_over) = (VecDeque::new(), 0, 0);
        self.written.clear();
        let prefix = segment_prefix(&self.prefix);
        // Earlier versions kept the rows of the last transaction in one record.
        let single = records.get_key_value(prefix.trim_end_matches('/').as_bytes());
        let single = single.map(|(key, value)| (None, &key[..], &value[..]));
        let mut outdated = Vec::new();
        for (number, key, value) in single.into_iter().chain(numbered(records, &prefix)) {
            let damaged = || StatusError::Damaged { key: String::from_utf8_lossy(key).into_owned() };
            let rows = from_bytes(value).ok_or_else(damaged)?;
            match number {
                Some(number) => {
                    self.next = self.next.max(number + 1);
                    self.wait_for(StatusSegment { number, bytes: value.len(), rows });
                }
                None => outdated.push((key.to_vec(), rows)),
            }
        }
        for (key, rows) in outdated {
            self.written.push(key);
            let number = self.next;
            self.next += 1;
            self.wait_for(StatusSegment { number, bytes: 0, rows });
        }
        self.hand_over();
        Ok(())
    }

    /// Notes rows of the transaction that is about to be committed; returns the records that say so, and those that delete what is written.
    ///
    /// # Errors
    /// The science database refused earlier rows, or the writer died.
    pub fn add(&mut self, rows: Vec<RowVersion>) -> Result<Vec<Record>, StatusError> {
        self.take_outcomes()?;
        let mut records: Vec<Record> = self.written.drain(..).map(|key| (key, None)).collect();
        if self.bytes > self.max_bytes {
            self.skip(rows.len());
            return Ok(records);
        }
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let (mut bytes, mut segment) = (Vec::new(), Vec::new());
            while let Some(row) = rows.next_if(|row| segment_fits(bytes.len(), &row.key)) {
                put_row(&row, &mut bytes);
                segment.push(row);
            }
            let number = self.next;
            self.next += 1;
            self.wait_for(StatusSegment { number, bytes: bytes.len(), rows: segment });
            records.push((segment_key(&self.prefix, number), Some(bytes)));
        }
        Ok(records)
    }

    /// Lets the rows noted since the last call be written: the transaction that lists them is committed.
    pub fn hand_over(&mut self) {
        if let Some(segments) = &self.segments {
            for segment in self.pending.iter().filter(|segment| segment.number >= self.next_to_hand_over) {
                // A writer that died has said so.
                let _gone = segments.send(Arc::clone(segment));
            }
        }
        self.next_to_hand_over = self.next;
    }

    /// Waits until everything handed over is written, or `give_up` says so.
    ///
    /// # Errors
    /// The science database refused, or the writer died.
    pub fn finish(&mut self, give_up: &dyn Fn() -> bool) -> Result<(), StatusError> {
        while !self.pending.is_empty() && !give_up() {
            if let Ok(outcome) = self.outcomes.recv_timeout(Duration::from_millis(100)) {
                self.note(outcome)?;
            }
        }
        if !self.pending.is_empty() {
            let rows: usize = self.pending.iter().map(|segment| segment.rows.len()).sum();
            log::info!("the status of {rows} rows is not written yet: the next start writes it");
        }
        Ok(())
    }

    fn wait_for(&mut self, segment: StatusSegment) {
        self.bytes += segment.bytes;
        self.pending.push_back(Arc::new(segment));
    }

    fn take_outcomes(&mut self) -> Result<(), StatusError> {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.note(outcome)?;
        }
        Ok(())
    }

    fn note(&mut self, outcome: Outcome) -> Result<(), StatusError> {
        let number = outcome?;
        if let Some(at) = self.pending.iter().position(|segment| segment.number == number)
            && let Some(segment) = self.pending.remove(at)
        {
            self.bytes -= segment.bytes;
            self.written.push(segment_key(&self.prefix, number));
        }
        Ok(())
    }

    fn skip(&mut self, rows: usize) {
        self.skipped += rows as u64;
        if rows > 0 && self.told.is_none_or(|told| told.elapsed() >= LOG_INTERVAL) {
            self.told = Some(Instant::now());
            log::warn!(
                "the science database is slow to write the status column: {} bytes of row keys wait for it; {} alerts that were sent stay \
                 without a status, which changes nothing about their delivery",
                self.bytes,
                self.skipped
            );
        }
    }
}

impl Drop for StatusWriter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.segments = None;
        // The thread has told of a panic as an outcome.
        self.thread.take().map(JoinHandle::join);
    }
}

fn write(session: &mut RetryingSession, rows: &[RowVersion], cell: &PutCell) -> Result<(), RetryError> {
    rows.chunks(ROWS_PER_REQUEST).try_for_each(|rows| {
        let put = |row: &RowVersion| Put {
            key: row.key.clone(),
            timestamp: Some(row.timestamp.as_millis()),
            cells: vec![cell.clone()],
        };
        let puts: Vec<Put> = rows.iter().map(put).collect();
        session.ask(|db| db.put(&puts))
    })
}

fn segment_prefix(prefix: &str) -> String {
    format!("{prefix}/status/")
}

fn segment_key(prefix: &str, number: u64) -> Vec<u8> {
    format!("{}{number:016x}", segment_prefix(prefix)).into_bytes()
}

/// Whether a row with this key may follow in a segment that has so many bytes. A segment takes at least one row.
fn segment_fits(bytes: usize, key: &[u8]) -> bool {
    bytes == 0 || bytes + 12 + key.len() <= SEGMENT_BYTES
}

/// A row as it stands in a segment: the timestamp, the key's length (both big-endian, 8 and 4 bytes) and the key.
fn put_row(row: &RowVersion, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&row.timestamp.as_millis().to_be_bytes());
    bytes.extend_from_slice(&(row.key.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&row.key);
}

/// Reads rows that [`put_row`] wrote, or `None` where the bytes are damaged.
fn from_bytes(mut bytes: &[u8]) -> Option<Vec<RowVersion>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let (timestamp, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rows.push(RowVersion { timestamp: Timestamp::from_millis(i64::from_be_bytes(*timestamp)), key: key.to_vec() });
        bytes = rest;
    }
    Some(rows)
}

#[cfg(test)]
mod tests;
