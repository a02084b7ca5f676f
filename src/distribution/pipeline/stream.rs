//! One stream: its rules, its message encoding and its message key.

use super::error::PipelineError;
use super::message_encodings::{MessageEncodings, SchemaPlans, ValueWriter};
use crate::alert::message::KeyPlan;
use crate::catalog::Catalog;
use crate::distribution::batch::{AlertBatch, Message};
use crate::distribution::settings::StreamSettings;
use crate::distribution::stats::Criterion;
use crate::distribution::verdict::{RejectClass, Verdict};
use crate::row::{BoundColumn, Columns, Row};
use crate::rules::{BoundRules, Rules};

/// A stream's rules, schema and key, before it is known which columns are read.
pub(super) struct StreamPlan<'a> {
    settings: &'a StreamSettings,
    rules: Rules,
    /// index of its schema plan
    schema: usize,
    key: KeyPlan,
}

impl<'a> StreamPlan<'a> {
    /// Loads a stream's rules, and adds its schema to `schemas`.
    ///
    /// # Errors
    /// The rules or the schema cannot be used, or the catalog lacks the columns of the message key.
    pub fn new(
        settings: &'a StreamSettings,
        catalog: &Catalog,
        schemas: &mut SchemaPlans<'_>,
    ) -> Result<Self, PipelineError> {
        let stream = || settings.name.clone();
        let rules = match &settings.rules {
            Some(path) => {
                Rules::load(path, catalog).map_err(|source| PipelineError::Rules { stream: stream(), source })?
            }
            None => Rules::everything(catalog),
        };
        let schema = schemas.add(settings, &rules)?;
        let key = KeyPlan::new(settings.key, schemas.get(schema).schema(), catalog);
        let key = key.map_err(|source| PipelineError::Message { stream: stream(), source })?;
        Ok(Self { settings, rules, schema, key })
    }

    /// The columns that its rules and its message key read, as indexes into the catalog's list.
    pub fn needed_columns(&self) -> impl Iterator<Item = usize> {
        self.rules.filter_columns().iter().chain(self.key.needed_columns()).copied()
    }

    /// The stream, for rows read with `columns`. `filters`: its criteria after those of the rules.
    ///
    /// # Errors
    /// A column that the stream needs is not among `columns`, or the encoding needs a schema id.
    pub fn bind(
        self,
        catalog: &Catalog,
        columns: &Columns,
        schemas: &SchemaPlans<'_>,
        encodings: &mut MessageEncodings,
        filters: impl Iterator<Item = Criterion>,
    ) -> Result<Stream, PipelineError> {
        let conditions = self.rules.conditions();
        let is_published = self.settings.schema_topic || self.settings.registry.is_some();
        let bind = |column: &usize| {
            let bound = BoundColumn::new(&catalog.columns[*column], catalog.row_key.len(), columns)?;
            Ok::<_, PipelineError>((*column, bound))
        };
        Ok(Stream {
            rules: self.rules.bind(columns)?,
            conditions: conditions.len(),
            criteria: conditions.iter().map(Criterion::from).chain(filters).collect(),
            encoding: encodings.add(self.settings, (self.schema, schemas), columns)?,
            schema: is_published.then(|| schemas.get(self.schema).schema().to_string()),
            key_columns: self.key.needed_columns().iter().map(bind).collect::<Result<_, _>>()?,
            key: self.key,
        })
    }
}

/// A stream, bound to the columns that are read.
pub(super) struct Stream {
    rules: BoundRules,
    /// how many of the criteria are conditions of the rules
    pub conditions: usize,
    /// what may refuse an alert, in the order of evaluation: the conditions of its rules, then its filters
    pub criteria: Vec<Criterion>,
    /// index of its message encoding
    pub encoding: usize,
    /// the schema as JSON, where it is written to a topic of its own or registered
    pub schema: Option<String>,
    pub key: KeyPlan,
    /// the columns that the key is made of, with their indexes in the catalog
    key_columns: Vec<(usize, BoundColumn)>,
}

impl Stream {
    /// What the rules decide about a row.
    pub fn apply_rules(&self, row: &Row<'_>) -> Verdict {
        match self.rules.refused_by(row) {
            Ok(None) => Verdict::Send(()),
            Ok(Some(condition)) => Verdict::Refuse(condition),
            Err(invalid_cell) => Verdict::Reject(RejectClass::Rules, invalid_cell.to_string().into()),
        }
    }

    /// Encodes the row into the buffer of `batch`. `stream` is the index of this stream; `key` is a buffer to use again.
    pub fn encode(
        &self,
        stream: usize,
        row: &Row<'_>,
        object_id: &[u8],
        (values, key): (&mut ValueWriter, &mut Vec<u8>),
        batch: &mut AlertBatch,
    ) -> Verdict<Message> {
        let value = match values.value(self.encoding, row, batch) {
            Ok(value) => value,
            Err(reason) => return Verdict::Reject(RejectClass::Encoding, reason),
        };
        let cell = |column| {
            let (_, bound) = self.key_columns.iter().find(|(index, _)| *index == column)?;
            bound.stored(row).ok().flatten()
        };
        let key = match &self.key {
            // The same for all messages of the stream: the sink has it.
            KeyPlan::Schema(_) => None,
            varying => varying.key(object_id, cell, key),
        };
        Verdict::Send(Message { stream, key: key.map(|key| batch.write_key(key)), value })
    }
}
