//! Reads alerts from the science database as the service does: whole rows, filtered by rules and Python filters, and encoded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::error::AuditError;
use crate::cancel::CancellationToken;
use crate::distribution::batch::AlertBatch;
use crate::distribution::page_reader::{AlertScan, PageLimits, PageReader, PageRequest};
use crate::distribution::pipeline::Pipeline;
use crate::science_db::{KeyRange, ScienceDb, ScienceDbError, Sessions};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// How long to retry when the science database is away.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A session that retries when the server is away. Before the first answer it fails at once: the address may be wrong.
struct RetryingSession<'a> {
    sessions: &'a Sessions,
    cancel: &'a CancellationToken,
    session: Option<Box<dyn ScienceDb>>,
    has_answered: bool,
}

impl RetryingSession<'_> {
    fn ask<T>(
        &mut self,
        mut request: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, AuditError> {
        let start = Instant::now();
        loop {
            let result = match &mut self.session {
                Some(session) => request(session.as_mut()),
                none => self.sessions.open(self.cancel).and_then(|session| request(none.insert(session).as_mut())),
            };
            match result {
                Err(error) if error.is_transient() && self.has_answered && start.elapsed() < RETRY_TIMEOUT => {
                    log::warn!("{error}; retrying");
                    self.session = None;
                    if self.cancel.wait(RETRY_INTERVAL) {
                        return Err(AuditError::Stopped);
                    }
                }
                Err(ScienceDbError::Cancelled { .. }) => return Err(AuditError::Stopped),
                Err(error) => return Err(error.into()),
                Ok(result) => {
                    self.has_answered = true;
                    return Ok(result);
                }
            }
        }
    }
}

/// A scan of the science database by several readers.
pub(super) struct DatabaseScan<'a> {
    /// sessions with the table
    pub sessions: Sessions,
    /// rules, filters and encodings of the streams
    pub pipeline: &'a Arc<Pipeline>,
    /// size of a page
    pub limits: PageLimits,
    /// ends the scan
    pub cancel: &'a CancellationToken,
}

impl DatabaseScan<'_> {
    /// The regions of the table.
    ///
    /// # Errors
    /// The science database failed, or the scan was cancelled.
    pub fn key_ranges(&self) -> Result<Vec<KeyRange>, AuditError> {
        self.session().ask(|db| db.key_ranges())
    }

    /// A reader for one thread.
    pub fn reader(&self) -> AlertReader<'_> {
        AlertReader { cancel: self.cancel, session: self.session(), pages: PageReader::new(self.pipeline, self.limits) }
    }

    fn session(&self) -> RetryingSession<'_> {
        RetryingSession { sessions: &self.sessions, cancel: self.cancel, session: None, has_answered: false }
    }
}

/// Reads alerts in one thread.
pub(super) struct AlertReader<'a> {
    cancel: &'a CancellationToken,
    session: RetryingSession<'a>,
    pages: PageReader,
}

impl AlertReader<'_> {
    /// Takes key ranges from `next` until none is left, and calls `each` with the alerts of `window` in each page of them, and with the
    /// number of rows of the page. `cells` is the window of the cells that are read, which contains `window`.
    ///
    /// # Errors
    /// The science database or a filter failed, the scan was cancelled, or `each` failed.
    pub fn scan(
        &mut self,
        ranges: &[KeyRange],
        next: &AtomicUsize,
        window: Window,
        cells: Window,
        each: &mut dyn FnMut(&AlertBatch, usize) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let Self { cancel, session, pages } = self;
        let mut query = |request: PageRequest<'_>| session.ask(|db| request(db));
        while let Some(keys) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut scan = AlertScan::new(keys.clone(), window, cells, None);
            loop {
                let mut batch = AlertBatch::default();
                let has_more = pages.scan(&mut scan, &mut query, cancel, &mut batch)?;
                each(&batch, pages.rows().len())?;
                if !has_more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The alerts of these rows in their present state.
    ///
    /// # Errors
    /// The science database or a filter failed, or the scan was cancelled.
    pub fn fetch(&mut self, keys: &[&[u8]]) -> Result<AlertBatch, AuditError> {
        let Self { cancel, session, pages } = self;
        let query = |request: PageRequest<'_>| session.ask(|db| request(db));
        let mut batch = AlertBatch::default();
        pages.get(keys, |_, _| true, query, cancel, &mut batch)?;
        Ok(batch)
    }

    /// The timestamps of the trigger cells of these rows. Rows that do not exist are left out.
    ///
    /// # Errors
    /// The science database failed, or the scan was cancelled.
    pub fn triggers(&mut self, keys: &[&[u8]]) -> Result<HashMap<Vec<u8>, Timestamp>, AuditError> {
        let Self { session, pages, .. } = self;
        let query = |request: PageRequest<'_>| session.ask(|db| request(db));
        let rows = pages.get_triggers(keys, query)?.into_iter();
        Ok(rows.map(|row| (row.key, row.timestamp)).collect())
    }
}
