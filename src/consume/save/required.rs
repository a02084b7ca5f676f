//! Columns that are never null. The columns of filters may all be null; in a file those of Avro fields that cannot be null are required.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, LargeListArray, MapArray, StructArray};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};

use crate::avro::{Kind, NodeId, Schema};

/// The type of a node's column, of which `data_type` says nothing about what may be null.
pub fn data_type(schema: &Schema, id: NodeId, data_type: &DataType) -> DataType {
    let (id, _) = value_node(schema, id);
    match (schema.kind(id), data_type) {
        (Kind::Record { fields: nodes, .. }, DataType::Struct(fields)) => {
            DataType::Struct(fields.iter().zip(nodes).map(|(inner, node)| field(schema, node.node, inner)).collect())
        }
        (Kind::Array(item), DataType::LargeList(inner)) => DataType::LargeList(field(schema, *item, inner)),
        (Kind::Map(value), DataType::Map(entries, sorted)) => DataType::Map(entry(schema, *value, entries), *sorted),
        _ => data_type.clone(),
    }
}

/// The same values in a column of that type.
///
/// # Errors
/// A value is null that cannot be.
pub fn array(schema: &Schema, id: NodeId, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (id, _) = value_node(schema, id);
    let required = data_type(schema, id, values.data_type());
    let any = values.as_any();
    match (schema.kind(id), required) {
        (Kind::Record { fields: nodes, .. }, DataType::Struct(fields)) => {
            let Some(records) = any.downcast_ref::<StructArray>() else { return Ok(Arc::clone(values)) };
            let columns = records.columns().iter().zip(nodes).map(|(column, node)| array(schema, node.node, column));
            let columns = columns.collect::<Result<_, _>>()?;
            let nulls = records.nulls().cloned();
            Ok(Arc::new(StructArray::try_new_with_length(fields, columns, nulls, records.len())?))
        }
        (Kind::Array(item), DataType::LargeList(inner)) => {
            let Some(lists) = any.downcast_ref::<LargeListArray>() else { return Ok(Arc::clone(values)) };
            let items = array(schema, *item, lists.values())?;
            Ok(Arc::new(LargeListArray::try_new(inner, lists.offsets().clone(), items, lists.nulls().cloned())?))
        }
        (Kind::Map(value), DataType::Map(entries, sorted)) => {
            let Some(maps) = any.downcast_ref::<MapArray>() else { return Ok(Arc::clone(values)) };
            let DataType::Struct(fields) = entries.data_type() else { return Ok(Arc::clone(values)) };
            let columns = vec![Arc::clone(maps.keys()), array(schema, *value, maps.values())?];
            let inner = StructArray::try_new(fields.clone(), columns, None)?;
            Ok(Arc::new(MapArray::try_new(entries, maps.offsets().clone(), inner, maps.nulls().cloned(), sorted)?))
        }
        _ => Ok(Arc::clone(values)),
    }
}

/// A field for the values of a node.
fn field(schema: &Schema, id: NodeId, inner: &FieldRef) -> FieldRef {
    let (_, may_be_null) = value_node(schema, id);
    Arc::new(Field::new(inner.name(), data_type(schema, id, inner.data_type()), may_be_null))
}

/// The field of a map's entries: its keys are never null.
fn entry(schema: &Schema, value: NodeId, entries: &FieldRef) -> FieldRef {
    let DataType::Struct(fields) = entries.data_type() else { return Arc::clone(entries) };
    let fields: Fields = match &fields[..] {
        [key, inner] => [Arc::clone(key), field(schema, value, inner)].into_iter().collect(),
        _ => fields.clone(),
    };
    Arc::new(Field::new(entries.name(), DataType::Struct(fields), false))
}

/// The node of the values of an optional one, and whether a value may be null.
fn value_node(schema: &Schema, id: NodeId) -> (NodeId, bool) {
    let may_be_null = schema.null_branch(id).is_some();
    (schema.optional(id).map_or(id, |optional| optional.node), may_be_null)
}
