//! Reads rows a page at a time and passes them through the pipeline, for the service's readers and for audits.

use std::sync::Arc;

use super::batch::AlertBatch;
use super::pipeline::{AlertRow, Encoders, PageDurations, Pipeline};
use super::row_size::RowSize;
use crate::cancel::CancellationToken;
use crate::filters::FilterError;
use crate::ledger::RowVersion;
use crate::row::{Row, Rows};
use crate::science_db::{KeyRange, Scan, ScienceDb, ScienceDbError};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Most rows of the first page of a scan: their size is not known yet.
const FIRST_PAGE_ROWS: usize = 50;
/// Rows of a page of trigger cells alone.
const TRIGGER_PAGE_ROWS: usize = 5_000;
/// Most rows of one request by row key.
const MAX_GET_ROWS: usize = 100;

/// A request to the science database. The caller of a [`PageReader`] makes it in its session, again after a transient error: a page is
/// filled from its start, and its position is in the request, so nothing is lost or read twice. Its result is whether more pages follow.
pub(crate) type PageRequest<'a> = &'a mut dyn FnMut(&mut dyn ScienceDb) -> Result<bool, ScienceDbError>;

/// The size of a page: large enough that the cost of a request is small, and small enough to bound memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimits {
    /// most rows
    pub rows: usize,
    /// bytes of rows to aim at
    pub bytes: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { rows: 500, bytes: 4 << 20 }
    }
}

/// A scan of a key range for the alerts of a window.
#[derive(Clone, Debug)]
pub(crate) struct AlertScan {
    keys: KeyRange,
    /// which alerts
    window: Window,
    /// which cells are read: at least those of `window`
    cells: Window,
    /// the last row that was read; the next page starts behind it
    after: Option<Vec<u8>>,
    is_first_page: bool,
    /// only what this stream decides
    stream: Option<usize>,
}

impl AlertScan {
    /// A scan for the alerts of `window` that starts behind the row `after`, and reads the cells of `cells`, which contains `window`.
    pub fn new(keys: KeyRange, window: Window, cells: Window, after: Option<Vec<u8>>) -> Self {
        Self { keys, window, cells, after, is_first_page: true, stream: None }
    }

    /// The same for the stream of this index alone, with the alerts that the others have received already.
    #[must_use]
    pub fn for_stream(self, stream: Option<usize>) -> Self {
        Self { stream, ..self }
    }
}

/// Reads pages; each thread has its own.
pub(crate) struct PageReader {
    pipeline: Arc<Pipeline>,
    encoders: Encoders,
    limits: PageLimits,
    row_size: RowSize,
    rows: Rows,
    /// rows of the page that the scan returned in part, read again by key
    complete_rows: Rows,
}

impl PageReader {
    pub fn new(pipeline: &Arc<Pipeline>, limits: PageLimits) -> Self {
        Self {
            pipeline: Arc::clone(pipeline),
            encoders: pipeline.encoders(),
            limits,
            row_size: RowSize::default(),
            rows: Rows::default(),
            complete_rows: Rows::default(),
        }
    }

    /// The rows of the last page, as the scan returned them.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// How long the pipeline took for the last page.
    pub fn durations(&self) -> PageDurations {
        self.encoders.durations()
    }

    /// Bytes of rows that a page aims at.
    pub fn page_bytes(&self) -> usize {
        self.limits.bytes
    }

    /// Reads the next page of `scan` and appends its alerts to `batch`. Returns whether more pages follow.
    ///
    /// # Errors
    /// Those of `query`, which makes a request; or a filter failed, or `cancel` was cancelled while filters ran.
    pub fn scan<E: From<FilterError>>(
        &mut self,
        scan: &mut AlertScan,
        mut query: impl FnMut(PageRequest<'_>) -> Result<bool, E>,
        cancel: &CancellationToken,
        batch: &mut AlertBatch,
    ) -> Result<bool, E> {
        let Self { pipeline, encoders, limits, row_size, rows, complete_rows } = self;
        let columns = pipeline.columns();
        let max_rows = if scan.is_first_page { FIRST_PAGE_ROWS.min(limits.rows) } else { limits.rows };
        let page = Scan {
            keys: scan.keys.clone(),
            window: scan.cells,
            columns: columns.all(),
            page: row_size.rows_in(limits.bytes, max_rows),
        };
        let more = query(&mut |db| db.scan(&page, scan.after.as_deref(), rows))?;
        scan.is_first_page = false;
        scan.after = rows.last().map(|row| row.key.to_vec()).or(scan.after.take());
        row_size.update(rows.len(), rows.bytes());

        let window = scan.window;
        let alert = |row| match scan.stream {
            None => columns.alert(row, |timestamp| window.contains(timestamp)),
            Some(_) => columns.alert_of_any_status(row, |timestamp| window.contains(timestamp)),
        };
        let mut alerts: Vec<AlertRow<'_>> = rows.iter().filter_map(alert).collect();
        // A scan of all timestamps up to the newest cell finds no row in part.
        let sees_all = scan.cells == Window::ALL;
        let is_partial = |index: &usize| columns.may_be_partial(&alerts[*index].row, sees_all);
        let partial: Vec<usize> = (0..alerts.len()).filter(is_partial).collect();
        if !partial.is_empty() {
            let keys: Vec<&[u8]> = partial.iter().map(|index| alerts[*index].row.key).collect();
            query(&mut |db| db.get(&keys, columns.all(), complete_rows).map(|()| false))?;
            replace_partial(&mut alerts, &partial, complete_rows, alert);
        }
        pipeline.process(&alerts, scan.stream, encoders, cancel, batch)?;
        Ok(more)
    }

    /// How many of `count` rows to get at once.
    pub fn rows_to_get(&self, count: usize) -> usize {
        self.row_size.rows_in(self.limits.bytes, MAX_GET_ROWS).min(count)
    }

    /// Reads rows by key and appends to `batch` those that are alerts and that `is_wanted` accepts, by row key and timestamp.
    ///
    /// # Errors
    /// As for [`scan`](Self::scan).
    pub fn get<E: From<FilterError>>(
        &mut self,
        keys: &[&[u8]],
        mut is_wanted: impl FnMut(&[u8], Timestamp) -> bool,
        mut query: impl FnMut(PageRequest<'_>) -> Result<bool, E>,
        cancel: &CancellationToken,
        batch: &mut AlertBatch,
    ) -> Result<(), E> {
        let Self { pipeline, encoders, row_size, rows, .. } = self;
        let columns = pipeline.columns();
        query(&mut |db| db.get(keys, columns.all(), rows).map(|()| false))?;
        row_size.update(rows.len(), rows.bytes());
        let alerts = rows.iter().filter_map(|row| columns.alert(row, |timestamp| is_wanted(row.key, timestamp)));
        Ok(pipeline.process(&alerts.collect::<Vec<_>>(), None, encoders, cancel, batch)?)
    }

    /// Reads the next page of trigger cells of `window`, behind the row `after`: the rows, and whether more pages follow.
    ///
    /// # Errors
    /// Those of `query`.
    pub fn scan_triggers<E>(
        &mut self,
        keys: &KeyRange,
        window: Window,
        after: Option<&[u8]>,
        mut query: impl FnMut(PageRequest<'_>) -> Result<bool, E>,
    ) -> Result<(Vec<RowVersion>, bool), E> {
        let Self { pipeline, rows, .. } = self;
        let columns = pipeline.columns().trigger();
        let scan = Scan { keys: keys.clone(), window, columns, page: TRIGGER_PAGE_ROWS };
        let more = query(&mut |db| db.scan(&scan, after, rows))?;
        Ok((row_versions(rows), more))
    }

    /// Reads the trigger cells of rows by key. Rows without one are left out.
    ///
    /// # Errors
    /// Those of `query`.
    pub fn get_triggers<E>(
        &mut self,
        keys: &[&[u8]],
        mut query: impl FnMut(PageRequest<'_>) -> Result<bool, E>,
    ) -> Result<Vec<RowVersion>, E> {
        let Self { pipeline, rows, .. } = self;
        query(&mut |db| db.get(keys, pipeline.columns().trigger(), rows).map(|()| false))?;
        Ok(row_versions(rows))
    }
}

/// Replaces the alerts at the indexes `partial` by those of the complete rows, and removes those whose rows were deleted since or are
/// alerts of the window no more. Both are in the order of their row keys.
fn replace_partial<'a>(
    alerts: &mut Vec<AlertRow<'a>>,
    partial: &[usize],
    complete_rows: &'a Rows,
    alert: impl Fn(Row<'a>) -> Option<AlertRow<'a>>,
) {
    let mut partial = partial.iter().peekable();
    let mut complete_rows = complete_rows.iter().peekable();
    let mut index = 0;
    alerts.retain_mut(|present| {
        let is_partial = partial.next_if(|partial| **partial == index).is_some();
        index += 1;
        if !is_partial {
            return true;
        }
        let complete = complete_rows.next_if(|complete| complete.key == present.row.key).and_then(&alert);
        complete.map(|complete| *present = complete).is_some()
    });
}

fn row_versions(rows: &Rows) -> Vec<RowVersion> {
    let version = |row: Row<'_>| {
        let timestamp = Timestamp::from_millis(row.cell(0)?.timestamp);
        Some(RowVersion { timestamp, key: row.key.to_vec() })
    };
    rows.iter().filter_map(version).collect()
}
