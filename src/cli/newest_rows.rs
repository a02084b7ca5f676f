//! Finds the newest rows of the science database, as a sample.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::row::{Columns, Rows};
use crate::science_db::RowPrefixes;
use crate::science_db::{KeyRange, Scan, ScienceDb, ScienceDbError};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Length of the first time range that is scanned, ms. Each further one is `WINDOW_FACTOR` times as long.
const FIRST_WINDOW_MS: i64 = 60_000;
const WINDOW_FACTOR: i64 = 8;

/// Rows in a response.
const PAGE_ROWS: usize = 1000;

/// A row and the time of its trigger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NewestRow {
    /// when its trigger was written, ms since 1970
    pub(super) timestamp: i64,
    /// its key
    pub(super) key: Vec<u8>,
}

/// The `count` rows whose trigger, the only one of `trigger`, was written last, without those whose keys begin with one of `skip`; newest
/// first. Only the trigger is read, and no further back than needed.
pub(super) fn newest_rows(
    db: &mut dyn ScienceDb,
    trigger: &Columns,
    skip: &RowPrefixes,
    count: usize,
) -> Result<Vec<NewestRow>, ScienceDbError> {
    let now = Timestamp::now().as_millis();
    let mut back = FIRST_WINDOW_MS;
    loop {
        let window = Window::since(Timestamp::from_millis(now.saturating_sub(back)));
        let found = newest_rows_in(db, trigger, skip, count, window)?;
        if found.len() >= count || window.from() == Timestamp::EPOCH {
            return Ok(found);
        }
        back = back.saturating_mul(WINDOW_FACTOR);
    }
}

fn newest_rows_in(
    db: &mut dyn ScienceDb,
    trigger: &Columns,
    skip: &RowPrefixes,
    count: usize,
    window: Window,
) -> Result<Vec<NewestRow>, ScienceDbError> {
    let scan = Scan { keys: KeyRange::default(), window, columns: trigger, page: PAGE_ROWS };
    let mut rows = Rows::default();
    let mut found: BinaryHeap<Reverse<NewestRow>> = BinaryHeap::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let more = db.scan(&scan, after.as_deref(), &mut rows)?;
        for row in rows.iter() {
            after = Some(row.key.to_owned());
            let Some(cell) = row.cell(0).filter(|_| skip.of(row.key).is_none()) else { continue };
            if found.len() < count || found.peek().is_some_and(|Reverse(oldest)| oldest.timestamp < cell.timestamp) {
                found.push(Reverse(NewestRow { timestamp: cell.timestamp, key: row.key.to_owned() }));
            }
            if found.len() > count {
                found.pop();
            }
        }
        if !more {
            return Ok(found.into_sorted_vec().into_iter().map(|Reverse(row)| row).collect());
        }
    }
}
