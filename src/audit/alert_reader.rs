//! Reads the alerts of a window from the science database, as the service would: whole rows, rules and filters applied, encoded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::error::AuditError;
use crate::cancel::CancellationToken;
use crate::distribution::batch::Batch;
use crate::distribution::page_reader::{AlertScan, PageLimits, PageReader, Request};
use crate::distribution::pipeline::Pipeline;
use crate::science_db::{Cancel, KeyRange, ScienceDb, ScienceDbError, Sessions};
use crate::window::Window;

/// How long a science database that went away is waited for.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two tries.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A session that is opened again where the server went away after it had answered once.
struct RetryingSession<'a> {
    sessions: &'a Sessions,
    session: Option<Box<dyn ScienceDb>>,
    has_answered: bool,
}

impl RetryingSession<'_> {
    fn ask<T>(
        &mut self,
        cancel: &CancellationToken,
        mut question: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, AuditError> {
        let began = Instant::now();
        loop {
            if cancel.is_cancelled() {
                return Err(AuditError::Stopped);
            }
            let answer = match &mut self.session {
                Some(session) => question(session.as_mut()),
                none => self
                    .sessions
                    .open(&(Arc::new(|| false) as Cancel))
                    .and_then(|session| question(none.insert(session).as_mut())),
            };
            match answer {
                Err(error) if error.is_transient() && self.has_answered && began.elapsed() < RECONNECT_TIMEOUT => {
                    log::warn!("{error}; trying again");
                    self.session = None;
                    cancel.wait(RETRY_INTERVAL);
                }
                Err(error) => return Err(error.into()),
                Ok(answer) => {
                    self.has_answered = true;
                    return Ok(answer);
                }
            }
        }
    }
}

/// What is read, and how.
pub(super) struct DatabaseScan<'a> {
    /// opens sessions with the table
    pub sessions: Sessions,
    /// the streams
    pub pipeline: &'a Arc<Pipeline>,
    /// the size of a page
    pub limits: PageLimits,
    pub cancel: &'a CancellationToken,
}

impl DatabaseScan<'_> {
    /// The table's regions.
    ///
    /// # Errors
    /// The science database refused or cannot be reached.
    pub fn key_ranges(&self) -> Result<Vec<KeyRange>, AuditError> {
        self.session().ask(self.cancel, |db| db.key_ranges())
    }

    /// A reader for one thread.
    pub fn reader(&self) -> AlertReader<'_> {
        AlertReader { source: self, session: self.session(), pages: PageReader::new(self.pipeline, self.limits) }
    }

    fn session(&self) -> RetryingSession<'_> {
        RetryingSession { sessions: &self.sessions, session: None, has_answered: false }
    }
}

/// Reads rows, one thread's.
pub(super) struct AlertReader<'a> {
    source: &'a DatabaseScan<'a>,
    session: RetryingSession<'a>,
    pages: PageReader,
}

impl AlertReader<'_> {
    /// Takes ranges off `next` until none is left, and gives `each` the alerts of `window` in them, page by page, with how many rows were
    /// read. `cells`: the cells that are read, at least `window`.
    ///
    /// # Errors
    /// The science database or a filter failed, the caller gave up, or `each` failed.
    pub fn scan(
        &mut self,
        ranges: &[KeyRange],
        next: &AtomicUsize,
        window: Window,
        cells: Window,
        each: &mut dyn FnMut(&Batch, usize) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        while let Some(keys) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
            self.range(keys.clone(), window, cells, each)?;
        }
        Ok(())
    }

    fn range(
        &mut self,
        keys: KeyRange,
        window: Window,
        cells: Window,
        each: &mut dyn FnMut(&Batch, usize) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let Self { source, session, pages } = self;
        let mut query = |request: Request<'_>| session.ask(source.cancel, |db| request(db));
        let mut scan = AlertScan::new(keys, window, cells, None);
        loop {
            let mut batch = Batch::default();
            let more = pages.scan(&mut scan, &mut query, source.cancel, &mut batch)?;
            each(&batch, pages.rows().len())?;
            if !more {
                return Ok(());
            }
        }
    }

    /// The alerts of these rows, in their present state.
    ///
    /// # Errors
    /// The science database or a filter failed, or the caller gave up.
    pub fn fetch(&mut self, keys: &[&[u8]]) -> Result<Batch, AuditError> {
        let Self { source, session, pages } = self;
        let query = |request: Request<'_>| session.ask(source.cancel, |db| request(db));
        let mut batch = Batch::default();
        pages.get(keys, |_, _| true, query, source.cancel, &mut batch)?;
        Ok(batch)
    }

    /// The timestamps of the trigger cells of these rows, ms since 1970. Rows that are not there are left out.
    ///
    /// # Errors
    /// The science database failed, or the caller gave up.
    pub fn triggers(&mut self, keys: &[&[u8]]) -> Result<HashMap<Vec<u8>, i64>, AuditError> {
        let Self { source, session, pages } = self;
        let query = |request: Request<'_>| session.ask(source.cancel, |db| request(db));
        let rows = pages.get_triggers(keys, query)?.into_iter();
        Ok(rows.map(|row| (row.key, row.timestamp.as_millis())).collect())
    }
}
