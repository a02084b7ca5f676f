//! The forms that alerts are sent in: schema and framing. Streams that agree on both share one, and an alert is encoded once for all of
//! them: of hundreds of streams most send the same shape.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::batch::Batch;
use super::selection::SelectionError;
use crate::alert::message::Framing;
use crate::alert::schema;
use crate::alert::{EncodeError, Encoder, Plan};
use crate::catalog::Catalog;
use crate::config::{Encoding, StreamSettings};
use crate::rules::Rules;
use crate::science_db::{Columns, Row};

/// What a plan is made from: the telescope's schema, and the columns that rules select.
type Origin = (Option<PathBuf>, Option<Vec<usize>>);

/// The plans of all streams, each made once.
pub(super) struct Plans<'a> {
    catalog: &'a Catalog,
    known: HashMap<Origin, usize>,
    plans: Vec<Plan>,
}

impl<'a> Plans<'a> {
    pub fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, known: HashMap::new(), plans: Vec::new() }
    }

    /// The number of a stream's plan.
    ///
    /// # Errors
    /// Its schema cannot be read, or not be filled from the catalog's table.
    pub fn of(&mut self, stream: &StreamSettings, rules: &Rules) -> Result<usize, SelectionError> {
        let selected = Some(rules.columns()).filter(|_| !rules.is_everything());
        let origin = (stream.schema.clone(), selected.map(<[usize]>::to_vec));
        if let Some(known) = self.known.get(&origin) {
            return Ok(*known);
        }
        let name = || stream.name.clone();
        let outgoing = || {
            let telescope = stream.schema.as_deref().map(schema::load).transpose()?;
            schema::outgoing(self.catalog, telescope.as_ref(), selected)
        };
        let schema = outgoing().map_err(|source| SelectionError::Schema { stream: name(), source })?;
        let plan = Plan::new(Arc::new(schema), self.catalog);
        let plan = plan.map_err(|source| SelectionError::Plan { stream: name(), source })?;
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
struct Form {
    encoder: Encoder,
    /// `None`: the bare datum is the value
    framing: Option<Framing>,
}

impl Form {
    fn write(&mut self, row: &Row<'_>, datum: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(framing) = &self.framing else { return self.encoder.encode(row, out) };
        datum.clear();
        self.encoder.encode(row, datum)?;
        framing.put(datum, out);
        Ok(())
    }
}

/// The forms of all streams, each once.
#[derive(Default)]
pub(super) struct Forms {
    known: HashMap<(usize, Encoding, Option<u32>), usize>,
    forms: Vec<Form>,
}

impl Forms {
    /// The number of a stream's form, whose plan has the number `plan`.
    ///
    /// # Errors
    /// The encoding asks for what there is not, or a column is not among `columns`.
    pub fn of(
        &mut self,
        stream: &StreamSettings,
        (plan, plans): (usize, &Plans<'_>),
        columns: &Columns,
    ) -> Result<usize, SelectionError> {
        let origin = (plan, stream.encoding, stream.schema_id);
        if let Some(known) = self.known.get(&origin) {
            return Ok(*known);
        }
        let (name, plan) = (|| stream.name.clone(), plans.get(plan));
        let encoder = plan.encoder(columns).map_err(|source| SelectionError::Plan { stream: name(), source })?;
        let framing = Framing::new(stream.encoding, plan.schema(), stream.schema_id);
        let framing = framing.map_err(|source| SelectionError::Message { stream: name(), source })?;
        self.forms.push(Form { encoder, framing: Some(framing).filter(|_| stream.encoding != Encoding::Datum) });
        self.known.insert(origin, self.forms.len() - 1);
        Ok(self.forms.len() - 1)
    }

    /// The way to write them, for one thread.
    pub fn writer(&self) -> Writer {
        Writer { forms: self.forms.clone(), written: vec![None; self.forms.len()], datum: Vec::new() }
    }
}

/// Writes one row at a time in the forms that are asked for.
pub(super) struct Writer {
    forms: Vec<Form>,
    /// of the present row, by form: its value in the batch, or why there is none
    written: Vec<Option<Result<Range<usize>, String>>>,
    datum: Vec<u8>,
}

impl Writer {
    /// Turns to the next row.
    pub fn begin(&mut self) {
        self.written.fill(None);
    }

    /// The present row's value in `batch`, written there at the first time of asking. The error is why there can be none.
    pub fn value(&mut self, form: usize, row: &Row<'_>, batch: &mut Batch) -> Result<Range<usize>, String> {
        let Self { forms, written, datum } = self;
        let value = written[form].get_or_insert_with(|| {
            batch.value(|out| forms[form].write(row, datum, out)).map_err(|error| error.to_string())
        });
        value.clone()
    }
}
