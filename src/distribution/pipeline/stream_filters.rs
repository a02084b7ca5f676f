//! The Python filters of the streams: which alerts each filter is called with, and what follows from its results.

use std::sync::Arc;

use super::alert_columns::AlertRow;
use super::stream::Stream;
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::distribution::settings::StreamSettings;
use crate::distribution::verdict::{RejectClass, Verdict};
use crate::filters::{FilterCall, FilterError, FilterName, FilterRunner, FilterSettings, Pool, ResolvedFilters};
use crate::row::{ColumnNotRead, Columns, Row};

/// The filters of all streams, started, before it is known which columns are read.
pub(crate) struct FilterSet {
    filters: ResolvedFilters,
    /// by stream: the indexes of its filters, in the order of the configuration
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
        cancel: &CancellationToken,
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
        let pool = Pool::start(settings, &names, cancel)?;
        Ok(Some(Self { filters: ResolvedFilters::new(Arc::new(pool), catalog)?, streams: of_streams }))
    }

    /// The columns to read, as indexes into the catalog's list.
    pub fn needed_columns(&self) -> Vec<usize> {
        self.filters.columns()
    }

    /// The filters, for rows read with `columns`.
    ///
    /// # Errors
    /// A column that a filter needs is not among `columns`.
    pub(super) fn bind(self, catalog: &Catalog, columns: &Columns) -> Result<StreamFilters, ColumnNotRead> {
        Ok(StreamFilters { runner: self.filters.bind(catalog, columns)?, streams: self.streams })
    }
}

/// The filters of all streams, bound to the columns that are read.
pub(super) struct StreamFilters {
    runner: FilterRunner,
    /// by stream: the indexes of its filters, in the order of the configuration
    streams: Vec<Vec<usize>>,
}

impl StreamFilters {
    /// The names of a stream's filters.
    pub fn names(&self, stream: usize) -> impl Iterator<Item = &FilterName> {
        self.streams[stream].iter().map(|filter| &self.runner.functions()[*filter].name)
    }

    /// What the rules and filters of each stream that has filters, or `only` of this one, decide about `alerts`: by stream, then by alert; empty for
    /// other streams. A filter is called with the alerts that the stream's rules keep.
    ///
    /// # Errors
    /// A filter failed and `filters.on_error` is `stop`, filter workers end again and again, or `cancel` was cancelled.
    pub fn run(
        &self,
        alerts: &[AlertRow<'_>],
        streams: &[Stream],
        only: Option<usize>,
        cancel: &CancellationToken,
    ) -> Result<Vec<Vec<Verdict>>, FilterError> {
        let mut verdicts: Vec<Vec<Verdict>> = vec![Vec::new(); streams.len()];
        // By stream: the alerts that its rules keep.
        let mut kept: Vec<Vec<usize>> = vec![Vec::new(); streams.len()];
        let is_asked = |index: &usize| !self.streams[*index].is_empty() && only.is_none_or(|only| only == *index);
        for index in (0..streams.len()).filter(is_asked) {
            verdicts[index] = alerts.iter().map(|alert| streams[index].apply_rules(&alert.row)).collect();
            let is_kept = |alert: &usize| verdicts[index][*alert] == Verdict::Send(());
            kept[index] = (0..alerts.len()).filter(is_kept).collect();
        }
        let mut calls: Vec<FilterCall<'_>> = Vec::new();
        // (stream, index among its criteria) of each call
        let mut callers: Vec<(usize, usize)> = Vec::new();
        for index in (0..streams.len()).filter(|index| !kept[*index].is_empty()) {
            for (place, function) in self.streams[index].iter().enumerate() {
                calls.push(FilterCall { function: *function, rows: &kept[index] });
                callers.push((index, streams[index].conditions + place));
            }
        }
        if calls.is_empty() {
            return Ok(verdicts);
        }
        let rows: Vec<Row<'_>> = alerts.iter().map(|alert| alert.row).collect();
        let results = self.runner.run(&rows, &calls, cancel)?;
        for (((stream, criterion), call), results) in callers.into_iter().zip(&calls).zip(results) {
            for (row, result) in call.rows.iter().zip(results) {
                let verdict = &mut verdicts[stream][*row];
                // The filters of a stream are called together; the first that does not keep the alert decides.
                if *verdict == Verdict::Send(()) {
                    *verdict = match result {
                        Ok(true) => Verdict::Send(()),
                        Ok(false) => Verdict::Refuse(criterion),
                        Err(reason) => Verdict::Reject(RejectClass::Filter, reason),
                    };
                }
            }
        }
        Ok(verdicts)
    }
}
