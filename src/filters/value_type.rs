//! The type of a column's values in Arrow.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};

use crate::avro::{Kind, NodeId, Schema};
use crate::catalog::{Column, ColumnType};

/// The type of a column that a filter receives. Every value may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueType {
    Boolean,
    /// 8 bits
    Byte,
    /// 16 bits
    Short,
    /// 32 bits
    Int,
    /// 64 bits
    Long,
    Float,
    Double,
    /// UTF-8
    Text,
    Binary,
    /// since 1970, UTC
    Timestamp(TimeUnit),
    List(Box<ValueType>),
    /// with keys of text
    Map(Box<ValueType>),
    Struct(Vec<(String, ValueType)>),
}

/// What becomes of unions of several types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unions {
    /// there is no type for them
    Refused,
    /// a struct with a field for each type but null, of which the type of the value is not null
    Members,
}

/// The field of a type of a union, as parquet-avro calls it.
fn member(number: usize) -> String {
    format!("member{number}")
}

/// Deepest nesting of Avro types to follow: a schema may contain itself.
const MAX_DEPTH: usize = 20;

impl ValueType {
    /// The type of a column of the catalog.
    ///
    /// # Errors
    /// Why pandas has no type for it, as the end of a sentence.
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
            ColumnType::Avro(schema) => Self::of_node(schema, schema.root(), Unions::Refused)?,
        })
    }

    /// The type of a node of an Avro schema.
    ///
    /// # Errors
    /// As for [`of_column`](Self::of_column).
    pub fn of_node(schema: &Schema, id: NodeId, unions: Unions) -> Result<Self, String> {
        Self::of_nested(schema, id, unions, 0)
    }

    /// `depth` levels below the column.
    fn of_nested(schema: &Schema, id: NodeId, unions: Unions, depth: usize) -> Result<Self, String> {
        if depth > MAX_DEPTH {
            return Err("its records are nested too deeply".to_owned());
        }
        let inner = |id: NodeId| Self::of_nested(schema, id, unions, depth + 1);
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
            Kind::Union(branches) => match (schema.optional(id), unions) {
                (Some(choice), _) => inner(choice.node)?,
                (None, Unions::Members) => {
                    let types = branches.iter().filter(|branch| !matches!(schema.kind(**branch), Kind::Null));
                    let members = types.enumerate().map(|(number, branch)| Ok((member(number), inner(*branch)?)));
                    Self::Struct(members.collect::<Result<_, String>>()?)
                }
                (None, Unions::Refused) => {
                    return Err("its values have several types, and those of a pandas column have one".to_owned());
                }
            },
            Kind::Null => return Err("it is always null".to_owned()),
        })
    }

    /// The Arrow type. Offsets have 64 bits, so that no batch is too large.
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

    /// An Arrow field of this type.
    pub fn field(&self, name: &str) -> FieldRef {
        Arc::new(Field::new(name, self.data_type(), true))
    }

    /// Whether values are, or contain, records or maps, which are dicts in Python.
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

/// The fields of a map's entries.
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
