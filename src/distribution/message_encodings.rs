//! The encodings that alerts are sent in: schema and framing. Streams that agree on both share one, and an alert is encoded once for all of
//! them: of hundreds of streams most send the same shape.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::batch::Batch;
use super::pipeline::PipelineError;
use crate::alert::message::Framing;
use crate::alert::schema;
use crate::alert::{EncodeError, Encoder, Plan};
use crate::catalog::Catalog;
use crate::config::{Encoding, StreamSettings};
use crate::row::{Columns, Row};
use crate::rules::Rules;

/// What a plan is made from: the telescope's schema, and the columns that rules select.
type PlanKey = (Option<PathBuf>, Option<Vec<usize>>);

/// The plans of all streams, each made once.
pub(super) struct SchemaPlans<'a> {
    catalog: &'a Catalog,
    known: HashMap<PlanKey, usize>,
    plans: Vec<Plan>,
}

impl<'a> SchemaPlans<'a> {
    pub fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, known: HashMap::new(), plans: Vec::new() }
    }

    /// The number of a stream's plan.
    ///
    /// # Errors
    /// Its schema cannot be read, or not be filled from the catalog's table.
    pub fn of(&mut self, stream: &StreamSettings, rules: &Rules) -> Result<usize, PipelineError> {
        let selected = Some(rules.columns()).filter(|_| !rules.is_everything());
        let origin = (stream.schema.clone(), selected.map(<[usize]>::to_vec));
        if let Some(known) = self.known.get(&origin) {
            return Ok(*known);
        }
        let name = || stream.name.clone();
        let outgoing = || {
            let telescope = stream.schema.as_deref().map(schema::load).transpose()?;
            schema::stream_schema(self.catalog, telescope.as_ref(), selected)
        };
        let schema = outgoing().map_err(|source| PipelineError::Schema { stream: name(), source })?;
        let plan = Plan::new(Arc::new(schema), self.catalog);
        let plan = plan.map_err(|source| PipelineError::Plan { stream: name(), source })?;
        for warning in plan.warnings() {
            log::warn!("stream `{}`: {warning}", stream.name);
        }
        self.plans.push(plan);
        self.known.insert(origin, self.plans.len() - 1);
        Ok(self.plans.len() - 1)
    }

    /// The plan of a number.
    pub fn get(&self, number: usize) -> &Plan {
        &self.plans[number]
    }

    /// The columns that some plan needs, as indexes into the catalog's.
    pub fn needed_columns(&self) -> impl Iterator<Item = usize> {
        self.plans.iter().flat_map(Plan::needed_columns)
    }
}

/// A schema and its framing, for rows that are read with certain columns.
#[derive(Clone)]
struct MessageEncoding {
    encoder: Encoder,
    /// `None`: the bare datum is the value
    framing: Option<Framing>,
}

impl MessageEncoding {
    fn write(&mut self, row: &Row<'_>, datum: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(framing) = &self.framing else { return self.encoder.encode(row, out) };
        datum.clear();
        self.encoder.encode(row, datum)?;
        framing.write(datum, out);
        Ok(())
    }
}

/// The encodings of all streams, each once.
#[derive(Default)]
pub(super) struct MessageEncodings {
    known: HashMap<(usize, Encoding, Option<u32>), usize>,
    encodings: Vec<MessageEncoding>,
}

impl MessageEncodings {
    /// The number of a stream's encoding, whose plan has the number `plan`.
    ///
    /// # Errors
    /// The encoding asks for what there is not, or a column is not among `columns`.
    pub fn of(
        &mut self,
        stream: &StreamSettings,
        (plan, plans): (usize, &SchemaPlans<'_>),
        columns: &Columns,
    ) -> Result<usize, PipelineError> {
        let origin = (plan, stream.encoding, stream.schema_id);
        if let Some(known) = self.known.get(&origin) {
            return Ok(*known);
        }
        let (name, plan) = (|| stream.name.clone(), plans.get(plan));
        let encoder = plan.encoder(columns)?;
        let framing = Framing::new(stream.encoding, plan.schema(), stream.schema_id);
        let framing = framing.map_err(|source| PipelineError::Message { stream: name(), source })?;
        self.encodings
            .push(MessageEncoding { encoder, framing: Some(framing).filter(|_| stream.encoding != Encoding::Datum) });
        self.known.insert(origin, self.encodings.len() - 1);
        Ok(self.encodings.len() - 1)
    }

    /// The way to write them, for one thread.
    pub fn writer(&self) -> ValueWriter {
        ValueWriter { encodings: self.encodings.clone(), written: vec![None; self.encodings.len()], datum: Vec::new() }
    }
}

/// Writes one row at a time in the encodings that are asked for.
pub(super) struct ValueWriter {
    encodings: Vec<MessageEncoding>,
    /// of the present row, by encoding: its value in the batch, or why there is none
    written: Vec<Option<Result<Range<usize>, String>>>,
    datum: Vec<u8>,
}

impl ValueWriter {
    /// Turns to the next row.
    pub fn begin(&mut self) {
        self.written.fill(None);
    }

    /// The present row's value in `batch`, written there at the first time of asking. The error is why there can be none.
    pub fn value(&mut self, encoding: usize, row: &Row<'_>, batch: &mut Batch) -> Result<Range<usize>, String> {
        let Self { encodings, written, datum } = self;
        let value = written[encoding].get_or_insert_with(|| {
            batch.write_value(|out| encodings[encoding].write(row, datum, out)).map_err(|error| error.to_string())
        });
        value.clone()
    }
}
