//! Which columns are read, and what each stream makes of a row.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use super::batch::Batch;
use super::message_encodings::{MessageEncodings, SchemaPlans, ValueWriter};
use super::notice_builder::NoticeBuilder;
use super::skipped_rows::SkippedRows;
use super::stats::Criterion;
use super::status_column::DISTRIBUTED;
use super::stream_filters::{FilterVerdict, StreamFilters, UnboundFilters};
use crate::alert::PlanError;
use crate::alert::message::{KeyPlan, MessageError};
use crate::alert::schema::StreamSchemaError;
use crate::catalog::{Catalog, CatalogError, ColumnType};
use crate::config::{CompleteRows, ScienceDbSettings, StreamSettings};
use crate::filters::FilterError;
use crate::ledger::LedgerEntry;
use crate::row::{ColumnNotRead, Columns, Row};
use crate::rules::{BoundRules, Rules, RulesError};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// A stream that does not fit the catalog.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// the rules cannot be used
    #[error("stream `{stream}`: {source}")]
    Rules {
        /// which stream
        stream: String,
        /// why
        source: RulesError,
    },
    /// a column that a stream needs is not read
    #[error(transparent)]
    ColumnNotRead(#[from] ColumnNotRead),
    /// there is no schema to send
    #[error("stream `{stream}`: {source}")]
    Schema {
        /// which stream
        stream: String,
        /// why
        source: StreamSchemaError,
    },
    /// the schema cannot be filled from the table
    #[error("stream `{stream}`: {source}")]
    Plan {
        /// which stream
        stream: String,
        /// why
        source: PlanError,
    },
    /// key or encoding ask for what there is not
    #[error("stream `{stream}`: {source}")]
    Message {
        /// which stream
        stream: String,
        /// why
        source: MessageError,
    },
    /// the catalog lacks a column that has a part to play
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// What one stream makes of a row.
struct Stream {
    judge: BoundRules,
    /// what may refuse an alert: the rules' conditions, then the filters
    criteria: Vec<Criterion>,
    conditions: usize,
    /// the number of its encoding
    encoding: usize,
    /// the schema as JSON, where it is written to a topic of its own
    schema: Option<String>,
    keys: KeyPlan,
    /// the slots of the columns that a key is made of
    key_slots: Vec<(usize, usize)>,
}

/// What one stream asks of the table, before it is known which columns are read.
struct StreamPlan {
    rules: Rules,
    /// the number of its plan
    plan: usize,
    keys: KeyPlan,
}

/// How the object's identifier is found in a row.
#[derive(Clone, Copy, Debug)]
enum Object {
    Key,
    Text(usize),
    Number(usize),
}

impl Stream {
    /// Adds the row's message to the batch. `verdicts`: what its rules and filters say, where it has filters.
    fn add(
        &self,
        index: usize,
        row: &Row<'_>,
        verdicts: Option<&FilterVerdict>,
        object: &[u8],
        (writer, key): (&mut ValueWriter, &mut Vec<u8>),
        batch: &mut Batch,
    ) {
        match verdicts {
            Some(FilterVerdict::Keep) => {}
            Some(FilterVerdict::Refuse(criterion)) => return batch.refuse(index, *criterion),
            Some(FilterVerdict::Fail(reason)) => return batch.reject(index, reason.to_string()),
            None => match self.judge.refused_by(row) {
                Ok(None) => {}
                Ok(Some(condition)) => return batch.refuse(index, condition),
                Err(bad_cell) => return batch.reject(index, bad_cell.to_string()),
            },
        }
        let value = match writer.value(self.encoding, row, batch) {
            Ok(value) => value,
            Err(reason) => return batch.reject(index, reason),
        };
        let slot = |column: usize| self.key_slots.iter().find(|(known, _)| *known == column).map(|(_, slot)| *slot);
        let key = match &self.keys {
            KeyPlan::Schema(_) => None,
            keys => keys.key(object, |column| row.cell(slot(column)?).map(|cell| cell.value), key),
        };
        batch.send(index, key, value);
    }
}

/// What is read, and how rows become messages.
pub struct Pipeline {
    columns: Columns,
    trigger: Columns,
    trigger_slot: usize,
    object: Object,
    status_slot: Option<usize>,
    status_column: Option<(String, String)>,
    /// by slot: whether a whole row has a cell there, but for nulls
    expected: Vec<bool>,
    complete: CompleteRows,
    skipped: SkippedRows,
    streams: Vec<Stream>,
    encodings: MessageEncodings,
    notices: Option<NoticeBuilder>,
    stream_filters: Option<StreamFilters>,
}

/// The encoders of one thread.
pub struct Encoders {
    writer: ValueWriter,
    key: Vec<u8>,
    object: Vec<u8>,
}

impl Pipeline {
    /// Puts together what the streams, their `filters` and the `notices` need of the catalog's table. `status`: whether the status column is
    /// heeded.
    ///
    /// # Errors
    /// A stream's schema cannot be read or filled; a column with a part to play is missing.
    pub fn new(
        catalog: &Catalog,
        streams: &[StreamSettings],
        settings: &ScienceDbSettings,
        status: bool,
        filters: Option<UnboundFilters>,
        notices: Option<NoticeBuilder>,
    ) -> Result<Self, PipelineError> {
        let trigger = catalog.trigger_column(settings.trigger.as_deref())?;
        let object = catalog.object_id_column(settings.object_id.as_deref())?;
        let status = catalog.status_column().filter(|_| status);
        let mut plans = SchemaPlans::new(catalog);
        let stream_plans =
            streams.iter().map(|stream| plan_stream(stream, catalog, &mut plans)).collect::<Result<Vec<_>, _>>()?;

        let mut needed: HashSet<usize> = notices.iter().flat_map(NoticeBuilder::needed_columns).collect();
        needed.extend(plans.needed_columns());
        needed.extend(filters.iter().flat_map(UnboundFilters::columns));
        for StreamPlan { rules, keys, .. } in &stream_plans {
            needed.extend(rules.filter_columns());
            needed.extend(keys.needed_columns());
        }
        let own = [Some(trigger), object, status];
        let has_part = |name: &str| own.iter().flatten().any(|column| column.name == name);
        let all = catalog.columns.iter().enumerate();
        let all = all.filter(|(index, column)| needed.contains(index) || has_part(&column.name));
        let with_cell = all.map(|(_, column)| column).filter(|column| column.family_and_qualifier().is_some());
        let read: Vec<_> = with_cell.collect();
        let names = read.iter().filter_map(|column| column.family_and_qualifier());
        let columns =
            Columns::new(names.map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned())).collect());
        let slot = |name: &str| read.iter().position(|column| column.name == name);
        let is_marker = |field: &str| catalog.records.iter().any(|record| record.path == field);
        let expected = read
            .iter()
            .map(|column| !is_marker(&column.field) && status.is_none_or(|status| status.name != column.name))
            .collect();
        let owned = |(family, qualifier): (&str, &str)| (family.to_owned(), qualifier.to_owned());
        let stream_filters = filters.map(|filters| filters.bind(catalog, &columns)).transpose()?;
        let mut encodings = MessageEncodings::default();
        let bound = |(index, (settings, plan)): (usize, (&StreamSettings, StreamPlan))| {
            let conditions = plan.rules.conditions().iter().map(Criterion::from);
            let filters =
                stream_filters.iter().flat_map(|stream_filters| stream_filters.names(index)).map(Criterion::from);
            let criteria = conditions.chain(filters).collect();
            let judge = plan.rules.bind(&columns)?;
            let encoding = encodings.of(settings, (plan.plan, &plans), &columns)?;
            let keys = plan.keys.needed_columns().iter();
            let key_slots = keys.filter_map(|at| Some((*at, slot(&catalog.columns[*at].name)?))).collect();
            let conditions = plan.rules.conditions().len();
            let schema = settings.schema_topic.then(|| plans.get(plan.plan).schema().to_string());
            Ok(Stream { judge, criteria, conditions, encoding, schema, keys: plan.keys, key_slots })
        };
        let streams = streams.iter().zip(stream_plans).enumerate().map(bound).collect::<Result<_, PipelineError>>()?;
        Ok(Self {
            trigger: Columns::new(trigger.family_and_qualifier().map(owned).into_iter().collect()),
            trigger_slot: slot(&trigger.name).unwrap_or_default(),
            object: match object.and_then(|column| Some((slot(&column.name)?, &column.kind))) {
                None => Object::Key,
                Some((slot, ColumnType::Long)) => Object::Number(slot),
                Some((slot, _)) => Object::Text(slot),
            },
            status_slot: status.and_then(|column| slot(&column.name)),
            status_column: status.and_then(|column| column.family_and_qualifier()).map(owned),
            expected,
            complete: settings.complete_rows,
            skipped: SkippedRows::new(&settings.skip_rows),
            notices: notices
                .map(|notices| notices.bound(|column| slot(&catalog.columns[column].name).unwrap_or_default())),
            streams,
            encodings,
            stream_filters,
            columns,
        })
    }

    /// All columns that some stream, or the distribution itself, needs.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The trigger column alone.
    pub fn trigger(&self) -> &Columns {
        &self.trigger
    }

    /// Family and qualifier of the status column, where it is heeded.
    pub fn status_column(&self) -> Option<(&str, &str)> {
        self.status_column.as_ref().map(|(family, qualifier)| (family.as_str(), qualifier.as_str()))
    }

    /// The key of all messages of a stream, where it is always the same.
    pub fn constant_key(&self, stream: usize) -> Option<&[u8]> {
        match &self.streams.get(stream)?.keys {
            KeyPlan::Schema(key) => Some(key),
            _ => None,
        }
    }

    /// Rows of the windows read so far that are no alerts.
    pub fn skipped(&self) -> u64 {
        self.skipped.count()
    }

    /// The schema of a stream's alerts as JSON, where it is written to a topic of its own.
    pub fn schema(&self, stream: usize) -> Option<&str> {
        self.streams.get(stream)?.schema.as_deref()
    }

    /// What may refuse an alert of a stream, in words: the conditions of its rules, then its filters.
    pub fn criteria(&self, stream: usize) -> &[Criterion] {
        self.streams.get(stream).map_or(&[], |stream| &stream.criteria)
    }

    /// Whether some stream has filters.
    pub fn has_filters(&self) -> bool {
        self.stream_filters.is_some()
    }

    /// What the filters make of a page's rows; nothing where there are none.
    ///
    /// # Errors
    /// The filters end everything, or the caller gave up.
    pub fn filter(
        &self,
        rows: &[Row<'_>],
        window: Window,
        give_up: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<Option<FilterVerdict>>>, FilterError> {
        let Some(stream_filters) = &self.stream_filters else { return Ok(Vec::new()) };
        let alerts: Vec<usize> =
            (0..rows.len()).filter(|index| self.trigger_of(&rows[*index], window).is_some()).collect();
        let wanted: Vec<Row<'_>> = alerts.iter().map(|index| rows[*index]).collect();
        let judge = |stream: usize, row: &Row<'_>| self.streams[stream].judge.refused_by(row);
        let verdicts = stream_filters.filter(&wanted, judge, |stream| self.streams[stream].conditions, give_up)?;
        let mut of_rows = vec![Vec::new(); rows.len()];
        for (index, verdicts) in alerts.into_iter().zip(verdicts) {
            of_rows[index] = verdicts;
        }
        Ok(of_rows)
    }

    /// The trigger's timestamp, where the row is an alert of `window` that was not distributed before.
    fn trigger_of(&self, row: &Row<'_>, window: Window) -> Option<Timestamp> {
        let timestamp = self.timestamp_in(row, window).filter(|_| !self.skipped.contains(row.key))?;
        let status = self.status_slot.and_then(|slot| row.cell(slot));
        let is_done =
            status.is_some_and(|status| status.value == DISTRIBUTED && status.timestamp >= timestamp.as_millis());
        (!is_done).then_some(timestamp)
    }

    /// When the row's trigger was written, ms since 1970; `None` where it has none.
    pub fn trigger_time(&self, row: &Row<'_>) -> Option<Timestamp> {
        row.cell(self.trigger_slot).map(|cell| Timestamp::from_millis(cell.timestamp))
    }

    fn timestamp_in(&self, row: &Row<'_>, window: Window) -> Option<Timestamp> {
        self.trigger_time(row).filter(|at| window.contains(*at))
    }

    /// Encoders for one thread.
    pub fn encoders(&self) -> Encoders {
        Encoders { writer: self.encodings.writer(), key: Vec::new(), object: Vec::new() }
    }

    /// Whether the scan may have seen the row in part. `sees_all`: it reads all cells there are, so that what is missing is null.
    pub fn may_be_partial(&self, row: &Row<'_>, sees_all: bool) -> bool {
        if row.cell(self.trigger_slot).is_none() || self.skipped.contains(row.key) {
            return false;
        }
        match self.complete {
            CompleteRows::Always => true,
            CompleteRows::WhenPartial => {
                !sees_all
                    && self.expected.iter().enumerate().any(|(slot, expected)| *expected && row.cell(slot).is_none())
            }
        }
    }

    /// Adds the row to `batch`, where it is an alert of `window` that was not distributed before. `verdicts`: what [`filter`](Self::filter) said
    /// of it, by stream.
    pub fn encode(
        &self,
        row: &Row<'_>,
        window: Window,
        verdicts: &[Option<FilterVerdict>],
        encoders: &mut Encoders,
        batch: &mut Batch,
    ) {
        let Some(timestamp) = self.trigger_of(row, window) else {
            if self.skipped.contains(row.key) && self.timestamp_in(row, window).is_some() {
                self.skipped.note(row.key);
            }
            return;
        };
        let Encoders { writer, key, object } = encoders;
        self.write_object(row, object);
        batch.begin_alert(LedgerEntry::new(row.key, timestamp), row.key, object);
        writer.begin();
        for (index, stream) in self.streams.iter().enumerate() {
            let verdicts = verdicts.get(index).and_then(Option::as_ref);
            stream.add(index, row, verdicts, object, (writer, key), batch);
        }
        if let Some(notices) = &self.notices
            && batch.is_sent()
            && let Some(notice) = notices.notice(row, object)
        {
            batch.set_notice(Arc::new(notice));
        }
    }

    /// The object's identifier as text: a number in decimal digits; the row key where the row has none.
    fn write_object(&self, row: &Row<'_>, object: &mut Vec<u8>) {
        object.clear();
        let cell = |slot| row.cell(slot).map(|cell| cell.value);
        match self.object {
            Object::Text(slot) => object.extend_from_slice(cell(slot).unwrap_or(row.key)),
            Object::Number(slot) => match cell(slot).and_then(|cell| <[u8; 8]>::try_from(cell).ok()) {
                // Writing to memory cannot fail.
                Some(number) => write!(object, "{}", i64::from_be_bytes(number)).unwrap_or_default(),
                None => object.extend_from_slice(row.key),
            },
            Object::Key => object.extend_from_slice(row.key),
        }
    }
}

fn plan_stream(
    stream: &StreamSettings,
    catalog: &Catalog,
    plans: &mut SchemaPlans<'_>,
) -> Result<StreamPlan, PipelineError> {
    let name = || stream.name.clone();
    let rules = match &stream.rules {
        Some(path) => Rules::load(path, catalog).map_err(|source| PipelineError::Rules { stream: name(), source })?,
        None => Rules::everything(catalog),
    };
    let plan = plans.of(stream, &rules)?;
    let keys = KeyPlan::new(stream.key, plans.get(plan).schema(), catalog);
    let keys = keys.map_err(|source| PipelineError::Message { stream: name(), source })?;
    Ok(StreamPlan { rules, plan, keys })
}
