//! The alerts that the user asks for: by a condition, by XML rules, by Python filters, with the code of the service for the latter two.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use super::decode::Alert;
use super::error::ConsumeError;
use super::where_clause::{BoundCondition, Condition};
use crate::alert::decoder::Decoder;
use crate::alert::{Flattener, Layout};
use crate::avro::Schema;
use crate::config::{FilterSettings, OnError};
use crate::filters::{FilterCall, FilterError, FilterName, FilterRow, FilterRunner, Judgement, Pool};
use crate::kafka::Message;
use crate::row::{Columns, Rows};
use crate::rules::{BoundRules, Rules, RulesError};
use crate::signals::Stop;

/// Most schemas that are remembered; a topic has a handful.
const MAX_SCHEMAS: usize = 16;

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// a condition on fields
    pub condition: Option<Condition>,
    /// files of XML rules, of which only the conditions are looked at
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

/// A choice among the alerts of one schema.
struct BoundChoice {
    condition: Option<BoundCondition>,
    cells: Option<CellChoice>,
}

/// Rules and filters, which look at cells.
struct CellChoice {
    flattener: Flattener,
    width: usize,
    /// the cells that rules look at, by index in the catalog; the slot of each is its place here
    rule_columns: Vec<usize>,
    rules: Vec<BoundRules>,
    runner: Option<FilterRunner>,
}

/// An alert's cells by column.
struct Cells(Vec<Option<Vec<u8>>>);

impl FilterRow for Cells {
    fn cell(&self, column: usize) -> Result<Option<Cow<'_, [u8]>>, String> {
        Ok(self.0.get(column).and_then(Option::as_deref).map(Cow::from))
    }
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
                let give_up = || stop.requested();
                Some(Arc::new(Pool::start(&settings, &choice.filters, &give_up).map_err(filter_error)?))
            }
        };
        Ok(Self { choice, pool, known: Vec::new() })
    }

    /// For each alert, with the index of its message in the batch, whether it is kept.
    ///
    /// # Errors
    /// A choice does not fit the alerts, or fails.
    pub fn choose(
        &mut self,
        batch: &[Message],
        alerts: &[(usize, Alert<'_>)],
        stop: &Stop,
    ) -> Result<Vec<bool>, ConsumeError> {
        let mut chosen = vec![true; alerts.len()];
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
            let (part, kept) = (&alerts[start..start + count], &mut chosen[start..start + count]);
            bound.choose(part, kept, stop)?;
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

    fn choose(&mut self, alerts: &[(usize, Alert<'_>)], kept: &mut [bool], stop: &Stop) -> Result<(), ConsumeError> {
        if let Some(condition) = &self.condition {
            for ((_, alert), kept) in alerts.iter().zip(kept.iter_mut()) {
                *kept = condition.is_true(&alert.datum).map_err(|error| ConsumeError::Format(error.to_string()))?;
            }
        }
        match &mut self.cells {
            Some(cells) => cells.choose(alerts, kept, stop),
            None => Ok(()),
        }
    }
}

impl CellChoice {
    fn new(files: &[PathBuf], pool: Option<&Arc<Pool>>, decoder: &Decoder) -> Result<Self, ConsumeError> {
        let layout = Layout::keyless(decoder.schema()).map_err(|error| ConsumeError::Usage(error.to_string()))?;
        let catalog = layout.catalog();
        let load = |file: &PathBuf| Rules::load(file, catalog).map_err(rules_error);
        let rules = files.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let mut rule_columns: Vec<usize> =
            rules.iter().flat_map(|rules| rules.filter_columns().iter().copied()).collect();
        rule_columns.sort_unstable();
        rule_columns.dedup();
        let names = rule_columns.iter().filter_map(|index| catalog.columns.get(*index)?.family_and_qualifier());
        let columns =
            Columns::new(names.map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned())).collect());
        let bound = rules.iter().map(|rules| rules.bind(&columns)).collect::<Result<Vec<_>, _>>();
        let runner = pool.map(|pool| FilterRunner::new(Arc::clone(pool), catalog).map_err(filter_error)).transpose()?;
        Ok(Self {
            flattener: layout.flattener(),
            width: catalog.columns.len(),
            rule_columns,
            rules: bound.map_err(|error| ConsumeError::Usage(error.to_string()))?,
            runner,
        })
    }

    fn choose(&mut self, alerts: &[(usize, Alert<'_>)], kept: &mut [bool], stop: &Stop) -> Result<(), ConsumeError> {
        let (mut of_filters, mut places) = (Vec::new(), Vec::new());
        let mut rows = Rows::default();
        for (place, ((_, alert), kept)) in alerts.iter().zip(kept.iter_mut()).enumerate() {
            if !*kept {
                continue;
            }
            let cells =
                self.flattener.flatten(&alert.datum).map_err(|error| ConsumeError::Format(error.to_string()))?;
            let mut builder = rows.refill(self.rule_columns.len());
            builder.row(b"");
            for (column, value) in cells.iter() {
                if let Ok(slot) = self.rule_columns.binary_search(&column) {
                    builder.cell(slot, value, 0);
                }
            }
            drop(builder);
            for rules in &self.rules {
                let refused =
                    rules.refused_by(&rows.row(0)).map_err(|error| ConsumeError::Failed(error.to_string()))?;
                *kept &= refused.is_none();
            }
            if *kept && self.runner.is_some() {
                let mut by_column = vec![None; self.width];
                for (column, value) in cells.iter() {
                    if let Some(cell) = by_column.get_mut(column) {
                        *cell = Some(value.to_vec());
                    }
                }
                of_filters.push(Cells(by_column));
                places.push(place);
            }
        }
        let Some(runner) = self.runner.as_ref().filter(|_| !places.is_empty()) else { return Ok(()) };
        let all: Vec<usize> = (0..of_filters.len()).collect();
        let calls: Vec<FilterCall> =
            (0..runner.functions().len()).map(|function| FilterCall { function, rows: all.clone() }).collect();
        let judged = runner.run(&of_filters, &calls, &|| stop.requested()).map_err(filter_error)?;
        for judgements in judged {
            for (place, judgement) in places.iter().zip(judgements) {
                match judgement {
                    Judgement::Keep => {}
                    Judgement::Refuse => kept.get_mut(*place).into_iter().for_each(|kept| *kept = false),
                    Judgement::Fail(reason) => return Err(ConsumeError::Failed(reason.to_string())),
                }
            }
        }
        Ok(())
    }
}

fn rules_error(error: RulesError) -> ConsumeError {
    ConsumeError::Usage(error.to_string())
}

fn filter_error(error: FilterError) -> ConsumeError {
    match error.is_configuration() {
        true => ConsumeError::Usage(error.to_string()),
        false => ConsumeError::Failed(error.to_string()),
    }
}
