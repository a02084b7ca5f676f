//! Writes alerts as rows, in batches.

use std::collections::HashSet;
use std::time::Instant;

use super::rate_limiter::RateLimiter;
use super::row_mapper::RowMapper;
use super::store_session::StoreSession;
use crate::alert::FlattenError;
use crate::cancel::CancellationToken;
use crate::row::{Columns, Rows};
use crate::science_db::{Put, RowPrefixes, ScienceDbError};
use crate::timestamp::Timestamp;

/// A batch is written when its values have this number of bytes.
const MAX_BATCH_BYTES: usize = 4 << 20;
/// A batch is written when it has this number of rows.
const MAX_BATCH_ROWS: usize = 500;
/// A row with values of this size is written alone: if it is refused, that is taken for its fault. HBase's own limit is 10 MiB per cell.
const LARGE_ROW_BYTES: usize = 1 << 20;

/// Why an alert was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// the alert cannot be laid out as a row
    #[error(transparent)]
    Flatten(#[from] FlattenError),
    /// every reader would skip the row
    #[error(
        "its row key `{key}` begins with `{prefix}`, and rows with this prefix are not alerts (science_db.skip_rows)"
    )]
    Skipped {
        /// the row key, escaped
        key: String,
        /// the prefix
        prefix: String,
    },
    /// the store does not take a row of this size
    #[error("its row of {bytes} bytes cannot be written: {reason}")]
    TooLarge {
        /// the size of its values
        bytes: usize,
        /// what the store answered
        reason: String,
    },
    /// the store failed; other alerts of the batch may not have been written either
    #[error(transparent)]
    ScienceDb(#[from] ScienceDbError),
}

/// Writes alerts through a session of its own.
pub struct AlertWriter<'a> {
    session: StoreSession<'a>,
    skip_rows: &'a RowPrefixes,
    timestamp: Option<Timestamp>,
    limiter: Option<&'a RateLimiter>,
    cancel: &'a CancellationToken,
    batch: Vec<Put>,
    batch_bytes: usize,
    /// the column that says whether a row exists; `None`: rows that exist are written again
    skip_existing: Option<Columns>,
    found: Rows,
    existing: u64,
}

impl<'a> AlertWriter<'a> {
    pub(super) fn new(
        session: StoreSession<'a>,
        skip_rows: &'a RowPrefixes,
        timestamp: Option<Timestamp>,
        limiter: Option<&'a RateLimiter>,
        cancel: &'a CancellationToken,
        skip_existing: Option<Columns>,
    ) -> Self {
        let (batch, batch_bytes, found, existing) = (Vec::new(), 0, Rows::default(), 0);
        Self { session, skip_rows, timestamp, limiter, cancel, batch, batch_bytes, skip_existing, found, existing }
    }

    /// The number of alerts that were not written because their rows exist.
    pub fn existing(&self) -> u64 {
        self.existing
    }

    /// Adds an alert to the batch. With a rate limit it waits until the alert is due, and writes the batch before it waits: rows are then
    /// written at an even rate.
    ///
    /// # Errors
    /// The alert cannot be a row, or the store failed.
    pub fn add(&mut self, mapper: &mut RowMapper, datum: &[u8]) -> Result<(), WriteError> {
        let put = mapper.put(datum, self.timestamp)?;
        if let Some(prefix) = self.skip_rows.of(&put.key) {
            return Err(WriteError::Skipped { key: put.key.escape_ascii().to_string(), prefix: prefix.to_owned() });
        }
        if let Some(limiter) = self.limiter {
            let wait = limiter.next().saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                self.flush()?;
                self.cancel.wait(wait);
            }
        }
        let bytes = put.cells.iter().map(|cell| cell.value.len()).sum::<usize>();
        if bytes >= LARGE_ROW_BYTES {
            return self.write_alone(put, bytes);
        }
        self.batch_bytes += bytes;
        self.batch.push(put);
        if self.batch_bytes >= MAX_BATCH_BYTES || self.batch.len() >= MAX_BATCH_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn write_alone(&mut self, put: Put, bytes: usize) -> Result<(), WriteError> {
        self.flush()?;
        self.batch.push(put);
        self.flush().map_err(|error| match error {
            ScienceDbError::Refused { reason, .. } => {
                self.batch.clear();
                WriteError::TooLarge { bytes, reason }
            }
            error => error.into(),
        })
    }

    /// Writes the batch. Where rows that exist are left out, they are looked up again for each attempt: what an attempt without an answer
    /// has written is not written twice.
    ///
    /// # Errors
    /// The store failed; some rows of the batch may have been written.
    pub fn flush(&mut self) -> Result<(), ScienceDbError> {
        let Self { session, batch, skip_existing, found, existing, .. } = self;
        if !batch.is_empty() {
            session.ask(|session| {
                if let Some(columns) = skip_existing {
                    let keys: Vec<&[u8]> = batch.iter().map(|put| put.key.as_slice()).collect();
                    session.get(&keys, columns, found)?;
                    let found: HashSet<&[u8]> = found.iter().map(|row| row.key).collect();
                    let (before, mut seen) = (batch.len(), HashSet::new());
                    batch.retain(|put| !found.contains(put.key.as_slice()) && seen.insert(put.key.clone()));
                    *existing += (before - batch.len()) as u64;
                }
                if batch.is_empty() { Ok(()) } else { session.put(batch) }
            })?;
            batch.clear();
        }
        self.batch_bytes = 0;
        Ok(())
    }
}
