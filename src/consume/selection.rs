//! The alerts that the user asks for: by a condition, by XML rules, by Python filters, with the code of the service for the latter two.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::ConsumeError;
use super::where_clause::{BoundCondition, Condition};
use crate::alert::decoder::Decoder;
use crate::alert::schema::stream_schema;
use crate::alert::{Encoder, Flattener, Layout, Plan};
use crate::avro::Schema;
use crate::catalog::Catalog;
use crate::filters::{
    FilterCall, FilterError, FilterName, FilterRunner, FilterSettings, OnError, Pool, ResolvedFilters,
};
use crate::kafka::Message;
use crate::messages::Alert;
use crate::row::{Columns, Row, Rows};
use crate::rules::{BoundRules, Rules};
use crate::signals::Stop;

/// Most schemas that are remembered; a topic has a handful.
const MAX_SCHEMAS: usize = 16;

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// a condition on fields
    pub condition: Option<Condition>,
    /// files of XML rules; with several, an alert has the columns that all of them select
    pub rules: Vec<PathBuf>,
    /// Python filters
    pub filters: Vec<FilterName>,
}

impl Choice {
    /// In words, to tell one choice from another; empty: all alerts.
    pub fn describe(&self) -> String {
        let condition = self.condition.iter().map(|condition| format!("where {}", condition.text()));
        let rules = self.rules.iter().map(|file| format!("rules {}", file.display()));
        let filters = self.filters.iter().map(|filter| format!("filter {filter}"));
        condition.chain(rules).chain(filters).collect::<Vec<_>>().join(", ")
    }
}

/// The choices of the user; an alert is kept where all of them say yes.
pub struct Selection {
    choice: Choice,
    pool: Option<Arc<Pool>>,
    known: Vec<(Arc<Schema>, BoundChoice)>,
}

/// What becomes of an alert.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// it is not wanted
    No,
    /// it is wanted, whole
    Whole,
    /// it is wanted, with the columns that the rules select
    Part(Alert<'static>),
}

/// A choice among the alerts of one schema.
struct BoundChoice {
    condition: Option<BoundCondition>,
    cells: Option<CellChoice>,
}

/// Rules and filters, which look at cells.
struct CellChoice {
    flattener: Flattener,
    /// alerts as rows: every column of the layout is a cell, and its index is its slot
    rows: Rows,
    width: usize,
    rules: Vec<BoundRules>,
    runner: Option<FilterRunner>,
    /// makes the alerts of the selected columns; `None`: the rules select all
    part: Option<PartEncoder>,
}

/// Writes alerts of the columns that rules select, in their schema without the fields of other columns.
struct PartEncoder {
    encoder: Encoder,
    decoder: Arc<Decoder>,
}

impl Selection {
    /// Starts the workers of the filters, if there are any.
    ///
    /// # Errors
    /// A filter that cannot be imported, or an interpreter that does not start.
    pub fn new(choice: Choice, settings: &FilterSettings, stop: &Stop) -> Result<Self, ConsumeError> {
        let pool = match choice.filters.is_empty() {
            true => None,
            false => {
                // A consumer has no topic for alerts that a filter fails for.
                let settings = FilterSettings { on_error: OnError::Stop, ..settings.clone() };
                Some(Arc::new(Pool::start(&settings, &choice.filters, stop.token()).map_err(filter_error)?))
            }
        };
        Ok(Self { choice, pool, known: Vec::new() })
    }

    /// For each alert, with the index of its message in the batch, what becomes of it.
    ///
    /// # Errors
    /// A choice does not fit the alerts, or fails.
    pub fn choose(
        &mut self,
        batch: &[Message],
        alerts: &[(usize, Alert<'_>)],
        stop: &Stop,
    ) -> Result<Vec<Chosen>, ConsumeError> {
        let mut chosen = vec![Chosen::Whole; alerts.len()];
        if self.choice.condition.is_none() && self.choice.rules.is_empty() && self.pool.is_none() {
            return Ok(chosen);
        }
        let mut start = 0;
        // Alerts of one schema come in a row, but for a moment when it changes.
        while let Some((message, first)) = alerts.get(start) {
            let same = |(_, alert): &&(usize, Alert<'_>)| Arc::ptr_eq(&alert.decoder, &first.decoder);
            let count = alerts.iter().skip(start).take_while(same).count();
            let topic = batch.get(*message).map_or("", |message| message.topic.as_str());
            let bound = self.bound(&first.decoder, topic)?;
            let (same, chosen) = (&alerts[start..start + count], &mut chosen[start..start + count]);
            bound.choose(same, chosen, stop)?;
            start += count;
        }
        Ok(chosen)
    }

    fn bound(&mut self, decoder: &Arc<Decoder>, topic: &str) -> Result<&mut BoundChoice, ConsumeError> {
        let known = self.known.iter().position(|(schema, _)| Arc::ptr_eq(schema, decoder.schema()));
        let at = match known {
            Some(at) => at,
            None => {
                let bound =
                    BoundChoice::new(&self.choice, self.pool.as_ref(), decoder).map_err(|error| match error {
                        ConsumeError::Usage(reason) => ConsumeError::Usage(format!("topic `{topic}`: {reason}")),
                        error => error,
                    })?;
                if self.known.len() >= MAX_SCHEMAS {
                    self.known.clear();
                }
                self.known.push((Arc::clone(decoder.schema()), bound));
                self.known.len() - 1
            }
        };
        Ok(&mut self.known[at].1)
    }
}

impl BoundChoice {
    fn new(choice: &Choice, pool: Option<&Arc<Pool>>, decoder: &Decoder) -> Result<Self, ConsumeError> {
        let usage = |error: &dyn std::fmt::Display| ConsumeError::Usage(error.to_string());
        let condition = choice.condition.as_ref().map(|condition| condition.bind(decoder)).transpose();
        let condition = condition.map_err(|error| usage(&error))?;
        let cells = match choice.rules.is_empty() && pool.is_none() {
            true => None,
            false => Some(CellChoice::new(&choice.rules, pool, decoder)?),
        };
        Ok(Self { condition, cells })
    }

    fn choose(
        &mut self,
        alerts: &[(usize, Alert<'_>)],
        chosen: &mut [Chosen],
        stop: &Stop,
    ) -> Result<(), ConsumeError> {
        if let Some(condition) = &self.condition {
            for ((_, alert), chosen) in alerts.iter().zip(chosen.iter_mut()) {
                let is_true = condition.is_true(&alert.datum);
                if !is_true.map_err(|error| ConsumeError::Format(error.to_string()))? {
                    *chosen = Chosen::No;
                }
            }
        }
        match &mut self.cells {
            Some(cells) => cells.choose(alerts, chosen, stop),
            None => Ok(()),
        }
    }
}

impl CellChoice {
    fn new(files: &[PathBuf], pool: Option<&Arc<Pool>>, decoder: &Decoder) -> Result<Self, ConsumeError> {
        let usage = |error: &dyn std::fmt::Display| ConsumeError::Usage(error.to_string());
        let layout = Layout::keyless(decoder.schema()).map_err(|error| usage(&error))?;
        let catalog = layout.catalog();
        let columns: Columns = catalog.columns.iter().collect();
        let mut rules = Vec::with_capacity(files.len());
        let mut selected: Option<Vec<usize>> = None;
        for file in files {
            let read = Rules::load(file, catalog).map_err(|error| usage(&error))?;
            rules.push(read.bind(&columns).map_err(|error| usage(&error))?);
            if !read.is_everything() {
                let is_selected = |column: &usize| read.columns().contains(column);
                selected = Some(match selected {
                    Some(before) => before.into_iter().filter(is_selected).collect(),
                    None => read.columns().to_vec(),
                });
            }
        }
        let part = selected.map(|selected| PartEncoder::new(decoder, catalog, &columns, &selected)).transpose()?;
        let mut runner = None;
        if let Some(pool) = pool {
            let filters = ResolvedFilters::new(Arc::clone(pool), catalog).map_err(filter_error)?;
            runner = Some(filters.bind(catalog, &columns).map_err(|error| usage(&error))?);
        }
        let (width, flattener) = (columns.len(), layout.flattener());
        Ok(Self { flattener, rows: Rows::default(), width, rules, runner, part })
    }

    fn choose(
        &mut self,
        alerts: &[(usize, Alert<'_>)],
        chosen: &mut [Chosen],
        stop: &Stop,
    ) -> Result<(), ConsumeError> {
        let is_wanted = |(_, chosen): &(usize, &Chosen)| !matches!(chosen, Chosen::No);
        let wanted: Vec<usize> = chosen.iter().enumerate().filter(is_wanted).map(|(at, _)| at).collect();
        let mut page = self.rows.refill(self.width);
        for (_, alert) in wanted.iter().filter_map(|at| alerts.get(*at)) {
            let cells =
                self.flattener.flatten(&alert.datum).map_err(|error| ConsumeError::Format(error.to_string()))?;
            page.row(b"");
            for (slot, value) in cells.iter() {
                if !page.has_room(value.len()) {
                    return Err(ConsumeError::Format("the alerts are too large to be looked at together".to_owned()));
                }
                page.cell(slot, value, 0);
            }
        }
        let rows: Vec<Row<'_>> = self.rows.iter().collect();
        let mut judged = vec![true; rows.len()];
        for rules in &self.rules {
            for (row, kept) in rows.iter().zip(&mut judged) {
                let refused = rules.refused_by(row).map_err(|error| ConsumeError::Failed(error.to_string()))?;
                *kept &= refused.is_none();
            }
        }
        if let Some(runner) = &self.runner {
            let left: Vec<usize> = judged.iter().enumerate().filter(|(_, kept)| **kept).map(|(at, _)| at).collect();
            let calls: Vec<FilterCall<'_>> =
                (0..runner.functions().len()).map(|function| FilterCall { function, rows: &left }).collect();
            for results in runner.run(&rows, &calls, stop.token()).map_err(filter_error)? {
                for (row, result) in left.iter().zip(results) {
                    let is_kept = result.map_err(|reason| ConsumeError::Failed(reason.to_string()))?;
                    judged.get_mut(*row).into_iter().for_each(|kept| *kept &= is_kept);
                }
            }
        }
        for ((at, is_kept), row) in wanted.into_iter().zip(judged).zip(&rows) {
            let Some(chosen) = chosen.get_mut(at) else { continue };
            *chosen = match &mut self.part {
                _ if !is_kept => Chosen::No,
                None => Chosen::Whole,
                Some(part) => Chosen::Part(part.alert(row)?),
            };
        }
        Ok(())
    }
}

impl PartEncoder {
    /// `selected` are indexes of the catalog's columns.
    fn new(decoder: &Decoder, catalog: &Catalog, columns: &Columns, selected: &[usize]) -> Result<Self, ConsumeError> {
        let usage = |error: &dyn std::fmt::Display| ConsumeError::Usage(format!("--rules: {error}"));
        let schema = stream_schema(catalog, Some(decoder.schema()), Some(selected)).map_err(|error| usage(&error))?;
        let plan = Plan::new(Arc::new(schema.clone()), catalog).map_err(|error| usage(&error))?;
        let encoder = plan.encoder(columns).map_err(|error| usage(&error))?;
        Ok(Self { encoder, decoder: Arc::new(Decoder::new(schema)) })
    }

    fn alert(&mut self, row: &Row<'_>) -> Result<Alert<'static>, ConsumeError> {
        let mut datum = Vec::new();
        self.encoder.encode(row, &mut datum).map_err(|error| ConsumeError::Format(error.to_string()))?;
        Ok(Alert { decoder: Arc::clone(&self.decoder), datum: Cow::Owned(datum) })
    }
}

fn filter_error(error: FilterError) -> ConsumeError {
    match error.is_configuration() {
        true => ConsumeError::Usage(error.to_string()),
        false => ConsumeError::Failed(error.to_string()),
    }
}
