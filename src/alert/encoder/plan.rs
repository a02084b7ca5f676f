//! The plan: which column goes where in the datum, and what stands in for one that has no cell.

use std::sync::Arc;

use super::cell::{Conversion, fit};
use super::list::{self, ListPlan};
use crate::avro::{Kind, NodeId, Schema, write_long};
use crate::catalog::{Catalog, Column, ColumnType};

/// Why a schema cannot be filled from a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// the root is no record
    #[error("the schema of an alert must be a record")]
    NoRecord,
    /// nothing to put in a field
    #[error(
        "the schema's field `{field}` has no column in the catalog of {table}, and it is neither nullable nor has it a default: add the column `{column}` or correct the schema"
    )]
    NoColumn {
        /// dotted path
        field: String,
        /// the column it would be
        column: String,
        /// namespace:name
        table: String,
    },
    /// the column cannot be what the field is
    #[error("column `{column}` ({kind}) cannot fill the schema's field `{field}`: {reason}")]
    TypeMismatch {
        /// the column
        column: String,
        /// its type
        kind: &'static str,
        /// dotted path
        field: String,
        /// why
        reason: String,
    },
}

/// A column that the plan reads.
#[derive(Clone, Debug)]
pub(super) struct PlanColumn {
    /// index in the catalog's columns
    pub index: usize,
    pub column: Column,
}

/// What to write where there is no cell.
#[derive(Clone, Debug)]
pub(super) enum OnMissing {
    Fail,
    Write(Box<[u8]>),
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// the same bytes for every alert
    Constant(Box<[u8]>),
    /// a cell; `before` is the index of the union's branch that holds it
    Cell { source: usize, before: Box<[u8]>, write: Conversion, absent: OnMissing },
    /// a record; where it may be `null` it is there when one of `sources` has a cell
    Record { sources: Box<[usize]>, before: Box<[u8]>, null: Option<Box<[u8]>>, ops: Vec<Op> },
    /// an array of records or values from columns of text
    List(ListPlan),
}

/// A schema and how its data are made from the rows of a table.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) schema: Arc<Schema>,
    pub(super) ops: Arc<[Op]>,
    pub(super) sources: Arc<[PlanColumn]>,
    /// number of columns in the table's row key
    pub(super) key_parts: usize,
    warnings: Vec<String>,
}

impl Plan {
    /// Finds for each field of `schema` its column in `catalog`, by its path or by its path with `_` for `.`.
    ///
    /// # Errors
    /// A field has no column and may not go without, or its column is of a type that cannot be it.
    pub fn new(schema: Arc<Schema>, catalog: &Catalog) -> Result<Self, PlanError> {
        let mut planner = Planner {
            schema: &schema,
            catalog,
            sources: Vec::new(),
            warnings: Vec::new(),
            path: Vec::new(),
            open: Vec::new(),
        };
        let ops = match schema.kind(schema.root()) {
            Kind::Record { .. } => planner.record(schema.root())?,
            _ => return Err(PlanError::NoRecord),
        };
        let Planner { sources, warnings, .. } = planner;
        Ok(Self { ops: ops.into(), sources: sources.into(), key_parts: catalog.row_key.len(), warnings, schema })
    }

    /// The schema of the data.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The columns that are read, as indexes into the catalog's columns, ascending.
    pub fn needed_columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self.sources.iter().map(|source| source.index).collect();
        columns.sort_unstable();
        columns
    }

    /// What an operator should know: fields that no column fills, so that they are null or their default in every alert.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

pub(super) struct Planner<'a> {
    pub schema: &'a Schema,
    pub catalog: &'a Catalog,
    sources: Vec<PlanColumn>,
    warnings: Vec<String>,
    path: Vec<String>,
    open: Vec<NodeId>,
}

impl Planner<'_> {
    fn record(&mut self, id: NodeId) -> Result<Vec<Op>, PlanError> {
        let schema = self.schema;
        let Kind::Record { fields, .. } = schema.kind(id) else { return Ok(Vec::new()) };
        self.open.push(id);
        let mut ops = Vec::with_capacity(fields.len());
        for field in fields {
            self.path.push(field.name.clone());
            let default = match &field.default {
                Some(value) => {
                    let mut bytes = Vec::new();
                    schema
                        .encode_default(field.node, value, &mut bytes)
                        .map_err(|reason| self.misfit_default(reason))?;
                    Some(bytes.into_boxed_slice())
                }
                None => None,
            };
            ops.push(self.field(field.node, default)?);
            self.path.pop();
        }
        self.open.pop();
        Ok(ops)
    }

    fn misfit_default(&self, reason: String) -> PlanError {
        PlanError::TypeMismatch { column: self.path.join("_"), kind: "default", field: self.field_name(), reason }
    }

    fn field(&mut self, node: NodeId, default: Option<Box<[u8]>>) -> Result<Op, PlanError> {
        let schema = self.schema;
        let column = self.column();
        let null = null_bytes(schema, node);
        let record = match (schema.kind(node), schema.optional(node)) {
            (Kind::Record { .. }, _) => Some((node, None)),
            (_, Some(optional)) if matches!(schema.kind(optional.node), Kind::Record { .. }) => {
                Some((optional.node, Some(branch_bytes(optional.value))))
            }
            _ => None,
        };
        if let Some((id, before)) = record
            && self.descends(column, id, null.is_none() && default.is_none())
        {
            return self.nested(id, before, null, column, default);
        }
        if let Some(column) = column {
            let (name, kind) = (&self.catalog.columns[column].name, &self.catalog.columns[column].kind);
            let type_mismatch = |reason| PlanError::TypeMismatch {
                column: name.clone(),
                kind: kind.name(),
                field: self.field_name(),
                reason,
            };
            match fit(kind, schema, node) {
                Ok((branch, write)) => {
                    let before = branch.map(branch_bytes).unwrap_or_default();
                    let absent = null.or(default).map_or(OnMissing::Fail, OnMissing::Write);
                    return Ok(Op::Cell { source: self.source(column), before, write, absent });
                }
                Err(_) if *kind == ColumnType::String && list::is_list(schema, node) => {
                    return list::values(self, node, column, default).map_err(misfit_of(name, self));
                }
                Err(reason) => return Err(type_mismatch(reason)),
            }
        }
        if let Some(list) = list::records(self, node, default.clone())? {
            return Ok(list);
        }
        self.without_column(node, default, null)
    }

    /// Whether the record is put together from columns of its fields, rather than taken from a cell or left out, which a `required` one
    /// cannot be.
    fn descends(&self, column: Option<usize>, id: NodeId, required: bool) -> bool {
        let whole = column.is_some_and(|at| self.catalog.columns[at].kind != ColumnType::Boolean);
        let inside = |field: &str, path: &str| field.len() > path.len() && field.starts_with(path);
        let (dotted, flat) = (format!("{}.", self.field_name()), format!("{}_", self.path.join("_")));
        !whole
            && !self.open.contains(&id)
            && (column.is_some()
                || required
                || self.catalog.columns.iter().any(|c| inside(&c.field, &dotted) || inside(&c.name, &flat)))
    }

    fn nested(
        &mut self,
        id: NodeId,
        before: Option<Box<[u8]>>,
        null: Option<Box<[u8]>>,
        marker: Option<usize>,
        default: Option<Box<[u8]>>,
    ) -> Result<Op, PlanError> {
        let known = self.warnings.len();
        let ops = self.record(id)?;
        let mut sources = Vec::new();
        gather(&ops, &mut sources);
        sources.extend(marker.map(|marker| self.source(marker)));
        if sources.is_empty() && (null.is_some() || default.is_some()) {
            self.warnings.truncate(known);
            return self.without_column(id, default, null);
        }
        Ok(Op::Record { sources: sources.into(), before: before.unwrap_or_default(), null, ops })
    }

    fn without_column(
        &mut self,
        node: NodeId,
        default: Option<Box<[u8]>>,
        null: Option<Box<[u8]>>,
    ) -> Result<Op, PlanError> {
        let (what, bytes) = match (self.schema.kind(node), default, null) {
            (Kind::Null, ..) => return Ok(Op::Constant(Box::new([]))),
            (_, _, Some(null)) if matches!(self.schema.kind(node), Kind::Union(b) if b.len() == 1) => {
                return Ok(Op::Constant(null));
            }
            (_, Some(default), _) => ("its default", default),
            (_, None, Some(null)) => ("null", null),
            (_, None, None) => {
                return Err(PlanError::NoColumn {
                    field: self.field_name(),
                    column: self.path.join("_"),
                    table: self.catalog.full_name(),
                });
            }
        };
        let warning =
            format!("no column fills the schema's field `{}`: it is {what} in every alert", self.field_name());
        self.warnings.push(warning);
        Ok(Op::Constant(bytes))
    }

    /// The dotted path of the field being planned.
    pub fn field_name(&self) -> String {
        self.path.join(".")
    }

    /// The column of the field being planned.
    fn column(&self) -> Option<usize> {
        let field = self.field_name();
        let by_field = self.catalog.columns.iter().position(|column| column.field == field);
        by_field.or_else(|| self.catalog.index_of(&self.path.join("_")))
    }

    /// The column of a field of the field being planned.
    pub fn column_of(&self, field: &str) -> Option<usize> {
        let dotted = format!("{}.{field}", self.field_name());
        let by_field = self.catalog.columns.iter().position(|column| column.field == dotted);
        by_field.or_else(|| self.catalog.index_of(&format!("{}_{field}", self.path.join("_"))))
    }

    /// Notes a warning.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The place of a column among the plan's sources.
    pub fn source(&mut self, column: usize) -> usize {
        if let Some(known) = self.sources.iter().position(|source| source.index == column) {
            return known;
        }
        self.sources.push(PlanColumn { index: column, column: self.catalog.columns[column].clone() });
        self.sources.len() - 1
    }
}

fn misfit_of(name: &str, planner: &Planner<'_>) -> impl Fn(String) -> PlanError {
    let (column, field) = (name.to_owned(), planner.field_name());
    move |reason| PlanError::TypeMismatch { column: column.clone(), kind: "string", field: field.clone(), reason }
}

/// The index of a union's branch as it stands before its value.
pub(super) fn branch_bytes(branch: usize) -> Box<[u8]> {
    let mut bytes = Vec::new();
    write_long(branch as i64, &mut bytes);
    bytes.into()
}

/// A null of the node, where it can be null.
pub(super) fn null_bytes(schema: &Schema, node: NodeId) -> Option<Box<[u8]>> {
    match schema.kind(node) {
        Kind::Null => Some(Box::new([])),
        _ => schema.null_branch(node).map(branch_bytes),
    }
}

/// The sources of a record's fields, at every depth.
fn gather(ops: &[Op], sources: &mut Vec<usize>) {
    for op in ops {
        match op {
            Op::Constant(_) => {}
            Op::Cell { source, .. } => sources.push(*source),
            Op::Record { sources: marked, ops, .. } => {
                sources.extend(marked.iter());
                gather(ops, sources);
            }
            Op::List(list) => sources.extend(list.sources()),
        }
    }
    sources.sort_unstable();
    sources.dedup();
}
