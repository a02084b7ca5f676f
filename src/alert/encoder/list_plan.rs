//! Plans for lists of text: which columns fill an array or a map.

use super::cell::{null_bytes, value_of};
use super::list::{Item, ListField, ListPlan};
use super::planner::{PlanError, Planner};
use crate::avro::{Kind, NodeId, Schema};
use crate::catalog::ColumnType;

/// Whether the node is an array or a map, or one of them and null.
pub(super) fn is_list(schema: &Schema, node: NodeId) -> bool {
    matches!(schema.kind(value_of(schema, node).1), Kind::Array(_) | Kind::Map(_))
}

/// The plan for an array or a map of scalars from the column at `index`, which is text.
pub(super) fn plan_values(
    planner: &mut Planner<'_>,
    node: NodeId,
    index: usize,
    default: Option<Box<[u8]>>,
) -> Result<ListPlan, PlanError> {
    let (branch, list) = value_of(planner.schema, node);
    let (inner, is_map) = match planner.schema.kind(list) {
        Kind::Map(inner) => (*inner, true),
        Kind::Array(inner) => (*inner, false),
        _ => return Err(planner.type_mismatch(index, "the field is neither an array nor a map".into())),
    };
    let Some(item) = Item::new(planner.schema, inner) else {
        let reason = "only lists of numbers, booleans and strings can be read from text";
        return Err(planner.type_mismatch(index, reason.into()));
    };
    let (on_null, source) = (planner.on_null(node, default), planner.source(index));
    let fields = vec![ListField::Column(source, item)];
    Ok(ListPlan { branch, on_null, item_branch: Box::default(), fields, source, is_map })
}

/// The plan for an array of records from a column of text for each field; `None` if the field is not such an array or has no such column.
pub(super) fn plan_records(
    planner: &mut Planner<'_>,
    node: NodeId,
    default: Option<Box<[u8]>>,
) -> Result<Option<ListPlan>, PlanError> {
    let schema = planner.schema;
    let (branch, list) = value_of(schema, node);
    let Kind::Array(inner) = schema.kind(list) else { return Ok(None) };
    let (item_branch, record) = value_of(schema, *inner);
    let Kind::Record { fields, .. } = schema.kind(record) else { return Ok(None) };
    let is_text = |index: &usize| planner.catalog.columns[*index].kind == ColumnType::String;
    let columns: Vec<Option<usize>> =
        fields.iter().map(|field| planner.column_of(&field.name).filter(is_text)).collect();
    if columns.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut list_fields = Vec::with_capacity(fields.len());
    let mut first_source = None;
    for (field, column) in fields.iter().zip(columns) {
        if let (Some(column), Some(item)) = (column, Item::new(schema, field.node)) {
            let source = planner.source(column);
            first_source.get_or_insert(source);
            list_fields.push(ListField::Column(source, item));
            continue;
        }
        let name = format!("{}.{}", planner.field_name(), field.name);
        let mut bytes = Vec::new();
        let default =
            field.default.as_ref().filter(|value| schema.encode_default(field.node, value, &mut bytes).is_ok());
        let constant = default.map(|_| bytes.into()).or_else(|| null_bytes(schema, field.node));
        match (constant, column) {
            (Some(constant), _) => {
                let warning = format!("`{name}` cannot be read from text: it is null or its default in every alert");
                planner.warnings.push(warning);
                list_fields.push(ListField::Constant(constant));
            }
            (None, Some(column)) => {
                return Err(PlanError::TypeMismatch {
                    column: planner.catalog.columns[column].name.clone(),
                    kind: "string",
                    field: name,
                    reason: "only numbers, booleans and strings can be read from text".into(),
                });
            }
            (None, None) => {
                let table = planner.catalog.full_name();
                return Err(PlanError::NoColumn { column: name.replace('.', "_"), field: name, table });
            }
        }
    }
    let Some(source) = first_source else { return Ok(None) };
    let on_null = planner.on_null(node, default);
    Ok(Some(ListPlan { branch, on_null, item_branch, fields: list_fields, source, is_map: false }))
}
