//! Which columns are read, and what each stream makes of a row.

use std::io::Write;
use std::sync::Arc;

use super::batch::Batch;
use super::sieve::{Filters, Sieve, Sifted};
use super::status::DISTRIBUTED;
use crate::alert::message::{Framing, KeyPlan, MessageError};
use crate::alert::schema::{self, OutgoingError};
use crate::alert::{Encoder, Plan, PlanError};
use crate::catalog::{Catalog, CatalogError, ColumnType};
use crate::config::{CompleteRows, Encoding, ScienceDbSettings, StreamSettings};
use crate::filters::FilterError;
use crate::ledger::{AlertId, Entry};
use crate::rules::{Judge, NotRead, Rules, RulesError, Verdict};
use crate::science_db::{Columns, Row};
use crate::window::Window;

/// A stream that does not fit the catalog.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// the rules cannot be used
    #[error("stream `{stream}`: {source}")]
    Rules {
        /// which stream
        stream: String,
        /// why
        source: RulesError,
    },
    /// the rules ask for a column that is not read
    #[error("stream `{stream}`: {source}")]
    Judge {
        /// which stream
        stream: String,
        /// why
        source: NotRead,
    },
    /// a filter asks for a column that is not read
    #[error("a filter asks for column `{column}`, which is not read from the science database")]
    NotRead {
        /// the column's name
        column: String,
    },
    /// there is no schema to send
    #[error("stream `{stream}`: {source}")]
    Schema {
        /// which stream
        stream: String,
        /// why
        source: OutgoingError,
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

#[derive(Clone)]
struct Stream {
    judge: Judge,
    /// what may refuse an alert: the rules' conditions, then the filters
    refusers: Vec<String>,
    conditions: usize,
    encoder: Encoder,
    /// `None`: the bare datum is the value
    framing: Option<Framing>,
    keys: KeyPlan,
    /// the slots of the columns that a key is made of
    key_slots: Vec<(usize, usize)>,
}

/// What one stream makes of the table, before it is known which columns are read.
struct Plans {
    rules: Rules,
    plan: Plan,
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
    fn new(
        settings: &StreamSettings,
        Plans { rules, plan, keys }: Plans,
        columns: &Columns,
        slot: impl Fn(usize) -> Option<usize>,
    ) -> Result<Self, SelectionError> {
        let stream = || settings.name.clone();
        let refusers: Vec<String> = rules.conditions().iter().map(|condition| condition.text.clone()).collect();
        let judge = rules.judge(columns).map_err(|source| SelectionError::Judge { stream: stream(), source })?;
        let encoder = plan.encoder(columns).map_err(|source| SelectionError::Plan { stream: stream(), source })?;
        let framing = Framing::new(settings.encoding, plan.schema(), settings.schema_id);
        let framing = framing.map_err(|source| SelectionError::Message { stream: stream(), source })?;
        let framing = Some(framing).filter(|_| settings.encoding != Encoding::Datum);
        let key_slots = keys.needed_columns().iter().filter_map(|column| Some((*column, slot(*column)?))).collect();
        Ok(Self { judge, conditions: refusers.len(), refusers, encoder, framing, keys, key_slots })
    }

    /// Adds the row's message to the batch. `sifted`: what its rules and filters say, where it has filters.
    fn add(
        &mut self,
        index: usize,
        row: &Row<'_>,
        sifted: Option<&Sifted>,
        object: &[u8],
        Scratch { key, datum }: &mut Scratch,
        batch: &mut Batch,
    ) {
        match sifted {
            Some(Sifted::Keep) => {}
            Some(Sifted::Refuse(condition)) => return batch.refuse(index, *condition),
            Some(Sifted::Fail(reason)) => return batch.message(index, None, |_| Err(reason)),
            None => match self.judge.verdict(row) {
                Ok(Verdict::Kept) => {}
                Ok(Verdict::Refused(condition)) => return batch.refuse(index, condition),
                Err(bad_cell) => return batch.message(index, None, |_| Err(bad_cell)),
            },
        }
        let slot = |column: usize| self.key_slots.iter().find(|(known, _)| *known == column).map(|(_, slot)| *slot);
        let key = match &self.keys {
            KeyPlan::Schema(_) => None,
            keys => keys.key(object, |column| row.cell(slot(column)?).map(|cell| cell.value), key),
        };
        let (encoder, framing) = (&mut self.encoder, &self.framing);
        batch.message(index, key, |out| match framing {
            None => encoder.encode(row, out),
            Some(framing) => {
                datum.clear();
                encoder.encode(row, datum)?;
                framing.put(datum, out);
                Ok(())
            }
        });
    }
}

/// What is read, and how rows become messages.
pub struct Selection {
    columns: Columns,
    trigger: Columns,
    trigger_slot: usize,
    object: Object,
    status_slot: Option<usize>,
    status_column: Option<(String, String)>,
    /// by slot: whether a whole row has a cell there, but for nulls
    expected: Vec<bool>,
    complete: CompleteRows,
    streams: Vec<Stream>,
    sieve: Option<Sieve>,
}

/// The encoders of one thread.
pub struct Encoders {
    streams: Vec<Stream>,
    scratch: Scratch,
    object: Vec<u8>,
}

/// Buffers that are used again for each message.
#[derive(Default)]
struct Scratch {
    key: Vec<u8>,
    datum: Vec<u8>,
}

impl Selection {
    /// Puts together what the streams, and their `filters`, need of the catalog's table. `status`: whether the status column is heeded.
    ///
    /// # Errors
    /// A stream's schema cannot be read or filled; a column with a part to play is missing.
    pub fn new(
        catalog: &Catalog,
        streams: &[StreamSettings],
        settings: &ScienceDbSettings,
        status: bool,
        filters: Option<Filters>,
    ) -> Result<Self, SelectionError> {
        let trigger = catalog.trigger_column(settings.trigger.as_deref())?;
        let object = catalog.object_id_column(settings.object_id.as_deref())?;
        let status = catalog.status_column().filter(|_| status);
        let plans = streams.iter().map(|stream| plan(stream, catalog)).collect::<Result<Vec<_>, _>>()?;

        let of_filters = filters.as_ref().map(Filters::columns).unwrap_or_default();
        let needed = |index: usize, name: &str| {
            of_filters.contains(&index)
                || plans.iter().any(|Plans { rules, plan, keys }| {
                    plan.needed_columns().contains(&index)
                        || rules.filter_columns().contains(&index)
                        || keys.needed_columns().contains(&index)
                })
                || [Some(trigger), object, status].into_iter().flatten().any(|column| column.name == name)
        };
        let all = catalog.columns.iter().enumerate().filter(|(index, column)| needed(*index, &column.name));
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
        let sieve = filters.map(|filters| filters.bind(catalog, &columns)).transpose()?;
        let mut streams: Vec<Stream> = streams
            .iter()
            .zip(plans)
            .map(|(settings, plans)| {
                Stream::new(settings, plans, &columns, |column| slot(&catalog.columns[column].name))
            })
            .collect::<Result<_, _>>()?;
        for (index, stream) in streams.iter_mut().enumerate() {
            stream.refusers.extend(sieve.iter().flat_map(|sieve| sieve.names(index)).map(|name| name.to_string()));
        }
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
            streams,
            sieve,
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

    /// What may refuse an alert of a stream, in words: the conditions of its rules, then its filters.
    pub fn refusers(&self, stream: usize) -> &[String] {
        self.streams.get(stream).map_or(&[], |stream| &stream.refusers)
    }

    /// Whether some stream has filters.
    pub fn has_filters(&self) -> bool {
        self.sieve.is_some()
    }

    /// What the filters make of a page's rows; nothing where there are none.
    ///
    /// # Errors
    /// The filters end everything, or the caller gave up.
    pub fn sift(
        &self,
        rows: &[Row<'_>],
        window: Window,
        give_up: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<Option<Sifted>>>, FilterError> {
        let Some(sieve) = &self.sieve else { return Ok(Vec::new()) };
        let alerts: Vec<usize> =
            (0..rows.len()).filter(|index| self.trigger_of(&rows[*index], window).is_some()).collect();
        let wanted: Vec<Row<'_>> = alerts.iter().map(|index| rows[*index]).collect();
        let judge = |stream: usize, row: &Row<'_>| self.streams[stream].judge.verdict(row);
        let sifted = sieve.sift(&wanted, judge, |stream| self.streams[stream].conditions, give_up)?;
        let mut of_rows = vec![Vec::new(); rows.len()];
        for (index, sifted) in alerts.into_iter().zip(sifted) {
            of_rows[index] = sifted;
        }
        Ok(of_rows)
    }

    /// The trigger's timestamp, where the row is an alert of `window` that was not distributed before.
    fn trigger_of(&self, row: &Row<'_>, window: Window) -> Option<i64> {
        let timestamp = row.cell(self.trigger_slot).map(|cell| cell.timestamp).filter(|at| window.contains(*at))?;
        let status = self.status_slot.and_then(|slot| row.cell(slot));
        let is_done = status.is_some_and(|status| status.value == DISTRIBUTED && status.timestamp >= timestamp);
        (!is_done).then_some(timestamp)
    }

    /// Encoders for one thread.
    pub fn encoders(&self) -> Encoders {
        Encoders { streams: self.streams.clone(), scratch: Scratch::default(), object: Vec::new() }
    }

    /// Whether the scan may have seen the row in part. `sees_all`: it reads all cells there are, so that what is missing is null.
    pub fn may_be_partial(&self, row: &Row<'_>, sees_all: bool) -> bool {
        if row.cell(self.trigger_slot).is_none() {
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

    /// Adds the row to `batch`, where it is an alert of `window` that was not distributed before. `sifted`: what [`sift`](Self::sift) said
    /// of it, by stream.
    pub fn encode(
        &self,
        row: &Row<'_>,
        window: Window,
        sifted: &[Option<Sifted>],
        encoders: &mut Encoders,
        batch: &mut Batch,
    ) {
        let Some(timestamp) = self.trigger_of(row, window) else { return };
        let Encoders { streams, scratch, object } = encoders;
        self.write_object(row, object);
        batch.alert(Entry { id: AlertId::new(row.key, timestamp), timestamp }, row.key, object);
        for (index, stream) in streams.iter_mut().enumerate() {
            let sifted = sifted.get(index).and_then(Option::as_ref);
            stream.add(index, row, sifted, object, scratch, batch);
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

fn plan(stream: &StreamSettings, catalog: &Catalog) -> Result<Plans, SelectionError> {
    let name = || stream.name.clone();
    let rules = match &stream.rules {
        Some(path) => Rules::load(path, catalog).map_err(|source| SelectionError::Rules { stream: name(), source })?,
        None => Rules::everything(catalog),
    };
    let selected = Some(rules.columns()).filter(|_| !rules.is_everything());
    let outgoing = || {
        let telescope = stream.schema.as_deref().map(schema::load).transpose()?;
        schema::outgoing(catalog, telescope.as_ref(), selected)
    };
    let schema = outgoing().map_err(|source| SelectionError::Schema { stream: name(), source })?;
    let keys = KeyPlan::new(stream.key, &schema, catalog);
    let keys = keys.map_err(|source| SelectionError::Message { stream: name(), source })?;
    let plan =
        Plan::new(Arc::new(schema), catalog).map_err(|source| SelectionError::Plan { stream: name(), source })?;
    for warning in plan.warnings() {
        log::warn!("stream `{}`: {warning}", stream.name);
    }
    Ok(Plans { rules, plan, keys })
}
