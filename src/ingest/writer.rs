//! One session that writes alerts as rows, in batches.

use std::time::Instant;

use super::IngestError;
use super::rate_limiter::RateLimiter;
use super::row_key::SsObjectKey;
use crate::alert::{FlatAlert, FlattenError, Flattener, Layout};
use crate::catalog::Column;
use crate::config::RowPrefixes;
use crate::science_db::{Put, PutCell, ScienceDb};
use crate::signals::Stop;

/// A batch is written when its values are this large.
const BATCH_BYTES: usize = 4 << 20;
/// A batch is written when it has this many rows.
const BATCH_ROWS: usize = 500;

/// Alerts of one schema, ready to be laid out as rows.
#[derive(Clone, Debug)]
pub struct RowMapper {
    flattener: Flattener,
    /// family and qualifier by column; `None`: in the key alone
    places: Vec<Option<(String, String)>>,
    ss_object_key: Option<SsObjectKey>,
}

impl RowMapper {
    pub(super) fn new(layout: &Layout) -> Self {
        let place = |column: &Column| {
            column.family_and_qualifier().map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned()))
        };
        Self {
            flattener: layout.flattener(),
            places: layout.catalog().columns.iter().map(place).collect(),
            ss_object_key: SsObjectKey::of(layout.catalog()),
        }
    }

    /// The row key of an alert.
    pub(super) fn key(&mut self, datum: &[u8]) -> Result<Vec<u8>, FlattenError> {
        let cells = self.flattener.flatten(datum)?;
        Ok(row_key(self.ss_object_key, &cells))
    }

    fn put(&mut self, datum: &[u8], timestamp: Option<i64>) -> Result<Put, FlattenError> {
        let cells = self.flattener.flatten(datum)?;
        let key = row_key(self.ss_object_key, &cells);
        let cell = |(column, value): (usize, &[u8])| {
            let (family, qualifier) = self.places.get(column)?.as_ref()?;
            Some(PutCell { family: family.clone(), qualifier: qualifier.clone(), value: value.to_vec() })
        };
        Ok(Put { key, timestamp, cells: cells.iter().filter_map(cell).collect() })
    }
}

fn row_key(ss_object_key: Option<SsObjectKey>, cells: &FlatAlert<'_>) -> Vec<u8> {
    let replaced = ss_object_key.and_then(|ss_object_key| ss_object_key.replace(cells.key(), cells.iter()));
    replaced.unwrap_or_else(|| cells.key().to_vec())
}

/// Writes alerts through a session of its own.
pub struct AlertWriter<'a> {
    session: Box<dyn ScienceDb>,
    skipped: &'a RowPrefixes,
    timestamp: Option<i64>,
    limiter: Option<&'a RateLimiter>,
    stop: &'a Stop,
    batch: Vec<Put>,
    bytes: usize,
}

impl<'a> AlertWriter<'a> {
    pub(super) fn new(
        session: Box<dyn ScienceDb>,
        skipped: &'a RowPrefixes,
        timestamp: Option<i64>,
        limiter: Option<&'a RateLimiter>,
        stop: &'a Stop,
    ) -> Self {
        Self { session, skipped, timestamp, limiter, stop, batch: Vec::new(), bytes: 0 }
    }

    /// Takes an alert to be written with others. With a rate it waits its turn, after writing those before it, so rows come at an even
    /// pace and not in heaps. `Ok(Err(_))`: the alert itself cannot be laid out, or its row would be skipped by every reader.
    ///
    /// # Errors
    /// The store failed.
    pub fn add(&mut self, mapper: &mut RowMapper, datum: &[u8]) -> Result<Result<(), FlattenError>, IngestError> {
        let put = match mapper.put(datum, self.timestamp) {
            Ok(put) => put,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(prefix) = self.skipped.of(&put.key) {
            return Ok(Err(FlattenError::RowKey(format!(
                "its row key `{}` begins with `{prefix}`, and science_db.skip_rows says that such rows are no alerts",
                put.key.escape_ascii()
            ))));
        }
        if let Some(limiter) = self.limiter {
            let wait = limiter.next().saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                self.flush()?;
                self.stop.wait(wait);
            }
        }
        self.bytes += put.cells.iter().map(|cell| cell.value.len()).sum::<usize>();
        self.batch.push(put);
        if self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH_ROWS {
            self.flush()?;
        }
        Ok(Ok(()))
    }

    /// Writes what was taken and not yet written.
    ///
    /// # Errors
    /// The store failed; of the batch, some rows may have been written.
    pub fn flush(&mut self) -> Result<(), IngestError> {
        if !self.batch.is_empty() {
            self.session.put(&self.batch)?;
            self.batch.clear();
            self.bytes = 0;
        }
        Ok(())
    }
}
