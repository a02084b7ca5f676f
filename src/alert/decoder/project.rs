//! Reads a few fields of a datum and skips the others.

use std::sync::Arc;

use super::json::{self, BytesFormat};
use crate::avro::{Kind, Malformed, NodeId, Reader, Schema, Skipper};
use crate::suggest::{did_you_mean, similar_names};

/// The value of a field, borrowed from the datum where possible.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scalar<'a> {
    /// null, or a field of a record that is null
    #[default]
    Null,
    /// boolean
    Boolean(bool),
    /// int or long
    Integer(i64),
    /// float
    Float(f32),
    /// double
    Double(f64),
    /// string, or an enum's symbol
    Text(&'a str),
    /// bytes or fixed
    Bytes(&'a [u8]),
    /// anything else, as JSON with bytes as their lengths
    Json(String),
}

/// A field that the schema does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the alerts have no field `{field}`{}", did_you_mean(similar).map_or_else(String::new, |question| format!(": {question}")))]
pub struct ProjectionError {
    /// the requested field
    pub field: String,
    /// similar fields of the schema, best first
    pub similar: Vec<String>,
}

#[derive(Clone, Debug)]
enum ReadStep {
    Skip(NodeId),
    /// a requested value; `inside` reads requested fields of it
    Take {
        node: NodeId,
        slots: Vec<usize>,
        inside: Option<Box<ReadStep>>,
    },
    Record {
        steps: Vec<ReadStep>,
    },
    /// a union whose branch `value` is a record
    Nullable {
        union: NodeId,
        branches: usize,
        value: usize,
        steps: Vec<ReadStep>,
    },
}

/// Reads some fields of data of a schema.
#[derive(Clone, Debug)]
pub struct Projection {
    schema: Arc<Schema>,
    skipper: Arc<Skipper>,
    steps: Vec<ReadStep>,
    width: usize,
}

impl Projection {
    pub(super) fn new(schema: Arc<Schema>, skipper: Arc<Skipper>, fields: &[&str]) -> Result<Self, ProjectionError> {
        let wanted: Vec<(Vec<&str>, usize)> =
            fields.iter().enumerate().map(|(slot, field)| (field.split('.').collect(), slot)).collect();
        let mut found = Vec::new();
        let mut steps = record(&schema, schema.root(), &wanted, &mut found);
        while matches!(steps.last(), Some(ReadStep::Skip(_))) {
            steps.pop();
        }
        if let Some((_, missing)) = fields.iter().enumerate().find(|(slot, _)| !found.contains(slot)) {
            return Err(ProjectionError { field: (*missing).to_owned(), similar: similar_fields(&schema, missing) });
        }
        Ok(Self { schema, skipper, steps, width: fields.len() })
    }

    /// The values of the fields, in the order of the request. The datum is not checked after the last of them.
    ///
    /// # Errors
    /// The datum is malformed.
    pub fn read<'a>(&'a self, datum: &'a [u8]) -> Result<Vec<Scalar<'a>>, Malformed> {
        let mut values = vec![Scalar::Null; self.width];
        self.steps(&self.steps, &mut Reader::new(datum), &mut values)?;
        Ok(values)
    }

    fn steps<'a>(
        &'a self,
        steps: &[ReadStep],
        reader: &mut Reader<'a>,
        values: &mut [Scalar<'a>],
    ) -> Result<(), Malformed> {
        for step in steps {
            match step {
                ReadStep::Skip(node) => self.skipper.skip(*node, reader)?,
                ReadStep::Record { steps } => self.steps(steps, reader, values)?,
                ReadStep::Nullable { union, branches, value, steps } => {
                    let mut ahead = *reader;
                    match ahead.index(*branches, "a union index without a branch")? == *value {
                        true => {
                            *reader = ahead;
                            self.steps(steps, reader, values)?;
                        }
                        false => self.skipper.skip(*union, reader)?,
                    }
                }
                ReadStep::Take { node, slots, inside } => {
                    let mut again = *reader;
                    let value = self.scalar(*node, reader)?;
                    if let Some(inside) = inside {
                        self.steps(std::slice::from_ref(inside), &mut again, values)?;
                    }
                    for slot in slots {
                        values[*slot].clone_from(&value);
                    }
                }
            }
        }
        Ok(())
    }

    fn scalar<'a>(&'a self, id: NodeId, reader: &mut Reader<'a>) -> Result<Scalar<'a>, Malformed> {
        Ok(match self.schema.kind(id) {
            Kind::Null => Scalar::Null,
            Kind::Boolean => Scalar::Boolean(reader.boolean()?),
            Kind::Int => Scalar::Integer(reader.int()?.into()),
            Kind::Long => Scalar::Integer(reader.long()?),
            Kind::Float => Scalar::Float(f32::from_le_bytes(reader.array()?)),
            Kind::Double => Scalar::Double(f64::from_le_bytes(reader.array()?)),
            Kind::String => Scalar::Text(reader.text()?),
            Kind::Bytes => Scalar::Bytes(reader.bytes()?),
            Kind::Fixed { size, .. } => Scalar::Bytes(reader.take(*size)?),
            Kind::Enum { symbols, .. } => Scalar::Text(reader.symbol(symbols)?),
            Kind::Union(branches) => {
                let (_, branch) = reader.branch(branches)?;
                self.scalar(branch, reader)?
            }
            Kind::Array(_) | Kind::Map(_) | Kind::Record { .. } => {
                let mut text = Vec::new();
                json::write(&self.schema, id, BytesFormat::Length, reader, &mut text)?;
                Scalar::Json(String::from_utf8_lossy(&text).into_owned())
            }
        })
    }
}

/// Whether the schema has the field with this dotted path.
pub(super) fn has_field(schema: &Schema, field: &str) -> bool {
    let mut id = schema.root();
    field.split('.').all(|name| {
        let record = schema.optional(id).map_or(id, |optional| optional.node);
        let Kind::Record { fields, .. } = schema.kind(record) else { return false };
        let field = fields.iter().find(|field| field.name == name);
        id = field.map_or(id, |field| field.node);
        field.is_some()
    })
}

fn record(schema: &Schema, id: NodeId, wanted: &[(Vec<&str>, usize)], found: &mut Vec<usize>) -> Vec<ReadStep> {
    let Kind::Record { fields, .. } = schema.kind(id) else { return vec![ReadStep::Skip(id)] };
    let step = |field: &crate::avro::Field, found: &mut Vec<usize>| {
        let here: Vec<(Vec<&str>, usize)> = wanted
            .iter()
            .filter(|(path, _)| path.first() == Some(&field.name.as_str()) && !field.is_superseded)
            .map(|(path, slot)| (path.get(1..).unwrap_or_default().to_vec(), *slot))
            .collect();
        let slots: Vec<usize> = here.iter().filter(|(path, _)| path.is_empty()).map(|(_, slot)| *slot).collect();
        if here.is_empty() {
            return ReadStep::Skip(field.node);
        }
        found.extend(&slots);
        let deeper: Vec<_> = here.into_iter().filter(|(path, _)| !path.is_empty()).collect();
        let inside = (!deeper.is_empty()).then(|| fields_of(schema, field.node, &deeper, found));
        match (slots.is_empty(), inside) {
            (true, inside) => inside.unwrap_or(ReadStep::Skip(field.node)),
            (false, inside) => ReadStep::Take { node: field.node, slots, inside: inside.map(Box::new) },
        }
    };
    fields.iter().map(|field| step(field, found)).collect()
}

/// The step that reads some fields of a record, or of a union of a record and null.
fn fields_of(schema: &Schema, id: NodeId, wanted: &[(Vec<&str>, usize)], found: &mut Vec<usize>) -> ReadStep {
    match (schema.kind(id), schema.optional(id)) {
        (Kind::Record { .. }, _) => ReadStep::Record { steps: record(schema, id, wanted, found) },
        (Kind::Union(branches), Some(optional)) => ReadStep::Nullable {
            union: id,
            branches: branches.len(),
            value: optional.value,
            steps: record(schema, optional.node, wanted, found),
        },
        _ => ReadStep::Skip(id),
    }
}

/// The fields that resemble an unknown one.
fn similar_fields(schema: &Schema, unknown: &str) -> Vec<String> {
    let mut paths = Vec::new();
    collect(schema, schema.root(), "", &mut Vec::new(), &mut paths);
    similar_names(unknown, paths.iter().map(String::as_str)).into_iter().map(str::to_owned).collect()
}

fn collect(schema: &Schema, id: NodeId, path: &str, open: &mut Vec<NodeId>, paths: &mut Vec<String>) {
    let id = schema.optional(id).map_or(id, |optional| optional.node);
    let Kind::Record { fields, .. } = schema.kind(id) else { return };
    if open.contains(&id) {
        return;
    }
    open.push(id);
    for field in fields {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        collect(schema, field.node, &path, open, paths);
        paths.push(path);
    }
    open.pop();
}
