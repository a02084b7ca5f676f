//! The plan: which column fills which field of the schema, and what is written for a null.

use std::sync::Arc;

use super::cell::{OnNull, branch_bytes, null_bytes};
use super::conversion::{Conversion, conversion_for};
use super::list::ListPlan;
use super::list_plan::{is_list, plan_records, plan_values};
use super::planner::{PlanColumn, PlanError, Planner};
use crate::avro::{Kind, NodeId, Schema};
use crate::catalog::{Catalog, ColumnType};

/// A step of the encoder. Its sources are indexes in the plan's columns.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// the same bytes for every alert
    Constant(Box<[u8]>),
    /// a cell; `branch` is the index of the union's branch
    Cell { source: usize, branch: Box<[u8]>, conversion: Conversion, on_null: OnNull },
    /// a record; if it has a `null`, it is written when one of `sources` has a value
    Record { sources: Box<[usize]>, branch: Box<[u8]>, null: Option<Box<[u8]>>, ops: Vec<Op> },
    /// an array of records or values, or a map, from columns of text
    List(ListPlan),
}

/// A schema, and how its data are made from the rows of a table.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) schema: Arc<Schema>,
    pub(super) ops: Arc<[Op]>,
    pub(super) columns: Arc<[PlanColumn]>,
    /// number of columns in the table's row key
    pub(super) key_parts: usize,
    warnings: Vec<String>,
}

impl Plan {
    /// Finds for each field of `schema` its column in `catalog`, by the path of the field or by its path with `_` for `.`.
    ///
    /// # Errors
    /// A field has no column, is not nullable and has no default; or its column has a type that cannot fill it.
    pub fn new(schema: Arc<Schema>, catalog: &Catalog) -> Result<Self, PlanError> {
        let mut planner = Planner::new(&schema, catalog);
        let ops = match schema.kind(schema.root()) {
            Kind::Record { .. } => plan_record(&mut planner, schema.root())?,
            _ => return Err(PlanError::NotARecord),
        };
        let Planner { sources, warnings, .. } = planner;
        Ok(Self { ops: ops.into(), columns: sources.into(), key_parts: catalog.row_key.len(), warnings, schema })
    }

    /// The schema of the data.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The columns that are read, as ascending indexes in the catalog's columns.
    pub fn needed_columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self.columns.iter().map(|column| column.index).collect();
        columns.sort_unstable();
        columns
    }

    /// The fields that no column fills: they are null or their default in every alert.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn plan_record(planner: &mut Planner<'_>, id: NodeId) -> Result<Vec<Op>, PlanError> {
    let schema = planner.schema;
    let Kind::Record { fields, .. } = schema.kind(id) else { return Ok(Vec::new()) };
    planner.open.push(id);
    let mut ops = Vec::with_capacity(fields.len());
    for field in fields {
        planner.path.push(field.name.clone());
        let default = match &field.default {
            Some(value) => {
                let mut bytes = Vec::new();
                schema.encode_default(field.node, value, &mut bytes).map_err(|reason| PlanError::TypeMismatch {
                    column: planner.path.join("_"),
                    kind: "default",
                    field: planner.field_name(),
                    reason,
                })?;
                Some(bytes.into_boxed_slice())
            }
            None => None,
        };
        ops.push(plan_field(planner, field.node, default)?);
        planner.path.pop();
    }
    planner.open.pop();
    Ok(ops)
}

fn plan_field(planner: &mut Planner<'_>, node: NodeId, default: Option<Box<[u8]>>) -> Result<Op, PlanError> {
    let schema = planner.schema;
    let column = planner.column();
    let null = null_bytes(schema, node);
    let record = match (schema.kind(node), schema.optional(node)) {
        (Kind::Record { .. }, _) => Some((node, Box::default())),
        (_, Some(optional)) if matches!(schema.kind(optional.node), Kind::Record { .. }) => {
            Some((optional.node, branch_bytes(optional.value)))
        }
        _ => None,
    };
    if let Some((id, branch)) = record
        && is_built_from_fields(planner, column, id, null.is_none() && default.is_none())
    {
        return plan_nested(planner, id, branch, null, column, default);
    }
    if let Some(index) = column {
        let source = &planner.catalog.columns[index];
        return match conversion_for(source, schema, node) {
            Ok((branch, conversion)) => {
                if let Conversion::Avro(cells) = &conversion {
                    for (number, reason) in cells.refused() {
                        let warning = format!(
                            "column `{}`: alerts written under its schema {number} cannot be sent: {reason}",
                            source.name
                        );
                        planner.warnings.push(warning);
                    }
                }
                let (on_null, source) = (planner.on_null(node, default), planner.source(index));
                Ok(Op::Cell { source, branch: branch.map(branch_bytes).unwrap_or_default(), conversion, on_null })
            }
            Err(_) if source.kind == ColumnType::String && is_list(schema, node) => {
                plan_values(planner, node, index, default).map(Op::List)
            }
            Err(reason) => Err(planner.type_mismatch(index, reason)),
        };
    }
    match plan_records(planner, node, default.clone())? {
        Some(list) => Ok(Op::List(list)),
        None => plan_constant(planner, node, default, null),
    }
}

/// Whether a record is built from columns of its fields, rather than read from one cell or left out. One that is `required` is never left
/// out.
fn is_built_from_fields(planner: &Planner<'_>, column: Option<usize>, id: NodeId, required: bool) -> bool {
    // A boolean column of the record's name is its presence marker. Any other holds the whole record.
    let is_cell = column.is_some_and(|index| planner.catalog.columns[index].kind != ColumnType::Boolean);
    let is_inside = |name: &str, prefix: &str| name.len() > prefix.len() && name.starts_with(prefix);
    let (dotted, flat) = (format!("{}.", planner.field_name()), format!("{}_", planner.path.join("_")));
    let has_columns = || {
        let columns = &planner.catalog.columns;
        columns.iter().any(|column| is_inside(&column.field, &dotted) || is_inside(&column.name, &flat))
    };
    !is_cell && !planner.open.contains(&id) && (column.is_some() || required || has_columns())
}

fn plan_nested(
    planner: &mut Planner<'_>,
    id: NodeId,
    branch: Box<[u8]>,
    null: Option<Box<[u8]>>,
    marker: Option<usize>,
    default: Option<Box<[u8]>>,
) -> Result<Op, PlanError> {
    let warnings_before = planner.warnings.len();
    let ops = plan_record(planner, id)?;
    let mut sources = Vec::new();
    collect_sources(&ops, &mut sources);
    sources.extend(marker.map(|marker| planner.source(marker)));
    if sources.is_empty() && (null.is_some() || default.is_some()) {
        // One warning about the record says more than one about each of its fields.
        planner.warnings.truncate(warnings_before);
        return plan_constant(planner, id, default, null);
    }
    Ok(Op::Record { sources: sources.into(), branch, null, ops })
}

/// The plan for a field without a column.
fn plan_constant(
    planner: &mut Planner<'_>,
    node: NodeId,
    default: Option<Box<[u8]>>,
    null: Option<Box<[u8]>>,
) -> Result<Op, PlanError> {
    let (content, bytes) = match (planner.schema.kind(node), default, null) {
        (Kind::Null, ..) => return Ok(Op::Constant(Box::new([]))),
        (Kind::Union(branches), _, Some(null)) if branches.len() == 1 => return Ok(Op::Constant(null)),
        (_, Some(default), _) => ("its default", default),
        (_, None, Some(null)) => ("null", null),
        (_, None, None) => {
            return Err(PlanError::NoColumn {
                field: planner.field_name(),
                column: planner.path.join("_"),
                table: planner.catalog.full_name(),
            });
        }
    };
    let warning =
        format!("no column fills the schema's field `{}`: it is {content} in every alert", planner.field_name());
    planner.warnings.push(warning);
    Ok(Op::Constant(bytes))
}

/// The columns of a record's fields, at every depth.
fn collect_sources(ops: &[Op], sources: &mut Vec<usize>) {
    for op in ops {
        match op {
            Op::Constant(_) => {}
            Op::Cell { source, .. } => sources.push(*source),
            Op::Record { sources: of_record, ops, .. } => {
                sources.extend(of_record.iter());
                collect_sources(ops, sources);
            }
            Op::List(list) => sources.extend(list.sources()),
        }
    }
    sources.sort_unstable();
    sources.dedup();
}
