//! Writes the status column: `distributed`, after the commit and at the alert's own trigger timestamp, so that it makes no new alert.
//!
//! A thread writes it, and delivery never waits for that. The rows whose status has to be written are in the checkpoint, in segments of at most
//! [`SEGMENT_BYTES`], until it is written: the next start writes what a crash has left. Where the science database takes so long that the
//! segments exceed a limit, further rows stay without a status, which is logged.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::checkpoint_state::{Record, numbered};
use super::pipeline::DISTRIBUTED;
use super::readers::{ReadError, panic_message};
use super::retry::{Connector, RetryError, RetryingSession};
use crate::cancel::CancellationToken;
use crate::kafka::checkpoint::Records;
use crate::ledger::RowVersion;
use crate::science_db::{Put, PutCell};
use crate::timestamp::Timestamp;

/// The largest segment, bytes: well below the 1 MiB that a topic takes by default.
const SEGMENT_BYTES: usize = 256 << 10;

/// Rows of one request.
const ROWS_PER_REQUEST: usize = 500;
/// Time between two warnings about rows that stay without a status.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Why the status column cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    /// a segment in the checkpoint is damaged
    #[error("checkpoint record `{key}`, a list of rows whose status has to be written, is damaged")]
    Damaged {
        /// the record's key
        key: String,
    },
    /// a permanent error of the science database, or a panic of the thread
    #[error("cannot write the status column: {0}")]
    Write(#[from] ReadError),
}

struct StatusSegment {
    number: u64,
    bytes: usize,
    rows: Vec<RowVersion>,
}

/// What the thread reports: the number of a segment that it has written, or an error.
type Outcome = Result<u64, ReadError>;

/// Writes the status of rows in a thread, and keeps the checkpoint's list of those that are not written yet.
pub(crate) struct StatusWriter {
    prefix: String,
    segments: Option<Sender<Arc<StatusSegment>>>,
    outcomes: Receiver<Outcome>,
    /// segments that are in the checkpoint and not written yet, oldest first
    pending: VecDeque<Arc<StatusSegment>>,
    /// keys of segments that are written and still in the checkpoint
    written: Vec<Vec<u8>>,
    next: u64,
    /// the number of the first segment that the thread does not have yet
    next_to_write: u64,
    /// bytes of `pending`
    bytes: usize,
    max_bytes: usize,
    skipped: u64,
    warned: Option<Instant>,
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl StatusWriter {
    /// Starts the thread for the column `family:qualifier`. `prefix` is the checkpoint name. `max_bytes` bounds the rows that wait to be
    /// written, in memory and in the checkpoint.
    pub fn start(
        connector: &Arc<Connector>,
        (family, qualifier): (&str, &str),
        prefix: &str,
        max_bytes: usize,
    ) -> Self {
        let (segments, to_write) = crossbeam_channel::unbounded::<Arc<StatusSegment>>();
        let (done, outcomes) = crossbeam_channel::unbounded();
        let cancel = CancellationToken::new();
        let cell = PutCell { family: family.into(), qualifier: qualifier.into(), value: DISTRIBUTED.to_vec() };
        let mut session = RetryingSession::new(connector);
        let thread_cancel = cancel.clone();
        let thread = std::thread::spawn(move || {
            for segment in to_write {
                let written =
                    catch_unwind(AssertUnwindSafe(|| write(&mut session, &thread_cancel, &segment.rows, &cell)));
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
            next_to_write: 0,
            bytes: 0,
            max_bytes,
            skipped: 0,
            warned: None,
            cancel,
            thread: Some(thread),
        }
    }

    /// Queues the rows that the checkpoint lists as not written yet.
    ///
    /// # Errors
    /// A segment is damaged.
    pub fn restore(&mut self, records: &Records) -> Result<(), StatusError> {
        // Rows that are queued already are written twice, which changes nothing.
        (self.pending, self.bytes, self.next_to_write) = (VecDeque::new(), 0, 0);
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
                    self.queue(StatusSegment { number, bytes: value.len(), rows });
                }
                None => outdated.push((key.to_vec(), rows)),
            }
        }
        for (key, rows) in outdated {
            self.written.push(key);
            let number = self.next;
            self.next += 1;
            self.queue(StatusSegment { number, bytes: 0, rows });
        }
        self.write_committed();
        Ok(())
    }

    /// Queues the rows of the transaction that is about to be committed. Returns the records that list them, and those that delete the
    /// segments that are written.
    ///
    /// # Errors
    /// A permanent error of the science database with earlier rows, or a panic of the thread.
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
            self.queue(StatusSegment { number, bytes: bytes.len(), rows: segment });
            records.push((segment_key(&self.prefix, number), Some(bytes)));
        }
        Ok(records)
    }

    /// Writes the rows that were queued since the last call: the transaction that lists them is committed.
    pub fn write_committed(&mut self) {
        if let Some(segments) = &self.segments {
            for segment in self.pending.iter().filter(|segment| segment.number >= self.next_to_write) {
                // Where the thread has ended, its last outcome says why.
                let _ended = segments.send(Arc::clone(segment));
            }
        }
        self.next_to_write = self.next;
    }

    /// Waits until every queued row is written, or `cancel` is cancelled.
    ///
    /// # Errors
    /// A permanent error of the science database, or a panic of the thread.
    pub fn finish(&mut self, cancel: &CancellationToken) -> Result<(), StatusError> {
        while !self.pending.is_empty() && !cancel.is_cancelled() {
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

    fn queue(&mut self, segment: StatusSegment) {
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
        if rows > 0 && self.warned.is_none_or(|warned| warned.elapsed() >= LOG_INTERVAL) {
            self.warned = Some(Instant::now());
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
        self.cancel.cancel();
        self.segments = None;
        // A panic of the thread was reported as an outcome.
        self.thread.take().map(JoinHandle::join);
    }
}

fn write(
    session: &mut RetryingSession,
    cancel: &CancellationToken,
    rows: &[RowVersion],
    cell: &PutCell,
) -> Result<(), RetryError> {
    rows.chunks(ROWS_PER_REQUEST).try_for_each(|rows| {
        let put = |row: &RowVersion| Put {
            key: row.key.clone(),
            timestamp: Some(row.timestamp.as_millis()),
            cells: vec![cell.clone()],
        };
        let puts: Vec<Put> = rows.iter().map(put).collect();
        session.ask(cancel, |db| db.put(&puts))
    })
}

fn segment_prefix(prefix: &str) -> String {
    format!("{prefix}/status/")
}

fn segment_key(prefix: &str, number: u64) -> Vec<u8> {
    format!("{}{number:016x}", segment_prefix(prefix)).into_bytes()
}

/// Whether a row with this key fits into a segment that has so many bytes. A segment takes at least one row.
fn segment_fits(bytes: usize, key: &[u8]) -> bool {
    bytes == 0 || bytes + 12 + key.len() <= SEGMENT_BYTES
}

/// Appends a row to a segment: the timestamp, the key's length (both big-endian, 8 and 4 bytes) and the key.
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
