//! The pipeline: takes the alerts of a page through the rules, the Python filters and the encoder of every stream.
//!
//! [`Pipeline::process`] does this. What a stream decides about an alert is one [`Verdict`], which the rules make first, then the filters,
//! then the encoder; the sink acts on it. Everything that does not depend on the rows is resolved before, by [`Pipeline::new`]: which columns
//! are read ([`AlertColumns`]), and the rules, schemas, keys and filters bound to these columns.

mod alert_columns;
mod error;
mod message_encodings;
mod notices;
mod skipped_rows;
mod stream;
mod stream_filters;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use alert_columns::{AlertColumns, AlertRow, DISTRIBUTED};
pub(crate) use error::PipelineError;
pub(crate) use notices::{NoticeError, NoticePlan};
pub(crate) use stream_filters::FilterSet;

use super::batch::AlertBatch;
use super::stats::Criterion;
use super::verdict::Verdict;
use crate::alert::message::KeyPlan;
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::distribution::settings::StreamSettings;
use crate::filters::FilterError;
use crate::ledger::LedgerEntry;
use crate::science_db::ScienceDbSettings;
use message_encodings::{MessageEncodings, SchemaPlans, ValueWriter};
use notices::NoticeBuilder;
use stream::{Stream, StreamPlan};
use stream_filters::StreamFilters;

/// The streams, bound to the columns that are read. Threads share it, each with its own [`Encoders`].
pub(crate) struct Pipeline {
    columns: AlertColumns,
    streams: Vec<Stream>,
    encodings: MessageEncodings,
    filters: Option<StreamFilters>,
    notices: Option<NoticeBuilder>,
}

/// The encoders of one thread, and its buffers.
pub(crate) struct Encoders {
    values: ValueWriter,
    key: Vec<u8>,
    object_id: Vec<u8>,
    durations: PageDurations,
}

/// How long the last page took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PageDurations {
    /// the filters; `None`: the page had no alerts, or there are no filters
    pub filters: Option<Duration>,
    /// rules and encoder; `None`: the page had no alerts
    pub encoding: Option<Duration>,
}

impl Encoders {
    /// How long the last page took.
    pub fn durations(&self) -> PageDurations {
        self.durations
    }
}

impl Pipeline {
    /// Binds streams, `filters` and `notices` to the catalog. `has_status`: alerts whose status says that they were distributed are left
    /// out.
    ///
    /// # Errors
    /// A stream's rules or schema cannot be used, or the catalog lacks a column.
    pub fn new(
        catalog: &Catalog,
        streams: &[StreamSettings],
        settings: &ScienceDbSettings,
        has_status: bool,
        filters: Option<FilterSet>,
        notices: Option<NoticePlan>,
    ) -> Result<Self, PipelineError> {
        let mut schemas = SchemaPlans::new(catalog);
        let plans = streams.iter().map(|stream| StreamPlan::new(stream, catalog, &mut schemas));
        let plans: Vec<StreamPlan<'_>> = plans.collect::<Result<_, _>>()?;

        let mut needed: HashSet<usize> = schemas.needed_columns().collect();
        needed.extend(plans.iter().flat_map(StreamPlan::needed_columns));
        needed.extend(filters.iter().flat_map(FilterSet::needed_columns));
        needed.extend(notices.iter().flat_map(NoticePlan::needed_columns));
        let columns = AlertColumns::new(catalog, settings, has_status, &needed)?;

        let filters = filters.map(|filters| filters.bind(catalog, columns.all())).transpose()?;
        let mut encodings = MessageEncodings::default();
        let bind = |(index, plan): (usize, StreamPlan<'_>)| {
            let filters = filters.iter().flat_map(|filters| filters.names(index)).map(Criterion::from);
            plan.bind(catalog, columns.all(), &schemas, &mut encodings, filters)
        };
        let streams = plans.into_iter().enumerate().map(bind).collect::<Result<_, _>>()?;
        let notices = notices.map(|notices| notices.bind(catalog, columns.all())).transpose()?;
        Ok(Self { columns, streams, encodings, filters, notices })
    }

    /// Appends `alerts` to `batch`, with what each stream decides about them, or `only` the stream of this index; then there are no notices.
    ///
    /// # Errors
    /// A filter failed and `filters.on_error` is `stop`, filter workers end again and again, or `cancel` was cancelled. The batch holds
    /// none of the alerts then.
    pub fn process(
        &self,
        alerts: &[AlertRow<'_>],
        only: Option<usize>,
        encoders: &mut Encoders,
        cancel: &CancellationToken,
        batch: &mut AlertBatch,
    ) -> Result<(), FilterError> {
        encoders.durations = PageDurations::default();
        let started = Instant::now();
        // A call of a filter costs milliseconds, so filters get the alerts of a page together, before the first one is encoded. This covers
        // the rules of the streams that have filters; the other streams apply theirs below, and cost nothing here.
        let mut filtered = match &self.filters {
            Some(filters) => filters.run(alerts, &self.streams, only, cancel)?,
            None => Vec::new(),
        };
        let filtered_at = Instant::now();
        let Encoders { values, key, object_id, durations } = encoders;
        for (position, alert) in alerts.iter().enumerate() {
            let AlertRow { row, timestamp } = alert;
            self.columns.object_id(row, object_id);
            batch.begin_alert(LedgerEntry::new(row.key, *timestamp), row.key, object_id);
            values.start_row();
            let streams = self.streams.iter().enumerate().filter(|(index, _)| only.is_none_or(|only| only == *index));
            for (index, stream) in streams {
                let verdict = match filtered.get_mut(index).and_then(|verdicts| verdicts.get_mut(position)) {
                    Some(verdict) => std::mem::replace(verdict, Verdict::Send(())),
                    None => stream.apply_rules(row),
                };
                let verdict = verdict.and_then(|()| stream.encode(index, row, object_id, (values, key), batch));
                batch.push(index, verdict);
            }
            if let Some(notices) = &self.notices
                && only.is_none()
                && batch.is_sent()
                && let Some(notice) = notices.build(row, object_id)
            {
                batch.set_notice(Arc::new(notice));
            }
        }
        if !alerts.is_empty() {
            durations.filters = self.filters.is_some().then(|| filtered_at - started);
            durations.encoding = Some(filtered_at.elapsed());
        }
        Ok(())
    }

    /// The columns to read, and which row is an alert.
    pub fn columns(&self) -> &AlertColumns {
        &self.columns
    }

    /// Whether some stream has filters.
    pub fn has_filters(&self) -> bool {
        self.filters.is_some()
    }

    /// What may refuse an alert of a stream: the conditions of its rules, then its filters.
    pub fn criteria(&self, stream: usize) -> &[Criterion] {
        &self.streams[stream].criteria
    }

    /// The key of a stream's messages where it is the same for all.
    pub fn constant_key(&self, stream: usize) -> Option<&[u8]> {
        match &self.streams[stream].key {
            KeyPlan::Schema(key) => Some(key),
            _ => None,
        }
    }

    /// The schema of a stream's messages as JSON, where it is written to a topic of its own or registered.
    pub fn schema(&self, stream: usize) -> Option<&str> {
        self.streams[stream].schema.as_deref()
    }

    /// Has messages carry the ids that registries have given the schemas, by stream.
    pub fn set_schema_ids(&mut self, ids: &[Option<u32>]) {
        for (stream, id) in self.streams.iter().zip(ids) {
            if let Some(id) = id {
                self.encodings.set_schema_id(stream.encoding, *id);
            }
        }
    }

    /// Encoders for one thread.
    pub fn encoders(&self) -> Encoders {
        Encoders {
            values: self.encodings.writer(),
            key: Vec::new(),
            object_id: Vec::new(),
            durations: PageDurations::default(),
        }
    }
}
