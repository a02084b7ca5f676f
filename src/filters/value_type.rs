//! What a column's values are, as Arrow knows it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};

use crate::avro::{Kind, NodeId, Schema};
use crate::catalog::{Column, ColumnType};

/// The type of a column that a filter is given; every value may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// true or false
    Boolean,
    /// 8 bits
    Byte,
    /// 16 bits
    Short,
    /// 32 bits
    Int,
    /// 64 bits
    Long,
    /// single precision
    Float,
    /// double precision
    Double,
    /// UTF-8
    Text,
    /// bytes
    Binary,
    /// a timestamp, in this unit since 1970
    Timestamp(TimeUnit),
    /// any number of values
    List(Box<ValueType>),
    /// values by name
    Map(Box<ValueType>),
    /// fields
    Struct(Vec<(String, ValueType)>),
}

/// Avro types within each other deeper than this are not followed.
const MAX_DEPTH: usize = 20;

impl ValueType {
    /// The value_type of a catalog's column.
    ///
    /// # Errors
    /// What makes it unfit, in words.
    pub fn of_column(column: &Column) -> Result<Self, String> {
        Ok(match &column.kind {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Byte => Self::Byte,
            ColumnType::Short => Self::Short,
            ColumnType::Int => Self::Int,
            ColumnType::Long => {
                column.exact.as_ref().and_then(|exact| timestamp(exact, exact.root())).unwrap_or(Self::Long)
            }
            ColumnType::Float => Self::Float,
            ColumnType::Double => Self::Double,
            ColumnType::String => Self::Text,
            ColumnType::Binary => Self::Binary,
            ColumnType::Avro(schema) => Self::of_node(schema, schema.root(), 0)?,
        })
    }

    /// The value_type of a node of an Avro schema.
    ///
    /// # Errors
    /// What makes it unfit, in words.
    pub fn of_node(schema: &Schema, id: NodeId, depth: usize) -> Result<Self, String> {
        if depth > MAX_DEPTH {
            return Err("its records lie too deep in each other".to_owned());
        }
        let inner = |id: NodeId| Self::of_node(schema, id, depth + 1);
        Ok(match schema.kind(id) {
            Kind::Boolean => Self::Boolean,
            Kind::Int => Self::Int,
            Kind::Long => timestamp(schema, id).unwrap_or(Self::Long),
            Kind::Float => Self::Float,
            Kind::Double => Self::Double,
            Kind::String | Kind::Enum { .. } => Self::Text,
            Kind::Bytes | Kind::Fixed { .. } => Self::Binary,
            Kind::Array(item) => Self::List(Box::new(inner(*item)?)),
            Kind::Map(value) => Self::Map(Box::new(inner(*value)?)),
            Kind::Record { fields, .. } => {
                Self::Struct(fields.iter().map(|field| Ok((field.name.clone(), inner(field.node)?))).collect::<Result<
                    _,
                    String,
                >>(
                )?)
            }
            Kind::Union(_) => match schema.optional(id) {
                Some(choice) => inner(choice.node)?,
                None => return Err("it holds values of several types, which pandas has no column for".to_owned()),
            },
            Kind::Null => return Err("it holds nothing but null".to_owned()),
        })
    }

    /// Arrow's word for it. Lengths are counted in 64 bits, so that no batch is too large.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Byte => DataType::Int8,
            Self::Short => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Text => DataType::LargeUtf8,
            Self::Binary => DataType::LargeBinary,
            Self::Timestamp(unit) => DataType::Timestamp(*unit, Some("UTC".into())),
            Self::List(item) => DataType::LargeList(item.field("item")),
            Self::Map(value) => DataType::Map(entries(value), false),
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|(name, value_type)| value_type.field(name)).collect())
            }
        }
    }

    /// A field of this type.
    pub fn field(&self, name: &str) -> FieldRef {
        Arc::new(Field::new(name, self.data_type(), true))
    }

    /// Whether values are, or hold, records or maps, which Python gets as dicts.
    pub fn holds_dicts(&self) -> bool {
        match self {
            Self::List(item) => item.holds_dicts(),
            Self::Map(_) | Self::Struct(_) => true,
            _ => false,
        }
    }
}

/// The field of a map's entries.
fn entries(value: &ValueType) -> FieldRef {
    Arc::new(Field::new("entries", DataType::Struct(entry_fields(value)), false))
}

/// What an entry of a map has: a key and a value.
pub(super) fn entry_fields(value: &ValueType) -> Fields {
    let key = Arc::new(Field::new("key", DataType::LargeUtf8, false));
    [key, value.field("value")].into_iter().collect()
}

fn timestamp(schema: &Schema, id: NodeId) -> Option<ValueType> {
    match schema.node(id).logical()? {
        "timestamp-millis" => Some(ValueType::Timestamp(TimeUnit::Millisecond)),
        "timestamp-micros" => Some(ValueType::Timestamp(TimeUnit::Microsecond)),
        _ => None,
    }
}
