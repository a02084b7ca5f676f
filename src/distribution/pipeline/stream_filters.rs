//! The Python filters of the streams: which alerts each filter is called with, and what follows from its results.

use std::borrow::Cow;
use std::sync::Arc;

use super::alert_columns::AlertRow;
use super::error::PipelineError;
use super::stream::Stream;
use crate::catalog::{Catalog, ColumnLocation, ColumnType};
use crate::config::{FilterSettings, StreamSettings};
use crate::distribution::verdict::Verdict;
use crate::filters::{FilterCall, FilterError, FilterName, FilterRow, FilterRunner, Pool};
use crate::science_db::{Columns, Row};

/// The filters of all streams, started, before it is known which columns are read.
pub(crate) struct FilterSet {
    runner: FilterRunner,
    /// by stream: the indexes of its filters, in the order in which they are asked
    streams: Vec<Vec<usize>>,
}

impl FilterSet {
    /// Starts a filter worker and imports the filters of `streams`; `None` where no stream has filters.
    ///
    /// # Errors
    /// The interpreter does not start, a filter cannot be imported, or a parameter is no column of the catalog.
    pub fn start(
        settings: &FilterSettings,
        streams: &[StreamSettings],
        catalog: &Catalog,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, FilterError> {
        let mut names: Vec<FilterName> = Vec::new();
        let mut of_streams = Vec::with_capacity(streams.len());
        for stream in streams {
            let mut filters = Vec::with_capacity(stream.filters.len());
            for filter in &stream.filters {
                let name: FilterName = filter.parse()?;
                let index = names.iter().position(|known| *known == name);
                filters.push(index.unwrap_or(names.len()));
                if index.is_none() {
                    names.push(name);
                }
            }
            of_streams.push(filters);
        }
        if names.is_empty() {
            return Ok(None);
        }
        let pool = Pool::start(settings, &names, give_up)?;
        Ok(Some(Self { runner: FilterRunner::new(Arc::new(pool), catalog)?, streams: of_streams }))
    }

    /// The columns to read, as indexes into the catalog's list.
    pub fn needed_columns(&self) -> Vec<usize> {
        self.runner.columns()
    }

    /// The filters, for rows read with `columns`.
    ///
    /// # Errors
    /// A column that a filter needs is not among `columns`.
    pub(super) fn bind(self, catalog: &Catalog, columns: &Columns) -> Result<StreamFilters, PipelineError> {
        let mut sources = vec![CellSource::NotRead; catalog.columns.len()];
        for index in self.needed_columns() {
            let column = &catalog.columns[index];
            sources[index] = match &column.location {
                ColumnLocation::RowKey { .. } if catalog.row_key.len() < 2 => CellSource::Key,
                ColumnLocation::RowKey { part } => CellSource::KeyPart(*part, column.kind.clone()),
                ColumnLocation::Cell { family, qualifier } => {
                    let slot = columns.slot(family.as_bytes(), qualifier.as_bytes(), &mut 0);
                    let error = || PipelineError::NotRead { column: column.name.clone(), purpose: "for a filter" };
                    CellSource::Slot(slot.ok_or_else(error)?)
                }
            };
        }
        Ok(StreamFilters { runner: self.runner, streams: self.streams, sources, parts: catalog.row_key.len() })
    }
}

/// Where a column is found in a row.
#[derive(Clone, Debug)]
enum CellSource {
    NotRead,
    Slot(usize),
    Key,
    KeyPart(usize, ColumnType),
}

/// A row as filters see it.
struct BoundRow<'a> {
    row: Row<'a>,
    filters: &'a StreamFilters,
}

impl FilterRow for BoundRow<'_> {
    fn cell(&self, column: usize) -> Result<Option<Cow<'_, [u8]>>, String> {
        Ok(match &self.filters.sources[column] {
            CellSource::Slot(slot) => self.row.cell(*slot).map(|cell| cell.value.into()),
            CellSource::Key => Some(self.row.key.into()),
            CellSource::KeyPart(part, kind) => {
                let part = self.row.key.splitn(self.filters.parts, |byte| *byte == b'_').nth(*part);
                match part.ok_or("the row key has too few parts")? {
                    [] => None,
                    part => Some(kind.cell_of_text(part).ok_or("its part of the row key is not of its type")?.into()),
                }
            }
            CellSource::NotRead => return Err("the column was not read; please report this".to_owned()),
        })
    }
}

/// The filters of all streams, bound to the columns that are read.
pub(super) struct StreamFilters {
    runner: FilterRunner,
    /// by stream: the indexes of its filters, in the order in which they are asked
    streams: Vec<Vec<usize>>,
    /// by index in the catalog
    sources: Vec<CellSource>,
    /// of the row key
    parts: usize,
}

impl StreamFilters {
    /// The names of a stream's filters.
    pub fn names(&self, stream: usize) -> impl Iterator<Item = &FilterName> {
        self.streams[stream].iter().map(|filter| &self.runner.functions()[*filter].name)
    }

    /// What the rules and filters of each stream that has filters decide about `alerts`: by stream, then by alert; empty for a stream
    /// without filters. A filter is called with the alerts that the stream's rules keep.
    ///
    /// # Errors
    /// A filter failed and `filters.on_error` is `stop`, filter workers end again and again, or `give_up` returned true.
    pub fn run(
        &self,
        alerts: &[AlertRow<'_>],
        streams: &[Stream],
        give_up: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<Verdict>>, FilterError> {
        let mut verdicts: Vec<Vec<Verdict>> = vec![Vec::new(); streams.len()];
        let mut calls: Vec<FilterCall> = Vec::new();
        // (stream, index among its criteria) of each call
        let mut callers: Vec<(usize, usize)> = Vec::new();
        let with_filters = self.streams.iter().enumerate().filter(|(_, filters)| !filters.is_empty());
        for (index, filters) in with_filters {
            let stream = &streams[index];
            verdicts[index] = alerts.iter().map(|alert| stream.apply_rules(&alert.row)).collect();
            let kept = (0..alerts.len()).filter(|alert| verdicts[index][*alert] == Verdict::Send(()));
            let kept: Vec<usize> = kept.collect();
            if kept.is_empty() {
                continue;
            }
            for (place, function) in filters.iter().enumerate() {
                calls.push(FilterCall { function: *function, rows: kept.clone() });
                callers.push((index, stream.conditions + place));
            }
        }
        let rows: Vec<BoundRow<'_>> = alerts.iter().map(|alert| BoundRow { row: alert.row, filters: self }).collect();
        let results = self.runner.run(&rows, &calls, give_up)?;
        for (((stream, criterion), call), results) in callers.into_iter().zip(&calls).zip(results) {
            for (row, result) in call.rows.iter().zip(results) {
                let verdict = &mut verdicts[stream][*row];
                // The filters of a stream are called together; the first that does not keep the alert decides.
                if *verdict == Verdict::Send(()) {
                    *verdict = match result {
                        Ok(true) => Verdict::Send(()),
                        Ok(false) => Verdict::Refuse(criterion),
                        Err(reason) => Verdict::Reject(reason),
                    };
                }
            }
        }
        Ok(verdicts)
    }
}
