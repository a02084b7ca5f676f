//! Columns as an Arrow IPC stream.

use std::sync::Arc;

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, LargeBinaryArray, LargeListArray, LargeStringArray, MapArray, PrimitiveArray,
    RecordBatch, RecordBatchOptions, StructArray,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema, TimeUnit};

use super::column_builder::{ColumnBuilder, Values};
use super::error::FilterError;
use super::value_type::{ValueType, entry_fields};

/// Columns of the same length as one Arrow IPC stream with one batch.
pub(super) fn stream(columns: Vec<(String, ColumnBuilder)>, rows: usize) -> Result<Vec<u8>, FilterError> {
    let write = || {
        let mut fields = Vec::with_capacity(columns.len());
        let mut arrays = Vec::with_capacity(columns.len());
        for (name, column) in columns {
            fields.push(column.value_type().field(&name));
            arrays.push(array(column)?);
        }
        let schema = Arc::new(Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
        let mut out = Vec::new();
        let mut writer = StreamWriter::try_new(&mut out, &schema)?;
        writer.write(&batch)?;
        writer.finish()?;
        drop(writer);
        Ok::<_, ArrowError>(out)
    };
    write().map_err(|error| FilterError::Encode(error.to_string()))
}

/// A column of records in Arrow's form.
pub(crate) fn struct_array(column: ColumnBuilder) -> Result<StructArray, ArrowError> {
    let rows = array(column)?;
    let records = rows.as_any().downcast_ref::<StructArray>();
    records.cloned().ok_or_else(|| ArrowError::SchemaError("a column without fields".to_owned()))
}

fn array(column: ColumnBuilder) -> Result<ArrayRef, ArrowError> {
    let value_type = column.value_type().clone();
    let ColumnBuilder { present, values, .. } = column;
    let nulls = present.contains(&false).then(|| NullBuffer::from(present));
    let mismatch = || ArrowError::SchemaError("the values do not have the type of their column".to_owned());
    Ok(match (values, &value_type) {
        (Values::Boolean(values), _) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
        (Values::Byte(values), _) => Arc::new(PrimitiveArray::<Int8Type>::try_new(values.into(), nulls)?),
        (Values::Short(values), _) => Arc::new(PrimitiveArray::<Int16Type>::try_new(values.into(), nulls)?),
        (Values::Int(values), _) => Arc::new(PrimitiveArray::<Int32Type>::try_new(values.into(), nulls)?),
        (Values::Long(values), ValueType::Timestamp(TimeUnit::Millisecond)) => {
            let moments = PrimitiveArray::<TimestampMillisecondType>::try_new(values.into(), nulls)?;
            Arc::new(moments.with_timezone("UTC"))
        }
        (Values::Long(values), ValueType::Timestamp(_)) => {
            let moments = PrimitiveArray::<TimestampMicrosecondType>::try_new(values.into(), nulls)?;
            Arc::new(moments.with_timezone("UTC"))
        }
        (Values::Long(values), _) => Arc::new(PrimitiveArray::<Int64Type>::try_new(values.into(), nulls)?),
        (Values::Float(values), _) => Arc::new(PrimitiveArray::<Float32Type>::try_new(values.into(), nulls)?),
        (Values::Double(values), _) => Arc::new(PrimitiveArray::<Float64Type>::try_new(values.into(), nulls)?),
        (Values::Bytes(ends, bytes), ValueType::Text) => {
            Arc::new(LargeStringArray::try_new(offsets(&ends)?, bytes.into(), nulls)?)
        }
        (Values::Bytes(ends, bytes), _) => Arc::new(LargeBinaryArray::try_new(offsets(&ends)?, bytes.into(), nulls)?),
        (Values::List(ends, item), ValueType::List(inner)) => {
            Arc::new(LargeListArray::try_new(inner.field("item"), offsets(&ends)?, array(*item)?, nulls)?)
        }
        (Values::Map(ends, keys, values), ValueType::Map(value)) => {
            let fields = entry_fields(value);
            let entries = StructArray::try_new(fields.clone(), vec![array(*keys)?, array(*values)?], None)?;
            let field = arrow_schema::Field::new("entries", arrow_schema::DataType::Struct(fields), false);
            Arc::new(MapArray::try_new(Arc::new(field), offsets(&ends)?, entries, nulls, false)?)
        }
        (Values::Struct(columns), ValueType::Struct(value_types)) => {
            let len = columns.first().map_or_else(|| nulls.as_ref().map_or(0, NullBuffer::len), ColumnBuilder::len);
            let fields = value_types.iter().map(|(name, value_type)| value_type.field(name)).collect();
            let arrays = columns.into_iter().map(array).collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, len)?)
        }
        _ => return Err(mismatch()),
    })
}

/// The Arrow offsets of values that end at `ends`.
fn offsets<O: arrow_array::OffsetSizeTrait + ArrowNativeType>(ends: &[usize]) -> Result<OffsetBuffer<O>, ArrowError> {
    let too_long = || ArrowError::InvalidArgumentError("the values are too long".to_owned());
    let all = std::iter::once(&0).chain(ends).map(|end| O::from_usize(*end).ok_or_else(too_long));
    Ok(OffsetBuffer::new(ScalarBuffer::from(all.collect::<Result<Vec<O>, _>>()?)))
}
