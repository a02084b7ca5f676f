//! An alert as a tree of values for serde: the input of the other encoders.

use apache_avro::types::Value;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A value. The field names of a record are static, like those of a struct.
pub enum Tree {
    Null,
    Some(Box<Tree>),
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Record(Vec<(&'static str, Tree)>),
}

impl Tree {
    /// The tree of a value that apache-avro decoded.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Union(_, inner) => match &**inner {
                Value::Null => Self::Null,
                inner => Self::Some(Box::new(Self::of(inner))),
            },
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Int(value) | Value::Date(value) | Value::TimeMillis(value) => Self::Int(*value),
            Value::Long(value) | Value::TimestampMillis(value) | Value::TimestampMicros(value) => Self::Long(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Double(value) => Self::Double(*value),
            Value::String(value) => Self::String(value.clone()),
            Value::Bytes(value) => Self::Bytes(value.clone()),
            Value::Array(values) => Self::List(values.iter().map(Self::of).collect()),
            Value::Record(fields) => {
                Self::Record(fields.iter().map(|(name, value)| (&*name.clone().leak(), Self::of(value))).collect())
            }
            other => panic!("the alerts of the simulator hold no {other:?}"),
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Some(value) => serializer.serialize_some(value),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i32(*value),
            Self::Long(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f32(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Record(fields) => {
                let mut record = serializer.serialize_struct("", fields.len())?;
                for (name, value) in fields {
                    record.serialize_field(name, value)?;
                }
                record.end()
            }
        }
    }
}
