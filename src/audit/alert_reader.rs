//! Reads the alerts of a window from the science database, as the service would: whole rows, rules and filters applied, encoded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::error::AuditError;
use crate::distribution::batch::Batch;
use crate::distribution::pipeline::{Encoders, Pipeline};
use crate::row::{Row, Rows};
use crate::science_db::{Cancel, KeyRange, Scan, ScienceDb, ScienceDbError, Sessions};
use crate::window::Window;

/// How long a science database that went away is waited for.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two tries.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of rows that a page aims at.
const PAGE_BYTES: usize = 4 << 20;
/// Rows of the first page, before it is known how large they are.
const FIRST_PAGE_ROWS: usize = 50;

/// A session that is opened again where the server went away after it had answered once.
struct RetryingSession<'a> {
    sessions: &'a Sessions,
    session: Option<Box<dyn ScienceDb>>,
    has_answered: bool,
}

impl RetryingSession<'_> {
    fn ask<T>(
        &mut self,
        give_up: &dyn Fn() -> bool,
        mut question: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, AuditError> {
        let began = Instant::now();
        loop {
            if give_up() {
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
                    std::thread::sleep(RETRY_INTERVAL);
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
    pub pipeline: &'a Pipeline,
    /// most rows of a page
    pub page: usize,
    /// the caller gave up
    pub give_up: &'a (dyn Fn() -> bool + Sync),
}

impl DatabaseScan<'_> {
    /// The table's regions.
    ///
    /// # Errors
    /// The science database refused or cannot be reached.
    pub fn key_ranges(&self) -> Result<Vec<KeyRange>, AuditError> {
        self.session().ask(self.give_up, |db| db.key_ranges())
    }

    /// A reader for one thread.
    pub fn reader(&self) -> AlertReader<'_> {
        AlertReader {
            source: self,
            session: self.session(),
            encoders: self.pipeline.encoders(),
            rows: Rows::default(),
            whole: Rows::default(),
        }
    }

    fn session(&self) -> RetryingSession<'_> {
        RetryingSession { sessions: &self.sessions, session: None, has_answered: false }
    }
}

/// Reads rows, one thread's.
pub(super) struct AlertReader<'a> {
    source: &'a DatabaseScan<'a>,
    session: RetryingSession<'a>,
    encoders: Encoders,
    rows: Rows,
    whole: Rows,
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
        let source = self.source;
        let pipeline = source.pipeline;
        let first = FIRST_PAGE_ROWS.min(source.page);
        let mut scan = Scan { keys, window: cells, columns: pipeline.columns(), page: first };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = &mut self.rows;
            let more = self.session.ask(source.give_up, |db| db.scan(&scan, after.as_deref(), rows))?;
            let partial = self.complete(cells == Window::ALL)?;
            let mut batch = Batch::default();
            self.encode(&partial, window, &mut batch)?;
            each(&batch, self.rows.len())?;
            if !more {
                return Ok(());
            }
            after = self.rows.last().map(|row| row.key.to_vec()).or(after);
            let average = self.rows.bytes() / self.rows.len().max(1);
            scan.page = (PAGE_BYTES / average.max(1)).clamp(1, source.page);
        }
    }

    /// The alerts of these rows, in their present state.
    ///
    /// # Errors
    /// The science database or a filter failed, or the caller gave up.
    pub fn fetch(&mut self, keys: &[&[u8]]) -> Result<Batch, AuditError> {
        let (source, rows) = (self.source, &mut self.rows);
        self.session.ask(source.give_up, |db| db.get(keys, source.pipeline.columns(), rows))?;
        let mut batch = Batch::default();
        self.encode(&[], Window::ALL, &mut batch)?;
        Ok(batch)
    }

    /// When the triggers of these rows were written, ms since 1970. Rows that are not there are left out.
    ///
    /// # Errors
    /// The science database failed, or the caller gave up.
    pub fn triggers(&mut self, keys: &[&[u8]]) -> Result<HashMap<Vec<u8>, i64>, AuditError> {
        let (source, rows) = (self.source, &mut self.rows);
        self.session.ask(source.give_up, |db| db.get(keys, source.pipeline.trigger(), rows))?;
        Ok(self.rows.iter().filter_map(|row| Some((row.key.to_vec(), row.cell(0)?.timestamp))).collect())
    }

    /// Fetches whole those rows of the page that may be partial; their places in the page.
    fn complete(&mut self, sees_all: bool) -> Result<Vec<usize>, AuditError> {
        let source = self.source;
        let rows = self.rows.iter().enumerate();
        let partial = rows.filter(|(_, row)| source.pipeline.may_be_partial(row, sees_all));
        let partial: Vec<usize> = partial.map(|(index, _)| index).collect();
        if !partial.is_empty() {
            let keys: Vec<&[u8]> = partial.iter().map(|index| self.rows.row(*index).key).collect();
            let whole = &mut self.whole;
            self.session.ask(source.give_up, |db| db.get(&keys, source.pipeline.columns(), whole))?;
        }
        Ok(partial)
    }

    /// Encodes the page's rows: in place of a partial one the whole one, or nothing where it has been deleted since.
    fn encode(&mut self, partial: &[usize], window: Window, batch: &mut Batch) -> Result<(), AuditError> {
        let pipeline = self.source.pipeline;
        let mut partial = partial.iter().peekable();
        let mut whole = self.whole.iter().peekable();
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            rows.extend(match partial.next_if(|partial| **partial == index) {
                None => Some(row),
                Some(_) => whole.next_if(|whole| whole.key == row.key),
            });
        }
        let verdicts = pipeline.filter(&rows, window, self.source.give_up)?;
        for (index, row) in rows.iter().enumerate() {
            let verdicts = verdicts.get(index).map_or(&[][..], Vec::as_slice);
            pipeline.encode(row, window, verdicts, &mut self.encoders, batch);
        }
        Ok(())
    }
}
