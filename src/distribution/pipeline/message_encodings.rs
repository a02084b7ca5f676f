//! The encodings of messages: an Avro schema and a framing. Streams with the same schema and framing share one, so that an alert is
//! encoded once for all of them; of hundreds of streams most share.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::PipelineError;
use crate::alert::Encoding;
use crate::alert::message::Framing;
use crate::alert::schema;
use crate::alert::{EncodeError, Encoder, Plan};
use crate::catalog::Catalog;
use crate::distribution::batch::AlertBatch;
use crate::distribution::settings::StreamSettings;
use crate::row::{Columns, Row};
use crate::rules::Rules;

/// What determines a schema: the telescope's schema file, and the columns that rules select (`None`: all).
type SchemaKey = (Option<PathBuf>, Option<Vec<usize>>);

/// The schemas of all streams, each with the plan that fills it. Streams refer to them by index.
pub(super) struct SchemaPlans<'a> {
    catalog: &'a Catalog,
    indexes: HashMap<SchemaKey, usize>,
    plans: Vec<Plan>,
}

impl<'a> SchemaPlans<'a> {
    pub fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, indexes: HashMap::new(), plans: Vec::new() }
    }

    /// The index of a stream's plan.
    ///
    /// # Errors
    /// Its schema cannot be read, or not be filled from the catalog's columns.
    pub fn add(&mut self, stream: &StreamSettings, rules: &Rules) -> Result<usize, PipelineError> {
        let selected = Some(rules.columns()).filter(|_| !rules.is_everything());
        let key = (stream.schema.clone(), selected.map(<[usize]>::to_vec));
        if let Some(index) = self.indexes.get(&key) {
            return Ok(*index);
        }
        let name = || stream.name.clone();
        let schema = || {
            let telescope = stream.schema.as_deref().map(schema::load).transpose()?;
            schema::stream_schema(self.catalog, telescope.as_ref(), selected)
        };
        let schema = schema().map_err(|source| PipelineError::Schema { stream: name(), source })?;
        let plan = Plan::new(Arc::new(schema), self.catalog);
        let plan = plan.map_err(|source| PipelineError::Plan { stream: name(), source })?;
        for warning in plan.warnings() {
            log::warn!("stream `{}`: {warning}", stream.name);
        }
        self.plans.push(plan);
        self.indexes.insert(key, self.plans.len() - 1);
        Ok(self.plans.len() - 1)
    }

    /// The plan of an index from [`add`](Self::add).
    pub fn get(&self, index: usize) -> &Plan {
        &self.plans[index]
    }

    /// The columns that some plan reads, as indexes into the catalog's list.
    pub fn needed_columns(&self) -> impl Iterator<Item = usize> {
        self.plans.iter().flat_map(Plan::needed_columns)
    }
}

/// A schema and its framing, bound to the columns that are read.
#[derive(Clone)]
struct MessageEncoding {
    encoder: Encoder,
    /// `None`: the value is the datum alone
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

/// Where the id of a schema comes from.
#[derive(Clone, PartialEq, Eq, Hash)]
enum SchemaIdSource {
    Configuration(u32),
    /// a registry: address and topic
    Registry(String, String),
}

impl SchemaIdSource {
    fn of(stream: &StreamSettings) -> Option<Self> {
        let registered = || Some(Self::Registry(stream.registry.clone()?, stream.topic.clone()));
        stream.schema_id.map(Self::Configuration).or_else(registered)
    }

    /// The id, which for a registry is known when the schema is registered.
    fn id(&self) -> u32 {
        match self {
            Self::Configuration(id) => *id,
            Self::Registry(..) => 0,
        }
    }
}

/// The encodings of all streams. Streams refer to them by index.
#[derive(Default)]
pub(super) struct MessageEncodings {
    indexes: HashMap<(usize, Encoding, Option<SchemaIdSource>), usize>,
    encodings: Vec<MessageEncoding>,
}

impl MessageEncodings {
    /// The index of the encoding of a stream whose plan has the index `plan` in `plans`.
    ///
    /// # Errors
    /// The encoding needs a schema id that is not set, or `columns` lacks a column of the plan.
    pub fn add(
        &mut self,
        stream: &StreamSettings,
        (plan, plans): (usize, &SchemaPlans<'_>),
        columns: &Columns,
    ) -> Result<usize, PipelineError> {
        let source = SchemaIdSource::of(stream);
        let id = source.as_ref().map(SchemaIdSource::id);
        let key = (plan, stream.encoding, source);
        if let Some(index) = self.indexes.get(&key) {
            return Ok(*index);
        }
        let plan = plans.get(plan);
        let encoder = plan.encoder(columns)?;
        let framing = Framing::new(stream.encoding, plan.schema(), id);
        let framing = framing.map_err(|source| PipelineError::Message { stream: stream.name.clone(), source })?;
        let framing = Some(framing).filter(|_| stream.encoding != Encoding::Datum);
        self.encodings.push(MessageEncoding { encoder, framing });
        self.indexes.insert(key, self.encodings.len() - 1);
        Ok(self.encodings.len() - 1)
    }

    /// Has an encoding of Confluent's framing use the id that a registry has given its schema.
    pub fn set_schema_id(&mut self, encoding: usize, id: u32) {
        self.encodings[encoding].framing = Some(Framing::confluent(id));
    }

    /// The encoders of one thread.
    pub fn writer(&self) -> ValueWriter {
        ValueWriter { encodings: self.encodings.clone(), written: vec![None; self.encodings.len()], datum: Vec::new() }
    }
}

/// Writes the message values of one row at a time, each encoding once.
pub(super) struct ValueWriter {
    encodings: Vec<MessageEncoding>,
    /// by encoding: the value of the current row in the batch's buffer, or why there is none; `None`: not encoded yet
    written: Vec<Option<Result<Range<usize>, Arc<str>>>>,
    datum: Vec<u8>,
}

impl ValueWriter {
    /// Starts a row: what was written is of the former one.
    pub fn start_row(&mut self) {
        self.written.fill(None);
    }

    /// The range of the row's value in the buffer of `batch`, which it is written to on the first call.
    ///
    /// # Errors
    /// Why the row cannot be encoded.
    pub fn value(&mut self, encoding: usize, row: &Row<'_>, batch: &mut AlertBatch) -> Result<Range<usize>, Arc<str>> {
        let Self { encodings, written, datum } = self;
        let value = written[encoding].get_or_insert_with(|| {
            batch
                .write_value(|out| encodings[encoding].write(row, datum, out))
                .map_err(|error| error.to_string().into())
        });
        value.clone()
    }
}
