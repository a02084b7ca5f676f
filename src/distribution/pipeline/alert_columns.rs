//! The columns to read, and those of them that say which row is an alert, of which object, and whether it is complete.

use std::collections::HashSet;
use std::io::Write;

use super::error::PipelineError;
use super::skipped_rows::SkippedRows;
use crate::catalog::{Catalog, Column, ColumnType};
use crate::row::{ColumnNotRead, Columns, Row};
use crate::science_db::{CompleteRows, ScienceDbSettings};
use crate::timestamp::Timestamp;

/// The status of an alert that is published.
pub(crate) const DISTRIBUTED: &[u8] = b"distributed";

/// A row that is an alert.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlertRow<'a> {
    pub row: Row<'a>,
    /// of its trigger cell
    pub timestamp: Timestamp,
}

/// The columns of a read, and those of them that the distribution itself needs.
pub(crate) struct AlertColumns {
    all: Columns,
    trigger: Columns,
    trigger_slot: usize,
    object: ObjectColumn,
    status: Option<StatusColumn>,
    /// by slot: whether a complete row has a cell there unless the value is null
    is_expected: Vec<bool>,
    complete_rows: CompleteRows,
    skipped_rows: SkippedRows,
}

/// Where the object identifier is. One that is a part of the row key is not taken apart from it: partitions are chosen by the whole key then.
#[derive(Clone, Copy, Debug)]
enum ObjectColumn {
    RowKey,
    /// text, in this slot
    Text(usize),
    /// a 64-bit integer, in this slot
    Long(usize),
}

struct StatusColumn {
    slot: usize,
    family: String,
    qualifier: String,
}

impl AlertColumns {
    /// The columns `needed` (indexes into the catalog's list), trigger and object identifier, and the status column where `has_status`.
    ///
    /// # Errors
    /// The catalog has no trigger column, or not the columns that `settings` name.
    pub fn new(
        catalog: &Catalog,
        settings: &ScienceDbSettings,
        has_status: bool,
        needed: &HashSet<usize>,
    ) -> Result<Self, PipelineError> {
        let trigger = catalog.trigger_column(settings.trigger.as_deref())?;
        let object = catalog.object_id_column(settings.object_id.as_deref())?;
        let status = catalog.status_column().filter(|_| has_status);

        let own = [Some(trigger), object, status];
        let is_own = |column: &Column| own.iter().flatten().any(|own| own.name == column.name);
        let needed =
            catalog.columns.iter().enumerate().filter(|(index, column)| needed.contains(index) || is_own(column));
        let has_cell = |column: &&Column| column.family_and_qualifier().is_some();
        let read: Vec<&Column> = needed.map(|(_, column)| column).filter(has_cell).collect();
        let slot = |column: &Column| {
            let slot = read.iter().position(|read| read.name == column.name);
            slot.ok_or_else(|| ColumnNotRead { column: column.name.clone() })
        };
        let object = match object.filter(has_cell) {
            Some(column) if column.kind == ColumnType::Long => ObjectColumn::Long(slot(column)?),
            Some(column) => ObjectColumn::Text(slot(column)?),
            None => ObjectColumn::RowKey,
        };
        // A record's marker column and the status are absent from complete rows too.
        let is_marker = |column: &Column| catalog.records.iter().any(|record| record.path == column.field);
        let is_status = |column: &Column| status.is_some_and(|status| status.name == column.name);
        let is_expected = read.iter().map(|column| !is_marker(column) && !is_status(column)).collect();
        let status = status.and_then(|column| Some((column, column.family_and_qualifier()?)));
        let status = status.map(|(column, (family, qualifier))| {
            let (family, qualifier) = (family.to_owned(), qualifier.to_owned());
            Ok::<_, ColumnNotRead>(StatusColumn { slot: slot(column)?, family, qualifier })
        });
        Ok(Self {
            trigger: [trigger].into_iter().collect(),
            trigger_slot: slot(trigger)?,
            object,
            status: status.transpose()?,
            is_expected,
            complete_rows: settings.complete_rows,
            skipped_rows: SkippedRows::new(&settings.skip_rows),
            all: read.into_iter().collect(),
        })
    }

    /// Everything that streams, notices and the distribution itself need.
    pub fn all(&self) -> &Columns {
        &self.all
    }

    /// The trigger column alone.
    pub fn trigger(&self) -> &Columns {
        &self.trigger
    }

    /// Family and qualifier of the status column; `None` where it is not read.
    pub fn status(&self) -> Option<(&str, &str)> {
        self.status.as_ref().map(|status| (status.family.as_str(), status.qualifier.as_str()))
    }

    /// How many rows were skipped because of their keys (`science_db.skip_rows`).
    pub fn skipped_rows(&self) -> u64 {
        self.skipped_rows.count()
    }

    /// The row as an alert, where it has a trigger cell, `is_wanted` accepts its timestamp, and the row is neither skipped by its key nor
    /// distributed already. Counts a skipped row.
    pub fn alert<'a>(&self, row: Row<'a>, is_wanted: impl FnOnce(Timestamp) -> bool) -> Option<AlertRow<'a>> {
        let alert = self.alert_of_any_status(row, is_wanted)?;
        let AlertRow { timestamp, .. } = alert;
        let status = self.status.as_ref().and_then(|status| row.cell(status.slot));
        // The status is written at the trigger's timestamp: an older one speaks of an older version of the row.
        let is_distributed =
            status.is_some_and(|cell| cell.value == DISTRIBUTED && cell.timestamp >= timestamp.as_millis());
        (!is_distributed).then_some(alert)
    }

    /// As [`alert`](Self::alert), also where it is distributed already.
    pub fn alert_of_any_status<'a>(
        &self,
        row: Row<'a>,
        is_wanted: impl FnOnce(Timestamp) -> bool,
    ) -> Option<AlertRow<'a>> {
        let timestamp = Timestamp::from_millis(row.cell(self.trigger_slot)?.timestamp);
        (is_wanted(timestamp) && !self.skipped_rows.skip(row.key, timestamp)).then_some(AlertRow { row, timestamp })
    }

    /// Whether a scan may have returned only some cells of the row. `sees_all`: the scan covers all timestamps, so a missing cell is null.
    pub fn may_be_partial(&self, row: &Row<'_>, sees_all: bool) -> bool {
        match self.complete_rows {
            CompleteRows::Always => true,
            CompleteRows::WhenPartial => {
                let mut expected = self.is_expected.iter().enumerate().filter(|(_, is_expected)| **is_expected);
                !sees_all && expected.any(|(slot, _)| row.cell(slot).is_none())
            }
        }
    }

    /// Puts the object identifier into `out` as text, integers in decimal; the row key where the row has none.
    pub fn object_id(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        out.clear();
        let cell = |slot| row.cell(slot).map(|cell| cell.value);
        match self.object {
            ObjectColumn::RowKey => out.extend_from_slice(row.key),
            ObjectColumn::Text(slot) => out.extend_from_slice(cell(slot).unwrap_or(row.key)),
            ObjectColumn::Long(slot) => match cell(slot).and_then(|cell| <[u8; 8]>::try_from(cell).ok()) {
                // Writing to a vector cannot fail.
                Some(number) => write!(out, "{}", i64::from_be_bytes(number)).unwrap_or_default(),
                None => out.extend_from_slice(row.key),
            },
        }
    }
}
