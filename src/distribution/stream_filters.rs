//! The streams' Python filters: which rows of a page they are asked about, and what they say.
//!
//! A page is judged at once: first by the rules of the streams that have filters, then by the filters, each of which is given the rows
//! that its stream's rules kept.

use std::borrow::Cow;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::config::{FilterSettings, StreamSettings};
use crate::filters::{FilterCall, FilterError, FilterName, FilterRow, FilterRunner, Judgement, Pool};
use crate::row::{BoundColumn, ColumnNotRead, Columns, Row};
use crate::rules::InvalidCell;

/// What a stream with filters makes of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterVerdict {
    /// rules and filters keep it
    Keep,
    /// the condition of this index refuses it; the filters are counted after the rules' conditions
    Refuse(usize),
    /// it cannot be judged, for this reason
    Fail(Arc<str>),
}

/// The filters of all streams, bound to the catalog; not yet to the columns that are read.
pub struct UnboundFilters {
    runner: FilterRunner,
    /// for each stream its filters, in order
    streams: Vec<Vec<usize>>,
}

impl UnboundFilters {
    /// Starts the filters of `streams`; `None` where there is none.
    ///
    /// # Errors
    /// A filter that is not there or cannot be imported, or an argument that is no column.
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

    /// The columns that filters need, as indexes into the catalog's list.
    pub fn columns(&self) -> Vec<usize> {
        self.runner.columns()
    }

    /// Binds the filters to the columns that are read.
    ///
    /// # Errors
    /// A column that a filter needs is not among them.
    pub(super) fn bind(self, catalog: &Catalog, columns: &Columns) -> Result<StreamFilters, ColumnNotRead> {
        let mut bound = vec![None; catalog.columns.len()];
        for index in self.columns() {
            bound[index] = Some(BoundColumn::new(&catalog.columns[index], catalog.row_key.len(), columns)?);
        }
        Ok(StreamFilters { runner: self.runner, streams: self.streams, columns: bound })
    }
}

/// A row as filters see it.
struct FilteredRow<'a> {
    row: Row<'a>,
    filters: &'a StreamFilters,
}

impl FilterRow for FilteredRow<'_> {
    fn cell(&self, column: usize) -> Result<Option<Cow<'_, [u8]>>, String> {
        match self.filters.columns.get(column) {
            Some(Some(column)) => column.value(&self.row).map_err(|error| error.to_string()),
            _ => Err("the column is not read from the science database".to_owned()),
        }
    }
}

/// The filters of all streams at work.
pub(super) struct StreamFilters {
    runner: FilterRunner,
    streams: Vec<Vec<usize>>,
    /// by index in the catalog: the columns that filters need
    columns: Vec<Option<BoundColumn>>,
}

impl StreamFilters {
    /// The names of a stream's filters.
    pub fn names(&self, stream: usize) -> impl Iterator<Item = &FilterName> {
        self.streams.get(stream).into_iter().flatten().map(|filter| &self.runner.functions()[*filter].name)
    }

    /// What the streams with filters make of a page: for each row, by stream; `None` for those without. `judge` gives the verdict of a
    /// stream's rules, `conditions` how many there are.
    ///
    /// # Errors
    /// The filters end everything, or the caller gave up.
    pub fn filter(
        &self,
        rows: &[Row<'_>],
        judge: impl Fn(usize, &Row<'_>) -> Result<Option<usize>, InvalidCell>,
        conditions: impl Fn(usize) -> usize,
        give_up: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<Option<FilterVerdict>>>, FilterError> {
        let mut verdicts: Vec<Vec<Option<FilterVerdict>>> = vec![vec![None; self.streams.len()]; rows.len()];
        let mut calls: Vec<FilterCall> = Vec::new();
        // (stream, place of the filter in it)
        let mut callers: Vec<(usize, usize)> = Vec::new();
        for (stream, filters) in self.streams.iter().enumerate().filter(|(_, filters)| !filters.is_empty()) {
            let mut kept = Vec::with_capacity(rows.len());
            for (index, row) in rows.iter().enumerate() {
                verdicts[index][stream] = Some(match judge(stream, row) {
                    Ok(None) => {
                        kept.push(index);
                        FilterVerdict::Keep
                    }
                    Ok(Some(condition)) => FilterVerdict::Refuse(condition),
                    Err(bad_cell) => FilterVerdict::Fail(bad_cell.to_string().into()),
                });
            }
            for (place, function) in filters.iter().enumerate().filter(|_| !kept.is_empty()) {
                calls.push(FilterCall { function: *function, rows: kept.clone() });
                callers.push((stream, place));
            }
        }
        let filter_rows: Vec<FilteredRow<'_>> =
            rows.iter().map(|row| FilteredRow { row: *row, filters: self }).collect();
        let judged = self.runner.run(&filter_rows, &calls, give_up)?;
        for (((stream, place), call), judgements) in callers.into_iter().zip(&calls).zip(judged) {
            for (row, judgement) in call.rows.iter().zip(judgements) {
                let place_in_all = conditions(stream) + place;
                let verdict = &mut verdicts[*row][stream];
                // The first filter that does not keep it decides.
                if *verdict == Some(FilterVerdict::Keep) {
                    *verdict = Some(match judgement {
                        Judgement::Keep => FilterVerdict::Keep,
                        Judgement::Refuse => FilterVerdict::Refuse(place_in_all),
                        Judgement::Fail(reason) => FilterVerdict::Fail(reason),
                    });
                }
            }
        }
        Ok(verdicts)
    }
}
